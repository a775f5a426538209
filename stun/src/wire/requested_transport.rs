//! REQUESTED-TRANSPORT: what is to carry packets between the server and the peers.
//!
//! RFC 8656 §18.8:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Protocol   |                    RFFU                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Any protocol survives here; a server answers 442 to one that it does not relay. Book: "Relay".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u8, be_u24};

use super::field::{Parsed, field};

/// A protocol by its number in the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestedTransport(pub u8);

impl RequestedTransport {
    /// UDP, the only one in RFC 8656.
    pub const UDP: Self = Self(17);
    /// TCP (RFC 6062).
    pub const TCP: Self = Self(6);

    /// Parses protocol and reserved octets.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, protocol) = field("protocol", be_u8.map(Self))(input)?;
        let (rest, _) = field("RFFU", be_u24)(rest)?;
        Ok((rest, protocol))
    }

    /// Writes protocol and reserved octets.
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

    fn written(transport: RequestedTransport) -> BytesMut {
        let mut out = BytesMut::new();
        transport.write(&mut out);
        out
    }

    #[test]
    fn rfc_8656_section_18_8_udp_is_17() {
        assert_eq!(written(RequestedTransport::UDP), hex("11000000"));
        let (_, parsed) = RequestedTransport::parse(&hex("11ffffff")).unwrap();
        assert_eq!(parsed, RequestedTransport::UDP);
    }

    proptest! {
        #[test]
        fn round_trip(transport in any::<u8>().prop_map(RequestedTransport)) {
            let octets = written(transport);
            prop_assert_eq!(RequestedTransport::parse(&octets).unwrap().1, transport);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = RequestedTransport::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(transport in any::<u8>().prop_map(RequestedTransport)) {
            assert_tiles(&written(transport), |input| {
                RequestedTransport::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
