//! Data channels between two of ours: opening, sending, closing (RFC 8831, RFC 8832).
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
use common::{Channels, connect, connected, events, incoming, read, start, unstarted};
use proptest::prelude::*;
use rand::RngExt;
use sctp::Reliability;
use sctp::channel::{
    ChannelError, ChannelId, ChannelOptions, ChannelState, Config, DataChannels, Event, OpenError,
    Payload, Role, SendError,
};
use sctp::wire::{Chunk, InitAck, Packet, PacketWriter, ParameterType, Ppid, Priority, StreamId};

/// Opens a channel at `a` and answers its names on both sides.
fn open(pair: &mut Channels, options: ChannelOptions) -> (ChannelId, ChannelId) {
    let ours = pair.a.open(pair.now, options).unwrap();
    pair.carry();
    assert_eq!(events(&mut pair.a), [Event::Opened(ours)]);
    let theirs = incoming(&events(&mut pair.b));
    assert_eq!(theirs.len(), 1);
    (ours, theirs[0])
}

/// Binary octets, all different enough to notice a mix-up.
fn octets(length: usize) -> Bytes {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

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
fn ids_are_assigned_by_role_and_in_the_order_of_opening() {
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
fn texts_binaries_and_empty_messages_arrive_as_they_are() {
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
fn max_message_size_zero_is_unlimited_rfc_8841_section_6_1() {
    let mut pair = connected();
    pair.a.set_remote_max_message_size(Some(0));
    let buffer = sctp::Config::default().send_buffer;
    assert_eq!(pair.a.max_message_size(), buffer);
    let (ours, _) = open(&mut pair, ChannelOptions::default());
    let huge = Payload::binary(vec![0; buffer + 1]);
    assert_eq!(pair.a.send(pair.now, ours, huge), Err(SendError::TooLarge { limit: buffer }));
}

#[test]
fn closing_is_seen_by_both_and_the_stream_is_used_again() {
    let mut pair = connected();
    for by_a in [true, false, true] {
        let (ours, theirs) = open(&mut pair, ChannelOptions::new("again"));
        assert_eq!(pair.a.stream(ours), Some(StreamId(0)));
        pair.b.send(pair.now, theirs, Payload::text("first of its kind")).unwrap();
        pair.carry();
        assert_eq!(read(&mut pair.a, pair.now, ours).len(), 1);
        events(&mut pair.a);
        match by_a {
            true => pair.a.close(pair.now, ours),
            false => pair.b.close(pair.now, theirs),
        }
        assert_eq!(
            if by_a { pair.a.state(ours) } else { pair.b.state(theirs) },
            ChannelState::Closing
        );
        pair.carry();
        let mut expected = [vec![Event::Closed(ours)], vec![Event::Closed(theirs)]];
        match by_a {
            true => expected[1].insert(0, Event::Closing(theirs)),
            false => expected[0].insert(0, Event::Closing(ours)),
        }
        assert_eq!([events(&mut pair.a), events(&mut pair.b)], expected);
        assert_eq!(pair.a.options(ours), None);
        assert_eq!(pair.a.send(pair.now, ours, Payload::text("x")), Err(SendError::NotOpen));
    }
}

#[test]
fn both_close_at_once() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    pair.a.close(pair.now, ours);
    pair.b.close(pair.now, theirs);
    pair.a.close(pair.now, ours);
    pair.carry();
    assert_eq!(events(&mut pair.a), [Event::Closed(ours)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(theirs)]);
    open(&mut pair, ChannelOptions::new("x"));
}

#[test]
fn close_and_reopen_a_negotiated_channel() {
    let mut pair = connected();
    let options = ChannelOptions { negotiated: Some(StreamId(5)), ..ChannelOptions::default() };
    for round in 0..3 {
        let at_a = pair.a.open(pair.now, options.clone()).unwrap();
        let at_b = pair.b.open(pair.now, options.clone()).unwrap();
        let text = Payload::text(round.to_string());
        pair.a.send(pair.now, at_a, text.clone()).unwrap();
        pair.carry();
        assert_eq!(read(&mut pair.b, pair.now, at_b), [text]);
        pair.b.close(pair.now, at_b);
        assert_eq!(pair.b.open(pair.now, options.clone()), Err(OpenError::StreamInUse));
        pair.carry();
        assert_eq!(
            events(&mut pair.a),
            [Event::Opened(at_a), Event::Closing(at_a), Event::Closed(at_a)]
        );
        assert_eq!(
            events(&mut pair.b),
            [Event::Opened(at_b), Event::Readable(at_b), Event::Closed(at_b)]
        );
    }
}

/// werift#495: closing a channel with data pending broke later ones.
#[test]
fn trap_channel_closed_while_data_is_pending() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("bulk"));
    let (other, other_b) = open(&mut pair, ChannelOptions::new("other"));
    for _ in 0..10 {
        pair.a.send(pair.now, ours, Payload::binary(octets(200_000))).unwrap();
    }
    pair.a.close(pair.now, ours);
    pair.a.send(pair.now, other, Payload::text("alive")).unwrap();
    pair.carry();
    assert_eq!(read(&mut pair.b, pair.now, theirs).len(), 10);
    pair.run(Duration::from_secs(2));
    assert_eq!(events(&mut pair.a), [Event::Closed(ours)]);
    let seen = events(&mut pair.b);
    assert!(seen.contains(&Event::Closed(theirs)), "{seen:?}");
    assert_eq!(read(&mut pair.b, pair.now, other_b), [Payload::text("alive")]);
    let (again, again_b) = open(&mut pair, ChannelOptions::new("again"));
    assert_eq!(pair.a.stream(again), Some(StreamId(0)));
    pair.b.send(pair.now, again_b, Payload::text("back")).unwrap();
    pair.carry();
    assert_eq!(read(&mut pair.a, pair.now, again), [Payload::text("back")]);
}

/// What arrived before the close is read first. The other side's close is complete only then, so
/// that nobody uses the stream again before.
#[test]
fn a_close_by_the_remote_waits_for_the_reader() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    pair.a.send(pair.now, ours, Payload::text("last words")).unwrap();
    pair.a.close(pair.now, ours);
    pair.run(Duration::from_secs(1));
    assert_eq!(events(&mut pair.a), []);
    assert_eq!(events(&mut pair.b), [Event::Readable(theirs), Event::Closing(theirs)]);
    assert_eq!(pair.b.state(theirs), ChannelState::Closing);
    assert_eq!(pair.b.send(pair.now, theirs, Payload::text("x")), Err(SendError::NotOpen));
    assert_eq!(pair.b.recv(pair.now, theirs), Some(Payload::text("last words")));
    assert_eq!(pair.b.recv(pair.now, theirs), None);
    pair.carry();
    assert_eq!(events(&mut pair.a), [Event::Closed(ours)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(theirs)]);
}

/// A side that only sends is told that nobody listens any more.
#[test]
fn what_waits_to_be_sent_is_thrown_away_when_the_remote_closes() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    for _ in 0..100 {
        pair.a.send(pair.now, ours, Payload::binary(octets(100_000))).unwrap();
    }
    pair.transmit();
    pair.b.close(pair.now, theirs);
    pair.carry();
    assert_eq!(pair.a.buffered_amount(ours), 0);
    assert_eq!(events(&mut pair.a), [Event::Closing(ours), Event::Closed(ours)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(theirs)]);
    assert!(pair.a.stats().unwrap().octets_sent < 1_000_000);
}

#[test]
fn closing_throws_away_what_was_not_read() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    for _ in 0..10 {
        pair.a.send(pair.now, ours, Payload::binary(octets(100_000))).unwrap();
    }
    pair.carry();
    pair.b.close(pair.now, theirs);
    assert_eq!(pair.b.recv(pair.now, theirs), None);
    pair.run(Duration::from_secs(2));
    assert!(events(&mut pair.b).contains(&Event::Closed(theirs)));
    let stats = pair.b.stats().unwrap();
    let window = usize::try_from(sctp::Config::default().receive_window).unwrap();
    assert_eq!(stats.local_window, window, "nothing is held for a channel that is gone");
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
fn death_closes_every_channel_and_leaves_what_arrived() {
    let mut pair = connected();
    let (x, x_b) = open(&mut pair, ChannelOptions::new("x"));
    let (y, y_b) = open(&mut pair, ChannelOptions::new("y"));
    pair.a.send(pair.now, x, Payload::text("last words")).unwrap();
    pair.carry();
    events(&mut pair.b);
    pair.a.abort(pair.now, b"enough");
    pair.carry();
    let down = |events: &[Event]| matches!(events.last(), Some(Event::Down(_)));
    let seen = events(&mut pair.a);
    assert_eq!(seen[..2], [Event::Closed(x), Event::Closed(y)]);
    assert!(seen.len() == 3 && down(&seen), "{seen:?}");
    let seen = events(&mut pair.b);
    assert_eq!(seen[..2], [Event::Closed(x_b), Event::Closed(y_b)]);
    assert!(seen.len() == 3 && down(&seen), "{seen:?}");
    assert_eq!(read(&mut pair.b, pair.now, x_b), [Payload::text("last words")]);
    assert_eq!(pair.b.open(pair.now, ChannelOptions::new("z")), Err(OpenError::Down));
    pair.run(Duration::from_secs(60));
    assert_eq!(events(&mut pair.a), []);
    assert_eq!(events(&mut pair.b), []);
}

#[test]
fn shutdown_delivers_first() {
    let mut pair = connected();
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("x"));
    pair.a.send(pair.now, ours, Payload::binary(octets(200_000))).unwrap();
    pair.a.shutdown(pair.now);
    pair.run(Duration::from_secs(5));
    assert!(events(&mut pair.a).contains(&Event::Closed(ours)));
    assert!(read(&mut pair.b, pair.now, theirs) == [Payload::binary(octets(200_000))]);
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

/// The remote endpoint lost its memory and starts a new association over the same DTLS connection
/// (RFC 9260 §5.2.2): its channels are gone, ours with it.
#[test]
fn a_restart_closes_the_channels_and_new_ones_open() {
    let mut pair = connected();
    let (_, theirs) = open(&mut pair, ChannelOptions::new("before"));
    pair.b.send(pair.now, theirs, Payload::binary(octets(500_000 / 2))).unwrap();
    pair.a = DataChannels::new(Config::default(), common::rng(9));
    pair.to_a.clear();
    pair.a.start(pair.now, start(Role::Client));
    pair.run(Duration::from_secs(1));
    assert_eq!(
        events(&mut pair.b),
        [Event::Failed(theirs, ChannelError::Restarted), Event::Closed(theirs)]
    );
    assert_eq!(events(&mut pair.a), [Event::Established]);
    let (ours, theirs) = open(&mut pair, ChannelOptions::new("after"));
    pair.b.send(pair.now, theirs, Payload::text("hello")).unwrap();
    pair.carry();
    assert_eq!(read(&mut pair.a, pair.now, ours), [Payload::text("hello")]);
}

/// Takes the Supported Extensions out of INIT and INIT ACK: nobody offers RE-CONFIG any more.
fn without_extensions(packet: &Bytes) -> Bytes {
    let mut parsed = Packet::parse(packet).unwrap();
    let mut writer = PacketWriter::new(&parsed.header, 1191);
    for chunk in &mut parsed.chunks {
        if let Chunk::Init(init) | Chunk::InitAck(InitAck(init)) = chunk {
            init.parameters.retain(|p| p.parameter_type() != ParameterType::SUPPORTED_EXTENSIONS);
        }
        assert!(writer.push(chunk));
    }
    writer.finish()
}

#[test]
fn without_re_config_a_channel_is_closed_here_and_its_stream_never_used_again() {
    let mut pair = unstarted(Config::default());
    pair.a.start(pair.now, start(Role::Client));
    pair.b.start(pair.now, start(Role::Server));
    for _ in 0..4 {
        pair.transmit();
        for queue in [&mut pair.to_a, &mut pair.to_b] {
            queue.iter_mut().for_each(|packet| *packet = without_extensions(packet));
        }
        for packet in std::mem::take(&mut pair.to_b) {
            let _ = pair.b.handle_datagram(pair.now, packet);
        }
        for packet in std::mem::take(&mut pair.to_a) {
            let _ = pair.a.handle_datagram(pair.now, packet);
        }
    }
    assert_eq!(events(&mut pair.a), [Event::Established]);
    assert_eq!(events(&mut pair.b), [Event::Established]);
    let (ours, _) = open(&mut pair, ChannelOptions::new("x"));
    pair.a.close(pair.now, ours);
    assert_eq!(
        events(&mut pair.a),
        [Event::Failed(ours, ChannelError::ResetRefused), Event::Closed(ours)]
    );
    let (next, _) = open(&mut pair, ChannelOptions::new("y"));
    assert_eq!(pair.a.stream(next), Some(StreamId(2)));
}

/// Every third packet is lost, in the mean: channels open, deliver and close all the same.
#[test]
fn channels_survive_loss() {
    let mut pair = connected();
    let mut chance = common::rng(5);
    pair.lose = Box::new(move |_| chance.random_ratio(1, 3));
    let ours: Vec<_> = (0..20)
        .map(|i| pair.a.open(pair.now, ChannelOptions::new(i.to_string())).unwrap())
        .collect();
    for id in &ours {
        pair.a.send(pair.now, *id, Payload::binary(octets(5_000))).unwrap();
    }
    pair.run(Duration::from_secs(60));
    let theirs = incoming(&events(&mut pair.b));
    assert_eq!(theirs.len(), 20);
    for id in &theirs {
        assert!(read(&mut pair.b, pair.now, *id) == [Payload::binary(octets(5_000))]);
    }
    ours.iter().for_each(|id| pair.a.close(pair.now, *id));
    pair.run(Duration::from_secs(60));
    assert!(ours.iter().all(|id| pair.a.state(*id) == ChannelState::Closed));
    assert!(theirs.iter().all(|id| pair.b.state(*id) == ChannelState::Closed));
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Open { at_a: bool, ordered: bool },
    Send { at_a: bool, channel: usize, length: usize },
    Close { at_a: bool, channel: usize },
    Read { at_a: bool },
    Pass,
}

fn any_action() -> impl Strategy<Value = Action> {
    let channel = 0usize..8;
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(at_a, ordered)| Action::Open { at_a, ordered }),
        (any::<bool>(), channel.clone(), 0usize..5_000)
            .prop_map(|(at_a, channel, length)| Action::Send { at_a, channel, length }),
        (any::<bool>(), channel).prop_map(|(at_a, channel)| Action::Close { at_a, channel }),
        any::<bool>().prop_map(|at_a| Action::Read { at_a }),
        Just(Action::Pass),
    ]
}

proptest! {
    /// Whatever the applications do: each channel is closed once on both sides in the end, and
    /// events come in their order.
    #[test]
    fn every_channel_ends_in_exactly_one_closed(
        actions in prop::collection::vec(any_action(), 0..40),
        loss in 0u32..4,
    ) {
        let mut pair = connected();
        let mut packet = 0u32;
        pair.lose = Box::new(move |_| {
            packet += 1;
            loss > 0 && packet.is_multiple_of(loss + 3)
        });
        let mut known: [Vec<(ChannelId, Vec<Event>)>; 2] = Default::default();
        for action in actions.into_iter().chain([Action::Pass; 3]) {
            let now = pair.now;
            match action {
                Action::Open { at_a, ordered } => {
                    let options = ChannelOptions { ordered, ..ChannelOptions::new("p") };
                    let (end, known) =
                        if at_a { (&mut pair.a, &mut known[0]) } else { (&mut pair.b, &mut known[1]) };
                    known.push((end.open(now, options).unwrap(), vec![]));
                }
                Action::Send { at_a, channel, length } => {
                    let (end, known) =
                        if at_a { (&mut pair.a, &known[0]) } else { (&mut pair.b, &known[1]) };
                    if let Some((id, _)) = known.get(channel) {
                        let _ = end.send(now, *id, Payload::binary(octets(length)));
                    }
                }
                Action::Close { at_a, channel } => {
                    let (end, known) =
                        if at_a { (&mut pair.a, &known[0]) } else { (&mut pair.b, &known[1]) };
                    if let Some((id, _)) = known.get(channel) {
                        end.close(now, *id);
                    }
                }
                Action::Read { at_a } => {
                    let (end, known) =
                        if at_a { (&mut pair.a, &known[0]) } else { (&mut pair.b, &known[1]) };
                    for (id, _) in known {
                        read(end, now, *id);
                    }
                }
                Action::Pass => pair.run(Duration::from_secs(20)),
            }
            for (end, known) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut known) {
                note(events(end), known);
            }
        }
        for (id, _) in &known[0] {
            pair.a.close(pair.now, *id);
        }
        for _ in 0..3 {
            pair.run(Duration::from_secs(20));
            for (end, known) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut known) {
                note(events(end), known);
                for (id, _) in known {
                    read(end, pair.now, *id);
                }
            }
        }
        for (end, known) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut known) {
            note(events(end), known);
        }
        prop_assert_eq!(known[0].len(), known[1].len());
        for (id, events) in known.iter().flatten() {
            let closed = events.iter().filter(|event| **event == Event::Closed(*id)).count();
            prop_assert_eq!(closed, 1, "{:?}: {:?}", id, events);
            prop_assert_eq!(events.last(), Some(&Event::Closed(*id)));
        }
    }
}

fn note(events: Vec<Event>, known: &mut Vec<(ChannelId, Vec<Event>)>) {
    for event in events {
        let id = match event {
            Event::Incoming(id) => {
                known.push((id, vec![]));
                id
            }
            Event::Opened(id)
            | Event::Readable(id)
            | Event::BufferedAmountLow(id)
            | Event::Closing(id)
            | Event::Failed(id, _)
            | Event::Closed(id) => id,
            _ => continue,
        };
        known.iter_mut().find(|(known, _)| *known == id).unwrap().1.push(event);
    }
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
