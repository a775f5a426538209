//! Rows 66 to 74: an authenticated peer that writes its own SCTP packets.

use bytes::Bytes;
use peer::{CloseReason, Config, ConnectionState};
use sctp::wire::{
    Abort, Body, Chunk, ChunkType, CookieEcho, Data, ForwardTsn, GapBlock, Heartbeat, InitAck,
    Parameter, ParameterType, Ppid, ReConfig, ReConfigParameter, RequestNumber, Sack, ShutdownAck,
    ShutdownComplete, SkippedStream, Ssn, StreamId, Tsn, UnknownChunk, VerificationTag,
};

use super::rogue::{Call, MAX_PACKET, TAG, TSN, init, open, packet, whole};
use crate::peer::{closed, config};

fn unknown(chunk_type: u8, length: usize) -> UnknownChunk {
    let value = Bytes::from(vec![0; length]);
    UnknownChunk { chunk_type: ChunkType(chunk_type), flags: 0, value }
}

#[test]
fn row_66_packets_with_a_wrong_or_zero_checksum_are_dropped() {
    let mut call = Call::established();
    let tag = call.rogue().tag;
    let good = packet(tag, &[&Abort { tag_reflected: false, causes: vec![] }]);
    for checksum in [[0; 4], [1, 2, 3, 4]] {
        let mut bad = good.to_vec();
        bad[8..12].copy_from_slice(&checksum);
        call.say_packet(&bad);
    }
    for cut in 0..good.len() {
        call.say_packet(&good[..cut.max(1)]);
    }
    assert_eq!(call.heard(), []);
    call.must_echo();
}

#[test]
fn row_67_packets_with_a_wrong_tag_are_dropped() {
    let mut call = Call::established();
    let tag = call.rogue().tag;
    let chunks: [&dyn Body; 6] = [
        &whole(TSN, 1, 0),
        &Abort { tag_reflected: false, causes: vec![] },
        &Abort { tag_reflected: true, causes: vec![] },
        &ShutdownAck,
        &ShutdownComplete { tag_reflected: false },
        &Heartbeat { information: Bytes::from_static(b"hi") },
    ];
    for wrong in [VerificationTag::NONE, VerificationTag(tag.0 ^ 1), VerificationTag(!TAG.0)] {
        for chunk in chunks {
            call.say_packet(&packet(wrong, &[chunk]));
        }
    }
    assert_eq!(call.heard(), []);
    call.must_echo();
}

#[test]
fn row_67_an_abort_ends_the_connection_once_and_silence_follows() {
    let mut call = Call::established();
    call.say(&[&Abort { tag_reflected: false, causes: vec![] }]);
    call.pass(1000);
    assert_eq!(closed(&call.pair.right), Some(CloseReason::Remote));
    assert_eq!(call.victim().connection_state(), ConnectionState::Closed);
    let (sent, events) = (call.pair.right.sent, call.pair.right.events.len());
    let now = call.pair.now();
    let again = whole(TSN, 1, 0);
    call.rogue().dtls.send(now, &packet(VerificationTag(1), &[&again])).ok();
    call.pass(60_000);
    assert_eq!((call.pair.right.sent, call.pair.right.events.len()), (sent, events));
}

#[test]
fn row_68_bad_inits_and_inits_while_open_change_nothing() {
    let mut call = Call::established();
    let (tag, none) = (call.rogue().tag, VerificationTag::NONE);
    let mut tagless = init(&[]);
    tagless.initiate_tag = none;
    let mut streamless = init(&[]);
    streamless.inbound_streams = 0;
    call.say_packet(&packet(none, &[&tagless]));
    call.say_packet(&packet(none, &[&streamless]));
    call.say_packet(&packet(tag, &[&init(&[])]));
    call.say_packet(&packet(none, &[&init(&[]), &whole(TSN, 1, 0)]));
    call.say_packet(&packet(tag, &[&whole(TSN, 1, 0), &init(&[])]));
    call.say_packet(&packet(tag, &[&InitAck(init(&[]))]));
    let before = call.rogue().packets;
    for _ in 0..500 {
        call.say_packet(&packet(none, &[&init(&[])]));
    }
    assert!(call.rogue().packets - before <= 500, "one answer each at most");
    // Unread cookies: nothing has begun again.
    call.must_echo();
}

#[test]
fn row_69_lying_lengths_stop_at_the_packets_end() {
    let mut call = Call::established();
    let tag = call.rogue().tag;
    let good = packet(tag, &[&init(&[Parameter::StateCookie(Bytes::from(vec![7; 40]))])]);
    let with_length = |at: usize, length: u16| {
        let mut packet = good.to_vec();
        packet[at..at + 2].copy_from_slice(&length.to_be_bytes());
        packet[8..12].fill(0);
        let checksum = crc32c(&packet);
        packet[8..12].copy_from_slice(&checksum.to_le_bytes());
        packet
    };
    // The chunk's length at 14, its parameters' behind the fixed part.
    for at in [14, 34, 38, 46] {
        for length in [0, 1, 2, 3, 4, 5, 19, 20, 21, 63, 64, 65, 1000, u16::MAX] {
            call.say_packet(&with_length(at, length));
        }
    }
    call.must_echo();
}

/// CRC32c (RFC 9260 Appendix A), bit by bit.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[test]
fn row_69_thousands_of_parameters_have_one_bounded_answer() {
    let mut call = Call::established();
    let parameters: Vec<_> = (0..4000)
        .map(|i| {
            let parameter_type = ParameterType(0xc100 | (i & 0xff));
            Parameter::Unknown { parameter_type, value: Bytes::new() }
        })
        .collect();
    let mut init = init(&[]);
    init.parameters = parameters;
    let (packets, octets) = (call.rogue().packets, call.pair.right.sent_octets);
    call.say_packet(&packet(VerificationTag::NONE, &[&init]));
    call.pass(60);
    assert!(call.rogue().packets - packets <= 1);
    assert!(call.pair.right.sent_octets - octets <= 1300);
    call.must_echo();
}

#[test]
fn row_70_forged_cookies_are_met_with_silence() {
    let mut call = Call::established();
    for length in [0, 1, 76, 1000, 15_000] {
        call.say(&[&CookieEcho { cookie: Bytes::from(vec![7; length]) }]);
    }
    assert_eq!(call.heard(), []);
    call.must_echo();
}

fn small_window() -> Config {
    let mut config = config(1);
    config.data.association.receive_window = 200_000;
    config
}

/// What nobody reads is held up to the window, and what comes then is not acknowledged.
#[test]
fn row_71_unread_messages_close_the_window_and_are_dropped_beyond() {
    let mut call = Call::established_with(small_window());
    let dcep = call.rogue().data(1, 0, Ppid::DCEP, open("unread"));
    call.say(&[&dcep]);
    let mut sent = 0;
    for ssn in 1..2_000 {
        let data = call.rogue().data(1, ssn, Ppid::BINARY, vec![1; 1000]);
        call.say(&[&data]);
        sent += 1000;
    }
    call.pass_unread(300);
    let last = call.rogue().heard.iter().rev().find_map(|chunk| match chunk {
        Chunk::Sack(sack) => Some(sack.clone()),
        _ => None,
    });
    let last = last.unwrap();
    assert_eq!(last.a_rwnd, 0);
    let taken = last.cumulative_tsn.since(TSN) * 1000;
    assert!(taken <= 400_000 && taken < sent, "{taken}");
    assert_eq!(call.victim().connection_state(), ConnectionState::Connected);
}

#[test]
fn row_71_fragments_that_never_make_a_message_are_bounded() {
    type Make = fn(Tsn, u32) -> Data;
    let cases: [(&str, Make); 4] = [
        ("B without E, one octet each", |tsn, i| Data {
            beginning: i == 0,
            ending: false,
            ..whole(tsn, 1, 0)
        }),
        ("an endless message", |tsn, i| Data {
            beginning: i == 0,
            ending: false,
            payload: Bytes::from(vec![1; 1100]),
            ..whole(tsn, 1, 0)
        }),
        ("islands", |tsn, i| Data {
            beginning: false,
            ending: false,
            payload: Bytes::from(vec![1; 1100]),
            ..whole(tsn.advance(i + 1), 1, 0)
        }),
        ("ordered messages with a hole in front", |tsn, i| Data {
            payload: Bytes::from(vec![1; 1100]),
            ..whole(tsn, 1, 1 + u16::try_from(i).unwrap())
        }),
    ];
    for (name, make) in cases {
        let mut call = Call::established_with(small_window());
        for i in 0..4_000 {
            let tsn = TSN.advance(i);
            call.say(&[&make(tsn, i)]);
            call.rogue().heard.truncate(0);
        }
        assert_eq!(call.victim().connection_state(), ConnectionState::Connected, "{name}");
        let (packets, elapsed) = (call.rogue().packets, call.pair.elapsed().as_millis());
        assert!(packets <= 4_100, "{name}: {packets} answers in {elapsed} ms");
    }
}

#[test]
fn row_72_tsns_far_ahead_and_duplicates_have_bounded_answers() {
    let mut call = Call::established();
    for i in 0..3_000_u32 {
        // Every other TSN, some of them again and again, and some from another world.
        call.say(&[&whole(TSN.advance(2 + i * 2), 1, 0), &whole(TSN.advance(2), 1, 0)]);
        call.say(&[&whole(TSN.advance(1 << 30), 1, 0), &whole(TSN.advance(i << 18), 1, 0)]);
    }
    for chunk in call.heard() {
        if let Chunk::Sack(sack) = chunk {
            assert!(16 + 4 * (sack.gaps.len() + sack.duplicates.len()) <= 1179);
        }
    }
    assert_eq!(call.victim().connection_state(), ConnectionState::Connected);
}

#[test]
fn row_72_forward_tsn_nonsense_is_ignored() {
    let mut call = Call::established();
    let last = call.rogue().tsn();
    call.say(&[&whole(last, 1, 0)]);
    let skipped = SkippedStream { stream: StreamId(65_535), ssn: Ssn(9) };
    for new in [last, last.previous(), last.advance(1 << 31), last.advance(1 << 20 | 1 << 31)] {
        let streams = vec![skipped; 3_000];
        call.say(&[&ForwardTsn { new_cumulative_tsn: new, streams }]);
    }
    call.heard();
    call.must_echo();
}

#[test]
fn row_72_stream_reset_floods_are_answered_one_by_one() {
    let mut call = Call::established();
    let start = call.pair.right.sent_octets;
    let mut received = 0;
    for number in 0..2_000_u32 {
        let streams = (0..1_000).map(StreamId).collect();
        let request = RequestNumber(TSN.0.wrapping_add(number));
        let incoming = ReConfigParameter::IncomingReset { request, streams };
        let nonsense = ReConfigParameter::OutgoingReset {
            request: RequestNumber(number),
            response: RequestNumber(number),
            last_tsn: TSN.advance(1 << 20),
            streams: vec![],
        };
        let parameters = vec![if number % 2 == 0 { incoming } else { nonsense }];
        call.say(&[&ReConfig { parameters }]);
        received += 1;
    }
    call.pass(1000);
    let answered = call.pair.right.sent_octets - start;
    assert!(answered <= received * 600, "{answered} octets for {received} requests");
    call.must_echo();
}

#[test]
fn row_73_sacks_that_lie_end_the_association_or_mean_nothing() {
    let gaps = |list: &[(u16, u16)]| -> Vec<_> {
        list.iter().map(|&(start, end)| GapBlock { start, end }).collect()
    };
    let lies = |acked: Tsn| -> Vec<Sack> {
        let sack = |cumulative_tsn, gaps| Sack {
            cumulative_tsn,
            a_rwnd: 1 << 20,
            gaps,
            duplicates: vec![],
        };
        vec![
            sack(acked.advance(1), vec![]),
            sack(acked.advance(1 << 31), vec![]),
            sack(acked.advance(u32::MAX), vec![]),
            sack(acked, gaps(&[(5, 4)])),
            sack(acked, gaps(&[(0, 0), (1, 65_535), (65_535, 1)])),
            sack(acked, vec![GapBlock { start: 2, end: 3 }; 4_000]),
            Sack { duplicates: vec![acked; 4_000], ..sack(acked, vec![]) },
            Sack { a_rwnd: u32::MAX, ..sack(acked, vec![]) },
        ]
    };
    for index in 0..lies(TSN).len() {
        let mut call = Call::established();
        let acked = call.rogue().cumulative();
        call.say(&[&lies(acked).remove(index)]);
        call.pass(100);
        match closed(&call.pair.right) {
            None => call.must_echo(),
            Some(reason) => assert!(matches!(reason, CloseReason::Sctp(_)), "{index}: {reason}"),
        }
    }
}

#[test]
fn row_73_a_window_of_zero_for_ever_bounds_the_send_queue() {
    let mut config = config(1);
    config.data.association.send_buffer = 100_000;
    let mut call = Call::established_with(config);
    call.rogue().window = 0;
    let shut = call.rogue().sack();
    let dcep = call.rogue().data(1, 0, Ppid::DCEP, open("never read"));
    call.say(&[&shut, &dcep]);
    for ssn in 1..1_000 {
        let data = call.rogue().data(1, ssn, Ppid::BINARY, vec![1; 1000]);
        call.say(&[&data]);
        call.pass(1);
    }
    let now = call.pair.now();
    let sctp = call.victim().get_stats(now).sctp.unwrap();
    assert!(sctp.send_buffered <= 110_000, "{}", sctp.send_buffered);
    let sent = call.pair.right.sent;
    call.pass(60_000);
    assert!(call.pair.right.sent - sent < 400, "probes, checks, and little else");
    call.rogue().window = 1 << 20;
    let opened = call.rogue().sack();
    call.say(&[&opened]);
    call.must_echo();
}

#[test]
fn row_74_heartbeats_and_unknown_chunks_are_answered_with_no_more_than_came() {
    let beat = Heartbeat { information: Bytes::from(vec![7; 12]) };
    let beats: Vec<&dyn Body> = vec![&beat; 60];
    let (asconf, auth, pktdrop, stop, report) = (
        unknown(0xc1, 12),
        unknown(0x0f, 12),
        unknown(0x81, 12),
        unknown(0x3f, 0),
        unknown(0xff, 0),
    );
    let many: Vec<&dyn Body> = vec![&report; 4_000];
    let cases: [(&str, Vec<&dyn Body>); 6] = [
        ("60 heartbeats", beats),
        ("ASCONF", vec![&asconf]),
        ("AUTH", vec![&auth]),
        ("PKTDROP", vec![&pktdrop]),
        ("stop and say nothing", vec![&stop, &report]),
        ("4,000 to be reported", many),
    ];
    let mut call = Call::established();
    for (name, chunks) in cases {
        let tag = call.rogue().tag;
        let message = packet(tag, &chunks);
        assert!(message.len() <= MAX_PACKET);
        let (packets, octets) = (call.rogue().packets, call.pair.right.sent_octets);
        call.say_packet(&message);
        call.pass(60);
        let (packets, octets) =
            (call.rogue().packets - packets, call.pair.right.sent_octets - octets);
        assert!(packets <= 1, "{name}: {packets} packets");
        // A report repeats the chunk behind headers of its own.
        assert!(octets <= message.len() + 100, "{name}: {octets} octets for {}", message.len());
    }
    call.must_echo();
}
