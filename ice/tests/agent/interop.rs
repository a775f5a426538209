//! Known failures of other stacks against browsers and each other: one test a trap.

use ice::{CandidateKind, ConnectionState, Event, Role};
use stun::{Attribute, Class, Code, Message};

use crate::net::*;

/// Where the scripted peer is.
const PEER: &str = "192.0.2.2:2000";
const OTHER: &str = "192.0.2.2:3000";

#[test]
fn trap_chrome_nominates_semi_aggressively() {
    // USE-CANDIDATE in every check of the pair it prefers at the time, and again for a better one.
    let mut script = Script::introduced(Role::Controlled);
    script.host("192.0.2.2:2000", 1000);
    script.host("192.0.2.2:3000", 2000);
    script.check_from(PEER, Say::nominate()).unwrap();
    script.settle();
    assert_eq!(script.remote(), Some(at(PEER)));
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    // A better pair is nominated later, and again and again.
    for _ in 0..3 {
        script.check_from(OTHER, Say::nominate()).unwrap();
        script.settle();
        script.pass(millis(500));
        assert_eq!(script.remote(), Some(at(OTHER)));
    }
    // The first one was only overtaken: a last check on it changes nothing.
    script.check_from(PEER, Say::nominate()).unwrap();
    script.settle();
    assert_eq!(script.remote(), Some(at(OTHER)));
}

#[test]
fn trap_chrome_moves_to_a_pair_of_lower_priority() {
    // Its idea of better is not the formula's: after a change of network it nominates what is left.
    let mut script = Script::introduced(Role::Controlled);
    script.host("192.0.2.2:2000", 1000);
    script.host("192.0.2.2:3000", 2000);
    script.check_from(OTHER, Say::nominate()).unwrap();
    script.settle();
    for _ in 0..8 {
        script.pass(millis(500));
        script.check_from(PEER, Say::nominate()).unwrap();
        script.settle();
    }
    assert_eq!(script.remote(), Some(at(PEER)));
}

#[test]
fn trap_firefox_nominates_aggressively() {
    // USE-CANDIDATE in the first check of each pair: the best of them counts (RFC 8445 §8.1.1).
    for order in [[PEER, OTHER], [OTHER, PEER]] {
        let mut script = Script::introduced(Role::Controlled);
        script.host("192.0.2.2:2000", 1000);
        script.host("192.0.2.2:3000", 2000);
        for remote in order {
            script.check_from(remote, Say::nominate()).unwrap();
            script.settle();
        }
        assert_eq!(script.remote(), Some(at(OTHER)), "{order:?}");
    }
}

#[test]
fn trap_nomination_before_our_check_succeeded_is_remembered() {
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 2, "the answer and the triggered check, at once");
    assert_eq!(script.agent.state(), ConnectionState::Checking);
    // A plain check in between does not undo it.
    script.check_from(PEER, Say::default()).unwrap();
    script.answer_all(&sent);
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn trap_chrome_144_does_not_answer_but_sends_checks() {
    // Liveness must use incoming checks too: the pair is not disconnected while the peer checks it.
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    script.settle();
    for _ in 0..10 {
        script.pass(millis(2500));
        script.check_from(PEER, Say::default()).unwrap();
        assert_eq!(script.agent.state(), ConnectionState::Completed);
    }
}

#[test]
fn trap_487_is_signed() {
    let mut script = Script::introduced(Role::Controlling);
    let say = Say { tie_breaker: 0, ..Say::default() };
    script.check_from(PEER, say).unwrap();
    let sent = script.sent();
    let refusal = parse(&of_class(&sent, Class::Error)[0]);
    assert_eq!(refusal.error_code().unwrap().code, Code::ROLE_CONFLICT);
    assert!(refusal.has_fingerprint());
    assert_eq!(refusal.verify(&script.agent_key()), Ok(()));
    assert_eq!(script.agent.role(), Role::Controlling);
}

#[test]
fn trap_487_makes_us_switch_and_ask_again() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let check = script.sent().remove(0);
    let first = parse(&check).ice_controlling().unwrap();
    let refusal = Message::error(&parse(&check), Code::ROLE_CONFLICT.into());
    script.receive(at(PEER), &refusal.encode(Some(&script.peer_key()))).unwrap();
    assert_eq!(script.agent.role(), Role::Controlled);
    let again = script.sent().remove(0);
    let second = parse(&again).ice_controlled().unwrap();
    assert_ne!(first, second, "RFC 8445 §7.2.5.1: a new tie-breaker");
    assert_ne!(parse(&check).transaction_id, parse(&again).transaction_id);
}

#[test]
fn trap_both_controlling_happens_in_practice() {
    let mut script = Script::introduced(Role::Controlling);
    let say = Say { tie_breaker: u64::MAX, use_candidate: true, ..Say::default() };
    script.check_from(PEER, say).unwrap();
    assert_eq!(script.agent.role(), Role::Controlled);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed, "and the nomination counts");
}

#[test]
fn trap_prflx_twin_keeps_state() {
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    script.settle();
    script.events();
    let before = script.agent.pair_stats().next().unwrap();
    assert_eq!(before.remote_kind, CandidateKind::PeerReflexive);
    // STUN was faster than signalling: now the candidate comes.
    script.host(PEER, 2_122_260_223);
    let pairs: Vec<_> = script.agent.pair_stats().collect();
    assert_eq!(pairs.len(), 1);
    let after = &pairs[0];
    assert_eq!(after.remote_kind, CandidateKind::Host);
    assert!(after.priority > before.priority);
    assert_eq!((after.state, after.nominated), (before.state, true));
    assert!(script.events().is_empty());
    assert!(script.sent().is_empty());
}

#[test]
fn trap_prflx_twin_that_comes_while_the_check_is_under_way() {
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    let sent = script.sent();
    script.host(PEER, 2_122_260_223);
    assert_eq!(script.agent.pair_stats().count(), 1);
    script.answer_all(&sent);
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn trap_local_candidates_are_skipped() {
    let mut script = Script::introduced(Role::Controlling);
    for line in [
        "1 1 udp 2113937151 4d3ec5a7-6b1b-4a6b-9d3a-1f0c7e0d4a11.local 56412 typ host",
        "2 1 udp 2113937151 example.org 56412 typ host",
        "3 1 tcp 1518280447 192.0.2.2 9 typ host tcptype active",
        "4 2 udp 2113937150 192.0.2.2 56413 typ host",
    ] {
        script.candidate(line);
    }
    assert!(script.sent().is_empty());
    assert_eq!(script.agent.pair_stats().count(), 0);
    assert_eq!(script.agent.state(), ConnectionState::Checking);
    script.candidate("5 1 udp 2113937151 192.0.2.2 2000 typ host");
    assert_eq!(script.sent().len(), 1);
}

#[test]
fn trap_never_filter_by_address_class() {
    // A peer on this machine may signal 127.0.0.1 only, or the interface's address only.
    let mut script = Script::introduced(Role::Controlling);
    script.host("127.0.0.1:2000", 1000);
    let sent = script.sent();
    assert_eq!((sent[0].local, sent[0].remote), (at("192.0.2.1:1000"), at("127.0.0.1:2000")));
    // Ours at 127.0.0.1 reaches the peer at our own interface's address.
    let now = script.now;
    script.agent.add_local_candidate(now, at("127.0.0.1:1000")).unwrap();
    script.host("192.0.2.1:3000", 2000);
    let pairs: Vec<_> = script.agent.pair_stats().map(|pair| (pair.local, pair.remote)).collect();
    assert!(pairs.contains(&(at("127.0.0.1:1000"), at("192.0.2.1:3000"))));
}

#[test]
fn trap_checks_before_the_answer_are_answered_and_remembered() {
    let mut script = Script::new(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 1);
    let answer = parse(&sent[0]);
    assert_eq!(answer.class, Class::Success);
    assert_eq!(answer.xor_mapped_address(), Some(at(PEER)));
    assert_eq!(answer.verify(&script.agent_key()), Ok(()));
    assert!(script.agent.is_validated(ice::Path::udp(script.local(), at(PEER))));
    assert_eq!(script.agent.state(), ConnectionState::New);
    script.introduce();
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn trap_lite_peer_is_controlled_and_sends_no_checks() {
    let mut script = Script::introduced(Role::Controlled);
    let now = script.now;
    script.agent.set_remote_lite(now, true);
    assert_eq!(script.agent.role(), Role::Controlling);
    script.agent.set_role(now, Role::Controlled);
    assert_eq!(script.agent.role(), Role::Controlling);
    script.host(PEER, 1000);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn trap_regular_nomination_happens_once_and_not_in_the_first_check() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let first = script.sent();
    assert!(!parse(&first[0]).use_candidate());
    script.answer_all(&first);
    let second = script.sent();
    assert_eq!(second.len(), 1);
    assert!(parse(&second[0]).use_candidate(), "nominated at once: nothing better is to come");
    script.answer_all(&second);
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    assert!(script.sent().is_empty());
    let events = script.events();
    let selected = |event: &&Event| matches!(event, Event::Selected(_));
    assert_eq!(events.iter().filter(selected).count(), 1);
}

#[test]
fn trap_a_reflexive_pair_waits_a_little_for_a_better_one() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 2000);
    script.candidate("2 1 udp 1000 203.0.113.1 3000 typ srflx raddr 192.0.2.2 rport 2000");
    let mut sent = script.sent();
    sent.extend(script.pass(millis(60)).into_iter().map(|(_, transmit)| transmit));
    let reflexive: Vec<_> =
        sent.into_iter().filter(|transmit| transmit.remote.port() == 3000).collect();
    script.answer_all(&reflexive);
    assert_eq!(script.agent.state(), ConnectionState::Connected, "data may go already");
    let nominations = |sent: &[(std::time::Instant, ice::Transmit)]| {
        sent.iter().filter(|(_, transmit)| parse(transmit).use_candidate()).count()
    };
    assert_eq!(nominations(&script.pass(millis(150))), 0);
    assert_eq!(nominations(&script.pass(millis(100))), 1);
}

#[test]
fn trap_chromium_network_info_is_ignored() {
    let mut script = Script::introduced(Role::Controlled);
    let username = script.username();
    let check = script
        .bare_check(Say::nominate())
        .with(Attribute::Username(username.as_str().into()))
        .with(Attribute::Unknown {
            ty: stun::AttributeType(0xC057),
            value: bytes::Bytes::from_static(&[0, 1, 3, 231]),
        });
    let octets = check.encode(Some(&script.agent_key()));
    script.receive(at(PEER), &octets).unwrap();
    assert_eq!(parse(&script.sent()[0]).class, Class::Success);
}

#[test]
fn trap_an_answer_to_a_cancelled_check_counts() {
    // RFC 8445 §7.3.1.4: the peer's check cancels ours, whose answer may be on its way.
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let ours = script.sent();
    script.check_from(PEER, Say::controlled()).unwrap();
    script.answer_all(&ours);
    assert_eq!(script.agent.state(), ConnectionState::Connected);
}

#[test]
fn trap_an_answer_to_an_old_consent_check_counts() {
    // RFC 7675 §5.1: consent checks are not repeated, and an answer to any of the outstanding ones
    // renews consent.
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::nominate()).unwrap();
    script.settle();
    let sent: Vec<_> = script.pass(seconds(26)).into_iter().map(|(_, sent)| sent).collect();
    let checks = requests(&sent);
    assert!(checks.len() >= 4, "{}", checks.len());
    let answer = script.answer(&checks[0]);
    script.receive(at(PEER), &answer).unwrap();
    script.pass(seconds(20));
    assert!(script.agent.may_send(), "46 s after the answer before");
    script.pass(seconds(11));
    assert!(!script.agent.may_send());
}

#[test]
fn trap_a_role_switch_computes_the_pairs_priorities_anew() {
    // RFC 8445 §7.3.1.1: of 2^32 MIN(G, D) + 2 MAX(G, D) + (G > D) the last term changes sides.
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    script.host(OTHER, 2000);
    let priorities = |script: &Script| -> Vec<_> {
        script.agent.pair_stats().map(|pair| (pair.remote, pair.priority.value())).collect()
    };
    let before = priorities(&script);
    script.check_from(PEER, Say { tie_breaker: u64::MAX, ..Say::default() }).unwrap();
    assert_eq!(script.agent.role(), Role::Controlled);
    let expected: Vec<_> =
        before.into_iter().map(|(remote, priority)| (remote, priority - 1)).collect();
    assert_eq!(priorities(&script), expected);
}
