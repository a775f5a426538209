//! Which candidates are used and told, and names in place of addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use ice::{Gathered, Protocol, ServerTransport};
use peer::{Config, Connection, Datagram, Event, IceTransportPolicy};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::net::{A, B, Net, address, config, is_stun};

const SECOND: Duration = Duration::from_secs(1);

fn relayed() -> SocketAddr {
    "203.0.113.9:50000".parse().unwrap()
}

fn relay() -> Gathered {
    let mapped = "198.51.100.1:4000".parse().unwrap();
    Gathered::Relayed { relayed: relayed(), mapped, transport: ServerTransport::Tls }
}

fn relay_only(end: usize) -> Config {
    Config { ice_transport_policy: IceTransportPolicy::Relay, ..config(end) }
}

fn candidates(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=candidate:")).collect()
}

/// Under the policy `relay` nothing of this machine is used, told or answered.
#[test]
fn relay_only_uses_tells_and_answers_nothing_else() {
    let mut net = Net::with(relay_only(A), config(B));
    net.ends[A].add_local_candidate(net.now, relay());
    let base = address(A);
    let reflexive =
        Gathered::ServerReflexive { base, mapped: "198.51.100.1:4000".parse().unwrap() };
    net.ends[A].add_local_candidate(net.now, reflexive);
    let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    let (offer, _) = net.negotiate(A);
    let told = candidates(&offer.sdp);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 9"), "{told:?}");
    for secret in ["192.0.2.1", "198.51.100.1"] {
        assert!(!offer.sdp.contains(secret), "{}", offer.sdp);
    }
    // The peer guesses our address: its checks arrive there, and stay unanswered.
    let guess = format!("candidate:1 1 udp 2130706431 {} {} typ host", base.ip(), base.port());
    let now = net.now;
    net.ends[B].add_ice_candidate(now, guess.as_str()).unwrap();
    let theirs = net.incoming(B);
    net.deliver(A, ours, theirs, "by the relay");
    let guessed = net.sent.iter().filter(|(_, _, transmit)| transmit.remote == base).count();
    assert!(guessed > 0, "the guess was tried");
    let mut of_a = net.sent.iter().filter(|(end, ..)| *end == A);
    assert!(of_a.all(|(_, _, transmit)| transmit.local == relayed()));

    let peer: IpAddr = address(B).ip();
    assert!(net.events[A].contains(&Event::RelayPermission { relayed: relayed(), peer }));
    let json = serde_json::to_value(net.ends[A].get_stats(net.now)).unwrap();
    assert_eq!(json["selectedCandidatePair"]["localCandidateType"], "relay");
    let ours = &json["localCandidates"][0];
    assert_eq!((&ours["relayProtocol"], &ours["candidateType"]), (&"tls".into(), &"relay".into()));
    let theirs = net.ends[B].get_stats(net.now).selected_candidate_pair.unwrap();
    assert_eq!(theirs.remote_candidate_type, "relay");
}

/// An address that is hidden stands in no description, no candidate and no report.
#[test]
fn hidden_addresses_are_told_by_name_only() {
    let hides = Config { hide_addresses: true, ..config(A) };
    let now = std::time::Instant::now();
    let mut end = Connection::new(now, hides.clone(), StdRng::seed_from_u64(1)).unwrap();
    // No name was to be had for this one: it is used, and not told.
    end.add_local_candidate(now, address(A));
    let offer = end.create_offer(now).unwrap();
    assert!(candidates(&offer.sdp).is_empty());
    assert!(!offer.sdp.contains("192.0.2.1"), "{}", offer.sdp);

    let mut net = Net::with_nothing(hides, config(B));
    let host = |name: &str, address| Gathered::Host {
        protocol: Protocol::Udp,
        address,
        name: Some(name.to_owned()),
    };
    net.ends[A].add_local_candidate(net.now, host("secret.local", address(A)));
    let mapped = "198.51.100.1:4000".parse().unwrap();
    let reflexive = Gathered::ServerReflexive { base: address(A), mapped };
    net.ends[A].add_local_candidate(net.now, reflexive);
    net.ends[B].add_local_candidate(net.now, address(B));
    let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    let (offer, _) = net.negotiate(A);
    let told = candidates(&offer.sdp);
    assert!(told[0].ends_with("secret.local 1000 typ host"), "{told:?}");
    assert!(told[1].ends_with("198.51.100.1 4000 typ srflx raddr 0.0.0.0 rport 9"), "{told:?}");
    let theirs = net.incoming(B);
    net.deliver(A, ours, theirs, "from somewhere");
    assert!(!offer.sdp.contains("192.0.2.1"));
    let report = serde_json::to_string(&net.ends[A].get_stats(net.now)).unwrap();
    assert!(!report.contains("192.0.2.1"), "{report}");
    assert!(report.contains(r#""local":"0.0.0.0:1000""#), "{report}");
}

/// Row 26: the owner is asked for a name once; until it answers nothing is sent, and nothing fails.
#[test]
fn row_26_a_name_is_resolved_by_the_owner() {
    let mut net = Net::new();
    // A cannot begin: what it sends is lost until B has reached it.
    net.passes = Box::new(|end, _| end == B);
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    let (now, offer) = (net.now, net.ends[A].create_offer(net.now).unwrap());
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    let named = offer.sdp.replace("192.0.2.1 1000", "Some-Name.local 1000");
    let named = peer::SessionDescription::offer(named);
    net.ends[B].set_remote_description(now, named).unwrap();
    let answer = net.ends[B].create_answer(now).unwrap();
    net.ends[B].set_local_description(now, answer.clone()).unwrap();
    net.ends[A].set_remote_description(now, answer).unwrap();
    for _ in 0..10 {
        let again = "candidate:9 1 udp 1 some-name.local 1000 typ host";
        net.ends[B].add_ice_candidate(now, again).unwrap();
    }
    net.run(5 * SECOND);
    let is_asked = |event: &&Event| matches!(event, Event::ResolveName(_));
    let asked: Vec<_> = net.events[B].iter().filter(is_asked).collect();
    assert_eq!(asked, [&Event::ResolveName("some-name.local".to_owned())]);
    assert!(net.sent.iter().all(|(end, ..)| *end == A), "nobody to send to");
    net.passes = Box::new(|_, _| true);
    net.sent.clear();
    let now = net.now;
    net.ends[B].name_resolved(now, "some-name.local", Some(address(A).ip()));
    assert!(net.run_until(10 * SECOND, Net::both_connected));
}

/// To look a name up is to be heard by the whole network.
#[test]
fn relay_only_looks_no_names_up() {
    let mut net = Net::with(relay_only(A), config(B));
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    let now = net.now;
    let named = "candidate:9 1 udp 1 some-name.local 1000 typ host";
    net.ends[A].add_ice_candidate(now, named).unwrap();
    net.run(SECOND);
    assert!(!net.events[A].iter().any(|event| matches!(event, Event::ResolveName(_))));
}

/// Who offers is controlling, unless only one of both is full (RFC 8445 §6.1.1).
#[test]
fn roles_of_full_and_lite_agents() {
    let lite = |end| Config { ice_lite: true, ..config(end) };
    for (a, b, role_of_a) in [
        (config(A), config(B), "controlling"),
        (lite(A), config(B), "controlled"),
        (config(A), lite(B), "controlling"),
    ] {
        let mut net = Net::with(a.clone(), b.clone());
        let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
        let (offer, answer) = net.negotiate(A);
        assert_eq!(offer.sdp.contains("\r\na=ice-lite\r\n"), a.ice_lite);
        assert_eq!(answer.sdp.contains("\r\na=ice-lite\r\n"), b.ice_lite);
        let theirs = net.incoming(B);
        net.deliver(A, ours, theirs, "hello");
        assert_eq!(net.ends[A].get_stats(net.now).transport.ice_role, role_of_a);
        let is_check = |(_, _, transmit): &&(usize, _, peer::Transmit)| {
            is_stun(transmit) && transmit.payload[..2] == [0, 1]
        };
        for (end, is_lite) in [(A, a.ice_lite), (B, b.ice_lite)] {
            let checks = net.sent.iter().filter(|sent| sent.0 == end).filter(is_check).count();
            assert_eq!(checks == 0, is_lite, "a lite agent sends no checks, a full one does");
        }
    }
}

/// A datagram that comes to an address that is not used has no effect.
#[test]
fn an_address_that_is_not_used_is_deaf() {
    let mut net = Net::with(relay_only(A), config(B));
    net.ends[A].add_local_candidate(net.now, relay());
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    net.drain();
    let check = net.sent.iter().find(|(end, ..)| *end == B).unwrap().2.clone();
    let payload = BytesMut::from(&check.payload[..]);
    let datagram = Datagram::udp(address(A), address(B), payload);
    let now = net.now;
    assert!(net.ends[A].handle_datagram(now, datagram).is_err());
}
