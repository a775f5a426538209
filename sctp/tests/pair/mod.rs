//! Two associations, a virtual clock and a seeded link between them.
//! Each test file uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test support"
)]

pub mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp::{Association, Config, Event, Message, Ppid, Received, Reliability, StreamId};

/// What the network does to packets.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub delay: Duration,
    /// Up to this much more delay, for each packet anew: it reorders.
    pub jitter: Duration,
    /// Percent of packets lost.
    pub loss: u32,
    /// Percent of packets that arrive twice.
    pub duplication: u32,
}

pub const PERFECT: Link =
    Link { delay: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0, duplication: 0 };

/// One end with its news.
pub struct End {
    pub association: Association,
    pub events: Vec<Event>,
    /// Messages read, by stream.
    pub received: BTreeMap<u16, Vec<Received>>,
    /// Read what becomes readable.
    pub reads: bool,
    readable: Vec<StreamId>,
    /// Every packet it sent.
    pub sent: Vec<Bytes>,
}

/// Decides on the packets to an end.
pub type Drop = Box<dyn FnMut(usize, &Bytes) -> bool>;

pub struct Pair {
    pub ends: [End; 2],
    pub now: Instant,
    pub link: Link,
    rng: StdRng,
    in_flight: BinaryHeap<Reverse<(Instant, u64, usize, Bytes)>>,
    count: u64,
    /// Answers whether the n-th packet to this end is lost, beyond `link.loss`.
    pub drop: Drop,
}

pub const A: usize = 0;
pub const B: usize = 1;

impl Pair {
    pub fn new(config: Config, seed: u64) -> Self {
        Self::with([config.clone(), config], seed)
    }

    pub fn with(configs: [Config; 2], seed: u64) -> Self {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let ends = configs.map(|config| End {
            association: Association::new(now, config, StdRng::seed_from_u64(rng.random())),
            events: Vec::new(),
            received: BTreeMap::new(),
            reads: true,
            readable: Vec::new(),
            sent: Vec::new(),
        });
        Self {
            ends,
            now,
            link: PERFECT,
            rng,
            in_flight: BinaryHeap::new(),
            count: 0,
            drop: Box::new(|_, _| false),
        }
    }

    /// A pair that is established: both called, as in WebRTC.
    pub fn established(config: Config, seed: u64) -> Self {
        let mut pair = Self::new(config, seed);
        pair.connect();
        pair
    }

    pub fn connect(&mut self) {
        let now = self.now;
        self.ends.iter_mut().for_each(|end| end.association.connect(now));
        self.run_until(|pair| pair.ends.iter().all(|end| end.association.is_established()));
        for end in &mut self.ends {
            assert!(matches!(end.events.remove(0), Event::Established { .. }));
        }
    }

    /// Lets both ends send and read what they can at this moment.
    pub fn pump(&mut self) {
        for from in [A, B] {
            let now = self.now;
            self.ends[from].drain(now);
            while let Some(packet) = self.ends[from].association.poll_transmit(now) {
                self.ends[from].sent.push(packet.clone());
                self.carry(from, packet);
            }
            self.ends[from].drain(now);
        }
    }

    fn carry(&mut self, from: usize, packet: Bytes) {
        let to = 1 - from;
        if self.rng.random_range(0..100) < self.link.loss || (self.drop)(to, &packet) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_range(0..100) < self.link.duplication);
        for _ in 0..copies {
            let jitter = self.link.jitter.mul_f64(self.rng.random());
            self.count += 1;
            let at = self.now + self.link.delay + jitter;
            self.in_flight.push(Reverse((at, self.count, to, packet.clone())));
        }
    }

    /// Moves the clock to the next thing that happens, and lets it happen. `false`: nothing will.
    pub fn step(&mut self) -> bool {
        self.pump();
        let arrival = self.in_flight.peek().map(|Reverse((at, ..))| *at);
        let timeouts = self.ends.iter().filter_map(|end| end.association.poll_timeout());
        let Some(next) = arrival.into_iter().chain(timeouts).min() else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        while let Some(Reverse((at, ..))) = self.in_flight.peek()
            && *at <= now
        {
            let Reverse((_, _, to, packet)) = self.in_flight.pop().unwrap();
            let _ = self.ends[to].association.handle_datagram(now, packet);
        }
        for end in &mut self.ends {
            if end.association.poll_timeout().is_some_and(|at| at <= now) {
                end.association.handle_timeout(now);
            }
        }
        self.pump();
        true
    }

    /// Runs until `done`, for at most ten minutes on the virtual clock.
    pub fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + Duration::from_secs(600);
        self.pump();
        while !done(self) {
            assert!(self.now < end, "not within ten minutes: {:?}", self.ends.map_stats());
            assert!(self.step(), "nothing will happen: {:?}", self.ends.map_stats());
        }
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.pump();
        loop {
            let arrival = self.in_flight.peek().map(|Reverse((at, ..))| *at);
            let timeouts = self.ends.iter().filter_map(|end| end.association.poll_timeout());
            match arrival.into_iter().chain(timeouts).min() {
                Some(next) if next <= end => assert!(self.step()),
                _ => break,
            }
        }
        self.now = end;
    }

    pub fn messages(&self, end: usize, stream: u16) -> Vec<Vec<u8>> {
        let received = self.ends[end].received.get(&stream);
        received.into_iter().flatten().map(|message| message.payload.to_vec()).collect()
    }

    pub fn count(&self, end: usize) -> usize {
        self.ends[end].received.values().map(Vec::len).sum()
    }

    /// Hands a packet to an end as if it had come from the network now.
    pub fn inject(&mut self, to: usize, packet: &Bytes) -> Result<(), sctp::Error> {
        let now = self.now;
        self.ends[to].association.handle_datagram(now, packet.clone())
    }

    pub fn send(&mut self, from: usize, stream: u16, message: Message) {
        let now = self.now;
        self.ends[from].association.send(now, StreamId(stream), message).unwrap();
    }
}

trait MapStats {
    fn map_stats(&self) -> Vec<sctp::Stats>;
}

impl MapStats for [End; 2] {
    fn map_stats(&self) -> Vec<sctp::Stats> {
        self.iter().map(|end| end.association.stats()).collect()
    }
}

impl End {
    pub fn drain(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_event() {
            match event {
                Event::Readable(stream) => self.readable.push(stream),
                Event::BufferedAmountLow(_) => {}
                event => self.events.push(event),
            }
        }
        if !self.reads {
            return;
        }
        for stream in std::mem::take(&mut self.readable) {
            while let Some(message) = self.association.recv(now, stream) {
                self.received.entry(stream.0).or_default().push(message);
            }
        }
    }
}

pub fn message(payload: impl Into<Bytes>) -> Message {
    Message {
        ppid: Ppid::BINARY,
        payload: payload.into(),
        ordered: true,
        reliability: Reliability::Reliable,
    }
}

pub fn octets(length: usize, seed: u64) -> Vec<u8> {
    let mut octets = vec![0; length];
    rand::Rng::fill_bytes(&mut StdRng::seed_from_u64(seed), &mut octets);
    octets
}
