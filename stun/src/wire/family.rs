//! REQUESTED-ADDRESS-FAMILY and ADDITIONAL-ADDRESS-FAMILY: which family a relayed address is to have.
//!
//! RFC 8656 §18.6, §18.11:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Family      |            Reserved                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Any family survives here; a server answers 440 to one that it does not have. Book: "Relay".

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u8, be_u24};

use super::field::{Parsed, field};

/// An address family by its number in STUN (RFC 8489 §14.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Family(pub u8);

impl Family {
    /// IPv4.
    pub const IPV4: Self = Self(0x01);
    /// IPv6.
    pub const IPV6: Self = Self(0x02);

    /// The family of an address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::IPV4,
            IpAddr::V6(_) => Self::IPV6,
        }
    }

    /// Parses family and reserved octets.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, family) = field("family", be_u8.map(Self))(input)?;
        let (rest, _) = field("reserved", be_u24)(rest)?;
        Ok((rest, family))
    }

    /// Writes family and reserved octets.
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u8(self.0);
        out.put_bytes(0, 3);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(family: Family) -> BytesMut {
        let mut out = BytesMut::new();
        family.write(&mut out);
        out
    }

    #[test]
    fn rfc_8656_section_18_6_ipv6_is_2_and_the_rest_is_ignored() {
        assert_eq!(written(Family::IPV6), hex("02000000"));
        assert_eq!(Family::parse(&hex("02ffffff")).unwrap().1, Family::IPV6);
        assert_eq!(Family::of("::1".parse().unwrap()), Family::IPV6);
        assert_eq!(Family::of("192.0.2.1".parse().unwrap()), Family::IPV4);
    }

    proptest! {
        #[test]
        fn round_trip(family in any::<u8>().prop_map(Family)) {
            prop_assert_eq!(Family::parse(&written(family)).unwrap().1, family);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = Family::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(family in any::<u8>().prop_map(Family)) {
            assert_tiles(&written(family), |input| {
                Family::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
