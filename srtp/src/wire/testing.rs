//! The properties every format must have, written once (only in tests).

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::identifier::Ssrc;
use super::rtcp;

/// Octets of a string of hexadecimal digits; blanks do not count.
pub(super) fn hex(digits: &str) -> Bytes {
    let digits: Vec<u8> =
        digits.chars().filter_map(|c| c.to_digit(16)).map(|d| d.try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Up to `max` arbitrary octets.
pub(super) fn octets(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

/// Whole 32-bit words of arbitrary octets, up to `max` of them.
pub(super) fn words(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<[u8; 4]>(), 0..=max).prop_map(|words| Bytes::from(words.concat()))
}

pub(super) fn any_ssrc() -> impl Strategy<Value = Ssrc> {
    any::<u32>().prop_map(Ssrc)
}

/// These octets are exactly this packet, and it is written with the same octets.
pub(super) fn vector(octets: &str, packet: &rtcp::Packet) {
    let octets = hex(octets);
    assert_eq!(rtcp::parse(&octets).unwrap(), std::slice::from_ref(packet));
    assert_eq!(rtcp::write(std::slice::from_ref(packet)), octets);
}

/// What is written is read again as it was, alone and in the middle of a compound.
pub(super) fn round_trip(packet: &rtcp::Packet) {
    let alone = std::slice::from_ref(packet);
    let octets = rtcp::write(alone);
    assert_eq!(octets.len() % 4, 0);
    assert_eq!(rtcp::parse(&octets).unwrap(), alone);
    let compound = [packet.clone(), packet.clone()];
    assert_eq!(rtcp::parse(&rtcp::write(&compound)).unwrap(), compound);
}

/// A packet of this type with arbitrary octets in it is read or refused. What is read can be
/// written and read again, and its fields tile the input.
pub(super) fn never_panics(packet_type: u8, count: u8, body: Bytes) {
    let packet = rtcp::Packet::Unknown(rtcp::Unknown { count, packet_type, body });
    let octets = rtcp::write(&[packet]);
    if let Ok(packets) = rtcp::parse(&octets) {
        tiles(&octets);
        let again = rtcp::write(&packets);
        assert_eq!(rtcp::parse(&again).unwrap(), packets);
    }
}

/// Every octet of the packet is named by exactly one field.
pub(super) fn fields_tile_the_input(packet: &rtcp::Packet) {
    tiles(&rtcp::write(std::slice::from_ref(packet)));
    tiles(&rtcp::write(&[packet.clone(), packet.clone()]));
}

fn tiles(octets: &Bytes) {
    let (parsed, fields) = tap::explain(octets, || rtcp::parse(octets));
    assert!(parsed.is_ok());
    assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
}

/// Cut at any octet, the packet is refused and nothing panics.
pub(super) fn refused_when_cut(octets: &str) {
    let octets = hex(octets);
    assert!(rtcp::parse(&octets).is_ok());
    for length in 0..octets.len() {
        let mut cut = BytesMut::from(&octets[..length]);
        assert!(rtcp::parse(&cut.clone().freeze()).is_err(), "{length}");
        // And with a length field that agrees with the cut.
        if length >= 4 && length % 4 == 0 {
            let words = u16::try_from(length / 4 - 1).unwrap();
            cut[2..4].copy_from_slice(&words.to_be_bytes());
            assert!(rtcp::parse(&cut.freeze()).is_err(), "{length}, told so");
        }
    }
}

/// The same three properties for a packet type, with a strategy for its packets.
macro_rules! properties {
    ($packets:expr, $packet_type:expr, $count:expr) => {
        proptest::proptest! {
            #[test]
            fn round_trip(packet in $packets) {
                testing::round_trip(&packet);
            }

            #[test]
            fn never_panics(count in $count, body in testing::octets(80)) {
                testing::never_panics($packet_type, count, body);
            }

            #[test]
            fn fields_tile_the_input(packet in $packets) {
                testing::fields_tile_the_input(&packet);
            }
        }
    };
}
pub(super) use properties;
