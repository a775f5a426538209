//! Row 2: what one datagram may cost, by comparing it with one of an eighth of its size.
//!
//! Times are the least of several runs, and the bounds are generous: a cost that grows with the
//! square shows as a factor of 64, not of 8.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use sctp::wire::{
    Body, ChunkType, Data, ForwardTsn, GapBlock, Heartbeat, Parameter, ParameterType, ReConfig,
    ReConfigParameter, RequestNumber, SkippedStream, Ssn, StreamId, UnknownChunk, VerificationTag,
};
use srtp::{SequenceNumber, Ssrc, rtcp};
use tests::{Datagram, Endpoint};

use super::rogue::{Call, MAX_PACKET, TSN, init, packet, whole};
use super::talk::{self, OPUS, PICTURE, RTX, Talk, VOICE, VP8};
use crate::peer::{LEFT, RIGHT, address};

const RUNS: usize = 7;
const LONGEST: usize = 65_507;

/// Differences below this are noise.
const NOISE: Duration = Duration::from_micros(300);

/// What the victim needs for one datagram and its answers.
fn time(call: &mut Call, source: &str, payload: Bytes) -> Duration {
    let now = call.pair.now();
    let (source, destination) = (address(source), address(RIGHT));
    let datagram = Datagram::udp(source, destination, payload);
    let victim = call.victim();
    let start = Instant::now();
    let _ = Endpoint::handle_datagram(victim, now, datagram);
    while victim.poll_transmit(now).is_some() {}
    start.elapsed()
}

/// Compares the cost of what `make` makes at a size and at an eighth of it.
fn must_be_linear(name: &str, size: usize, mut make: impl FnMut(&mut Call, usize) -> Bytes) {
    let mut call = Call::established();
    let mut least = |size| {
        let run = |_| {
            let payload = make(&mut call, size);
            time(&mut call, LEFT, payload)
        };
        (0..RUNS).map(run).min().unwrap()
    };
    let (part, full) = (least(size / 8), least(size));
    assert!(full <= part * 24 + NOISE, "{name}: {part:?} for an eighth of what takes {full:?}");
    assert!(full <= Duration::from_millis(20), "{name}: {full:?}");
}

#[test]
fn row_02_the_cost_of_a_datagram_in_the_clear_is_linear() {
    let stun = |attribute: [u8; 4], size: usize| {
        let length = (size - 20) / 4 * 4;
        let mut message = vec![0, 1];
        message.extend(u16::try_from(length).unwrap().to_be_bytes());
        message.extend([0x21, 0x12, 0xa4, 0x42]);
        message.extend([7; 12]);
        message.extend(attribute.repeat(length / 4));
        Bytes::from(message)
    };
    let records = |content_type: u8, body: &[u8], size: usize| {
        let mut record = vec![content_type, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9];
        record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        record.extend(body);
        let count = size / record.len();
        Bytes::from(record.repeat(count))
    };
    let fragment = [1, 0, 255, 0, 0, 9, 0, 0, 7, 0, 0, 1, 42];
    must_be_linear("empty attributes", LONGEST, |_, size| stun([0x80, 1, 0, 0], size));
    must_be_linear("unknown required attributes", LONGEST, |_, size| stun([0x7f, 1, 0, 0], size));
    must_be_linear("empty records", LONGEST, |_, size| records(22, &[], size));
    must_be_linear("records of one octet", LONGEST, |_, size| records(23, &[1], size));
    must_be_linear("alerts", LONGEST, |_, size| records(21, &[2, 40], size));
    must_be_linear("records of a fragment", LONGEST, |_, size| records(22, &fragment, size));
    must_be_linear("a record of fragments", MAX_PACKET, |_, size| {
        records(22, &fragment.repeat((size - 13) / fragment.len()), size)
    });
    must_be_linear("zeros", LONGEST, |_, size| Bytes::from(vec![0; size]));
    must_be_linear("22s", LONGEST, |_, size| Bytes::from(vec![22; size]));
    must_be_linear("128s", LONGEST, |_, size| Bytes::from(vec![128; size]));
}

#[test]
fn row_02_the_cost_of_an_authenticated_packet_is_linear() {
    fn sealed(call: &mut Call, chunks: &[&dyn Body]) -> Bytes {
        let now = call.pair.now();
        let tag = call.rogue().tag;
        call.rogue().seal(now, &packet(tag, chunks))
    }
    let all = |call: &mut Call, chunks: Vec<Data>| {
        let chunks: Vec<&dyn Body> = chunks.iter().map(|data| data as &dyn Body).collect();
        sealed(call, &chunks)
    };
    must_be_linear("messages of an octet", MAX_PACKET, |call, size| {
        let chunks = (0..size / 24).map(|_| {
            let tsn = call.rogue().tsn();
            whole(tsn, 1, 0)
        });
        let chunks = chunks.collect();
        all(call, chunks)
    });
    let mut island = 0;
    must_be_linear("islands", MAX_PACKET, |call, size| {
        let fragment = |_| {
            island += 2;
            Data { beginning: false, ending: false, ..whole(TSN.advance(island % 60_000), 1, 0) }
        };
        all(call, (0..size / 24).map(fragment).collect())
    });
    must_be_linear("the same TSN", MAX_PACKET, |call, size| {
        all(call, (0..size / 24).map(|_| whole(TSN.advance(9), 1, 0)).collect())
    });
    must_be_linear("gaps", MAX_PACKET, |call, size| {
        let gaps = vec![GapBlock { start: 2, end: 3 }; size / 4 - 20];
        let sack = sctp::wire::Sack { gaps, ..call.rogue().sack() };
        sealed(call, &[&sack])
    });
    must_be_linear("skipped streams", MAX_PACKET, |call, size| {
        let stream =
            |i: usize| SkippedStream { stream: StreamId(u16::try_from(i).unwrap()), ssn: Ssn(7) };
        let streams = (0..size / 4 - 20).map(stream).collect();
        let new_cumulative_tsn = call.rogue().tsn();
        sealed(call, &[&ForwardTsn { new_cumulative_tsn, streams }])
    });
    let mut request = TSN.0;
    must_be_linear("reset streams", MAX_PACKET, |call, size| {
        let streams = (0..u16::try_from(size / 2 - 40).unwrap()).map(StreamId).collect();
        let parameter =
            ReConfigParameter::IncomingReset { request: RequestNumber(request), streams };
        request = request.wrapping_add(1);
        sealed(call, &[&ReConfig { parameters: vec![parameter] }])
    });
    must_be_linear("heartbeats", MAX_PACKET, |call, size| {
        let beat = Heartbeat { information: Bytes::from_static(b"beat") };
        let beats: Vec<&dyn Body> = vec![&beat; size / 12 - 2];
        sealed(call, &beats)
    });
    must_be_linear("unknown chunks", MAX_PACKET, |call, size| {
        let chunk = UnknownChunk { chunk_type: ChunkType(0xff), flags: 0, value: Bytes::new() };
        let chunks: Vec<&dyn Body> = vec![&chunk; size / 4 - 4];
        sealed(call, &chunks)
    });
    must_be_linear("parameters", MAX_PACKET, |call, size| {
        let parameter_type = ParameterType(0xc123);
        let unknown = Parameter::Unknown { parameter_type, value: Bytes::new() };
        let now = call.pair.now();
        let init = init(&vec![unknown; size / 4 - 20]);
        call.rogue().seal(now, &packet(VerificationTag::NONE, &[&init]))
    });
}

/// What a hostile datagram of usual size may cost, where the program is optimised.
const TYPICAL: Duration = Duration::from_micros(20);

/// The median cost of datagrams of media of usual size must be small.
fn must_be_cheap(name: &str, talk: &mut Talk, mut make: impl FnMut(&mut Talk, u16) -> Bytes) {
    let run = |number| {
        let payload = make(talk, number);
        assert!(payload.len() <= 1_500, "{name}");
        time(&mut talk.call, LEFT, payload)
    };
    let mut times: Vec<_> = (1_000..2_000).map(run).collect();
    times.sort_unstable();
    let median = times[times.len() / 2];
    let slow = if cfg!(debug_assertions) { 5 } else { 1 };
    assert!(median <= TYPICAL * slow, "{name}: {median:?}");
}

#[test]
fn row_02_a_hostile_datagram_of_media_costs_no_more_than_20_microseconds() {
    let mut talk = Talk::new();
    for _ in 0..20 {
        talk.victim_speaks(5_000);
        talk.pass(30);
    }
    let (packets, _) = talk.heard();
    let media = packets.iter().find(|packet| packet.header.payload_type == VP8).unwrap();
    let media = media.header.ssrc;
    let octets = vec![0x10; 1_150];
    let forged = |sealed: Bytes| {
        let mut forged = sealed.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        Bytes::from(forged)
    };
    let clear = |number: u16| {
        let mut clear = BytesMut::new();
        talk::packet(VOICE, OPUS, number, octets.clone()).write(&mut clear);
        clear.freeze()
    };
    must_be_cheap("in the clear", &mut talk, |_, number| clear(number));
    must_be_cheap("forged", &mut talk, |talk, number| {
        forged(talk.seal(&talk::packet(VOICE, OPUS, number, octets.clone())))
    });
    let again = talk.seal(&talk::packet(VOICE, OPUS, 2_000, octets.clone()));
    must_be_cheap("replayed", &mut talk, |_, _| again.clone());
    must_be_cheap("of no section", &mut talk, |talk, number| {
        let mut packet = talk::packet(VOICE, OPUS, number.wrapping_add(5_000), octets.clone());
        packet.header.payload_type.0 = 99;
        talk.seal(&packet)
    });
    must_be_cheap("a leap each time", &mut talk, |talk, number| {
        let number = number.wrapping_mul(990);
        talk.seal(&talk::packet(PICTURE, VP8, number, octets.clone()))
    });
    must_be_cheap("repair of nothing", &mut talk, |talk, number| {
        talk.seal(&talk::packet(Ssrc(0x5555), RTX, number, octets.clone()))
    });
    let rtcp = |packets: &[rtcp::Packet], talk: &mut Talk| talk.seal_rtcp(rtcp::write(packets));
    must_be_cheap("forged reports", &mut talk, |talk, _| {
        let report = rtcp::ReceiverReport { ssrc: VOICE, reports: Vec::new() };
        forged(rtcp(&[rtcp::Packet::ReceiverReport(report)], talk))
    });
    must_be_cheap("a NACK of thousands", &mut talk, |talk, number| {
        let entry = |index: u16| rtcp::NackEntry {
            packet_id: SequenceNumber(number.wrapping_add(index * 17)),
            bitmap: u16::MAX,
        };
        let entries = (0..280).map(entry).collect();
        rtcp(&[rtcp::Packet::Nack(rtcp::Nack { sender: VOICE, media, entries })], talk)
    });
    must_be_cheap("picture losses", &mut talk, |talk, _| {
        let loss = rtcp::PictureLoss { sender: VOICE, media };
        rtcp(&vec![rtcp::Packet::PictureLoss(loss); 100], talk)
    });
    must_be_cheap("full intra requests", &mut talk, |talk, number| {
        let [_, number] = number.to_be_bytes();
        let entries = (0..140).map(|index| (media, number.wrapping_add(index))).collect();
        let request = rtcp::FullIntraRequest { sender: VOICE, entries };
        rtcp(&[rtcp::Packet::FullIntraRequest(request)], talk)
    });
}

#[test]
fn row_02_the_cost_of_media_is_linear() {
    let mut talk = Talk::new();
    let mut number = 0;
    let mut must_be_linear = |name: &str, make: &dyn Fn(&mut Talk, u16, usize) -> Bytes| {
        let mut least = |size| {
            let run = |_| {
                number += 1;
                let payload = make(&mut talk, number, size);
                time(&mut talk.call, LEFT, payload)
            };
            (0..RUNS).map(run).min().unwrap()
        };
        let (part, full) = (least(LONGEST / 8), least(LONGEST));
        assert!(full <= part * 24 + NOISE, "{name}: {part:?} for an eighth of what takes {full:?}");
        assert!(full <= Duration::from_millis(20), "{name}: {full:?}");
    };
    must_be_linear("a payload", &|talk, number, size| {
        talk.seal(&talk::packet(VOICE, OPUS, number, vec![7; size - 100]))
    });
    must_be_linear("a header extension", &|talk, number, size| {
        let mut packet = talk::packet(VOICE, OPUS, number, "voice");
        for id in 0..255 {
            packet.header.extensions.set(id, &vec![7; (size / 256).min(250)]);
        }
        talk.seal(&packet)
    });
    must_be_linear("an extension of empty elements", &|talk, number, size| {
        let words = u16::try_from(size / 4 - 20).unwrap();
        let mut octets = BytesMut::from(&[0x90, 111][..]);
        octets.put_u16(number);
        octets.put_u32(7);
        octets.put_u32(VOICE.0);
        octets.put_u16(0x1000);
        octets.put_u16(words);
        octets.put_slice(&[9, 0].repeat(usize::from(words) * 2));
        talk.seal_rtp(octets)
    });
    let rtcp = |talk: &mut Talk, body: &[u8], times: usize| {
        let report = [0x80, 201, 0, 1, 0, 0, 0x11, 0x11];
        talk.seal_rtcp([&report[..], &body.repeat(times)].concat())
    };
    must_be_linear("empty packets", &|talk, _, size| rtcp(talk, &[0x80, 210, 0, 0], size / 4 - 20));
    must_be_linear("reports", &|talk, _, size| {
        let report = [0x80, 201, 0, 1, 0, 0, 0x11, 0x11];
        rtcp(talk, &report, size / 8 - 20)
    });
    must_be_linear("one packet of names", &|talk, _, size| {
        let words = u16::try_from(size / 4 - 20).unwrap().to_be_bytes();
        let mut body = vec![0x81, 202, words[0], words[1], 0, 0, 0x11, 0x11];
        body.extend([8, 1, 65].repeat(size / 3).iter().take(size / 4 * 4 - 85));
        body.push(0);
        rtcp(talk, &body, 1)
    });
    must_be_linear("one packet of extended reports", &|talk, _, size| {
        let words = u16::try_from(size / 4 - 20).unwrap();
        let [high, low] = words.to_be_bytes();
        let mut body = vec![0x80, 207, high, low, 0, 0, 0x11, 0x11];
        body.extend([9, 0, 0, 0].repeat(usize::from(words) - 1));
        rtcp(talk, &body, 1)
    });
    must_be_linear("chunks of feedback that say nothing", &|talk, _, size| {
        let words = u16::try_from(size / 4 - 20).unwrap();
        let [high, low] = words.to_be_bytes();
        let mut body = vec![0x8f, 205, high, low, 0, 0, 0x11, 0x11, 0, 0, 0, 0];
        body.extend([0, 0, 255, 255, 0, 0, 0, 0]);
        body.extend([0, 0, 0, 0].repeat(usize::from(words) - 4));
        rtcp(talk, &body, 1)
    });
}
