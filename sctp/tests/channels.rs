//! Data channels between two of ours: opening and sending (RFC 8831, RFC 8832).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that fails panics"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{connect, connected, events, incoming, octets, open, read, start, unstarted};
use sctp::Reliability;
use sctp::channel::{
    ChannelOptions, ChannelState, Config, Event, OpenError, Payload, Role, SendError,
};
use sctp::wire::{Chunk, Packet, Ppid, Priority, StreamId};

#[test]
fn all_channel_types_arrive_as_they_were_opened() {
    let mut pair = connected();
    for ordered in [true, false] {
        for reliability in [
            Reliability::Reliable,
            Reliability::MaxRetransmits(0),
            Reliability::MaxRetransmits(65_535),
            Reliability::MaxLifetime(Duration::from_millis(500)),
        ] {
            let options = ChannelOptions {
                label: "l\u{e4}bel".into(),
                protocol: "pr\u{f6}to".into(),
                ordered,
                reliability,
                negotiated: None,
                priority: Priority::HIGH,
            };
            let (ours, theirs) = open(&mut pair, options.clone());
            assert_eq!(pair.b.options(theirs), Some(&options));
            assert_eq!(pair.b.stream(theirs), pair.a.stream(ours));
            pair.a.send(pair.now, ours, Payload::text("x")).unwrap();
            pair.b.send(pair.now, theirs, Payload::text("y")).unwrap();
            pair.carry();
            assert_eq!(read(&mut pair.b, pair.now, theirs), [Payload::text("x")]);
            assert_eq!(read(&mut pair.a, pair.now, ours), [Payload::text("y")]);
            events(&mut pair.a);
            events(&mut pair.b);
        }
    }
}

#[test]
fn label_and_protocol_of_65535_octets() {
    let mut pair = connected();
    let name = "\u{20ac}".repeat(21_845);
    let options =
        ChannelOptions { label: name.clone(), protocol: name.clone(), ..Default::default() };
    let (_, theirs) = open(&mut pair, options.clone());
    assert_eq!(pair.b.options(theirs), Some(&options));
    let longer = ChannelOptions::new(name + "x");
    assert_eq!(pair.a.open(pair.now, longer), Err(OpenError::NameTooLong));
}

#[test]
fn a_long_label_passes_a_small_message_limit() {
    let mut config = Config::default();
    config.association.max_message_size = 1_000;
    let mut pair = unstarted(config);
    connect(&mut pair);
    events(&mut pair.a);
    events(&mut pair.b);
    open(&mut pair, ChannelOptions::new("x".repeat(65_535)));
}

#[test]
fn trap_ids_are_assigned_when_the_role_is_known() {
    let mut pair = unstarted(Config::default());
    let ours: Vec<_> = (0..3)
        .map(|i| pair.a.open(pair.now, ChannelOptions::new(i.to_string())).unwrap())
        .collect();
    let theirs = pair.b.open(pair.now, ChannelOptions::new("b")).unwrap();
    assert_eq!(pair.a.stream(ours[0]), None);
    assert_eq!(pair.a.state(ours[0]), ChannelState::Connecting);
    assert_eq!(pair.a.send(pair.now, ours[0], Payload::text("early")), Err(SendError::NotOpen));
    connect(&mut pair);
    let streams: Vec<_> = ours.iter().map(|id| pair.a.stream(*id).unwrap()).collect();
    assert_eq!(streams, [StreamId(0), StreamId(2), StreamId(4)]);
    assert_eq!(pair.b.stream(theirs), Some(StreamId(1)));
    assert_eq!(incoming(&events(&mut pair.a)).len(), 1);
    let events = events(&mut pair.b);
    assert_eq!(events[..2], [Event::Established, Event::Opened(theirs)]);
    let labels: Vec<_> =
        incoming(&events).iter().map(|id| pair.b.options(*id).unwrap().label.clone()).collect();
    assert_eq!(labels, ["0", "1", "2"]);
}

/// janus#1695, werift#591: stream 0 taken for "no stream yet".
#[test]
fn trap_stream_id_zero_is_a_stream() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("zero"));
    assert_eq!(pair.a.stream(ours), Some(StreamId(0)));
    assert_eq!(pair.b.stream(theirs), Some(StreamId(0)));
    pair.b.send(pair.now, theirs, Payload::text("0")).unwrap();
    pair.carry();
    assert_eq!(read(&mut pair.a, pair.now, ours), [Payload::text("0")]);
    pair.a.close(pair.now, ours);
    pair.carry();
    assert_eq!(pair.b.state(theirs), ChannelState::Closed);
    let (again, _) = {
        events(&mut pair.a);
        events(&mut pair.b);
        let negotiated = Some(StreamId(0));
        let options = ChannelOptions { negotiated, ..ChannelOptions::new("again") };
        (pair.a.open(pair.now, options.clone()).unwrap(), pair.b.open(pair.now, options).unwrap())
    };
    assert_eq!(pair.a.state(again), ChannelState::Open);
}

/// pion#1063, rtc#171: a channel reported open before its ACK lost what was sent on it, because
/// unordered messages overtook the OPEN. Ours go in order until the ACK has come.
#[test]
fn trap_open_fired_before_ack() {
    let mut pair = connected();
    let options = ChannelOptions { ordered: false, ..ChannelOptions::new("early") };
    let id = pair.a.open(pair.now, options).unwrap();
    assert_eq!(events(&mut pair.a), [Event::Opened(id)]);
    for i in 0..4 {
        pair.a.send(pair.now, id, Payload::binary(octets(1000 + i))).unwrap();
    }
    // The packets arrive in reverse.
    pair.transmit();
    assert!(pair.to_b.len() >= 4);
    pair.to_b = pair.to_b.drain(..).rev().collect();
    pair.carry();
    let events_b = events(&mut pair.b);
    let theirs = incoming(&events_b)[0];
    assert_eq!(events_b, [Event::Incoming(theirs), Event::Readable(theirs)]);
    let expected: Vec<_> = (0..4).map(|i| Payload::binary(octets(1000 + i))).collect();
    assert!(read(&mut pair.b, pair.now, theirs) == expected);
    // Now the ACK is there, and messages may overtake each other.
    for i in 0..4 {
        pair.a.send(pair.now, id, Payload::binary(octets(1000 + i))).unwrap();
    }
    pair.transmit();
    pair.to_b = pair.to_b.drain(..).rev().collect();
    pair.carry();
    let reversed: Vec<_> = expected.into_iter().rev().collect();
    assert!(read(&mut pair.b, pair.now, theirs) == reversed);
}

/// The OPEN goes in order and until it arrives, even if the channel it opens is neither.
#[test]
fn trap_the_open_of_an_unreliable_channel_is_ordered_and_reliable() {
    let mut pair = connected();
    let mut lost = 0;
    pair.lose = Box::new(move |packet| {
        let is_open = |chunk: &Chunk| match chunk {
            Chunk::Data(data) => {
                assert!(!data.unordered && data.ppid == Ppid::DCEP);
                data.payload[0] == 3
            }
            _ => false,
        };
        let loses = lost < 3 && Packet::parse(packet).unwrap().chunks.iter().any(is_open);
        lost += u32::from(loses);
        loses
    });
    for reliability in
        [Reliability::MaxRetransmits(0), Reliability::MaxLifetime(Duration::from_millis(1))]
    {
        let options =
            ChannelOptions { ordered: false, reliability, ..ChannelOptions::new("unreliable") };
        let id = pair.a.open(pair.now, options).unwrap();
        pair.run(Duration::from_secs(10));
        assert_eq!(events(&mut pair.a), [Event::Opened(id)]);
        assert_eq!(incoming(&events(&mut pair.b)).len(), 1);
    }
}

/// webrtc-rs#821: the first message of a negotiated channel parsed as OPEN.
#[test]
fn trap_early_message_on_a_negotiated_channel_is_not_dcep() {
    let mut pair = connected();
    let negotiated = Some(StreamId(7));
    let options = ChannelOptions { negotiated, ordered: false, ..ChannelOptions::new("n") };
    let at_a = pair.a.open(pair.now, options.clone()).unwrap();
    assert_eq!(events(&mut pair.a), [Event::Opened(at_a)]);
    // It looks like an OPEN, and the other end has not created the channel yet.
    let early = Payload::binary(vec![3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    pair.a.send(pair.now, at_a, early.clone()).unwrap();
    pair.carry();
    assert_eq!(events(&mut pair.b), []);
    let at_b = pair.b.open(pair.now, options).unwrap();
    assert_eq!(events(&mut pair.b), [Event::Opened(at_b), Event::Readable(at_b)]);
    assert_eq!(read(&mut pair.b, pair.now, at_b), [early]);
    pair.b.send(pair.now, at_b, Payload::text("late")).unwrap();
    pair.carry();
    assert_eq!(read(&mut pair.a, pair.now, at_a), [Payload::text("late")]);
}

#[test]
fn negotiated_streams_are_claimed_before_the_start() {
    let mut pair = unstarted(Config::default());
    let negotiated =
        |stream| ChannelOptions { negotiated: Some(StreamId(stream)), ..ChannelOptions::default() };
    pair.a.open(pair.now, negotiated(0)).unwrap();
    assert_eq!(pair.a.open(pair.now, negotiated(0)), Err(OpenError::StreamInUse));
    assert_eq!(pair.a.open(pair.now, negotiated(65_535)), Err(OpenError::NoSuchStream));
    let other = pair.a.open(pair.now, ChannelOptions::new("o")).unwrap();
    connect(&mut pair);
    assert_eq!(pair.a.stream(other), Some(StreamId(2)));
    pair.a.open(pair.now, negotiated(65_534)).unwrap();
}

#[test]
fn trap_empty_messages_arrive_as_they_are_among_others() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("m"));
    let messages = [
        Payload::text("gr\u{fc}n"),
        Payload::text(""),
        Payload::binary(vec![]),
        Payload::binary(vec![0]),
        Payload::text("\0"),
        Payload::binary(octets(65_536)),
        Payload::binary(octets(262_144)),
        Payload::text("x".repeat(100_000)),
    ];
    for message in &messages {
        pair.a.send(pair.now, ours, message.clone()).unwrap();
    }
    pair.carry();
    assert!(read(&mut pair.b, pair.now, theirs) == messages);
    let stats = pair.b.channel_stats(theirs).unwrap();
    assert_eq!(stats.messages_received, 8);
    assert_eq!(stats.octets_received, 5 + 1 + 1 + 65_536 + 262_144 + 100_000);
    let stats = pair.a.channel_stats(ours).unwrap();
    assert_eq!((stats.messages_sent, stats.octets_sent), (8, 427_687));
}

/// A larger message would make Chrome close the channel without a word (livekit/rust-sdks#1137).
#[test]
fn trap_exceeding_the_remote_max_message_size() {
    for (attribute, limit) in [(None, 65_536), (Some(1_000), 1_000), (Some(262_144), 262_144)] {
        let mut pair = unstarted(Config::default());
        let id = pair.a.open(pair.now, ChannelOptions::default()).unwrap();
        let mut parameters = start(Role::Client);
        parameters.remote_max_message_size = attribute;
        pair.a.start(pair.now, parameters);
        pair.b.start(pair.now, start(Role::Server));
        pair.carry();
        assert_eq!(pair.a.max_message_size(), limit);
        let refused = pair.a.send(pair.now, id, Payload::binary(octets(limit + 1)));
        assert_eq!(refused, Err(SendError::TooLarge { limit }));
        pair.a.send(pair.now, id, Payload::binary(octets(limit))).unwrap();
    }
}

#[test]
fn trap_max_message_size_zero_is_unlimited() {
    let mut pair = connected();
    pair.a.set_remote_max_message_size(Some(0));
    let buffer = sctp::Config::default().send_buffer;
    assert_eq!(pair.a.max_message_size(), buffer);
    let (ours, _) = open(&mut pair, ChannelOptions::default());
    let huge = Payload::binary(vec![0; buffer + 1]);
    assert_eq!(pair.a.send(pair.now, ours, huge), Err(SendError::TooLarge { limit: buffer }));
}

#[test]
fn a_thousand_channels_on_one_connection() {
    let mut pair = connected();
    let ours: Vec<_> = (0..1_000)
        .map(|i| pair.a.open(pair.now, ChannelOptions::new(i.to_string())).unwrap())
        .collect();
    pair.carry();
    assert_eq!(events(&mut pair.a).len(), 1_000);
    let theirs = incoming(&events(&mut pair.b));
    assert_eq!(theirs.len(), 1_000);
    for (index, id) in ours.iter().enumerate() {
        pair.a.send(pair.now, *id, Payload::text(index.to_string())).unwrap();
    }
    pair.carry();
    for id in theirs {
        let label = pair.b.options(id).unwrap().label.clone();
        assert_eq!(read(&mut pair.b, pair.now, id), [Payload::text(label)]);
    }
    ours.iter().for_each(|id| pair.a.close(pair.now, *id));
    pair.run(Duration::from_secs(5));
    assert_eq!(events(&mut pair.a).len(), 1_000);
    let closed = |event: &&Event| matches!(event, Event::Closed(_));
    assert_eq!(events(&mut pair.b).iter().filter(closed).count(), 1_000);
    let (first, _) = open(&mut pair, ChannelOptions::new("and again"));
    assert_eq!(pair.a.stream(first), Some(StreamId(0)));
}

/// A reader that stops closes the window; nothing is dropped.
#[test]
fn an_unread_channel_closes_the_window_and_loses_nothing() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("bulk"));
    let count = 160;
    for _ in 0..count {
        pair.a.send(pair.now, ours, Payload::binary(octets(65_536))).unwrap();
    }
    pair.run(Duration::from_secs(10));
    let held = pair.b.stats().unwrap();
    assert!(held.local_window < 65_536, "{}", held.local_window);
    assert!(pair.a.buffered_amount(ours) > 4 << 20);
    let mut received = 0;
    while received < count {
        while let Some(payload) = pair.b.recv(pair.now, theirs) {
            assert!(payload == Payload::binary(octets(65_536)));
            received += 1;
        }
        pair.run(Duration::from_millis(100));
    }
    assert_eq!(pair.a.buffered_amount(ours), 0);
}

#[test]
fn channels_share_the_connection() {
    let mut pair = connected();
    let (bulk, bulk_b) = open(&mut pair, ChannelOptions::new("bulk"));
    let (chat, chat_b) = open(&mut pair, ChannelOptions::new("chat"));
    for _ in 0..60 {
        pair.a.send(pair.now, bulk, Payload::binary(octets(65_536))).unwrap();
    }
    pair.a.send(pair.now, chat, Payload::text("me too")).unwrap();
    let mut bulk_before = 0;
    loop {
        pair.transmit();
        let Some(packet) = pair.to_b.pop_front() else { break };
        pair.b.handle_datagram(pair.now, packet).unwrap();
        if pair.b.recv(pair.now, chat_b).is_some() {
            break;
        }
        bulk_before += read(&mut pair.b, pair.now, bulk_b).len();
        for packet in std::mem::take(&mut pair.to_a) {
            pair.a.handle_datagram(pair.now, packet).unwrap();
        }
    }
    assert!(bulk_before <= 2, "{bulk_before} bulk messages went before the chat");
}

#[test]
fn buffered_amount_and_its_low_threshold() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    pair.a.set_buffered_amount_low_threshold(ours, 100_000);
    assert_eq!(pair.a.buffered_amount(ours), 0);
    for _ in 0..10 {
        pair.a.send(pair.now, ours, Payload::binary(octets(50_000))).unwrap();
    }
    assert_eq!(pair.a.buffered_amount(ours), 500_000);
    loop {
        let before = pair.a.buffered_amount(ours);
        let low = pair.a.poll_event();
        assert_eq!(low.is_some(), before <= 100_000, "{before}");
        if low.is_some() {
            assert_eq!(low, Some(Event::BufferedAmountLow(ours)));
            break;
        }
        pair.transmit();
        for packet in std::mem::take(&mut pair.to_b) {
            pair.b.handle_datagram(pair.now, packet).unwrap();
        }
        read(&mut pair.b, pair.now, theirs);
        pair.transmit();
        // One packet at a time, so that the amount falls in small steps.
        for packet in std::mem::take(&mut pair.to_a) {
            pair.a.handle_datagram(pair.now, packet).unwrap();
        }
        pair.now += Duration::from_millis(1);
        pair.a.handle_timeout(pair.now);
        pair.b.handle_timeout(pair.now);
    }
    pair.carry();
    assert_eq!(events(&mut pair.a), []);
}

/// The application's octets count and nothing else: no OPEN, no stand-in for an empty message.
#[test]
fn buffered_amount_counts_the_applications_octets() {
    let mut pair = connected();
    let id = pair.a.open(pair.now, ChannelOptions::new("label")).unwrap();
    assert_eq!(pair.a.buffered_amount(id), 0);
    pair.a.send(pair.now, id, Payload::text("")).unwrap();
    assert_eq!(pair.a.buffered_amount(id), 0);
    pair.a.send(pair.now, id, Payload::text("four")).unwrap();
    assert_eq!(pair.a.buffered_amount(id), 4);
    pair.carry();
    assert_eq!(pair.a.buffered_amount(id), 0);
}

#[test]
fn the_send_buffer_is_bounded_and_dcep_waits_for_room() {
    let mut config = Config::default();
    config.association.send_buffer = 300_000;
    let mut pair = unstarted(config);
    connect(&mut pair);
    events(&mut pair.a);
    events(&mut pair.b);
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    let mut sent = 0;
    while pair.a.send(pair.now, ours, Payload::binary(octets(1_000))).is_ok() {
        sent += 1;
        assert!(sent < 300);
    }
    assert_eq!(
        pair.a.send(pair.now, ours, Payload::binary(octets(1_000))),
        Err(SendError::BufferFull)
    );
    let waiting = pair.a.open(pair.now, ChannelOptions::new("y".repeat(60_000))).unwrap();
    assert_eq!(pair.a.state(waiting), ChannelState::Connecting);
    let (theirs_too, mut acknowledged) =
        (pair.b.open(pair.now, ChannelOptions::new("from b")).unwrap(), 0);
    for _ in 0..100 {
        pair.run(Duration::from_millis(50));
        acknowledged += read(&mut pair.b, pair.now, theirs).len();
    }
    assert_eq!(acknowledged, sent);
    assert_eq!(pair.a.state(waiting), ChannelState::Open);
    assert_eq!(pair.b.state(theirs_too), ChannelState::Open);
    assert_eq!(incoming(&events(&mut pair.a)).len(), 1);
    assert_eq!(incoming(&events(&mut pair.b)).len(), 1);
}

#[test]
fn any_call_at_any_time_is_harmless() {
    let mut pair = unstarted(Config::default());
    let now = pair.now;
    let a = &mut pair.a;
    assert!(a.handle_datagram(now, Bytes::from_static(b"early")).is_err());
    a.handle_timeout(now);
    assert_eq!((a.poll_transmit(now), a.poll_event(), a.poll_timeout()), (None, None, None));
    let id = a.open(now, ChannelOptions::default()).unwrap();
    a.set_buffered_amount_low_threshold(id, 7);
    assert_eq!((a.buffered_amount(id), a.recv(now, id)), (0, None));
    a.close(now, id);
    a.close(now, id);
    assert_eq!(a.poll_event(), Some(Event::Closed(id)));
    a.shutdown(now);
    a.abort(now, b"");
    a.start(now, start(Role::Client));
    a.start(now, start(Role::Server));
    a.close(now, id);
    assert_eq!(a.stream(id), None);
}

/// The PPIDs of RFC 8831 §8, spelled out once where the applications are.
#[test]
fn ppids_are_those_of_the_registry() {
    let ppids = [
        Ppid::DCEP,
        Ppid::STRING,
        Ppid::BINARY_PARTIAL,
        Ppid::BINARY,
        Ppid::STRING_PARTIAL,
        Ppid::STRING_EMPTY,
        Ppid::BINARY_EMPTY,
    ];
    assert_eq!(ppids.map(|ppid| ppid.0), [50, 51, 52, 53, 54, 56, 57]);
}
