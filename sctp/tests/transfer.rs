//! Messages arrive, whole, once and in order, whatever the network does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test")]

mod pair;

use std::time::Duration;

use pair::{A, B, Link, Pair, message, octets};
use sctp::{Config, Message};

fn exact(link: Link, seed: u64) -> Pair {
    let mut pair = Pair::new(Config::default(), seed);
    pair.link = link;
    pair.connect();
    let mut expected = vec![Vec::new(); 4];
    for number in 0..60u64 {
        let stream = u16::try_from(number % 4).unwrap();
        let length = [1, 64, 1160, 1161, 5000, 65_536]
            [usize::from(stream) % 4 + usize::try_from(number / 20).unwrap() % 3];
        let payload = octets(length, number);
        expected[usize::from(stream)].push(payload.clone());
        let ordered = stream != 3;
        pair.send(A, stream, Message { ordered, ..message(payload.clone()) });
        pair.send(B, stream, Message { ordered, ..message(payload) });
    }
    pair.run_until(|pair| pair.count(A) == 60 && pair.count(B) == 60);
    for end in [A, B] {
        for (stream, expected) in (0..).zip(&mut expected) {
            let mut messages = pair.messages(end, stream);
            if stream == 3 {
                messages.sort();
                expected.sort();
            }
            assert!(messages == *expected, "seed {seed}, stream {stream}");
        }
    }
    pair
}

#[test]
fn over_a_perfect_link() {
    let pair = exact(pair::PERFECT, 0);
    assert_eq!(pair.ends[A].association.stats().retransmissions, 0);
}

#[test]
fn over_links_that_lose_reorder_and_duplicate() {
    let ms = Duration::from_millis;
    for seed in 0..40 {
        exact(Link { delay: ms(20), jitter: ms(0), loss: 5, duplication: 0 }, seed);
        exact(Link { delay: ms(20), jitter: ms(40), loss: 0, duplication: 5 }, seed);
        exact(Link { delay: ms(20), jitter: ms(30), loss: 15, duplication: 10 }, seed);
        exact(Link { delay: ms(5), jitter: ms(5), loss: 40, duplication: 0 }, seed);
    }
}

#[test]
fn trap_one_sack_for_a_whole_batch_does_not_hold_the_sender_to_a_batch_a_round_trip() {
    let mut pair = Pair::new(Config::default(), 1);
    pair.link = Link { delay: Duration::from_millis(50), ..pair::PERFECT };
    pair.connect();
    let begun = pair.now;
    for number in 0..64 {
        pair.send(A, 0, message(octets(65_536, number)));
    }
    pair.run_until(|pair| pair.count(B) == 64);
    // 4 MiB. A batch of 32 packets each round trip of 100 ms would take eleven seconds.
    let took = pair.now - begun;
    assert!(took < Duration::from_secs(3), "{took:?}");
}
