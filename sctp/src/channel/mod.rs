//! Data channels: messages with a name, many at once, over one association (RFC 8831, RFC 8832).
//!
//! ```text
//!   open ─► OPEN ───────────────► Incoming      a channel is the stream of this number
//!   Opened  message ────────────► Readable      in both directions
//!           ◄──────────────── ACK
//!           ◄──────────── message send
//!  close ─► RE-CONFIG ──────────►               each side resets the stream it sends on;
//!  Closed   ◄────────── RE-CONFIG Closed        then its number is free again
//! ```
//!
//! [`DataChannels`] owns the [`Association`] and has the same verbs. It keeps no message: what was
//! received waits in the association until [`DataChannels::recv`] asks for it, so a reader that
//! stops closes SCTP's window and nothing is dropped. Only DCEP messages are taken out at once, as
//! soon as they are at the head of their stream.
//!
//! Invariants:
//! - a stream belongs to one channel at most, from `open` or OPEN until both directions are reset;
//! - every channel ends in exactly one [`Event::Closed`];
//! - no work per message grows with the number of channels.
//!
//! Book: the chapter on channels.

mod event;
mod inbound;
mod options;
mod outbound;
mod partial;
mod payload;
mod state;
mod streams;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use event::{ChannelError, Event, OpenError, SendError};
pub use options::{ChannelOptions, MAX_NAME_LENGTH, Role};
pub use payload::{Payload, Text};
pub use state::{ChannelState, ChannelStats};

use crate::association::stream_map::StreamHasher;
use crate::wire::{Port, StreamId};
use crate::{Association, Error, Stats};
use state::{Announcement, Channel, State};
use streams::{MAX_STREAM, Streams, Use};

/// What the absence of `a=max-message-size` means, in octets (RFC 8841 §6).
const DEFAULT_MAX_MESSAGE_SIZE: usize = 65_536;

/// Octets that a channel takes, without its names, in the tables of all layers.
const CHANNEL_COST: usize = 640;

/// Our name for a channel, the same from [`DataChannels::open`] to [`Event::Closed`] and never
/// given twice. (The stream is only known when the DTLS role is, and used again.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub(in crate::channel) u64);

/// Parameters of data channels.
#[derive(Debug, Clone)]
pub struct Config {
    /// Those of the association. Its `remote_port` and `remote_max_message_size` are told to
    /// [`DataChannels::start`] instead.
    pub association: crate::Config,
    /// Channels there may be at once, both sides' together; an OPEN beyond is refused. Default
    /// 2,048: with less than a kilobyte of state each, a hostile peer gets 2 MB of memory at most,
    /// names included. RFC 8831 §6.2 allows 65,535.
    pub max_channels: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { association: crate::Config::default(), max_channels: 2_048 }
    }
}

/// What the descriptions and the DTLS handshake have decided when the association starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Our DTLS role.
    pub role: Role,
    /// `a=sctp-port` of the remote description (RFC 8841 §5).
    pub remote_port: Port,
    /// `a=max-message-size` of the remote description, see
    /// [`DataChannels::set_remote_max_message_size`].
    pub remote_max_message_size: Option<u64>,
}

/// All data channels of a connection, and the association under them.
///
/// ```
/// use std::time::Instant;
///
/// use rand::SeedableRng;
/// use rand::rngs::StdRng;
/// use sctp::channel::{ChannelOptions, Config, DataChannels, Event, Payload, Role, Start};
/// use sctp::wire::Port;
///
/// let now = Instant::now();
/// let mut ends = [1, 2].map(|seed| DataChannels::new(Config::default(), StdRng::seed_from_u64(seed)));
/// let chat = ends[0].open(now, ChannelOptions::new("chat"))?;
/// for (end, role) in ends.iter_mut().zip([Role::Client, Role::Server]) {
///     end.start(now, Start { role, remote_port: Port(5000), remote_max_message_size: None });
/// }
/// // What a connection does with DTLS and UDP in between: carry packets until there are none.
/// let carry = |ends: &mut [DataChannels; 2]| loop {
///     let packets = [ends[0].poll_transmit(now), ends[1].poll_transmit(now)];
///     if packets == [None, None] {
///         break;
///     }
///     for (to, packet) in packets.into_iter().enumerate() {
///         if let Some(packet) = packet {
///             ends[1 - to].handle_datagram(now, packet).unwrap();
///         }
///     }
/// };
/// carry(&mut ends);
/// ends[0].send(now, chat, Payload::text("hello"))?;
/// carry(&mut ends);
/// while let Some(event) = ends[1].poll_event() {
///     if let Event::Readable(channel) = event {
///         assert_eq!(ends[1].options(channel).unwrap().label, "chat");
///         assert_eq!(ends[1].recv(now, channel), Some(Payload::text("hello")));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DataChannels {
    transport: Transport,
    limits: Limits,
    /// Boxed: a table twice as large as needed wastes pointers, not channels.
    channels: HashMap<ChannelId, Box<Channel>, BuildHasherDefault<StreamHasher>>,
    next_id: u64,
    streams: Streams,
    /// What DCEP has to say and the association could not take yet. At most two a channel.
    announcements: VecDeque<Announcement>,
    /// Streams to be reset, collected while events are handled.
    to_reset: Vec<StreamId>,
    /// The channels the remote endpoint opened, and the octets of their labels and protocols.
    remote_channels: usize,
    remote_names: usize,
    /// Octets in partial messages of all channels.
    partials: usize,
    /// At most six a channel: a channel is forgotten when its last event is taken.
    events: VecDeque<Event>,
}

/// The association, before and after it can be made.
#[derive(Debug)]
enum Transport {
    /// Role and ports are not decided.
    Waiting(Box<Waiting>),
    Running(Box<Running>),
}

#[derive(Debug)]
struct Waiting {
    config: crate::Config,
    rng: StdRng,
}

#[derive(Debug)]
struct Running {
    role: Role,
    association: Association,
    phase: Phase,
}

/// Where the association is in its life, as far as channels care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Established { outbound_streams: u16 },
    Down,
}

#[derive(Debug)]
struct Limits {
    max_channels: usize,
    /// Of messages we accept.
    max_message_size: usize,
    /// Of messages we may send.
    remote_max_message_size: usize,
    send_buffer: usize,
    receive_window: usize,
}

impl DataChannels {
    /// No channels yet. `rng` must be seeded from the operating system's entropy outside of tests.
    #[must_use]
    pub fn new(config: Config, rng: StdRng) -> Self {
        let Config { association, max_channels } = config;
        let limits = Limits {
            max_channels,
            max_message_size: association.max_message_size,
            remote_max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            send_buffer: association.send_buffer,
            receive_window: usize::try_from(association.receive_window).unwrap_or(usize::MAX),
        };
        Self {
            transport: Transport::Waiting(Box::new(Waiting { config: association, rng })),
            limits,
            channels: HashMap::default(),
            next_id: 0,
            streams: Streams::default(),
            announcements: VecDeque::new(),
            to_reset: Vec::new(),
            remote_channels: 0,
            remote_names: 0,
            partials: 0,
            events: VecDeque::new(),
        }
    }

    /// Starts the association; call it when DTLS is connected. The channels opened so far get
    /// their streams, in the order they were opened. Does nothing when called again.
    pub fn start(&mut self, now: Instant, start: Start) {
        let Transport::Waiting(waiting) = &mut self.transport else { return };
        let Waiting { config, rng } = &mut **waiting;
        let config = crate::Config {
            remote_port: start.remote_port,
            // DCEP must pass whatever the size of the application's messages; theirs are checked
            // here, in `send` and `recv`.
            max_message_size: config.max_message_size.max(options::MAX_OPEN_LENGTH),
            remote_max_message_size: usize::MAX,
            ..config.clone()
        };
        let mut association = Association::new(now, config, StdRng::from_rng(rng));
        association.connect(now);
        let running = Running { role: start.role, association, phase: Phase::Connecting };
        self.transport = Transport::Running(Box::new(running));
        self.set_remote_max_message_size(start.remote_max_message_size);
        self.assign_streams(start.role);
        self.process(now);
    }

    /// The remote description's `a=max-message-size` as it stands there, also when a new one
    /// changes it: `None`, the attribute is missing, means 65,536; zero means any size
    /// (RFC 8841 §6).
    pub fn set_remote_max_message_size(&mut self, attribute: Option<u64>) {
        self.limits.remote_max_message_size = match attribute {
            None => DEFAULT_MAX_MESSAGE_SIZE,
            Some(0) => usize::MAX,
            Some(octets) => usize::try_from(octets).unwrap_or(usize::MAX),
        };
    }

    /// Octets of the largest message that [`Self::send`] takes.
    #[must_use]
    pub fn max_message_size(&self) -> usize {
        self.limits.remote_max_message_size.min(self.limits.send_buffer)
    }

    /// Opens a channel, at any time: it waits for the association if need be.
    ///
    /// # Errors
    /// No channel was opened.
    pub fn open(&mut self, now: Instant, options: ChannelOptions) -> Result<ChannelId, OpenError> {
        if options.label.len() > MAX_NAME_LENGTH || options.protocol.len() > MAX_NAME_LENGTH {
            return Err(OpenError::NameTooLong);
        }
        if self.channels.len() >= self.limits.max_channels {
            return Err(OpenError::TooManyChannels);
        }
        let role = match &self.transport {
            Transport::Waiting(_) => None,
            Transport::Running(running) if running.phase == Phase::Down => {
                return Err(OpenError::Down);
            }
            Transport::Running(running) => Some(running.role),
        };
        let state = match (options.negotiated, role) {
            (Some(stream), _) if stream > MAX_STREAM => return Err(OpenError::NoSuchStream),
            (Some(stream), _) => match self.streams.get(stream) {
                None | Some(Use::Unclaimed) => State::Connecting(stream),
                Some(_) => return Err(OpenError::StreamInUse),
            },
            (None, None) => State::Unassigned,
            (None, Some(role)) => match self.streams.lowest_free(role) {
                Some(stream) => State::Connecting(stream),
                None => return Err(OpenError::TooManyChannels),
            },
        };
        let id = self.insert(Channel::new(options, state, false));
        if let State::Connecting(stream) = state {
            self.streams.set(stream, Use::Channel(id));
        }
        self.announcements.push_back(Announcement::Open(id));
        self.process(now);
        Ok(id)
    }

    /// Closes a channel: what was sent is delivered first, what was not read is thrown away. The
    /// stream is free at [`Event::Closed`], when both sides have reset it (RFC 8831 §6.7).
    pub fn close(&mut self, now: Instant, channel: ChannelId) {
        self.close_locally(now, channel);
        self.process(now);
    }

    /// Closes the association in good order: what was sent is delivered first.
    pub fn shutdown(&mut self, now: Instant) {
        if let Some(association) = self.association() {
            association.shutdown(now);
        }
        self.process(now);
    }

    /// Closes the association at once. `reason` is told to the remote endpoint.
    pub fn abort(&mut self, now: Instant, reason: &[u8]) {
        if let Some(association) = self.association() {
            association.abort(now, reason);
        }
        self.process(now);
    }

    /// Takes a packet from DTLS.
    ///
    /// # Errors
    /// The packet was discarded and left no trace.
    pub fn handle_datagram(&mut self, now: Instant, packet: Bytes) -> Result<(), Error> {
        let association = self.association().ok_or(Error::OutOfTheBlue)?;
        let handled = association.handle_datagram(now, packet);
        self.process(now);
        handled
    }

    /// Lets expired timers act.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(association) = self.association() {
            association.handle_timeout(now);
        }
        self.process(now);
    }

    /// The next packet for DTLS. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let packet = self.association()?.poll_transmit(now);
        self.process(now);
        packet
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Closed(id) = event {
            self.forget(id);
        }
        Some(event)
    }

    /// When to call [`Self::handle_timeout`]; `None`: nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.transport {
            Transport::Waiting(_) => None,
            Transport::Running(running) => running.association.poll_timeout(),
        }
    }

    /// What the channel was opened with, by either side. `None` after its last event was taken.
    #[must_use]
    pub fn options(&self, channel: ChannelId) -> Option<&ChannelOptions> {
        self.channels.get(&channel).map(|channel| &channel.options)
    }

    /// The channel's stream, W3C's `id`, once the DTLS role has decided it.
    #[must_use]
    pub fn stream(&self, channel: ChannelId) -> Option<StreamId> {
        self.channels.get(&channel)?.state.stream()
    }

    /// The channel's state.
    #[must_use]
    pub fn state(&self, channel: ChannelId) -> ChannelState {
        match self.channels.get(&channel).map(|channel| channel.state) {
            Some(State::Unassigned | State::Connecting(_)) => ChannelState::Connecting,
            Some(State::Open { .. }) => ChannelState::Open,
            Some(State::Draining(_) | State::Closing { .. }) => ChannelState::Closing,
            Some(State::Closed(_)) | None => ChannelState::Closed,
        }
    }

    /// Figures of the channel.
    #[must_use]
    pub fn channel_stats(&self, channel: ChannelId) -> Option<ChannelStats> {
        self.channels.get(&channel).map(|channel| channel.stats)
    }

    /// Figures of the association, once it was started.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.transport {
            Transport::Waiting(_) => None,
            Transport::Running(running) => Some(running.association.stats()),
        }
    }

    fn association(&mut self) -> Option<&mut Association> {
        match &mut self.transport {
            Transport::Waiting(_) => None,
            Transport::Running(running) => Some(&mut running.association),
        }
    }

    fn insert(&mut self, channel: Channel) -> ChannelId {
        let id = ChannelId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        if channel.is_remote {
            self.remote_channels = self.remote_channels.saturating_add(1);
            self.remote_names = self.remote_names.saturating_add(channel.options.name_length());
            self.charge();
        }
        self.channels.insert(id, Box::new(channel));
        id
    }

    /// Removes a closed channel, unless it can still be read.
    fn forget(&mut self, id: ChannelId) {
        let state = self.channels.get(&id).map(|channel| channel.state);
        if let Some(State::Closed(Some(stream))) = state
            && self.association().is_some_and(|a| a.peek_ppid(stream).is_some())
        {
            return;
        }
        let Some(channel) = self.channels.remove(&id) else { return };
        self.partials = self.partials.saturating_sub(channel.partial_length());
        if channel.is_remote {
            self.remote_channels = self.remote_channels.saturating_sub(1);
            self.remote_names = self.remote_names.saturating_sub(channel.options.name_length());
            self.charge();
        }
    }

    /// What the remote endpoint's channels take, it cannot fill with messages as well.
    fn charge(&mut self) {
        let channels = self.remote_channels.saturating_mul(CHANNEL_COST);
        let octets = channels.saturating_add(self.remote_names);
        if let Some(association) = self.association() {
            association.set_charged(octets);
        }
    }
}
