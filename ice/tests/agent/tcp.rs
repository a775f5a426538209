//! ICE over TCP (RFC 6544): who opens connections, and what differs where nothing is lost.

use ice::{
    CandidateKind, Config, ConnectionState, Gathered, PairState, Path, Protocol, Role, Transmit,
};

use crate::net::*;

const PEER: &str = "1 1 tcp 2128609279 192.0.2.2 2000 typ host tcptype passive";

fn listener(address: &str) -> Gathered {
    Gathered::Host { protocol: Protocol::Tcp, address: at(address), name: None }
}

fn dialer(script: &mut Script) {
    let now = script.now;
    let ip = script.local().ip();
    script.agent.add_local_candidate(now, Gathered::TcpActive { ip }).unwrap();
}

/// An agent that has only TCP, and a peer that listens.
fn active(role: Role) -> Script {
    let mut script = Script::introduced(role);
    let (now, local) = (script.now, script.local());
    dialer(&mut script);
    script.agent.remove_local_candidate(now, &local.into());
    script.candidate(PEER);
    script
}

fn path() -> Path {
    let (local, remote) = (at("192.0.2.1:9"), at("192.0.2.2:2000"));
    Path { protocol: Protocol::Tcp, local, remote }
}

fn is_on_tcp(transmit: &Transmit) -> bool {
    let Transmit { protocol, local, remote, .. } = *transmit;
    Path { protocol, local, remote } == path()
}

#[test]
fn section_6_2_only_active_goes_with_passive() {
    let mut script = Script::introduced(Role::Controlling);
    let now = script.now;
    dialer(&mut script);
    script.agent.add_local_candidate(now, listener("192.0.2.1:1000")).unwrap();
    for line in [
        "2 1 tcp 2128609279 192.0.2.3 9 typ host tcptype active",
        "3 1 tcp 2128609279 192.0.2.3 2000 typ host tcptype so",
        "4 1 tcp 2128609279 192.0.2.3 2001 typ host",
        "5 1 tcp 2128609279 2001:db8::3 2001 typ host tcptype passive",
    ] {
        script.candidate(line);
    }
    assert_eq!(script.agent.pair_stats().count(), 0);
    script.candidate(PEER);
    script.host("192.0.2.2:2000", 1000);
    let mut paths: Vec<_> =
        script.agent.pair_stats().map(|it| (it.protocol, it.local, it.remote)).collect();
    paths.sort_unstable();
    let peer = at("192.0.2.2:2000");
    let udp = (Protocol::Udp, script.local(), peer);
    assert_eq!(paths, [udp, (Protocol::Tcp, at("192.0.2.1:9"), peer)]);
}

#[test]
fn a_check_opens_the_connection_and_is_sent_once() {
    let mut script = active(Role::Controlling);
    let sent: Vec<_> = script.pass(seconds(39)).into_iter().map(|(_, it)| it).collect();
    assert_eq!(sent.len(), 1, "TCP retransmits by itself");
    assert!(is_on_tcp(&sent[0]));
    assert_eq!(script.agent.pair_stats().next().unwrap().state, PairState::InProgress);
    script.answer_all(&sent);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    let pair = script.agent.selected_pair().unwrap();
    assert_eq!((pair.protocol, pair.local), (Protocol::Tcp, at("192.0.2.1:9")));
    assert!(script.agent.is_validated(path()));
    assert!(!script.agent.is_validated(Path { protocol: Protocol::Udp, ..path() }));
}

#[test]
fn without_an_answer_the_pair_fails_after_39_5_seconds() {
    let mut script = active(Role::Controlling);
    script.pass(millis(39_600));
    assert_eq!(script.agent.state(), ConnectionState::Failed);
}

#[test]
fn consent_is_asked_for_over_tcp_too() {
    let mut script = active(Role::Controlling);
    script.settle();
    let sent: Vec<_> = script.pass(seconds(13)).into_iter().map(|(_, it)| it).collect();
    assert!((2..=3).contains(&sent.len()) && sent.iter().all(is_on_tcp));
    script.pass(seconds(20));
    assert_eq!(script.agent.state(), ConnectionState::Failed);
}

#[test]
fn a_listener_learns_the_peer_from_its_check() {
    let mut script = Script::introduced(Role::Controlled);
    let now = script.now;
    let local = at("192.0.2.1:4000");
    script.agent.add_local_candidate(now, listener("192.0.2.1:4000")).unwrap();
    script.candidate("2 1 tcp 2128609279 192.0.2.2 9 typ host tcptype active");
    let from = at("192.0.2.2:50009");
    script.check_over_tcp(local, from, Say::nominate()).unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 2, "the answer, and our check in the same connection");
    for transmit in &sent {
        assert_eq!((transmit.protocol, transmit.local), (Protocol::Tcp, local));
        assert_eq!(transmit.remote, from);
    }
    script.answer_all(&sent);
    let pair = script.agent.selected_pair().unwrap();
    assert_eq!((pair.protocol, pair.remote_kind), (Protocol::Tcp, CandidateKind::PeerReflexive));
}

#[test]
fn packets_that_come_by_another_protocol_are_another_path() {
    let mut script = Script::introduced(Role::Controlled);
    let (local, from) = (script.local(), at("192.0.2.2:2000"));
    let refused = script.check_over_tcp(local, from, Say::nominate());
    assert_eq!(refused, Err(ice::Error::UnknownLocalAddress), "no listener there");
    // A response over UDP to a check over TCP.
    let mut script = active(Role::Controlling);
    let now = script.now;
    let sent = script.sent();
    script.agent.add_local_candidate(now, local).unwrap();
    let answer = script.answer(&sent[0]);
    assert_eq!(script.receive(from, &answer), Err(ice::Error::NotSymmetric));
}

#[test]
fn a_connection_that_is_refused_fails_its_pair_at_once() {
    let mut script = active(Role::Controlling);
    script.sent();
    let now = script.now;
    script.agent.path_failed(now, path());
    assert_eq!(script.agent.pair_stats().next().unwrap().state, PairState::Failed);
    assert_eq!(script.agent.state(), ConnectionState::Checking, "others may come (RFC 8863)");
    assert!(script.pass(seconds(30)).is_empty(), "and it is not tried again");
}

#[test]
fn a_connection_that_ends_gives_way_to_another_pair_or_is_opened_anew() {
    let mut script = active(Role::Controlling);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    let now = script.now;
    script.agent.path_failed(now, path());
    assert_eq!(script.agent.state(), ConnectionState::Disconnected);
    assert!(!script.agent.may_send());
    let sent: Vec<_> = script.pass(millis(150)).into_iter().map(|(_, it)| it).collect();
    assert!(sent.len() == 1 && is_on_tcp(&sent[0]));
    script.answer_all(&sent);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn two_agents_connect_over_tcp_alone() {
    for (seed, dialing) in [(1, LEFT), (2, RIGHT)] {
        let configs = [Config::new(Role::Controlling), Config::new(Role::Controlled)];
        let mut net = Net::with(seed, &[], &[], configs);
        let (active, passive) = (Gathered::TcpActive { ip: at("10.0.0.1:9").ip() }, "10.0.0.2:443");
        let now = net.now;
        net.agents[dialing].add_local_candidate(now, active).unwrap();
        net.agents[1 - dialing].add_local_candidate(now, listener(passive)).unwrap();
        net.signal();
        let done = net.run_while_not(seconds(2), |net| net.both(ConnectionState::Completed));
        assert!(done, "{:?} {:?}", net.state(LEFT), net.state(RIGHT));
        net.run(seconds(100));
        assert!(net.both(ConnectionState::Completed));
    }
}

#[test]
fn udp_is_nominated_where_both_work() {
    let mut net = Net::new(3, &["10.0.0.1:1"], &["10.0.0.2:2"]);
    let now = net.now;
    let active = Gathered::TcpActive { ip: at("10.0.0.1:9").ip() };
    net.agents[LEFT].add_local_candidate(now, active).unwrap();
    net.agents[RIGHT].add_local_candidate(now, listener("10.0.0.2:443")).unwrap();
    net.signal();
    assert!(net.run_while_not(seconds(2), |net| net.both(ConnectionState::Completed)));
    for agent in &net.agents {
        assert_eq!(agent.selected_pair().unwrap().protocol, Protocol::Udp);
    }
}
