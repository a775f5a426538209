//! What is signalled for each way to be reached, and what becomes of it when it vanishes.

use std::net::SocketAddr;
use std::time::Instant;

use ice::{
    Agent, Candidate, CandidateAddress, CandidateKind, Config, Gathered, Protocol, Role,
    ServerTransport,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::net::*;

const BASE: &str = "10.0.0.1:1000";

fn agent() -> Agent {
    Agent::new(Config::new(Role::Controlling), StdRng::seed_from_u64(1))
}

fn host(address: &str) -> Gathered {
    Gathered::from(at(address))
}

fn concealed(address: &str) -> Gathered {
    let name = Some("9b36eaac-bb2e-49bb-bb78-21c41c499900.local".to_owned());
    Gathered::Host { protocol: Protocol::Udp, address: at(address), name }
}

fn listener(address: &str) -> Gathered {
    Gathered::Host { protocol: Protocol::Tcp, address: at(address), name: None }
}

fn reflexive(base: &str, mapped: &str) -> Gathered {
    Gathered::ServerReflexive { base: at(base), mapped: at(mapped) }
}

fn relayed(relayed: &str, transport: ServerTransport) -> Gathered {
    Gathered::Relayed { relayed: at(relayed), mapped: at("203.0.113.1:4000"), transport }
}

fn add(agent: &mut Agent, way: Gathered) -> Candidate {
    agent.add_local_candidate(Instant::now(), way).unwrap()
}

fn line(agent: &mut Agent, way: Gathered) -> String {
    add(agent, way).to_string()
}

#[test]
fn each_way_has_its_line() {
    let mut agent = agent();
    let lines = [
        line(&mut agent, host(BASE)),
        line(&mut agent, reflexive(BASE, "203.0.113.1:4000")),
        line(&mut agent, relayed("198.51.100.1:5000", ServerTransport::Udp)),
        line(&mut agent, Gathered::TcpActive { ip: at(BASE).ip() }),
        line(&mut agent, listener(BASE)),
    ];
    assert_eq!(
        lines,
        [
            "candidate:1 1 udp 2130706175 10.0.0.1 1000 typ host",
            "candidate:2 1 udp 1694498559 203.0.113.1 4000 typ srflx raddr 10.0.0.1 rport 1000",
            "candidate:3 1 udp 16776959 198.51.100.1 5000 typ relay raddr 203.0.113.1 rport 4000",
            "candidate:4 1 tcp 2128609023 10.0.0.1 9 typ host tcptype active",
            "candidate:5 1 tcp 2124414719 10.0.0.1 1000 typ host tcptype passive",
        ]
    );
    for (candidate, line) in agent.local_candidates().zip(&lines) {
        assert_eq!(Candidate::parse(line).as_ref(), Ok(candidate));
    }
}

#[test]
fn section_5_1_2_2_type_preferences() {
    let mut agent = agent();
    let mut type_preference = |way| add(&mut agent, way).priority.value() >> 24;
    assert_eq!(type_preference(host(BASE)), 126);
    assert_eq!(type_preference(reflexive(BASE, "203.0.113.1:4000")), 100);
    assert_eq!(type_preference(relayed("198.51.100.1:5000", ServerTransport::Udp)), 0);
}

#[test]
fn section_5_1_2_1_priorities_are_unique() {
    let mut agent = agent();
    for number in 1..=8 {
        let base = format!("10.0.0.{number}:1000");
        add(&mut agent, host(&base));
        add(&mut agent, listener(&base));
        add(&mut agent, Gathered::TcpActive { ip: at(&base).ip() });
        for server in 1..3 {
            add(&mut agent, reflexive(&base, &format!("203.0.113.{server}:{number}")));
        }
        for transport in [ServerTransport::Udp, ServerTransport::Tcp, ServerTransport::Tls] {
            let port = 1000 * (transport as u16 + 1) + number;
            add(&mut agent, relayed(&format!("198.51.100.1:{port}"), transport));
        }
    }
    let mut priorities: Vec<_> = agent.local_candidates().map(|it| it.priority).collect();
    let count = priorities.len();
    assert_eq!(count, 64, "and there are no more than that");
    priorities.sort_unstable();
    priorities.dedup();
    assert_eq!(priorities.len(), count);
}

#[test]
fn relays_over_udp_come_before_those_over_tcp_and_tls() {
    let mut agent = agent();
    let mut priority = |port, transport| {
        add(&mut agent, relayed(&format!("198.51.100.1:{port}"), transport)).priority
    };
    let tls = priority(3, ServerTransport::Tls);
    let tcp = priority(2, ServerTransport::Tcp);
    let udp = priority(1, ServerTransport::Udp);
    assert!(udp > tcp && tcp > tls);
}

#[test]
fn section_5_1_1_3_foundations() {
    let mut agent = agent();
    let mut foundation = |way| add(&mut agent, way).foundation;
    let first = foundation(host("10.0.0.1:1000"));
    assert_eq!(foundation(host("10.0.0.1:1001")), first, "the same IP address");
    assert_ne!(foundation(host("10.0.0.2:1000")), first, "another");
    assert_ne!(foundation(listener("10.0.0.1:1000")), first, "another protocol");
    let reflexive_one = foundation(reflexive("10.0.0.1:1000", "203.0.113.1:4000"));
    assert_ne!(reflexive_one, first, "another type");
    let reflexive_other = foundation(reflexive("10.0.0.1:1000", "203.0.113.1:4001"));
    assert_ne!(reflexive_other, reflexive_one, "another server saw it");
    let relay = foundation(relayed("198.51.100.1:5000", ServerTransport::Udp));
    assert_eq!(foundation(relayed("198.51.100.1:5001", ServerTransport::Udp)), relay);
    assert_ne!(foundation(relayed("198.51.100.2:5000", ServerTransport::Udp)), relay);
}

#[test]
fn section_5_1_3_what_is_redundant_or_has_no_base_is_no_candidate() {
    let mut agent = agent();
    let now = Instant::now();
    assert!(agent.add_local_candidate(now, reflexive(BASE, "203.0.113.1:1")).is_none());
    add(&mut agent, host(BASE));
    assert!(agent.add_local_candidate(now, reflexive(BASE, BASE)).is_none(), "no NAT");
    add(&mut agent, reflexive(BASE, "203.0.113.1:1"));
    for again in [host(BASE), concealed(BASE), reflexive(BASE, "203.0.113.1:1")] {
        assert!(agent.add_local_candidate(now, again).is_none());
    }
    for nobody in ["0.0.0.0:1", "203.0.113.1:0", "[ff02::1]:1"] {
        assert!(agent.add_local_candidate(now, reflexive(BASE, nobody)).is_none());
        let relay = relayed(nobody, ServerTransport::Udp);
        assert!(agent.add_local_candidate(now, relay).is_none());
    }
    assert_eq!(agent.local_candidates().count(), 2);
}

#[test]
fn a_name_conceals_the_address_everywhere() {
    let mut agent = agent();
    add(&mut agent, concealed(BASE));
    add(&mut agent, concealed("[fd00::1]:1000"));
    add(&mut agent, reflexive(BASE, "203.0.113.1:4000"));
    add(&mut agent, reflexive("[fd00::1]:1000", "[2001:db8::1]:4000"));
    add(&mut agent, Gathered::TcpActive { ip: at(BASE).ip() });
    add(
        &mut agent,
        Gathered::Relayed {
            relayed: at("198.51.100.1:5000"),
            mapped: at("10.0.0.1:7777"),
            transport: ServerTransport::Tcp,
        },
    );
    let lines: Vec<_> = agent.local_candidates().map(ToString::to_string).collect();
    assert!(!lines.iter().any(|line| line.contains("10.0.0.1") || line.contains("fd00::1")));
    let name = "9b36eaac-bb2e-49bb-bb78-21c41c499900.local";
    assert!(lines[0].contains(&format!(" {name} 1000 typ host")), "{}", lines[0]);
    assert!(lines[2].ends_with("raddr 0.0.0.0 rport 9"), "{}", lines[2]);
    assert!(lines[3].ends_with("raddr :: rport 9"), "{}", lines[3]);
    assert!(lines[4].contains(&format!(" {name} 9 typ host tcptype active")), "{}", lines[4]);
}

#[test]
fn section_6_1_2_4_a_reflexive_candidate_makes_no_pair() {
    let mut script = Script::introduced(Role::Controlling);
    let now = script.now;
    let local = script.local();
    let way = Gathered::ServerReflexive { base: local, mapped: at("203.0.113.1:4000") };
    script.agent.add_local_candidate(now, way).unwrap();
    script.host("192.0.2.2:2000", 1000);
    let pairs: Vec<_> = script.agent.pair_stats().collect();
    assert_eq!(pairs.len(), 1);
    assert_eq!((pairs[0].local, pairs[0].local_kind.clone()), (local, CandidateKind::Host));
}

#[test]
fn rfc_8421_families_take_turns_among_reflexive_and_relayed_candidates_too() {
    let mut agent = agent();
    add(&mut agent, host(BASE));
    add(&mut agent, host("[fd00::1]:1000"));
    for relay in ["198.51.100.1:1", "198.51.100.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1"] {
        add(&mut agent, relayed(relay, ServerTransport::Udp));
    }
    let mut relays: Vec<_> =
        agent.local_candidates().filter(|it| it.kind == CandidateKind::Relayed).collect();
    relays.sort_by_key(|it| std::cmp::Reverse(it.priority));
    let order: Vec<bool> =
        relays.iter().map(|it| it.address.socket().is_some_and(|it| it.is_ipv6())).collect();
    assert_eq!(order, [true, false, true, false]);
}

#[test]
fn what_is_removed_is_not_told_any_more_and_can_come_again() {
    let mut agent = agent();
    let now = Instant::now();
    let relay = relayed("198.51.100.1:5000", ServerTransport::Udp);
    for way in [host(BASE), reflexive(BASE, "203.0.113.1:4000"), relay.clone(), listener(BASE)] {
        add(&mut agent, way);
    }
    agent.remove_local_candidate(now, &host(BASE));
    let left: Vec<_> = agent.local_candidates().map(|it| it.address.clone()).collect();
    let expected: Vec<_> =
        ["198.51.100.1:5000", BASE].map(|it| CandidateAddress::Socket(at(it))).into();
    assert_eq!(left, expected, "the reflexive one goes with its base, the listener stays");
    agent.remove_local_candidate(now, &relay);
    agent.remove_local_candidate(now, &relay);
    for way in [host(BASE), reflexive(BASE, "203.0.113.1:4000"), relay] {
        add(&mut agent, way);
    }
}

#[test]
fn section_5_1_2_1_priorities_stay_unique_when_candidates_come_and_go() {
    let mut agent = agent();
    let now = Instant::now();
    let first = add(&mut agent, host("10.0.0.1:1000")).priority;
    let second = add(&mut agent, host("10.0.0.2:1000")).priority;
    agent.remove_local_candidate(now, &host("10.0.0.1:1000"));
    assert_eq!(add(&mut agent, host("10.0.0.3:1000")).priority, first, "the place is free");
    assert!(add(&mut agent, host("10.0.0.4:1000")).priority < second);
}

#[test]
fn behind_a_name_a_reflexive_address_is_never_redundant() {
    let mut agent = agent();
    add(&mut agent, concealed("203.0.113.1:4000"));
    let line = line(&mut agent, reflexive("203.0.113.1:4000", "203.0.113.1:4000"));
    assert!(line.ends_with("203.0.113.1 4000 typ srflx raddr 0.0.0.0 rport 9"), "{line}");
}

/// A scripted agent that is connected over its socket, with another socket beside.
fn connected(role: Role) -> Script {
    let mut script = Script::introduced(role);
    script.host("192.0.2.2:2000", 1000);
    if role == Role::Controlled {
        script.check_from("192.0.2.2:2000", Say::nominate()).unwrap();
    }
    script.settle();
    script.events();
    assert_eq!(script.agent.state(), ice::ConnectionState::Completed);
    script
}

fn remove(script: &mut Script, address: SocketAddr) {
    let now = script.now;
    script.agent.remove_local_candidate(now, &address.into());
}

#[test]
fn when_the_selected_base_vanishes_another_valid_pair_takes_over() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut script = Script::introduced(role);
        let now = script.now;
        let local = script.local();
        script.agent.add_local_candidate(now, at("10.0.0.1:1000")).unwrap();
        script.host("192.0.2.2:2000", 1000);
        // Both pairs work before anything is nominated.
        let sent: Vec<_> = script.pass(millis(60)).into_iter().map(|(_, sent)| sent).collect();
        script.answer_all(&sent);
        if role == Role::Controlled {
            script.check_from("192.0.2.2:2000", Say::nominate()).unwrap();
        }
        script.settle();
        assert_eq!(script.agent.selected_pair().unwrap().local, local);
        remove(&mut script, local);
        assert_eq!(script.agent.selected_pair().unwrap().local, at("10.0.0.1:1000"), "{role:?}");
        assert!(script.agent.may_send());
        script.settle();
        assert!(script.agent.pair_stats().all(|pair| pair.local != local));
    }
}

#[test]
fn without_another_pair_the_agent_is_disconnected_and_searches_anew() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut script = connected(role);
        let local = script.local();
        remove(&mut script, local);
        assert_eq!(script.agent.state(), ice::ConnectionState::Disconnected);
        assert!(!script.agent.may_send() && script.agent.selected_pair().is_none());
        assert!(script.sent().is_empty(), "its checks are forgotten");
        // A new address comes: what is known of the peer is checked from there.
        script.pass(seconds(5));
        let now = script.now;
        script.agent.add_local_candidate(now, at("10.0.0.1:1000")).unwrap();
        let sent = script.sent();
        assert_eq!((sent.len(), sent[0].local), (1, at("10.0.0.1:1000")));
        script.answer_all(&sent);
        script.settle();
        assert!(script.agent.may_send());
        assert_ne!(script.agent.state(), ice::ConnectionState::Disconnected);
    }
}

#[test]
fn without_another_address_it_fails_when_patience_ends() {
    let mut script = connected(Role::Controlling);
    script.pass(seconds(3));
    let local = script.local();
    remove(&mut script, local);
    script.pass(seconds(39));
    assert_eq!(script.agent.state(), ice::ConnectionState::Disconnected);
    script.pass(seconds(1));
    assert_eq!(script.agent.state(), ice::ConnectionState::Failed);
}

#[test]
fn answers_to_forgotten_checks_count_for_nothing() {
    let mut script = Script::introduced(Role::Controlling);
    script.host("192.0.2.2:2000", 1000);
    let sent = script.sent();
    let local = script.local();
    remove(&mut script, local);
    let answer = script.answer(&sent[0]);
    assert_eq!(script.receive(at("192.0.2.2:2000"), &answer), Err(ice::Error::UnknownLocalAddress));
    let now = script.now;
    script.agent.add_local_candidate(now, local).unwrap();
    assert_eq!(script.receive(at("192.0.2.2:2000"), &answer), Err(ice::Error::UnknownTransaction));
}
