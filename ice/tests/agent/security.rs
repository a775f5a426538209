//! Hostile input: each test is named after its row of the security checklist.

use ice::{ConnectionState, Error, Role};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use stun::{Attribute, AttributeType, Class, Code, Key, Message};

use crate::net::*;

const PEER: &str = "192.0.2.2:2000";
const STRANGER: &str = "198.51.100.66:6666";

/// Everything that a datagram could change.
fn fingerprint(script: &Script) -> String {
    let pairs: Vec<_> = script.agent.pair_stats().collect();
    format!(
        "{:?} {:?} {:?} {pairs:?} {:?}",
        script.agent.state(),
        script.agent.role(),
        script.agent.selected_pair(),
        script.agent.poll_timeout(),
    )
}

/// Agents in each phase of their life.
fn phases() -> Vec<(&'static str, Script)> {
    let fresh = Script::new(Role::Controlled);
    let introduced = Script::introduced(Role::Controlled);
    let mut checking = Script::introduced(Role::Controlling);
    checking.host(PEER, 1000);
    checking.sent();
    let mut completed = Script::introduced(Role::Controlling);
    completed.host(PEER, 1000);
    completed.settle();
    completed.events();
    assert_eq!(completed.agent.state(), ConnectionState::Completed);
    vec![
        ("fresh", fresh),
        ("introduced", introduced),
        ("checking", checking),
        ("completed", completed),
    ]
}

fn must_not_matter(script: &mut Script, phase: &str, from: &str, payload: &[u8]) {
    script.events();
    let before = fingerprint(script);
    assert!(script.receive(at(from), payload).is_err(), "{phase}");
    assert!(script.sent().is_empty(), "{phase}: answered");
    assert!(script.events().is_empty(), "{phase}");
    assert_eq!(fingerprint(script), before, "{phase}");
    assert!(
        from == PEER || !script.agent.is_validated(ice::Path::udp(script.local(), at(from))),
        "{phase}"
    );
}

#[test]
fn row_18_requests_without_or_with_wrong_credentials() {
    for (phase, mut script) in phases() {
        let username = Attribute::Username(script.username().as_str().into());
        let wrong = Key::short_term("another password, long enough");
        for from in [STRANGER, PEER] {
            let bare = script.bare_check(Say::nominate());
            must_not_matter(&mut script, phase, from, &bare.encode(None));
            let named = bare.clone().with(username.clone());
            must_not_matter(&mut script, phase, from, &named.encode(None));
            must_not_matter(&mut script, phase, from, &named.encode(Some(&wrong)));
            let unnamed = bare.encode(Some(&script.agent_key()));
            must_not_matter(&mut script, phase, from, &unnamed);
            // The peer's own password signs answers, not checks to us.
            let reversed = named.encode(Some(&script.peer_key()));
            must_not_matter(&mut script, phase, from, &reversed);
        }
    }
}

#[test]
fn row_19_forged_responses() {
    for (phase, mut script) in phases() {
        let pending = script.pass(seconds(6)).pop().map(|(_, transmit)| transmit);
        let request = match &pending {
            Some(transmit) => parse(transmit),
            None => script.bare_check(Say::default()),
        };
        let wrong = Key::short_term("another password, long enough");
        let own = script.agent_key();
        let mapped = Attribute::XorMappedAddress(at(STRANGER));
        for response in [
            Message::success(&request).with(mapped),
            Message::error(&request, Code::UNAUTHENTICATED.into()),
            Message::error(&request, Code::ROLE_CONFLICT.into()),
            Message::error(&request, Code::BAD_REQUEST.into()),
            Message::error(&request, Code::SERVER_ERROR.into()),
        ] {
            for key in [None, Some(&wrong), Some(&own)] {
                for from in [PEER, STRANGER] {
                    must_not_matter(&mut script, phase, from, &response.encode(key));
                }
            }
        }
        // The right key, and an id nobody waits for.
        let other = script.bare_check(Say::default());
        let answer = Message::success(&other).encode(Some(&script.peer_key()));
        must_not_matter(&mut script, phase, PEER, &answer);
    }
}

#[test]
fn row_19_an_answer_counts_once() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let sent = script.sent();
    let answer = script.answer(&sent[0]);
    script.receive(at(PEER), &answer).unwrap();
    assert_eq!(script.receive(at(PEER), &answer), Err(Error::UnknownTransaction));
}

#[test]
fn row_20_username_is_exactly_local_and_remote() {
    for (phase, mut script) in phases() {
        let local = script.agent.local_credentials().ufrag.clone();
        let names = [
            String::new(),
            local.clone(),
            format!("{local}:"),
            format!("{local}:peer:"),
            format!("{local}:peer:more"),
            format!(":{local}:peer"),
            format!("peer:{local}"),
            format!("{local}x:peer"),
            format!("{local}:p\u{e9}er"),
        ];
        for name in names {
            let check = script
                .bare_check(Say::nominate())
                .with(Attribute::Username(name.as_str().into()))
                .encode(Some(&script.agent_key()));
            must_not_matter(&mut script, phase, PEER, &check);
        }
        if phase != "fresh" {
            let check = script
                .bare_check(Say::nominate())
                .with(Attribute::Username(format!("{local}:peeR").as_str().into()))
                .encode(Some(&script.agent_key()));
            must_not_matter(&mut script, phase, PEER, &check);
        }
    }
}

#[test]
fn row_20_early_checks_of_another_session_are_not_followed_up() {
    let mut script = Script::new(Role::Controlled);
    let local = script.agent.local_credentials().ufrag.clone();
    let check = script
        .bare_check(Say::nominate())
        .with(Attribute::Username(format!("{local}:another").as_str().into()))
        .encode(Some(&script.agent_key()));
    script.receive(at(STRANGER), &check).unwrap();
    script.sent();
    script.introduce();
    assert!(script.sent().is_empty());
    assert!(!script.agent.is_validated(ice::Path::udp(script.local(), at(STRANGER))));
}

#[test]
fn row_21_use_candidate_from_the_controlled_side_nominates_nothing() {
    let mut script = Script::introduced(Role::Controlling);
    script.candidate("9 1 udp 100 203.0.113.9 9 typ host");
    let say = Say { use_candidate: true, priority: 1, ..Say::controlled() };
    script.check_from(PEER, say).unwrap();
    let sent: Vec<_> = script.pass(millis(120)).into_iter().map(|(_, transmit)| transmit).collect();
    let ours: Vec<_> = sent.into_iter().filter(|transmit| transmit.remote == at(PEER)).collect();
    script.answer_all(&ours);
    assert!(script.agent.pair_stats().all(|pair| !pair.nominated));
    assert_eq!(script.agent.state(), ConnectionState::Connected);
}

#[test]
fn row_22_both_role_attributes_are_refused() {
    let mut script = Script::introduced(Role::Controlled);
    let username = Attribute::Username(script.username().as_str().into());
    let check = script
        .bare_check(Say::nominate())
        .with(Attribute::IceControlled(7))
        .with(username)
        .encode(Some(&script.agent_key()));
    script.receive(at(PEER), &check).unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 1);
    let refusal = parse(&sent[0]);
    assert_eq!(refusal.error_code().unwrap().code, Code::BAD_REQUEST);
    assert_eq!(refusal.verify(&script.agent_key()), Ok(()));
    assert!(sent[0].payload.len() <= check.len());
    assert_eq!(script.agent.pair_stats().count(), 0);
}

#[test]
fn row_22_the_larger_tie_breaker_leads() {
    for (role, theirs, expected, refused) in [
        (Role::Controlling, 0, Role::Controlling, true),
        (Role::Controlling, u64::MAX, Role::Controlled, false),
        (Role::Controlled, 0, Role::Controlling, false),
        (Role::Controlled, u64::MAX, Role::Controlled, true),
    ] {
        let mut script = Script::introduced(role);
        let say = Say { role, tie_breaker: theirs, ..Say::default() };
        script.check_from(PEER, say).unwrap();
        assert_eq!(script.agent.role(), expected);
        let class = if refused { Class::Error } else { Class::Success };
        assert_eq!(parse(&script.sent()[0]).class, class);
    }
}

#[test]
fn row_16_unknown_required_attribute_is_420_only_after_integrity() {
    let mut script = Script::introduced(Role::Controlled);
    let username = Attribute::Username(script.username().as_str().into());
    let value = bytes::Bytes::from_static(b"odd!");
    let odd = Attribute::Unknown { ty: AttributeType(0x7abc), value };
    let check = script.bare_check(Say::nominate()).with(username).with(odd);
    must_not_matter(&mut script, "unsigned", PEER, &check.encode(None));
    let key = script.agent_key();
    script.receive(at(PEER), &check.encode(Some(&key))).unwrap();
    let refusal = parse(&script.sent()[0]);
    assert_eq!(refusal.error_code().unwrap().code, Code::UNKNOWN_ATTRIBUTE);
    assert_eq!(refusal.verify(&key), Ok(()));
    assert_eq!(script.agent.pair_stats().count(), 0);
}

#[test]
fn row_23_response_from_another_address() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let sent = script.sent();
    let answer = script.answer(&sent[0]);
    assert_eq!(script.receive(at(STRANGER), &answer), Err(Error::NotSymmetric));
    assert!(script.agent.selected_pair().is_none());
    let pair = script.agent.pair_stats().next().unwrap();
    assert_eq!(pair.state, ice::PairState::Failed);
    assert!(!script.agent.is_validated(ice::Path::udp(script.local(), at(STRANGER))));
    assert!(!script.agent.is_validated(ice::Path::udp(script.local(), at(PEER))));
}

#[test]
fn row_23_a_stray_answer_does_not_fail_a_pair_that_works() {
    let (_, mut script) = phases().pop().unwrap();
    let consent = script.pass(seconds(6)).pop().unwrap().1;
    let answer = script.answer(&consent);
    assert_eq!(script.receive(at(STRANGER), &answer), Err(Error::NotSymmetric));
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    script.receive(at(PEER), &answer).unwrap();
}

#[test]
fn row_24_ten_thousand_candidates_make_a_hundred_pairs_and_one_check_per_ta() {
    let mut script = Script::introduced(Role::Controlling);
    for index in 0..10_000u32 {
        let port = 1 + index % 60_000;
        let line = format!("f{index} 1 udp {} 198.51.100.7 {port} typ host", index + 1);
        let candidate = ice::Candidate::parse(&line).unwrap();
        let _ = script.agent.add_remote_candidate(script.now, candidate);
    }
    assert_eq!(script.agent.pair_stats().count(), 100);
    let best = script.agent.pair_stats().next().unwrap().remote.port();
    assert_eq!(best, 10_000, "the highest priorities stay");
    let sent = script.pass(seconds(60));
    let fresh: std::collections::HashSet<_> =
        sent.iter().map(|(_, transmit)| parse(transmit).transaction_id.0).collect();
    assert!(fresh.len() <= 100);
    let packets_in_first_five_seconds = 5000 / 50;
    assert!(sent.len() <= 7 * 100);
    assert!(fresh.len() <= packets_in_first_five_seconds + 3);
}

#[test]
fn row_24_a_flood_of_checks_from_many_addresses() {
    // By someone who knows the credentials: a malicious page at the other end.
    let mut script = Script::introduced(Role::Controlled);
    let start = script.now;
    let mut checks = 0;
    for index in 0..5000u32 {
        let from = format!("198.51.{}.{}:{}", index / 250 % 250, 1 + index % 250, 1024 + index);
        script.check_from(&from, Say::nominate()).unwrap();
        checks += requests(&script.sent()).len();
        if index % 10 == 0 {
            let sent: Vec<_> =
                script.pass(millis(10)).into_iter().map(|(_, transmit)| transmit).collect();
            checks += requests(&sent).len();
        }
    }
    let slots = (script.now - start).as_millis() / 50;
    assert!(script.agent.pair_stats().count() <= 100);
    // Retransmissions come on top: six of each check at most, and few in these seconds.
    assert!(checks as u128 <= 4 * slots + 4, "{checks} packets in {slots} slots");
}

#[test]
fn row_24_a_working_pair_survives_the_flood() {
    let (_, mut script) = phases().pop().unwrap();
    for index in 0..500u32 {
        let from = format!("198.51.100.{}:{}", 1 + index % 250, 1024 + index);
        script.check_from(&from, Say::controlled()).unwrap();
        script.pass(millis(5));
    }
    assert_eq!(script.remote(), Some(at(PEER)));
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn row_24_checks_before_the_answer_are_remembered_in_bounds() {
    let mut script = Script::new(Role::Controlled);
    for index in 0..5000u32 {
        let from = format!("198.51.100.{}:{}", 1 + index % 250, 1024 + index);
        script.check_from(&from, Say::nominate()).unwrap();
    }
    assert!(script.sent().len() <= 64, "an owner that does not drain loses the oldest answers");
    script.introduce();
    assert!(script.agent.pair_stats().count() <= 16);
}

#[test]
fn row_25_candidates_nobody_can_send_to_are_ignored() {
    let mut script = Script::introduced(Role::Controlling);
    for address in [
        "192.0.2.2 0",
        "0.0.0.0 1",
        "224.0.0.1 1",
        "255.255.255.255 1",
        ":: 1",
        "ff02::1 1",
        "::ffff:192.0.2.2 1",
    ] {
        script.candidate(&format!("1 1 udp 1 {address} typ host"));
    }
    assert_eq!(script.agent.pair_stats().count(), 0);
    let now = script.now;
    for address in ["0.0.0.0:1", "192.0.2.1:0", "[ff02::1]:1"] {
        assert!(script.agent.add_local_candidate(now, at(address)).is_none());
    }
}

#[test]
fn row_26_names_are_not_looked_up_and_cost_nothing() {
    let mut script = Script::introduced(Role::Controlling);
    for index in 0..10_000 {
        script.candidate(&format!("1 1 udp 1 host-{index}.local 1 typ host"));
    }
    assert!(script.sent().is_empty());
    assert_eq!(script.agent.pair_stats().count(), 0);
}

#[test]
fn row_09_only_validated_addresses() {
    let mut script = Script::introduced(Role::Controlling);
    script.host(PEER, 1000);
    let local = script.local();
    assert!(
        !script.agent.is_validated(ice::Path::udp(local, at(PEER))),
        "signalled is not validated"
    );
    script.settle();
    assert!(script.agent.is_validated(ice::Path::udp(local, at(PEER))));
    assert!(!script.agent.is_validated(ice::Path::udp(local, at(STRANGER))));
    assert!(!script.agent.is_validated(ice::Path::udp(at("192.0.2.1:1001"), at(PEER))));
    let now = script.now;
    script.agent.close(now);
    assert!(!script.agent.is_validated(ice::Path::udp(local, at(PEER))));
}

#[test]
fn row_06_datagrams_of_odd_sizes_and_addresses() {
    for (phase, mut script) in phases() {
        for payload in [&[][..], &[0], &[0; 19], &[0; 20], &vec![0; 65_507]] {
            must_not_matter(&mut script, phase, STRANGER, payload);
        }
        let check = script.check(Say::default());
        let datagram = ice::Datagram::udp(at("192.0.2.99:1000"), at(PEER), &check);
        let now = script.now;
        assert_eq!(script.agent.handle_datagram(now, datagram), Err(Error::UnknownLocalAddress));
    }
}

#[test]
fn row_30_other_remote_credentials_are_a_restart() {
    let mut script = Script::introduced(Role::Controlled);
    script.introduce();
    let mut other = script.credentials.clone();
    other.ufrag = "other".to_owned();
    let now = script.now;
    assert_eq!(script.agent.set_remote_credentials(now, other), Err(Error::CredentialsChanged));
}

/// Octets that strangers send: noise, STUN with somebody else's name, and checks of the peer with one
/// octet changed.
fn garbage(script: &mut Script, rng: &mut StdRng, number: u32) -> Vec<u8> {
    match number % 4 {
        0 => {
            let mut noise = vec![0; rng.random_range(0..200)];
            rng.fill_bytes(&mut noise);
            noise
        }
        1 => {
            let name = format!("{number:08x}:peer");
            let check = script.bare_check(Say::nominate());
            check.with(Attribute::Username(name.as_str().into())).encode(None).to_vec()
        }
        2 => {
            let check = script.bare_check(Say::nominate());
            let message = Message::success(&check).with(Attribute::XorMappedAddress(at(STRANGER)));
            message.encode(None).to_vec()
        }
        _ => {
            // Not after the integrity: of what stands there nothing counts but the fingerprint.
            let mut check = script.check(Say::nominate()).to_vec();
            let place = rng.random_range(0..check.len() - 32);
            check[place] ^= rng.random_range(1..=255u8);
            check
        }
    }
}

#[test]
fn row_18_a_hundred_thousand_datagrams_of_garbage_get_no_octet_and_leave_no_trace() {
    let mut rng = StdRng::seed_from_u64(18);
    for (phase, mut script) in phases() {
        script.sent();
        script.events();
        let before = fingerprint(&script);
        for number in 0..25_000 {
            let octets = garbage(&mut script, &mut rng, number);
            let from = if number % 2 == 0 { PEER } else { STRANGER };
            assert!(script.receive(at(from), &octets).is_err(), "{phase} {number}");
        }
        assert_eq!(fingerprint(&script), before, "{phase}");
        assert!(script.sent().is_empty() && script.events().is_empty(), "{phase}");
    }
}

#[test]
fn row_18_a_call_stays_up_in_a_storm_of_garbage() {
    let mut rng = StdRng::seed_from_u64(19);
    let (_, mut script) = phases().pop().unwrap();
    for number in 0..10_000 {
        let octets = garbage(&mut script, &mut rng, number);
        let _ = script.receive(at(PEER), &octets);
        let sent: Vec<_> = script.pass(millis(10)).into_iter().map(|(_, it)| it).collect();
        script.answer_all(&sent);
    }
    assert_eq!(script.agent.state(), ConnectionState::Completed);
    assert_eq!(script.remote(), Some(at(PEER)));
}

#[test]
fn row_18_a_flood_of_unknown_fragments_costs_no_memory() {
    let mut script = Script::new(Role::Controlled);
    let key = script.agent_key();
    for number in 0..10_000u32 {
        let name = format!("u{number}:peer");
        let check = script.bare_check(Say::nominate());
        let octets = check.with(Attribute::Username(name.as_str().into())).encode(Some(&key));
        let from = format!("198.51.100.{}:{}", 1 + number % 250, 1024 + number);
        assert_eq!(script.receive(at(&from), &octets), Err(Error::WrongUsername));
    }
    assert!(script.sent().is_empty());
    script.introduce();
    assert!(script.sent().is_empty());
    assert_eq!(script.agent.pair_stats().count(), 0);
}

#[test]
fn row_18_no_answer_is_longer_than_its_check() {
    // Before the peer's credentials are known nothing is sent but answers: never more octets out than
    // in. Whoever gets one knows our password; it is the peer, or it has read the signalling.
    for from in ["192.0.2.2:2000", "[2001:db8::2]:2000"] {
        let mut script = Script::new(Role::Controlled);
        let now = script.now;
        let local = match from.starts_with('[') {
            true => at("[2001:db8::1]:1000"),
            false => script.local(),
        };
        script.agent.add_local_candidate(now, local);
        for say in [Say::default(), Say::nominate(), Say::renominate(7)] {
            let check = script.check(say);
            let datagram = ice::Datagram::udp(local, at(from), &check);
            script.agent.handle_datagram(now, datagram).unwrap();
            let out: usize = script.sent().iter().map(|it| it.payload.len()).sum();
            assert!(out > 0 && out <= check.len(), "{out} of {}", check.len());
        }
        assert!(script.pass(seconds(100)).is_empty());
    }
}

#[test]
fn row_24_what_a_forged_source_gets_is_one_check_a_slot() {
    // The peer itself checks from a victim's address: what the victim gets is the answer and our own
    // check, seven times at most, and never data.
    let mut script = Script::introduced(Role::Controlled);
    script.check_from(STRANGER, Say::nominate()).unwrap();
    let sent: Vec<_> = script.pass(seconds(100)).into_iter().map(|(_, it)| it).collect();
    assert_eq!(sent.len(), 1 + 7);
    assert!(!script.agent.may_send());
}

#[test]
fn row_19_an_answer_that_comes_by_another_way_of_ours() {
    // The right id, the right key, the right source; but through the relay, or by TCP.
    let mut script = Script::introduced(Role::Controlling);
    let now = script.now;
    let relayed = at("198.51.100.1:5000");
    let relay = ice::Gathered::Relayed {
        relayed,
        mapped: at("203.0.113.1:1"),
        transport: ice::ServerTransport::Udp,
    };
    script.agent.add_local_candidate(now, relay).unwrap();
    script.host(PEER, 1000);
    let sent = script.sent();
    assert_eq!(sent[0].local, script.local());
    let answer = script.answer(&sent[0]);
    let other = ice::Transmit { local: relayed, ..sent[0].clone() };
    assert_eq!(script.reply(&other, &answer), Err(Error::NotSymmetric));
    assert!(script.agent.selected_pair().is_none());
    let by_tcp = ice::Transmit { protocol: ice::Protocol::Tcp, ..sent[0].clone() };
    assert_eq!(script.reply(&by_tcp, &answer), Err(Error::UnknownLocalAddress));
}

#[test]
fn row_24_thousands_of_candidates_and_many_addresses_of_ours() {
    let mut script = Script::introduced(Role::Controlling);
    let now = script.now;
    for number in 1..=40 {
        let host = format!("10.0.0.{number}:1000");
        script.agent.add_local_candidate(now, at(&host)).unwrap();
    }
    for number in 0..5000u32 {
        let port = 1 + number % 60_000;
        let line = format!("f{number} 1 udp {} 198.51.100.7 {port} typ host", number + 1);
        let candidate = ice::Candidate::parse(&line).unwrap();
        let _ = script.agent.add_remote_candidate(now, candidate);
    }
    assert_eq!(script.agent.pair_stats().count(), 100);
}
