//! Whatever arrives, whenever: no panic, no endless loop, no memory beyond the bounds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test"
)]

mod pair;

use std::time::Duration;

use bytes::Bytes;
use pair::script::{Script, TSN, packet};
use pair::{A, B, Link, Pair, message};
use proptest::prelude::*;
use sctp::wire::{
    Abort, Body, Cause, CauseCode, Chunk, ChunkType, CookieAck, CookieEcho, Data, ForwardTsn,
    GapBlock, Heartbeat, HeartbeatAck, Init, InitAck, OperationError, Parameter, Ppid, ReConfig,
    ReConfigParameter, ReConfigResult, RequestNumber, Sack, Shutdown, ShutdownAck,
    ShutdownComplete, SkippedStream, Ssn, StreamId, Tsn, UnknownChunk, VerificationTag,
};
use sctp::{Association, Config, Message, Reliability};

/// Numbers near where they matter, and anywhere.
fn near(base: u32) -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => (0u32..40).prop_map(move |offset| base.wrapping_add(offset).wrapping_sub(5)),
        1 => any::<u32>(),
    ]
}

fn stream() -> impl Strategy<Value = StreamId> {
    prop_oneof![8 => 0u16..4, 1 => any::<u16>()].prop_map(StreamId)
}

fn octets(length: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..length).prop_map(Bytes::from)
}

fn data() -> impl Strategy<Value = Data> {
    let flags = any::<[bool; 4]>();
    let payload = prop_oneof![Just(1usize), 0usize..1200].prop_map(|length| vec![7u8; length]);
    (flags, near(TSN), stream(), 0u16..6, payload).prop_map(
        |([immediate, unordered, beginning, ending], tsn, stream, ssn, payload)| Data {
            immediate,
            unordered,
            beginning,
            ending,
            tsn: Tsn(tsn),
            stream,
            ssn: Ssn(ssn),
            ppid: Ppid::BINARY,
            payload: payload.into(),
        },
    )
}

fn sack(tsn: u32) -> impl Strategy<Value = Sack> {
    let offset = || prop_oneof![8 => 0u16..40, 1 => any::<u16>()];
    let gaps = prop::collection::vec((offset(), offset()), 0..6);
    (near(tsn), prop_oneof![Just(0u32), Just(1 << 20), any::<u32>()], gaps).prop_map(
        |(cumulative, a_rwnd, gaps)| Sack {
            cumulative_tsn: Tsn(cumulative),
            a_rwnd,
            gaps: gaps.into_iter().map(|(start, end)| GapBlock { start, end }).collect(),
            duplicates: vec![Tsn(cumulative)],
        },
    )
}

fn init() -> impl Strategy<Value = Init> {
    let parameter = prop_oneof![
        Just(Parameter::ForwardTsnSupported),
        octets(100).prop_map(Parameter::StateCookie),
        octets(8).prop_map(|types| Parameter::SupportedExtensions(
            types.iter().copied().map(ChunkType).collect()
        )),
        (any::<u16>(), octets(40)).prop_map(|(parameter_type, value)| Parameter::Unknown {
            parameter_type: sctp::wire::ParameterType(parameter_type),
            value
        }),
    ];
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>(), any::<u16>(), any::<u32>());
    (numbers, prop::collection::vec(parameter, 0..4)).prop_map(
        |((tag, a_rwnd, outbound_streams, inbound_streams, tsn), parameters)| Init {
            initiate_tag: VerificationTag(tag),
            a_rwnd,
            outbound_streams,
            inbound_streams,
            initial_tsn: Tsn(tsn),
            parameters,
        },
    )
}

fn re_config(tsn: u32) -> impl Strategy<Value = ReConfig> {
    let streams = || prop::collection::vec(stream(), 0..4);
    let parameter = prop_oneof![
        4 => (near(TSN), near(TSN), streams()).prop_map(|(request, last, streams)| {
            ReConfigParameter::OutgoingReset {
                request: RequestNumber(request),
                response: RequestNumber(0),
                last_tsn: Tsn(last),
                streams,
            }
        }),
        2 => (near(tsn), 0u32..8).prop_map(|(response, result)| ReConfigParameter::Response {
            response: RequestNumber(response),
            result: ReConfigResult(result),
            next_tsns: None,
        }),
        1 => near(TSN).prop_map(|request| ReConfigParameter::SsnTsnReset {
            request: RequestNumber(request)
        }),
    ];
    prop::collection::vec(parameter, 0..3).prop_map(|parameters| ReConfig { parameters })
}

/// A chunk for an association whose first TSN is `tsn`.
fn chunk(tsn: u32) -> impl Strategy<Value = Chunk> {
    let skipped =
        (stream(), 0u16..6).prop_map(|(stream, ssn)| SkippedStream { stream, ssn: Ssn(ssn) });
    let cause = || {
        (0u16..20, octets(20))
            .prop_map(|(code, information)| Cause { code: CauseCode(code), information })
    };
    let causes = || prop::collection::vec(cause(), 0..3);
    prop_oneof![
        12 => data().prop_map(Chunk::Data),
        12 => sack(tsn).prop_map(Chunk::Sack),
        4 => (near(TSN), prop::collection::vec(skipped, 0..4)).prop_map(|(tsn, streams)| {
            Chunk::ForwardTsn(ForwardTsn { new_cumulative_tsn: Tsn(tsn), streams })
        }),
        4 => re_config(tsn).prop_map(Chunk::ReConfig),
        1 => octets(200).prop_map(|information| Chunk::Heartbeat(Heartbeat { information })),
        1 => octets(10).prop_map(|information| Chunk::HeartbeatAck(HeartbeatAck { information })),
        1 => init().prop_map(Chunk::Init),
        1 => init().prop_map(|init| Chunk::InitAck(InitAck(init))),
        1 => octets(100).prop_map(|cookie| Chunk::CookieEcho(CookieEcho { cookie })),
        1 => Just(Chunk::CookieAck(CookieAck)),
        1 => causes().prop_map(|causes| Chunk::Error(OperationError { causes })),
        1 => near(tsn).prop_map(|tsn| Chunk::Shutdown(Shutdown { cumulative_tsn: Tsn(tsn) })),
        1 => Just(Chunk::ShutdownAck(ShutdownAck)),
        1 => any::<bool>().prop_map(|tag_reflected| Chunk::ShutdownComplete(ShutdownComplete { tag_reflected })),
        1 => (causes(), any::<bool>())
            .prop_map(|(causes, tag_reflected)| Chunk::Abort(Abort { tag_reflected, causes })),
        1 => (any::<u8>(), any::<u8>(), octets(30)).prop_map(|(chunk_type, flags, value)| {
            Chunk::Unknown(UnknownChunk { chunk_type: ChunkType(chunk_type), flags, value })
        }),
    ]
}

/// What happens to an association.
#[derive(Debug, Clone)]
enum Act {
    Packet(Vec<Chunk>),
    Noise(Bytes),
    Send(StreamId, usize, bool, u8),
    Recv(StreamId),
    Reset(Vec<StreamId>),
    Later(u64),
    Transmit,
    Connect,
    Shutdown,
    Abort,
}

fn act(tsn: u32) -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => prop::collection::vec(chunk(tsn), 1..4).prop_map(Act::Packet),
        1 => octets(100).prop_map(Act::Noise),
        8 => (stream(), 0usize..6000, any::<bool>(), any::<u8>())
            .prop_map(|(stream, length, ordered, kind)| Act::Send(stream, length, ordered, kind)),
        3 => stream().prop_map(Act::Recv),
        2 => prop::collection::vec(stream(), 0..3).prop_map(Act::Reset),
        5 => (0u64..4000).prop_map(Act::Later),
        10 => Just(Act::Transmit),
        1 => Just(Act::Connect),
        1 => prop_oneof![10 => Just(Act::Transmit), 1 => Just(Act::Shutdown), 1 => Just(Act::Abort)],
    ]
}

fn play(script: &mut Script, act: Act) {
    let now = script.now;
    let association: &mut Association = &mut script.association;
    match act {
        Act::Packet(chunks) => {
            let chunks: Vec<&dyn Body> = chunks.iter().map(|chunk| chunk as &dyn Body).collect();
            let packet = packet(script.tag, &chunks);
            let _ = association.handle_datagram(now, packet);
        }
        Act::Noise(octets) => {
            let _ = association.handle_datagram(now, octets);
        }
        Act::Send(stream, length, ordered, kind) => {
            let reliability = match kind % 4 {
                0 => Reliability::MaxRetransmits(u16::from(kind % 3)),
                1 => Reliability::MaxLifetime(Duration::from_millis(kind.into())),
                _ => Reliability::Reliable,
            };
            let message = Message { ordered, reliability, ..message(vec![1; length]) };
            let _ = association.send(now, stream, message);
        }
        Act::Recv(stream) => while association.recv(now, stream).is_some() {},
        Act::Reset(streams) => {
            let _ = association.reset_streams(now, &streams);
        }
        Act::Later(ms) => script.later(Duration::from_millis(ms)),
        Act::Transmit => {
            script.take();
        }
        Act::Connect => association.connect(now),
        Act::Shutdown => association.shutdown(now),
        Act::Abort => association.abort(now, b"reason"),
    }
    let stats = script.association.stats();
    assert!(stats.held <= 200_000 + 2000, "{}", stats.held);
}

fn small() -> Config {
    Config { receive_window: 100_000, send_buffer: 100_000, ..Config::default() }
}

proptest! {
    #[test]
    fn row_69_established_and_anything(
        acts in prop::collection::vec(act(Script::established(small()).tsn.0), 1..60),
    ) {
        let mut script = Script::established(small());
        for act in acts {
            play(&mut script, act);
        }
        while script.association.poll_event().is_some() {}
        script.take();
        // It ends, and then it is silent.
        script.association.abort(script.now, b"");
        script.take();
        prop_assert!(script.association.poll_timeout().is_none());
    }

    #[test]
    fn row_69_not_yet_established_and_anything(
        called: bool,
        acts in prop::collection::vec(act(0), 1..30),
    ) {
        let mut script = match called {
            true => Script::called(small()),
            false => Script::closed(small()),
        };
        for act in acts {
            play(&mut script, act);
        }
    }

    #[test]
    fn row_69_altered_packets_of_a_real_conversation(
        seed: u64,
        alterations in prop::collection::vec((0usize..400, 0usize..1200, any::<u8>()), 1..40),
    ) {
        let mut pair = Pair::established(small(), seed);
        pair.link = Link { loss: 5, ..pair::PERFECT };
        let mut count = 0;
        let fix = |mut octets: Vec<u8>| {
            octets[8..12].fill(0);
            let checksum = crc32c::crc32c(&octets).to_le_bytes();
            octets[8..12].copy_from_slice(&checksum);
            Bytes::from(octets)
        };
        for stream in 0..3 {
            for length in [1, 500, 5000] {
                pair.send(A, stream, message(vec![0; length]));
                pair.send(B, stream, message(vec![0; length]));
            }
        }
        for _ in 0..100 {
            if !pair.step() {
                break;
            }
            let packets: Vec<(usize, Bytes)> = [A, B].into_iter()
                .filter_map(|end| Some((1 - end, pair.ends[end].sent.last()?.clone())))
                .collect();
            for (to, packet) in packets {
                count += 1;
                for &(when, at, value) in &alterations {
                    if when == count && packet.len() > 12 {
                        let mut octets = packet.to_vec();
                        let at = 12 + at % (octets.len() - 12);
                        octets[at] ^= value;
                        let _ = pair.inject(to, &fix(octets));
                    }
                }
            }
        }
        pair.run_for(Duration::from_secs(20));
    }
}
