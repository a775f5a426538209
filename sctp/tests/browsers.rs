//! Browsers' own packets: what Chromium and Firefox once said to each other, said to us.
//!
//! An association takes one browser's place. The other's packets are given to it with the numbers
//! that the replaced browser had chosen (tag, TSN, cookie) exchanged for ours. Every message must
//! come out as a simple reading of the capture has it, and nothing must be refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test"
)]

mod pair;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{
    Chunk, CookieEcho, Data, Init, InitAck, Packet, PacketWriter, ReConfigParameter, RequestNumber,
    Tsn, VerificationTag,
};
use sctp::{Association, Config, Event, StreamId};

/// A capture's packets that went to the endpoint with this tag, and that endpoint's INIT.
struct Side {
    packets: Vec<Packet>,
    replaced: Init,
}

fn sides(path: &Path) -> Vec<Side> {
    let packets: Vec<Packet> = tap::capture::read(path)
        .unwrap()
        .into_iter()
        .map(|datagram| Packet::parse(&Bytes::from(datagram.payload)).unwrap())
        .collect();
    let inits: Vec<Init> = packets
        .iter()
        .filter_map(|packet| match &packet.chunks[..] {
            [Chunk::Init(init)] => Some(init.clone()),
            _ => None,
        })
        .collect();
    let [one, other] = &inits[..] else { panic!("{}: {} INITs", path.display(), inits.len()) };
    let side = |replaced: &Init, speaker: &Init| {
        let is_for = |packet: &&Packet| match &packet.chunks[..] {
            [Chunk::Init(init)] => init.initiate_tag == speaker.initiate_tag,
            _ => packet.header.verification_tag == replaced.initiate_tag,
        };
        let packets = packets.iter().filter(is_for).cloned().collect();
        Side { packets, replaced: replaced.clone() }
    };
    vec![side(one, other), side(other, one)]
}

/// The messages in the packets, by stream, put together without any of our code for that.
fn messages(packets: &[Packet]) -> BTreeMap<u16, Vec<Vec<u8>>> {
    let mut fragments: Vec<&Data> = packets
        .iter()
        .flat_map(|packet| &packet.chunks)
        .filter_map(|chunk| match chunk {
            Chunk::Data(data) => Some(data),
            _ => None,
        })
        .collect();
    let first = fragments.first().map_or(Tsn(0), |data| data.tsn);
    fragments.sort_by_key(|data| data.tsn.since(first));
    fragments.dedup_by_key(|data| data.tsn);
    let mut messages: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for data in fragments {
        let stream = messages.entry(data.stream.0).or_default();
        if data.beginning {
            stream.push(Vec::new());
        }
        stream.last_mut().unwrap().extend_from_slice(&data.payload);
    }
    messages
}

/// A packet with the replaced endpoint's numbers exchanged for ours.
fn translate(packet: &Packet, replaced: &Init, ours: &Init, cookie: Option<&Bytes>) -> Bytes {
    let mut header = packet.header;
    if header.verification_tag != VerificationTag::NONE {
        header.verification_tag = ours.initiate_tag;
    }
    let tsn = |tsn: Tsn| ours.initial_tsn.advance(tsn.since(replaced.initial_tsn));
    let mut writer = PacketWriter::new(&header, 65_535);
    for chunk in &packet.chunks {
        let mut chunk = chunk.clone();
        match &mut chunk {
            Chunk::CookieEcho(CookieEcho { cookie: echoed }) => {
                *echoed = cookie.unwrap().clone();
            }
            Chunk::Sack(sack) => {
                sack.cumulative_tsn = tsn(sack.cumulative_tsn);
                sack.duplicates.iter_mut().for_each(|duplicate| *duplicate = tsn(*duplicate));
            }
            Chunk::Shutdown(shutdown) => shutdown.cumulative_tsn = tsn(shutdown.cumulative_tsn),
            Chunk::ReConfig(reconfig) => {
                for parameter in &mut reconfig.parameters {
                    if let ReConfigParameter::Response { response, .. }
                    | ReConfigParameter::OutgoingReset { response, .. } = parameter
                    {
                        *response = RequestNumber(tsn(Tsn(response.0)).0);
                    }
                }
            }
            _ => {}
        }
        assert!(writer.push(&chunk));
    }
    writer.finish()
}

struct Replay {
    messages: BTreeMap<u16, Vec<Vec<u8>>>,
    resets: usize,
    closed: bool,
}

fn replay(side: &Side) -> Replay {
    let now = Instant::now();
    let config = Config { max_message_size: 1 << 20, ..Config::default() };
    let mut association = Association::new(now, config, StdRng::seed_from_u64(1));
    let (mut ours, mut cookie) = (None, None);
    let mut replay = Replay { messages: BTreeMap::new(), resets: 0, closed: false };
    association.connect(now);
    for packet in &side.packets {
        // What we say, and our numbers with it.
        while let Some(sent) = association.poll_transmit(now) {
            for chunk in Packet::parse(&sent).unwrap().chunks {
                match chunk {
                    Chunk::Init(init) => ours = Some(init),
                    Chunk::InitAck(ack) => cookie = ack.state_cookie().cloned(),
                    Chunk::Abort(abort) => panic!("{abort:?}"),
                    Chunk::Error(error) => panic!("{error:?}"),
                    _ => {}
                }
            }
        }
        // Its answer to the replaced browser's INIT: as ours is the same, it would say the same.
        let given = translate(packet, &side.replaced, ours.as_ref().unwrap(), cookie.as_ref());
        association.handle_datagram(now, given).unwrap();
        while let Some(event) = association.poll_event() {
            match event {
                Event::Established { outbound_streams, inbound_streams } => {
                    assert_eq!((outbound_streams, inbound_streams), (65_535, 65_535));
                }
                Event::Readable(StreamId(stream)) => {
                    let read = std::iter::from_fn(|| association.recv(now, StreamId(stream)));
                    let read = read.map(|received| received.payload.to_vec());
                    replay.messages.entry(stream).or_default().extend(read);
                }
                Event::StreamsReset { .. } => replay.resets += 1,
                Event::Closed(_) => replay.closed = true,
                event => panic!("{event:?}"),
            }
        }
    }
    replay
}

#[test]
fn browsers_are_understood_in_every_capture() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pcap");
    let (mut captures, mut resets, mut octets) = (0, 0, 0);
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        // Two Firefoxes speak I-DATA to each other; to us they will not, we do not offer it.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".sctp.pcap") || name.starts_with("firefox-firefox") {
            continue;
        }
        for side in sides(&path) {
            let expected = messages(&side.packets);
            let replayed = replay(&side);
            let mut sorted = (expected, replayed.messages);
            for messages in sorted.0.values_mut().chain(sorted.1.values_mut()) {
                messages.sort();
            }
            assert!(sorted.0 == sorted.1, "{name}");
            octets += sorted.0.values().flatten().map(Vec::len).sum::<usize>();
            resets += replayed.resets;
            captures += 1;
        }
    }
    assert!(captures >= 8 && octets > 10_000, "{captures} sides, {octets} octets");
    assert!(resets > 0, "channels were closed in some");
}

#[test]
fn trap_a_browsers_init_of_30_octets_is_answered_and_its_extensions_taken() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pcap");
    let side = sides(&fixtures.join("chromium-firefox-data.sctp.pcap")).remove(0);
    let now = Instant::now();
    let mut association = Association::new(now, Config::default(), StdRng::seed_from_u64(1));
    let mut writer = PacketWriter::new(&side.packets[0].header, 1200);
    assert!(writer.push(&side.packets[0].chunks[0]));
    association.handle_datagram(now, writer.finish()).unwrap();
    let answer = Packet::parse(&association.poll_transmit(now).unwrap()).unwrap();
    let [Chunk::InitAck(InitAck(init))] = &answer.chunks[..] else { panic!("{answer:?}") };
    assert!(init.parameters.iter().all(|p| !matches!(p, sctp::wire::Parameter::Unrecognized(_))));
}
