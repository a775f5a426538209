//! Rows 18 to 30: connectivity checks, by strangers and by a peer that knows the credentials.

use std::time::Duration;

use bytes::Bytes;
use peer::{ConnectionState, Event};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stun::{Attribute, Class, Code, Key, Message, Method, TransactionId};
use tests::sim::Link;
use tests::{Datagram, Endpoint};

use super::rogue::Call;
use crate::peer::{LEFT, RIGHT, address, closed, config};

const STRANGER: &str = "203.0.113.66:666";

/// A check to the victim; the username is `ours` of the victim and `theirs`.
fn check(id: &mut StdRng, username: &str) -> Message {
    Message::request(Method::BINDING, TransactionId::random(id))
        .with(Attribute::Username(username.into()))
        .with(Attribute::Priority(1))
        .with(Attribute::IceControlling(u64::MAX))
        .with(Attribute::UseCandidate)
}

/// The victim's user name fragment and password, and the rogue's fragment.
fn credentials(call: &mut Call) -> (String, String, String) {
    let sdp = call.victim().local_description().unwrap().sdp;
    let value =
        |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let rogue = call.rogue().agent.local_credentials().ufrag.clone();
    (value("a=ice-ufrag:"), value("a=ice-pwd:"), rogue)
}

#[test]
fn row_18_a_flood_of_checks_with_wrong_credentials_gets_no_answer() {
    let mut call = Call::established();
    let (ours, _, theirs) = credentials(&mut call);
    let mut rng = StdRng::seed_from_u64(1);
    let wrong = Key::short_term("not the password of anybody here");
    let username = format!("{ours}:{theirs}");
    let forged: Vec<Bytes> = [
        check(&mut rng, &username).encode(None),
        check(&mut rng, &username).encode(Some(&wrong)),
        check(&mut rng, &ours).encode(Some(&wrong)),
        check(&mut rng, "").encode(Some(&wrong)),
        Message::request(Method::BINDING, TransactionId::random(&mut rng)).encode(None),
    ]
    .into();
    let (sent, events) = (call.pair.right.sent, call.pair.right.events.len());
    for round in 0..2_000 {
        for payload in &forged {
            let source = if round % 2 == 0 { STRANGER } else { LEFT };
            assert!(!call.inject(source, payload.clone()));
        }
    }
    assert_eq!((call.pair.right.sent, call.pair.right.events.len()), (sent, events));
    call.must_echo();
}

/// Whoever sees the checks but does not know the password: answers with the right transaction id,
/// before the true ones come.
#[test]
fn row_19_forged_answers_to_real_checks_fail_nothing() {
    let mut call = Call::new(dtls::Role::Server, config(1), &Link::default().delay(10));
    let wrong = Key::short_term("not the password of anybody here");
    let mut forged = 0;
    call.pair.run_for_with(Duration::from_secs(3), |now, rogue, victim| {
        for seen in rogue.overheard.clone() {
            let Ok(request) = Message::parse(&seen) else { continue };
            if request.class != Class::Request {
                continue;
            }
            let mapped = Attribute::XorMappedAddress(address(RIGHT));
            let answers = [
                Message::error(&request, Code::UNAUTHENTICATED.into()),
                Message::error(&request, Code::ROLE_CONFLICT.into()),
                Message::success(&request).with(mapped),
            ];
            for answer in answers {
                for payload in [answer.encode(None), answer.encode(Some(&wrong))] {
                    let (source, destination) = (address(LEFT), address(RIGHT));
                    let datagram = Datagram::udp(source, destination, payload);
                    assert!(Endpoint::handle_datagram(&mut **victim, now, datagram).is_err());
                    forged += 1;
                }
            }
        }
    });
    assert!(forged > 20);
    call.wait_established();
    call.must_echo();
}

/// A malicious page at the other end knows the credentials, and can make the victim send packets to
/// others: slowly (RFC 8445 §19.5.1).
#[test]
fn row_24_a_flood_of_checks_from_ten_thousand_addresses() {
    let mut call = Call::established();
    let (ours, password, theirs) = credentials(&mut call);
    let (key, mut rng) = (Key::short_term(&password), StdRng::seed_from_u64(2));
    let (start, sent) = (call.pair.elapsed(), call.pair.right.sent);
    for index in 0..10_000_u32 {
        let source = format!("203.0.{}.{}:{}", index / 250, index % 250, 1024 + index);
        let check = check(&mut rng, &format!("{ours}:{theirs}")).encode(Some(&key));
        call.inject(&source, check);
        if index % 100 == 0 {
            call.pass(10);
        }
    }
    call.pass(2_000);
    let slots = usize::try_from((call.pair.elapsed() - start).as_millis() / 50).unwrap();
    let extra = (call.pair.right.sent - sent).saturating_sub(10_000);
    assert!(extra <= 4 * slots + 20, "{extra} packets in {slots} slots of Ta besides the answers");
    call.must_echo();
}

#[test]
fn row_25_row_26_candidates_nobody_should_be_sent_to_get_nothing() {
    let mut call = Call::established();
    let candidates = [
        "192.0.2.9 0",
        "224.0.0.1 5000",
        "255.255.255.255 5000",
        "0.0.0.0 5000",
        "ff02::1 5000",
        ":: 5000",
        "printer.local 5000",
        "www.example.com 80",
    ];
    for candidate in candidates {
        let candidate = format!("candidate:1 1 udp 2130706431 {candidate} typ host");
        let now = call.pair.now();
        let init =
            peer::IceCandidate { candidate, sdp_mid: Some("0".into()), ..Default::default() };
        // Refused or ignored.
        let _ = call.victim().add_ice_candidate(now, init);
    }
    let mut elsewhere = 0;
    for _ in 0..40 {
        let now = call.pair.now() + Duration::from_millis(50);
        call.victim().handle_timeout(now);
        while let Some(transmit) = call.victim().poll_transmit(now) {
            elsewhere += usize::from(transmit.remote != address(LEFT));
        }
        call.pass(50);
    }
    assert_eq!(elsewhere, 0);
    call.must_echo();
}

/// The peer goes on to send data, but answers no check any more: that is no consent
/// (RFC 7675 §5.1), however alive it looks.
#[test]
fn row_27_data_is_no_consent() {
    let mut call = Call::established();
    call.must_echo();
    call.rogue().answers_checks = false;
    let cut = call.pair.elapsed();
    let mut last = cut;
    let (mut number, mut echo) = (0, crate::peer::Echo::default());
    let dcep = call.rogue().data(3, 0, sctp::Ppid::DCEP, super::rogue::open("talks"));
    call.say(&[&dcep]);
    while call.pair.elapsed() < cut + Duration::from_secs(60) {
        number += 1;
        let data = call.rogue().data(3, number, sctp::Ppid::STRING, "are you there?");
        let packets = call.rogue().packets;
        call.say(&[&data]);
        call.pair.run_for_with(Duration::from_millis(200), |now, _, victim| {
            echo.drive(now, victim);
        });
        if call.rogue().packets > packets {
            last = call.pair.elapsed();
        }
    }
    let silent_after = last - cut;
    assert!(silent_after <= Duration::from_millis(30_400), "{silent_after:?}");
    assert!(silent_after >= Duration::from_secs(20), "{silent_after:?}");
    let told = |state| call.pair.right.events.contains(&Event::ConnectionStateChange(state));
    assert!(told(ConnectionState::Failed));
}

#[test]
fn row_30_after_a_restart_the_old_credentials_are_dead() {
    let (mut pair, _) = crate::peer::pair(1, &Link::default().delay(5));
    pair.run_until(Duration::from_secs(5), |_, left, right| {
        [left, right].iter().all(|side| side.connection_state() == ConnectionState::Connected)
    });
    let value = |sdp: &str, name: &str| {
        sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
    };
    let texts = [&pair.right, &pair.left].map(|side| side.local_description().unwrap().sdp);
    let [ours, theirs] = [&texts[0], &texts[1]].map(|sdp| value(sdp, "a=ice-ufrag:"));
    let key = Key::short_term(&value(&texts[0], "a=ice-pwd:"));
    let now = pair.now();
    pair.left.restart_ice(now);
    crate::peer::negotiate(now, &mut pair.left, &mut pair.right);
    pair.run_for(Duration::from_secs(5));
    let mut rng = StdRng::seed_from_u64(3);
    for source in [LEFT, STRANGER] {
        let payload = check(&mut rng, &format!("{ours}:{theirs}")).encode(Some(&key));
        let (source, destination) = (address(source), address(RIGHT));
        assert!(!pair.inject(Datagram::udp(source, destination, payload)));
    }
    assert_eq!(closed(&pair.right), None);
}
