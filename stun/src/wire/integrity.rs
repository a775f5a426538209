//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256: the layout of the two authentication codes.
//!
//! RFC 8489 §14.5, §14.6: HMAC-SHA1 (20 octets) or HMAC-SHA256 (32 octets, or cut to a multiple of
//! four of at least 16) over the message up to but not including the attribute, with the header's
//! length counting the attribute but nothing after it:
//!
//! ```text
//! +--------+------------+-------------------+-------------+
//! | header | attributes | MESSAGE-INTEGRITY | FINGERPRINT |
//! +--------+------------+-------------------+-------------+
//! |<---- HMAC input --->|                   |
//!    length: ............................../  whatever it says on the wire
//! ```
//!
//! Invariant: [`Code`] remembers where the covered octets end, so they can be checked later with any
//! key, and padding is covered as it came. The keys are [`crate::Key`]'s. Book: "Proving it".

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::{rest, verify};

use super::attribute::{TYPE_AND_LENGTH, envelope, write_envelope};
use super::attribute_type::AttributeType;
use super::field::{Parsed, field};
use super::header::HEADER_LENGTH;

/// Octets of HMAC-SHA1.
pub(crate) const SHA1_LENGTH: usize = 20;
/// Octets of HMAC-SHA256.
pub(crate) const SHA256_LENGTH: usize = 32;
/// Octets of both attributes.
pub(crate) const LENGTH_OF_BOTH: usize = 2 * TYPE_AND_LENGTH + SHA1_LENGTH + SHA256_LENGTH;

/// A received authentication code and what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    /// Octets of the message before the attribute.
    pub(crate) covered: usize,
    /// The attribute's value.
    pub(crate) value: Bytes,
}

impl Code {
    /// Parses MESSAGE-INTEGRITY, which begins at octet `covered` of the message.
    pub(crate) fn parse_sha1(
        input: &[u8],
        covered: usize,
        keep: impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'_, Self> {
        let value = |_, value| {
            field("HMAC-SHA1", verify(rest, |v: &[u8]| v.len() == SHA1_LENGTH).map(&keep))(value)
        };
        envelope(input, value).map(|(rest, value)| (rest, Self { covered, value }))
    }

    /// Parses MESSAGE-INTEGRITY-SHA256, which begins at octet `covered` of the message.
    pub(crate) fn parse_sha256(
        input: &[u8],
        covered: usize,
        keep: impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'_, Self> {
        let fits = |v: &[u8]| (16..=SHA256_LENGTH).contains(&v.len()) && v.len().is_multiple_of(4);
        let value = |_, value| field("HMAC-SHA256", verify(rest, fits).map(&keep))(value);
        envelope(input, value).map(|(rest, value)| (rest, Self { covered, value }))
    }
}

/// Writes either attribute around its value.
pub(crate) fn write(ty: AttributeType, value: &[u8], out: &mut BytesMut) {
    write_envelope(ty, out, |out| out.put_slice(value));
}

// ANCHOR: covered
/// The octets that an authentication code of `code_length` octets covers: the message before the
/// attribute, its length field ending with the attribute.
pub(crate) fn covered(before: &[u8], code_length: usize) -> Vec<u8> {
    let mut octets = before.to_vec();
    let length = before.len().saturating_sub(HEADER_LENGTH) + TYPE_AND_LENGTH + code_length;
    if let Some(field) = octets.get_mut(2..4) {
        field.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }
    octets
}
// ANCHOR_END: covered

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::assert_tiles;
    use super::*;

    fn written(ty: AttributeType, value: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        write(ty, value, &mut out);
        out
    }

    fn parse(ty: AttributeType, input: &[u8]) -> Option<(usize, Code)> {
        let parsed = if ty == AttributeType::MESSAGE_INTEGRITY {
            Code::parse_sha1(input, 7, Bytes::copy_from_slice)
        } else {
            Code::parse_sha256(input, 7, Bytes::copy_from_slice)
        };
        parsed.ok().map(|(rest, code)| (input.len() - rest.len(), code))
    }

    #[test]
    fn row_13_codes_of_another_length_are_refused() {
        for length in 0..40 {
            let sha1 = written(AttributeType::MESSAGE_INTEGRITY, &vec![1; length]);
            assert_eq!(parse(AttributeType::MESSAGE_INTEGRITY, &sha1).is_some(), length == 20);
            let sha256 = written(AttributeType::MESSAGE_INTEGRITY_SHA256, &vec![1; length]);
            assert_eq!(
                parse(AttributeType::MESSAGE_INTEGRITY_SHA256, &sha256).is_some(),
                [16, 20, 24, 28, 32].contains(&length)
            );
        }
    }

    #[test]
    fn rfc_8489_section_14_5_the_length_ends_with_the_attribute() {
        let octets = covered(&[0; 28], SHA1_LENGTH);
        assert_eq!(octets[2..4], [0, 8 + 24]);
    }

    fn any_code() -> impl Strategy<Value = (AttributeType, Vec<u8>)> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 20)
                .prop_map(|value| (AttributeType::MESSAGE_INTEGRITY, value)),
            prop::collection::vec(any::<u8>(), 16..=32).prop_map(|mut value| {
                value.truncate(value.len() & !3);
                (AttributeType::MESSAGE_INTEGRITY_SHA256, value)
            }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip((ty, value) in any_code()) {
            let (_, code) = parse(ty, &written(ty, &value)).unwrap();
            prop_assert_eq!(code, Code { covered: 7, value: Bytes::from(value) });
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = parse(AttributeType::MESSAGE_INTEGRITY, &octets);
            let _ = parse(AttributeType::MESSAGE_INTEGRITY_SHA256, &octets);
            let _ = covered(&octets, SHA1_LENGTH);
        }

        #[test]
        fn fields_tile_the_input((ty, value) in any_code()) {
            assert_tiles(&written(ty, &value), |input| parse(ty, input).map(|(used, _)| used));
        }
    }
}
