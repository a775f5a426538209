//! Data channels against an association that says what it likes (security checklist, rows 75, 76).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that fails panics"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use common::{Pair, events, hostile, incoming, read};
use sctp::channel::{
    ChannelError, ChannelOptions, ChannelState, Config, DataChannels, Event, Payload,
};
use sctp::wire::{ChannelType, Chunk, DcepMessage, Open, Packet, Ppid, Priority, StreamId};
use sctp::{Association, Direction, Message, Reliability};

type Hostile = Pair<Association, DataChannels>;

fn say(pair: &mut Hostile, stream: u16, ppid: Ppid, payload: impl Into<Bytes>) {
    let message = Message {
        ppid,
        payload: payload.into(),
        ordered: true,
        reliability: Reliability::Reliable,
    };
    pair.a.send(pair.now, StreamId(stream), message).unwrap();
}

fn open(label: impl Into<Bytes>) -> Bytes {
    DcepMessage::Open(Open {
        channel_type: ChannelType::RELIABLE,
        priority: Priority::NORMAL,
        reliability_parameter: 0,
        label: label.into(),
        protocol: Bytes::new(),
        surplus: Bytes::new(),
    })
    .to_octets()
}

/// The streams the data channels have reset, their direction to us.
fn reset_by_them(pair: &mut Hostile) -> Vec<u16> {
    let mut reset = vec![];
    while let Some(event) = pair.a.poll_event() {
        if let sctp::Event::StreamsReset { direction: Direction::Incoming, streams } = event {
            reset.extend(streams.into_iter().map(|stream| stream.0));
        }
    }
    reset.sort_unstable();
    reset
}

/// Whether an honest channel still works.
fn still_works(pair: &mut Hostile, stream: u16) {
    say(pair, stream, Ppid::DCEP, open("honest"));
    say(pair, stream, Ppid::STRING, "ping");
    pair.run(Duration::from_secs(1));
    let id = *incoming(&events(&mut pair.b)).last().unwrap();
    assert_eq!(read(&mut pair.b, pair.now, id), [Payload::text("ping")]);
    pair.b.send(pair.now, id, Payload::text("pong")).unwrap();
    pair.carry();
    let mut answers = vec![];
    while let Some(received) = pair.a.recv(pair.now, StreamId(stream)) {
        answers.push(received.ppid);
    }
    assert_eq!(answers, [Ppid::DCEP, Ppid::STRING]);
}

#[test]
fn row_75_dcep_cut_lies_and_bad_utf_8_close_that_stream() {
    let good = open("label");
    let mut bad: Vec<Bytes> = (0..good.len()).skip(1).map(|n| good.slice(..n)).collect();
    let with = |at: usize, octets: &[u8]| {
        let mut message = good.to_vec();
        message[at..at + octets.len()].copy_from_slice(octets);
        Bytes::from(message)
    };
    bad.push(with(8, &[0xff, 0xff])); // label length
    bad.push(with(10, &[0xff, 0xff])); // protocol length
    bad.push(with(1, &[0x03])); // channel type
    bad.push(with(0, &[0x04])); // message type
    bad.push(open(&b"\xff\xfe"[..]));
    bad.push(Bytes::from_static(&[2, 2])); // an ACK with something behind it
    let mut pair = hostile(Config::default());
    for (index, message) in bad.iter().enumerate() {
        say(&mut pair, u16::try_from(index).unwrap() * 2, Ppid::DCEP, message.clone());
    }
    pair.run(Duration::from_secs(5));
    assert_eq!(events(&mut pair.b), []);
    let streams: Vec<u16> = (0..bad.len()).map(|i| u16::try_from(i).unwrap() * 2).collect();
    assert_eq!(reset_by_them(&mut pair), streams);
    assert!(streams.iter().all(|s| pair.a.peek_ppid(StreamId(*s)).is_none()), "no ACK");
    still_works(&mut pair, 200);
}

#[test]
fn row_75_wrong_parity_closes_that_stream() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 1, Ppid::DCEP, open("odd is theirs"));
    say(&mut pair, 1, Ppid::STRING, "ignored");
    pair.run(Duration::from_secs(1));
    assert_eq!(events(&mut pair.b), []);
    assert_eq!(reset_by_them(&mut pair), [1]);
    // The number is not free until the stranger has reset its side too.
    let ours = pair.b.open(pair.now, ChannelOptions::new("ours")).unwrap();
    assert_eq!(pair.b.stream(ours), Some(StreamId(3)));
    pair.a.reset_streams(pair.now, &[StreamId(1)]).unwrap();
    pair.run(Duration::from_secs(1));
    let ours = pair.b.open(pair.now, ChannelOptions::new("ours")).unwrap();
    assert_eq!(pair.b.stream(ours), Some(StreamId(1)));
}

#[test]
fn row_75_open_on_a_busy_stream_closes_it() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 0, Ppid::DCEP, open("first"));
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    say(&mut pair, 0, Ppid::DCEP, open("second"));
    pair.carry();
    assert_eq!(events(&mut pair.b), [Event::Failed(id, ChannelError::ProtocolViolation)]);
    assert_eq!(pair.b.state(id), ChannelState::Closing);
    assert_eq!(reset_by_them(&mut pair), [0]);
    pair.a.reset_streams(pair.now, &[StreamId(0)]).unwrap();
    pair.carry();
    assert_eq!(events(&mut pair.b), [Event::Closed(id)]);
    while pair.a.recv(pair.now, StreamId(0)).is_some() {}
    still_works(&mut pair, 0);
}

#[test]
fn row_75_thirty_thousand_opens_are_limited() {
    let mut pair = hostile(Config::default());
    let mut reset = vec![];
    for stream in (0..60_000).step_by(2) {
        say(&mut pair, stream, Ppid::DCEP, open("flood"));
        if stream % 1_000 == 0 {
            pair.carry();
            reset.extend(reset_by_them(&mut pair));
        }
    }
    pair.run(Duration::from_secs(5));
    reset.extend(reset_by_them(&mut pair));
    let seen = events(&mut pair.b);
    assert_eq!(incoming(&seen).len(), 2_048);
    assert_eq!(seen.len(), 2_048);
    assert_eq!(reset.len(), 1_024, "as many as may be refused at once");
    // Its own channels are closed, and there is room again.
    for id in incoming(&seen) {
        pair.b.close(pair.now, id);
    }
    let streams: Vec<StreamId> = (0..4_096).step_by(2).map(StreamId).collect();
    for some in streams.chunks(100) {
        pair.a.reset_streams(pair.now, some).unwrap();
        pair.run(Duration::from_secs(1));
        reset_by_them(&mut pair);
    }
    assert_eq!(events(&mut pair.b).len(), 2_048);
    while pair.a.recv(pair.now, StreamId(0)).is_some() {}
    still_works(&mut pair, 0);
}

#[test]
fn row_75_long_names_are_bounded_in_their_sum() {
    let mut pair = hostile(Config::default());
    for stream in (0..100).step_by(2) {
        say(&mut pair, stream, Ppid::DCEP, open("x".repeat(65_535)));
        pair.run(Duration::from_secs(1));
    }
    let opened = incoming(&events(&mut pair.b)).len();
    assert!((3..=4).contains(&opened), "{opened}");
    still_works(&mut pair, 1_000);
}

#[test]
fn row_75_an_application_limit_on_channels() {
    let mut pair = hostile(Config { max_channels: 2, ..Config::default() });
    for stream in [0, 2, 4] {
        say(&mut pair, stream, Ppid::DCEP, open("x"));
    }
    pair.carry();
    assert_eq!(incoming(&events(&mut pair.b)).len(), 2);
    assert_eq!(reset_by_them(&mut pair), [4]);
}

#[test]
fn row_75_arbitrary_dcep_octets() {
    let mut pair = hostile(Config::default());
    let mut noise = 1u32;
    for stream in (0..400).step_by(2) {
        let octets: Vec<u8> = (0..1 + stream % 37)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if noise >> 30 == 0 { 3 } else { (noise >> 24) as u8 }
            })
            .collect();
        say(&mut pair, stream, Ppid::DCEP, octets);
    }
    pair.run(Duration::from_secs(2));
    still_works(&mut pair, 1_000);
}

#[test]
fn row_76_a_message_over_our_limit_closes_the_channel() {
    let mut config = Config::default();
    config.association.max_message_size = 1_000;
    for length in [1_001, 100_000, 200_000] {
        let mut pair = hostile(config.clone());
        pair.a.set_remote_max_message_size(usize::MAX);
        say(&mut pair, 0, Ppid::DCEP, open("x"));
        say(&mut pair, 0, Ppid::BINARY, vec![0; 1_000]);
        pair.carry();
        let id = incoming(&events(&mut pair.b))[0];
        assert_eq!(read(&mut pair.b, pair.now, id).len(), 1);
        say(&mut pair, 0, Ppid::BINARY, vec![0; length]);
        pair.carry();
        assert_eq!(pair.b.recv(pair.now, id), None);
        pair.carry();
        let seen = events(&mut pair.b);
        assert!(seen.contains(&Event::Failed(id, ChannelError::MessageTooLarge)), "{seen:?}");
        assert_eq!(reset_by_them(&mut pair), [0]);
        still_works(&mut pair, 2);
    }
}

#[test]
fn row_76_unknown_ppids_are_ignored() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 0, Ppid::DCEP, open("x"));
    for ppid in [0, 49, 55, 58, u32::MAX] {
        say(&mut pair, 0, Ppid(ppid), "?");
    }
    say(&mut pair, 0, Ppid::STRING, "known");
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    assert_eq!(read(&mut pair.b, pair.now, id), [Payload::text("known")]);
}

#[test]
fn row_76_empty_messages_are_empty_whatever_stands_for_nothing() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 0, Ppid::DCEP, open("x"));
    say(&mut pair, 0, Ppid::STRING_EMPTY, vec![0]);
    say(&mut pair, 0, Ppid::BINARY_EMPTY, vec![0]);
    say(&mut pair, 0, Ppid::BINARY_EMPTY, "something");
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    let empty = Payload::binary(vec![]);
    assert_eq!(read(&mut pair.b, pair.now, id), [Payload::text(""), empty.clone(), empty]);
}

#[test]
fn trap_deprecated_ppids_are_joined_on_reliable_ordered_channels_only() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 0, Ppid::DCEP, open("x"));
    for (ppid, text) in [
        (Ppid::STRING_PARTIAL, "gr\u{fc}"),
        (Ppid::STRING, "n"),
        (Ppid::BINARY_PARTIAL, "1"),
        (Ppid::BINARY_PARTIAL, "2"),
        (Ppid::BINARY, "3"),
    ] {
        say(&mut pair, 0, ppid, text);
    }
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    assert_eq!(
        read(&mut pair.b, pair.now, id),
        [Payload::text("gr\u{fc}n"), Payload::binary("123")]
    );
    let unordered = DcepMessage::Open(Open {
        channel_type: ChannelType::RELIABLE.unordered(),
        priority: Priority::NORMAL,
        reliability_parameter: 0,
        label: Bytes::new(),
        protocol: Bytes::new(),
        surplus: Bytes::new(),
    });
    say(&mut pair, 2, Ppid::DCEP, unordered.to_octets());
    say(&mut pair, 2, Ppid::BINARY_PARTIAL, "1");
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    assert_eq!(read(&mut pair.b, pair.now, id), []);
    assert_eq!(events(&mut pair.b), [Event::Failed(id, ChannelError::ProtocolViolation)]);
}

/// Memory is bounded over all channels, not for each.
#[test]
fn row_71_partial_messages_that_never_end() {
    let mut pair = hostile(Config::default());
    let mut failed = 0;
    for stream in (0..40).step_by(2) {
        say(&mut pair, stream, Ppid::DCEP, open("x"));
        say(&mut pair, stream, Ppid::BINARY_PARTIAL, vec![0; 50_000]);
        pair.run(Duration::from_secs(1));
        let id = incoming(&events(&mut pair.b))[0];
        assert_eq!(read(&mut pair.b, pair.now, id), []);
        failed += events(&mut pair.b).len();
    }
    assert_eq!(failed, 15, "five partial messages of 50,000 octets fit into 256 KiB");
    still_works(&mut pair, 1_000);
}

#[test]
fn text_that_is_no_utf_8_is_repaired_as_browsers_do() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 0, Ppid::DCEP, open("x"));
    say(&mut pair, 0, Ppid::STRING, &b"a\xffb"[..]);
    pair.carry();
    let id = incoming(&events(&mut pair.b))[0];
    assert_eq!(read(&mut pair.b, pair.now, id), [Payload::text("a\u{fffd}b")]);
}

/// Messages that no channel claims do not stop the others.
#[test]
fn user_data_on_streams_nobody_opened_is_bounded() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 1_000, Ppid::DCEP, open("honest"));
    pair.carry();
    let honest = incoming(&events(&mut pair.b))[0];
    for round in 0..200u16 {
        say(&mut pair, (round % 100) * 2, Ppid::BINARY, vec![0; 60_000]);
        pair.run(Duration::from_millis(500));
    }
    say(&mut pair, 1_000, Ppid::STRING, "here I am");
    pair.run(Duration::from_secs(5));
    assert_eq!(read(&mut pair.b, pair.now, honest), [Payload::text("here I am")]);
    let held = pair.b.stats().unwrap().local_window;
    assert!(held > 1 << 20, "{held}");
    assert!(!reset_by_them(&mut pair).is_empty());
}

#[test]
fn a_channel_only_the_remote_knows_is_closed_when_it_wishes() {
    let mut pair = hostile(Config::default());
    say(&mut pair, 10, Ppid::BINARY, "negotiated over there");
    pair.carry();
    pair.a.reset_streams(pair.now, &[StreamId(10), StreamId(12)]).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(reset_by_them(&mut pair), [10, 12]);
    assert_eq!(events(&mut pair.b), []);
    still_works(&mut pair, 10);
}

#[test]
fn a_refused_open_closes_our_channel() {
    let mut pair = hostile(Config::default());
    let id = pair.b.open(pair.now, ChannelOptions::new("unwanted")).unwrap();
    pair.carry();
    assert_eq!(events(&mut pair.b), [Event::Opened(id)]);
    let stream = pair.b.stream(id).unwrap();
    assert_eq!(stream, StreamId(1));
    pair.a.reset_streams(pair.now, &[stream]).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(events(&mut pair.b), [Event::Closing(id), Event::Closed(id)]);
    assert_eq!(reset_by_them(&mut pair), [1]);
}

#[test]
fn all_streams_reset_at_once_rfc_6525_section_4_1() {
    let mut pair = hostile(Config::default());
    for stream in [0, 2, 4] {
        say(&mut pair, stream, Ppid::DCEP, open("x"));
    }
    pair.carry();
    let ids = incoming(&events(&mut pair.b));
    pair.a.reset_streams(pair.now, &[StreamId(0), StreamId(2), StreamId(4)]).unwrap();
    pair.run(Duration::from_secs(1));
    let closing = ids.iter().copied().map(Event::Closing);
    let closed = ids.iter().copied().map(Event::Closed);
    assert_eq!(events(&mut pair.b), closing.chain(closed).collect::<Vec<_>>());
}

/// Every OPEN that Chromium and Firefox sent in the captures is accepted, with its options.
#[test]
fn browsers_opens_are_accepted() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pcap");
    let mut opens: Vec<Bytes> = vec![];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".sctp.pcap") {
            continue;
        }
        for datagram in tap::capture::read(&path).unwrap() {
            for chunk in Packet::parse(&Bytes::from(datagram.payload)).unwrap().chunks {
                if let Chunk::Data(data) = chunk
                    && data.ppid == Ppid::DCEP
                    && data.payload.len() > 1
                {
                    opens.push(data.payload);
                }
            }
        }
    }
    assert!(opens.len() >= 6, "{}", opens.len());
    let mut pair = hostile(Config::default());
    for (index, open) in opens.iter().enumerate() {
        say(&mut pair, u16::try_from(index).unwrap() * 2, Ppid::DCEP, open.clone());
    }
    pair.carry();
    let ids = incoming(&events(&mut pair.b));
    assert_eq!(ids.len(), opens.len());
    let seen: Vec<_> = ids.iter().map(|id| pair.b.options(*id).unwrap()).collect();
    let find = |label: &str| seen.iter().find(|options| options.label == label).unwrap();
    assert_eq!(find("big").reliability, Reliability::Reliable);
    assert_eq!(find("unord").reliability, Reliability::MaxRetransmits(0));
    assert!(find("big").ordered && !find("unord").ordered);
    let timed = find("pl");
    assert_eq!(timed.reliability, Reliability::MaxLifetime(Duration::from_millis(500)));
    assert_eq!((timed.protocol.as_str(), timed.ordered), ("proto", true));
}
