//! What the tests of all codecs share: the three properties, and messages of real browsers.
//!
//! Used by unit tests only.

use std::path::PathBuf;

use bytes::BytesMut;
use tap::capture;

use super::{ContentType, Epoch, HandshakeFragment, HandshakeMessage, HandshakeType, split};
use crate::reassembly::Reassembly;

/// `round_trip`, `never_panics` and `fields_tile_the_input` for a codec.
macro_rules! codec_properties {
    ($strategy:expr, $write:expr, $parse:expr) => {
        proptest::proptest! {
            #[test]
            fn round_trip(value in $strategy) {
                let mut octets = Vec::new();
                $write(&value, &mut octets);
                proptest::prop_assert_eq!($parse(&octets), Ok(value));
            }

            #[test]
            fn never_panics(
                value in $strategy,
                noise in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..96),
                changes in proptest::collection::vec(
                    proptest::arbitrary::any::<(proptest::sample::Index, u8)>(), 0..4),
                cut in proptest::arbitrary::any::<proptest::sample::Index>(),
            ) {
                let _ = $parse(&noise);
                let mut octets = Vec::new();
                $write(&value, &mut octets);
                if !octets.is_empty() {
                    for (at, octet) in changes {
                        let at = at.index(octets.len());
                        octets[at] = octet;
                    }
                    let _ = $parse(&octets);
                    octets.truncate(cut.index(octets.len()));
                    let _ = $parse(&octets);
                }
            }

            #[test]
            fn fields_tile_the_input(value in $strategy) {
                let mut octets = Vec::new();
                $write(&value, &mut octets);
                let (parsed, fields) = tap::explain(&octets, || $parse(&octets));
                proptest::prop_assert!(parsed.is_ok());
                proptest::prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
            }
        }
    };
}
pub(crate) use codec_properties;

/// Octets written as hexadecimal digits, white space ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The DTLS datagrams of a capture of real browsers, with the port of their sender.
pub(crate) fn captured(name: &str) -> Vec<(u16, Vec<u8>)> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../tests/fixtures/pcap", name].iter().collect();
    capture::read(&path)
        .unwrap()
        .into_iter()
        .filter(|datagram| datagram.payload.first().is_some_and(|first| (20..=63).contains(first)))
        .map(|datagram| (datagram.source.port(), datagram.payload))
        .collect()
}

/// The first message of the type in epoch 0 of a capture, put together from its fragments.
pub(crate) fn captured_message(name: &str, msg_type: HandshakeType) -> HandshakeMessage {
    let datagrams = captured(name);
    for sender in datagrams.iter().map(|(port, _)| *port) {
        let mut reassembly = Reassembly::new();
        for (_, payload) in datagrams.iter().filter(|(port, _)| *port == sender) {
            for record in split(BytesMut::from(payload.as_slice())).flatten() {
                let header = record.header;
                if (header.epoch, header.content_type) != (Epoch(0), ContentType::HANDSHAKE) {
                    continue;
                }
                for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                    reassembly.insert(header.epoch, &fragment).unwrap();
                }
                while let Some(whole) = reassembly.pop() {
                    if whole.message.msg_type() == msg_type {
                        return whole.message;
                    }
                }
            }
        }
    }
    panic!("no {msg_type} in {name}");
}
