//! What browsers really sent: their ClientHellos get 1.2, their handshakes verify with the key log.

use std::path::PathBuf;

use super::*;
use crate::fingerprint::match_any;
use crate::records::Records;
use crate::v12::handshake::{RecordKeys, signed_params};
use crate::v12::schedule::Randoms;
use crate::v12::signature::PeerKey;
use crate::wire::testing::{captured, captured_message, hex};
use crate::wire::{Handshake, HandshakeMessage, HandshakeType, Record, split};

/// The text of a fixture.
fn fixture(name: &str) -> String {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../tests/fixtures/pcap", name].iter().collect();
    std::fs::read_to_string(path).unwrap()
}

/// The fingerprint in a description.
fn fingerprint(name: &str) -> crate::Fingerprint {
    let text = fixture(name);
    let line = text.lines().find_map(|line| line.strip_prefix("a=fingerprint:")).unwrap();
    line.parse().unwrap()
}

/// The master secret of a connection, from the browser's key log.
fn key_log(name: &str, client_random: [u8; 32]) -> [u8; 48] {
    let text = fixture(name);
    let mut secrets = text.lines().filter_map(|line| line.strip_prefix("CLIENT_RANDOM "));
    let secret = secrets.find_map(|line| {
        let (random, secret) = line.split_once(' ').unwrap();
        (hex(random) == client_random).then(|| hex(secret))
    });
    secret.unwrap().try_into().unwrap()
}

/// A capture of DTLS 1.2, taken apart: the handshake in order, and the sealed records in order.
struct Capture {
    client: u16,
    messages: Vec<HandshakeMessage>,
    sealed: Vec<(u16, Record)>,
}

impl Capture {
    fn read(name: &str) -> Self {
        let datagrams = captured(name);
        let client = datagrams[0].0;
        let (mut from_client, mut from_server) = (Reassembly::new(), Reassembly::new());
        let (mut messages, mut sealed) = (Vec::new(), Vec::new());
        for (port, datagram) in datagrams {
            let reassembly = if port == client { &mut from_client } else { &mut from_server };
            for record in split(BytesMut::from(&datagram[..])).map(Result::unwrap) {
                if record.header.epoch == Epoch(1) {
                    sealed.push((port, record));
                } else if record.header.content_type == ContentType::HANDSHAKE {
                    for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                        reassembly.insert(Epoch(0), &fragment).unwrap();
                    }
                    while let Some(whole) = reassembly.pop() {
                        messages.push(whole.message);
                    }
                }
            }
        }
        Self { client, messages, sealed }
    }

    /// The octets of all messages before the `index`th.
    fn transcript(&self, index: usize) -> Vec<u8> {
        self.messages[..index].iter().flat_map(|m| m.transcript().to_vec()).collect()
    }
}

/// Follows a captured handshake with our own checks, then opens every record.
fn replay(name: &str) {
    let capture = Capture::read(&format!("{name}.pcap"));
    let mut certificates = Vec::new();
    let (mut client_random, mut server_random, mut suite) = ([0; 32], [0; 32], None);
    for (index, message) in capture.messages.iter().enumerate() {
        match message.parse().unwrap() {
            Handshake::ClientHello(hello) => client_random = hello.random.0,
            Handshake::ServerHello(hello) => {
                server_random = hello.random.0;
                suite = Suite::from_wire(hello.cipher_suite);
            }
            Handshake::Certificate(chain) => {
                // The answerer is the DTLS client, so the server's certificate, which comes first,
                // is the offerer's.
                let side = if certificates.is_empty() { "offer" } else { "answer" };
                let expected = fingerprint(&format!("{name}.{side}.sdp"));
                match_any(&chain.certificate_list[0], &[expected]).unwrap();
                certificates.push(chain.certificate_list[0].clone());
            }
            Handshake::ServerKeyExchange(exchange) => {
                let randoms = Randoms { client: client_random, server: server_random };
                let signed = signed_params(&randoms, &exchange.params);
                let key = PeerKey::from_certificate(&certificates[0]).unwrap();
                let digital = exchange.signed_params;
                key.verify(digital.algorithm, &signed, &digital.signature).unwrap();
            }
            Handshake::CertificateVerify(verify) => {
                let key = PeerKey::from_certificate(&certificates[1]).unwrap();
                let messages = capture.transcript(index);
                let digital = verify.signed;
                key.verify(digital.algorithm, &messages, &digital.signature).unwrap();
            }
            _ => {}
        }
    }
    let suite = suite.unwrap();
    let secret = key_log(&format!("{name}.keylog"), client_random);
    let randoms = Randoms { client: client_random, server: server_random };
    let master = MasterSecret::from_key_log(suite, secret, randoms);

    let (mut from_server, mut from_client) = (Records::new(), Records::new());
    from_server.protect(RecordKeys::new(&master, Role::Client).unwrap());
    from_client.protect(RecordKeys::new(&master, Role::Server).unwrap());
    let mut messages = capture.transcript(capture.messages.len());
    let (mut finished, mut payloads) = (0, 0);
    for (port, mut record) in capture.sealed {
        let (sender, records) = match port == capture.client {
            true => (Role::Client, &mut from_client),
            false => (Role::Server, &mut from_server),
        };
        records.open(&mut record).unwrap();
        match record.header.content_type {
            ContentType::HANDSHAKE => {
                let fragment = HandshakeFragment::parse_all(&record.fragment).unwrap()[0];
                assert_eq!(fragment.header.msg_type, HandshakeType::FINISHED);
                master.verify_finished(sender, &messages, fragment.body).unwrap();
                messages.extend_from_slice(&record.fragment);
                finished += 1;
            }
            ContentType::APPLICATION_DATA => {
                assert_eq!(record.fragment[..4], [0x13, 0x88, 0x13, 0x88], "SCTP port 5000");
                payloads += 1;
            }
            other => assert_eq!(other, ContentType::ALERT),
        }
    }
    assert_eq!(finished, 2);
    assert!(payloads > 10, "{payloads}");
}

#[test]
fn chromium_as_server_verifies_and_opens() {
    replay("chromium-firefox-dtls12-data");
    replay("chromium-firefox-dtls12-avd");
}

#[test]
fn chromium_as_client_verifies_and_opens() {
    replay("firefox-chromium-dtls12-data");
    replay("firefox-chromium-dtls12-avd");
}

/// Gives our server the first flight of a capture and returns the ServerHello it answers with.
fn answered(name: &str) -> crate::wire::handshake::ServerHello {
    let mut pair = Pair::new();
    let datagrams = captured(name);
    let client = datagrams[0].0;
    let flight = datagrams.iter().take_while(|(port, _)| *port == client);
    for (_, datagram) in flight {
        pair.server.handle_datagram(pair.now, BytesMut::from(&datagram[..])).unwrap();
    }
    server_hello(&super::datagrams(pair.now, &mut pair.server))
}

fn server_hello(datagrams: &[BytesMut]) -> crate::wire::handshake::ServerHello {
    let mut reassembly = Reassembly::new();
    for record in datagrams.iter().cloned().flat_map(split).map(Result::unwrap) {
        for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
            reassembly.insert(Epoch(0), &fragment).unwrap();
        }
    }
    match reassembly.pop().unwrap().message.parse().unwrap() {
        Handshake::ServerHello(hello) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_fragmented_client_hello_with_1_3_and_ml_kem_gets_1_2() {
    for name in ["chromium-chromium-data.pcap", "firefox-firefox-data.pcap"] {
        let hello = answered(name);
        assert_eq!(hello.server_version, ProtocolVersion::DTLS_1_2, "{name}");
        assert_eq!(hello.cipher_suite.0, 0xc02b);
        assert!(hello.extensions.supported_versions().is_none());
        assert!(hello.extensions.extended_master_secret().is_some());
        assert!(hello.extensions.renegotiation_info().is_some());
        let use_srtp = hello.extensions.use_srtp().unwrap();
        assert_eq!(use_srtp.profiles, [SrtpProfile::SRTP_AEAD_AES_128_GCM]);
    }
}

#[test]
fn trap_extensions_in_any_order_and_grease_do_not_matter() {
    use crate::wire::handshake::ClientHello;
    use crate::wire::{Extension, ExtensionType};
    let hello = captured_message("chromium-chromium-data.pcap", HandshakeType::CLIENT_HELLO);
    let Handshake::ClientHello(hello) = hello.parse().unwrap() else { panic!() };
    for turn in 0..hello.extensions.0.len() {
        let mut hello: ClientHello = hello.clone();
        hello.extensions.0.rotate_left(turn);
        let grease =
            Extension::Unknown { extension_type: ExtensionType(0x5a5a), extension_data: vec![0] };
        hello.extensions.0.insert(turn, grease);
        hello.cipher_suites.insert(0, CipherSuite(0x3a3a));
        for extension in &mut hello.extensions.0 {
            if let Extension::SupportedGroups(groups) = extension {
                groups.0.insert(0, crate::wire::NamedGroup(0xdada));
            }
        }
        let message = HandshakeMessage::new(MessageSeq(0), &Handshake::ClientHello(hello));
        let mut pair = Pair::new();
        let mut peer = Flights::new(
            1200,
            RetransmitTimer { initial: Duration::from_secs(1), max: Duration::from_secs(1) },
        );
        peer.send(vec![crate::flight::FlightItem::Message { epoch: Epoch(0), message }]);
        let mut records = Records::new();
        while let Some(datagram) = peer.poll_transmit(pair.now, &mut records) {
            pair.server.handle_datagram(pair.now, datagram.into()).unwrap();
        }
        let answer = server_hello(&datagrams(pair.now, &mut pair.server));
        assert_eq!(answer.cipher_suite.0, 0xc02b);
    }
}

#[test]
fn browsers_server_hellos_of_1_2_are_taken() {
    for name in ["chromium-firefox-dtls12-data", "firefox-chromium-dtls12-data"] {
        let mut pair = Pair::new();
        let capture = captured(&format!("{name}.pcap"));
        let client = capture[0].0;
        let (_, flight) = capture.into_iter().find(|(port, _)| *port != client).unwrap();
        pair.client.handle_datagram(pair.now, BytesMut::from(&flight[..])).unwrap();
        // ServerHello passes; the certificate is not the one that this client expects.
        assert_eq!(closed(&mut pair.client), CloseReason::Refused(Error::FingerprintMismatch));
    }
}
