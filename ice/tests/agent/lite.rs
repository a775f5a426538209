//! A lite agent: it answers, follows, and never checks (RFC 8445 §2.5).

use ice::{Config, ConnectionState, Mode, Role};
use stun::{Class, Code};

use crate::net::*;

const PEER: &str = "192.0.2.2:2000";
const OTHER: &str = "192.0.2.2:3000";

fn lite_config(role: Role) -> Config {
    Config { mode: Mode::Lite, ..Config::new(role) }
}

fn lite() -> Script {
    let mut script = Script::with(lite_config(Role::Controlling));
    script.introduce();
    script
}

#[test]
fn section_6_1_1_a_lite_agent_is_controlled_unless_the_peer_is_lite_too() {
    let mut script = lite();
    let now = script.now;
    assert_eq!(script.agent.role(), Role::Controlled);
    script.agent.set_role(now, Role::Controlling);
    assert_eq!(script.agent.role(), Role::Controlled);
    script.agent.set_remote_lite(now, true);
    script.agent.set_role(now, Role::Controlling);
    assert_eq!(script.agent.role(), Role::Controlling);
}

#[test]
fn it_never_sends_a_check() {
    let mut script = lite();
    script.host(PEER, 1000);
    for from in [PEER, OTHER] {
        script.check_from(from, Say::nominate()).unwrap();
        let sent = script.sent();
        assert_eq!(of_class(&sent, Class::Success).len(), 1);
        assert_eq!(sent.len(), 1);
    }
    assert!(script.pass(seconds(100)).is_empty());
}

#[test]
fn section_7_3_2_use_candidate_selects() {
    let mut script = lite();
    script.check_from(PEER, Say::default()).unwrap();
    assert_eq!(script.agent.state(), ConnectionState::Checking);
    assert!(!script.agent.may_send());
    assert!(script.agent.is_validated(ice::Path::udp(script.local(), at(PEER))));
    script.check_from(PEER, Say::nominate()).unwrap();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    assert_eq!(script.remote(), Some(at(PEER)));
    // Chromium nominates again what it likes better.
    let better = Say { priority: (1 << 30) + 1, ..Say::nominate() };
    script.check_from(OTHER, better).unwrap();
    assert_eq!(script.remote(), Some(at(OTHER)));
}

#[test]
fn a_nomination_before_the_answer_is_remembered() {
    let mut script = Script::with(lite_config(Role::Controlled));
    script.check_from(PEER, Say::nominate()).unwrap();
    script.sent();
    script.introduce();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    assert!(script.sent().is_empty());
}

#[test]
fn the_peers_checks_stand_for_consent() {
    let mut script = lite();
    script.check_from(PEER, Say::nominate()).unwrap();
    for _ in 0..20 {
        script.pass(seconds(5));
        script.check_from(PEER, Say::default()).unwrap();
        assert_eq!(script.agent.state(), ConnectionState::Completed);
    }
    // Data of the peer is no consent.
    let path = ice::Path::udp(script.local(), at(PEER));
    for _ in 0..5 {
        script.pass(millis(5900));
        let now = script.now;
        script.agent.received_from(now, path);
        assert_eq!(script.agent.state(), ConnectionState::Completed);
    }
    script.pass(seconds(1));
    assert_eq!(script.agent.state(), ConnectionState::Failed);
    assert!(!script.agent.may_send());
}

#[test]
fn trap_a_peer_that_believes_it_is_controlled_is_told_so() {
    let mut script = lite();
    for tie_breaker in [0, u64::MAX] {
        let say = Say { tie_breaker, use_candidate: true, ..Say::controlled() };
        script.check_from(PEER, say).unwrap();
        let refusal = parse(&script.sent()[0]);
        assert_eq!(refusal.error_code().unwrap().code, Code::ROLE_CONFLICT);
        assert_eq!(script.agent.role(), Role::Controlled);
        assert_eq!(script.agent.pair_stats().count(), 0);
    }
}

#[test]
fn a_full_and_a_lite_agent_connect_and_stay() {
    for full in [LEFT, RIGHT] {
        let mut configs = [lite_config(Role::Controlling), lite_config(Role::Controlled)];
        configs[full].mode = Mode::Full;
        let mut net = Net::with(1, &["192.0.2.1:1"], &["192.0.2.2:2"], configs);
        let now = net.now;
        net.agents[full].set_remote_lite(now, true);
        net.signal();
        assert!(net.run_while_not(seconds(1), |net| net.both(ConnectionState::Completed)));
        net.run(seconds(300));
        assert!(net.both(ConnectionState::Completed));
        assert_eq!(net.requests(1 - full).count(), 0);
        net.passes = Box::new(|_, _| false);
        net.run(seconds(31));
        assert!(net.both(ConnectionState::Failed));
    }
}

#[test]
fn two_lite_agents_fail_for_nobody_consents() {
    let configs = [lite_config(Role::Controlling), lite_config(Role::Controlled)];
    let mut net = Net::with(2, &["192.0.2.1:1"], &["192.0.2.2:2"], configs);
    let now = net.now;
    for agent in &mut net.agents {
        agent.set_remote_lite(now, true);
    }
    net.signal();
    net.run(seconds(40));
    assert!(net.both(ConnectionState::Failed));
    assert!(net.sent.is_empty());
}

#[test]
fn when_its_address_vanishes_it_waits_for_the_peer_to_find_another() {
    let mut script = lite();
    let now = script.now;
    script.agent.add_local_candidate(now, at("10.0.0.1:1000")).unwrap();
    script.check_from(PEER, Say::nominate()).unwrap();
    let local = script.local();
    script.agent.remove_local_candidate(now, &local.into());
    assert_eq!(script.agent.state(), ConnectionState::Disconnected);
    let check = script.check(Say::nominate());
    let datagram = ice::Datagram::udp(at("10.0.0.1:1000"), at(PEER), &check);
    script.agent.handle_datagram(now, datagram).unwrap();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}
