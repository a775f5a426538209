//! Pairs that go through a relay: when they are used, and whom the relay must let in.

use ice::{CandidateKind, ConnectionState, Event, Gathered, Role, ServerTransport};

use crate::net::*;

const PEER: &str = "192.0.2.2:2000";
const RELAYED: &str = "198.51.100.1:5000";

fn relay(address: &str) -> Gathered {
    let mapped = at("203.0.113.1:4000");
    Gathered::Relayed { relayed: at(address), mapped, transport: ServerTransport::Udp }
}

fn add_relay(script: &mut Script, address: &str) {
    let now = script.now;
    script.agent.add_local_candidate(now, relay(address)).unwrap();
}

fn permits(script: &mut Script) -> Vec<(String, String)> {
    let events = script.events();
    let permit = |event: Event| match event {
        Event::Permit { relayed, peer } => Some((relayed.to_string(), peer.to_string())),
        _ => None,
    };
    events.into_iter().filter_map(permit).collect()
}

/// An agent that knows a peer, and sends what it has to for `milliseconds`.
fn sent_in(script: &mut Script, milliseconds: u64) -> Vec<ice::Transmit> {
    script.pass(millis(milliseconds)).into_iter().map(|(_, transmit)| transmit).collect()
}

fn through_relay(sent: &[ice::Transmit]) -> Vec<ice::Transmit> {
    sent.iter().filter(|transmit| transmit.local == at(RELAYED)).cloned().collect()
}

#[test]
fn a_relayed_address_is_a_base_of_its_own() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    add_relay(&mut script, RELAYED);
    let sent = sent_in(&mut script, 60);
    let relayed = through_relay(&sent);
    assert_eq!((relayed.len(), relayed[0].remote), (1, at(PEER)));
    script.answer_all(&relayed);
    let pair = script.agent.selected_pair().unwrap();
    assert_eq!((pair.local, pair.local_kind), (at(RELAYED), CandidateKind::Relayed));
    assert!(script.agent.is_validated(ice::Path::udp(at(RELAYED), at(PEER))));
}

#[test]
fn a_check_that_comes_through_the_relay_is_answered_through_it() {
    let mut script = Script::introduced(Role::Controlled);
    add_relay(&mut script, RELAYED);
    let check = script.check(Say::nominate());
    let now = script.now;
    let datagram = ice::Datagram::udp(at(RELAYED), at(PEER), &check);
    script.agent.handle_datagram(now, datagram).unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 2, "the answer and our check");
    assert!(sent.iter().all(|it| (it.local, it.remote) == (at(RELAYED), at(PEER))));
    assert_eq!(permits(&mut script), [(RELAYED.to_owned(), "192.0.2.2".to_owned())]);
}

#[test]
fn each_peer_address_is_permitted_once_before_any_check() {
    let mut script = Script::introduced(Role::Controlling);
    add_relay(&mut script, RELAYED);
    assert!(permits(&mut script).is_empty(), "nobody is known");
    script.host(PEER, 1000);
    script.host("192.0.2.2:3000", 900);
    script.candidate("7 1 udp 800 203.0.113.77 7 typ srflx raddr 0.0.0.0 rport 0");
    script.candidate("8 1 udp 700 2001:db8::8 8 typ host");
    let told = permits(&mut script);
    let expected = ["192.0.2.2", "203.0.113.77"].map(|it| (RELAYED.to_owned(), it.to_owned()));
    assert_eq!(told, expected, "and nobody of another family");
    add_relay(&mut script, "[2001:db8::1]:5000");
    let other = ("[2001:db8::1]:5000".to_owned(), "2001:db8::8".to_owned());
    assert_eq!(permits(&mut script), [other]);
    script.settle();
    assert!(permits(&mut script).is_empty());
}

#[test]
fn trap_a_peer_is_permitted_whose_candidate_comes_after_nomination() {
    // It may check us from there, after its network changed.
    let mut script = Script::introduced(Role::Controlling);
    add_relay(&mut script, RELAYED);
    script.host(PEER, 1000);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    permits(&mut script);
    script.host("192.0.2.3:3000", 900);
    assert_eq!(permits(&mut script), [(RELAYED.to_owned(), "192.0.2.3".to_owned())]);
}

#[test]
fn an_allocation_that_comes_again_is_told_again() {
    let mut script = Script::introduced(Role::Controlling);
    add_relay(&mut script, RELAYED);
    script.host(PEER, 1000);
    assert_eq!(permits(&mut script).len(), 1);
    let now = script.now;
    script.agent.remove_local_candidate(now, &relay(RELAYED));
    assert!(permits(&mut script).is_empty());
    add_relay(&mut script, RELAYED);
    assert_eq!(permits(&mut script).len(), 1);
}

#[test]
fn row_24_permits_are_bounded_and_none_is_lost() {
    let mut script = Script::introduced(Role::Controlling);
    add_relay(&mut script, RELAYED);
    for number in 0..5000u32 {
        let line = format!(
            "1 1 udp {} 100.64.{}.{} 9 typ host",
            number + 1,
            number / 250,
            number % 250 + 1
        );
        let candidate = ice::Candidate::parse(&line).unwrap();
        let _ = script.agent.add_remote_candidate(script.now, candidate);
    }
    assert_eq!(permits(&mut script).len(), 100);
}

/// A controlling agent with a socket and a relay, and a peer that is behind a NAT.
fn race() -> Script {
    let mut script = Script::introduced(Role::Controlling);
    add_relay(&mut script, RELAYED);
    script.candidate("1 1 udp 1694498815 203.0.113.9 9000 typ srflx raddr 0.0.0.0 rport 0");
    let now = script.now;
    script.agent.end_of_remote_candidates(now);
    script
}

fn nominations(sent: &[ice::Transmit]) -> Vec<ice::Transmit> {
    requests(sent).into_iter().filter(|transmit| parse(transmit).use_candidate()).collect()
}

#[test]
fn trap_a_relay_that_works_first_waits_for_the_direct_pair() {
    let mut script = race();
    let sent = sent_in(&mut script, 60);
    script.answer_all(&through_relay(&sent));
    assert_eq!(script.agent.state(), ConnectionState::Connected, "data may go already");
    let sent = sent_in(&mut script, 1000);
    assert!(nominations(&sent).is_empty());
    let direct: Vec<_> = requests(&sent).into_iter().filter(|it| it.local != at(RELAYED)).collect();
    script.answer_all(&direct[..1]);
    let pair = script.agent.selected_pair().unwrap();
    assert_eq!(pair.local_kind, CandidateKind::Host);
    script.settle();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    assert_eq!(script.agent.selected_pair().unwrap().local_kind, CandidateKind::Host);
}

#[test]
fn a_relay_is_nominated_in_bounded_time_when_nothing_else_works() {
    let mut script = race();
    let sent = sent_in(&mut script, 60);
    script.answer_all(&through_relay(&sent));
    assert!(nominations(&sent_in(&mut script, 1900)).is_empty());
    let sent = sent_in(&mut script, 200);
    let nominations = nominations(&sent);
    assert_eq!((nominations.len(), nominations[0].local), (1, at(RELAYED)));
    script.answer_all(&nominations);
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn a_relay_waits_for_candidates_that_may_still_come() {
    let mut script = Script::introduced(Role::Controlling);
    let local = script.local();
    let now = script.now;
    script.agent.remove_local_candidate(now, &local.into());
    add_relay(&mut script, RELAYED);
    script.host(PEER, 1000);
    let sent = script.sent();
    script.answer_all(&sent);
    assert!(nominations(&sent_in(&mut script, 1000)).is_empty());
    let now = script.now;
    script.agent.end_of_remote_candidates(now);
    assert_eq!(nominations(&script.sent()).len(), 1, "nothing better can come any more");
}

#[test]
fn a_better_pair_shortens_the_wait() {
    // Relayed at first, then translated while a host pair is still pending: 200 ms from then on.
    let mut script = race();
    script.host(PEER, 2_130_706_431);
    let sent = sent_in(&mut script, 120);
    script.answer_all(&through_relay(&sent));
    let sent = sent_in(&mut script, 500);
    let translated: Vec<_> = requests(&sent)
        .into_iter()
        .filter(|it| it.local != at(RELAYED) && it.remote == at("203.0.113.9:9000"))
        .collect();
    script.answer_all(&translated[..1]);
    assert!(nominations(&sent_in(&mut script, 150)).is_empty());
    let nominated = nominations(&sent_in(&mut script, 60));
    assert_eq!((nominated.len(), nominated[0].remote), (1, at("203.0.113.9:9000")));
}

#[test]
fn when_the_allocation_is_lost_the_direct_pair_takes_over_or_the_other_way_round() {
    let mut script = race();
    let sent = sent_in(&mut script, 60);
    script.answer_all(&requests(&sent));
    script.settle();
    assert_eq!(script.agent.selected_pair().unwrap().local_kind, CandidateKind::Host);
    let (now, local) = (script.now, script.local());
    script.agent.remove_local_candidate(now, &local.into());
    assert_eq!(script.agent.selected_pair().unwrap().local, at(RELAYED));
    script.agent.remove_local_candidate(now, &relay(RELAYED));
    assert_eq!(script.agent.state(), ConnectionState::Disconnected);
}
