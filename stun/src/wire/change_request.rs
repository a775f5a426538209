//! CHANGE-REQUEST: from which of its addresses the server is to answer.
//!
//! RFC 5780 §7.2:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 A B 0|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Book: "NATs".

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u32;

use super::field::{Parsed, field};

/// The bit A.
const CHANGE_IP: u32 = 0x04;
/// The bit B.
const CHANGE_PORT: u32 = 0x02;

/// What is to be different in the source of the answer (RFC 5780 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChangeRequest {
    /// Another IP address than the request went to.
    pub ip: bool,
    /// Another port.
    pub port: bool,
}

impl ChangeRequest {
    /// Parses the flags; the other bits are ignored.
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let flags =
            be_u32.map(|bits| Self { ip: bits & CHANGE_IP != 0, port: bits & CHANGE_PORT != 0 });
        field("change flags", flags)(input)
    }

    /// Writes the flags.
    pub(crate) fn write(self, out: &mut BytesMut) {
        let ip = if self.ip { CHANGE_IP } else { 0 };
        let port = if self.port { CHANGE_PORT } else { 0 };
        out.put_u32(ip | port);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(change: ChangeRequest) -> BytesMut {
        let mut out = BytesMut::new();
        change.write(&mut out);
        out
    }

    pub(crate) fn any_change() -> impl Strategy<Value = ChangeRequest> {
        any::<(bool, bool)>().prop_map(|(ip, port)| ChangeRequest { ip, port })
    }

    #[test]
    fn rfc_5780_section_7_2_bits() {
        assert_eq!(written(ChangeRequest { ip: true, port: false }), hex("00000004"));
        assert_eq!(written(ChangeRequest { ip: false, port: true }), hex("00000002"));
    }

    proptest! {
        #[test]
        fn round_trip(change in any_change()) {
            prop_assert_eq!(ChangeRequest::parse(&written(change)).unwrap().1, change);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..9)) {
            let _ = ChangeRequest::parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(change in any_change()) {
            assert_tiles(&written(change), |input| {
                ChangeRequest::parse(input).ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
