//! Handshake and data over links that lose, repeat, reorder and delay (RFC 6347 §4.2.4).
//!
//! Everything through the public API, on a virtual clock; the link's misdeeds are seeded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)] // a test

mod common;

use std::time::Duration;

use common::{Client, DELAY, Fate, Pair, Server, Side, config, rng};
use dtls::CloseReason;
use proptest::prelude::*;
use rand::RngExt;

/// Both ends with datagrams of at most `mtu` octets, so that flights have many.
fn small(mtu: usize, hello_verify: bool) -> Pair {
    let (mut client, mut server) = (config(Client), config(Server));
    (client.mtu, server.mtu) = (mtu, mtu);
    server.hello_verify = hello_verify;
    Pair::with(client, server, 1)
}

/// How many datagrams each side sends in an undisturbed handshake.
fn datagrams_of(mut pair: Pair) -> (usize, usize) {
    assert!(pair.run_until_connected(Duration::from_secs(5), |_, _, _| Fate::Deliver));
    (pair.client.sent.len(), pair.server.sent.len())
}

#[test]
fn an_undisturbed_handshake_takes_two_round_trips() {
    let mut pair = Pair::new();
    assert!(pair.run_until_connected(Duration::from_secs(5), |_, _, _| Fate::Deliver));
    assert_eq!(pair.elapsed(), 4 * DELAY);
    pair.assert_alive();
    for end in [&pair.client, &pair.server] {
        let stats = end.connection.stats();
        assert_eq!((stats.discarded, stats.retransmissions), (0, 0));
        assert_eq!(end.connection.poll_timeout(), None);
    }
}

#[test]
fn row_57_each_single_datagram_may_be_lost() {
    for (mtu, hello_verify) in [(1200, false), (1200, true), (256, false), (256, true)] {
        let (client, server) = datagrams_of(small(mtu, hello_verify));
        for (side, count) in [(Client, client), (Server, server)] {
            for lost in 0..count {
                let mut pair = small(mtu, hello_verify);
                let fate = |from: Side, index: usize, _: &[u8]| match (from, index) == (side, lost)
                {
                    true => Fate::Drop,
                    false => Fate::Deliver,
                };
                let connected = pair.run_until_connected(Duration::from_secs(2), fate);
                assert!(connected, "mtu {mtu}: without {side:?}'s datagram {lost}");
                pair.assert_alive();
            }
        }
    }
}

#[test]
fn row_57_each_single_datagram_may_come_late_or_twice() {
    let (client, server) = datagrams_of(small(256, true));
    for (side, count) in [(Client, client), (Server, server)] {
        for odd in 0..count {
            for fate in [Fate::Late(Duration::from_millis(1)), Fate::Late(3 * DELAY), Fate::Twice] {
                let mut pair = small(256, true);
                let connected =
                    pair.run_until_connected(Duration::from_secs(2), |from, index, _| {
                        match (from, index) == (side, odd) {
                            true => fate.clone(),
                            false => Fate::Deliver,
                        }
                    });
                assert!(connected, "{side:?}'s datagram {odd}: {fate:?}");
                pair.assert_alive();
            }
        }
    }
}

#[test]
fn row_57_forty_percent_loss_completes_within_fifteen_seconds() {
    for seed in 0..200 {
        let mut pair = Pair::with(config(Client), config(Server), seed);
        let mut rng = rng(seed);
        let connected = pair.run_until_connected(Duration::from_secs(15), |_, _, _| {
            match rng.random_bool(0.4) {
                true => Fate::Drop,
                false => Fate::Deliver,
            }
        });
        assert!(connected, "seed {seed}");
        pair.assert_alive();
    }
}

#[test]
fn section_4_2_4_the_last_flight_is_repeated_until_it_arrives() {
    // The server is connected, its Finished never arrives, until the tenth time.
    let mut pair = Pair::new();
    let mut lost = 0;
    let connected = pair.run_until_connected(Duration::from_secs(29), |from, index, _| {
        if from == Server && index > 0 && lost < 5 {
            lost += 1;
            return Fate::Drop;
        }
        Fate::Deliver
    });
    assert!(connected && lost == 5);
    pair.assert_alive();
}

#[test]
fn row_56_a_silent_peer_is_given_up_within_thirty_seconds() {
    for lonely in Side::BOTH {
        // Nothing at all arrives, or everything until the other side falls silent.
        for heard in 0..3 {
            let mut pair = small(600, false);
            let mut left = heard;
            pair.run(Duration::from_secs(120), |from, _, _| {
                if from == lonely {
                    return Fate::Deliver;
                }
                left -= 1;
                if left >= 0 { Fate::Deliver } else { Fate::Drop }
            });
            let start = pair.start;
            let now = pair.now;
            let end = pair.end(lonely);
            if end.connected.is_none() {
                assert_eq!(end.closed, [CloseReason::Timeout], "{lonely:?} after {heard}");
            }
            assert_eq!(end.connection.poll_timeout(), None);
            assert!(now - start <= Duration::from_secs(30) + DELAY);
        }
    }
}

#[test]
fn close_right_after_connected_reaches_a_peer_that_is_not_yet_connected() {
    let mut pair = Pair::new();
    let deadline = pair.now + Duration::from_secs(5);
    while pair.server.connected.is_none() {
        assert!(pair.step(deadline, &mut |_, _, _| Fate::Deliver));
    }
    let now = pair.now;
    pair.server.connection.send(now, b"hello and goodbye").unwrap();
    pair.server.connection.close(now);
    pair.run(Duration::from_secs(60), |_, _, _| Fate::Deliver);
    assert!(pair.client.connected.is_some());
    assert_eq!(pair.client.received, [&b"hello and goodbye"[..]]);
    assert_eq!(pair.client.closed, [CloseReason::Remote]);
    assert_eq!(pair.server.closed, [CloseReason::Local]);
}

#[test]
fn after_the_end_there_is_silence() {
    for side in Side::BOTH {
        let mut pair = Pair::connected();
        let now = pair.now;
        pair.end(side).connection.close(now);
        pair.end(side).connection.close(now);
        pair.run(Duration::from_secs(60), |_, _, _| Fate::Deliver);
        assert_eq!(pair.end(side).closed, [CloseReason::Local]);
        assert_eq!(pair.end(side.other()).closed, [CloseReason::Remote]);
        for side in Side::BOTH {
            let sent = pair.end(side).sent.clone();
            for datagram in sent {
                assert!(pair.give(side.other(), &datagram).is_err());
            }
        }
        for side in Side::BOTH {
            assert!(pair.take(side).is_empty());
            assert_eq!(pair.end(side).connection.poll_timeout(), None);
            assert!(pair.end(side).connection.send(now, b"x").is_err());
        }
    }
}

/// What a chaotic link does to one datagram.
fn chaos(rng: &mut impl rand::Rng, corrupt: bool, datagram: &[u8]) -> Fate {
    match rng.random_range(0..10) {
        0 | 1 => Fate::Drop,
        2 => Fate::Twice,
        3 | 4 => Fate::Late(Duration::from_millis(rng.random_range(1..200))),
        5 if corrupt => {
            let mut octets = datagram.to_vec();
            let at = rng.random_range(0..octets.len());
            octets[at] ^= 1 << rng.random_range(0..8);
            Fate::Replace(octets)
        }
        _ => Fate::Deliver,
    }
}

/// Numbered payloads in both directions; each arrives at most once and unchanged.
fn talk_through(pair: &mut Pair, mut fate: impl FnMut(Side, usize, &[u8]) -> Fate) {
    for number in 0..50_u8 {
        for side in Side::BOTH {
            let now = pair.now;
            let payload = vec![number; usize::from(number) * 20 + 1];
            let _ = pair.end(side).connection.send(now, &payload);
        }
        pair.run(Duration::from_millis(5), &mut fate);
    }
    pair.run(Duration::from_secs(60), fate);
    for side in Side::BOTH {
        let received = &pair.end(side).received;
        let mut numbers: Vec<u8> = received.iter().map(|payload| payload[0]).collect();
        for payload in received {
            assert_eq!(*payload, vec![payload[0]; usize::from(payload[0]) * 20 + 1]);
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), received.len(), "a payload was delivered twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn loss_repetition_and_disorder_never_prevent_a_connection(seed: u64, mtu in 200..1300_usize) {
        let mut pair = small(mtu, seed % 2 == 0);
        let mut rng = rng(seed);
        let connected = pair.run_until_connected(Duration::from_secs(29), |_, _, datagram| {
            chaos(&mut rng, false, datagram)
        });
        prop_assert!(connected);
        talk_through(&mut pair, |_, _, datagram| chaos(&mut rng, false, datagram));
        pair.assert_alive();
    }

    #[test]
    fn corruption_ends_a_handshake_at_worst_and_never_a_connection(seed: u64) {
        let mut pair = small(400, seed % 2 == 0);
        let mut rng = rng(seed);
        // UDP's checksum lets next to nothing of this through: epoch 0 has no other.
        let connected = pair.run_until_connected(Duration::from_secs(60), |_, _, datagram| {
            chaos(&mut rng, true, datagram)
        });
        if connected {
            talk_through(&mut pair, |_, _, datagram| chaos(&mut rng, true, datagram));
            pair.assert_alive();
        } else {
            prop_assert!(!pair.client.closed.is_empty() || !pair.server.closed.is_empty());
        }
    }
}
