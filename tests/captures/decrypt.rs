//! The DTLS 1.2 captures opened with their key logs, independently of the crate's own key schedule:
//! what browsers hashed and sealed is what we would have.
//!
//! RFC 5246 §6.3 (key block), §7.4.9 (verify_data); RFC 5288 (AES-GCM); RFC 6347 §4.1.2.1.

use std::net::SocketAddr;

use bytes::Bytes;
use dtls::wire::handshake::{Random, ServerHello};
use dtls::wire::{
    Alert, AlertDescription, ContentType, Epoch, Handshake, HandshakeFragment, HandshakeMessage,
    Record,
};
use ring::{aead, digest};
use tap::keylog::{KeyLog, prf};

use super::files::{self, Capture};

/// One direction's key and the fixed part of its nonces.
struct Opener {
    key: aead::LessSafeKey,
    salt: Vec<u8>,
}

impl Opener {
    /// Opens a record of AES-128-GCM, as RFC 5288 §3 lays it out.
    fn open(&self, record: &Record) -> Option<Vec<u8>> {
        let header = record.header;
        let (explicit, sealed) = record.fragment.split_at_checked(8)?;
        let nonce = [&self.salt[..], explicit].concat();
        let length = u16::try_from(sealed.len() - 16).unwrap();
        let numbers = u64::from(header.epoch.0) << 48 | header.sequence_number.get();
        let mut additional = numbers.to_be_bytes().to_vec();
        additional.push(header.content_type.0);
        additional.extend_from_slice(&header.version.0.to_be_bytes());
        additional.extend_from_slice(&length.to_be_bytes());
        let mut octets = sealed.to_vec();
        let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let plain = self.key.open_in_place(nonce, aead::Aad::from(additional), &mut octets).ok()?;
        Some(plain.to_vec())
    }
}

/// What a capture of DTLS 1.2 says once it is opened.
pub(crate) struct Opened {
    /// SCTP packets in the order they were sent.
    pub(crate) packets: Vec<Bytes>,
    /// Records of any type that were opened.
    pub(crate) records: usize,
    /// Goodbyes.
    pub(crate) close_notifies: usize,
}

/// What both ends of a handshake said in the clear, and the key log.
pub(crate) struct Secrets {
    /// Where the client sends from.
    pub(crate) client: SocketAddr,
    pub(crate) client_random: Random,
    pub(crate) server_hello: ServerHello,
    pub(crate) log: KeyLog,
}

/// `None`: the capture has no key log.
pub(crate) fn secrets(capture: &Capture) -> Option<Secrets> {
    let log = files::key_log(&capture.name)?;
    let (mut client_hello, mut server_hello) = (None, None);
    for (source, sent) in super::dtls::messages(capture) {
        match sent[0].parse().unwrap() {
            Handshake::ClientHello(hello) => client_hello = Some((source, hello.random)),
            Handshake::ServerHello(hello) => server_hello = Some(hello),
            other => panic!("{other:?}"),
        }
    }
    let (client, client_random) = client_hello.unwrap();
    Some(Secrets { client, client_random, server_hello: server_hello.unwrap(), log })
}

pub(crate) fn open(capture: &Capture) -> Opened {
    let messages = super::dtls::messages(capture);
    let Secrets { client, client_random, server_hello, log } = secrets(capture).unwrap();
    let master = log.secret("CLIENT_RANDOM", &client_random.0).expect("the key log has it");
    let seed = [server_hello.random.0, client_random.0].concat();
    let block = prf(master, "key expansion", &seed, 40);
    let opener = |key: &[u8], salt: &[u8]| Opener {
        key: aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, key).unwrap()),
        salt: salt.to_vec(),
    };
    let from_client = opener(&block[..16], &block[32..36]);
    let from_server = opener(&block[16..32], &block[36..]);

    let mut transcript = transcript(&messages[&client], messages.values().flatten());
    let mut opened = Opened { packets: Vec::new(), records: 0, close_notifies: 0 };
    let mut finished = 0;
    for datagram in files::by_first_octet(capture, 20..=63) {
        let is_client = datagram.source == client;
        let opener = if is_client { &from_client } else { &from_server };
        for record in super::dtls::records(&datagram.payload) {
            if record.header.epoch != Epoch(1) {
                continue;
            }
            let plain = opener.open(&record).expect("the record opens");
            opened.records += 1;
            match record.header.content_type {
                ContentType::APPLICATION_DATA => opened.packets.push(plain.into()),
                ContentType::ALERT => {
                    let alert = Alert::parse(&plain).unwrap();
                    assert_eq!(alert.description, AlertDescription::CLOSE_NOTIFY);
                    opened.close_notifies += 1;
                }
                ContentType::HANDSHAKE => {
                    let fragment = HandshakeFragment::parse_all(&plain).unwrap()[0];
                    let header = fragment.header;
                    let Handshake::Finished(message) =
                        Handshake::parse(header.msg_type, fragment.body).unwrap()
                    else {
                        panic!("{header:?}")
                    };
                    let label = if is_client { "client finished" } else { "server finished" };
                    let hash = digest::digest(&digest::SHA256, &transcript);
                    assert_eq!(message.verify_data[..], prf(master, label, hash.as_ref(), 12));
                    transcript.extend_from_slice(&plain);
                    finished += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(finished, 2, "{}", capture.name);
    opened
}

/// Everything both hash, in the order of the handshake: the client's hello, the server's flight, the
/// rest of the client's (RFC 6347 §4.2.6).
fn transcript<'a>(
    client: &'a [HandshakeMessage],
    all: impl Iterator<Item = &'a HandshakeMessage>,
) -> Vec<u8> {
    let server = all.filter(|message| !client.contains(message));
    let order = client[..1].iter().chain(server).chain(&client[1..]);
    order.flat_map(|message| message.transcript().to_vec()).collect()
}

#[test]
fn every_record_opens_and_both_finished_hash_what_we_hash() {
    let mut captures = 0;
    for capture in files::udp().iter().filter(|capture| capture.name.contains("dtls12")) {
        let opened = open(capture);
        assert!(opened.records > 15, "{} records", opened.records);
        assert!(opened.close_notifies > 0);
        captures += 1;
    }
    assert_eq!(captures, 4);
}
