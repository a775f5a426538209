//! Streams begin anew: RFC 6525, one direction at a time.
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

use pair::script::{Script, TSN, data};
use pair::{A, B, Link, Pair, message};
use sctp::wire::{
    Chunk, Data, ReConfig, ReConfigParameter, ReConfigResult, RequestNumber, Ssn, Tsn,
};
use sctp::{Config, Direction, Event, StreamId};

const MS: Duration = Duration::from_millis(1);

fn established() -> Script {
    Script::established(Config::default())
}

fn performed(direction: Direction, streams: &[u16]) -> Event {
    let streams = streams.iter().copied().map(StreamId).collect();
    Event::StreamsReset { direction, streams }
}

fn request(script: &mut Script) -> Option<(RequestNumber, Tsn, Vec<StreamId>)> {
    script.take_chunks().into_iter().find_map(|chunk| match chunk {
        Chunk::ReConfig(ReConfig { parameters }) => {
            parameters.into_iter().find_map(|parameter| match parameter {
                ReConfigParameter::OutgoingReset { request, last_tsn, streams, .. } => {
                    Some((request, last_tsn, streams))
                }
                _ => None,
            })
        }
        _ => None,
    })
}

fn answer(script: &mut Script, response: RequestNumber, result: ReConfigResult) {
    let parameter = ReConfigParameter::Response { response, result, next_tsns: None };
    script.give(&ReConfig { parameters: vec![parameter] });
}

fn outgoing(number: u32, last: u32, streams: &[u16]) -> ReConfig {
    let parameter = ReConfigParameter::OutgoingReset {
        request: RequestNumber(TSN.wrapping_add(number)),
        response: RequestNumber(0),
        last_tsn: Tsn(TSN).advance(last),
        streams: streams.iter().copied().map(StreamId).collect(),
    };
    ReConfig { parameters: vec![parameter] }
}

fn result(script: &mut Script) -> Option<ReConfigResult> {
    script.take_chunks().into_iter().find_map(|chunk| match chunk {
        Chunk::ReConfig(ReConfig { parameters }) => {
            parameters.into_iter().find_map(|parameter| match parameter {
                ReConfigParameter::Response { result, .. } => Some(result),
                _ => None,
            })
        }
        _ => None,
    })
}

#[test]
fn trap_ssn_restarts_only_when_performed_and_later_messages_wait() {
    let mut script = established();
    let send = |script: &mut Script, stream, text: &'static str| {
        script.association.send(script.now, StreamId(stream), message(text)).unwrap();
    };
    send(&mut script, 0, "before");
    script.association.reset_streams(script.now, &[StreamId(0)]).unwrap();
    send(&mut script, 0, "after");
    send(&mut script, 1, "elsewhere");
    let chunks = script.take_chunks();
    let sent: Vec<&Data> = chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Data(data) => Some(data),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 2, "not the one after the reset");
    // The request's number begins with our first TSN; its last TSN is what was assigned so far.
    let (number, last_tsn, streams) = request_in(&chunks).or_else(|| request(&mut script)).unwrap();
    assert_eq!((number.0, streams), (script.tsn.0, vec![StreamId(0)]));
    assert!(last_tsn >= sent[0].tsn);
    answer(&mut script, number, ReConfigResult::IN_PROGRESS);
    script.sack(2, &[]);
    assert!(script.take_data().is_empty() && script.events().is_empty());
    script.later(600 * MS);
    assert_eq!(request(&mut script).unwrap().0, number, "asked again with the same number");
    answer(&mut script, RequestNumber(number.0.wrapping_add(9)), ReConfigResult::PERFORMED);
    assert!(script.take_data().is_empty(), "an answer to nothing we asked");
    answer(&mut script, number, ReConfigResult::PERFORMED);
    assert_eq!(script.events(), [performed(Direction::Outgoing, &[0])]);
    let sent = script.take_data();
    assert_eq!((sent[0].ssn, &sent[0].payload[..]), (Ssn(0), &b"after"[..]));
}

fn request_in(chunks: &[Chunk]) -> Option<(RequestNumber, Tsn, Vec<StreamId>)> {
    chunks.iter().find_map(|chunk| match chunk {
        Chunk::ReConfig(ReConfig { parameters }) => match &parameters[..] {
            [ReConfigParameter::OutgoingReset { request, last_tsn, streams, .. }] => {
                Some((*request, *last_tsn, streams.clone()))
            }
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_refused_reset_goes_on_with_the_old_numbers() {
    let mut script = established();
    script.association.send(script.now, StreamId(0), message("before")).unwrap();
    script.take();
    script.association.reset_streams(script.now, &[StreamId(0)]).unwrap();
    let (number, ..) = request(&mut script).unwrap();
    script.association.send(script.now, StreamId(0), message("after")).unwrap();
    answer(&mut script, number, ReConfigResult::DENIED);
    assert_eq!(script.events(), [Event::ResetRefused(vec![StreamId(0)])]);
    assert_eq!(script.take_data()[0].ssn, Ssn(1));
}

#[test]
fn the_request_is_repeated_until_answered() {
    let mut script = established();
    script.association.reset_streams(script.now, &[StreamId(7)]).unwrap();
    let first = request(&mut script).unwrap();
    for wait in [500, 1000, 2000, 3000, 3000] {
        script.later(MS * (wait - 1));
        assert_eq!(request(&mut script), None);
        script.later(MS);
        assert_eq!(request(&mut script), Some(first.clone()));
    }
    // Streams that are to be reset meanwhile go into the next request.
    script.association.reset_streams(script.now, &[StreamId(8), StreamId(9)]).unwrap();
    assert_eq!(request(&mut script), None, "one at a time");
    answer(&mut script, first.0, ReConfigResult::PERFORMED);
    let second = request(&mut script).unwrap();
    assert_eq!(second.0, first.0.next());
    assert_eq!(second.2, [StreamId(8), StreamId(9)]);
}

#[test]
fn a_thousand_streams_are_reset_in_requests_that_fit() {
    let mut pair = Pair::established(Config::default(), 1);
    let streams: Vec<StreamId> = (0..1000).map(StreamId).collect();
    let now = pair.now;
    pair.ends[A].association.reset_streams(now, &streams).unwrap();
    pair.ends[A].association.reset_streams(now, &streams).unwrap();
    pair.run_for(5000 * MS);
    let mut reset: Vec<StreamId> = pair.ends[B]
        .events
        .iter()
        .flat_map(|event| match event {
            Event::StreamsReset { direction: Direction::Incoming, streams } => streams.clone(),
            event => panic!("{event:?}"),
        })
        .collect();
    reset.sort();
    assert_eq!(reset, streams, "each once");
}

#[test]
fn an_incoming_reset_waits_for_the_last_tsn() {
    let mut script = established();
    script.give(&data(0, 3, 0, b"first"));
    script.take();
    script.give(&outgoing(0, 1, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::IN_PROGRESS));
    assert_eq!(script.events(), [Event::Readable(StreamId(3))]);
    // What comes after the reset is held back until what was before has arrived.
    script.give(&data(2, 3, 0, b"third"));
    script.give(&outgoing(0, 1, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::IN_PROGRESS));
    script.give(&data(1, 3, 1, b"second"));
    assert_eq!(result(&mut script), Some(ReConfigResult::PERFORMED), "without being asked");
    let read = |script: &mut Script| {
        std::iter::from_fn(|| script.association.recv(script.now, StreamId(3)))
            .map(|received| received.payload.to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&mut script), [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
    assert_eq!(script.events(), [performed(Direction::Incoming, &[3])]);
    script.give(&outgoing(0, 1, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::PERFORMED), "repeated, not performed");
    assert!(script.events().is_empty());
    assert_eq!(script.association.stats().held, 0);
}

#[test]
fn trap_older_libwebrtc_asks_again_under_a_new_number() {
    let mut script = established();
    script.give(&outgoing(0, 0, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::IN_PROGRESS));
    script.give(&outgoing(1, 0, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::IN_PROGRESS));
    script.give(&data(0, 3, 0, b"x"));
    assert_eq!(result(&mut script), Some(ReConfigResult::PERFORMED));
    script.give(&outgoing(1, 0, &[3]));
    assert_eq!(result(&mut script), Some(ReConfigResult::PERFORMED), "repeated");
    script.give(&outgoing(2, 0, &[4]));
    assert_eq!(result(&mut script), Some(ReConfigResult::PERFORMED), "the next one");
    assert_eq!(script.events().len(), 3);
}

#[test]
fn trap_older_libwebrtc_repeats_in_progress_to_the_old_number() {
    let mut script = established();
    script.association.send(script.now, StreamId(3), message("x")).unwrap();
    script.association.reset_streams(script.now, &[StreamId(3)]).unwrap();
    let chunks = script.take_chunks();
    let (number, ..) = request_in(&chunks).or_else(|| request(&mut script)).unwrap();
    // True: the message was on its way.
    answer(&mut script, number, ReConfigResult::IN_PROGRESS);
    script.sack(1, &[]);
    script.later(600 * MS);
    assert_eq!(request(&mut script).unwrap().0, number);
    // It had arrived before we asked.
    answer(&mut script, number, ReConfigResult::IN_PROGRESS);
    script.later(600 * MS);
    let (again, ..) = request(&mut script).unwrap();
    assert_eq!(again, number.next());
    answer(&mut script, again, ReConfigResult::PERFORMED);
    assert_eq!(script.events(), [performed(Direction::Outgoing, &[3])]);
}

#[test]
fn an_incoming_reset_of_all_streams() {
    let mut script = established();
    for stream in 0..3 {
        script.give(&data(stream, stream as u16, 0, b"x"));
    }
    script.events();
    script.give(&outgoing(0, 2, &[]));
    assert_eq!(script.events(), [performed(Direction::Incoming, &[])]);
    for stream in 0..3 {
        script.give(&data(3 + stream, stream as u16, 0, b"y"));
        let stream = StreamId(stream as u16);
        assert_eq!(&script.association.recv(script.now, stream).unwrap().payload[..], b"x");
        assert_eq!(&script.association.recv(script.now, stream).unwrap().payload[..], b"y");
    }
}

#[test]
fn resets_over_a_bad_link_lose_and_mix_nothing() {
    for seed in 0..60 {
        let mut pair = Pair::established(Config::default(), seed);
        pair.link = Link { delay: 20 * MS, jitter: 30 * MS, loss: 20, duplication: 10 };
        let mut expected = Vec::new();
        for round in 0..10u8 {
            for number in 0..5u8 {
                let payload = vec![round * 5 + number; 3000];
                expected.push(payload.clone());
                pair.send(A, 3, message(payload));
            }
            let now = pair.now;
            pair.ends[A].association.reset_streams(now, &[StreamId(3)]).unwrap();
            if round % 3 == 0 {
                let resets = usize::from(round) + 1;
                pair.run_until(|pair| pair.ends[A].events.len() >= resets);
            }
            // Asked for again before it is performed: the same reset.
            let resets = pair.ends[A].events.len();
            if round % 3 != 0 {
                pair.run_until(|pair| pair.ends[A].events.len() > resets);
            }
        }
        pair.run_until(|pair| pair.messages(B, 3).len() == 50);
        assert!(pair.messages(B, 3) == expected, "seed {seed}");
        assert_eq!(pair.ends[B].events.len(), 10);
    }
}

#[test]
fn requests_for_our_side_are_denied() {
    let mut script = established();
    let number = |n: u32| RequestNumber(TSN.wrapping_add(n));
    let requests = [
        ReConfigParameter::IncomingReset { request: number(0), streams: vec![StreamId(1)] },
        ReConfigParameter::SsnTsnReset { request: number(1) },
        ReConfigParameter::AddOutgoing { request: number(2), new_streams: 1 },
        ReConfigParameter::AddIncoming { request: number(3), new_streams: 1 },
    ];
    for request in requests {
        script.give(&ReConfig { parameters: vec![request] });
        assert_eq!(result(&mut script), Some(ReConfigResult::DENIED));
    }
}
