//! The simulated network itself: its NATs, firewalls and links do what they say.

use std::collections::VecDeque;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::Protocol;
use stun::behaviour::Dependence;
use tests::sim::{INTERNET, Link, Nat, Network, Node, Place};
use tests::{Answering, Datagram, Endpoint};

const PUBLIC: &str = "203.0.113.9";
const HOST: &str = "10.0.0.2:1000";
const SERVER: &str = "192.0.2.1:3478";
const SAME_IP: &str = "192.0.2.1:3479";
const OTHER_IP: &str = "192.0.2.2:3478";

/// A host that sends what it is told to and keeps what comes.
#[derive(Default)]
struct Mailbox {
    outbox: VecDeque<Datagram>,
    inbox: Vec<Datagram>,
}

impl Endpoint for Mailbox {
    type Event = ();

    fn handle_datagram(&mut self, _: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        self.inbox.push(datagram);
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Hosts that only send and receive; those of the internet are 192.0.2.1 and 192.0.2.2.
fn network() -> Network<Mailbox> {
    let mut network = Network::new(Instant::now(), 1);
    network.add_host(INTERNET, &[ip("192.0.2.1"), ip("2001:db8::1")], Mailbox::default());
    network.add_host(INTERNET, &[ip("192.0.2.2")], Mailbox::default());
    network
}

fn at_home(network: &mut Network<Mailbox>, home: Place, address: &str) -> usize {
    match network.add_host(home, &[ip(address)], Mailbox::default()) {
        Node::Host(index) => index,
        Node::Server(_) => panic!("a host"),
    }
}

/// Sends one datagram; the addresses it arrived with at `to`, if it did.
fn send(
    network: &mut Network<Mailbox>,
    (from, source): (usize, &str),
    (to, destination): (usize, SocketAddr),
) -> Option<SocketAddr> {
    let datagram = Datagram::udp(address(source), destination, Bytes::from_static(b"hello"));
    network.hosts[from].outbox.push_back(datagram);
    network.run_for(Duration::from_secs(1));
    network.hosts[to].inbox.pop().map(|datagram| datagram.source)
}

#[test]
fn mappings_depend_on_what_they_say() {
    for mapping in Dependence::ALL {
        let mut network = network();
        let home = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)).mapping(mapping));
        let host = at_home(&mut network, home, "10.0.0.2");
        let mut seen = |to, destination| {
            let seen = send(&mut network, (host, HOST), (to, address(destination))).unwrap();
            assert_eq!(seen.ip(), ip(PUBLIC));
            seen.port()
        };
        let (first, second, third) = (seen(0, SERVER), seen(0, SAME_IP), seen(1, OTHER_IP));
        assert_eq!(seen(0, SERVER), first);
        assert_eq!(first == second, mapping != Dependence::AddressAndPortDependent);
        assert_eq!(first == third, mapping == Dependence::EndpointIndependent);
    }
}

#[test]
fn filters_depend_on_what_they_say() {
    for filtering in Dependence::ALL {
        let mut network = network();
        let home = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)).filtering(filtering));
        let host = at_home(&mut network, home, "10.0.0.2");
        let seen = send(&mut network, (host, HOST), (0, address(SERVER))).unwrap();
        let mut enters = |from, source| send(&mut network, (from, source), (host, seen)).is_some();
        assert!(enters(0, SERVER));
        assert_eq!(enters(0, SAME_IP), filtering != Dependence::AddressAndPortDependent);
        assert_eq!(enters(1, OTHER_IP), filtering == Dependence::EndpointIndependent);
        network.nat(home).rebind();
        assert_eq!(send(&mut network, (0, SERVER), (host, seen)), None, "forgotten");
    }
}

#[test]
fn mappings_end_without_outgoing_datagrams() {
    let mut network = network();
    let home = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)));
    let host = at_home(&mut network, home, "10.0.0.2");
    let seen = send(&mut network, (host, HOST), (0, address(SERVER))).unwrap();
    network.run_for(Duration::from_secs(100));
    assert!(send(&mut network, (0, SERVER), (host, seen)).is_some());
    network.run_for(Duration::from_secs(30));
    assert_eq!(send(&mut network, (0, SERVER), (host, seen)), None, "only outgoing ones count");
    assert_ne!(send(&mut network, (host, HOST), (0, address(SERVER))), Some(seen));
}

#[test]
fn hosts_of_one_home_meet_at_public_addresses_only_by_hairpin() {
    for hairpin in [true, false] {
        let mut network = network();
        let nat = Nat::new(ip(PUBLIC)).filtering(Dependence::EndpointIndependent);
        let home = network.add_nat(INTERNET, nat.hairpin(hairpin));
        let left = at_home(&mut network, home, "10.0.0.2");
        let right = at_home(&mut network, home, "10.0.0.3");
        let seen = send(&mut network, (left, HOST), (0, address(SERVER))).unwrap();
        let met = send(&mut network, (right, "10.0.0.3:1000"), (left, seen));
        assert_eq!(met.map(|source| source.ip()), hairpin.then_some(ip(PUBLIC)));
        let met = send(&mut network, (right, "10.0.0.3:1000"), (left, address(HOST)));
        assert_eq!(met, Some(address("10.0.0.3:1000")), "at home no NAT is needed");
    }
}

#[test]
fn a_nat_behind_a_nat_maps_twice_and_private_addresses_stay_at_home() {
    let mut network = network();
    let provider = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)));
    let home = network.add_nat(provider, Nat::new(ip("100.64.0.7")));
    let elsewhere = network.add_nat(INTERNET, Nat::new(ip("203.0.113.10")));
    let host = at_home(&mut network, home, "10.0.0.2");
    let stranger = at_home(&mut network, elsewhere, "10.0.0.3");
    let seen = send(&mut network, (host, HOST), (0, address(SERVER))).unwrap();
    assert_eq!(seen.ip(), ip(PUBLIC));
    assert!(send(&mut network, (0, SERVER), (host, seen)).is_some());
    assert_eq!(send(&mut network, (host, HOST), (stranger, address("10.0.0.3:1"))), None);
}

#[test]
fn ipv6_is_filtered_and_not_translated() {
    let mut network = network();
    let home = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)));
    let host = at_home(&mut network, home, "2001:db8:7::2");
    let (inside, outside) = ("[2001:db8:7::2]:1000", "[2001:db8::1]:2000");
    assert_eq!(send(&mut network, (0, outside), (host, address(inside))), None);
    assert_eq!(send(&mut network, (host, inside), (0, address(outside))), Some(address(inside)));
    assert!(send(&mut network, (0, outside), (host, address(inside))).is_some());
    assert_eq!(send(&mut network, (host, inside), (0, address(SERVER))), None);
}

#[test]
fn blocked_udp_leaves_tcp_in_order() {
    let mut network = network();
    let home = network.add_nat(INTERNET, Nat::new(ip(PUBLIC)));
    let host = at_home(&mut network, home, "10.0.0.2");
    network.set_link(Node::Host(host), &Link::default().jitter(200).loss(0.3).corruption(0.2));
    network.block_udp(Node::Host(host), true);
    assert_eq!(send(&mut network, (host, HOST), (0, address(SERVER))), None);
    for number in 0..100 {
        let datagram = Datagram::tcp(address(HOST), address(SERVER), vec![number; 4000].into());
        network.hosts[host].outbox.push_back(datagram);
    }
    network.run_for(Duration::from_secs(5));
    let inbox = std::mem::take(&mut network.hosts[0].inbox);
    let numbers: Vec<u8> = inbox.iter().map(|datagram| datagram.payload[0]).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
    assert!(inbox.iter().all(|datagram| datagram.protocol == Protocol::Tcp));
}

#[test]
fn a_narrow_link_drops_what_is_too_long_and_a_pulled_cable_everything() {
    let mut network = network();
    network.set_link(Node::Host(0), &Link::default().mtu(1280));
    let passes = |network: &mut Network<Mailbox>, octets| {
        let datagram = Datagram::udp(address(OTHER_IP), address(SERVER), vec![0; octets].into());
        network.hosts[1].outbox.push_back(datagram);
        network.run_for(Duration::from_secs(1));
        network.hosts[0].inbox.pop().is_some()
    };
    assert!(passes(&mut network, 1280 - 28));
    assert!(!passes(&mut network, 1280 - 27));
    network.move_to(Node::Host(0), INTERNET, &[]);
    assert!(!passes(&mut network, 100));
    network.move_to(Node::Host(0), INTERNET, &[ip("192.0.2.1")]);
    assert!(passes(&mut network, 100));
}

#[test]
fn a_server_may_be_one_function() {
    let mut network = network();
    let echo = Answering::new(|_, Datagram { source, destination, payload, .. }| {
        vec![Datagram::udp(destination, source, payload)]
    });
    network.add_server(INTERNET, &[ip("192.0.2.9")], Box::new(echo));
    let server = address("192.0.2.9:7");
    assert_eq!(send(&mut network, (1, OTHER_IP), (1, server)), Some(server));
}
