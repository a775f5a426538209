//! Two ends on a virtual clock, and a link between them that may be told to lose or reorder.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses a part of it, and a test that fails panics"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::channel::{ChannelId, ChannelOptions, Config, DataChannels, Event, Payload, Role, Start};
use sctp::wire::Port;
use sctp::{Association, Error};

/// What the link needs of an end.
pub trait End {
    fn handle_datagram(&mut self, now: Instant, packet: Bytes) -> Result<(), Error>;
    fn poll_transmit(&mut self, now: Instant) -> Option<Bytes>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
}

macro_rules! end {
    ($type:ty) => {
        impl End for $type {
            fn handle_datagram(&mut self, now: Instant, packet: Bytes) -> Result<(), Error> {
                self.handle_datagram(now, packet)
            }
            fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
                self.poll_transmit(now)
            }
            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }
            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
        }
    };
}

end!(DataChannels);
end!(Association);

/// Two ends and the packets between them.
pub struct Pair<A, B> {
    pub now: Instant,
    pub a: A,
    pub b: B,
    pub to_a: VecDeque<Bytes>,
    pub to_b: VecDeque<Bytes>,
    /// Asked for each packet; `true` loses it.
    pub lose: Box<dyn FnMut(&Bytes) -> bool>,
}

impl<A: End, B: End> Pair<A, B> {
    pub fn new(now: Instant, a: A, b: B) -> Self {
        let (to_a, to_b) = Default::default();
        Self { now, a, b, to_a, to_b, lose: Box::new(|_| false) }
    }

    /// Collects what both ends want to send.
    pub fn transmit(&mut self) {
        while let Some(packet) = self.a.poll_transmit(self.now) {
            assert!(packet.len() <= 1191);
            if !(self.lose)(&packet) {
                self.to_b.push_back(packet);
            }
        }
        while let Some(packet) = self.b.poll_transmit(self.now) {
            assert!(packet.len() <= 1191);
            if !(self.lose)(&packet) {
                self.to_a.push_back(packet);
            }
        }
    }

    /// Carries packets until there are none; no time passes.
    pub fn carry(&mut self) {
        loop {
            self.transmit();
            if self.to_a.is_empty() && self.to_b.is_empty() {
                return;
            }
            for packet in std::mem::take(&mut self.to_b) {
                let _ = self.b.handle_datagram(self.now, packet);
            }
            for packet in std::mem::take(&mut self.to_a) {
                let _ = self.a.handle_datagram(self.now, packet);
            }
        }
    }

    /// Lets time pass from timer to timer, carrying packets.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.carry();
            let next = [self.a.poll_timeout(), self.b.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
        }
        self.now = end;
    }
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub fn start(role: Role) -> Start {
    Start { role, remote_port: Port(5000), remote_max_message_size: Some(262_144) }
}

pub type Channels = Pair<DataChannels, DataChannels>;

/// `a` is the DTLS client, `b` the server; neither is started.
pub fn unstarted(config: Config) -> Channels {
    let now = Instant::now();
    Pair::new(now, DataChannels::new(config.clone(), rng(1)), DataChannels::new(config, rng(2)))
}

pub fn connect(pair: &mut Channels) {
    pair.a.start(pair.now, start(Role::Client));
    pair.b.start(pair.now, start(Role::Server));
    pair.carry();
}

/// Both are established, and their first events taken.
pub fn connected() -> Channels {
    let mut pair = unstarted(Config::default());
    connect(&mut pair);
    assert_eq!(events(&mut pair.a), [Event::Established]);
    assert_eq!(events(&mut pair.b), [Event::Established]);
    pair
}

/// Data channels (DTLS server) and a bare association that says what it likes (DTLS client).
pub fn hostile(config: Config) -> Pair<Association, DataChannels> {
    let now = Instant::now();
    let limits = sctp::Config { remote_max_message_size: usize::MAX, ..Default::default() };
    let mut stranger = Association::new(now, limits, rng(3));
    let mut channels = DataChannels::new(config, rng(4));
    stranger.connect(now);
    channels.start(now, start(Role::Server));
    let mut pair = Pair::new(now, stranger, channels);
    pair.carry();
    assert_eq!(events(&mut pair.b), [Event::Established]);
    pair
}

/// All events but those about the buffered amount, which falls to zero every now and then.
pub fn events(channels: &mut DataChannels) -> Vec<Event> {
    std::iter::from_fn(|| channels.poll_event())
        .filter(|event| !matches!(event, Event::BufferedAmountLow(_)))
        .collect()
}

/// The channels the remote endpoint opened, among these events.
pub fn incoming(events: &[Event]) -> Vec<ChannelId> {
    let incoming = |event: &Event| match event {
        Event::Incoming(id) => Some(*id),
        _ => None,
    };
    events.iter().filter_map(incoming).collect()
}

/// Everything there is to read.
pub fn read(channels: &mut DataChannels, now: Instant, id: ChannelId) -> Vec<Payload> {
    std::iter::from_fn(|| channels.recv(now, id)).collect()
}

/// Opens a channel at `a` and answers its names on both sides.
pub fn open(pair: &mut Channels, options: ChannelOptions) -> (ChannelId, ChannelId) {
    let ours = pair.a.open(pair.now, options).unwrap();
    pair.carry();
    assert_eq!(events(&mut pair.a), [Event::Opened(ours)]);
    let theirs = incoming(&events(&mut pair.b));
    assert_eq!(theirs.len(), 1);
    (ours, theirs[0])
}

/// Binary octets, all different enough to notice a mix-up.
pub fn octets(length: usize) -> Bytes {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}
