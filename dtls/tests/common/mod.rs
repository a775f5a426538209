//! Two connections on one virtual clock, and a link that does what the test says.
//!
//! ```text
//!   client ── poll_transmit ──► fate(datagram) ──► in flight until its time ──► handle_datagram ── server
//!             (both ways; the clock jumps from one delivery or timer to the next)
//! ```

#![allow(dead_code, unreachable_pub)] // each test file is a program of its own and uses a part of this

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dtls::{
    Authenticated, Certificate, Config, Connection, Error, Event, Fingerprint, HashAlgorithm, Role,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Time from one end to the other.
pub const DELAY: Duration = Duration::from_millis(10);

/// Who sent a datagram, or whom to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}
pub use Side::{Client, Server};

impl Side {
    pub const BOTH: [Self; 2] = [Client, Server];

    pub fn other(self) -> Self {
        match self {
            Client => Server,
            Server => Client,
        }
    }
}

/// What the link does to a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Deliver,
    Drop,
    Twice,
    /// Delivered this much later than usual, so that others overtake it.
    Late(Duration),
    /// Something else arrives.
    Replace(Vec<u8>),
}

/// One end with everything it said so far.
pub struct End {
    pub connection: Connection,
    pub connected: Option<Authenticated>,
    pub closed: Vec<dtls::CloseReason>,
    pub received: Vec<Bytes>,
    pub errors: Vec<Error>,
    /// Datagrams this end sent.
    pub sent: Vec<Bytes>,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            connected: None,
            closed: Vec::new(),
            received: Vec::new(),
            errors: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Drains news and data.
    pub fn drain(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected(proof) => {
                    assert!(
                        self.connected.is_none() && self.closed.is_empty(),
                        "connected twice or dead"
                    );
                    self.connected = Some(proof);
                }
                Event::Closed(reason) => {
                    assert!(self.closed.is_empty(), "death is told once");
                    self.closed.push(reason);
                }
            }
        }
        while let Some(data) = self.connection.recv() {
            assert!(self.connected.is_some(), "data before authentication");
            self.received.push(data);
        }
    }
}

struct InFlight {
    arrives: Instant,
    to: Side,
    datagram: Vec<u8>,
}

/// Two ends and the link between them.
pub struct Pair {
    pub now: Instant,
    pub start: Instant,
    pub client: End,
    pub server: End,
    in_flight: VecDeque<InFlight>,
}

/// One certificate for all tests of a file: making one costs more than a handshake.
pub fn certificate(which: Side) -> Arc<Certificate> {
    use std::sync::OnceLock;
    static CLIENT: OnceLock<Arc<Certificate>> = OnceLock::new();
    static SERVER: OnceLock<Arc<Certificate>> = OnceLock::new();
    let cell = match which {
        Client => &CLIENT,
        Server => &SERVER,
    };
    Arc::clone(cell.get_or_init(|| Arc::new(Certificate::generate().unwrap())))
}

pub fn fingerprint_of(certificate: &Certificate) -> Fingerprint {
    certificate.fingerprint(HashAlgorithm::Sha256)
}

/// The usual configuration of one side, facing the other's usual certificate.
pub fn config(side: Side) -> Config {
    let role = match side {
        Client => Role::Client,
        Server => Role::Server,
    };
    let expected = fingerprint_of(&certificate(side.other()));
    Config::new(role, certificate(side), vec![expected])
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

impl Pair {
    /// Two ends of the usual configuration.
    pub fn new() -> Self {
        Self::with(config(Client), config(Server), 1)
    }

    pub fn with(client: Config, server: Config, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            client: End::new(Connection::new(now, client, rng(seed))),
            server: End::new(Connection::new(now, server, rng(!seed))),
            in_flight: VecDeque::new(),
        }
    }

    /// Two ends after an undisturbed handshake, the link empty.
    pub fn connected() -> Self {
        let mut pair = Self::new();
        pair.run(Duration::from_secs(5), |_, _, _| Fate::Deliver);
        assert!(pair.both_connected());
        pair
    }

    pub fn end(&mut self, side: Side) -> &mut End {
        match side {
            Client => &mut self.client,
            Server => &mut self.server,
        }
    }

    pub fn both_connected(&self) -> bool {
        self.client.connected.is_some() && self.server.connected.is_some()
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Takes what `side` wants to send now.
    pub fn take(&mut self, side: Side) -> Vec<Bytes> {
        let now = self.now;
        let end = self.end(side);
        let datagrams: Vec<_> = std::iter::from_fn(|| end.connection.poll_transmit(now)).collect();
        end.sent.extend(datagrams.iter().cloned());
        datagrams
    }

    /// Hands `side` a datagram now, from wherever.
    pub fn give(&mut self, side: Side, datagram: &[u8]) -> Result<(), Error> {
        let now = self.now;
        let end = self.end(side);
        let result = end.connection.handle_datagram(now, BytesMut::from(datagram));
        if let Err(error) = &result {
            end.errors.push(*error);
        }
        end.drain();
        result
    }

    /// Puts a datagram on the link.
    pub fn inject(&mut self, to: Side, datagram: Vec<u8>, after: Duration) {
        let arrives = self.now + after;
        // Stable order: whoever arrives at the same time arrives in order of sending.
        let at = self.in_flight.iter().position(|other| other.arrives > arrives);
        let entry = InFlight { arrives, to, datagram };
        self.in_flight.insert(at.unwrap_or(self.in_flight.len()), entry);
    }

    /// Moves what both ends want to send onto the link.
    fn transmit(&mut self, fate: &mut impl FnMut(Side, usize, &[u8]) -> Fate) {
        for side in Side::BOTH {
            let first = self.end(side).sent.len();
            for (index, datagram) in (first..).zip(self.take(side)) {
                let (to, octets) = (side.other(), datagram.to_vec());
                match fate(side, index, &octets) {
                    Fate::Deliver => self.inject(to, octets, DELAY),
                    Fate::Drop => {}
                    Fate::Twice => {
                        self.inject(to, octets.clone(), DELAY);
                        self.inject(to, octets, DELAY);
                    }
                    Fate::Late(by) => self.inject(to, octets, DELAY + by),
                    Fate::Replace(octets) => self.inject(to, octets, DELAY),
                }
            }
        }
    }

    /// Goes to the next delivery or timer, not beyond `deadline`. False: nothing left to happen.
    pub fn step(
        &mut self,
        deadline: Instant,
        fate: &mut impl FnMut(Side, usize, &[u8]) -> Fate,
    ) -> bool {
        self.client.drain();
        self.server.drain();
        self.transmit(fate);
        let delivery = self.in_flight.front().map(|next| next.arrives);
        let timers = Side::BOTH.map(|side| self.end(side).connection.poll_timeout());
        let next = timers.into_iter().flatten().chain(delivery).min();
        let Some(next) = next.filter(|next| *next <= deadline) else { return false };
        self.now = self.now.max(next);
        while self.in_flight.front().is_some_and(|first| first.arrives <= self.now) {
            if let Some(arrived) = self.in_flight.pop_front() {
                let _ = self.give(arrived.to, &arrived.datagram);
            }
        }
        let now = self.now;
        for side in Side::BOTH {
            let end = self.end(side);
            end.connection.handle_timeout(now);
            end.drain();
        }
        true
    }

    /// Lets time pass for `duration` or until nothing is left to happen.
    pub fn run(&mut self, duration: Duration, mut fate: impl FnMut(Side, usize, &[u8]) -> Fate) {
        let deadline = self.now + duration;
        while self.step(deadline, &mut fate) {}
    }

    /// Like [`Self::run`], but ends as soon as both ends are connected. False: they are not.
    pub fn run_until_connected(
        &mut self,
        duration: Duration,
        mut fate: impl FnMut(Side, usize, &[u8]) -> Fate,
    ) -> bool {
        let deadline = self.now + duration;
        while !self.both_connected() && self.step(deadline, &mut fate) {}
        self.both_connected()
    }

    /// Sends `payload` from one side and sees it arrive unchanged, alone, on the other.
    pub fn assert_delivers(&mut self, from: Side, payload: &[u8]) {
        let now = self.now;
        self.end(from).connection.send(now, payload).unwrap();
        let datagrams = self.take(from);
        let before = self.end(from.other()).received.len();
        for datagram in datagrams {
            self.give(from.other(), &datagram).unwrap();
        }
        let received = &self.end(from.other()).received[before..];
        assert_eq!(received, [Bytes::copy_from_slice(payload)]);
    }

    /// Both ends still work, in both directions.
    pub fn assert_alive(&mut self) {
        for side in Side::BOTH {
            assert_eq!(self.end(side).closed, []);
            self.assert_delivers(side, b"still here");
        }
    }
}
