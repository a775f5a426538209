//! Client and server against each other, through a network that loses, delays and cuts (RFC 8656).
//!
//! ```text
//!   Client ──lossy link, or a stream cut anywhere──► Server ──► relayed address ──► peer
//! ```
//!
//! No socket and no clock: the seed of a run says everything, hours take milliseconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on should stop"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stun::turn::server::{self, FiveTuple, FromClient, Outgoing, PeerPolicy};
use stun::turn::{
    ChannelData, Client, CloseReason, Config, Deframer, Event, SendError, Server, User,
};
use stun::{Class, Code, Family, Message, Method, ServerTransport};

const PASSWORD: &str = "a secret";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn peer() -> SocketAddr {
    "192.0.2.77:7000".parse().unwrap()
}

fn listening() -> SocketAddr {
    "203.0.113.1:3478".parse().unwrap()
}

fn server_config() -> server::Config {
    server::Config {
        realm: "example.org".into(),
        users: vec![User::new("alice", PASSWORD), User::new("bob", PASSWORD)],
        relay_ips: vec!["203.0.113.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        listening: vec![listening()],
        ..server::Config::default()
    }
}

fn client_config(transport: ServerTransport) -> Config {
    Config::new(User::new("alice", PASSWORD), transport)
}

/// Something under way.
enum Packet {
    /// From a client to the server.
    Upstream(usize, Bytes),
    /// From the server to a client.
    Downstream(usize, Bytes),
    /// From somebody outside to a relayed address.
    Outside { relayed: SocketAddr, from: SocketAddr, payload: Bytes },
}

/// A client, its address, and the two ends of its stream if it has one.
struct Host {
    five_tuple: FiveTuple,
    client: Client,
    at_client: Deframer,
    at_server: Deframer,
}

/// What one link does to datagrams. Streams lose nothing.
#[derive(Clone, Copy)]
struct Link {
    loss: f64,
    delay: Duration,
    jitter: Duration,
}

const GOOD: Link = Link { loss: 0.0, delay: Duration::from_millis(20), jitter: Duration::ZERO };
const BAD: Link =
    Link { loss: 0.25, delay: Duration::from_millis(20), jitter: Duration::from_millis(60) };

struct World {
    now: Instant,
    rng: StdRng,
    link: Link,
    server: Server,
    open: BTreeSet<SocketAddr>,
    hosts: Vec<Host>,
    in_flight: BTreeMap<(Instant, u64), Packet>,
    packets: u64,
    /// What arrived at addresses outside: to whom, from whom.
    outside: Vec<(SocketAddr, SocketAddr, Bytes)>,
    /// Requests that clients sent, as they were.
    requests: Vec<Message>,
    /// ChannelData that clients sent.
    on_channels: usize,
    server_is_up: bool,
}

impl World {
    fn new(seed: u64, link: Link, config: server::Config) -> Self {
        let now = Instant::now();
        Self {
            now,
            rng: StdRng::seed_from_u64(seed),
            link,
            server: Server::new(now, config, StdRng::seed_from_u64(seed + 1)),
            open: BTreeSet::new(),
            hosts: Vec::new(),
            in_flight: BTreeMap::new(),
            packets: 0,
            outside: Vec::new(),
            requests: Vec::new(),
            on_channels: 0,
            server_is_up: true,
        }
    }

    /// Adds a client; its index.
    fn add(&mut self, config: Config) -> usize {
        let index = self.hosts.len();
        let port = u16::try_from(4000 + index).unwrap();
        let remote = SocketAddr::from(([198, 51, 100, 5], port));
        let five_tuple = FiveTuple { transport: config.transport, local: listening(), remote };
        let rng = StdRng::seed_from_u64(self.rng.random());
        let client = Client::new(self.now, config, rng);
        let (at_client, at_server) = (Deframer::new(), Deframer::new());
        self.hosts.push(Host { five_tuple, client, at_client, at_server });
        index
    }

    /// A world with one client that has an allocation; the relayed address.
    fn with_allocation(seed: u64, link: Link, config: Config) -> (Self, SocketAddr) {
        let mut world = Self::new(seed, link, server_config());
        world.add(config);
        let relayed = world.allocated(0);
        (world, relayed)
    }

    /// Waits until a client has an allocation; its first relayed address.
    fn allocated(&mut self, host: usize) -> SocketAddr {
        match &self.next_events(host)[..] {
            [Event::Allocated { relayed, mapped, .. }] => {
                assert_eq!(*mapped, self.hosts[host].five_tuple.remote);
                assert!(relayed.iter().all(|relayed| self.open.contains(relayed)));
                relayed[0]
            }
            other => panic!("no allocation: {other:?}"),
        }
    }

    /// Waits until a client tells something, a minute at most.
    fn next_events(&mut self, host: usize) -> Vec<Event> {
        for _ in 0..600 {
            let events = self.events(host);
            if !events.is_empty() {
                return events;
            }
            self.run(Duration::from_millis(100));
        }
        Vec::new()
    }

    fn events(&mut self, host: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.hosts[host].client.poll_event()).collect()
    }

    fn received(&mut self, host: usize) -> Vec<(SocketAddr, Bytes)> {
        std::iter::from_fn(|| self.hosts[host].client.recv()).collect()
    }

    fn send(&mut self, host: usize, to: SocketAddr, payload: &[u8]) -> Result<(), SendError> {
        self.hosts[host].client.send(self.now, to, payload)
    }

    /// A packet from outside to a relayed address.
    fn knock(&mut self, from: SocketAddr, relayed: SocketAddr, payload: &'static [u8]) {
        let payload = Bytes::from_static(payload);
        self.launch(Packet::Outside { relayed, from, payload }, false);
    }

    /// Puts a packet on its way, if it is not lost.
    fn launch(&mut self, packet: Packet, is_stream: bool) {
        let Link { loss, delay, jitter } = self.link;
        if !is_stream && self.rng.random_bool(loss) {
            return;
        }
        let jitter = if is_stream { Duration::ZERO } else { jitter.mul_f64(self.rng.random()) };
        self.packets += 1;
        self.in_flight.insert((self.now + delay + jitter, self.packets), packet);
    }

    /// Puts octets of a stream on their way, cut anywhere.
    fn launch_stream(&mut self, octets: &Bytes, packet: impl Fn(Bytes) -> Packet) {
        let mut rest = octets.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(self.rng.random_range(1..=rest.len()));
            self.launch(packet(piece), true);
        }
    }

    /// What drivers do after each input.
    fn drive(&mut self) {
        for index in 0..self.hosts.len() {
            let is_stream = self.hosts[index].five_tuple.transport.is_stream();
            while let Some(octets) = self.hosts[index].client.poll_transmit(self.now) {
                self.note(&octets);
                if is_stream {
                    self.launch_stream(&octets, |piece| Packet::Upstream(index, piece));
                } else {
                    self.launch(Packet::Upstream(index, octets), false);
                }
            }
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                server::Event::OpenRelay(relayed) => {
                    self.open.insert(relayed);
                    self.server.relay_opened(self.now, relayed);
                }
                server::Event::CloseRelay(relayed) => assert!(self.open.remove(&relayed)),
            }
        }
        while let Some(outgoing) = self.server.poll_transmit(self.now) {
            match outgoing {
                Outgoing::ToClient { client, payload } => {
                    let of_client = |host: &Host| host.five_tuple == client;
                    let index = self.hosts.iter().rposition(of_client).unwrap();
                    if client.transport.is_stream() {
                        self.launch_stream(&payload, |piece| Packet::Downstream(index, piece));
                    } else {
                        self.launch(Packet::Downstream(index, payload), false);
                    }
                }
                Outgoing::ToPeer { relayed, peer, payload } if self.open.contains(&peer) => {
                    self.launch(Packet::Outside { relayed: peer, from: relayed, payload }, false);
                }
                Outgoing::ToPeer { relayed, peer, payload } => {
                    self.outside.push((peer, relayed, payload));
                }
            }
        }
    }

    fn note(&mut self, octets: &Bytes) {
        assert!(!octets.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
        match Message::parse(octets) {
            Ok(message) if message.class == Class::Request => self.requests.push(message),
            Ok(_) => {}
            Err(_) => {
                ChannelData::parse(octets).unwrap();
                self.on_channels += 1;
            }
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let now = self.now;
        match packet {
            Packet::Upstream(..) | Packet::Outside { .. } if !self.server_is_up => {}
            Packet::Upstream(index, octets) => {
                let host = &mut self.hosts[index];
                let client = host.five_tuple;
                if client.transport.is_stream() {
                    host.at_server.push(&octets);
                    while let Some(message) = host.at_server.next().unwrap() {
                        let from = FromClient { client, payload: &message };
                        let _ = self.server.handle_datagram(now, from);
                    }
                } else {
                    let from = FromClient { client, payload: &octets };
                    let _ = self.server.handle_datagram(now, from);
                }
            }
            Packet::Downstream(index, octets) => {
                let host = &mut self.hosts[index];
                if host.five_tuple.transport.is_stream() {
                    host.at_client.push(&octets);
                    while let Some(message) = host.at_client.next().unwrap() {
                        host.client.handle_datagram(now, &message).unwrap();
                    }
                } else {
                    let _ = host.client.handle_datagram(now, &octets);
                }
            }
            Packet::Outside { relayed, from, payload } => {
                let _ = self.server.handle_relayed(now, relayed, from, &payload);
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drive();
            let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            let timers = self.hosts.iter().filter_map(|host| host.client.poll_timeout());
            let next = timers.chain(self.server.poll_timeout()).chain(arrival).min();
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.server.handle_timeout(self.now);
            for host in &mut self.hosts {
                host.client.handle_timeout(self.now);
            }
            while let Some(first) = self.in_flight.first_entry()
                && first.key().0 <= self.now
            {
                let packet = first.remove();
                self.deliver(packet);
            }
        }
        self.now = end;
    }

    /// A packet both ways every five seconds, as consent checks are; how many arrived there and here.
    fn converse(&mut self, relayed: SocketAddr, time: Duration) -> (usize, usize) {
        let end = self.now + time;
        let (mut there, mut here) = (0, 0);
        while self.now < end {
            let _ = self.send(0, peer(), b"to the peer");
            self.knock(peer(), relayed, b"from the peer");
            self.run(seconds(5));
            there += std::mem::take(&mut self.outside).len();
            here += self.received(0).len();
        }
        (there, here)
    }

    fn count(&self, method: Method) -> usize {
        self.requests.iter().filter(|request| request.method == method).count()
    }
}

#[test]
fn allocation_permission_channel_and_packets_both_ways() {
    let (mut world, relayed) = World::with_allocation(1, GOOD, client_config(ServerTransport::Udp));
    world.knock(peer(), relayed, b"a stranger's");
    world.run(seconds(1));
    assert_eq!(world.received(0), []);
    world.send(0, peer(), b"one").unwrap();
    world.run(seconds(1));
    world.send(0, peer(), b"two").unwrap();
    world.knock(peer(), relayed, b"three");
    world.run(seconds(1));
    let arrived: Vec<_> =
        world.outside.iter().map(|(to, from, data)| (*to, *from, &data[..])).collect();
    assert_eq!(arrived, [(peer(), relayed, &b"one"[..]), (peer(), relayed, b"two")]);
    assert_eq!(world.received(0), [(peer(), Bytes::from_static(b"three"))]);
    assert_eq!(world.on_channels, 1);
    let methods: Vec<_> = world.requests.iter().map(|request| request.method).collect();
    let expected =
        [Method::ALLOCATE, Method::ALLOCATE, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
    assert_eq!(methods, expected);
}

#[test]
fn our_two_halves_agree_on_sha_256_and_hide_the_name() {
    let (world, _) = World::with_allocation(2, GOOD, client_config(ServerTransport::Udp));
    let sealed = &world.requests[1];
    assert_eq!(sealed.username(), None);
    assert!(sealed.userhash().is_some() && sealed.password_algorithm().is_some());
}

#[test]
fn an_hour_over_a_link_that_loses_a_quarter() {
    for seed in 0..10 {
        let (mut world, relayed) =
            World::with_allocation(seed, BAD, client_config(ServerTransport::Udp));
        let (there, here) = world.converse(relayed, seconds(3600));
        // Each way a packet has two links to cross, or one.
        assert!(there > 720 * 6 / 10 && here > 720 * 4 / 10, "{seed}: {there} {here}");
        assert!(world.on_channels > 720 * 9 / 10, "{seed}: {}", world.on_channels);
        assert_eq!(world.events(0), []);
    }
}

#[test]
fn trap_nonces_expire_during_the_call() {
    let config = server::Config { nonce_lifetime: seconds(50), ..server_config() };
    let mut world = World::new(3, GOOD, config);
    world.add(client_config(ServerTransport::Udp));
    let relayed = world.allocated(0);
    let (there, here) = world.converse(relayed, seconds(3600));
    assert_eq!((there, here), (720, 719), "the first one from outside came before the permission");
    assert_eq!(world.events(0), []);
    assert!(world.on_channels > 715);
    let nonces: BTreeSet<_> =
        world.requests.iter().filter_map(|r| r.nonce()).map(|n| n.as_bytes().to_vec()).collect();
    assert!(nonces.len() > 10, "{}", nonces.len());
}

#[test]
fn over_a_stream_cut_anywhere() {
    for transport in [ServerTransport::Tcp, ServerTransport::Tls] {
        for seed in 0..10 {
            let (mut world, relayed) = World::with_allocation(seed, GOOD, client_config(transport));
            for length in 0..40 {
                world.send(0, peer(), &vec![1; length]).unwrap();
                world.run(Duration::from_millis(200));
                world.knock(peer(), relayed, &[2; 40][length..]);
            }
            world.run(seconds(1));
            let lengths: Vec<_> = world.outside.iter().map(|(_, _, data)| data.len()).collect();
            assert_eq!(lengths, Vec::from_iter(0..40));
            let lengths: Vec<_> = world.received(0).iter().map(|(_, data)| data.len()).collect();
            assert_eq!(lengths, Vec::from_iter((1..=40).rev()));
        }
    }
}

#[test]
fn two_clients_meet_on_their_relayed_addresses() {
    let mut world = World::new(4, BAD, server_config());
    world.add(client_config(ServerTransport::Udp));
    world.add(Config { user: User::new("bob", PASSWORD), ..client_config(ServerTransport::Tcp) });
    let (alice, bob) = (world.allocated(0), world.allocated(1));
    for _ in 0..100 {
        world.send(0, bob, b"to bob").unwrap();
        world.send(1, alice, b"to alice").unwrap();
        world.run(seconds(1));
    }
    let (to_alice, to_bob) = (world.received(0), world.received(1));
    assert!(to_alice.len() > 30 && to_alice.iter().all(|(from, _)| *from == bob));
    assert!(to_bob.len() > 30 && to_bob.iter().all(|(from, _)| *from == alice));
}

#[test]
fn a_dual_allocation_has_both_families() {
    let config = Config { additional_family: true, ..client_config(ServerTransport::Udp) };
    let mut world = World::new(5, BAD, server_config());
    world.add(config);
    let events = world.next_events(0);
    let [Event::Allocated { relayed, .. }] = &events[..] else { panic!("{events:?}") };
    let [four, six] = relayed[..] else { panic!("{relayed:?}") };
    assert!(four.is_ipv4() && six.is_ipv6());
    let peer_six: SocketAddr = "[2001:db8::77]:7000".parse().unwrap();
    for _ in 0..20 {
        world.send(0, peer(), b"four").unwrap();
        world.send(0, peer_six, b"six").unwrap();
        world.run(seconds(1));
    }
    assert!(world.outside.iter().any(|(to, from, _)| (*to, *from) == (peer(), four)));
    assert!(world.outside.iter().any(|(to, from, _)| (*to, *from) == (peer_six, six)));
}

#[test]
fn family_and_even_port_as_asked() {
    let family = Some(Family::IPV6);
    let config = Config { family, even_port: true, ..client_config(ServerTransport::Udp) };
    let (_, relayed) = World::with_allocation(6, GOOD, config);
    assert!(relayed.is_ipv6());
    assert_eq!(relayed.port() % 2, 0);
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_with_401() {
    for user in [User::new("alice", "wrong"), User::new("mallory", PASSWORD)] {
        let mut world = World::new(7, GOOD, server_config());
        world.add(Config { user, ..client_config(ServerTransport::Udp) });
        let refused = CloseReason::Refused(Code::UNAUTHENTICATED.into());
        assert_eq!(world.next_events(0), [Event::Closed(refused)]);
        assert_eq!(world.requests.len(), 2);
    }
}

#[test]
fn the_quota_is_refused_with_486() {
    let config = server::Config { max_per_user: 1, ..server_config() };
    let mut world = World::new(8, GOOD, config);
    world.add(client_config(ServerTransport::Udp));
    world.allocated(0);
    world.add(client_config(ServerTransport::Udp));
    let refused = CloseReason::Refused(Code::ALLOCATION_QUOTA_REACHED.into());
    assert_eq!(world.next_events(1), [Event::Closed(refused)]);
}

#[test]
fn a_peer_the_server_forbids_is_shut_and_others_are_not() {
    let (mut world, _) = World::with_allocation(9, BAD, client_config(ServerTransport::Udp));
    let forbidden: SocketAddr = "127.0.0.1:80".parse().unwrap();
    world.send(0, forbidden, b"?").unwrap();
    let refused = Event::PeerRefused { peer: forbidden.ip(), code: Code::FORBIDDEN };
    assert_eq!(world.next_events(0), [refused]);
    assert_eq!(world.send(0, forbidden, b"?"), Err(SendError::Refused(Code::FORBIDDEN)));
    world.send(0, peer(), b"!").unwrap();
}

/// Started again on the same port: the old allocation is in the way.
#[test]
fn trap_437_after_5_tuple_reuse() {
    let (mut world, old) = World::with_allocation(10, GOOD, client_config(ServerTransport::Udp));
    let rng = StdRng::seed_from_u64(99);
    world.hosts[0].client = Client::new(world.now, client_config(ServerTransport::Udp), rng);
    let new = world.allocated(0);
    assert_ne!(old, new);
    assert_eq!(world.open, BTreeSet::from([new]));
}

#[test]
fn closing_gives_the_address_back_even_if_packets_are_lost() {
    for seed in 0..10 {
        let (mut world, _) = World::with_allocation(seed, BAD, client_config(ServerTransport::Udp));
        world.hosts[0].client.close(world.now);
        assert_eq!(world.next_events(0), [Event::Closed(CloseReason::Requested)]);
        assert_eq!(world.open, BTreeSet::new());
    }
}

#[test]
fn a_client_that_vanishes_is_forgotten_after_600_seconds() {
    let (mut world, relayed) =
        World::with_allocation(11, GOOD, client_config(ServerTransport::Udp));
    let five_tuple = world.hosts.remove(0).five_tuple;
    world.run(seconds(598));
    assert!(world.open.contains(&relayed) && world.server.has_allocation(&five_tuple));
    world.run(seconds(3));
    assert_eq!(world.open, BTreeSet::new());
    assert!(!world.server.has_allocation(&five_tuple));
}

#[test]
fn an_idle_client_keeps_its_allocation_and_nothing_else() {
    let (mut world, relayed) = World::with_allocation(12, BAD, client_config(ServerTransport::Udp));
    world.send(0, peer(), b"once").unwrap();
    world.run(seconds(4 * 3600));
    assert_eq!(world.events(0), []);
    assert!(world.open.contains(&relayed));
    world.requests.clear();
    world.run(seconds(3600));
    assert!(world.count(Method::REFRESH) >= 6);
    assert_eq!(world.count(Method::CREATE_PERMISSION) + world.count(Method::CHANNEL_BIND), 0);
}

#[test]
fn a_server_that_was_restarted_has_lost_the_allocation_and_gives_another() {
    let (mut world, relayed) =
        World::with_allocation(13, GOOD, client_config(ServerTransport::Udp));
    world.converse(relayed, seconds(60));
    world.server = Server::new(world.now, server_config(), StdRng::seed_from_u64(77));
    world.open.clear();
    world.converse(relayed, seconds(600));
    assert_eq!(world.events(0), [Event::Closed(CloseReason::Lost)]);
    let rng = StdRng::seed_from_u64(98);
    world.hosts[0].client = Client::new(world.now, client_config(ServerTransport::Udp), rng);
    let relayed = world.allocated(0);
    let (there, here) = world.converse(relayed, seconds(60));
    assert_eq!((there, here), (12, 11));
}

#[test]
fn an_outage_of_five_minutes_is_survived_and_a_longer_one_is_told() {
    for (outage, survived) in [(300, true), (700, false)] {
        let (mut world, relayed) =
            World::with_allocation(14, GOOD, client_config(ServerTransport::Udp));
        world.converse(relayed, seconds(200));
        world.server_is_up = false;
        world.converse(relayed, seconds(outage));
        world.server_is_up = true;
        if survived {
            world.converse(relayed, seconds(60));
            let (there, here) = world.converse(relayed, seconds(600));
            assert_eq!((there, here), (120, 120));
            assert_eq!(world.events(0), []);
        } else {
            assert_eq!(world.events(0), [Event::Closed(CloseReason::Lost)]);
        }
    }
}

#[test]
fn a_server_inside_may_relay_to_what_is_inside() {
    let config = server::Config { peers: PeerPolicy::Any, ..server_config() };
    let mut world = World::new(15, GOOD, config);
    world.add(client_config(ServerTransport::Udp));
    world.allocated(0);
    let inside: SocketAddr = "127.0.0.1:9999".parse().unwrap();
    world.send(0, inside, b"in the laboratory").unwrap();
    world.run(seconds(1));
    assert_eq!(world.outside.len(), 1);
}
