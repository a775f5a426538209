//! How data channels end: close, death, restart, and a peer that cannot (RFC 8831 §6.7).
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
use common::{connected, events, incoming, octets, open, read, start, unstarted};
use proptest::prelude::*;
use rand::RngExt;
use sctp::channel::{
    ChannelError, ChannelId, ChannelOptions, ChannelState, Config, DataChannels, Event, OpenError,
    Payload, Role, SendError,
};
use sctp::wire::{Chunk, InitAck, Packet, PacketWriter, ParameterType, StreamId};

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

/// One direction's reset frees nothing: messages of the other direction may be on their way.
#[test]
fn trap_a_stream_is_free_only_when_both_directions_are_reset() {
    let mut pair = connected();
    let (first, theirs) = open(&mut pair, ChannelOptions::new("first"));
    pair.a.send(pair.now, first, Payload::text("unread")).unwrap();
    pair.a.close(pair.now, first);
    pair.run(Duration::from_secs(1));
    // The other side has heard of it, and has not reset its own direction yet.
    assert_eq!(pair.b.state(theirs), ChannelState::Closing);
    let (second, _) = open(&mut pair, ChannelOptions::new("second"));
    assert_eq!(pair.a.stream(second), Some(StreamId(2)));
    assert_eq!(read(&mut pair.b, pair.now, theirs), [Payload::text("unread")]);
    pair.carry();
    assert_eq!(events(&mut pair.a), [Event::Closed(first)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(theirs)]);
    let (third, _) = open(&mut pair, ChannelOptions::new("third"));
    assert_eq!(pair.a.stream(third), Some(StreamId(0)));
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
    let seen: Vec<Event> = std::iter::from_fn(|| pair.a.poll_event()).collect();
    let expected = [Event::Closing(ours), Event::BufferedAmountLow(ours), Event::Closed(ours)];
    assert_eq!(seen, expected, "who waits for room is woken");
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
        // Not every n-th: that can be the same request each time it is repeated.
        let mut random = 12_345_u32;
        pair.lose = Box::new(move |_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            loss > 0 && (random >> 16).is_multiple_of(loss + 3)
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
