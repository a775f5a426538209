//! A stranger's datagrams at every phase: before, between and after all datagrams of a handshake
//! (security checklist, rows 35 to 45, 54, 55).
//!
//! ```text
//! for each phase (0, 1, 2 … datagrams delivered):
//!   handshake up to the phase ─ inject the row's datagrams into both ends ─ handshake goes on ─ alive?
//! ```
//!
//! "Changes nothing" means: no end dies, nothing is delivered, after the handshake nothing is
//! answered, and both connect and talk as if the stranger had not been there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)] // a test

mod common;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use common::{Client, Fate, Pair, Server, Side, config};
use dtls::wire::handshake::Random;
use dtls::wire::{
    CipherSuite, ContentType, Epoch, Extensions, Handshake, HandshakeFragment, HandshakeHeader,
    HandshakeMessage, HandshakeType, MessageSeq, ProtocolVersion, RecordHeader, SequenceNumber,
    split,
};

/// Small enough for several datagrams in a flight, so that there are many phases.
fn pair() -> Pair {
    let (mut client, mut server) = (config(Client), config(Server));
    (client.mtu, server.mtu) = (150, 150);
    Pair::with(client, server, 1)
}

/// A handshake without a clock, until `limit` datagrams are delivered; returns how many were.
fn lockstep(pair: &mut Pair, limit: usize) -> usize {
    let mut delivered = 0;
    loop {
        let mut quiet = true;
        for side in Side::BOTH {
            for datagram in pair.take(side) {
                if delivered == limit {
                    return delivered; // the rest of this flight is lost, to be repeated
                }
                let _ = pair.give(side.other(), &datagram);
                delivered += 1;
                quiet = false;
            }
        }
        if quiet {
            return delivered;
        }
    }
}

/// Injects what `hostile` makes, into both ends, at every phase of a handshake.
fn at_every_phase(hostile: impl Fn(&Pair, Side) -> Vec<Vec<u8>>) {
    let phases = lockstep(&mut pair(), usize::MAX);
    assert!(phases >= 8);
    for phase in 0..=phases {
        let mut pair = pair();
        lockstep(&mut pair, phase);
        for victim in Side::BOTH {
            let received = pair.end(victim).received.len();
            let silent = pair.end(victim).connected.is_some();
            pair.take(victim);
            for datagram in hostile(&pair, victim) {
                let _ = pair.give(victim, &datagram);
                if silent {
                    assert_eq!(pair.take(victim), [&b""[..]; 0], "answered in phase {phase}");
                }
            }
            let end = pair.end(victim);
            assert_eq!(end.closed, [], "{victim:?} in phase {phase}");
            assert_eq!(end.received.len(), received);
        }
        let connected = pair.run_until_connected(Duration::from_secs(5), |_, _, _| Fate::Deliver);
        assert!(connected, "phase {phase}");
        // Whatever was stored must not come up later.
        pair.run(Duration::from_secs(1), |_, _, _| Fate::Deliver);
        assert!(pair.client.received.is_empty() && pair.server.received.is_empty());
        pair.assert_alive();
    }
}

fn record(content_type: ContentType, epoch: u16, number: u64, fragment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    RecordHeader {
        content_type,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch(epoch),
        sequence_number: SequenceNumber::new(number).unwrap(),
        length: u16::try_from(fragment.len()).unwrap(),
    }
    .write(&mut out);
    out.extend_from_slice(fragment);
    out
}

fn handshake(message: &HandshakeMessage) -> Vec<u8> {
    record(ContentType::HANDSHAKE, 0, 9, message.transcript())
}

fn fragment(msg_type: HandshakeType, seq: u16, length: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let header = HandshakeHeader {
        msg_type,
        length,
        message_seq: MessageSeq(seq),
        fragment_offset: offset,
        fragment_length: u32::try_from(body.len()).unwrap(),
    };
    let mut out = Vec::new();
    HandshakeFragment { header, body }.write(&mut out);
    record(ContentType::HANDSHAKE, 0, 9, &out)
}

/// The client's own hello, as a stranger on the path would have read it.
fn client_hello() -> dtls::wire::handshake::ClientHello {
    let mut pair = Pair::new();
    let datagram = pair.take(Client).remove(0);
    let record = split(BytesMut::from(&datagram[..])).next().unwrap().unwrap();
    let fragments = HandshakeFragment::parse_all(&record.fragment).unwrap();
    match Handshake::parse(HandshakeType::CLIENT_HELLO, fragments[0].body) {
        Ok(Handshake::ClientHello(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_1_noise_of_every_length_and_first_octet() {
    at_every_phase(|_, _| {
        let mut noise: Vec<Vec<u8>> = (0..=255).map(|first| vec![first; 30]).collect();
        noise.extend((0..60).map(|length| vec![22; length]));
        noise.push(vec![23; 65_507]);
        noise
    });
}

#[test]
fn row_35_lying_lengths_and_thousands_of_empty_records() {
    at_every_phase(|_, _| {
        let mut long = record(ContentType::HANDSHAKE, 0, 1, &[0; 12]);
        (long[11], long[12]) = (0xff, 0xff);
        let empty = |ty| record(ty, 0, 1, &[]).repeat(5000);
        vec![
            long,
            empty(ContentType::APPLICATION_DATA),
            empty(ContentType::HANDSHAKE),
            record(ContentType::APPLICATION_DATA, 1, 1, &[]).repeat(5000),
        ]
    });
}

#[test]
fn row_35_a_datagram_of_empty_records_costs_less_than_a_millisecond() {
    let mut pair = Pair::connected();
    let datagram = record(ContentType::APPLICATION_DATA, 1, 1000, &[0; 24]).repeat(1770);
    let start = Instant::now();
    for _ in 0..10 {
        let _ = pair.give(Server, &datagram);
    }
    assert!(start.elapsed() < Duration::from_millis(50), "{:?}", start.elapsed());
}

#[test]
fn row_36_undecryptable_records_of_every_epoch_and_type() {
    at_every_phase(|_, _| {
        let mut all = Vec::new();
        for epoch in [1, 2, 3, 0x8000, 0xffff] {
            for ty in [20, 21, 22, 23, 24, 25, 63, 255] {
                for length in [0, 1, 15, 16, 24, 25, 61, 400] {
                    all.push(record(ContentType(ty), epoch, 1 << 40, &vec![7; length]));
                }
            }
        }
        all
    });
}

#[test]
fn row_37_application_data_of_epoch_0() {
    at_every_phase(|_, _| {
        vec![
            record(ContentType::APPLICATION_DATA, 0, 5, b"in the clear"),
            record(ContentType::APPLICATION_DATA, 0, (1 << 48) - 1, b"in the clear"),
        ]
    });
}

#[test]
fn row_38_alerts_ccs_and_finished_of_epoch_0() {
    at_every_phase(|_, _| {
        let mut all: Vec<_> = (0..=255)
            .flat_map(|description| [1, 2].map(|level| [level, description]))
            .map(|alert| record(ContentType::ALERT, 0, 77, &alert))
            .collect();
        all.push(record(ContentType::CHANGE_CIPHER_SPEC, 0, 78, &[1]));
        all.push(record(ContentType::CHANGE_CIPHER_SPEC, 0, 78, &[2]));
        for seq in 0..9 {
            all.push(fragment(HandshakeType::FINISHED, seq, 12, 0, &[0; 12]));
        }
        all
    });
}

#[test]
fn row_39_a_strangers_client_hello() {
    let good = client_hello();
    at_every_phase(|_, _| {
        let message = |seq, hello| {
            let message = HandshakeMessage::new(MessageSeq(seq), &Handshake::ClientHello(hello));
            handshake(&message)
        };
        let bad_suites = dtls::wire::handshake::ClientHello {
            cipher_suites: vec![CipherSuite(0x002f)],
            ..good.clone()
        };
        let bare = dtls::wire::handshake::ClientHello {
            extensions: Extensions::default(),
            random: Random([9; 32]),
            ..good.clone()
        };
        let mut all = Vec::new();
        for seq in [0, 1, 2, 7] {
            all.push(message(seq, bad_suites.clone()));
            all.push(message(seq, bare.clone()));
            all.push(fragment(HandshakeType::CLIENT_HELLO, seq, 60, 0, &[0xee; 60]));
            // The beginning of one, which never goes on.
            all.push(fragment(HandshakeType::CLIENT_HELLO, seq, 1000, 0, &[0xee; 60]));
        }
        all
    });
}

#[test]
fn row_39_a_good_strangers_hello_after_the_choice_is_made() {
    let good = client_hello();
    let mut stranger = good.clone();
    stranger.random = Random([0x55; 32]);
    let message = HandshakeMessage::new(MessageSeq(0), &Handshake::ClientHello(stranger));
    let phases = lockstep(&mut pair(), usize::MAX);
    for phase in 1..=phases {
        let mut pair = pair();
        lockstep(&mut pair, phase);
        if pair.server.sent.is_empty() {
            continue; // the choice is not made
        }
        let _ = pair.give(Server, &handshake(&message));
        assert!(pair.run_until_connected(Duration::from_secs(5), |_, _, _| Fate::Deliver));
        pair.assert_alive();
    }
}

#[test]
fn row_41_row_42_row_43_fragments_that_lead_nowhere() {
    at_every_phase(|_, victim| {
        let mut all = Vec::new();
        let types = match victim {
            Client => [1, 11, 12, 14, 16, 99],
            Server => [2, 11, 14, 15, 16, 99],
        };
        for seq in (0..30).chain([1000, u16::MAX]) {
            for ty in types.map(HandshakeType) {
                all.push(fragment(ty, seq, (1 << 24) - 1, 0, &[1]));
                all.push(fragment(ty, seq, 60_000, 59_000, &[2; 200]));
                all.push(fragment(ty, seq, 500, 0, &[]));
                all.push(fragment(ty, seq, 500, 400, &[3; 200]));
            }
        }
        // The same again and again; only their number could hurt now.
        all.extend(vec![fragment(HandshakeType::CERTIFICATE, 2, 9, 9, &[]); 500]);
        all
    });
}

#[test]
fn row_44_fragments_reversed_overlapping_and_one_octet_each() {
    // The flights of both sides, recut by somebody in between; epoch 1 stays as it is.
    let recut = |datagram: &[u8]| -> Vec<Vec<u8>> {
        let (mut all, mut sealed) = (Vec::new(), Vec::new());
        for record in split(BytesMut::from(datagram)) {
            let record = record.unwrap();
            if record.header.epoch != Epoch(0)
                || record.header.content_type != ContentType::HANDSHAKE
            {
                record.write(&mut sealed);
                continue;
            }
            for whole in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                let HandshakeHeader { msg_type, length, message_seq, fragment_offset, .. } =
                    whole.header;
                let seq = message_seq.0;
                for (at, octet) in (fragment_offset..).zip(whole.body) {
                    all.push(fragment(msg_type, seq, length, at, &[*octet]));
                }
                let half = whole.body.len() / 2;
                all.push(fragment(
                    msg_type,
                    seq,
                    length,
                    fragment_offset,
                    &whole.body[..half + 1.min(half)],
                ));
                if whole.body.is_empty() {
                    all.push(fragment(msg_type, seq, length, 0, &[]));
                }
            }
        }
        all.reverse();
        all.extend((!sealed.is_empty()).then_some(sealed));
        all
    };
    let mut pair = pair();
    for _ in 0..20 {
        for side in Side::BOTH {
            for datagram in pair.take(side) {
                for part in recut(&datagram) {
                    let _ = pair.give(side.other(), &part);
                }
            }
        }
    }
    assert!(pair.both_connected());
    assert_eq!(pair.client.connection.stats().retransmissions, 0);
    pair.assert_alive();
}

#[test]
fn row_45_everything_ever_sent_again_and_in_reverse() {
    at_every_phase(|pair, victim| {
        let sent: &[Bytes] = match victim {
            Client => &pair.server.sent,
            Server => &pair.client.sent,
        };
        // What the other end sent, but only what arrived long ago: the newest may be on its way.
        sent.iter().rev().map(|datagram| datagram.to_vec()).filter(|d| d[0] == 23).collect()
    });
    let mut pair = Pair::connected();
    let now = pair.now;
    let mut records = Vec::new();
    for number in 0..200_u8 {
        pair.client.connection.send(now, &[number]).unwrap();
        records.extend(pair.take(Client));
    }
    for datagram in records.iter().chain(records.iter().rev()) {
        let _ = pair.give(Server, datagram);
    }
    assert_eq!(pair.server.received.len(), 200);
    assert_eq!(pair.server.connection.stats().replayed, 200);
}

#[test]
fn row_45_what_a_client_sent_does_not_work_on_the_client() {
    let mut pair = Pair::connected();
    let now = pair.now;
    pair.client.connection.send(now, b"mirror").unwrap();
    for datagram in pair.take(Client) {
        assert!(pair.give(Client, &datagram).is_err());
    }
    assert!(pair.client.received.is_empty());
}

#[test]
fn row_54_hello_requests_of_a_stranger() {
    at_every_phase(|_, _| {
        (0..20).map(|seq| fragment(HandshakeType::HELLO_REQUEST, seq, 0, 0, &[])).collect()
    });
}

#[test]
fn row_55_a_repeated_hello_is_no_amplifier() {
    let mut pair = Pair::new();
    let hello = pair.take(Client).remove(0);
    let mut answered = 0;
    for _ in 0..60 {
        let _ = pair.give(Server, &hello);
        answered += pair.take(Server).iter().map(Bytes::len).sum::<usize>();
        pair.now += Duration::from_millis(1);
    }
    assert!(answered < 2 * 1200, "{answered} octets for {}", 60 * hello.len());
}

#[test]
fn row_5_an_attack_does_not_slow_a_record_down() {
    // A record costs the same whatever was thrown at the connection before.
    let mut pair = Pair::connected();
    for _ in 0..10_000 {
        let _ = pair.give(Server, &record(ContentType::APPLICATION_DATA, 1, 500, &[0; 100]));
    }
    assert_eq!(pair.server.connection.stats().undecryptable, 10_000);
    pair.assert_alive();
}

#[test]
fn row_2_a_datagram_full_of_fragments_costs_little() {
    let header = |msg_type, length, offset| {
        let mut out = Vec::new();
        let message_seq = MessageSeq(0);
        let (fragment_offset, fragment_length) = (offset, 0);
        HandshakeHeader { msg_type, length, message_seq, fragment_offset, fragment_length }
            .write(&mut out);
        out
    };
    // Whole messages without a body, pieces of one that never ends, pieces that contradict.
    let worst = [
        header(HandshakeType::SERVER_HELLO_DONE, 0, 0).repeat(5400),
        header(HandshakeType::CLIENT_HELLO, 65_536, 65_536).repeat(5400),
        [
            header(HandshakeType::CLIENT_HELLO, 65_536, 0),
            header(HandshakeType::CLIENT_HELLO, 65_535, 0),
        ]
        .concat()
        .repeat(2700),
    ];
    for fragments in worst {
        let datagram = record(ContentType::HANDSHAKE, 0, 1, &fragments);
        let mut pair = Pair::new();
        let start = Instant::now();
        let _ = pair.give(Server, &datagram);
        // A millisecond when optimised; this build may not be, and the machine may be busy.
        assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
    }
}
