//! DTLS, from the first datagram that comes too early to the proof of who the peer is.
//!
//! RFC 8842 §5, RFC 8827 §6.5; RFC 8831 §6.1 (SCTP begins when DTLS is connected).
//!
//! ```text
//!              answer set           path found, or server with a datagram   Finished verified
//!   Awaiting ─────────────► Agreed ─────────────────────────► Handshaking ────────────► Connected
//!   datagrams held          datagrams held          held ones are handed over       with its proof
//! ```
//!
//! Two things come early in real calls. A peer that is client may send its ClientHello before its
//! answer, with its fingerprint, has reached us: the datagrams are held, a few of them. And a peer
//! that answers may be known before ICE has a path: we wait for it, as client because a handshake
//! timer that runs meanwhile would only have grown, and as server too because the handshake's time is
//! limited and ICE's is not: after a restart it may find a path much later.
//! Book: the chapter on the handshake.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dtls::{Authenticated, Certificate, Fingerprint};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tracing::debug;

use crate::{Error, SetupRole};

/// Datagrams held before the peer's fingerprint is known: a first flight is one or two, and its
/// first repetition doubles that. Browsers hold as many.
const MAX_EARLY_DATAGRAMS: usize = 4;

/// Octets of all of them: no honest handshake datagram is longer than 1,500.
const MAX_EARLY_OCTETS: usize = MAX_EARLY_DATAGRAMS * 2048;

/// What the handshake needs from the descriptions.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) role: SetupRole,
    pub(crate) fingerprints: Vec<Fingerprint>,
}

/// How far DTLS is. Each state has what it needs and nothing more.
#[derive(Debug)]
enum State {
    Awaiting,
    Agreed(Terms),
    Handshaking(Box<dtls::Connection>),
    Connected(Box<dtls::Connection>, Authenticated),
}

/// The DTLS connection, and the time before it.
#[derive(Debug)]
pub(crate) struct Handshake {
    certificate: Arc<Certificate>,
    rng: StdRng,
    /// What came before the handshake could begin.
    early: Vec<BytesMut>,
    state: State,
}

impl Handshake {
    pub(crate) fn new(certificate: Arc<Certificate>, rng: StdRng) -> Self {
        Self { certificate, rng, early: Vec::new(), state: State::Awaiting }
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The descriptions have told whom to expect. Does nothing when called again: the DTLS
    /// connection outlives re-offers.
    pub(crate) fn agree(&mut self, terms: Terms) {
        if let State::Awaiting = self.state {
            self.state = State::Agreed(terms);
        }
    }

    /// Begins if everything is there: the terms and a path. The client's may be there before ours.
    pub(crate) fn begin(&mut self, now: Instant, has_path: bool) {
        let State::Agreed(terms) = &mut self.state else { return };
        let role = match terms.role {
            SetupRole::Active if !has_path => return,
            SetupRole::Passive if !has_path && self.early.is_empty() => return,
            SetupRole::Active => dtls::Role::Client,
            SetupRole::Passive => dtls::Role::Server,
        };
        let fingerprints = mem::take(&mut terms.fingerprints);
        let config = dtls::Config::new(role, Arc::clone(&self.certificate), fingerprints);
        let connection = dtls::Connection::new(now, config, StdRng::from_rng(&mut self.rng));
        self.state = State::Handshaking(Box::new(connection));
        for datagram in mem::take(&mut self.early) {
            if let Err(error) = self.handle_datagram(now, datagram) {
                debug!(%error, "early datagram discarded");
            }
        }
    }

    /// Takes a datagram from a validated address.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: BytesMut,
    ) -> Result<(), Error> {
        if let Some(connection) = self.connection_mut() {
            return Ok(connection.handle_datagram(now, datagram)?);
        }
        let held: usize = self.early.iter().map(BytesMut::len).sum();
        let is_full = self.early.len() >= MAX_EARLY_DATAGRAMS;
        if is_full || held.saturating_add(datagram.len()) > MAX_EARLY_OCTETS {
            return Err(Error::TooEarly);
        }
        self.early.push(datagram);
        Ok(())
    }

    /// The next news of the DTLS connection.
    pub(crate) fn poll_event(&mut self) -> Option<dtls::Event> {
        let event = self.connection_mut()?.poll_event()?;
        if let dtls::Event::Connected(proof) = event {
            self.state = match mem::replace(&mut self.state, State::Awaiting) {
                State::Handshaking(connection) => State::Connected(connection, proof),
                other => other,
            };
        }
        Some(event)
    }

    /// Decrypted data of a peer that has proven who it is.
    pub(crate) fn recv(&mut self) -> Option<Bytes> {
        match &mut self.state {
            State::Connected(connection, _) => connection.recv(),
            _ => None,
        }
    }

    /// Encrypts one packet for such a peer.
    pub(crate) fn send(&mut self, now: Instant, packet: &[u8]) -> Result<(), dtls::SendError> {
        match &mut self.state {
            State::Connected(connection, _) => connection.send(now, packet),
            _ => Err(dtls::SendError::NotConnected),
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.connection_mut()?.poll_transmit(now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.connection()?.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(connection) = self.connection_mut() {
            connection.handle_timeout(now);
        }
    }

    /// Says farewell: close_notify (RFC 5246 §7.2.1).
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(connection) = self.connection_mut() {
            connection.close(now);
        }
    }

    /// The proof of who the peer is, once there is one.
    pub(crate) fn proof(&self) -> Option<&Authenticated> {
        match &self.state {
            State::Connected(_, proof) => Some(proof),
            _ => None,
        }
    }

    pub(crate) fn connection(&self) -> Option<&dtls::Connection> {
        match &self.state {
            State::Awaiting | State::Agreed(_) => None,
            State::Handshaking(connection) | State::Connected(connection, _) => Some(connection),
        }
    }

    fn connection_mut(&mut self) -> Option<&mut dtls::Connection> {
        match &mut self.state {
            State::Awaiting | State::Agreed(_) => None,
            State::Handshaking(connection) | State::Connected(connection, _) => Some(connection),
        }
    }
}
