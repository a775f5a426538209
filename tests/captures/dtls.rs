//! DTLS as browsers send it: records, handshake messages, ClientHellos in two datagrams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use dtls::reassembly::Reassembly;
use dtls::wire::{
    Alert, ChangeCipherSpec, CipherSuite, ContentType, Epoch, ExtensionType, Handshake,
    HandshakeFragment, HandshakeMessage, ProtocolVersion, Record, split,
};
use dtls::{Certificate, Config, Connection, Fingerprint, HashAlgorithm, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::files::{self, Capture};

/// The records at the front of a datagram that have the header of DTLS 1.2: in 1.3, only those in
/// the clear have it (RFC 9147 §4).
pub(crate) fn records(payload: &[u8]) -> impl Iterator<Item = Record> {
    let is_classic = |record: &Record| (20..=25).contains(&record.header.content_type.0);
    split(BytesMut::from(payload)).map_while(Result::ok).take_while(is_classic)
}

/// Every handshake message in the clear, by sender, in order.
pub(crate) fn messages(capture: &Capture) -> BTreeMap<std::net::SocketAddr, Vec<HandshakeMessage>> {
    let mut reassemblies = BTreeMap::<_, Reassembly>::new();
    let mut messages = BTreeMap::<_, Vec<_>>::new();
    for datagram in files::by_first_octet(capture, 20..=63) {
        let reassembly = reassemblies.entry(datagram.source).or_default();
        for record in records(&datagram.payload) {
            let header = record.header;
            if header.content_type != ContentType::HANDSHAKE || header.epoch != Epoch(0) {
                continue;
            }
            for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                reassembly.insert(header.epoch, &fragment).unwrap();
            }
            while let Some(whole) = reassembly.pop() {
                messages.entry(datagram.source).or_default().push(whole.message);
            }
        }
    }
    messages
}

fn is_dtls_1_2(capture: &Capture) -> bool {
    capture.name.contains("dtls12")
}

#[test]
fn every_message_in_the_clear_parses_and_is_written_again() {
    let mut count = 0;
    for capture in files::udp() {
        let messages = messages(&capture);
        assert_eq!(messages.len(), 2, "{}: both ends speak", capture.name);
        for message in messages.values().flatten() {
            let parsed = message.parse().unwrap();
            assert!(!matches!(parsed, Handshake::Unknown { .. }), "{message:?}");
            assert_eq!(HandshakeMessage::new(message.message_seq(), &parsed), *message);
            count += 1;
        }
        let least = if is_dtls_1_2(&capture) { 9 } else { 2 };
        let here = messages.values().map(Vec::len).sum::<usize>();
        assert!(here >= least, "{}: {here} messages", capture.name);
    }
    assert!(count > 60, "{count} messages");
}

#[test]
fn the_fields_of_every_record_in_the_clear_tile_it() {
    let mut count = 0;
    for capture in files::udp() {
        for datagram in files::by_first_octet(&capture, 20..=25) {
            let payload = BytesMut::from(&datagram.payload[..]);
            let (consumed, fields) = tap::explain_owned(payload, |payload| {
                let mut consumed = 0;
                let all = split(payload).map_while(Result::ok);
                for record in all.take_while(|record| record.header.content_type.0 <= 25) {
                    consumed += 13 + record.fragment.len();
                    if record.header.epoch == Epoch(0) {
                        parse_fragment(&record);
                    }
                }
                consumed
            });
            // A 1.3 record in the same datagram has another header, which ends it for 1.2.
            let fields: Vec<_> =
                fields.into_iter().filter(|field| field.range.end <= consumed).collect();
            tap::tile(&fields, consumed).unwrap_or_else(|gap| panic!("{}: {gap}", capture.name));
            count += 1;
        }
    }
    assert!(count > 100, "{count} datagrams");
}

/// Parses what is in a record, down to the fields of a message that is here whole.
fn parse_fragment(record: &Record) {
    match record.header.content_type {
        ContentType::HANDSHAKE => {
            for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                if fragment.header.fragment_length == fragment.header.length {
                    Handshake::parse(fragment.header.msg_type, fragment.body).unwrap();
                }
            }
        }
        ContentType::CHANGE_CIPHER_SPEC => {
            ChangeCipherSpec::parse(&record.fragment).unwrap();
        }
        ContentType::ALERT => {
            Alert::parse(&record.fragment).unwrap();
        }
        other => panic!("{other:?} in epoch 0"),
    }
}

#[test]
fn certificates_have_the_fingerprints_of_the_descriptions() {
    let mut count = 0;
    for capture in files::udp().iter().filter(|capture| is_dtls_1_2(capture)) {
        let promised: Vec<Fingerprint> = ["offer", "answer"]
            .iter()
            .flat_map(|kind| {
                let session = files::description(&capture.name, kind).unwrap();
                let section = session.sections().next().unwrap();
                section.fingerprints().map(|text| text.parse().unwrap()).collect::<Vec<_>>()
            })
            .collect();
        for message in messages(capture).values().flatten() {
            if let Handshake::Certificate(certificate) = message.parse().unwrap() {
                let der = &certificate.certificate_list[0];
                assert!(promised.contains(&Fingerprint::of(HashAlgorithm::Sha256, der)));
                count += 1;
            }
        }
    }
    assert_eq!(count, 8);
}

/// The first datagrams of a capture that together are one ClientHello.
fn client_hello(capture: &Capture) -> Vec<Vec<u8>> {
    let mut hello = Vec::new();
    let mut octets = 0;
    for datagram in files::by_first_octet(capture, 22..=22) {
        let record = records(&datagram.payload).next().unwrap();
        let fragment = HandshakeFragment::parse_all(&record.fragment).unwrap()[0];
        octets += fragment.header.fragment_length;
        hello.push(datagram.payload.clone());
        if octets == fragment.header.length {
            return hello;
        }
    }
    panic!("{}: no ClientHello", capture.name)
}

/// What a server of ours answers to these datagrams.
fn answer(datagrams: &[Vec<u8>]) -> Vec<HandshakeMessage> {
    let now = Instant::now();
    let certificate = Arc::new(Certificate::generate().unwrap());
    let fingerprint = certificate.fingerprint(HashAlgorithm::Sha256);
    let config = Config::new(Role::Server, certificate, vec![fingerprint]);
    let mut server = Connection::new(now, config, StdRng::seed_from_u64(1));
    for (index, datagram) in datagrams.iter().enumerate() {
        assert_eq!(server.poll_transmit(now), None, "after {index} of {}", datagrams.len());
        server.handle_datagram(now, BytesMut::from(&datagram[..])).unwrap();
    }
    let mut reassembly = Reassembly::new();
    while let Some(datagram) = server.poll_transmit(now) {
        for record in records(&datagram) {
            for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                reassembly.insert(Epoch(0), &fragment).unwrap();
            }
        }
    }
    std::iter::from_fn(|| reassembly.pop()).map(|whole| whole.message).collect()
}

#[test]
fn trap_a_client_hello_in_two_datagrams_is_answered_in_any_order() {
    let mut fragmented = 0;
    for capture in files::udp() {
        let mut hello = client_hello(&capture);
        fragmented += usize::from(hello.len() == 2);
        for _ in 0..2 {
            let flight = answer(&hello);
            let Handshake::ServerHello(server_hello) = flight[0].parse().unwrap() else {
                panic!("{flight:?}")
            };
            // All of them offer 1.2 beside 1.3, and get it.
            assert_eq!(server_hello.server_version, ProtocolVersion::DTLS_1_2);
            assert_eq!(
                server_hello.cipher_suite,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            );
            assert!(server_hello.extensions.extended_master_secret().is_some());
            assert_eq!(flight.len(), 5, "{flight:?}");
            hello.reverse();
        }
    }
    assert!(fragmented >= 12, "{fragmented} in two datagrams");
}

/// Chromium permutes the extensions of each ClientHello; Firefox offers versions of TLS among those
/// of DTLS. Both must be read by type.
#[test]
fn trap_extensions_come_in_any_order() {
    let mut orders = Vec::new();
    for capture in files::udp() {
        for message in messages(&capture).values().flatten() {
            if let Handshake::ClientHello(hello) = message.parse().unwrap() {
                assert_eq!(hello.extensions.duplicate(), None);
                assert!(hello.extensions.extended_master_secret().is_some());
                assert!(hello.extensions.supported_groups().is_some());
                assert!(hello.extensions.use_srtp().is_some());
                orders.push(hello.extensions.types().collect::<Vec<ExtensionType>>());
            }
        }
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 5, "{} orders", orders.len());
}
