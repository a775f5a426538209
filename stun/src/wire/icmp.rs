//! ICMP: what came back when the server sent to a peer.
//!
//! RFC 8656 §18.13, in a Data indication (§11.5):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Reserved                     |  ICMP Type  |  ICMP Code      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Error Data                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The figure gives the type seven bits and the code nine: ICMPv6 errors have types below 128.
//! Book: "Relay".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u16, be_u32};

use super::field::{Parsed, field};

/// Bits of the code.
const CODE_BITS: u32 = 9;
/// The code's bits.
const CODE_MASK: u16 = (1 << CODE_BITS) - 1;

/// An ICMP error that a relayed packet met (RFC 8656 §18.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Icmp {
    /// Its type: seven bits, of ICMP or ICMPv6 as the peer's address is.
    pub icmp_type: u8,
    /// Its code: nine bits.
    pub code: u16,
    /// The type's own data, for "too big" the MTU.
    pub error_data: u32,
}

impl Icmp {
    /// Parses the eight octets.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, _) = field("reserved", be_u16)(input)?;
        // Both names stand on the same two octets: nine bits of them are the code.
        let type_of = |bits: u16| u8::try_from(bits >> CODE_BITS).unwrap_or(u8::MAX);
        let (_, icmp_type) = field("ICMP type", be_u16.map(type_of))(rest)?;
        let (rest, code) = field("ICMP code", be_u16.map(|bits| bits & CODE_MASK))(rest)?;
        let (rest, error_data) = field("error data", be_u32)(rest)?;
        Ok((rest, Self { icmp_type, code, error_data }))
    }

    /// Writes the eight octets.
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u16(0);
        out.put_u16(u16::from(self.icmp_type) << CODE_BITS | self.code & CODE_MASK);
        out.put_u32(self.error_data);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(icmp: Icmp) -> BytesMut {
        let mut out = BytesMut::new();
        icmp.write(&mut out);
        out
    }

    pub(crate) fn any_icmp() -> impl Strategy<Value = Icmp> {
        (0..128u8, 0..512u16, any::<u32>()).prop_map(|(icmp_type, code, error_data)| Icmp {
            icmp_type,
            code,
            error_data,
        })
    }

    #[test]
    fn rfc_8656_section_18_13_fragmentation_needed() {
        let icmp = Icmp { icmp_type: 3, code: 4, error_data: 1280 };
        assert_eq!(written(icmp), hex("0000 0604 00000500"));
    }

    proptest! {
        #[test]
        fn round_trip(icmp in any_icmp()) {
            prop_assert_eq!(Icmp::parse(&written(icmp)).unwrap().1, icmp);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = Icmp::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(icmp in any_icmp()) {
            assert_tiles(&written(icmp), |input| {
                Icmp::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
