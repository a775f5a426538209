//! One connection to one peer, without I/O and without a clock: ICE, DTLS, SCTP and SRTP under one
//! roof.
//!
//! RFC 9429 (JSEP), RFC 8825 to 8835 (WebRTC), W3C webrtc-pc `RTCPeerConnection`.
//!
//! ```text
//!  descriptions ─► negotiation ─ Agreement ─┐
//!                                           ▼
//!  datagram ─► demux ─┬─ STUN ─► paths ── path ──► where to send
//!                     ├─ DTLS ─► handshake ── recv ─► channels ─► messages, events
//!                     └─ RTP ──► keys ── unprotect ─► media ────► frames, packets, events
//!  poll_transmit ◄─┬─ paths, handshake ◄── send ◄──── channels ◄─ messages
//!                  └─ keys ◄───────────── protect ◄── media ◄──── frames, packets
//! ```
//!
//! The verbs are those of every layer here: give it datagrams, timeouts and messages; drain
//! datagrams, events and messages. No order is prescribed; draining late only delays.
//!
//! - Only STUN from strangers is read; everything else must come from an address that ICE has
//!   validated (its checks were authenticated), and else is dropped before DTLS sees it.
//! - Nothing but STUN is sent without consent (RFC 7675).
//! - SCTP begins with DTLS's proof that the peer has the certificate its description names.
//! - An error is about one datagram or one call, which then has changed nothing. The end of the
//!   connection is [`Event::Closed`], and silence follows.
//!
//! Book: the chapter on the pump.

mod candidates;
mod channels;
mod descriptions;
mod event;
mod handshake;
mod media;
mod message;
mod names;
mod paths;
mod policy;
mod transceivers;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dtls::Certificate;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp::channel::{ChannelId, DataChannels};
use tracing::{debug, info};

pub use event::{
    CloseReason, ConnectionState, Event, IceCandidate, IceConnectionState, IceGatheringState,
};
pub use message::{ChannelInfo, DataChannelInit, Message, SendError};

use handshake::Handshake;
use media::Keys;
use transceivers::NegotiationNeed;

pub(crate) use paths::{Path, Paths};

use crate::demux::Protocol;
use crate::media::congestion::Bitrates;
use crate::media::engine::Media;
use crate::negotiation::Negotiation;
use crate::stats::Traffic;
use crate::{Config, Error, SetupRole};

/// A datagram from the network.
#[derive(Debug)]
pub struct Datagram {
    /// What carried it.
    pub protocol: ice::Protocol,
    /// The address of ours that it came to: of a socket, or a relayed one.
    pub local: SocketAddr,
    /// The address it came from.
    pub remote: SocketAddr,
    /// The payload of UDP, or of a frame of TCP. It is decrypted in place, so it comes by value.
    pub payload: BytesMut,
}

impl Datagram {
    /// A datagram of UDP.
    #[must_use]
    pub fn udp(local: SocketAddr, remote: SocketAddr, payload: BytesMut) -> Self {
        Self { protocol: ice::Protocol::Udp, local, remote, payload }
    }

    fn path(&self) -> Path {
        Path { protocol: self.protocol, local: self.local, remote: self.remote }
    }
}

/// A datagram for the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// What is to carry it.
    pub protocol: ice::Protocol,
    /// The address of ours to send from: of a socket, or a relayed one. Of TCP with port 9, the
    /// connection from this IP address to `remote`, opened if there is none.
    pub local: SocketAddr,
    /// The address to send to.
    pub remote: SocketAddr,
    /// The payload of UDP, or of a frame of TCP.
    pub payload: Bytes,
}

/// What of the descriptions SCTP needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SctpTerms {
    pub(crate) role: SetupRole,
    pub(crate) remote_port: u16,
    /// As SCTP reads it: `None` is 65,536, zero is any size (RFC 8841 §6.1).
    pub(crate) remote_max_message_size: Option<u64>,
}

/// How far the connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// The end is decided; the farewell is on its way out.
    Closing(CloseReason),
    /// It has left, and the owner does not know yet.
    Closed(CloseReason),
    /// The owner knows.
    Over(CloseReason),
}

/// What is told once and then compared.
#[derive(Debug)]
struct Reported {
    state: ConnectionState,
    ice_state: IceConnectionState,
    gathering_state: IceGatheringState,
    path: Option<Path>,
}

/// A WebRTC connection for data channels, audio and video.
///
/// ```
/// use std::net::SocketAddr;
/// use std::time::Instant;
///
/// use peer::{Config, Connection, SessionDescription};
/// use rand::SeedableRng;
/// use rand::rngs::StdRng;
///
/// let now = Instant::now();
/// let mut ours = Connection::new(now, Config::default(), StdRng::seed_from_u64(1))?;
/// let mut theirs = Connection::new(now, Config::default(), StdRng::seed_from_u64(2))?;
/// ours.add_local_candidate(now, "192.0.2.1:1000".parse::<SocketAddr>()?);
/// theirs.add_local_candidate(now, "192.0.2.2:2000".parse::<SocketAddr>()?);
/// let channel = ours.create_data_channel(now, "chat", Default::default())?;
///
/// // Offer and answer, carried by the application.
/// let offer = ours.create_offer(now)?;
/// ours.set_local_description(now, offer.clone())?;
/// theirs.set_remote_description(now, offer)?;
/// let answer = theirs.create_answer(now)?;
/// theirs.set_local_description(now, answer.clone())?;
/// ours.set_remote_description(now, answer)?;
///
/// // From here on the application carries datagrams and drains events.
/// assert!(ours.poll_transmit(now).is_some());
/// # let _ = channel;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    pub(crate) negotiation: Negotiation,
    pub(crate) paths: Paths,
    pub(crate) handshake: Handshake,
    pub(crate) channels: DataChannels,
    pub(crate) media: Media,
    /// SRTP's, once DTLS has proven who the peer is.
    pub(crate) keys: Option<Keys>,
    /// Whose turn it is: media's, or data's.
    pub(crate) is_media_next: bool,
    /// Our DTLS role, once something is agreed on.
    pub(crate) role: Option<SetupRole>,
    /// Once data channels are.
    pub(crate) sctp_terms: Option<SctpTerms>,
    negotiation_need: NegotiationNeed,
    /// The application wants new paths, and no exchange has brought them yet.
    wants_restart: bool,
    pub(crate) life: Life,
    pub(crate) traffic: Traffic,
    /// Why the association ended, as soon as it has.
    pub(crate) association_ended: Option<sctp::CloseReason>,
    /// The channels there are, in order of opening. As bounded as the channels.
    open_channels: BTreeSet<ChannelId>,
    /// Our candidates that wait to be told. Grows with our addresses only.
    local_candidates: VecDeque<Option<IceCandidate>>,
    local_candidates_complete: bool,
    /// Candidates of the peer that came before its description.
    early_candidates: Vec<IceCandidate>,
    max_message_size: usize,
    reported: Reported,
}

/// The state, and nothing secret: the descriptions hold passwords.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.connection_state())
            .field("signaling_state", &self.signaling_state())
            .field("path", &self.paths.path())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that knows no peer yet. `rng` seeds everything but the keys of DTLS, ICE's
    /// password included: outside of tests it must come from the system's randomness.
    ///
    /// # Errors
    /// No certificate was given, and none could be made.
    pub fn new(now: Instant, config: Config, mut rng: StdRng) -> Result<Self, Error> {
        let certificate = match &config.certificate {
            Some(certificate) => Arc::clone(certificate),
            None => Arc::new(Certificate::generate()?),
        };
        let max_message_size = config.data.association.max_message_size;
        let session_id = rng.random();
        let paths = Paths::new(&config, StdRng::from_rng(&mut rng));
        let handshake = Handshake::new(certificate, StdRng::from_rng(&mut rng));
        let channels = DataChannels::new(config.data, StdRng::from_rng(&mut rng));
        let random = StdRng::from_rng(&mut rng);
        let negotiation = Negotiation::new(session_id, config.answer_role, random);
        let media = Media::new(
            now,
            StdRng::from_rng(&mut rng),
            config.since_unix_epoch,
            negotiation.cname(),
            Bitrates::default(),
        );
        Ok(Self {
            paths,
            handshake,
            channels,
            negotiation,
            media,
            keys: None,
            is_media_next: false,
            role: None,
            sctp_terms: None,
            negotiation_need: NegotiationNeed::default(),
            wants_restart: false,
            life: Life::Running,
            traffic: Traffic::default(),
            association_ended: None,
            open_channels: BTreeSet::new(),
            local_candidates: VecDeque::new(),
            local_candidates_complete: false,
            early_candidates: Vec::new(),
            max_message_size,
            reported: Reported {
                state: ConnectionState::New,
                ice_state: IceConnectionState::New,
                gathering_state: IceGatheringState::New,
                path: None,
            },
        })
    }

    // ANCHOR: handle_datagram
    /// Takes a datagram from the network.
    ///
    /// # Errors
    /// Why it was discarded. It has changed nothing.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Error> {
        if !matches!(self.life, Life::Running | Life::Closing(_)) {
            return Err(Error::Closed);
        }
        let octets = datagram.payload.len();
        let handled = match Protocol::of(&datagram.payload) {
            Protocol::Stun => self.paths.handle_datagram(now, &datagram),
            Protocol::Dtls => self.handle_dtls(now, datagram),
            protocol @ (Protocol::Rtp | Protocol::Rtcp) => {
                self.handle_media(now, protocol, datagram)
            }
            Protocol::Unknown => Err(Error::UnknownProtocol),
        };
        match handled {
            Ok(()) => self.traffic.received(octets),
            Err(_) => {
                self.traffic.packets_discarded = self.traffic.packets_discarded.wrapping_add(1)
            }
        }
        self.pump(now);
        handled
    }
    // ANCHOR_END: handle_datagram

    // ANCHOR: handle_dtls
    /// Hands DTLS what comes from a validated address; what it authenticates is a sign of life.
    fn handle_dtls(&mut self, now: Instant, datagram: Datagram) -> Result<(), Error> {
        let path = datagram.path();
        if !self.paths.is_validated(path) {
            return Err(Error::Unvalidated);
        }
        let is_connected = self.handshake.proof().is_some();
        self.handshake.handle_datagram(now, datagram.payload)?;
        if is_connected {
            self.paths.received_from(now, path);
        }
        Ok(())
    }
    // ANCHOR_END: handle_dtls

    /// Lets expired timers act. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !matches!(self.life, Life::Running | Life::Closing(_)) {
            return;
        }
        let is_due = |timer: Option<Instant>| timer.is_some_and(|timer| timer <= now);
        if is_due(self.paths.poll_timeout()) {
            self.paths.handle_timeout(now);
        }
        if is_due(self.handshake.poll_timeout()) {
            self.handshake.handle_timeout(now);
        }
        if is_due(self.channels.poll_timeout()) {
            self.channels.handle_timeout(now);
        }
        if is_due(self.poll_media_timeout()) {
            self.handle_media_timeout(now);
        }
        self.pump(now);
    }

    /// When to call [`Self::handle_timeout`] and [`Self::poll_transmit`]; `None`: nothing is
    /// pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !matches!(self.life, Life::Running | Life::Closing(_)) {
            return None;
        }
        let timers = [
            self.paths.poll_timeout(),
            self.handshake.poll_timeout(),
            self.channels.poll_timeout(),
            self.poll_media_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Life::Over(_) = self.life {
            return None;
        }
        if let Some(event) = self.poll_ice_event() {
            return Some(event);
        }
        let path = self.paths.path();
        if path != self.reported.path
            && let Some(Path { protocol, local, remote }) = path
        {
            self.reported.path = path;
            return Some(Event::SelectedPair { protocol, local, remote });
        }
        // While it lives the state comes first; at its end the channels do.
        let is_running = self.life == Life::Running;
        let change = |reported: &mut Reported, state| {
            let previous = std::mem::replace(&mut reported.state, state);
            (previous != state).then(|| {
                info!(%state, "connection");
                Event::ConnectionStateChange(state)
            })
        };
        let state = self.connection_state();
        if is_running && let Some(event) = change(&mut self.reported, state) {
            return Some(event);
        }
        if is_running && let Some(event) = self.poll_transceiver_event() {
            return Some(event);
        }
        if is_running && let Some(event) = self.poll_media_event() {
            return Some(event);
        }
        if let Some(event) = self.poll_channel_event() {
            return Some(event);
        }
        let ice_state = self.ice_connection_state();
        if let Some(event) = self.report_ice_state(ice_state) {
            return Some(event);
        }
        let state = self.connection_state();
        if let Some(event) = change(&mut self.reported, state) {
            return Some(event);
        }
        let Life::Closed(reason) = self.life else { return None };
        self.life = Life::Over(reason);
        Some(Event::Closed(reason))
    }

    /// The state of the connection (W3C webrtc-pc `connectionState`).
    #[must_use]
    pub fn connection_state(&self) -> ConnectionState {
        match self.life {
            Life::Running => {}
            Life::Closing(reason) | Life::Closed(reason) | Life::Over(reason) => {
                let failed = reason.is_failure();
                return if failed { ConnectionState::Failed } else { ConnectionState::Closed };
            }
        }
        match self.paths.state() {
            ice::ConnectionState::New => ConnectionState::New,
            ice::ConnectionState::Failed | ice::ConnectionState::Closed => ConnectionState::Failed,
            ice::ConnectionState::Disconnected => ConnectionState::Disconnected,
            ice::ConnectionState::Connected | ice::ConnectionState::Completed
                if self.handshake.proof().is_some() =>
            {
                ConnectionState::Connected
            }
            _ => ConnectionState::Connecting,
        }
    }

    /// The state of ICE alone (W3C webrtc-pc `iceConnectionState`).
    #[must_use]
    pub fn ice_connection_state(&self) -> IceConnectionState {
        match self.life {
            Life::Running => self.paths.state().into(),
            Life::Closing(_) | Life::Closed(_) | Life::Over(_) => IceConnectionState::Closed,
        }
    }

    /// Closes the connection: the association is aborted and DTLS says close_notify, as browsers
    /// do. Drain [`Self::poll_transmit`] for both to leave; then [`Event::Closed`] follows.
    /// What was sent and is not delivered yet is lost: close the channels first to keep it.
    pub fn close(&mut self, now: Instant) {
        self.begin_closing(now, CloseReason::Local);
        self.pump(now);
    }

    /// The one place where the end is decided.
    pub(crate) fn begin_closing(&mut self, now: Instant, reason: CloseReason) {
        if self.life != Life::Running {
            return;
        }
        debug!(%reason, "closing");
        self.life = Life::Closing(reason);
        self.channels.abort(now, b"closed");
        self.media.close(now);
    }
}
