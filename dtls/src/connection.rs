//! One DTLS connection: datagrams in and out, a handshake, then application data. RFC 6347.
//!
//! ```text
//!                    ┌──────────────┐  Finished verified   ┌───────────┐
//!          new ─────►│ Handshaking  ├─────────────────────►│ Connected │
//!                    └──────┬───────┘  Event::Connected    └─────┬─────┘
//!     refused, 30 s, close  │                                    │  close_notify, fatal alert, close
//!                           ▼            Event::Closed           ▼
//!                    ┌──────────────────────────────────────────────┐
//!                    │ Closed: silence                              │
//!                    └──────────────────────────────────────────────┘
//! ```
//!
//! What a stranger can do. A datagram of epoch 0 is not authentic, so until Finished everything can be
//! forged by somebody who gets datagrams through (`peer` passes only those of ICE-validated paths):
//!
//! - what is not a record, fragment or message, or not the message awaited, is dropped and its place
//!   kept free for the true one;
//! - a ClientHello that cannot be served is answered with an alert and forgotten; if no better one
//!   comes in time, it is the reason of the end;
//! - an alert in the clear ends nothing; it only shortens the time left to [`GRACE`], which the next
//!   good message takes back (a true alert is therefore believed, a little later). A server that
//!   has not heard from a client yet does not even do that;
//! - the awaited message, well-formed, whose content fails its check does end the handshake: a peer
//!   that is not who it should be must hear so at once, and who can inject that message on the path
//!   could as well have stopped the true one;
//! - once connected, epoch 0 is over: nothing in it has any effect. A repeated Finished (which is of
//!   epoch 1) makes the last flight go out again (RFC 6347 §4.2.4).
//!
//! Invariants: application data goes in and out only in `Connected`, which needs an
//! [`Authenticated`]; what cannot be used is counted and dropped (RFC 6347 §4.1.2.7); one
//! [`Event::Closed`], then silence. Book: "The handshake and keys".

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::early::Early;
use crate::flight::{Flights, RetransmitTimer};
use crate::reassembly::Reassembly;
use crate::records::Records;
use crate::v12::exporter::{self, SrtpKeyingMaterial};
use crate::v12::handshake::{Context, Machine};
use crate::v12::protection::MAX_PLAINTEXT;
use crate::v12::schedule::MasterSecret;
use crate::wire::{
    Alert, AlertDescription, AlertLevel, ContentType, Epoch, HandshakeFragment, MessageSeq,
    ProtocolVersion,
};
use crate::{Authenticated, CloseReason, Config, Error, Role, SendError, SrtpProfile};

mod inbound;

/// How long a handshake lives on after an unauthenticated sign that the peer has given up: longer
/// than the retransmissions that a lossy path needs, short enough for a user who waits.
const GRACE: Duration = Duration::from_secs(5);

/// Longest handshake that can be configured; a bound only so that adding it to a time cannot overflow.
const MAX_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Datagrams that wait for `poll_transmit`: a large congestion window of SCTP in one go. Only the
/// application fills this queue; the network cannot.
const MAX_OUTBOX: usize = 4096;

/// Records of application data that wait for `recv`, and octets in them. `peer` takes them after each
/// datagram, so this is reached only by an owner who does not read; SCTP repeats what is dropped.
const MAX_INBOX: usize = 1024;
const MAX_INBOX_OCTETS: usize = 1 << 20;

/// News for the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete and the peer is who its description says. With the proof, keys can
    /// be exported.
    Connected(Authenticated),
    /// The end; nothing follows.
    Closed(CloseReason),
}

/// What was negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Our side.
    pub role: Role,
    /// The version: DTLS 1.2.
    pub version: ProtocolVersion,
    /// The cipher suite's name at IANA.
    pub cipher_suite: &'static str,
    /// The key exchange group's name at IANA.
    pub group: &'static str,
    /// The SRTP protection profile, if both sides have one in common.
    pub srtp_profile: Option<SrtpProfile>,
    /// The peer's certificate in DER.
    pub remote_certificate: Bytes,
}

/// Counters since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records of application data delivered to `recv`'s queue.
    pub records_received: u64,
    /// Octets in them.
    pub octets_received: u64,
    /// Records of application data sent.
    pub records_sent: u64,
    /// Octets in them.
    pub octets_sent: u64,
    /// Records, or rests of datagrams, that were dropped for any reason.
    pub discarded: u64,
    /// Of those, records whose tag did not verify.
    pub undecryptable: u64,
    /// Of those, records that were here before.
    pub replayed: u64,
    /// Flights that went out again.
    pub retransmissions: u64,
}

/// A DTLS connection over one path. See the module's figure.
pub struct Connection {
    config: Config,
    rng: StdRng,
    records: Records,
    flights: Flights,
    phase: Phase,
    /// The epoch our alerts go out in: that of our newest flight.
    write_epoch: Epoch,
    outbox: VecDeque<Bytes>,
    inbox: VecDeque<Bytes>,
    inbox_octets: usize,
    /// At most two: one `Connected`, one `Closed`.
    events: VecDeque<Event>,
    stats: Stats,
}

/// The figure of the module.
#[derive(Debug)]
enum Phase {
    Handshaking(Box<Handshaking>),
    Connected(Box<Connected>),
    Closed,
}

/// The handshake and what only it needs.
#[derive(Debug)]
struct Handshaking {
    machine: Machine,
    reception: Reception,
}

/// What is here of the peer's messages, and how long we wait for the rest.
#[derive(Debug)]
struct Reception {
    reassembly: Reassembly,
    /// Our newest flight answers the peer's messages before this one.
    answered: MessageSeq,
    early: Early,
    deadline: Instant,
    ending: Ending,
}

/// How the handshake ends if nothing good comes any more.
#[derive(Debug, Clone, Copy)]
struct Ending {
    at: Instant,
    reason: CloseReason,
}

#[derive(Debug)]
struct Connected {
    master: MasterSecret,
    info: Info,
}

impl Connection {
    /// A connection whose handshake begins now. A client's first flight is ready to be sent.
    ///
    /// `rng` makes hello randoms and cookies, which are public; keys, ephemeral values and signatures
    /// come from ring's `SystemRandom`.
    #[must_use]
    pub fn new(now: Instant, config: Config, rng: StdRng) -> Self {
        let timer =
            RetransmitTimer { initial: config.retransmit_initial, max: config.retransmit_max };
        let mut connection = Self {
            records: Records::new(),
            flights: Flights::new(config.mtu, timer),
            phase: Phase::Closed,
            write_epoch: Epoch(0),
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            inbox_octets: 0,
            events: VecDeque::new(),
            stats: Stats::default(),
            config,
            rng,
        };
        let mut context = Context { config: &connection.config, rng: &mut connection.rng };
        match Machine::start(&mut context) {
            Ok(step) => {
                let deadline = now + connection.config.handshake_timeout.min(MAX_HANDSHAKE_TIMEOUT);
                let reception = Reception {
                    reassembly: Reassembly::new(),
                    answered: MessageSeq::default(),
                    early: Early::default(),
                    deadline,
                    ending: Ending { at: deadline, reason: CloseReason::Timeout },
                };
                let handshaking = Handshaking { machine: step.state, reception };
                connection.phase = Phase::Handshaking(Box::new(handshaking));
                connection.act(now, step.actions);
            }
            Err(error) => connection.end(CloseReason::Refused(error)),
        }
        connection
    }

    /// The next datagram to send. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.flights.poll_transmit(now, &mut self.records).or_else(|| self.outbox.pop_front())
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] has something to do; `None`: never, as things are.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Handshaking(handshaking) => {
                let end = handshaking.reception.ending.at;
                Some(self.flights.poll_timeout().map_or(end, |repeat| repeat.min(end)))
            }
            Phase::Connected(_) | Phase::Closed => None,
        }
    }

    /// Repeats a flight that was not answered, ends a handshake that takes too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Phase::Handshaking(handshaking) = &self.phase else { return };
        let Ending { at, reason } = handshaking.reception.ending;
        if now < at {
            self.flights.handle_timeout(now);
        } else {
            self.end(reason);
        }
    }

    /// Sends `payload` in one record: RFC 6347 §4.1.1. One allocation, encrypted in place.
    ///
    /// # Errors
    /// Not connected, more than 2^14 octets, or too many datagrams waiting: nothing was sent.
    pub fn send(&mut self, _now: Instant, payload: &[u8]) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Connected(_)) {
            return Err(SendError::NotConnected);
        }
        if payload.len() > MAX_PLAINTEXT {
            return Err(SendError::TooLong);
        }
        if self.outbox.len() >= MAX_OUTBOX {
            return Err(SendError::Backlog);
        }
        let mut datagram = Vec::new();
        let ty = ContentType::APPLICATION_DATA;
        if self.records.write(Epoch(1), ty, payload, &mut datagram).is_err() {
            // RFC 6347 §4.1: an epoch must not wrap, and there is no renegotiation to get a new one.
            self.end(CloseReason::Refused(Error::SequenceExhausted));
            return Err(SendError::SequenceExhausted);
        }
        self.stats.records_sent += 1;
        self.stats.octets_sent += octets(payload.len());
        self.outbox.push_back(datagram.into());
        Ok(())
    }

    /// The next payload from the peer: a slice of the datagram it came in.
    pub fn recv(&mut self) -> Option<Bytes> {
        let payload = self.inbox.pop_front()?;
        self.inbox_octets = self.inbox_octets.saturating_sub(payload.len());
        Some(payload)
    }

    /// Says goodbye with close_notify (RFC 5246 §7.2.1) and ends the connection. Payloads already
    /// sent still go out, those already received can still be read.
    pub fn close(&mut self, now: Instant) {
        if let Phase::Connected(_) = self.phase {
            // Without our Finished the peer could not read the goodbye.
            let flight = std::iter::from_fn(|| self.flights.poll_transmit(now, &mut self.records));
            let flight: Vec<Bytes> = flight.collect();
            flight.into_iter().rev().for_each(|datagram| self.outbox.push_front(datagram));
        }
        if !matches!(self.phase, Phase::Closed) {
            self.alert(AlertLevel::WARNING, AlertDescription::CLOSE_NOTIFY);
            self.end(CloseReason::Local);
        }
    }

    /// `length` octets of key material for `label`, without context: RFC 5705 §4.
    ///
    /// # Errors
    /// The connection is closed, the label is the handshake's own, or too much is asked for.
    pub fn export_keying_material(
        &self,
        _proof: &Authenticated,
        label: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.phase {
            Phase::Connected(connected) => exporter::export(&connected.master, label, length),
            Phase::Handshaking(_) | Phase::Closed => Err(Error::NotConnected),
        }
    }

    /// The SRTP keys of both sides: RFC 5764 §4.2. `None` without a profile or without connection.
    #[must_use]
    pub fn srtp_keying_material(&self, _proof: &Authenticated) -> Option<SrtpKeyingMaterial> {
        match &self.phase {
            Phase::Connected(connected) => {
                SrtpKeyingMaterial::export(&connected.master, connected.info.srtp_profile?)
            }
            Phase::Handshaking(_) | Phase::Closed => None,
        }
    }

    /// What was negotiated, while connected.
    #[must_use]
    pub fn info(&self) -> Option<&Info> {
        match &self.phase {
            Phase::Connected(connected) => Some(&connected.info),
            Phase::Handshaking(_) | Phase::Closed => None,
        }
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { retransmissions: self.flights.retransmissions(), ..self.stats }
    }

    /// Our side.
    #[must_use]
    pub fn role(&self) -> Role {
        self.config.role
    }

    /// Ends the handshake with a fatal alert.
    fn refuse(&mut self, error: Error) {
        // The answer to what was refused is the alert, not a flight.
        self.flights.answered();
        self.alert(AlertLevel::FATAL, error.alert());
        self.end(CloseReason::Refused(error));
    }

    /// Queues an alert in a datagram of its own. Alerts are not repeated (RFC 6347 §4.2.7).
    fn alert(&mut self, level: AlertLevel, description: AlertDescription) {
        let mut plaintext = Vec::new();
        Alert { level, description }.write(&mut plaintext);
        let mut datagram = Vec::new();
        match self.records.write(self.write_epoch, ContentType::ALERT, &plaintext, &mut datagram) {
            Ok(()) if self.outbox.len() <= MAX_OUTBOX => self.outbox.push_back(datagram.into()),
            Ok(()) => tracing::debug!(%description, "no room for an alert"),
            Err(error) => tracing::debug!(%error, %description, "cannot send an alert"),
        }
    }

    /// The only way to `Closed`.
    fn end(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Local | CloseReason::Remote => tracing::debug!(%reason, "closed"),
            _ => tracing::warn!(%reason, "closed"),
        }
        self.phase = Phase::Closed;
        self.flights.answered();
        self.events.push_back(Event::Closed(reason));
    }
}

impl Reception {
    /// Whether the fragment is of a flight that our newest one answers.
    fn is_answered(&self, fragment: &HandshakeFragment<'_>) -> bool {
        let behind = self.answered.0.wrapping_sub(fragment.header.message_seq.0);
        (1..=u16::MAX / 2).contains(&behind)
    }

    /// A good message: whatever spoke against the peer was not its own.
    fn progress(&mut self) {
        self.ending = Ending { at: self.deadline, reason: CloseReason::Timeout };
    }

    /// A sign that it may be over. The first counts, or a flood of them would keep it alive.
    fn doubt(&mut self, at: Instant, reason: CloseReason) {
        tracing::debug!(%reason, "the peer may have given up");
        if self.ending.reason == CloseReason::Timeout {
            self.ending = Ending { at: at.min(self.deadline), reason };
        }
    }
}

impl fmt::Debug for Connection {
    /// Neither keys nor payloads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Handshaking(handshaking) => handshaking.machine.name(),
            Phase::Connected(_) => "connected",
            Phase::Closed => "closed",
        };
        f.debug_struct("Connection")
            .field("role", &self.config.role)
            .field("phase", &phase)
            .field("info", &self.info())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A length as a counter.
fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
