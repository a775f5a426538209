//! Every kind of place with every other, on the simulator: they meet as RFC 8445 and RFC 8656 promise,
//! no better and no worse; and what `peer nat` asks finds out what each NAT does.
//!
//! The laboratory (`tests/lab`) makes the same matrix with real NATs.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ice::{ServerTransport, User};
use peer::{ConnectionState, DataChannelInit};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stun::behaviour::{Answer, Behaviour, Dependence, Discovery, Event, Outcome};
use stun::turn::server::{self, TwoAddresses};
use tests::host::{Host, Signalling, negotiate};
use tests::matrix::{Matrix, Means, SITES, Site, TWINS, Way};
use tests::sim::{INTERNET, Link, Nat, Network, Node, Place, seeds};
use tests::{Responder, TurnServer};

use crate::peer::{address, config};

const SERVER: &str = "198.51.100.1:3478";
const OTHER: &str = "198.51.100.2:3479";
const SERVER_IPV6: &str = "[2001:db8:5::1]:3478";
const USER: &str = "ruth";
const PASSWORD: &str = "a secret";

/// Longer than any pair takes that meets, and longer than agents try (RFC 8863 §3).
const PATIENCE: Duration = Duration::from_secs(90);

/// How long those that have met may change to a better pair.
const SETTLING: Duration = Duration::from_secs(15);

/// The peers here have no TCP between them.
const STUN_ALONE: Means = Means { relays: false, tcp: false };
const WITH_TURN: Means = Means { relays: true, tcp: false };

fn ip(text: &str) -> IpAddr {
    address(text).ip()
}

/// One that does STUN, RFC 5780 and TURN, in both IP versions.
fn add_server<H: tests::Endpoint>(network: &mut Network<H>, now: Instant, seed: u64) {
    let two = TwoAddresses { primary: address(SERVER), alternate: address(OTHER) };
    let listening: Vec<SocketAddr> = two.all().into_iter().chain([address(SERVER_IPV6)]).collect();
    let config = server::Config {
        users: vec![User::new(USER, PASSWORD)],
        relay_ips: vec![ip(SERVER), ip(SERVER_IPV6)],
        listening,
        two_addresses: Some(two),
        ..server::Config::default()
    };
    let server = TurnServer::new(now, config, StdRng::seed_from_u64(seed));
    let addresses = [ip(SERVER), ip(OTHER), ip(SERVER_IPV6)];
    network.add_server(INTERNET, &addresses, Box::new(server));
}

/// Makes a place: what is in front of it, and the addresses there.
fn add_place<H: tests::Endpoint>(
    network: &mut Network<H>,
    site: &Site,
    side: usize,
) -> (Place, Vec<SocketAddr>) {
    let public = address(["203.0.113.1:0", "203.0.113.2:0"][side]).ip();
    let place = match site.nat {
        None => INTERNET,
        Some(nat) => {
            let mappings = Nat::new(public).mapping(nat.mapping).filtering(nat.filtering);
            network.add_nat(INTERNET, mappings.hairpin(nat.hairpin))
        }
    };
    let mut addresses = Vec::new();
    if site.ipv4 && site.nat.is_some() {
        addresses.push(address(["10.0.0.2:1000", "192.168.1.2:2000"][side]));
    } else if site.ipv4 {
        addresses.push(address(["192.0.2.10:1000", "192.0.2.20:2000"][side]));
    }
    if site.ipv6 {
        addresses.push(address(["[2001:db8:1::2]:1000", "[2001:db8:2::2]:2000"][side]));
    }
    (place, addresses)
}

fn attach<H: tests::Endpoint>(network: &mut Network<H>, node: Node, site: &Site) {
    let link = Link::default().delay(10).jitter(5);
    let link = match site.largest_packet {
        Some(octets) => link.mtu(octets.into()),
        None => link,
    };
    network.set_link(node, &link);
    network.block_udp(node, !site.udp);
}

/// What a peer at a place is told of servers.
fn servers(site: &Site, means: Means) -> Vec<ice::Server> {
    let mut servers = Vec::new();
    for (text, is_there) in [(SERVER, site.ipv4), (SERVER_IPV6, site.ipv6)] {
        if !is_there {
            continue;
        }
        let (address, url) = (address(text), format!("stun:{text}"));
        servers.push(ice::Server { url, address, transport: ServerTransport::Udp, user: None });
        for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
            if means.relays {
                let url = format!("turn:{text} {transport:?}");
                let user = Some(User::new(USER, PASSWORD));
                servers.push(ice::Server { url, address, transport, user });
            }
        }
    }
    servers
}

/// Two peers at two places, or two places behind one NAT: how they meet.
fn meet(one: &Site, other: &Site, means: Means, seed: u64) -> Way {
    let now = Instant::now();
    let mut network = Network::new(now, seed);
    add_server(&mut network, now, seed);
    let mut places = [add_place(&mut network, one, 0), add_place(&mut network, other, 1)];
    if one.is_for_two() {
        // Each in a network of its own, as where a provider has a NAT for all.
        let inner = ["10.0.0.1", "10.0.0.3"].map(|address| Nat::new(address.parse().unwrap()));
        let shared = places[0].0;
        for (place, nat) in places.iter_mut().zip(inner) {
            place.0 = network.add_nat(shared, nat);
        }
    }
    let mut side = 0;
    let mut hosts = [one, other].map(|site| {
        let rng = StdRng::seed_from_u64(2 * seed + side as u64);
        let host = Host::new(now, config(side), &places[side].1, servers(site, means), rng);
        side += 1;
        host
    });
    let [left, right] = &mut hosts;
    left.connection.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    negotiate(now, &mut left.connection, &mut right.connection);
    for ((host, (place, addresses)), site) in hosts.into_iter().zip(places).zip([one, other]) {
        let addresses: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let node = network.add_host(place, &addresses, host);
        attach(&mut network, node, site);
    }
    let mut signalling = Signalling::default();
    let states = |hosts: &[tests::sim::Side<Host>]| {
        [0, 1].map(|host| hosts[host].connection.connection_state())
    };
    network.run_until(PATIENCE, |now, hosts| {
        signalling.carry(now, hosts);
        let states = states(hosts);
        states == [ConnectionState::Connected; 2] || states.contains(&ConnectionState::Failed)
    });
    network.run_for_with(SETTLING, |now, hosts| signalling.carry(now, hosts));
    if states(&network.hosts) != [ConnectionState::Connected; 2] {
        return Way::None;
    }
    let now = network.now();
    let ways = network.hosts.iter().map(|host| {
        let pair = host.connection.get_stats(now).selected_candidate_pair.unwrap();
        let types = [pair.local_candidate_type, pair.remote_candidate_type];
        Way::of_types(types[0], types[1], pair.protocol).unwrap()
    });
    ways.max().unwrap()
}

fn assert_matrix(means: Means, what: &str) {
    seeds(2, |seed| {
        let mut reversed = seed % 2 == 1;
        let cells = Matrix::pairs().map(|(one, other)| {
            reversed = !reversed;
            let (caller, callee) = if reversed { (other, one) } else { (one, other) };
            Some(meet(caller, callee, means, seed))
        });
        let matrix: Matrix = cells.collect();
        eprintln!("{what}:\n{matrix}");
        let expected = Matrix::expected(means);
        let differences: Vec<_> = matrix.differences(&expected).collect();
        assert!(differences.is_empty(), "{what}, measured and expected: {differences:?}");
    });
}

#[test]
fn the_matrix_with_stun_alone_is_what_rfc_8445_promises() {
    assert_matrix(STUN_ALONE, "STUN alone");
}

#[test]
fn the_matrix_with_turn_has_no_holes() {
    assert_matrix(WITH_TURN, "TURN");
}

/// The rule knows more NATs than the matrix has.
#[test]
fn every_two_nats_let_meet_whom_the_rule_says() {
    let public = Site::named("public").unwrap();
    let mut sites = vec![Site { ..*public }];
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            let nat = Some(tests::matrix::Nat { mapping, filtering, hairpin: false });
            sites.push(Site { nat, ipv6: false, ..*public });
        }
    }
    for (row, one) in sites.iter().enumerate() {
        for other in sites.iter().take(row + 1) {
            let way = meet(one, other, STUN_ALONE, 1);
            let expected = Way::expected(one, other, STUN_ALONE);
            assert_eq!(way, expected, "{:?} and {:?}", one.nat, other.nat);
        }
    }
}

#[test]
fn two_behind_one_nat_meet_by_its_hairpin() {
    for twins in &TWINS {
        for means in [STUN_ALONE, WITH_TURN] {
            let way = meet(twins, twins, means, 1);
            assert_eq!(way, Way::expected(twins, twins, means), "{}", twins.name);
        }
    }
}

/// What a discovery at this place comes to, with these servers.
fn discover(site: &Site, servers: &[&str], seed: u64) -> (Outcome, Discovery) {
    let now = Instant::now();
    let mut network = Network::new(now, seed);
    add_server(&mut network, now, seed);
    for plain in ["198.51.100.7:3478", "198.51.100.8:3478"] {
        network.add_server(INTERNET, &[ip(plain)], Box::new(Responder::new(None)));
    }
    let (place, addresses) = add_place(&mut network, site, 0);
    let second = SocketAddr::new(addresses[0].ip(), addresses[0].port() + 1);
    let servers: Vec<SocketAddr> = servers.iter().map(|server| address(server)).collect();
    let rng = StdRng::seed_from_u64(seed);
    let discovery = Discovery::new(&servers, [addresses[0], second], rng);
    let node = network.add_host(place, &[addresses[0].ip()], discovery);
    attach(&mut network, node, site);
    network.run_until(Duration::from_secs(20), |_, hosts| !hosts[0].events.is_empty());
    let mut host = network.hosts.remove(0);
    let Event::Closed(outcome) = host.events.remove(0);
    (outcome, host.into_inner())
}

fn found(site: &Site, servers: &[&str], seed: u64) -> Behaviour {
    match discover(site, servers, seed) {
        (Outcome::Found(behaviour), _) => behaviour,
        (Outcome::NoAnswer, discovery) => panic!("{:?}", discovery.servers()),
    }
}

#[test]
fn what_a_nat_does_is_found_out_from_behind_it() {
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            for hairpin in [true, false] {
                let nat = Some(tests::matrix::Nat { mapping, filtering, hairpin });
                let site = Site { nat, ..*Site::named("ei-apd").unwrap() };
                let behaviour = found(&site, &[SERVER], 1);
                assert!(behaviour.is_behind_nat());
                assert_eq!(behaviour.mapping.known(), Some(mapping));
                assert_eq!(behaviour.filtering.known(), Some(filtering));
                if mapping == Dependence::EndpointIndependent {
                    assert_eq!(behaviour.hairpin, Some(hairpin));
                }
            }
        }
    }
}

#[test]
fn what_is_found_out_at_each_place_foretells_whom_it_meets() {
    for site in SITES.iter().filter(|site| site.udp && site.ipv4) {
        let behaviour = found(site, &["198.51.100.7:3478", SERVER], 1);
        assert_eq!(behaviour.standings().collect::<Vec<_>>(), [site.standing()], "{}", site.name);
    }
    let (outcome, discovery) = discover(Site::named("tcp-only").unwrap(), &[SERVER], 1);
    assert_eq!(outcome, Outcome::NoAnswer);
    assert_eq!(discovery.servers()[0].answer, Answer::None);
    let behaviour = found(Site::named("ipv6").unwrap(), &[SERVER_IPV6], 1);
    assert!(!behaviour.is_behind_nat());
}

#[test]
fn two_plain_servers_tell_whether_others_can_know_the_port() {
    for name in ["ei-ei", "ei-ad", "ei-apd", "ad-apd", "apd-apd"] {
        let site = Site::named(name).unwrap();
        let behaviour = found(site, &["198.51.100.7:3478", "198.51.100.8:3478"], 1);
        let independent = behaviour.mapping.known() == Some(Dependence::EndpointIndependent);
        assert_eq!(independent, name.starts_with("ei"), "{name}");
        assert_eq!(behaviour.filtering.known(), None);
    }
}
