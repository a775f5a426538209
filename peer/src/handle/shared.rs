//! What a connection's handles and its task share: queues, and bells to ring.
//!
//! The task owns the connection and the handles never touch it. Between them stand, for each
//! channel, two short queues under a lock that is held for a few instructions and never across an
//! `await`:
//!
//! ```text
//!            send().await                             Connection.send
//! handle ───────────────────► outbound ─────────────────────────────► task
//!   ▲ waits for a permit       ring ─► doorbell      frees permits     │
//!   │                                                                  │
//!   └──────────────────────── inbound ◄────────────────────────────────┘
//!            recv().await                             Connection.recv, while there is room
//! ```
//!
//! - Outbound, the octets of all channels together are bounded by permits: a writer that is too
//!   fast waits. The task takes messages as SCTP's own send buffer takes them.
//! - Inbound, each channel has little room and all together have a little more. The task stops
//!   pulling when it is used up; then the data stays in SCTP, which closes its window (RFC 9260
//!   §6.2), and the peer has to wait. Nothing is dropped.
//!
//! Book: "The pump".

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use tracing::debug;

use super::events::PeerEvent;
use super::line::Line;
use crate::media::{EncodedFrame, MediaPacket, Rid, TransceiverId};
use crate::{ChannelId, ConnectionState, Error, IceConnectionState, IceGatheringState};

/// The most octets that wait to be taken by SCTP, over all channels of a connection.
pub(super) const MAX_OUTBOUND: usize = 128 << 10;

/// The most octets that wait for their readers, over all channels of a connection: above it the
/// task leaves everything in SCTP.
const MAX_INBOUND: usize = 192 << 10;

/// The most octets that wait for the reader of one channel, less than a message: small, because
/// what SCTP holds back is what slows the peer down, but enough to keep a reader busy while the
/// task works on the next packets.
pub(super) const MAX_INBOUND_OF_CHANNEL: usize = 96 << 10;

/// The most events that wait for [`next_event`](super::PeerConnection::next_event). An
/// application that never asks gets no channels, and costs no memory.
pub(super) const MAX_EVENTS: usize = 1024;

/// The most frames and packets that wait to be taken by the task: what a second of video at
/// 4 Mbit/s makes. A task that is further behind than that is better off with newer ones.
const MAX_COMMANDS: usize = 512;

/// What keeping a message costs besides its octets, so that empty ones are bounded too.
pub(super) const MESSAGE_OVERHEAD: usize = 64;

/// Common to all handles of one connection and its task.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Wakes the task.
    doorbell: Notify,
    /// The channels it was woken for.
    rung: Mutex<Vec<ChannelId>>,
    /// One for each octet that may still wait outbound. Closed when the connection is.
    pub(super) permits: Semaphore,
    /// Octets that wait inbound, over all channels.
    inbound: AtomicUsize,
    events: Mutex<VecDeque<PeerEvent>>,
    /// Rings when an event was added or no more will be.
    event_bell: Notify,
    state: watch::Sender<ConnectionState>,
    ice_state: watch::Sender<IceConnectionState>,
    gathering_state: watch::Sender<IceGatheringState>,
    /// The largest message the peer accepts, in octets.
    max_message_size: AtomicUsize,
    commands: Mutex<VecDeque<MediaCommand>>,
    /// What the path carries, bits per second, once measured.
    target_bitrate: watch::Sender<Option<u64>>,
}

/// What a handle of a transceiver wants done.
#[derive(Debug)]
pub(crate) enum MediaCommand {
    /// Send this frame.
    Frame(TransceiverId, EncodedFrame),
    /// Forward this packet.
    Packet(TransceiverId, Arc<MediaPacket>),
    /// Ask for a keyframe.
    RequestKeyframe(TransceiverId, Option<Rid>),
}

impl Shared {
    /// For a new connection.
    pub(crate) fn new() -> Shared {
        Shared {
            doorbell: Notify::new(),
            rung: Mutex::default(),
            permits: Semaphore::new(MAX_OUTBOUND),
            inbound: AtomicUsize::new(0),
            events: Mutex::default(),
            event_bell: Notify::new(),
            state: watch::Sender::new(ConnectionState::New),
            ice_state: watch::Sender::new(IceConnectionState::New),
            gathering_state: watch::Sender::new(IceGatheringState::New),
            max_message_size: AtomicUsize::new(usize::MAX),
            commands: Mutex::default(),
            target_bitrate: watch::Sender::new(None),
        }
    }

    /// The largest message the peer accepts, in octets; no limit while it has not said.
    pub(super) fn max_message_size(&self) -> usize {
        self.max_message_size.load(Ordering::Relaxed)
    }

    /// Notes what the peer accepts.
    pub(crate) fn set_max_message_size(&self, octets: usize) {
        self.max_message_size.store(octets, Ordering::Relaxed);
    }

    /// Wakes the task to look after `channel`.
    pub(super) fn ring(&self, channel: ChannelId) {
        lock(&self.rung).push(channel);
        self.doorbell.notify_one();
    }

    /// Completes when a handle rang.
    pub(crate) async fn rung(&self) {
        self.doorbell.notified().await;
    }

    /// The channels that were rung for since the last call.
    pub(crate) fn take_rung(&self, channels: &mut Vec<ChannelId>) {
        channels.append(&mut lock(&self.rung));
    }

    /// Whether more may be pulled out of SCTP.
    pub(crate) fn has_room(&self) -> bool {
        self.inbound.load(Ordering::Relaxed) < MAX_INBOUND
    }

    /// A message waits for its reader.
    pub(super) fn inbound_added(&self, cost: usize) {
        self.inbound.fetch_add(cost, Ordering::Relaxed);
    }

    /// A message was taken by its reader, or went with its channel.
    pub(super) fn inbound_taken(&self, cost: usize) {
        let before = self.inbound.fetch_sub(cost, Ordering::Relaxed);
        // Not at the bound itself, so that the task is not woken for every message.
        const ENOUGH: usize = MAX_INBOUND / 2;
        if before >= ENOUGH && before.saturating_sub(cost) < ENOUGH {
            self.doorbell.notify_one();
        }
    }

    /// Gives an event to the application. Answers false when too many wait already.
    pub(crate) fn push_event(&self, event: PeerEvent) -> bool {
        let mut events = lock(&self.events);
        if events.len() >= MAX_EVENTS {
            debug!("the application does not take its events: one lost");
            return false;
        }
        events.push_back(event);
        drop(events);
        self.event_bell.notify_one();
        true
    }

    /// The next event; `None` once the connection is gone and none is left.
    pub(super) async fn next_event(&self) -> Option<PeerEvent> {
        loop {
            let gone = self.permits.is_closed();
            let (next, more) = {
                let mut events = lock(&self.events);
                (events.pop_front(), !events.is_empty())
            };
            if more || gone {
                // For whoever else waits.
                self.event_bell.notify_one();
            }
            if next.is_some() || gone {
                return next;
            }
            self.event_bell.notified().await;
        }
    }

    /// The connection's state, and its changes.
    pub(crate) fn state(&self) -> &watch::Sender<ConnectionState> {
        &self.state
    }

    /// The state of ICE, and its changes.
    pub(crate) fn ice_state(&self) -> &watch::Sender<IceConnectionState> {
        &self.ice_state
    }

    /// How far gathering is, and its changes.
    pub(crate) fn gathering_state(&self) -> &watch::Sender<IceGatheringState> {
        &self.gathering_state
    }

    /// Leaves a command for the task; one too many pushes the oldest out.
    pub(super) fn command(&self, command: MediaCommand) -> Result<(), Error> {
        if self.permits.is_closed() {
            return Err(Error::Closed);
        }
        let mut commands = lock(&self.commands);
        if commands.len() >= MAX_COMMANDS {
            debug!("the connection is behind: one frame or packet lost");
            commands.pop_front();
        }
        commands.push_back(command);
        let is_first = commands.len() == 1;
        drop(commands);
        if is_first {
            self.doorbell.notify_one();
        }
        Ok(())
    }

    /// All commands since the last call.
    pub(crate) fn take_commands(&self) -> VecDeque<MediaCommand> {
        std::mem::take(&mut lock(&self.commands))
    }

    /// What the path carries, and its changes.
    pub(crate) fn target_bitrate(&self) -> &watch::Sender<Option<u64>> {
        &self.target_bitrate
    }

    /// The connection is gone: wakes everybody.
    pub(crate) fn close<'a>(&self, lines: impl Iterator<Item = &'a Line>) {
        for line in lines {
            line.set_closed();
        }
        self.permits.close();
        self.event_bell.notify_one();
    }
}

/// Locks a mutex of this module. All of them guard data that is consistent after each statement,
/// so a panic elsewhere spoils nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
