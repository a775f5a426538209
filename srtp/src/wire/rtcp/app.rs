//! APP (204): what an application made up, RFC 3550 §6.7.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P| subtype |   PT=APP=204  |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           SSRC/CSRC                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          name (ASCII)                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                   application-dependent data                  \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::be_u32;

use super::super::field::{Parsed, field, remainder};
use super::super::identifier::Ssrc;

/// Application-defined, RFC 3550 §6.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Five bits of the application's.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// Whole 32-bit words.
    pub data: Bytes,
}

impl App {
    pub(super) fn parse<'a>(packet: &Bytes, subtype: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, ssrc) = field("SSRC/CSRC", map(be_u32, Ssrc)).parse_complete(input)?;
        let (rest, name) = field("name", map(be_u32, u32::to_be_bytes)).parse_complete(rest)?;
        let (rest, data) =
            field("application-dependent data", remainder(packet)).parse_complete(rest)?;
        Ok((rest, Self { subtype, ssrc, name, data }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.ssrc.0);
        out.put_slice(&self.name);
        out.put_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_app() -> impl Strategy<Value = Packet> {
        (0u8..32, testing::any_ssrc(), any::<[u8; 4]>(), testing::words(5))
            .prop_map(|(subtype, ssrc, name, data)| Packet::App(App { subtype, ssrc, name, data }))
    }

    #[test]
    fn the_figure_of_rfc_3550_section_6_7() {
        let data = Bytes::from_static(&[1, 2, 3, 4]);
        let app = App { subtype: 3, ssrc: Ssrc(9), name: *b"goog", data };
        testing::vector("83cc0003 00000009 676f6f67 01020304", &Packet::App(app));
        testing::refused_when_cut("83cc0002 00000009 676f6f67");
    }

    testing::properties!(any_app(), packet_type::APPLICATION_DEFINED, 0u8..32);
}
