//! RESPONSE-PORT: the port the answer is to go to.
//!
//! RFC 5780 §7.5: a 16-bit port followed by two octets of padding. Whether the attribute's length
//! counts those two is not said; both are read, and they are written as padding. Book: "NATs".

use bytes::{BufMut, BytesMut};
use nom::combinator::{rest, verify};
use nom::number::complete::be_u16;

use super::field::{Parsed, field};

/// Parses a whole attribute value.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_, u16> {
    let (left, port) = field("port", be_u16)(input)?;
    if left.is_empty() {
        return Ok((left, port));
    }
    let (left, _) = field("port padding", verify(rest, |padding: &[u8]| padding.len() == 2))(left)?;
    Ok((left, port))
}

/// Writes the port.
pub(crate) fn write(port: u16, out: &mut BytesMut) {
    out.put_u16(port);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    #[test]
    fn rfc_5780_section_7_5_with_and_without_its_padding() {
        assert_eq!(parse(&hex("1f90")).unwrap().1, 8080);
        assert_eq!(parse(&hex("1f900000")).unwrap().1, 8080);
        assert!(parse(&hex("1f9000")).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(port in any::<u16>()) {
            let mut out = BytesMut::new();
            write(port, &mut out);
            prop_assert_eq!(parse(&out).unwrap().1, port);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(port in any::<u16>(), padded in any::<bool>()) {
            let octets = [&port.to_be_bytes()[..], if padded { &[0; 2] } else { &[] }].concat();
            assert_tiles(&octets, |input| {
                parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
