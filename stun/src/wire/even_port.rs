//! EVEN-PORT: the relayed address is to have an even port, and maybe the next is to be kept too.
//!
//! RFC 8656 §18.7:
//!
//! ```text
//!  0
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! |R|    RFFU     |
//! +-+-+-+-+-+-+-+-+
//! ```
//!
//! Book: "Relay".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u8;

use super::field::{Parsed, field};

/// The R bit.
const RESERVE_NEXT: u8 = 0x80;

/// The wish for an even port (RFC 8656 §18.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EvenPort {
    /// The next higher port is to be reserved; the response then has a RESERVATION-TOKEN for it.
    pub reserve_next: bool,
}

impl EvenPort {
    /// Parses the octet.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let even_port = be_u8.map(|octet| Self { reserve_next: octet & RESERVE_NEXT != 0 });
        field("R", even_port)(input)
    }

    /// Writes the octet.
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u8(if self.reserve_next { RESERVE_NEXT } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::assert_tiles;
    use super::*;

    fn written(even_port: EvenPort) -> BytesMut {
        let mut out = BytesMut::new();
        even_port.write(&mut out);
        out
    }

    fn any_even_port() -> impl Strategy<Value = EvenPort> {
        any::<bool>().prop_map(|reserve_next| EvenPort { reserve_next })
    }

    #[test]
    fn rfc_8656_section_18_7_r_is_the_top_bit() {
        assert_eq!(written(EvenPort { reserve_next: true })[..], [0x80]);
        assert_eq!(EvenPort::parse(&[0x7F]).unwrap().1, EvenPort { reserve_next: false });
    }

    proptest! {
        #[test]
        fn round_trip(even_port in any_even_port()) {
            prop_assert_eq!(EvenPort::parse(&written(even_port)).unwrap().1, even_port);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = EvenPort::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(even_port in any_even_port()) {
            assert_tiles(&written(even_port), |input| {
                EvenPort::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
