//! What a remote endpoint must not be able to do: rows 66 to 74 of the security checklist.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test"
)]

mod pair;

use std::time::Duration;

use bytes::Bytes;
use pair::message;
use pair::script::{Script, TAG, TSN, data, init, packet};
use sctp::wire::{
    Abort, Body, CauseCode, Chunk, ChunkType, CookieAck, CookieEcho, Data, ForwardTsn, Heartbeat,
    InitAck, Packet, Parameter, ParameterType, ReConfig, ReConfigParameter, ReConfigResult,
    RequestNumber, Sack, ShutdownAck, ShutdownComplete, SkippedStream, Ssn, Tsn, UnknownChunk,
    VerificationTag,
};
use sctp::{CloseReason, Config, Error, Event, StreamId};

fn established() -> Script {
    Script::established(Config::default())
}

fn unknown(chunk_type: u8, length: usize) -> UnknownChunk {
    let value = Bytes::from(vec![0; length]);
    UnknownChunk { chunk_type: ChunkType(chunk_type), flags: 0, value }
}

#[test]
fn row_66_wrong_or_zero_checksum() {
    let mut script = established();
    let good = packet(script.tag, &[&data(0, 0, 0, b"x")]);
    for checksum in [[0; 4], [1, 2, 3, 4]] {
        let mut bad = good.to_vec();
        bad[8..12].copy_from_slice(&checksum);
        let result = script.association.handle_datagram(script.now, bad.into());
        assert!(matches!(result, Err(Error::Malformed(_))));
    }
    assert!(script.take().is_empty() && script.events().is_empty());
}

#[test]
fn row_67_verification_tag_is_exact() {
    let mut script = established();
    for tag in [VerificationTag::NONE, VerificationTag(script.tag.0 ^ 1), TAG] {
        let chunks: [&dyn Body; 5] = [
            &data(0, 0, 0, b"x"),
            &Abort { tag_reflected: false, causes: vec![] },
            &ShutdownAck,
            &Heartbeat { information: Bytes::from_static(b"hi") },
            &ShutdownComplete { tag_reflected: false },
        ];
        for chunk in chunks {
            assert_eq!(script.give_all(tag, &[chunk]), Err(Error::WrongVerificationTag));
        }
    }
    let reflected = Abort { tag_reflected: true, causes: vec![] };
    assert_eq!(script.give_all(script.tag, &[&reflected]), Err(Error::WrongVerificationTag));
    // The T bit counts in front only: nothing slips in under the remote endpoint's own tag.
    let smuggled = script.give_all(TAG, &[&data(0, 0, 0, b"x"), &reflected]);
    assert_eq!(smuggled, Err(Error::WrongVerificationTag));
    assert!(script.take().is_empty() && script.association.is_established());
    assert_eq!(script.give_all(TAG, &[&reflected]), Ok(()));
    assert_eq!(script.events(), [Event::Closed(CloseReason::RemoteAbort)]);
}

#[test]
fn row_67_wrong_ports() {
    let mut script = Script::established(Config::default());
    let mut good = packet(script.tag, &[&data(0, 0, 0, b"x")]).to_vec();
    good[1] ^= 1;
    good[8..12].fill(0);
    let checksum = crc32c::crc32c(&good).to_le_bytes();
    good[8..12].copy_from_slice(&checksum);
    let result = script.association.handle_datagram(script.now, good.into());
    assert_eq!(result, Err(Error::WrongPorts));
}

#[test]
fn row_67_out_of_the_blue() {
    let mut script = Script::closed(Config::default());
    let tag = VerificationTag(99);
    let answered: [&dyn Body; 3] =
        [&data(0, 0, 0, b"x"), &script.make_sack(0, &[]), &unknown(200, 3)];
    for chunk in answered {
        assert_eq!(script.give_all(tag, &[chunk]), Err(Error::OutOfTheBlue));
        let packets = script.take();
        assert_eq!(packets[0].header.verification_tag, tag);
        assert!(matches!(&packets[0].chunks[..], [Chunk::Abort(abort)] if abort.tag_reflected));
    }
    assert_eq!(script.give_all(tag, &[&ShutdownAck]), Err(Error::OutOfTheBlue));
    assert!(matches!(script.take_one(), Chunk::ShutdownComplete(c) if c.tag_reflected));
    let silent: [&dyn Body; 4] = [
        &Abort { tag_reflected: false, causes: vec![] },
        &CookieAck,
        &ShutdownComplete { tag_reflected: false },
        &InitAck(init(&[])),
    ];
    for chunk in silent {
        assert_eq!(script.give_all(tag, &[chunk]), Err(Error::OutOfTheBlue));
        assert!(script.take().is_empty());
    }
}

#[test]
fn row_68_init_with_forbidden_values_leaves_the_association_alone() {
    let mut script = established();
    let none = VerificationTag::NONE;
    let mut tagless = init(&[]);
    tagless.initiate_tag = none;
    assert_eq!(script.give_all(none, &[&tagless]), Err(Error::ForbiddenInit));
    assert!(script.take().is_empty());
    let mut streamless = init(&[]);
    streamless.inbound_streams = 0;
    assert_eq!(script.give_all(none, &[&streamless]), Err(Error::ForbiddenInit));
    assert!(matches!(script.take_one(), Chunk::Abort(_)));
    assert_eq!(script.give_all(script.tag, &[&init(&[])]), Err(Error::WrongVerificationTag));
    let bundled = script.give_all(none, &[&init(&[]), &data(0, 0, 0, b"x")]);
    assert_eq!(bundled, Err(Error::Bundled));
    let behind = script.give_all(script.tag, &[&data(0, 0, 0, b"x"), &init(&[])]);
    assert_eq!(behind, Err(Error::Bundled));
    assert!(script.take().is_empty());
    script.give(&data(0, 0, 0, b"still here"));
    assert_eq!(script.events(), [Event::Readable(StreamId(0))]);
}

#[test]
fn row_68_init_while_open_changes_nothing_before_its_cookie_comes_back() {
    let mut script = established();
    for _ in 0..100 {
        assert_eq!(script.give_all(VerificationTag::NONE, &[&init(&[])]), Ok(()));
    }
    let answers = script.take_chunks();
    assert!(answers.len() <= 4, "answers are bounded: {}", answers.len());
    for answer in answers {
        let Chunk::InitAck(ack) = answer else { panic!("{answer:?}") };
        assert_ne!(ack.0.initiate_tag, script.tag, "RFC 9260 §5.2.2: a new tag");
    }
    script.give(&data(0, 0, 0, b"x"));
    assert_eq!(script.take_sack().cumulative_tsn, Tsn(TSN));
}

#[test]
fn row_68_init_ack_without_cookie_or_tag() {
    for (parameters, tag) in [(vec![], TAG), (vec![cookie(6)], VerificationTag::NONE)] {
        let mut script = Script::called(Config::default());
        let mut ack = init(&parameters);
        ack.initiate_tag = tag;
        script.give(&InitAck(ack));
        assert_eq!(script.events(), [Event::Closed(CloseReason::ProtocolViolation)]);
    }
}

fn cookie(length: usize) -> Parameter {
    Parameter::StateCookie(Bytes::from(vec![1; length]))
}

#[test]
fn row_69_thousands_of_parameters_have_a_bounded_answer() {
    let mut script = Script::closed(Config::default());
    let parameter = |i: u16| Parameter::Unknown {
        parameter_type: ParameterType(0xc100 | (i & 0xff)),
        value: Bytes::new(),
    };
    let parameters: Vec<Parameter> = (0..8000).map(parameter).collect();
    assert_eq!(script.give_all(VerificationTag::NONE, &[&init(&parameters)]), Ok(()));
    let Chunk::InitAck(ack) = script.take_one() else { panic!("no INIT ACK") };
    assert!(ack.state_cookie().is_some());
    let reported = |p: &&Parameter| matches!(p, Parameter::Unrecognized(_));
    assert_eq!(ack.0.parameters.iter().filter(reported).count(), 64);
}

#[test]
fn row_69_parameter_bits_say_stop_and_report() {
    let unknown = |parameter_type, value: &'static [u8]| Parameter::Unknown {
        parameter_type: ParameterType(parameter_type),
        value: Bytes::from_static(value),
    };
    let answer = |parameters: &[Parameter]| {
        let mut script = Script::closed(Config::default());
        let mut chunk = init(&[]);
        chunk.parameters = parameters.to_vec();
        script.give_all(VerificationTag::NONE, &[&chunk]).unwrap();
        let Chunk::InitAck(ack) = script.take_one() else { panic!("no INIT ACK") };
        ack.0.parameters.into_iter().filter(|p| matches!(p, Parameter::Unrecognized(_))).count()
    };
    assert_eq!(answer(&[unknown(0xc123, b"abc"), unknown(0xc124, b"")]), 2);
    assert_eq!(answer(&[unknown(0x8123, b"abc"), unknown(0xc124, b"")]), 1);
    assert_eq!(answer(&[unknown(0x4123, b"abc"), unknown(0xc124, b"")]), 1);
    assert_eq!(answer(&[unknown(0x0123, b"abc"), unknown(0xc124, b"")]), 0);
    // Addresses are known and mean nothing over DTLS.
    assert_eq!(answer(&[unknown(5, &[127, 0, 0, 1]), unknown(0xc124, b"")]), 1);
}

#[test]
fn row_70_forged_cookies_are_not_answered() {
    let mut script = established();
    for length in [0, 1, 73, 1000] {
        let echo = CookieEcho { cookie: Bytes::from(vec![7; length]) };
        assert_eq!(script.give_all(script.tag, &[&echo]), Err(Error::ForgedCookie));
    }
    assert!(script.take().is_empty() && script.association.is_established());
}

#[test]
fn row_70_a_cookie_expires_after_its_lifetime() {
    let mut script = Script::closed(Config::default());
    script.give_all(VerificationTag::NONE, &[&init(&[])]).unwrap();
    let Chunk::InitAck(ack) = script.take_one() else { panic!("no INIT ACK") };
    let echo = CookieEcho { cookie: ack.state_cookie().unwrap().clone() };
    let tag = ack.0.initiate_tag;
    script.now += Duration::from_millis(60_001);
    assert_eq!(script.give_all(tag, &[&echo]), Err(Error::StaleCookie));
    let Chunk::Error(error) = script.take_one() else { panic!("no ERROR") };
    assert_eq!(error.causes[0].code, CauseCode::STALE_COOKIE);
    script.now -= Duration::from_millis(2);
    assert_eq!(script.give_all(tag, &[&echo]), Ok(()));
    assert!(matches!(script.take_one(), Chunk::CookieAck(_)));
    assert!(script.association.is_established());
}

#[test]
fn row_70_a_cookie_too_large_to_echo() {
    let mut script = Script::called(Config::default());
    script.give(&InitAck(init(&[cookie(2000)])));
    assert_eq!(script.events(), [Event::Closed(CloseReason::ProtocolViolation)]);
}

#[test]
fn row_71_what_is_held_stays_within_twice_the_window() {
    let config = Config { receive_window: 100_000, ..Config::default() };
    // Whole messages that nobody reads, of one octet and of a packet; and fragments in holes.
    let cases: [&dyn Fn(u32) -> Data; 4] = [
        &|i| data(i, 0, i as u16, b"x"),
        &|i| data(i, i as u16, 0, &[1; 1160]),
        &|i| Data { beginning: false, ending: false, ..data(i * 2 + 1, 0, 0, &[1; 1160]) },
        &|i| Data { beginning: i == 0, ending: false, ..data(i, 0, 0, b"x") },
    ];
    for make in cases {
        let mut script = Script::established(config.clone());
        for i in 0..20_000 {
            script.give(&make(i));
            while script.association.poll_transmit(script.now).is_some() {}
        }
        let stats = script.association.stats();
        assert!(stats.held <= 201_300, "{}", stats.held);
        assert_eq!(stats.local_window, 100_000usize.saturating_sub(stats.held));
    }
}

#[test]
fn row_71_ssn_holes() {
    let config = Config { receive_window: 100_000, ..Config::default() };
    let mut script = Script::established(config);
    for i in 0..20_000u32 {
        script.give(&data(i, 0, (i as u16).wrapping_mul(3).wrapping_add(1), b"never its turn"));
        while script.association.poll_transmit(script.now).is_some() {}
    }
    assert_eq!(script.association.stats().local_window, 0);
    assert!(script.association.stats().held <= 201_300);
}

#[test]
fn row_71_a_message_over_the_limit_is_reported_and_its_place_kept() {
    let config = Config { max_message_size: 2000, ..Config::default() };
    let mut script = Script::established(config);
    script.give(&Data { ending: false, ..data(0, 3, 0, &[1; 1160]) });
    script.give(&Data { beginning: false, ..data(1, 3, 0, &[1; 1160]) });
    script.give(&data(2, 3, 1, b"next"));
    let events = script.events();
    assert_eq!(events, [Event::MessageTooLarge(StreamId(3)), Event::Readable(StreamId(3))]);
    let received = script.association.recv(script.now, StreamId(3)).unwrap();
    assert_eq!(&received.payload[..], b"next");
    assert_eq!(script.association.stats().held, 0);
}

#[test]
fn row_72_tsn_far_ahead_and_duplicates() {
    let mut script = established();
    script.give(&data(70_000, 0, 0, b"x"));
    script.give(&data(1 << 31, 0, 0, b"x"));
    assert!(script.events().is_empty());
    for _ in 0..1000 {
        script.give(&data(0, 0, 0, b"x"));
    }
    let sack = script.take_sack();
    assert_eq!(sack.cumulative_tsn, Tsn(TSN));
    assert!(sack.gaps.is_empty() && sack.duplicates.len() <= 16);
    assert_eq!(script.association.stats().messages_received, 1);
}

#[test]
fn row_72_forward_tsn_only_if_negotiated() {
    let mut script = Script::called(Config::default());
    let mut ack = init(&[]);
    ack.parameters = vec![cookie(6)];
    script.give(&InitAck(ack));
    script.take();
    script.give(&CookieAck);
    script.give(&ForwardTsn { new_cumulative_tsn: Tsn(TSN).advance(5), streams: vec![] });
    script.give(&data(0, 0, 0, b"x"));
    assert_eq!(script.take_sack().cumulative_tsn, Tsn(TSN));
    let reset = script.association.reset_streams(script.now, &[StreamId(1)]);
    assert_eq!(reset, Err(sctp::ResetError::Unsupported));
}

#[test]
fn row_72_forward_tsn_nonsense() {
    let mut script = established();
    let skipped = |i: u16| SkippedStream { stream: StreamId(i), ssn: Ssn(i) };
    let streams: Vec<SkippedStream> = (0..16_000).map(skipped).collect();
    for jump in [0, u32::MAX, 1 << 31, 100, (1 << 31) - 1] {
        let new_cumulative_tsn = Tsn(TSN).advance(jump);
        script.give(&ForwardTsn { new_cumulative_tsn, streams: streams.clone() });
        script.take();
    }
    assert!(script.association.is_established());
}

fn reset(request: u32, last_tsn: u32, streams: &[u16]) -> ReConfig {
    let parameter = ReConfigParameter::OutgoingReset {
        request: RequestNumber(TSN.wrapping_add(request)),
        response: RequestNumber(0),
        last_tsn: Tsn(TSN).advance(last_tsn),
        streams: streams.iter().copied().map(StreamId).collect(),
    };
    ReConfig { parameters: vec![parameter] }
}

#[test]
fn row_72_stream_reset_floods() {
    let mut script = established();
    // Nobody takes the events: requests are put off, not queued.
    for request in 0..10_000 {
        script.give(&reset(request, u32::MAX, &[1, 2, 3]));
        while script.association.poll_transmit(script.now).is_some() {}
    }
    let events = script.events().len();
    assert!((100..=1000).contains(&events), "{events}");
}

#[test]
fn row_72_reset_with_the_wrong_number_or_stream() {
    let mut script = established();
    let result = |script: &mut Script, chunk: ReConfig| {
        script.give(&chunk);
        let Chunk::ReConfig(answer) = script.take_one() else { panic!("no answer") };
        let [ReConfigParameter::Response { result, .. }] = &answer.parameters[..] else {
            panic!("{answer:?}");
        };
        *result
    };
    let last = u32::MAX;
    assert_eq!(result(&mut script, reset(5, last, &[1])), ReConfigResult::BAD_SEQUENCE_NUMBER);
    assert_eq!(result(&mut script, reset(0, last, &[65_535])), ReConfigResult::WRONG_SSN);
    assert_eq!(result(&mut script, reset(1, last, &[1])), ReConfigResult::PERFORMED);
    assert_eq!(result(&mut script, reset(1, last, &[1])), ReConfigResult::PERFORMED, "repeated");
    assert_eq!(script.events().len(), 1, "performed once");
    let request = RequestNumber(TSN.wrapping_add(2));
    let add = ReConfigParameter::AddOutgoing { request, new_streams: 60_000 };
    let add = ReConfig { parameters: vec![add] };
    assert_eq!(result(&mut script, add), ReConfigResult::DENIED);
}

fn sending(messages: usize) -> Script {
    let mut script = established();
    for _ in 0..messages {
        script.association.send(script.now, StreamId(0), message(vec![0; 1160])).unwrap();
    }
    script.take();
    script
}

#[test]
fn row_73_sack_of_what_was_never_sent() {
    let mut script = sending(4);
    for cumulative in [5, 6, 1 << 30, 1 << 31, u32::MAX] {
        script.sack(cumulative, &[]);
        assert_eq!(script.association.stats().outstanding, 4 * 1160);
    }
    script.sack(0, &[(5, 9), (60_000, 65_535)]);
    assert_eq!(script.association.stats().outstanding, 4 * 1160);
    script.sack(4, &[]);
    assert_eq!(script.association.stats().outstanding, 0);
}

#[test]
fn row_73_sack_with_senseless_gaps() {
    let mut script = sending(10);
    let lies: [&[(u16, u16)]; 6] = [
        &[(5, 2)],
        &[(0, 0)],
        &[(1, 1)],
        &[(3, 4), (3, 4), (2, 2)],
        &[(0, 65_535)],
        &[(65_535, 0)],
    ];
    for lie in lies {
        script.sack(0, lie);
    }
    let many: Vec<(u16, u16)> = (1..16_000).map(|i| (i * 2, i * 2)).collect();
    script.sack(0, &many);
    script.sack(10, &[]);
    assert_eq!(script.association.stats().outstanding, 0);
    assert!(script.association.is_established());
}

#[test]
fn row_73_zero_window_for_ever() {
    let mut script = established();
    let closed = Sack { a_rwnd: 0, ..script.make_sack(0, &[]) };
    script.give(&closed);
    let mut queued = 0;
    while script.association.send(script.now, StreamId(0), message(vec![0; 60_000])).is_ok() {
        queued += 1;
    }
    assert!((200..300).contains(&queued), "the send buffer is bounded: {queued}");
    let mut probes = 0;
    for _ in 0..600 {
        probes += script.take_data().len();
        script.give(&closed);
        script.later(Duration::from_secs(1));
    }
    assert!((150..600).contains(&probes), "probed, and no more than that: {probes}");
    assert!(script.association.is_established());
    script.sack(1, &[]);
    assert!(script.take_data().len() > 1, "room again");
}

#[test]
fn row_74_heartbeats_are_answered_with_one_packet() {
    let mut script = established();
    let heartbeat = Heartbeat { information: Bytes::from(vec![1; 100]) };
    let chunks: Vec<&dyn Body> = (0..60).map(|_| &heartbeat as &dyn Body).collect();
    script.give_all(script.tag, &chunks).unwrap();
    let packets = script.take();
    assert_eq!(packets.len(), 1);
    assert!(packets[0].chunks.iter().all(|chunk| matches!(
        chunk,
        Chunk::HeartbeatAck(ack) if ack.information == heartbeat.information
    )));
    let huge = Heartbeat { information: Bytes::from(vec![1; 60_000]) };
    script.give(&huge);
    assert!(script.take().is_empty(), "an answer that fits into no packet");
}

#[test]
fn row_74_unknown_chunks_are_reported_in_one_packet() {
    let mut script = established();
    let chunk = unknown(0xc1, 0);
    let chunks: Vec<&dyn Body> = (0..16_000).map(|_| &chunk as &dyn Body).collect();
    script.give_all(script.tag, &chunks).unwrap();
    let packets = script.take();
    assert_eq!(packets.len(), 1);
    assert!(packets[0].chunks.iter().all(|chunk| matches!(
        chunk,
        Chunk::Error(error) if error.causes[0].code == CauseCode::UNRECOGNIZED_CHUNK_TYPE
    )));
}

#[test]
fn row_74_chunk_bits_say_stop_and_report() {
    let answers = |chunk_type: u8| {
        let mut script = established();
        let chunks: [&dyn Body; 2] = [&unknown(chunk_type, 4), &data(0, 0, 0, b"x")];
        script.give_all(script.tag, &chunks).unwrap();
        let report = script.take_chunks().iter().any(|chunk| matches!(chunk, Chunk::Error(_)));
        (report, script.events().len() == 1)
    };
    assert_eq!(answers(0x3f), (false, false));
    assert_eq!(answers(0x7f), (true, false));
    assert_eq!(answers(0xbf), (false, true));
    assert_eq!(answers(0xff), (true, true));
    // ASCONF, AUTH, PKTDROP, I-DATA: never negotiated, so unknown like any other.
    for chunk_type in [0xc1, 0x0f, 0x81, 0x40] {
        answers(chunk_type);
    }
}

#[test]
fn data_without_payload_aborts() {
    let mut script = established();
    script.give(&data(0, 0, 0, b""));
    let Chunk::Abort(abort) = script.take_one() else { panic!("no ABORT") };
    assert_eq!(abort.causes[0].code, CauseCode::NO_USER_DATA);
    assert_eq!(script.events(), [Event::Closed(CloseReason::ProtocolViolation)]);
    assert!(script.association.poll_timeout().is_none(), "then silence");
}

#[test]
fn data_for_a_stream_that_does_not_exist_is_acknowledged_and_reported() {
    let mut script = established();
    script.give(&data(0, 65_535, 0, b"x"));
    let chunks = script.take_chunks();
    assert!(chunks.iter().any(|chunk| matches!(
        chunk,
        Chunk::Error(error) if error.causes[0].code == CauseCode::INVALID_STREAM_IDENTIFIER
    )));
    assert!(
        chunks
            .iter()
            .any(|chunk| matches!(chunk, Chunk::Sack(sack) if sack.cumulative_tsn == Tsn(TSN)))
    );
    assert!(script.events().is_empty());
}

#[test]
fn a_packet_without_chunks_says_nothing() {
    let mut script = established();
    let empty = packet(script.tag, &[]);
    assert!(Packet::parse(&empty).unwrap().chunks.is_empty());
    let _ = script.association.handle_datagram(script.now, empty);
    assert!(script.take().is_empty() && script.events().is_empty());
}
