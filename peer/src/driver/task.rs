//! The task that drives one connection: the only place where its state machine meets a socket,
//! a clock and an application.
//!
//! ```text
//!            datagrams (lane)   requests   doorbell   timer   socket writable
//!                    └──────────────┴─────────┴─────────┴────────────┘
//!                                       │ one of them
//!                                       ▼
//!                                  Connection
//!                                       │ drained after each
//!                    ┌──────────────────┼──────────────────┐
//!                    ▼                  ▼                  ▼
//!             events ► handles   messages ► readers   transmits ► bursts ► socket
//! ```
//!
//! - The task owns the connection: no lock, and nothing else calls it. What handles want done is
//!   sent here as a [`Request`]; messages pass through [`Channels`].
//! - Datagrams that the kernel does not take wait, and no others are made meanwhile: the next
//!   `poll_transmit` comes when the socket is writable again.
//! - A connection that closes is driven on until its farewell has left, but not for longer than
//!   [`LINGER`].
//!
//! Book: "The pump".

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ice::{Path, Protocol};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::debug;

use super::alarm::Alarm;
use super::burst::{Burst, Outbox};
use super::channels::Channels;
use super::gathering::Subscription;
use super::hosts::Hosts;
use super::lane::Batch;
use super::media::Tracks;
use super::names::Names;
use super::router::Registration;
use super::socket::Socket;
use super::tcp::TcpOwner;
use crate::handle::{ChannelState, DataChannel, PeerEvent, Shared};
use crate::{
    ChannelId, CloseReason, Connection, ConnectionState, Datagram, Event, IceConnectionState,
};

/// How long a closing connection may take to send its farewell.
const LINGER: Duration = Duration::from_secs(1);

/// Batches of datagrams handled before what came of them is drained: enough to answer a burst
/// with one acknowledgement, little enough to answer soon.
const BATCHES_PER_TURN: usize = 4;

/// Bursts sent before other tasks of this thread have their turn.
const BURSTS_PER_TURN: usize = 8;

/// Something a handle wants done with the connection.
pub(crate) type Request = Box<dyn FnOnce(&mut Task, Instant) + Send>;

/// What a connection runs amidst.
pub(super) struct Surroundings {
    pub(super) socket: Arc<Socket>,
    pub(super) tcp: TcpOwner,
    /// Where names of the peer are looked up.
    pub(super) names: Arc<Names>,
    /// The machine's addresses.
    pub(super) hosts: Hosts,
    pub(super) registration: Registration,
    /// Dropping every sender closes the connection.
    pub(super) requests: mpsc::Receiver<Request>,
    /// Becomes true when the endpoint closes.
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) shared: Arc<Shared>,
    pub(super) tracks: Tracks,
    /// What servers tell and lend, if the application has named some.
    pub(super) gathering: Option<Subscription>,
}

/// A connection and all it needs to run.
pub(crate) struct Task {
    pub(crate) connection: Connection,
    socket: Arc<Socket>,
    tcp: TcpOwner,
    names: Arc<Names>,
    /// The names that are being looked up; the connection bounds their number.
    lookups: JoinSet<(String, Option<IpAddr>)>,
    hosts: Hosts,
    registration: Registration,
    requests: mpsc::Receiver<Request>,
    /// Becomes true when the endpoint closes.
    shutdown: watch::Receiver<bool>,
    shared: Arc<Shared>,
    channels: Channels,
    pub(crate) tracks: Tracks,
    gathering: Option<Subscription>,
    outbox: Outbox,
    /// What the kernel did not take.
    blocked: Option<Burst>,
    life: Life,
}

/// How far the connection is on its way.
#[derive(Debug)]
enum Life {
    Running,
    /// It has been told to close, and is given until then.
    Closing(Instant),
    /// Its state machine has reported the end; what it still has to send is sent.
    Over(CloseReason),
}

impl Task {
    /// A task for `connection`.
    pub(super) fn new(connection: Connection, surroundings: Surroundings) -> Task {
        let Surroundings {
            socket,
            tcp,
            names,
            hosts,
            registration,
            requests,
            shutdown,
            shared,
            tracks,
            gathering,
        } = surroundings;
        let channels = Channels::new(Arc::clone(&shared));
        Task {
            connection,
            socket,
            tcp,
            names,
            lookups: JoinSet::new(),
            hosts,
            registration,
            requests,
            shutdown,
            shared,
            channels,
            tracks,
            gathering,
            outbox: Outbox::default(),
            blocked: None,
            life: Life::Running,
        }
    }

    /// Drives the connection to its end. Boxed, because a future holds what it is called with more
    /// than once, and this is several kilobytes.
    // ANCHOR: task
    pub(crate) async fn run(mut self: Box<Self>) {
        let mut alarm = Alarm::new();
        loop {
            let done = self.drain(Instant::now());
            if done && self.is_over() {
                break;
            }
            alarm.set(self.deadline());
            tokio::select! {
                batch = self.registration.inbox().receive() => self.handle_batch(batch),
                request = self.requests.recv(), if self.is_running() => self.handle_request(request),
                () = self.shared.rung() => self.handle_rung(),
                () = changed(&mut self.gathering) => self.handle_gathered(),
                () = self.hosts.changed() => self.hosts.tell(Instant::now(), &mut self.connection),
                Some(found) = self.lookups.join_next() => self.handle_lookup(found),
                () = alarm.rings() => self.handle_timeout(),
                _ = self.socket.writable(), if self.blocked.is_some() => {}
                () = becomes_true(&mut self.shutdown), if self.is_running() => self.close(Instant::now()),
                () = tokio::task::yield_now(), if !done => {}
            }
        }
        self.end();
    }
    // ANCHOR_END: task

    /// Hands datagrams to the connection, and those that wait behind them.
    fn handle_batch(&mut self, first: Option<Batch>) {
        let now = Instant::now();
        let mut next = first;
        let mut taken = 0;
        while let Some(Batch { path, datagrams }) = next {
            if datagrams.is_empty() {
                self.connection.path_failed(now, path);
            }
            for payload in datagrams {
                let Path { protocol, local, remote } = path;
                let datagram = Datagram { protocol, local, remote, payload };
                if let Err(error) = self.connection.handle_datagram(now, datagram) {
                    debug!(%remote, %error, "datagram discarded");
                }
            }
            taken += 1;
            next = if taken < BATCHES_PER_TURN {
                self.registration.inbox().try_receive()
            } else {
                None
            };
        }
    }

    /// Does what a handle asks; without any handle left, closes.
    fn handle_request(&mut self, request: Option<Request>) {
        let now = Instant::now();
        match request {
            Some(request) => request(self, now),
            None => self.close(now),
        }
        // A description may have changed these.
        self.tracks.follow(&self.connection);
        self.registration.set_fragments(self.connection.local_ufrags());
        self.shared.set_max_message_size(self.connection.max_message_size());
    }

    /// Looks after the channels whose handles rang, and sends the media they left.
    fn handle_rung(&mut self) {
        let now = Instant::now();
        self.channels.rung(&mut self.connection, now);
        self.tracks.obey(&mut self.connection, now);
    }

    /// Looks a name of the peer up, besides everything else.
    fn look_up(&mut self, name: String) {
        let names = Arc::clone(&self.names);
        self.lookups.spawn(async move {
            let address = names.look_up(&name).await;
            (name, address)
        });
    }

    fn handle_lookup(&mut self, found: Result<(String, Option<IpAddr>), JoinError>) {
        match found {
            Ok((name, address)) => self.connection.name_resolved(Instant::now(), &name, address),
            Err(error) => debug!(%error, "a name was not looked up"),
        }
    }

    /// Tells the connection what the servers have told or lent since.
    fn handle_gathered(&mut self) {
        if let Some(gathering) = &mut self.gathering {
            for failure in gathering.tell(Instant::now(), &mut self.connection) {
                self.shared.push_event(PeerEvent::IceCandidateError(failure));
            }
        }
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        if matches!(self.life, Life::Closing(until) if now >= until) {
            debug!("closing takes too long");
            self.life = Life::Over(CloseReason::Local);
            self.blocked = None;
        }
        self.connection.handle_timeout(now);
    }

    /// Closes the connection: its farewell is queued.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.is_running() {
            self.connection.close(now);
            self.life = Life::Closing(now + LINGER);
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    fn is_over(&self) -> bool {
        matches!(self.life, Life::Over(_)) && self.blocked.is_none()
    }

    /// When the task must wake even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let closing = match self.life {
            Life::Closing(until) => Some(until),
            Life::Running | Life::Over(_) => None,
        };
        self.connection.poll_timeout().into_iter().chain(closing).min()
    }

    /// Takes all that the connection has to give: events to the handles, messages to their
    /// readers, datagrams to the socket. Answers false if more can be done at once.
    fn drain(&mut self, now: Instant) -> bool {
        loop {
            while let Some(event) = self.connection.poll_event() {
                self.handle_event(now, event);
            }
            let settled = self.channels.settle(&mut self.connection, now);
            let sent_all = self.transmit(now);
            match self.connection.poll_event() {
                Some(event) => self.handle_event(now, event),
                None => return settled && sent_all,
            }
        }
    }

    /// Wishes for new paths. What servers told of us may be the reason why the old ones fail.
    pub(crate) fn restart_ice(&mut self, now: Instant) {
        self.connection.restart_ice(now);
        self.refresh_gathering();
    }

    fn refresh_gathering(&self) {
        if let Some(gathering) = &self.gathering {
            gathering.refresh();
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::ConnectionStateChange(state) => {
                if state == ConnectionState::Connected {
                    self.registration.peer_is_authenticated();
                }
                // Perhaps a NAT or a relay has forgotten us.
                if state == ConnectionState::Disconnected {
                    self.refresh_gathering();
                }
                self.shared.state().send_replace(state);
                self.shared.push_event(PeerEvent::ConnectionState(state));
            }
            Event::IceCandidate(candidate) => {
                self.shared.push_event(PeerEvent::IceCandidate(candidate));
            }
            Event::IceGatheringStateChange(state) => {
                self.shared.gathering_state().send_replace(state);
                self.shared.push_event(PeerEvent::IceGatheringState(state));
            }
            Event::IceConnectionStateChange(state) => {
                self.shared.ice_state().send_replace(state);
                self.shared.push_event(PeerEvent::IceConnectionState(state));
            }
            Event::ResolveName(name) => self.look_up(name),
            Event::RelayPermission { relayed, peer } => {
                if let Some(gathering) = &self.gathering {
                    gathering.permit(relayed, peer);
                }
            }
            Event::SelectedPair { protocol, local, remote } => {
                self.shared.push_event(PeerEvent::SelectedPair { protocol, local, remote });
            }
            Event::DataChannel(id) => {
                if let Some(channel) = self.adopt(id, ChannelState::Open) {
                    // If nobody takes it, it is dropped here, and so closed.
                    self.shared.push_event(PeerEvent::DataChannel(channel));
                }
            }
            Event::ChannelOpened(id) => self.channels.opened(id),
            Event::Readable(id) => self.channels.pull(&mut self.connection, now, id),
            Event::ChannelClosing(id) => self.channels.closing(&mut self.connection, now, id),
            Event::ChannelClosed(id) => self.channels.closed(&mut self.connection, now, id),
            Event::Track(id) => {
                if let Some(info) = self.connection.transceiver(id) {
                    let transceiver = self.tracks.handle(id, info.kind);
                    self.shared.push_event(PeerEvent::Track(transceiver));
                }
            }
            Event::NegotiationNeeded => {
                self.shared.push_event(PeerEvent::NegotiationNeeded);
            }
            Event::MediaReadable(id) => self.tracks.readable(&mut self.connection, now, id),
            Event::KeyframeRequested(id, rid) => self.tracks.keyframe_requested(id, rid),
            Event::TargetBitrate(bits) => {
                self.shared.target_bitrate().send_replace(Some(bits));
            }
            Event::Closed(reason) => self.life = Life::Over(reason),
            _ => {}
        }
    }

    /// A handle on a channel of the connection.
    pub(crate) fn adopt(&mut self, id: ChannelId, state: ChannelState) -> Option<DataChannel> {
        self.channels.adopt(&self.connection, id, state)
    }

    /// Sends what the connection has, in bursts. Answers false if there is more, after a share of
    /// time that is fair to other tasks.
    fn transmit(&mut self, now: Instant) -> bool {
        let limit = self.socket.burst_limit();
        for _ in 0..BURSTS_PER_TURN {
            let connection = &mut self.connection;
            let burst = self
                .blocked
                .take()
                .or_else(|| self.outbox.next_burst(limit, || connection.poll_transmit(now)));
            let Some(burst) = burst else { return true };
            self.registration.add_path(burst.path);
            if let Err(burst) = self.send(burst) {
                self.blocked = Some(burst);
                return true;
            }
        }
        false
    }

    /// Hands a burst to what carries its path: a connection of TCP, the relay that the address is lent
    /// by, or the socket. Gives it back if the kernel does not take it now.
    fn send(&self, burst: Burst) -> Result<(), Burst> {
        if burst.path.protocol == Protocol::Tcp {
            burst.iter().for_each(|packet| self.tcp.send(burst.path, packet));
            return Ok(());
        }
        match &self.gathering {
            Some(gathering) if gathering.is_relayed(burst.path.local) => {
                gathering.relay(burst);
                Ok(())
            }
            _ => self.socket.try_send(&burst).map_err(|_| burst),
        }
    }

    /// Tells the handles that it is over.
    fn end(self) {
        let reason = match self.life {
            Life::Over(reason) => reason,
            Life::Running | Life::Closing(_) => CloseReason::Local,
        };
        // A connection that failed stays failed.
        self.shared.state().send_if_modified(|state| {
            let closes = !matches!(state, ConnectionState::Failed | ConnectionState::Closed);
            if closes {
                *state = ConnectionState::Closed;
            }
            closes
        });
        self.shared.ice_state().send_replace(IceConnectionState::Closed);
        self.shared.push_event(PeerEvent::Closed(reason));
        self.channels.end();
        self.tracks.end();
    }
}

/// Completes when a gathering has news; never, without one.
async fn changed(gathering: &mut Option<Subscription>) {
    match gathering {
        Some(gathering) => gathering.changed().await,
        None => std::future::pending().await,
    }
}

async fn becomes_true(flag: &mut watch::Receiver<bool>) {
    // The sender lives as long as the endpoint, and that as long as its tasks.
    let _ = flag.wait_for(|flag| *flag).await;
}
