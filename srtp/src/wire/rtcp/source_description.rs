//! SDES (202): who the sources are, RFC 3550 §6.5.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|    SC   |  PT=SDES=202  |             length            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |                          SSRC/CSRC_1                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    CNAME=1    |     length    | user and domain name        ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                      more items, more chunks                  \
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! ```
//!
//! One to four zero octets end the items of a chunk and fill up its last word.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::multi::count;
use nom::number::complete::{be_u8, be_u32};

use super::super::field::{Parsed, field, octets};
use super::super::identifier::Ssrc;
use super::header::counted;

/// The type that ends a chunk's items.
const END: u8 = 0;

/// One source's items, RFC 3550 §6.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdesChunk {
    /// Whom it describes.
    pub ssrc: Ssrc,
    /// Item type (1: CNAME) and text, at most 255 octets.
    pub items: Vec<(u8, Bytes)>,
}

impl SdesChunk {
    /// The type of the one item a source must have: a name that outlives its SSRC (§6.5.1).
    pub const CNAME: u8 = 1;

    /// A chunk that says no more than it must.
    #[must_use]
    pub fn with_cname(ssrc: Ssrc, cname: Bytes) -> Self {
        Self { ssrc, items: vec![(Self::CNAME, cname)] }
    }

    /// The CNAME item, if there is one.
    #[must_use]
    pub fn cname(&self) -> Option<&Bytes> {
        self.items.iter().find(|item| item.0 == Self::CNAME).map(|(_, text)| text)
    }

    fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (mut rest, ssrc) = field("SSRC/CSRC", map(be_u32, Ssrc)).parse_complete(input)?;
        let mut items = Vec::new();
        while rest.first() != Some(&END) {
            let (item_type, length, text);
            (rest, item_type) = field("item type", be_u8).parse_complete(rest)?;
            (rest, length) = field("item length", be_u8).parse_complete(rest)?;
            (rest, text) = field("text", octets(packet, length.into())).parse_complete(rest)?;
            items.push((item_type, text));
        }
        let end = end_length(input.len().saturating_sub(rest.len()));
        let (rest, _) = field("end of items", take(end)).parse_complete(rest)?;
        Ok((rest, Self { ssrc, items }))
    }

    fn write(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(self.ssrc.0);
        for (item_type, text) in &self.items {
            let text = text.get(..255).unwrap_or(text);
            out.put_u8(*item_type);
            out.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
            out.put_slice(text);
        }
        out.put_bytes(END, end_length(out.len().saturating_sub(start)));
    }
}

/// Octets that end a chunk of which `length` octets are written: one at least, and to a whole word.
fn end_length(length: usize) -> usize {
    4 - length % 4
}

pub(super) fn parse<'a>(packet: &Bytes, sc: u8, input: &'a [u8]) -> Parsed<'a, Vec<SdesChunk>> {
    let chunk = |input| SdesChunk::parse(packet, input);
    count(field("chunk", chunk), sc.into()).parse_complete(input)
}

/// Appends as many chunks as a packet can count; of longer texts, the first 255 octets.
pub(super) fn write(chunks: &[SdesChunk], out: &mut BytesMut) {
    for chunk in counted(chunks).0 {
        chunk.write(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_source_description() -> impl Strategy<Value = Packet> {
        let items = prop::collection::vec((1u8.., testing::octets(20)), 0..4);
        let chunk =
            (testing::any_ssrc(), items).prop_map(|(ssrc, items)| SdesChunk { ssrc, items });
        prop::collection::vec(chunk, 0..4).prop_map(Packet::SourceDescription)
    }

    #[test]
    fn one_cname_rfc_3550_section_6_5() {
        let chunk = SdesChunk::with_cname(Ssrc(7), Bytes::from_static(b"a@b"));
        assert_eq!(chunk.cname(), Some(&Bytes::from_static(b"a@b")));
        testing::vector(
            "81ca0003 00000007 01 03 614062 000000",
            &Packet::SourceDescription(vec![chunk]),
        );
    }

    #[test]
    fn a_chunk_that_fills_its_words_is_ended_by_four_zeros() {
        let chunk = SdesChunk::with_cname(Ssrc(7), Bytes::from_static(b"ab"));
        testing::vector(
            "81ca0003 00000007 01 02 6162 00000000",
            &Packet::SourceDescription(vec![chunk]),
        );
    }

    #[test]
    fn row_64_items_that_lie() {
        for lie in [
            // An item longer than the packet; items without an end; a chunk too many; one too few.
            "81ca0003 00000007 01 ff 614062 000000",
            "81ca0002 00000007 01 02 6162",
            "82ca0003 00000007 01 03 614062 000000",
            "80ca0003 00000007 01 03 614062 000000",
        ] {
            assert!(super::super::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn row_64_thirty_thousand_empty_items_are_read_in_one_pass() {
        let mut octets = BytesMut::from(&testing::hex("81ca3a9a 00000007")[..]);
        for _ in 0..30_000 {
            octets.extend_from_slice(&[8, 0]);
        }
        octets.extend_from_slice(&[0; 4]);
        let packets = super::super::parse(&octets.freeze()).unwrap();
        let Packet::SourceDescription(chunks) = &packets[0] else { panic!("{packets:?}") };
        assert_eq!(chunks[0].items.len(), 30_000);
    }

    testing::properties!(any_source_description(), packet_type::SOURCE_DESCRIPTION, 0u8..3);
}
