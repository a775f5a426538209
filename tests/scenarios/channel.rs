//! Data channels over bad links (RFC 8831, RFC 8832).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::Reliability;
use sctp::channel::{
    ChannelId, ChannelOptions, Config, DataChannels, Event, Payload, Role, SendError, Start,
};
use sctp::wire::{Port, StreamId};
use tests::sim::{Link, Pair, Side, seeds};

type Channels = Pair<DataChannels, DataChannels>;

pub(crate) fn pair(seed: u64, link: &Link) -> Channels {
    let now = Instant::now();
    let end = |salt, role| {
        let rng = StdRng::seed_from_u64(2 * seed + salt);
        let mut channels = DataChannels::new(Config::default(), rng);
        let remote_max_message_size = Some(262_144);
        channels.start(now, Start { role, remote_port: Port(5000), remote_max_message_size });
        channels
    };
    Pair::new(now, seed, link, end(0, Role::Client), end(1, Role::Server))
}

/// The right end sends everything back, on the channel it came.
fn echo(now: Instant, right: &mut Side<DataChannels>, waiting: &mut Vec<(ChannelId, Payload)>) {
    for event in std::mem::take(&mut right.events) {
        if let Event::Readable(channel) = event {
            while let Some(payload) = right.recv(now, channel) {
                waiting.push((channel, payload));
            }
        }
    }
    waiting.retain(|(channel, payload)| {
        matches!(right.send(now, *channel, payload.clone()), Err(SendError::BufferFull))
    });
}

/// What channel `number` says: texts, octets and nothing at all.
fn messages(number: usize) -> Vec<Payload> {
    vec![
        Payload::text(format!("hello from {number}")),
        Payload::text(""),
        Payload::binary(vec![]),
        Payload::binary(vec![7; 1 + 97 * number]),
        Payload::text("grüße 🌍"),
    ]
}

#[test]
fn a_hundred_channels_echo_through_a_bad_link() {
    seeds(4, |seed| {
        let link = Link::default().loss(0.1).delay(20).jitter(50).duplication(0.1).corruption(0.05);
        let mut pair = pair(seed, &link).careless();
        let now = pair.now();
        let ids: Vec<ChannelId> = (0..100)
            .map(|number| {
                let label = format!("channel {number}");
                pair.left.open(now, ChannelOptions::new(label)).unwrap()
            })
            .collect();
        let mut to_send: Vec<_> = ids
            .iter()
            .enumerate()
            .flat_map(|(number, id)| messages(number).into_iter().map(|payload| (*id, payload)))
            .collect();
        let (mut waiting, mut back) = (Vec::new(), BTreeMap::<_, Vec<Payload>>::new());
        pair.run_until(Duration::from_secs(120), |now, left, right| {
            to_send.retain(|(id, payload)| left.send(now, *id, payload.clone()).is_err());
            echo(now, right, &mut waiting);
            for id in &ids {
                while let Some(payload) = left.recv(now, *id) {
                    back.entry(*id).or_default().push(payload);
                }
            }
            back.values().map(Vec::len).sum::<usize>() == 500
        });
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(back[id], messages(number), "channel {number}");
            // Even streams for the DTLS client (RFC 8832 §6).
            assert_eq!(pair.left.stream(*id), Some(StreamId(u16::try_from(2 * number).unwrap())));
        }
    });
}

#[test]
fn trap_stream_id_zero_is_a_stream() {
    let mut pair = pair(1, &Link::default().delay(5));
    let now = pair.now();
    let id = pair.left.open(now, ChannelOptions::new("first")).unwrap();
    pair.left.send(now, id, Payload::text("early")).unwrap_err();
    let (mut waiting, mut sent) = (Vec::new(), false);
    pair.run_until(Duration::from_secs(5), |now, left, right| {
        sent = sent || left.send(now, id, Payload::text("hi")).is_ok();
        echo(now, right, &mut waiting);
        left.recv(now, id) == Some(Payload::text("hi"))
    });
    assert_eq!(pair.left.stream(id), Some(StreamId(0)));
}

#[test]
fn negotiated_channels_need_no_opening_message() {
    seeds(10, |seed| {
        let link = Link::default().loss(0.2).delay(20).jitter(60);
        let mut pair = pair(seed, &link).careless();
        let now = pair.now();
        let options =
            ChannelOptions { negotiated: Some(StreamId(100)), ..ChannelOptions::default() };
        let left_id = pair.left.open(now, options.clone()).unwrap();
        let right_id = pair.right.open(now, options).unwrap();
        let mut sent = [false; 2];
        let mut received = [None, None];
        pair.run_until(Duration::from_secs(60), |now, left, right| {
            sent[0] = sent[0] || left.send(now, left_id, Payload::text("from left")).is_ok();
            sent[1] = sent[1] || right.send(now, right_id, Payload::text("from right")).is_ok();
            received[0] = received[0].take().or_else(|| left.recv(now, left_id));
            received[1] = received[1].take().or_else(|| right.recv(now, right_id));
            received.iter().all(Option::is_some)
        });
        assert_eq!(received[0], Some(Payload::text("from right")));
        assert_eq!(received[1], Some(Payload::text("from left")));
    });
}

#[test]
fn channels_of_either_side_close_on_both_and_their_streams_are_used_again() {
    seeds(10, |seed| {
        let link = Link::default().loss(0.1).delay(20).jitter(30).duplication(0.1);
        let mut pair = pair(seed, &link).careless();
        for round in 0..5 {
            let now = pair.now();
            let id = pair.left.open(now, ChannelOptions::new(format!("{round}"))).unwrap();
            let (mut theirs, mut sent) = (None, false);
            pair.run_until(Duration::from_secs(60), |now, left, right| {
                sent = sent || left.send(now, id, Payload::text("last words")).is_ok();
                theirs = theirs.or(right.events.iter().find_map(|event| match event {
                    Event::Incoming(id) => Some(*id),
                    _ => None,
                }));
                theirs.is_some_and(|theirs| {
                    right.recv(now, theirs) == Some(Payload::text("last words"))
                })
            });
            let theirs = theirs.unwrap();
            assert_eq!(pair.left.stream(id), Some(StreamId(0)), "the first stream, again");
            let now = pair.now();
            if round % 2 == 0 {
                pair.left.close(now, id)
            } else {
                pair.right.close(now, theirs)
            }
            pair.run_until(Duration::from_secs(60), |_, left, right| {
                left.events.contains(&Event::Closed(id))
                    && right.events.contains(&Event::Closed(theirs))
            });
            pair.right.events.clear();
        }
    });
}

#[test]
fn an_unreliable_unordered_channel_loses_some_and_delays_none() {
    seeds(8, |seed| {
        let mut pair = pair(seed, &Link::default().delay(20));
        let now = pair.now();
        let options = ChannelOptions {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
            ..ChannelOptions::new("game")
        };
        let id = pair.left.open(now, options.clone()).unwrap();
        pair.run_until(Duration::from_secs(5), |_, _, right| {
            right.events.iter().any(|event| matches!(event, Event::Incoming(_)))
        });
        let theirs = pair.right.events.iter().find_map(|event| match event {
            Event::Incoming(id) => Some(*id),
            _ => None,
        });
        let theirs = theirs.unwrap();
        assert_eq!(pair.right.options(theirs), Some(&options));
        pair.set_links(&Link::default().delay(20).jitter(5).loss(0.05));
        let start = pair.now();
        let (mut sent, mut received) = (0, 0);
        let mut latest = Duration::ZERO;
        pair.run_until(Duration::from_secs(60), |now, left, right| {
            while sent < 500 && now >= start + Duration::from_millis(5) * sent {
                left.send(now, id, Payload::binary(sent.to_be_bytes().to_vec())).unwrap();
                sent += 1;
            }
            while let Some(Payload::Binary(octets)) = right.recv(now, theirs) {
                let number = u32::from_be_bytes(octets[..].try_into().unwrap());
                let age = now - (start + Duration::from_millis(5) * number);
                latest = latest.max(age);
                received += 1;
            }
            now >= start + Duration::from_secs(4)
        });
        assert!((400..500).contains(&received), "{received} of 500");
        assert!(latest < Duration::from_millis(1_500), "one came {latest:?} late");
    });
}
