//! ADDRESS-ERROR-CODE: why one of the two families of a dual allocation was not to be had.
//!
//! RFC 8656 §18.12:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Family      |       Reserved          |Class|     Number    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Reason Phrase (variable)                                ..
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! From the second octet on it is an ERROR-CODE. Book: "Relay".

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::be_u8;

use super::error_code::ErrorCode;
use super::family::Family;
use super::field::{Parsed, field};

/// A family that was refused, in an otherwise successful Allocate response (RFC 8656 §18.12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressErrorCode {
    /// The family.
    pub family: Family,
    /// Why.
    pub error: ErrorCode,
}

impl AddressErrorCode {
    /// Parses a whole attribute value; `keep` makes its octets last.
    pub(crate) fn parse(input: &[u8], keep: impl Fn(&[u8]) -> Bytes) -> Parsed<'_, Self> {
        let (rest, family) = field("family", be_u8.map(Family))(input)?;
        let (rest, _) = field("reserved", be_u8)(rest)?;
        let (rest, error) = ErrorCode::parse_after_reserved(rest, keep)?;
        Ok((rest, Self { family, error }))
    }

    /// Writes the value, without padding.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.family.0);
        out.put_u8(0);
        self.error.write_after_reserved(out);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::error_code::tests::any_error;
    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(error: &AddressErrorCode) -> BytesMut {
        let mut out = BytesMut::new();
        error.write(&mut out);
        out
    }

    pub(crate) fn any_address_error() -> impl Strategy<Value = AddressErrorCode> {
        (any::<u8>(), any_error())
            .prop_map(|(family, error)| AddressErrorCode { family: Family(family), error })
    }

    #[test]
    fn rfc_8656_section_18_12_no_ipv6_here() {
        let error = crate::Code::ADDRESS_FAMILY_NOT_SUPPORTED.into();
        let octets = written(&AddressErrorCode { family: Family::IPV6, error });
        assert_eq!(octets, [&hex("02000428")[..], b"Address Family not Supported"].concat());
    }

    proptest! {
        #[test]
        fn round_trip(error in any_address_error()) {
            let octets = written(&error);
            let parsed = AddressErrorCode::parse(&octets, Bytes::copy_from_slice).unwrap().1;
            prop_assert_eq!(parsed, error);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = AddressErrorCode::parse(&octets, Bytes::copy_from_slice);
        }

        #[test]
        fn fields_tile_the_input(error in any_address_error()) {
            assert_tiles(&written(&error), |input| {
                let parsed = AddressErrorCode::parse(input, Bytes::copy_from_slice);
                parsed.ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
