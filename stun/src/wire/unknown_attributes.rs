//! UNKNOWN-ATTRIBUTES: the attribute types a 420 response did not understand.
//!
//! RFC 8489 §14.13:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Attribute 1 Type         |       Attribute 2 Type        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Attribute 3 Type         |       Attribute 4 Type    ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Book: "STUN".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u16;

use super::attribute_type::AttributeType;
use super::field::{Parsed, field};

/// Parses a whole attribute value; half a type at the end is an error.
pub(crate) fn parse(mut input: &[u8]) -> Parsed<'_, Vec<AttributeType>> {
    let mut types = Vec::with_capacity(input.len() / 2);
    while !input.is_empty() {
        let (rest, attribute_type) = field("attribute type", be_u16.map(AttributeType))(input)?;
        types.push(attribute_type);
        input = rest;
    }
    Ok((input, types))
}

/// Writes the types, without padding.
pub(crate) fn write(types: &[AttributeType], out: &mut BytesMut) {
    for attribute_type in types {
        out.put_u16(attribute_type.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::assert_tiles;
    use super::*;

    fn written(types: &[AttributeType]) -> BytesMut {
        let mut out = BytesMut::new();
        write(types, &mut out);
        out
    }

    fn any_types() -> impl Strategy<Value = Vec<AttributeType>> {
        prop::collection::vec(any::<u16>().prop_map(AttributeType), 0..20)
    }

    #[test]
    fn row_11_half_a_type_is_refused() {
        assert!(parse(&[0, 1, 0]).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(types in any_types()) {
            prop_assert_eq!(parse(&written(&types)).unwrap().1, types);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(types in any_types()) {
            assert_tiles(&written(&types), |input| {
                parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
