//! Every kind of NAT, and every kind of server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::SeedableRng;

use super::super::Dependence;
use super::*;
use crate::Code;

const SOCKETS: [&str; 2] = ["10.0.0.2:5000", "10.0.0.2:5001"];
/// A server of RFC 5780, and its other address.
const SERVER: &str = "192.0.2.1:3478";
const OTHER: &str = "192.0.2.2:3479";
/// Servers that only answer.
const PLAIN: [&str; 2] = ["198.51.100.1:3478", "198.51.100.2:3478"];
const SILENT: &str = "198.51.100.9:3478";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obedience {
    Changes,
    Ignores,
    Refuses,
    OtherIsDead,
}

/// What a NAT looked at of a server.
type Seen = (Option<std::net::IpAddr>, Option<u16>);

/// What is between the sockets and the servers, and these.
struct World {
    nat: bool,
    mapping: Dependence,
    filtering: Dependence,
    hairpin: bool,
    obedience: Obedience,
    mappings: BTreeMap<(SocketAddr, Seen), SocketAddr>,
    contacted: BTreeSet<(SocketAddr, Seen)>,
    /// For the sockets: to whom, from whom.
    arriving: VecDeque<(SocketAddr, SocketAddr, Bytes)>,
}

impl World {
    fn new(mapping: Dependence, filtering: Dependence) -> Self {
        Self {
            nat: true,
            mapping,
            filtering,
            hairpin: false,
            obedience: Obedience::Changes,
            mappings: BTreeMap::new(),
            contacted: BTreeSet::new(),
            arriving: VecDeque::new(),
        }
    }

    fn carry(&mut self, Transmit { local, remote, payload }: Transmit) {
        let next = SocketAddr::new(
            address("203.0.113.9:0").ip(),
            40_000 + u16::try_from(self.mappings.len()).unwrap(),
        );
        let key = (local, self.mapping.seen(remote));
        let public = if self.nat { *self.mappings.entry(key).or_insert(next) } else { local };
        self.contacted.insert((public, self.filtering.seen(remote)));
        if remote.ip() == public.ip() && self.nat {
            if self.hairpin {
                self.enter(public, remote, payload);
            }
        } else {
            self.serve(remote, public, &payload);
        }
    }

    fn enter(&mut self, source: SocketAddr, public: SocketAddr, payload: Bytes) {
        if !self.contacted.contains(&(public, self.filtering.seen(source))) {
            return;
        }
        let mapping = self.mappings.iter().find(|(_, mapped)| **mapped == public);
        let private = mapping.map_or(public, |((private, _), _)| *private);
        self.arriving.push_back((private, source, payload));
    }

    fn serve(&mut self, server: SocketAddr, client: SocketAddr, payload: &[u8]) {
        let request = Message::parse(payload).unwrap();
        let response = Message::success(&request).with(Attribute::XorMappedAddress(client));
        let (primary, other) = (address(SERVER), address(OTHER));
        let ips = [primary.ip(), other.ip()];
        if PLAIN.map(address).contains(&server) {
            return self.enter(server, client, response.encode(None));
        }
        let dead = self.obedience == Obedience::OtherIsDead && server.ip() == other.ip();
        if !ips.contains(&server.ip()) || dead {
            return;
        }
        let change = request.attributes().iter().find_map(|it| match it {
            Attribute::ChangeRequest(change) => Some(*change),
            _ => None,
        });
        let response = response.with(Attribute::OtherAddress(other));
        match (change, self.obedience) {
            (None, _) | (_, Obedience::Ignores) => {
                self.enter(server, client, response.encode(None));
            }
            (Some(_), Obedience::Refuses) => {
                let error = Message::error(&request, Code::UNKNOWN_ATTRIBUTE.into());
                self.enter(server, client, error.encode(None));
            }
            (Some(change), _) => {
                let ip = if change.ip { other.ip() } else { primary.ip() };
                let port = if change.port { other.port() } else { primary.port() };
                if !(change.ip && self.obedience == Obedience::OtherIsDead) {
                    self.enter(SocketAddr::new(ip, port), client, response.encode(None));
                }
            }
        }
    }
}

/// Runs a discovery to its end, with the time it took.
fn run(world: &mut World, servers: &[&str]) -> (Discovery, Outcome, Duration) {
    let servers: Vec<SocketAddr> = servers.iter().map(|server| address(server)).collect();
    let start = Instant::now();
    let mut now = start;
    let mut discovery = Discovery::new(&servers, SOCKETS.map(address), StdRng::seed_from_u64(1));
    loop {
        while let Some(transmit) = discovery.poll_transmit(now) {
            world.carry(transmit);
        }
        while let Some((local, remote, payload)) = world.arriving.pop_front() {
            let datagram = Datagram { local, remote, payload: &payload };
            let _ = discovery.handle_datagram(now, datagram);
        }
        if let Some(Event::Closed(outcome)) = discovery.poll_event() {
            assert_eq!(discovery.poll_timeout(), None);
            assert_eq!(discovery.poll_transmit(now), None);
            return (discovery, outcome, now - start);
        }
        let Some(next) = discovery.poll_timeout() else { continue };
        now = now.max(next);
        discovery.handle_timeout(now);
    }
}

fn found(world: &mut World, servers: &[&str]) -> Behaviour {
    match run(world, servers) {
        (_, Outcome::Found(behaviour), took) => {
            assert!(took < Duration::from_secs(20), "{took:?}");
            behaviour
        }
        (_, Outcome::NoAnswer, _) => panic!("no answer"),
    }
}

fn every_nat() -> impl Iterator<Item = (Dependence, Dependence)> {
    Dependence::ALL.into_iter().flat_map(|mapping| Dependence::ALL.map(|it| (mapping, it)))
}

#[test]
fn every_mapping_and_filtering_is_recognised() {
    for (mapping, filtering) in every_nat() {
        // Whichever way the other servers stand in the list, the one that can tell more is asked.
        for servers in [&[SERVER][..], &[PLAIN[0], SERVER], &[SERVER, SILENT, PLAIN[1]]] {
            let behaviour = found(&mut World::new(mapping, filtering), servers);
            assert_eq!(behaviour.mapping.known(), Some(mapping), "{mapping}, {filtering}");
            assert_eq!(behaviour.filtering.known(), Some(filtering), "{mapping}, {filtering}");
            assert!(behaviour.is_behind_nat());
            assert_eq!(behaviour.mapped.ip(), address("203.0.113.9:0").ip());
        }
    }
}

#[test]
fn the_two_addresses_of_one_server_may_both_be_given() {
    for (mapping, filtering) in every_nat() {
        let behaviour = found(&mut World::new(mapping, filtering), &[SERVER, "192.0.2.2:3478"]);
        assert_eq!(behaviour.mapping.known(), Some(mapping));
        assert_eq!(behaviour.filtering.known(), Some(filtering));
    }
}

#[test]
fn two_plain_servers_tell_the_mapping() {
    for (mapping, filtering) in every_nat() {
        let behaviour = found(&mut World::new(mapping, filtering), &PLAIN);
        assert_eq!(behaviour.filtering, Possible::UNKNOWN);
        let endpoint_independent = mapping == EndpointIndependent;
        assert_eq!(behaviour.mapping.known() == Some(EndpointIndependent), endpoint_independent);
        assert!(behaviour.mapping.iter().any(|possible| possible == mapping));
        assert_ne!(behaviour.mapping, Possible::UNKNOWN);
    }
    let behaviour = found(&mut World::new(EndpointIndependent, EndpointIndependent), &PLAIN[..1]);
    assert_eq!(behaviour.mapping, Possible::UNKNOWN, "one server tells nothing");
}

#[test]
fn without_a_nat_a_firewall_is_seen() {
    for filtering in Dependence::ALL {
        let mut world = World { nat: false, ..World::new(EndpointIndependent, filtering) };
        let behaviour = found(&mut world, &[SERVER]);
        assert!(!behaviour.is_behind_nat());
        assert_eq!((behaviour.filtering.known(), behaviour.hairpin), (Some(filtering), None));
        assert!(behaviour.standings().all(|standing| standing.mapping.is_none()));
    }
}

#[test]
fn hairpins_are_seen() {
    for filtering in Dependence::ALL {
        for hairpin in [true, false] {
            for servers in [&[SERVER][..], &PLAIN] {
                let world = World::new(EndpointIndependent, filtering);
                let behaviour = found(&mut World { hairpin, ..world }, servers);
                assert_eq!(behaviour.hairpin, Some(hairpin), "{filtering}");
            }
        }
    }
}

/// A server that answers from the address that was asked would make every filter look open.
#[test]
fn trap_a_server_that_does_not_change_its_address_tells_nothing_of_the_filter() {
    for obedience in [Obedience::Ignores, Obedience::Refuses] {
        for (mapping, filtering) in every_nat() {
            let mut world = World { obedience, ..World::new(mapping, filtering) };
            let behaviour = found(&mut world, &[SERVER]);
            assert_eq!(behaviour.filtering, Possible::UNKNOWN);
            assert_eq!(behaviour.mapping.known(), Some(mapping));
        }
    }
}

/// Silence from an address that is always silent says nothing (RFC 5780 erratum 7971).
#[test]
fn trap_a_dead_other_address_is_no_filter() {
    let obedience = Obedience::OtherIsDead;
    let mut world = World { obedience, ..World::new(EndpointIndependent, EndpointIndependent) };
    let behaviour = found(&mut world, &[SERVER]);
    assert!(behaviour.filtering.iter().any(|possible| possible == EndpointIndependent));
    let strict = World::new(EndpointIndependent, AddressAndPortDependent);
    let behaviour = found(&mut World { obedience, ..strict }, &[SERVER]);
    assert_eq!(behaviour.filtering, Possible::UNKNOWN);
}

#[test]
fn silence_ends_in_five_seconds() {
    let mut world = World::new(EndpointIndependent, EndpointIndependent);
    let (discovery, outcome, took) = run(&mut world, &[SILENT, "198.51.100.8:3478"]);
    assert_eq!(outcome, Outcome::NoAnswer);
    assert!(took <= Duration::from_secs(5), "{took:?}");
    assert!(discovery.servers().iter().all(|asked| asked.answer == Answer::None));
    let (_, outcome, _) = run(&mut world, &[]);
    assert_eq!(outcome, Outcome::NoAnswer);
    let (discovery, _, _) = run(&mut world, &[PLAIN[0], SILENT]);
    assert_eq!(discovery.servers()[1].answer, Answer::None);
}

#[test]
fn row_19_only_the_right_answer_from_the_right_address_counts() {
    let now = Instant::now();
    let server = address(PLAIN[0]);
    let sockets = SOCKETS.map(address);
    let mut discovery = Discovery::new(&[server], sockets, StdRng::seed_from_u64(1));
    let transmit = discovery.poll_transmit(now).unwrap();
    let request = Message::parse(&transmit.payload).unwrap();
    let forged = address("203.0.113.66:666");
    let right = Message::success(&request).with(Attribute::XorMappedAddress(forged)).encode(None);
    let mut wrong = right.to_vec();
    wrong[12] ^= 1;
    let attempts = [
        (transmit.local, forged, &right[..]),
        (sockets[0], server, &right[..]),
        (transmit.local, server, &wrong[..]),
        (transmit.local, server, &transmit.payload[..]),
        (transmit.local, server, &[]),
        (transmit.local, server, b"no STUN"),
    ];
    for (local, remote, payload) in attempts {
        assert!(discovery.handle_datagram(now, Datagram { local, remote, payload }).is_err());
    }
    assert_eq!(discovery.servers()[0].answer, Answer::None);
}
