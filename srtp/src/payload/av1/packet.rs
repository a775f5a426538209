//! The AV1 aggregation header and the elements behind it, AV1 RTP specification §4.4, §4.5.
//!
//! ```text
//!   0 1 2 3 4 5 6 7
//!  +-+-+-+-+-+-+-+-+
//!  |Z|Y| W |N|-|-|-|
//!  +-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::rest;
use nom::error::{ErrorKind, ParseError as _};
use smallvec::SmallVec;

use super::super::descriptor::{bits, flags, innermost};
use super::obu::read_leb128;
use crate::wire::ParseError;
use crate::wire::field::{Parsed, bit, field};

/// The aggregation header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct AggregationHeader {
    /// Z: the first element continues the last one of the packet before.
    pub(super) continues: bool,
    /// Y: the last element is continued in the next packet.
    pub(super) is_continued: bool,
    /// W: how many elements there are, the last of which has no length; 0: not told, and all have.
    pub(super) count: u8,
    /// N: a coded video sequence begins here, with a keyframe.
    pub(super) begins_sequence: bool,
}

/// Elements: OBUs and parts of OBUs. Most packets have one or two.
pub(super) type Elements<'a> = SmallVec<[&'a [u8]; 4]>;

impl AggregationHeader {
    /// Octets of the header.
    pub(super) const LENGTH: usize = 1;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = flags("AV1 aggregation header", input)?;
        let header = Self {
            continues: bit("Z", 7, octet),
            is_continued: bit("Y", 6, octet),
            count: bits("W", 4, 2, octet),
            begins_sequence: bit("N", 3, octet),
        };
        bits("-", 0, 3, octet);
        Ok((rest, header))
    }

    pub(super) fn write(self, out: &mut BytesMut) {
        out.put_u8(
            u8::from(self.continues) << 7
                | u8::from(self.is_continued) << 6
                | (self.count & 3) << 4
                | u8::from(self.begins_sequence) << 3,
        );
    }
}

/// Reads a payload: at least one element.
pub(super) fn parse(payload: &[u8]) -> Result<(AggregationHeader, Elements<'_>), ParseError> {
    let (input, header) = AggregationHeader::parse(payload).map_err(innermost)?;
    let (_, elements) = parse_elements(header.count, input).map_err(innermost)?;
    Ok((header, elements))
}

fn parse_elements(count: u8, mut input: &[u8]) -> Parsed<'_, Elements<'_>> {
    let mut elements = Elements::new();
    loop {
        let is_last_of_count = elements.len() + 1 == usize::from(count);
        let (behind, element) = if is_last_of_count {
            field("OBU element", rest).parse_complete(input)?
        } else {
            let (behind, length) = field("OBU element size", leb128).parse_complete(input)?;
            field("OBU element", take(length)).parse_complete(behind)?
        };
        elements.push(element);
        input = behind;
        if is_last_of_count || (count == 0 && input.is_empty()) {
            return Ok((input, elements));
        }
    }
}

fn leb128(input: &[u8]) -> Parsed<'_, usize> {
    read_leb128(input)
        .ok_or_else(|| nom::Err::Error(ParseError::from_error_kind(input, ErrorKind::Eof)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{self, hex};
    use super::*;

    fn elements(payload: &str) -> Result<Vec<Vec<u8>>, ParseError> {
        let payload = hex(payload);
        parse(&payload).map(|(_, elements)| elements.iter().map(|e| e.to_vec()).collect())
    }

    #[test]
    fn lengths_with_and_without_a_count() {
        let expected = Ok(vec![vec![1], vec![2, 3]]);
        assert_eq!(elements("00 01 01 02 0203"), expected);
        assert_eq!(elements("20 01 01 0203"), expected);
        assert_eq!(elements("10 0203"), Ok(vec![vec![2, 3]]));
    }

    #[test]
    fn lengths_and_counts_that_lie_are_errors() {
        for lie in ["", "00", "00 05 01", "20", "20 01", "30 01 01", "00 80", "00 ffffffff0f 00"] {
            assert!(elements(lie).is_err(), "{lie}");
        }
    }

    proptest! {
        #[test]
        fn fields_tile_the_input(octets in testing::octets(1..60)) {
            testing::tiles(&octets, || parse(&octets).is_ok());
        }
    }
}
