//! Loss, windows, partial reliability: what is sent again, when, and what is given up.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test"
)]

mod pair;

use std::time::{Duration, Instant};

use pair::script::{Script, TSN, data};
use pair::{A, B, Link, Pair, message, octets};
use sctp::wire::{Chunk, Data, ForwardTsn, Ssn, Tsn};
use sctp::{Config, Event, Message, Reliability, SendError, StreamId};

const MS: Duration = Duration::from_millis(1);

fn established() -> Script {
    Script::established(Config::default())
}

fn send(script: &mut Script, stream: u16, message: Message) {
    script.association.send(script.now, StreamId(stream), message).unwrap();
}

fn sending(chunks: usize) -> Script {
    let mut script = established();
    for _ in 0..chunks {
        send(&mut script, 0, message(vec![0; 1160]));
    }
    assert_eq!(script.take_data().len(), chunks);
    script
}

fn offsets(script: &mut Script) -> Vec<u32> {
    let first = script.tsn;
    script.take_data().iter().map(|data| data.tsn.since(first)).collect()
}

#[test]
fn trap_packets_are_at_most_1191_octets_with_padding() {
    // Fragments and bundles of every remainder modulo four.
    let mut pair = Pair::established(Config::default(), 1);
    for length in (1..200).chain(1150..1180).chain(2320..2330) {
        pair.send(A, 0, message(octets(length, 1)));
    }
    pair.run_until(|pair| pair.count(B) == 199 + 30 + 10);
    let longest = pair.ends[A].sent.iter().map(bytes::Bytes::len).max();
    assert_eq!(longest, Some(1188));
}

#[test]
fn the_largest_packet_is_the_browsers_1188_octets() {
    let mut script = established();
    send(&mut script, 0, message(vec![0; 5000]));
    let lengths: Vec<usize> = script.take_data().iter().map(|data| data.payload.len()).collect();
    assert_eq!(lengths, [1160, 1160, 1160, 1160, 360]);
}

#[test]
fn small_messages_share_packets() {
    let mut script = established();
    for _ in 0..140 {
        send(&mut script, 0, message(vec![0; 64]));
    }
    let packets = script.take();
    assert_eq!(packets.len(), 10);
    assert!(packets.iter().all(|packet| packet.chunks.len() == 14));
}

#[test]
fn the_first_flight_is_ten_packets_and_each_sack_lets_some_more_go() {
    let mut script = established();
    send(&mut script, 0, message(vec![0; 60_000]));
    assert_eq!(offsets(&mut script).len(), 10);
    script.sack(2, &[]);
    assert_eq!(offsets(&mut script).len(), 4, "two replaced, two of slow start");
}

#[test]
fn bursts_are_bounded_whatever_the_window() {
    let mut script = established();
    for _ in 0..20 {
        send(&mut script, 0, message(vec![0; 65_536]));
    }
    let mut sent = 0;
    for _ in 0..200 {
        let packets = script.take().len();
        assert!(packets <= 32, "{packets}");
        sent += packets as u32;
        script.sack(sent, &[]);
    }
}

#[test]
fn three_misses_retransmit_at_once() {
    let mut script = sending(8);
    script.sack(0, &[(2, 2)]);
    script.sack(0, &[(2, 3)]);
    assert_eq!(offsets(&mut script), []);
    script.sack(0, &[(2, 4)]);
    assert_eq!(offsets(&mut script), [0]);
    script.sack(0, &[(2, 5)]);
    script.sack(0, &[(2, 6)]);
    assert_eq!(offsets(&mut script), [], "once");
    script.sack(8, &[]);
    assert_eq!(script.association.stats().retransmissions, 1);
    assert_eq!(script.association.stats().timeouts, 0);
}

#[test]
fn a_lost_retransmission_is_noticed_without_the_timer() {
    let mut script = sending(4);
    for last in 2..=4 {
        script.sack(0, &[(2, last)]);
    }
    assert_eq!(offsets(&mut script), [0]);
    for _ in 0..3 {
        send(&mut script, 0, message(vec![0; 100]));
        script.take();
    }
    for last in 5..=7 {
        assert_eq!(offsets(&mut script), []);
        script.sack(0, &[(2, last)]);
    }
    assert_eq!(offsets(&mut script), [0], "acknowledged chunks were sent after it");
}

#[test]
fn t3_retransmits_one_packet_and_doubles() {
    let mut script = sending(6);
    script.later(499 * MS);
    assert_eq!(offsets(&mut script), []);
    script.later(MS);
    assert_eq!(script.take().len(), 1);
    assert_eq!(script.association.stats().timeouts, 1);
    assert_eq!(script.association.stats().congestion_window, 1188 - 12);
    script.later(999 * MS);
    assert_eq!(offsets(&mut script), []);
    script.later(MS);
    assert!(!script.take().is_empty());
    script.later(1999 * MS);
    assert_eq!(offsets(&mut script), []);
    script.later(MS);
    assert!(!script.take().is_empty());
}

#[test]
fn retransmissions_wait_for_the_congestion_window() {
    let mut script = sending(10);
    script.later(500 * MS);
    let first = offsets(&mut script);
    assert_eq!(first, [0]);
    script.sack(1, &[]);
    assert_eq!(offsets(&mut script), [1, 2], "slow start");
}

#[test]
fn what_a_gap_block_acknowledged_is_not_sent_again_by_t3() {
    let mut script = sending(4);
    script.sack(0, &[(2, 4)]);
    script.later(500 * MS);
    assert_eq!(offsets(&mut script), [0]);
    script.sack(4, &[]);
    assert!(script.association.stats().outstanding == 0);
}

#[test]
fn a_receiver_that_takes_back_what_it_acknowledged_gets_it_again() {
    let mut script = sending(4);
    script.sack(0, &[(2, 4)]);
    let mut again = Vec::new();
    for _ in 0..10 {
        script.later(3000 * MS);
        again.extend(offsets(&mut script));
        again.sort_unstable();
        again.dedup();
        let contiguous = again.iter().zip(0..).take_while(|(a, b)| **a == *b).count() as u32;
        script.sack(contiguous, &[]);
    }
    assert_eq!(again, [0, 1, 2, 3]);
}

#[test]
fn karn_a_retransmitted_chunk_measures_nothing() {
    let mut script = sending(1);
    script.later(500 * MS);
    script.take();
    script.now += MS;
    script.sack(1, &[]);
    assert_eq!(script.association.stats().smoothed_round_trip_time, None);
    send(&mut script, 0, message("x"));
    script.take();
    script.now += 30 * MS;
    script.sack(2, &[]);
    assert_eq!(script.association.stats().smoothed_round_trip_time, Some(30 * MS));
}

#[test]
fn every_second_packet_is_acknowledged_and_the_first_at_once() {
    let mut script = established();
    script.give(&data(0, 0, 0, b"x"));
    assert_eq!(script.take_sack().cumulative_tsn, Tsn(TSN));
    script.give(&data(1, 0, 1, b"x"));
    assert!(script.take().is_empty());
    script.later(50 * MS);
    assert_eq!(script.take_sack().cumulative_tsn, Tsn(TSN).advance(1));
    script.give(&data(2, 0, 2, b"x"));
    script.give(&data(3, 0, 3, b"x"));
    script.take_sack();
    script.give(&Data { immediate: true, ..data(4, 0, 4, b"x") });
    script.take_sack();
    script.give(&data(6, 0, 6, b"x"));
    let sack = script.take_sack();
    assert_eq!(sack.gaps.len(), 1, "a hole is told at once");
    script.give(&data(6, 0, 6, b"x"));
    assert_eq!(script.take_sack().duplicates, [Tsn(TSN).advance(6)]);
    script.give(&data(5, 0, 5, b"x"));
    script.later(50 * MS);
    assert_eq!(script.take_sack().cumulative_tsn, Tsn(TSN).advance(6));
}

#[test]
fn a_delayed_sack_travels_with_data() {
    let mut script = established();
    script.give(&data(0, 0, 0, b"x"));
    script.take();
    script.give(&data(1, 0, 1, b"x"));
    send(&mut script, 0, message("x"));
    let chunks = script.take_chunks();
    assert!(matches!(chunks[..], [Chunk::Sack(_), Chunk::Data(_)]));
}

#[test]
fn trap_a_reader_that_stops_closes_the_window_and_nothing_is_dropped() {
    let config = Config { receive_window: 200_000, ..Config::default() };
    let mut pair = Pair::established(config, 9);
    pair.ends[B].reads = false;
    let payload = octets(20_000, 9);
    for _ in 0..100 {
        pair.send(A, 0, message(payload.clone()));
    }
    pair.run_for(Duration::from_secs(60));
    let stats = pair.ends[B].association.stats();
    assert!(stats.messages_received < 12, "{}", stats.messages_received);
    assert!(stats.held < 230_000, "{}", stats.held);
    assert!(pair.ends[A].association.buffered_amount(StreamId(0)) > 1_700_000);
    // It reads again: goes on at once, not with the next probe.
    let start = pair.now;
    pair.ends[B].reads = true;
    pair.run_until(|pair| pair.count(B) == 100);
    assert!(pair.now - start < Duration::from_secs(3), "{:?}", pair.now - start);
    assert_eq!(pair.messages(B, 0), vec![payload; 100]);
}

#[test]
fn a_slow_reader_of_many_small_messages() {
    let config = Config { receive_window: 50_000, ..Config::default() };
    let mut pair = Pair::established(config, 10);
    pair.ends[B].reads = false;
    for number in 0..20_000u32 {
        pair.send(A, 0, message(number.to_be_bytes().to_vec()));
    }
    let mut read = 0u32;
    let end = pair.now + Duration::from_secs(600);
    while read < 20_000 {
        assert!(pair.now < end, "{read}");
        pair.run_for(5 * MS);
        let now = pair.now;
        for _ in 0..100 {
            let Some(received) = pair.ends[B].association.recv(now, StreamId(0)) else { break };
            assert_eq!(received.payload[..], read.to_be_bytes());
            read += 1;
        }
    }
}

#[test]
fn send_is_refused_when_the_buffer_is_full_or_the_message_is_too_large() {
    let config = Config { send_buffer: 100_000, ..Config::default() };
    let mut script = Script::established(config);
    let now = script.now;
    let mut send = |length| script.association.send(now, StreamId(0), message(vec![0; length]));
    assert_eq!(send(0), Err(SendError::Empty));
    assert_eq!(send(65_537), Err(SendError::TooLarge { limit: 65_536 }));
    assert_eq!(send(65_536), Ok(()));
    assert_eq!(send(65_536), Err(SendError::BufferFull));
    assert_eq!(send(30_000), Ok(()));
    script.take();
    script.sack(10, &[]);
    assert_eq!(script.association.send(now, StreamId(0), message(vec![0; 10_000])), Ok(()));
}

/// An RTO.Initial of 1 s or 3 s, or one that grew old: the "lag on idle channels" of other stacks.
#[test]
fn trap_a_message_lost_on_an_idle_channel_is_repeated_within_half_a_second() {
    let mut pair = Pair::established(Config::default(), 8);
    for idle in [1, 10, 60, 600] {
        pair.send(A, 0, message("measures"));
        pair.run_for(Duration::from_secs(idle));
        let (mut lost, before) = (false, pair.count(B));
        pair.drop = Box::new(move |to, _| to == B && !std::mem::replace(&mut lost, true));
        let start = pair.now;
        pair.send(A, 0, message("lost"));
        pair.run_until(|pair| pair.count(B) > before);
        let took = pair.now - start;
        assert!((400 * MS..=520 * MS).contains(&took), "{took:?} after {idle} s");
        pair.run_for(100 * MS);
    }
}

fn partial(reliability: Reliability, ordered: bool) -> Message {
    Message { reliability, ordered, ..message(vec![0; 2000]) }
}

fn forward(script: &mut Script) -> Option<ForwardTsn> {
    script.take_chunks().into_iter().find_map(|chunk| match chunk {
        Chunk::ForwardTsn(forward) => Some(forward),
        _ => None,
    })
}

#[test]
fn trap_nothing_is_abandoned_before_it_is_lost() {
    for reliability in [Reliability::MaxRetransmits(0), Reliability::MaxLifetime(10 * MS)] {
        let mut script = established();
        send(&mut script, 0, partial(reliability, true));
        assert_eq!(script.take_data().len(), 2);
        script.now += 20 * MS;
        script.sack(1, &[]);
        assert_eq!(forward(&mut script), None);
        script.sack(2, &[]);
        assert_eq!(forward(&mut script), None);
        assert_eq!(script.association.stats().messages_abandoned, 0);
    }
}

#[test]
fn trap_the_whole_message_is_abandoned_and_forwarded_over() {
    let mut script = established();
    send(&mut script, 4, partial(Reliability::MaxRetransmits(0), true));
    send(&mut script, 5, message("reliable"));
    assert_eq!(script.take_data().len(), 3);
    // The second fragment and the next message arrived; the first fragment did not.
    script.sack(0, &[(2, 3)]);
    script.later(500 * MS);
    let told = forward(&mut script).unwrap();
    assert_eq!(told.new_cumulative_tsn, script.tsn.advance(1), "both fragments, no more");
    let [skipped] = told.streams[..] else { panic!("{told:?}") };
    assert_eq!((skipped.stream, skipped.ssn), (StreamId(4), Ssn(0)));
    assert_eq!(script.association.stats().messages_abandoned, 1);
    // Lost on its way: T3 repeats it.
    script.later(3000 * MS);
    assert!(forward(&mut script).is_some());
    script.sack(3, &[]);
    script.later(3000 * MS);
    assert_eq!(forward(&mut script), None);
}

#[test]
fn trap_unsent_fragments_are_abandoned_too() {
    let mut script = established();
    let large =
        Message { reliability: Reliability::MaxLifetime(100 * MS), ..message(vec![0; 60_000]) };
    send(&mut script, 0, large);
    send(&mut script, 0, message("next"));
    assert_eq!(script.take_data().len(), 10);
    // All that was sent is acknowledged, then time is up: the receiver waits for the rest.
    script.now += 200 * MS;
    script.sack(10, &[]);
    let chunks = script.take_chunks();
    let told = chunks.iter().find_map(|chunk| match chunk {
        Chunk::ForwardTsn(forward) => Some(forward.clone()),
        _ => None,
    });
    let next = chunks.iter().find_map(|chunk| match chunk {
        Chunk::Data(data) => Some(data.clone()),
        _ => None,
    });
    let (Some(told), Some(next)) = (told, next) else { panic!("{chunks:?}") };
    assert_eq!(told.new_cumulative_tsn, script.tsn.advance(10), "one TSN for the unsent end");
    assert_eq!(
        (next.tsn, next.ssn, &next.payload[..]),
        (script.tsn.advance(11), Ssn(1), &b"next"[..])
    );
    assert_eq!(script.association.buffered_amount(StreamId(0)), 0);
}

#[test]
fn a_message_that_expires_before_it_is_sent_leaves_no_hole() {
    let mut script = sending(10);
    send(&mut script, 0, partial(Reliability::MaxLifetime(100 * MS), true));
    send(&mut script, 0, message("next"));
    assert_eq!(offsets(&mut script), []);
    script.now += 200 * MS;
    script.sack(10, &[]);
    let sent = script.take_data();
    let [next] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((next.tsn, next.ssn), (script.tsn.advance(10), Ssn(10)));
    assert_eq!(script.association.stats().messages_abandoned, 1);
}

#[test]
fn partial_reliability_over_a_bad_link() {
    for seed in 0..60 {
        let mut pair = Pair::established(Config::default(), seed);
        pair.link = Link { delay: 20 * MS, jitter: 20 * MS, loss: 20, duplication: 5 };
        let reliabilities = [
            Reliability::MaxRetransmits(0),
            Reliability::MaxRetransmits(2),
            Reliability::MaxLifetime(60 * MS),
            Reliability::Reliable,
        ];
        let mut expected = Vec::new();
        for number in 0..120u64 {
            let reliability = reliabilities[(number % 4) as usize];
            let ordered = number % 3 != 0;
            let payload = octets([10, 1160, 4000, 30_000][(number / 3 % 4) as usize], number);
            expected.push(payload.clone());
            let stream = (number % 2) as u16;
            let partial = Message { reliability, ordered, ..message(payload) };
            pair.send(A, stream, partial);
            if number % 10 == 0 {
                pair.run_for(10 * MS);
            }
        }
        pair.send(A, 7, message("the end"));
        pair.run_until(|pair| pair.ends[A].association.stats().send_buffered == 0);
        pair.run_for(Duration::from_secs(10));
        let received: Vec<Vec<u8>> =
            [0, 1].iter().flat_map(|&stream| pair.messages(B, stream)).collect();
        assert!(received.iter().all(|payload| expected.contains(payload)), "only whole messages");
        for payload in expected.iter().skip(3).step_by(4) {
            let count = received.iter().filter(|other| *other == payload).count();
            assert_eq!(count, 1, "seed {seed}: reliable means once");
        }
        assert_eq!(pair.messages(B, 7).len(), 1);
        let stats = pair.ends[B].association.stats();
        assert_eq!(stats.held, 0, "seed {seed}: nothing half received remains");
    }
}

#[test]
fn trap_streams_share_fairly_and_do_not_stall_each_other() {
    let mut pair = Pair::established(Config::default(), 11);
    for _ in 0..40 {
        pair.send(A, 0, message(vec![0; 60_000]));
    }
    for stream in 1..=50 {
        pair.send(A, stream, message(vec![1; 1000]));
    }
    pair.run_until(|pair| (1..=50).all(|stream| pair.messages(B, stream).len() == 1));
    assert!(pair.messages(B, 0).len() < 5, "small streams do not wait for a large one");
}

#[test]
fn priorities_share_in_proportion() {
    let mut pair = Pair::established(Config::default(), 12);
    for stream in [1, 2] {
        let priority = [0, 128, 512][usize::from(stream)];
        pair.ends[A].association.set_priority(StreamId(stream), priority);
        for _ in 0..1000 {
            pair.send(A, stream, message(vec![0; 1000]));
        }
    }
    pair.run_until(|pair| pair.messages(B, 2).len() > 700);
    let slow = pair.messages(B, 1).len();
    assert!((150..220).contains(&slow), "a quarter: {slow}");
}

#[test]
fn buffered_amount_and_its_low_event() {
    let mut script = established();
    script.association.set_buffered_amount_low_threshold(StreamId(0), 40_000);
    send(&mut script, 0, message(vec![0; 60_000]));
    assert_eq!(script.association.buffered_amount(StreamId(0)), 60_000);
    script.take();
    assert_eq!(script.association.buffered_amount(StreamId(0)), 60_000 - 11_600);
    assert_eq!(script.association.poll_event(), None);
    script.sack(10, &[]);
    script.take();
    assert!(script.association.buffered_amount(StreamId(0)) <= 40_000);
    assert_eq!(script.association.poll_event(), Some(Event::BufferedAmountLow(StreamId(0))));
    assert_eq!(script.association.poll_event(), None);
}

#[test]
fn throughput_over_a_long_path_with_a_little_loss() {
    let mut pair = Pair::established(Config::default(), 13);
    pair.link = Link { delay: 25 * MS, jitter: Duration::ZERO, loss: 0, duplication: 0 };
    let mut count = 0;
    pair.drop = Box::new(move |to, _| {
        count += u32::from(to == B);
        to == B && count % 500 == 0
    });
    let start = pair.now;
    for _ in 0..200 {
        pair.send(A, 0, message(vec![0; 65_536]));
    }
    pair.run_until(|pair| pair.count(B) == 200);
    let rate = 200.0 * 65.536 / (pair.now - start).as_secs_f64();
    let stats = pair.ends[A].association.stats();
    assert_eq!(stats.timeouts, 0, "{stats:?}");
    assert!(rate > 500.0, "{rate} kB/s, {stats:?}");
}

#[test]
fn early_and_repeated_timeouts_are_harmless() {
    let mut script = sending(3);
    for _ in 0..1000 {
        script.association.handle_timeout(script.now);
    }
    assert!(script.take().is_empty());
    let past: Instant = script.now;
    script.now += 10 * MS;
    script.sack(3, &[]);
    script.association.handle_timeout(past);
    assert!(script.take().is_empty());
}

#[test]
fn sacks_fit_into_packets_however_many_holes() {
    let mut script = established();
    for number in 0..2000 {
        script.give(&data(number * 2 + 1, 0, 0, b"x"));
    }
    let sack = script.take_sack();
    assert!(sack.gaps.len() > 200);
}
