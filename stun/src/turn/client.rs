//! The client: one allocation at one server, over one transport (RFC 8656 §3).
//!
//! ```text
//!               Allocate                     Allocate: success
//!   new ──► Allocating ─────────────────────────► Allocated ──┐ Refresh, CreatePermission,
//!               │  │ ▲  1.5 s                      │   ▲     │ ChannelBind, packets
//!               │  ▼ │                              │   └─────┘
//!               │ Cleared: 437, Refresh with 0      │ close: Refresh with lifetime 0
//!               │                                   ▼
//!               │ refused, not answered         Releasing
//!               ▼                                   │ answered, or not
//!             Closed ◄──────────────────────────────┘
//! ```
//!
//! The owner carries messages to and from the server (of a stream whole ones, as
//! [`Deframer`](super::Deframer) finds them), and has checked that they come from it. Invariants: what
//! the server has not been proven to say changes nothing (`authentication`); every lease is renewed
//! before its end (`lease`); a packet from a peer we did not ask for goes nowhere (`relay`).
//! Book: "Relay".

mod allocation;
mod authentication;
mod channels;
mod config;
mod event;
mod lease;
mod permissions;
mod relay;
mod requests;
mod responses;
mod waiting;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;

use crate::wire::{EvenPort, RequestedTransport};
use crate::{Attribute, Family, Message, Method, Outcome, TransactionId};
use allocation::Allocation;
use authentication::Authentication;
use requests::{Purpose, Requests};

pub use config::Config;
pub use event::{CloseReason, Error, Event, SendError};
pub use relay::MAX_PAYLOAD_LENGTH;

/// How often in a row an owner follows [`Event::Redirected`]: servers may send us in circles
/// (RFC 8489 §10).
pub const MAX_REDIRECTIONS: usize = 3;

/// The port in a CreatePermission request, which is for all ports (RFC 8656 §10.2): discard.
const ANY_PORT: u16 = 9;

/// A TURN client.
#[derive(Debug)]
pub struct Client {
    config: Config,
    rng: StdRng,
    authentication: Authentication,
    requests: Requests,
    state: State,
    outbound: VecDeque<Bytes>,
    inbound: VecDeque<(SocketAddr, Bytes)>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    /// The server has been asked for an allocation; so often another one had to be cleared away.
    Allocating { clearings: u32 },
    /// That one is cleared away; the server gets a moment to notice before it is asked again.
    Cleared { clearings: u32, again: Instant },
    /// There is one.
    Allocated(Box<Allocation>),
    /// It is being given back.
    Releasing,
    /// Over.
    Closed,
}

impl Client {
    /// A client that asks for an allocation at once.
    #[must_use]
    pub fn new(_now: Instant, config: Config, rng: StdRng) -> Self {
        let timing = config.timing;
        let timing = if config.transport.is_stream() { timing.over_a_stream() } else { timing };
        let mut client = Self {
            config,
            rng,
            authentication: Authentication::Unasked,
            requests: Requests::new(timing),
            state: State::Allocating { clearings: 0 },
            outbound: VecDeque::new(),
            inbound: VecDeque::new(),
            events: VecDeque::new(),
        };
        client.start(Purpose::Allocate);
        client
    }

    /// Takes what the server sent: a datagram, or of a stream one message.
    ///
    /// # Errors
    /// It was discarded and left no trace; but a response over a stream that was not believed ends
    /// its transaction, as no other will come (RFC 8489 §9.2.5).
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Error> {
        if super::ChannelData::is_channel_data(datagram) {
            return self.handle_channel_data(now, datagram);
        }
        let message = Message::parse(datagram)?;
        if !message.class.is_response() {
            return self.handle_indication(now, &message);
        }
        let request = self.requests.answered_by(&message)?;
        let seal = request.seal.as_ref();
        let has_something_to_lose = matches!(self.state, State::Allocated(_));
        if let Err(error) = self.authentication.admit(seal, &message, has_something_to_lose) {
            let is_stream = self.config.transport.is_stream();
            if let Some(request) = self.requests.doubt(&message.transaction_id, is_stream) {
                self.conclude(now, request, Outcome::TimedOut);
            }
            return Err(error);
        }
        if let Some((request, outcome)) = self.requests.finish(message) {
            self.conclude(now, request, outcome);
        }
        Ok(())
    }

    /// Lets time pass; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for request in self.requests.handle_timeout(now) {
            self.conclude(now, request, Outcome::TimedOut);
        }
        match &self.state {
            State::Cleared { clearings, again } if now >= *again => {
                self.state = State::Allocating { clearings: *clearings };
                self.start(Purpose::Allocate);
            }
            State::Allocated(allocation) => {
                if let Some(reason) = allocation.end(now) {
                    self.finish(reason);
                }
            }
            _ => {}
        }
        let is_stream = self.config.transport.is_stream();
        let State::Allocated(allocation) = &mut self.state else { return };
        let refresh = allocation.take_refresh(now);
        let permissions = allocation.permissions.handle_timeout(now);
        let channels = allocation.channels.handle_timeout(now);
        if !is_stream && allocation.take_keepalive(now) && self.outbound.is_empty() {
            let id = TransactionId::random(&mut self.rng);
            self.outbound.push_back(Message::indication(Method::BINDING, id).encode(None));
        }
        if refresh {
            self.start(Purpose::Refresh);
        }
        for peer in permissions {
            self.start(Purpose::Permit(peer));
        }
        for (peer, number) in channels {
            self.start(Purpose::Bind(peer, number));
        }
    }

    /// When to call [`Client::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of_state = match &self.state {
            State::Allocated(allocation) => {
                allocation.poll_timeout(!self.config.transport.is_stream())
            }
            State::Cleared { again, .. } => Some(*again),
            State::Allocating { .. } | State::Releasing | State::Closed => None,
        };
        self.requests.poll_timeout().into_iter().chain(of_state).min()
    }

    /// The next message for the server, of a stream with its padding; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let octets = self.requests.poll_transmit(now).or_else(|| self.outbound.pop_front())?;
        if let State::Allocated(allocation) = &mut self.state {
            allocation.sent(now);
        }
        Some(octets)
    }

    /// The next news; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Refreshes the allocation now: when there is reason to doubt that the server still has it, or
    /// still knows us at this address. If not, [`CloseReason::Lost`] follows (RFC 8656 §8).
    pub fn refresh(&mut self, now: Instant) {
        let State::Allocated(allocation) = &mut self.state else { return };
        allocation.hurry(now);
        if allocation.take_refresh(now) {
            self.start(Purpose::Refresh);
        }
    }

    /// Gives the allocation back: a Refresh with a lifetime of zero (RFC 8656 §8). Transmit what
    /// [`Client::poll_transmit`] has then; [`CloseReason::Requested`] follows when it is answered.
    pub fn close(&mut self, _now: Instant) {
        match self.state {
            State::Releasing | State::Closed => {}
            // The server has not been told who we are, so it has not allocated anything.
            State::Allocating { .. } if !self.authentication.is_asked() => {
                self.finish(CloseReason::Requested);
            }
            State::Allocating { .. } | State::Cleared { .. } | State::Allocated(_) => {
                self.end();
                self.state = State::Releasing;
                self.start(Purpose::Release);
            }
        }
    }

    /// It is over.
    fn finish(&mut self, reason: CloseReason) {
        tracing::debug!(%reason, "the allocation is over");
        self.end();
        self.events.push_back(Event::Closed(reason));
    }

    /// Nothing is asked or relayed any more.
    fn end(&mut self) {
        self.state = State::Closed;
        self.requests.clear();
        self.outbound.clear();
    }

    /// Sends a request for the first time.
    fn start(&mut self, purpose: Purpose) {
        self.start_again(purpose, 1);
    }

    /// Sends a request in a new transaction.
    fn start_again(&mut self, purpose: Purpose, tries: u32) {
        let id = TransactionId::random(&mut self.rng);
        let request = self.request(purpose, Message::request(purpose.method(), id));
        self.requests.start(purpose, tries, self.authentication.seal(request));
    }

    /// What a request says, besides who asks.
    fn request(&self, purpose: Purpose, request: Message) -> Message {
        match purpose {
            Purpose::Allocate => self.allocate_request(request),
            Purpose::Refresh => self.with_lifetime(request),
            Purpose::Clear | Purpose::Release => request.with(Attribute::Lifetime(Duration::ZERO)),
            Purpose::Permit(peer) => {
                request.with(Attribute::XorPeerAddress(SocketAddr::new(peer, ANY_PORT)))
            }
            Purpose::Bind(peer, number) => {
                request.with(Attribute::ChannelNumber(number)).with(Attribute::XorPeerAddress(peer))
            }
        }
    }

    /// RFC 8656 §7.1.
    fn allocate_request(&self, request: Message) -> Message {
        let udp = Attribute::RequestedTransport(RequestedTransport::UDP);
        let mut request = self.with_lifetime(request.with(udp));
        match self.config.family {
            Some(family) => request = request.with(Attribute::RequestedAddressFamily(family)),
            None if self.config.additional_family => {
                request = request.with(Attribute::AdditionalAddressFamily(Family::IPV6));
            }
            None => {}
        }
        if self.config.even_port {
            request = request.with(Attribute::EvenPort(EvenPort { reserve_next: false }));
        }
        request
    }

    fn with_lifetime(&self, request: Message) -> Message {
        match self.config.lifetime {
            Some(lifetime) => request.with(Attribute::Lifetime(lifetime)),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests;
