//! Two connections in memory, a clock that jumps, and a wire between them that can be cut.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use peer::{
    Certificate, ChannelId, Config, Connection, ConnectionState, Datagram, Event, Message,
    SessionDescription, SignalingState, Transmit,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const A: usize = 0;
pub const B: usize = 1;

/// What happens to a datagram on the wire; the sender's index comes with it.
pub type Filter = Box<dyn FnMut(usize, &Transmit) -> bool>;

pub struct Net {
    pub start: Instant,
    pub now: Instant,
    pub ends: [Connection; 2],
    pub events: [Vec<Event>; 2],
    /// All that was sent, by whom and when.
    pub sent: Vec<(usize, Instant, Transmit)>,
    /// Whether a datagram passes.
    pub passes: Filter,
    pub delay: Duration,
    /// For tests that let some ICE generations pass only.
    pub blocked: Vec<String>,
    wire: VecDeque<(Instant, usize, Datagram)>,
}

pub fn address(end: usize) -> SocketAddr {
    ["192.0.2.1:1000", "192.0.2.2:2000"][end].parse().unwrap()
}

/// A stranger's address.
pub fn stranger() -> SocketAddr {
    "198.51.100.66:666".parse().unwrap()
}

/// Certificates take time to make and do not matter here: each end has one for all tests.
pub fn certificate(end: usize) -> Arc<Certificate> {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    let make = || Arc::new(Certificate::generate().unwrap());
    Arc::clone(&CERTIFICATES.get_or_init(|| [make(), make()])[end])
}

pub fn config(end: usize) -> Config {
    Config { certificate: Some(certificate(end)), ..Config::default() }
}

/// What a datagram is, by its first octet.
pub fn is_stun(transmit: &Transmit) -> bool {
    transmit.payload[0] < 4
}

impl Net {
    pub fn new() -> Self {
        Self::with(config(A), config(B))
    }

    pub fn with(a: Config, b: Config) -> Self {
        let mut net = Self::with_nothing(a, b);
        for end in [A, B] {
            net.ends[end].add_local_candidate(net.now, address(end));
        }
        net
    }

    /// Without candidates.
    pub fn with_nothing(a: Config, b: Config) -> Self {
        let now = Instant::now();
        let end = |config, seed| Connection::new(now, config, StdRng::seed_from_u64(seed)).unwrap();
        let ends = [end(a, 1), end(b, 2)];
        Self {
            start: now,
            now,
            ends,
            events: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            passes: Box::new(|_, _| true),
            delay: Duration::from_millis(10),
            blocked: Vec::new(),
            wire: VecDeque::new(),
        }
    }

    /// Offer and answer, from the offerer to the other; the texts.
    pub fn negotiate(&mut self, offerer: usize) -> (SessionDescription, SessionDescription) {
        let now = self.now;
        let offer = self.ends[offerer].create_offer(now).unwrap();
        self.ends[offerer].set_local_description(now, offer.clone()).unwrap();
        let answer = self.answer(offerer, offer.clone());
        (offer, answer)
    }

    /// The other end's answer to an offer.
    pub fn answer(&mut self, offerer: usize, offer: SessionDescription) -> SessionDescription {
        let (now, answerer) = (self.now, 1 - offerer);
        self.ends[answerer].set_remote_description(now, offer).unwrap();
        let answer = self.ends[answerer].create_answer(now).unwrap();
        self.ends[answerer].set_local_description(now, answer.clone()).unwrap();
        self.ends[offerer].set_remote_description(now, answer.clone()).unwrap();
        answer
    }

    /// As [`Net::negotiate`], where the answerer has an offer of its own pending: it gives way.
    pub fn negotiate_over(&mut self, offerer: usize) {
        assert_eq!(self.ends[1 - offerer].signaling_state(), SignalingState::HaveLocalOffer);
        self.negotiate(offerer);
    }

    /// Takes all that both ends have to give.
    pub fn drain(&mut self) {
        for end in [A, B] {
            loop {
                while let Some(transmit) = self.ends[end].poll_transmit(self.now) {
                    self.sent.push((end, self.now, transmit.clone()));
                    if (self.passes)(end, &transmit) {
                        let datagram = Datagram {
                            protocol: ice::Protocol::Udp,
                            local: transmit.remote,
                            remote: transmit.local,
                            payload: BytesMut::from(&transmit.payload[..]),
                        };
                        self.wire.push_back((self.now + self.delay, 1 - end, datagram));
                    }
                }
                let before = self.events[end].len();
                while let Some(event) = self.ends[end].poll_event() {
                    self.events[end].push(event);
                }
                if self.events[end].len() == before {
                    break;
                }
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until something holds; false if it does not in time.
    pub fn run_until(&mut self, time: Duration, mut holds: impl FnMut(&Net) -> bool) -> bool {
        let end_of_time = self.now + time;
        loop {
            self.drain();
            if holds(self) {
                return true;
            }
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let timer = self.ends.iter().filter_map(Connection::poll_timeout).min();
            let next = arrival.into_iter().chain(timer).min();
            let Some(next) = next.filter(|next| *next <= end_of_time) else {
                self.now = end_of_time;
                return false;
            };
            self.now = self.now.max(next);
            while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
                let (_, to, datagram) = self.wire.pop_front().unwrap();
                let _ = self.ends[to].handle_datagram(self.now, datagram);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
    }

    /// A whole call: an open channel from A to B, with both ends' names for it.
    pub fn connected() -> (Self, ChannelId, ChannelId) {
        let mut net = Self::new();
        let ours = net.ends[A].create_data_channel(net.now, "chat", Default::default()).unwrap();
        net.negotiate(A);
        let theirs = net.incoming(B);
        (net, ours, theirs)
    }

    /// The first channel the other side opens.
    pub fn incoming(&mut self, end: usize) -> ChannelId {
        let channel = |net: &Net| {
            net.events[end].iter().find_map(|event| match event {
                Event::DataChannel(id) => Some(*id),
                _ => None,
            })
        };
        self.run_until(Duration::from_secs(10), |net| channel(net).is_some());
        channel(self).expect("no channel in ten seconds")
    }

    pub fn state(&self, end: usize) -> ConnectionState {
        self.ends[end].connection_state()
    }

    pub fn both_connected(&self) -> bool {
        self.state(A) == ConnectionState::Connected && self.state(B) == ConnectionState::Connected
    }

    /// Sends a text and waits for it on the other side.
    pub fn deliver(&mut self, from: usize, sender: ChannelId, receiver: ChannelId, text: &str) {
        self.ends[from].send(self.now, sender, Message::text(text)).unwrap();
        let mut received = None;
        for _ in 0..1000 {
            self.run(Duration::from_millis(10));
            let now = self.now;
            received = self.ends[1 - from].recv(now, receiver);
            if received.is_some() {
                break;
            }
        }
        assert_eq!(received, Some(Message::text(text)));
    }

    /// The connection states that an end was told.
    pub fn states(&self, end: usize) -> Vec<ConnectionState> {
        let state = |event: &Event| match event {
            Event::ConnectionStateChange(state) => Some(*state),
            _ => None,
        };
        self.events[end].iter().filter_map(state).collect()
    }

    /// Hands an end a datagram out of the blue.
    pub fn inject(
        &mut self,
        end: usize,
        remote: SocketAddr,
        payload: &[u8],
    ) -> Result<(), peer::Error> {
        let datagram = Datagram::udp(address(end), remote, BytesMut::from(payload));
        let now = self.now;
        self.ends[end].handle_datagram(now, datagram)
    }
}
