//! Gathering: asking servers how we look from outside, and borrowing addresses from them
//! (RFC 8445 §5.1.1.2, RFC 8656).
//!
//! ```text
//!   bases (UDP sockets) × servers ──► Gatherer ──► Found(reflexive), Found(relayed), Failed, Complete
//!                                       │  ▲
//!          poll_transmit, send(relayed) ▼  │ handle_datagram, recv
//!                                     the servers
//! ```
//!
//! A gatherer belongs to the sockets, not to a connection: a TURN server knows one allocation for each
//! pair of addresses (RFC 8656 §3.2), so all connections that share a socket share what it has found,
//! relayed addresses included, and tell their packets apart as on the socket itself.
//! Book: chapters "Candidates" and "Relay".

mod event;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;

pub use event::{GatheringError, GatheringEvent};
pub use server::{FromServer, Server, ToServer};

/// A packet that came through a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// The relayed address it came to.
    pub relayed: SocketAddr,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The UDP payload.
    pub payload: Bytes,
}

/// The gatherer of one set of sockets.
#[derive(Debug)]
pub struct Gatherer {
    rng: StdRng,
}

impl Gatherer {
    /// A gatherer that knows no socket and no server yet.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng }
    }

    /// Adds a UDP socket's address.
    pub fn add_base(&mut self, _now: Instant, _base: SocketAddr) {
        let _ = &self.rng;
    }

    /// The address is gone; what was found through it is [`GatheringEvent::Lost`].
    pub fn remove_base(&mut self, _now: Instant, _base: SocketAddr) {}

    /// Adds a server, whose name has been resolved.
    pub fn add_server(&mut self, _now: Instant, _server: Server) {}

    /// No more servers will be added: when all have answered or failed, gathering is complete.
    pub fn end_of_servers(&mut self, _now: Instant) {}

    /// Takes what a server sent: a datagram, or of a stream one message (`stun::turn::Deframer`).
    ///
    /// # Errors
    /// It was discarded and left no trace.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _datagram: FromServer<'_>,
    ) -> Result<(), stun::Error> {
        Ok(())
    }

    /// A stream to a server could not be opened, or has ended.
    pub fn handle_stream_closed(&mut self, _now: Instant, _remote: SocketAddr, _reason: &str) {}

    /// Lets time pass.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When to call [`Gatherer::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next message for a server; call until `None`.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<ToServer> {
        None
    }

    /// The next news; call until `None`.
    pub fn poll_event(&mut self) -> Option<GatheringEvent> {
        None
    }

    /// Relays a packet; lost if there is no such relayed address. The permission it needs is asked
    /// for first (RFC 8656 §9), and the packet waits for that.
    pub fn send(&mut self, _now: Instant, _relayed: SocketAddr, _peer: SocketAddr, _packet: &[u8]) {
    }

    /// Lets packets of a peer in, before any is sent there: its checks must not be lost
    /// (RFC 8656 §9).
    pub fn permit(&mut self, _now: Instant, _relayed: SocketAddr, _peer: IpAddr) {}

    /// The next packet that came through a relay.
    pub fn recv(&mut self) -> Option<Relayed> {
        None
    }

    /// Gives all allocations back (RFC 8656 §8: a lifetime of zero); drain `poll_transmit`.
    pub fn close(&mut self, _now: Instant) {}
}
