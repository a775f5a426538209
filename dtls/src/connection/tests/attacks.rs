//! Rows 36 to 54 of the security checklist: what a stranger, a liar and a hostile peer can do.

use super::*;
use crate::flight::FlightItem;
use crate::v12::key_exchange::KeyShare;
use crate::v12::signature::SCHEMES;
use crate::wire::extension::{ExtendedMasterSecret, ExtensionType};
use crate::wire::handshake::{Certificate as Chain, ClientHello, HelloRequest, ServerHello};
use crate::wire::{
    CompressionMethod, Extension, Handshake, HandshakeMessage, HandshakeType, NamedGroup,
    RecordHeader, SequenceNumber, SignatureScheme, split,
};

mod hellos;
mod identity;

/// One record of epoch 0, as anybody can make it.
fn plain(content_type: ContentType, plaintext: &[u8]) -> BytesMut {
    let mut datagram = Vec::new();
    RecordHeader {
        content_type,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch(0),
        sequence_number: SequenceNumber::new(77).unwrap(),
        length: u16::try_from(plaintext.len()).unwrap(),
    }
    .write(&mut datagram);
    datagram.extend_from_slice(plaintext);
    BytesMut::from(&datagram[..])
}

/// A handshake message of epoch 0, as anybody can make it.
fn forged(seq: u16, message: &Handshake) -> BytesMut {
    let message = HandshakeMessage::new(MessageSeq(seq), message);
    plain(ContentType::HANDSHAKE, message.transcript())
}

fn alert(level: AlertLevel, description: AlertDescription) -> [u8; 2] {
    [level.0, description.0]
}

/// Changes the messages of epoch 0 in a flight; everything else passes.
fn rewritten(flight: &[BytesMut], change: &mut impl FnMut(&mut Handshake)) -> Vec<BytesMut> {
    let (mut reassembly, mut out) = (Reassembly::new(), Vec::new());
    for record in flight.iter().cloned().flat_map(split).map(Result::unwrap) {
        let header = record.header;
        if (header.epoch, header.content_type) != (Epoch(0), ContentType::HANDSHAKE) {
            let mut datagram = Vec::new();
            record.write(&mut datagram);
            out.push(BytesMut::from(&datagram[..]));
            continue;
        }
        for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
            // A flight seen alone does not begin at 0.
            while reassembly.next_seq() < fragment.header.message_seq {
                let seq = reassembly.next_seq();
                let filler = HandshakeMessage::new(seq, &Handshake::HelloRequest(HelloRequest));
                for part in HandshakeFragment::parse_all(filler.transcript()).unwrap() {
                    reassembly.insert(Epoch(0), &part).unwrap();
                }
                reassembly.pop();
            }
            reassembly.insert(Epoch(0), &fragment).unwrap();
            while let Some(whole) = reassembly.pop() {
                let mut message = whole.message.parse().unwrap();
                change(&mut message);
                out.push(forged(whole.message.message_seq().0, &message));
            }
        }
    }
    out
}

/// A handshake in which everything that `liar` says goes through `change`.
fn lied(liar: Role, change: impl FnMut(&mut Handshake)) -> Pair {
    lied_in(Pair::new(), liar, change)
}

fn lied_in(mut pair: Pair, liar: Role, mut change: impl FnMut(&mut Handshake)) -> Pair {
    loop {
        let mut to_server = datagrams(pair.now, &mut pair.client);
        let mut to_client = datagrams(pair.now, &mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            return pair;
        }
        match liar {
            Role::Client => to_server = rewritten(&to_server, &mut change),
            Role::Server => to_client = rewritten(&to_client, &mut change),
        }
        give(pair.now, &mut pair.server, &to_server);
        give(pair.now, &mut pair.client, &to_client);
    }
}

/// The descriptions of the alerts of epoch 0 in these datagrams.
fn alerts(datagrams: &[BytesMut]) -> Vec<AlertDescription> {
    datagrams
        .iter()
        .cloned()
        .flat_map(split)
        .map(Result::unwrap)
        .filter(|record| record.header.content_type == ContentType::ALERT)
        .map(|record| Alert::parse(&record.fragment).unwrap().description)
        .collect()
}

/// A pair that is connected and has told so.
fn connected() -> Pair {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    pair
}

/// Nothing came of it: no event, no answer, no data, and the session lives.
fn unharmed(mut pair: Pair) {
    for end in [&mut pair.client, &mut pair.server] {
        assert_eq!(end.poll_event(), None);
        assert_eq!(datagrams(pair.now, end), Vec::<BytesMut>::new());
        assert_eq!(end.recv(), None);
    }
    pair.talks();
}

#[test]
fn row_36_undecryptable_records_are_dropped_in_silence() {
    let mut pair = connected();
    pair.client.send(pair.now, b"true").unwrap();
    let sealed = datagrams(pair.now, &mut pair.client).remove(0);
    let mut forged = 0;
    for at in (0..11).chain(13..sealed.len()) {
        let mut changed = sealed.clone();
        changed[at] ^= 0x40;
        assert!(pair.server.handle_datagram(pair.now, changed).is_err(), "{at}");
        forged += 1;
    }
    assert_eq!(pair.server.stats().discarded, forged);
    assert!(pair.server.stats().undecryptable > forged / 2);
    // The true one still counts: no forgery has moved the window.
    pair.server.handle_datagram(pair.now, sealed).unwrap();
    assert_eq!(pair.server.recv().as_deref(), Some(&b"true"[..]));
    unharmed(pair);
}

#[test]
fn row_36_any_octets_at_any_time_are_dropped() {
    use rand::RngExt;
    let mut dice = StdRng::seed_from_u64(36);
    let mut pair = connected();
    let mut young = Pair::new();
    datagrams(young.now, &mut young.client);
    for _ in 0..2000 {
        let length = dice.random_range(0..100);
        let mut garbage: Vec<u8> = (0..length).map(|_| dice.random()).collect();
        if let [ty, major, minor, ..] = garbage.as_mut_slice() {
            (*ty, *major, *minor) = (dice.random_range(19..25), 0xfe, 0xfd);
        }
        for end in [&mut pair.client, &mut pair.server, &mut young.client, &mut young.server] {
            give(pair.now, end, &[BytesMut::from(&garbage[..])]);
        }
    }
    unharmed(pair);
    young.client.handle_timeout(young.now + Duration::from_millis(100));
    young.exchange();
    young.connected();
}

#[test]
fn row_37_application_data_in_epoch_0_is_never_delivered() {
    let data = plain(ContentType::APPLICATION_DATA, b"epoch 0");
    let mut pair = Pair::new();
    // Before every flight.
    loop {
        for end in [&mut pair.client, &mut pair.server] {
            assert!(end.handle_datagram(pair.now, data.clone()).is_err());
            assert_eq!(end.recv(), None);
        }
        let to_server = datagrams(pair.now, &mut pair.client);
        let to_client = datagrams(pair.now, &mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        give(pair.now, &mut pair.server, &to_server);
        give(pair.now, &mut pair.client, &to_client);
    }
    pair.connected();
    assert_eq!(pair.server.handle_datagram(pair.now, data), Err(Error::UnexpectedRecord));
    unharmed(pair);
}

#[test]
fn row_38_alert_ccs_and_finished_in_epoch_0_are_ignored_after_the_handshake() {
    use crate::wire::handshake::Finished;
    let mut pair = connected();
    let finished = Handshake::Finished(Finished { verify_data: [0; 12] });
    for datagram in [
        plain(ContentType::ALERT, &alert(AlertLevel::FATAL, AlertDescription::INTERNAL_ERROR)),
        plain(ContentType::ALERT, &alert(AlertLevel::WARNING, AlertDescription::CLOSE_NOTIFY)),
        plain(ContentType::CHANGE_CIPHER_SPEC, &[1]),
        forged(4, &finished),
        forged(5, &finished),
    ] {
        for end in [&mut pair.client, &mut pair.server] {
            let error = end.handle_datagram(pair.now, datagram.clone()).unwrap_err();
            assert_eq!(error, Error::UnexpectedRecord);
        }
    }
    unharmed(pair);
}

#[test]
fn row_38_a_forged_alert_during_the_handshake_kills_nothing() {
    let fatal =
        plain(ContentType::ALERT, &alert(AlertLevel::FATAL, AlertDescription::HANDSHAKE_FAILURE));
    let mut pair = Pair::new();
    loop {
        give(pair.now, &mut pair.client, std::slice::from_ref(&fatal));
        give(pair.now, &mut pair.server, std::slice::from_ref(&fatal));
        let to_server = datagrams(pair.now, &mut pair.client);
        let to_client = datagrams(pair.now, &mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        give(pair.now, &mut pair.server, &to_server);
        give(pair.now, &mut pair.client, &to_client);
        pair.now += GRACE / 3;
    }
    pair.connected();
    unharmed(pair);
}

#[test]
fn a_true_alert_in_the_clear_is_believed_after_a_while() {
    let fatal =
        plain(ContentType::ALERT, &alert(AlertLevel::FATAL, AlertDescription::HANDSHAKE_FAILURE));
    let mut pair = Pair::new();
    give(pair.now, &mut pair.client, std::slice::from_ref(&fatal));
    // A flood of alerts does not move the end.
    for _ in 0..4 {
        pair.now += GRACE / 5;
        pair.client.handle_timeout(pair.now);
        give(pair.now, &mut pair.client, std::slice::from_ref(&fatal));
        assert_eq!(pair.client.poll_event(), None);
    }
    pair.client.handle_timeout(pair.now + GRACE / 5);
    let reason = CloseReason::RemoteAlert(AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(closed(&mut pair.client), reason);
}

#[test]
fn row_45_a_replayed_record_is_not_delivered_again() {
    let mut pair = connected();
    let mut sent = Vec::new();
    for number in 0..200_u8 {
        pair.client.send(pair.now, &[number]).unwrap();
        sent.extend(datagrams(pair.now, &mut pair.client));
    }
    let mut shuffled = sent.clone();
    shuffled.chunks_mut(60).for_each(<[BytesMut]>::reverse);
    give(pair.now, &mut pair.server, &shuffled);
    assert_eq!(std::iter::from_fn(|| pair.server.recv()).count(), 200);
    give(pair.now, &mut pair.server, &sent);
    assert_eq!(pair.server.stats().replayed, 200);
    unharmed(pair);
}

#[test]
fn row_35_length_lies_and_thousands_of_empty_records_are_bounded() {
    let mut pair = connected();
    let empty = plain(ContentType::APPLICATION_DATA, b"");
    give(pair.now, &mut pair.server, &[BytesMut::from(&empty.repeat(5000)[..])]);
    assert!(pair.server.stats().discarded < 100);
    let mut lie = plain(ContentType::APPLICATION_DATA, b"data");
    lie[12] = 200;
    assert!(pair.server.handle_datagram(pair.now, lie).is_err());
    assert!(pair.server.handle_datagram(pair.now, BytesMut::new()).is_err());
    assert!(pair.server.handle_datagram(pair.now, BytesMut::zeroed(65_507)).is_err());
    unharmed(pair);
}

#[test]
fn row_52_messages_out_of_order_never_connect() {
    // Each message of either side is left out once, its successors keeping their numbers or closing up.
    for (liar, messages) in [(Role::Client, 0..4), (Role::Server, 0..5)] {
        for (missing, close_up) in messages.flat_map(|m| [(m, false), (m, true)]) {
            let mut pair = Pair::new();
            for _ in 0..6 {
                let mut to_server = datagrams(pair.now, &mut pair.client);
                let mut to_client = datagrams(pair.now, &mut pair.server);
                let lies = match liar {
                    Role::Client => &mut to_server,
                    Role::Server => &mut to_client,
                };
                *lies = without(lies, missing, close_up);
                give(pair.now, &mut pair.server, &to_server);
                give(pair.now, &mut pair.client, &to_client);
            }
            // The server's message 3 is CertificateRequest, which a server may leave out: the client
            // goes on, and the server misses its certificate.
            let honest = match liar {
                Role::Client => &pair.server,
                Role::Server => &pair.client,
            };
            assert!(honest.info().is_none(), "{liar:?} {missing} {close_up}");
            assert!(pair.server.info().is_none());
        }
    }
}

/// The datagrams of epoch 0 without message number `missing`.
fn without(flight: &[BytesMut], missing: u16, close_up: bool) -> Vec<BytesMut> {
    let mut out = Vec::new();
    for record in flight.iter().cloned().flat_map(split).map(Result::unwrap) {
        let mut datagram = Vec::new();
        if (record.header.epoch, record.header.content_type) != (Epoch(0), ContentType::HANDSHAKE) {
            record.write(&mut datagram);
            out.push(BytesMut::from(&datagram[..]));
            continue;
        }
        for mut fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
            let MessageSeq(seq) = fragment.header.message_seq;
            if close_up && seq > missing {
                fragment.header.message_seq = MessageSeq(seq - 1);
            }
            if seq != missing {
                let mut octets = Vec::new();
                fragment.write(&mut octets);
                out.push(plain(ContentType::HANDSHAKE, &octets));
            }
        }
    }
    out
}

#[test]
fn row_52_an_early_finished_is_dropped() {
    use crate::wire::handshake::Finished;
    let finished = Handshake::Finished(Finished { verify_data: [0; 12] });
    let mut pair = Pair::new();
    for seq in 0..8 {
        give(pair.now, &mut pair.client, &[forged(seq, &finished)]);
        give(pair.now, &mut pair.server, &[forged(seq, &finished)]);
    }
    pair.exchange();
    pair.connected();
    unharmed(pair);
}

#[test]
fn row_54_renegotiation_is_refused_and_the_session_lives() {
    for (asks, message) in [
        (Role::Server, Handshake::HelloRequest(HelloRequest)),
        (Role::Client, Handshake::ClientHello(client_hello())),
    ] {
        let mut pair = connected();
        let (from, to) = match asks {
            Role::Client => (&mut pair.client, &mut pair.server),
            Role::Server => (&mut pair.server, &mut pair.client),
        };
        let message = HandshakeMessage::new(MessageSeq(0), &message);
        from.flights.send_last(vec![FlightItem::Message { epoch: Epoch(1), message }]);
        give(pair.now, to, &datagrams(pair.now, from));
        let answer = datagrams(pair.now, to);
        assert_eq!(answer.len(), 1, "no_renegotiation, a warning");
        give(pair.now, from, &answer);
        unharmed(pair);
    }
}

/// A ClientHello that our server can serve.
fn client_hello() -> ClientHello {
    let mut pair = Pair::new();
    let mut found = None;
    rewritten(&datagrams(pair.now, &mut pair.client), &mut |message| {
        if let Handshake::ClientHello(hello) = message {
            found = Some(hello.clone());
        }
    });
    found.unwrap()
}
