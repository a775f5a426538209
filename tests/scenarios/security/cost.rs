//! Row 2: what one datagram may cost, by comparing it with one of an eighth of its size.
//!
//! Times are the least of several runs, and the bounds are generous: a cost that grows with the
//! square shows as a factor of 64, not of 8.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp::wire::{
    Body, ChunkType, Data, ForwardTsn, GapBlock, Heartbeat, Parameter, ParameterType, ReConfig,
    ReConfigParameter, RequestNumber, SkippedStream, Ssn, StreamId, UnknownChunk, VerificationTag,
};
use tests::{Datagram, Endpoint};

use super::rogue::{Call, MAX_PACKET, TSN, init, packet, whole};
use crate::peer::{LEFT, RIGHT, address};

const RUNS: usize = 7;
const LONGEST: usize = 65_507;

/// Differences below this are noise.
const NOISE: Duration = Duration::from_micros(300);

/// What the victim needs for one datagram and its answers.
fn time(call: &mut Call, source: &str, payload: Bytes) -> Duration {
    let now = call.pair.now();
    let (source, destination) = (address(source), address(RIGHT));
    let datagram = Datagram { source, destination, payload };
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
