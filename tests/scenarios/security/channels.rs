//! Rows 75 and 76: an authenticated peer that writes its own DCEP and messages.

use bytes::Bytes;
use peer::{Config, Event};
use sctp::wire::{Body, Chunk, Data, Ppid, ReConfigParameter, StreamId};

use super::rogue::{Call, open};
use crate::peer::config;

/// The streams that the victim has asked to reset.
fn reset(chunks: &[Chunk]) -> Vec<u16> {
    let mut reset = Vec::new();
    for chunk in chunks {
        let Chunk::ReConfig(chunk) = chunk else { continue };
        for parameter in &chunk.parameters {
            if let ReConfigParameter::OutgoingReset { streams, .. } = parameter {
                reset.extend(streams.iter().map(|stream| stream.0));
            }
        }
    }
    reset.sort_unstable();
    reset.dedup();
    reset
}

/// Channels the application at the victim was told of.
fn announced(call: &Call) -> usize {
    call.pair.right.events.iter().filter(|event| matches!(event, Event::DataChannel(_))).count()
}

#[test]
fn row_75_dcep_cut_lies_and_bad_utf_8_close_that_stream_only() {
    let good = open("label");
    let with = |at: usize, octets: &[u8]| {
        let mut message = good.to_vec();
        message[at..at + octets.len()].copy_from_slice(octets);
        Bytes::from(message)
    };
    let mut bad: Vec<Bytes> = (1..good.len()).map(|length| good.slice(..length)).collect();
    bad.extend([
        with(0, &[9]),
        with(1, &[0x7f]),
        with(8, &[0xff, 0xff]),
        with(10, &[0xff, 0xff]),
        open(&b"\xff\xfe"[..]),
    ]);
    let mut call = Call::established();
    let mut expected = Vec::new();
    for (index, message) in bad.into_iter().enumerate() {
        let stream = 1 + 2 * u16::try_from(index).unwrap();
        let data = call.rogue().data(stream, 0, Ppid::DCEP, message);
        call.say(&[&data]);
        expected.push(stream);
    }
    let heard = call.heard();
    // One request at a time (RFC 6525 §5.1.1): the first is not answered, so the others wait.
    let reset = reset(&heard);
    assert!(!reset.is_empty() && reset.iter().all(|stream| expected.contains(stream)), "{reset:?}");
    let acks = heard.iter().filter(|chunk| matches!(chunk, Chunk::Data(_))).count();
    assert_eq!((acks, announced(&call)), (0, 0));
    call.must_echo();
}

#[test]
fn row_75_wrong_parity_and_busy_streams_are_refused() {
    let mut call = Call::established();
    // Ours are the odd streams: the victim is DTLS client.
    let wrong = call.rogue().data(2, 0, Ppid::DCEP, open("even"));
    let first = call.rogue().data(1, 0, Ppid::DCEP, open("first"));
    let second = call.rogue().data(1, 1, Ppid::DCEP, open("second"));
    call.say(&[&wrong, &first, &second]);
    let heard = call.heard();
    assert!(announced(&call) <= 1);
    assert!(reset(&heard).contains(&2), "{heard:?}");
    call.must_echo();
}

#[test]
fn row_75_thirty_thousand_opens_stop_at_the_limit() {
    let mut config = config(1);
    config.data.max_channels = 500;
    let mut call = Call::established_with(config);
    let mut stream = 1;
    for _ in 0..300 {
        let opens: Vec<Data> = (0..100)
            .map(|_| {
                stream += 2;
                call.rogue().data((stream % 50_000) | 1, 0, Ppid::DCEP, open("one of many"))
            })
            .collect();
        let chunks: Vec<&dyn Body> = opens.iter().map(|data| data as &dyn Body).collect();
        call.say(&chunks);
        call.pass(1);
    }
    assert_eq!(announced(&call), 500);
    assert!(call.victim().channel_ids().count() <= 500);
}

fn limited() -> Config {
    let mut config = config(1);
    config.data.association.max_message_size = 10_000;
    config
}

#[test]
fn row_76_a_message_over_the_limit_closes_its_channel_only() {
    let mut call = Call::established_with(limited());
    let dcep = call.rogue().data(1, 0, Ppid::DCEP, open("large"));
    call.say(&[&dcep]);
    call.pass(10);
    for index in 0..20 {
        let fragment = call.rogue().data(1, 1, Ppid::BINARY, vec![0; 1000]);
        call.say(&[&Data { beginning: index == 0, ending: index == 19, ..fragment }]);
    }
    let heard = call.heard();
    assert_eq!(reset(&heard), [1], "{heard:?}");
    let echoed = |chunk: &Chunk| matches!(chunk, Chunk::Data(data) if data.stream == StreamId(1) && data.ppid != Ppid::DCEP);
    assert!(!heard.iter().any(echoed));
    call.must_echo();
}

#[test]
fn row_76_unknown_ppids_are_ignored_and_empty_messages_stay_empty() {
    let mut call = Call::established();
    let dcep = call.rogue().data(1, 0, Ppid::DCEP, open("odd"));
    let mut messages = vec![dcep];
    for (ssn, ppid) in [0, 1, 46, 55, 58, 1_000, u32::MAX].into_iter().enumerate() {
        let ssn = u16::try_from(ssn + 1).unwrap();
        messages.push(call.rogue().data(1, ssn, Ppid(ppid), "what is this?"));
    }
    messages.push(call.rogue().data(1, 8, Ppid::STRING_EMPTY, "\0"));
    messages.push(call.rogue().data(1, 9, Ppid::BINARY_EMPTY, "anything may stand here"));
    for data in &messages {
        call.say(&[data]);
    }
    let echoed: Vec<Ppid> = call
        .heard()
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Data(data) if data.ppid != Ppid::DCEP => Some(data.ppid),
            _ => None,
        })
        .collect();
    assert_eq!(echoed, [Ppid::STRING_EMPTY, Ppid::BINARY_EMPTY]);
    call.must_echo();
}
