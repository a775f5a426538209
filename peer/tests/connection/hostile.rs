//! Strangers and broken input: whatever they send, at any moment, changes nothing.

use std::time::{Duration, Instant};

use peer::{ConnectionState, Error, Event, Message, SessionDescription};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::net::{A, B, Net, address, stranger};

const SECOND: Duration = Duration::from_secs(1);

/// One datagram of each kind that could mean something to somebody.
fn zoo(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    let mut response = stun.clone();
    response[..2].copy_from_slice(&[1, 1]);
    let close_notify = vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0];
    let client_hello = [
        &[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14][..],
        &[1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0xfe, 0xfd],
    ]
    .concat();
    let application_data = vec![23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3];
    let rtp = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9];
    let rtcp = vec![0x80, 200, 0, 1, 0, 0, 0, 1];
    let mut zoo = vec![
        vec![],
        vec![0],
        stun,
        response,
        close_notify,
        client_hello,
        application_data,
        rtp,
        rtcp,
        vec![64, 0, 0, 0],
        vec![255; 100],
        vec![22; 65_507],
        vec![0; 65_507],
    ];
    for first in 0..=u8::MAX {
        let mut noise = vec![first];
        noise.extend((0..rng.random_range(0..60)).map(|_| rng.random::<u8>()));
        zoo.push(noise);
    }
    zoo
}

/// A call during which a stranger sends everything, at every step; and sends what it has overheard
/// from its own address. The same call without it is the measure.
#[test]
fn strangers_change_nothing_at_any_phase() {
    let calm = call(false);
    let attacked = call(true);
    assert_eq!(calm, attacked);
}

fn call(attacked: bool) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(5);
    let mut net = Net::new();
    let attack = |net: &mut Net, rng: &mut StdRng| {
        if !attacked {
            return;
        }
        let overheard: Vec<_> =
            net.sent.iter().rev().take(20).map(|(.., t)| t.payload.to_vec()).collect();
        for payload in zoo(rng) {
            for end in [A, B] {
                assert!(net.inject(end, stranger(), &payload).is_err());
            }
        }
        // What it has overheard is refused too, unless it is STUN with our own integrity: that comes
        // from a peer that moved, for all we can know, and may be answered.
        for payload in overheard.iter().filter(|payload| payload[0] > 3) {
            for end in [A, B] {
                assert!(matches!(net.inject(end, stranger(), payload), Err(Error::Unvalidated)));
            }
        }
    };
    let now = net.now;
    let ours = net.ends[A].create_data_channel(now, "chat", Default::default()).unwrap();
    attack(&mut net, &mut rng);
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    attack(&mut net, &mut rng);
    net.ends[B].set_remote_description(now, offer).unwrap();
    attack(&mut net, &mut rng);
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    let answer = net.ends[B].local_description().unwrap();
    attack(&mut net, &mut rng);
    net.ends[A].set_remote_description(now, answer).unwrap();
    for _ in 0..30 {
        attack(&mut net, &mut rng);
        net.run(net.delay / 2);
    }
    let theirs = net.incoming(B);
    attack(&mut net, &mut rng);
    net.deliver(A, ours, theirs, "unharmed");
    assert!(net.sent.iter().all(|(.., t)| t.remote != stranger()), "no reply to a stranger");
    let events = |end: usize| net.events[end].iter().map(move |event| format!("{end} {event:?}"));
    events(A).chain(events(B)).collect()
}

/// Row 9: DTLS from an address that ICE has not validated is dropped before DTLS sees it, even if
/// every octet is genuine.
#[test]
fn row_09_nothing_but_stun_from_unvalidated_addresses() {
    let (mut net, ..) = Net::connected();
    net.run(SECOND);
    net.ends[A].create_data_channel(net.now, "more", Default::default()).unwrap();
    let now = net.now;
    let genuine =
        std::iter::from_fn(|| net.ends[A].poll_transmit(now)).find(|t| t.payload[0] == 23);
    let genuine = genuine.expect("a record");
    let result = net.inject(B, stranger(), &genuine.payload);
    assert!(matches!(result, Err(Error::Unvalidated)), "{result:?}");
    net.inject(B, address(A), &genuine.payload).unwrap();
    let again = net.inject(B, address(A), &genuine.payload);
    assert!(matches!(again, Err(Error::Dtls(_))), "a replay: {again:?}");
}

#[test]
fn row_09_early_dtls_before_any_check_is_dropped() {
    let mut net = Net::new();
    let result = net.inject(A, address(B), &[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(result, Err(Error::Unvalidated)), "{result:?}");
}

/// A validated peer cannot fill us with early datagrams: four are held.
#[test]
fn early_datagrams_are_held_but_few() {
    let mut net = Net::new();
    let now = net.now;
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    net.ends[B].set_remote_description(now, offer).unwrap();
    net.ends[B].set_local_description(now, SessionDescription::answer("")).unwrap();
    net.passes = Box::new(|_, transmit| transmit.payload[0] < 4);
    net.run(SECOND);
    let held = (0..10).filter(|_| net.inject(A, address(B), &[22; 1200]).is_ok()).count();
    assert_eq!(held, 4);
    assert!(matches!(net.inject(A, address(B), &[22; 1200]), Err(Error::TooEarly)));
    // They were nonsense; the call is none the worse.
    net.passes = Box::new(|_, _| true);
    let answer = net.ends[B].local_description().unwrap();
    let now = net.now;
    net.ends[A].set_remote_description(now, answer).unwrap();
    assert!(net.run_until(10 * SECOND, Net::both_connected));
}

#[test]
fn row_06_and_07_lengths_and_first_octets_from_the_peer_itself() {
    let (mut net, ours, theirs) = Net::connected();
    for payload in zoo(&mut StdRng::seed_from_u64(9)) {
        let result = net.inject(B, address(A), &payload);
        match payload.first() {
            None | Some(4..=19 | 64..=127 | 192..=255) => {
                assert!(matches!(result, Err(Error::UnknownProtocol)), "{result:?}");
            }
            Some(128..=191) => assert!(matches!(result, Err(Error::Srtp(_))), "{result:?}"),
            Some(0..=3) => assert!(result.is_err()),
            Some(20..=63) => {}
        }
    }
    assert!(net.ends[B].get_stats(net.now).transport.traffic.media_discarded > 60);
    net.deliver(A, ours, theirs, "unharmed");
}

/// Row 4: storms are counted and cost nothing that stays.
#[test]
fn row_04_a_storm_is_counted() {
    let (mut net, ours, theirs) = Net::connected();
    let before = net.ends[B].get_stats(net.now).transport.traffic.packets_discarded;
    let mut rng = StdRng::seed_from_u64(3);
    let start = Instant::now();
    for _ in 0..20_000 {
        let payload: [u8; 100] = rng.random();
        assert!(net.inject(B, stranger(), &payload).is_err());
    }
    let each = start.elapsed() / 20_000;
    assert!(each < Duration::from_micros(200), "{each:?} for a stranger's datagram");
    let after = net.ends[B].get_stats(net.now).transport.traffic.packets_discarded;
    assert_eq!(after - before, 20_000);
    net.drain();
    net.deliver(A, ours, theirs, "unharmed");
}

/// Every bit of every datagram of a call can flip: no panic, and the call survives it or fails in
/// order.
#[test]
fn row_01_corruption_of_a_whole_call() {
    let mut rng = StdRng::seed_from_u64(11);
    let (mut net, ours, theirs) = Net::connected();
    for round in 0..50 {
        net.ends[A].send(net.now, ours, Message::binary(vec![round; 3000])).unwrap();
        let now = net.now;
        while let Some(transmit) = net.ends[A].poll_transmit(now) {
            for _ in 0..20 {
                let mut payload = transmit.payload.to_vec();
                let at = rng.random_range(0..payload.len());
                payload[at] ^= 1 << rng.random_range(0..8);
                let _ = net.inject(B, address(A), &payload);
                let cut = rng.random_range(0..payload.len());
                let _ = net.inject(B, address(A), &payload[..cut]);
            }
            net.inject(B, address(A), &transmit.payload).unwrap();
        }
        net.run(Duration::from_millis(100));
        let now = net.now;
        assert_eq!(net.ends[B].recv(now, theirs), Some(Message::binary(vec![round; 3000])));
    }
    assert!(net.both_connected());
}

/// A stranger's ClientHello, garbage and alerts, from the peer's own address, during the handshake.
#[test]
fn row_39_spoofed_handshake_messages_do_not_stop_the_handshake() {
    let mut net = Net::new();
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    let mut rng = StdRng::seed_from_u64(21);
    let zoo: Vec<_> =
        zoo(&mut rng).into_iter().filter(|p| p.len() < 200 && p.first() != Some(&21)).collect();
    for _ in 0..40 {
        for payload in &zoo {
            for end in [A, B] {
                let _ = net.inject(end, address(1 - end), payload);
            }
        }
        net.run(Duration::from_millis(5));
    }
    assert!(net.run_until(20 * SECOND, Net::both_connected), "{} {}", net.state(A), net.state(B));
}

/// Row 56: a peer that validates its path and then says nothing is given up in time.
#[test]
fn row_56_half_open_handshakes_end_in_half_a_minute() {
    let mut net = Net::new();
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    net.passes = Box::new(|_, transmit| transmit.payload[0] < 4);
    net.run(32 * SECOND);
    assert_eq!(net.state(B), ConnectionState::Failed);
    assert!(net.events[B].iter().any(|event| matches!(event, Event::Closed(_))));
}

/// Row 1 at the signalling door: descriptions and candidates with octets changed, cut, doubled. An
/// error leaves everything as it was; what is accepted can be answered.
#[test]
fn row_01_mutated_descriptions_never_panic_and_errors_change_nothing() {
    let mut rng = StdRng::seed_from_u64(77);
    let (mut net, ours, theirs) = Net::connected();
    let offer = net.ends[A].create_offer(net.now).unwrap().sdp;
    let browser = include_str!("../../../tests/fixtures/sdp/chromium-audio-video-data.offer.sdp");
    let now = net.now;
    for round in 0..3000 {
        let mut text = if round % 2 == 0 { offer.clone() } else { browser.to_owned() }.into_bytes();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..text.len());
            match rng.random_range(0..4) {
                0 => text[at] = rng.random_range(b' '..=b'~'),
                1 => text.truncate(at.max(1)),
                2 => drop(text.remove(at)),
                _ => text.insert(at, rng.random_range(b'0'..=b'9')),
            }
            if text.is_empty() {
                text.push(b'v');
            }
        }
        let sdp = String::from_utf8(text).unwrap();
        let end = &mut net.ends[B];
        let before = end.remote_description();
        match end.set_remote_description(now, SessionDescription::offer(sdp)) {
            Ok(()) => {
                end.create_answer(now).unwrap();
                end.set_remote_description(now, SessionDescription::rollback()).unwrap();
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        assert_eq!(end.remote_description(), before);
    }
    net.deliver(A, ours, theirs, "unharmed");
}

#[test]
fn row_78_a_bad_offer_says_which_line_and_why() {
    let mut net = Net::new();
    let now = net.now;
    let offer = net.ends[A].create_offer(now).unwrap().sdp.replace("sctp-port:5000", "sctp-port:x");
    let line = offer.lines().position(|line| line == "a=sctp-port:x").unwrap() + 1;
    let error =
        net.ends[B].set_remote_description(now, SessionDescription::offer(offer)).unwrap_err();
    let expected = format!("the description is malformed: line {line}: malformed sctp-port");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn row_80_a_connection_prints_no_password() {
    let (net, ..) = Net::connected();
    for end in &net.ends {
        let text = end.local_description().unwrap().sdp + &end.remote_description().unwrap().sdp;
        let printed = format!("{end:?}");
        for line in text.lines().filter_map(|line| line.strip_prefix("a=ice-pwd:")) {
            assert!(!printed.contains(line), "{printed}");
        }
    }
}
