//! CHANNEL-NUMBER: the two octets that stand for a peer.
//!
//! RFC 8656 §18.1:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Channel Number         |         RFFU = 0              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Any number survives here; that one outside 0x4000 to 0x4FFF may not be bound is for the server to
//! say, with 400 (RFC 8656 §12.2). Book: "Relay".

use std::fmt;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u16;

use super::field::{Parsed, field};

/// The number of a channel (RFC 8656 §12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(pub u16);

impl ChannelNumber {
    /// The first number that may be bound (RFC 8656 §12).
    pub const FIRST: Self = Self(0x4000);
    /// The last: 0x5000 and up are reserved (RFC 8656 §12), though RFC 5766 went up to 0x7FFF.
    pub const LAST: Self = Self(0x4FFF);

    /// Whether it may be bound: 0x4000 to 0x4FFF (RFC 8656 §12).
    #[must_use]
    pub const fn may_be_bound(self) -> bool {
        Self::FIRST.0 <= self.0 && self.0 <= Self::LAST.0
    }

    /// Parses the value of the attribute.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, number) = field("channel number", be_u16.map(Self))(input)?;
        let (rest, _) = field("RFFU", be_u16)(rest)?;
        Ok((rest, number))
    }

    /// Writes the value of the attribute.
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u16(self.0);
        out.put_u16(0);
    }
}

impl fmt::Debug for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(number: ChannelNumber) -> BytesMut {
        let mut out = BytesMut::new();
        number.write(&mut out);
        out
    }

    #[test]
    fn rfc_8656_section_12_numbers_that_may_be_bound() {
        assert_eq!(written(ChannelNumber::FIRST), hex("40000000"));
        let may = |number| ChannelNumber(number).may_be_bound();
        assert!(may(0x4000) && may(0x4FFF));
        assert!(!may(0x3FFF) && !may(0x5000) && !may(0x7FFF) && !may(0xFFFF));
    }

    proptest! {
        #[test]
        fn round_trip(number in any::<u16>().prop_map(ChannelNumber)) {
            prop_assert_eq!(ChannelNumber::parse(&written(number)).unwrap().1, number);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = ChannelNumber::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(number in any::<u16>().prop_map(ChannelNumber)) {
            assert_tiles(&written(number), |input| {
                ChannelNumber::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
