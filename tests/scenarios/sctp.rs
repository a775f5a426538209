//! SCTP associations over bad links: bulk transfer, partial reliability, resets, shutdown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp::{
    Association, CloseReason, Config, Direction, Event, Message, Ppid, Reliability, SendError,
    StreamId,
};
use tests::sim::{Link, Pair, Side, seeds};

type Associations = Pair<Association, Association>;

fn pair_of(seed: u64, link: &Link, config: &Config) -> Associations {
    let now = Instant::now();
    let association = |salt| {
        let rng = StdRng::seed_from_u64(2 * seed + salt);
        let mut association = Association::new(now, config.clone(), rng);
        association.connect(now);
        association
    };
    Pair::new(now, seed, link, association(0), association(1))
}

pub(crate) fn pair(seed: u64, link: &Link) -> Associations {
    pair_of(seed, link, &Config::default())
}

fn connect(pair: &mut Associations) {
    pair.run_until(Duration::from_secs(60), |_, left, right| {
        left.is_established() && right.is_established()
    });
}

/// What message `number` of a transfer is: it names itself, so a mix-up of octets shows.
fn octets(number: u32, length: usize) -> Bytes {
    number.to_be_bytes().iter().copied().cycle().take(length.max(4)).collect()
}

fn message(payload: Bytes) -> Message {
    Message { ppid: Ppid::BINARY, payload, ordered: true, reliability: Reliability::Reliable }
}

/// One direction of a transfer: sends as the buffer allows, checks as messages come.
struct Transfer {
    lengths: Vec<usize>,
    ordered: bool,
    sent: usize,
    received: BTreeSet<u32>,
}

impl Transfer {
    fn new(seed: u64, count: usize, longest: usize, ordered: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0xB01C);
        let lengths = (0..count).map(|_| rng.random_range(1..=longest)).collect();
        Self { lengths, ordered, sent: 0, received: BTreeSet::new() }
    }

    const STREAM: StreamId = StreamId(7);

    fn drive(&mut self, now: Instant, from: &mut Association, to: &mut Association) -> bool {
        while let Some(&length) = self.lengths.get(self.sent) {
            let payload = octets(u32::try_from(self.sent).unwrap(), length);
            let message = Message { ordered: self.ordered, ..message(payload) };
            match from.send(now, Self::STREAM, message) {
                Ok(()) => self.sent += 1,
                Err(SendError::BufferFull | SendError::NotEstablished) => break,
                Err(error) => panic!("{error}"),
            }
        }
        while let Some(received) = to.recv(now, Self::STREAM) {
            let number = u32::from_be_bytes(received.payload[..4].try_into().unwrap());
            let length = self.lengths[number as usize];
            assert!(received.payload == octets(number, length), "message {number} is harmed");
            if self.ordered {
                assert_eq!(number as usize, self.received.len(), "out of order");
            }
            assert!(self.received.insert(number), "message {number} twice");
        }
        self.received.len() == self.lengths.len()
    }
}

/// A transfer in each direction at once; how long it took.
fn transfer(pair: &mut Associations, seed: u64, count: usize, longest: usize) -> Duration {
    let start = pair.elapsed();
    let mut rightward = Transfer::new(seed, count, longest, true);
    let mut leftward = Transfer::new(seed + 1, count, longest, seed.is_multiple_of(2));
    pair.run_until(Duration::from_secs(600), |now, left, right| {
        let there = rightward.drive(now, left, right);
        leftward.drive(now, right, left) && there
    });
    pair.elapsed() - start
}

#[test]
fn bulk_arrives_whole_through_loss_reorder_duplication_and_corruption() {
    seeds(12, |seed| {
        let link =
            Link::default().loss(0.05).delay(20).jitter(30).duplication(0.05).corruption(0.05);
        let mut pair = pair(seed, &link).careless();
        transfer(&mut pair, seed, 60, 20_000);
        assert!(pair.left.refused > 0, "the checksum found damage");
        assert!(pair.left.longest <= 1191 && pair.right.longest <= 1191);
    });
}

#[test]
fn bulk_arrives_whole_through_heavy_loss() {
    seeds(6, |seed| {
        let mut pair = pair(seed, &Link::default().loss(0.25).delay(10).jitter(10)).careless();
        transfer(&mut pair, seed, 20, 5_000);
    });
}

#[test]
fn small_packets_carry_large_messages() {
    seeds(4, |seed| {
        let config =
            Config { max_packet_size: 512, remote_max_message_size: 262_144, ..Config::default() };
        let link = Link::default().mtu(540).delay(5).jitter(5).loss(0.02);
        let mut pair = pair_of(seed, &link, &config).careless();
        transfer(&mut pair, seed, 5, 262_144);
        assert!(pair.left.longest <= 512);
    });
}

#[test]
fn a_bottleneck_is_filled_and_not_flooded() {
    let link = Link::default().delay(20).rate(1_000_000, Duration::from_millis(60));
    let mut pair = pair(3, &link);
    connect(&mut pair);
    let start = pair.elapsed();
    let mut bulk = Transfer::new(3, 300, 20_000, true);
    pair.run_until(Duration::from_secs(60), |now, left, right| bulk.drive(now, left, right));
    let octets: usize = bulk.lengths.iter().sum();
    let ideal = Duration::from_micros(u64::try_from(octets).unwrap());
    let took = pair.elapsed() - start;
    assert!(took < ideal * 2, "{octets} octets at 1 MB/s took {took:?}");
    assert!(pair.left.sent_octets < octets * 3 / 2, "{} octets sent", pair.left.sent_octets);
}

#[test]
fn an_outage_of_20_seconds_delays_and_loses_nothing() {
    let mut pair = pair(4, &Link::default().delay(20));
    connect(&mut pair);
    let mut bulk = Transfer::new(4, 100, 20_000, true);
    let mut steps = 0;
    pair.run_until(Duration::from_secs(60), |now, left, right| {
        bulk.drive(now, left, right);
        steps += 1;
        steps > 200
    });
    pair.set_down(true);
    pair.run_for(Duration::from_secs(20));
    pair.set_down(false);
    // RTO is capped at 3 s: so soon it goes on.
    let received = bulk.received.len();
    pair.run_until(Duration::from_secs(4), |now, left, right| {
        bulk.drive(now, left, right);
        bulk.received.len() > received
    });
    pair.run_until(Duration::from_secs(60), |now, left, right| bulk.drive(now, left, right));
}

#[test]
fn a_reader_that_stops_closes_the_window_and_loses_nothing() {
    let mut pair = pair(5, &Link::default().delay(5).loss(0.01));
    connect(&mut pair);
    let mut bulk = Transfer::new(5, 400, 30_000, true);
    let total: usize = bulk.lengths.iter().sum();
    assert!(total > 5 << 20);
    // Nobody reads at the right: a transfer of its own would.
    let mut sent = 0;
    let deadline = pair.now() + Duration::from_secs(20);
    pair.run_until(Duration::from_secs(40), |now, left, _| {
        while let Some(&length) = bulk.lengths.get(sent) {
            let payload = octets(u32::try_from(sent).unwrap(), length);
            if left.send(now, Transfer::STREAM, message(payload)).is_err() {
                break;
            }
            sent += 1;
        }
        now >= deadline
    });
    assert_eq!(pair.left.events.len() + pair.right.events.len(), 3, "established, readable");
    let outstanding = pair.right.stats().local_window;
    assert!(outstanding < 100_000, "the window is shut: {outstanding}");
    bulk.sent = sent;
    pair.run_until(Duration::from_secs(60), |now, left, right| bulk.drive(now, left, right));
}

#[test]
fn partial_reliability_gives_up_old_messages_and_keeps_order() {
    for reliability in
        [Reliability::MaxRetransmits(0), Reliability::MaxLifetime(Duration::from_millis(80))]
    {
        seeds(8, |seed| {
            let mut pair = pair(seed, &Link::default().delay(20));
            connect(&mut pair);
            pair.set_links(&Link::default().delay(20).jitter(20).loss(0.1));
            let stream = StreamId(3);
            let (mut sent, mut received) = (0, Vec::new());
            let mut next = pair.now();
            pair.run_until(Duration::from_secs(120), |now, left, right| {
                while sent < 200 && now >= next {
                    let payload = octets(sent, 300);
                    let partial = Message { reliability, ..message(payload) };
                    left.send(now, stream, partial).unwrap();
                    sent += 1;
                    next += Duration::from_millis(10);
                }
                if sent == 200 {
                    // One that must arrive, behind all the others.
                    left.send(now, stream, message(octets(sent, 300))).unwrap();
                    sent += 1;
                }
                while let Some(message) = right.recv(now, stream) {
                    received.push(u32::from_be_bytes(message.payload[..4].try_into().unwrap()));
                }
                received.last() == Some(&200)
            });
            assert!(received.is_sorted(), "{received:?}");
            assert!(received.windows(2).all(|two| two[0] != two[1]));
            assert!(received.len() < 200, "with loss something is given up");
            assert!(received.len() > 40, "{} of 200 by {reliability:?}", received.len());
            assert!(pair.left.stats().messages_abandoned > 0);
        });
    }
}

/// Whether the news tells that `stream` was reset in `direction`.
fn was_reset(side: &Side<Association>, direction: Direction, stream: StreamId) -> bool {
    side.events.iter().any(|event| {
        matches!(event, Event::StreamsReset { direction: reset, streams }
            if *reset == direction && streams.contains(&stream))
    })
}

#[test]
fn streams_are_reset_behind_their_last_message_and_begin_anew() {
    seeds(12, |seed| {
        let link = Link::default().loss(0.1).delay(20).jitter(40).duplication(0.1);
        let mut pair = pair(seed, &link).careless();
        connect(&mut pair);
        let stream = StreamId(9);
        let now = pair.now();
        for number in 0..5 {
            pair.left.send(now, stream, message(octets(number, 3_000))).unwrap();
        }
        pair.left.reset_streams(now, &[stream]).unwrap();
        for number in 5..8 {
            pair.left.send(now, stream, message(octets(number, 3_000))).unwrap();
        }
        let mut received = Vec::new();
        pair.run_until(Duration::from_secs(60), |now, left, right| {
            while let Some(message) = right.recv(now, stream) {
                received.push(u32::from_be_bytes(message.payload[..4].try_into().unwrap()));
            }
            received.len() == 8
                && was_reset(left, Direction::Outgoing, stream)
                && was_reset(right, Direction::Incoming, stream)
        });
        assert_eq!(received, [0, 1, 2, 3, 4, 5, 6, 7]);
    });
}

#[test]
fn a_shutdown_delivers_what_was_sent_and_ends_both() {
    seeds(12, |seed| {
        let link = Link::default().loss(0.1).delay(20).jitter(20);
        let mut pair = pair(seed, &link).careless();
        connect(&mut pair);
        let now = pair.now();
        for number in 0..20 {
            pair.left.send(now, StreamId(1), message(octets(number, 5_000))).unwrap();
        }
        pair.left.shutdown(now);
        pair.run_until(Duration::from_secs(60), |_, left, right| {
            [left, right].iter().all(|side| matches!(side.events.last(), Some(Event::Closed(_))))
        });
        let now = pair.now();
        let received = std::iter::from_fn(|| pair.right.recv(now, StreamId(1))).count();
        assert_eq!(received, 20);
        assert_eq!(pair.right.events.last(), Some(&Event::Closed(CloseReason::Shutdown)));
        let sent = (pair.left.sent, pair.right.sent);
        pair.run_for(Duration::from_secs(100));
        assert_eq!((pair.left.sent, pair.right.sent), sent, "silence after the end");
    });
}

/// Both send INIT, as WebRTC endpoints do; it collides, repeats and is lost (RFC 9260 §5.2.1).
#[test]
fn trap_colliding_inits_make_one_association() {
    seeds(60, |seed| {
        let link = Link::default().loss(0.3).delay(20).jitter(200).duplication(0.3);
        let mut pair = pair(seed, &link).careless();
        connect(&mut pair);
        let mut done = BTreeMap::new();
        let now = pair.now();
        pair.left.send(now, StreamId(0), message(octets(1, 100))).unwrap();
        pair.right.send(now, StreamId(0), message(octets(2, 100))).unwrap();
        pair.run_until(Duration::from_secs(60), |now, left, right| {
            for (name, side) in [("left", left), ("right", right)] {
                if let Some(received) = side.recv(now, StreamId(0)) {
                    done.insert(name, received.payload);
                }
            }
            done.len() == 2
        });
        for side in [&pair.left, &pair.right] {
            let births =
                side.events.iter().filter(|event| matches!(event, Event::Established { .. }));
            assert_eq!(births.count(), 1);
            assert!(!side.events.contains(&Event::Restarted));
        }
    });
}
