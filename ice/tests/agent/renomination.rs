//! Nominations with numbers, and nominations that are lost (draft-thatcher-ice-renomination, RFC 8445 §8).

use ice::{ConnectionState, Role};
use stun::Message;

use crate::net::*;

const PEER: &str = "192.0.2.2:2000";
const OTHER: &str = "192.0.2.2:3000";

fn followed(script: &mut Script, from: &str, say: Say) -> Option<std::net::SocketAddr> {
    script.check_from(from, say).unwrap();
    script.settle();
    script.remote()
}

#[test]
fn trap_chrome_renominates_without_use_candidate() {
    let mut script = Script::introduced(Role::Controlled);
    assert_eq!(followed(&mut script, PEER, Say::renominate(1)), Some(at(PEER)));
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn the_highest_value_wins_whatever_the_priority() {
    let mut script = Script::introduced(Role::Controlled);
    script.host(PEER, 1000);
    script.host(OTHER, 2000);
    assert_eq!(followed(&mut script, OTHER, Say::renominate(1)), Some(at(OTHER)));
    assert_eq!(followed(&mut script, PEER, Say::renominate(2)), Some(at(PEER)));
    assert_eq!(followed(&mut script, OTHER, Say::renominate(1)), Some(at(PEER)), "out of order");
    assert_eq!(followed(&mut script, OTHER, Say::renominate(3)), Some(at(OTHER)), "and back");
    assert_eq!(followed(&mut script, PEER, Say::nominate()), Some(at(OTHER)), "any before none");
}

#[test]
fn a_value_before_our_check_succeeded_is_remembered() {
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(PEER, Say::renominate(2)).unwrap();
    script.check_from(OTHER, Say::renominate(1)).unwrap();
    script.check_from(PEER, Say::default()).unwrap();
    let sent: Vec<_> = script.pass(millis(60)).into_iter().map(|(_, it)| it).collect();
    let mut checks = requests(&sent);
    checks.sort_by_key(|it| std::cmp::Reverse(it.remote));
    assert_eq!(checks.len(), 2);
    script.answer_all(&checks[..1]);
    assert_eq!(script.remote(), Some(at(OTHER)));
    script.answer_all(&checks[1..]);
    assert_eq!(script.remote(), Some(at(PEER)));
}

#[test]
fn only_24_bits_count_and_zero_is_no_nomination() {
    let mut script = Script::introduced(Role::Controlled);
    for value in [0, 0xff00_0000] {
        script.check_from(PEER, Say::renominate(value)).unwrap();
        script.settle();
        assert!(script.agent.pair_stats().all(|pair| !pair.nominated), "{value}");
    }
}

#[test]
fn row_21_a_number_from_the_controlled_side_nominates_nothing() {
    let mut script = Script::introduced(Role::Controlling);
    let say = Say { renomination: Some(9), ..Say::controlled() };
    script.host(OTHER, 2000);
    script.check_from(PEER, say).unwrap();
    let sent: Vec<_> = script.pass(millis(120)).into_iter().map(|(_, it)| it).collect();
    let ours: Vec<_> = sent.into_iter().filter(|it| it.remote == at(PEER)).collect();
    script.answer_all(&ours);
    assert!(script.agent.pair_stats().all(|pair| !pair.nominated));
}

#[test]
fn row_21_a_number_without_integrity_nominates_nothing() {
    let mut script = Script::introduced(Role::Controlled);
    assert_eq!(followed(&mut script, OTHER, Say::renominate(1)), Some(at(OTHER)));
    let username = stun::Attribute::Username(script.username().as_str().into());
    let forged = script.bare_check(Say::renominate(9)).with(username);
    let wrong = stun::Key::short_term("another password, long enough");
    for octets in [forged.encode(None), forged.encode(Some(&wrong))] {
        assert!(script.receive(at(PEER), &octets).is_err());
    }
    assert_eq!((script.remote(), script.agent.pair_stats().count()), (Some(at(OTHER)), 1));
    // What stands after the integrity is not covered by it (RFC 8489 §14.5).
    let message = Message::parse(&script.check(Say::default())).unwrap();
    assert_eq!(message.nomination(), None);
}

/// A net in which the peer answers nothing that nominates.
fn deaf_to_nominations() -> Net {
    let mut net = Net::new(1, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.passes = Box::new(|by, transmit| by != LEFT || !parse(transmit).use_candidate());
    net.signal();
    net
}

#[test]
fn trap_lost_nominations_do_not_fail_a_pair_whose_consent_lives() {
    let mut net = deaf_to_nominations();
    net.run(seconds(120));
    for side in [LEFT, RIGHT] {
        assert_eq!(net.state(side), ConnectionState::Connected);
        assert!(net.agents[side].may_send());
        assert!(net.entered(side, ConnectionState::Failed).is_empty());
    }
    let nominations: Vec<_> =
        net.requests(LEFT).filter(|sent| sent.message().use_candidate()).collect();
    let mut ids: Vec<_> = nominations.iter().map(|it| it.message().transaction_id.0).collect();
    ids.dedup();
    assert!((3..=4).contains(&ids.len()), "it nominated {} times", ids.len());
    net.passes = Box::new(|_, _| true);
    let done = net.run_while_not(seconds(20), |net| net.both(ConnectionState::Completed));
    assert!(done, "and the nomination that gets through concludes");
}

#[test]
fn a_pair_that_dies_while_it_is_nominated_fails_all_the_same() {
    let mut net = deaf_to_nominations();
    net.run(seconds(10));
    net.passes = Box::new(|_, _| false);
    net.run(seconds(45));
    assert!(net.both(ConnectionState::Failed));
}
