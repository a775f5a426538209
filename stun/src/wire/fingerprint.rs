//! FINGERPRINT: a checksum that tells STUN from whatever else arrives on the port.
//!
//! RFC 8489 §7, §14.7: the last attribute; its value is the CRC-32 of the message up to but not
//! including it, XORed with 0x5354554E ("STUN"), with the header's length already counting it.
//! The XOR keeps it apart from other protocols' CRC-32. Book: "Proving it".

use bytes::{BufMut, BytesMut};
use nom::number::complete::be_u32;

use super::attribute::{envelope, write_envelope};
use super::attribute_type::AttributeType;
use super::field::{Parsed, field};

/// "STUN" (RFC 8489 §14.7).
const XOR: u32 = 0x5354_554E;

/// Octets of the whole attribute.
pub(crate) const LENGTH: usize = 8;

/// Parses the attribute; [`of`] says what its value must be.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_, u32> {
    envelope(input, |_, value| field("CRC-32 XOR 0x5354554e", be_u32)(value))
}

/// Writes the attribute over what `out` holds from `start` on.
pub(crate) fn write(start: usize, out: &mut BytesMut) {
    let value = of(out.get(start..).unwrap_or_default());
    write_envelope(AttributeType::FINGERPRINT, out, |out| out.put_u32(value));
}

/// The fingerprint of the octets before the attribute.
pub(crate) fn of(octets: &[u8]) -> u32 {
    crc32(octets) ^ XOR
}

/// CRC-32 as in ITU V.42 (ISO 3309): reflected polynomial 0xEDB88320, four octets a step.
fn crc32(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let mut words = octets.chunks_exact(4);
    for word in words.by_ref() {
        let mixed = word.iter().rev().fold(0, |sum, octet| sum << 8 | u32::from(*octet)) ^ crc;
        let [a, b, c, d] = mixed.to_le_bytes();
        crc = table(3, a) ^ table(2, b) ^ table(1, c) ^ table(0, d);
    }
    for octet in words.remainder() {
        let [low, ..] = crc.to_le_bytes();
        crc = table(0, low ^ octet) ^ (crc >> 8);
    }
    !crc
}

/// What an octet becomes after `zeros` more octets of zero have passed.
fn table(zeros: usize, octet: u8) -> u32 {
    TABLES.get(zeros).and_then(|table| table.get(usize::from(octet))).copied().unwrap_or(0)
}

static TABLES: [[u32; 256]; 4] = tables();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // evaluated by the compiler
const fn tables() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][octet] = crc;
        octet += 1;
    }
    let mut zeros = 1;
    while zeros < 4 {
        let mut octet = 0;
        while octet < 256 {
            let before = tables[zeros - 1][octet];
            tables[zeros][octet] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            octet += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::assert_tiles;
    use super::*;

    fn written(before: &[u8]) -> BytesMut {
        let mut out = BytesMut::from(before);
        write(0, &mut out);
        out
    }

    #[test]
    fn crc_32_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    /// One bit at a time, as the definition says.
    fn slow_crc32(octets: &[u8]) -> u32 {
        !octets.iter().fold(u32::MAX, |crc, octet| {
            (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        })
    }

    proptest! {
        #[test]
        fn tables_agree_with_the_definition(octets in prop::collection::vec(any::<u8>(), 0..99)) {
            prop_assert_eq!(crc32(&octets), slow_crc32(&octets));
        }

        #[test]
        fn round_trip(before in prop::collection::vec(any::<u8>(), 0..50)) {
            let out = written(&before);
            let (rest, value) = parse(&out[before.len()..]).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(value, of(&before));
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(before in prop::collection::vec(any::<u8>(), 0..50)) {
            assert_tiles(&written(&before)[before.len()..], |input| {
                parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
