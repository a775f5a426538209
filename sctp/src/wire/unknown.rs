//! A chunk of a type this crate does not parse, kept as it came (RFC 9260 §3.2).
//!
//! The two highest bits of the type say what to do about it, see
//! [`ChunkType::on_unknown`]; written again it gives the octets a report needs.

use bytes::{Bytes, BytesMut};
use nom::Parser;

use super::chunk;
use super::field::{Parsed, field, remainder};
use super::{Body, ChunkType};

/// Any chunk of unknown type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownChunk {
    /// Its type.
    pub chunk_type: ChunkType,
    /// Its flags.
    pub flags: u8,
    /// Its value, without padding.
    pub value: Bytes,
}

impl UnknownChunk {
    /// The whole chunk again, header first: what an Unrecognized Chunk Type cause reports.
    #[must_use]
    pub fn to_octets(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(chunk::HEADER_LENGTH + self.value.len() + 3);
        chunk::write(self, &mut out);
        out.truncate(chunk::HEADER_LENGTH + self.value.len());
        out.freeze()
    }

    pub(crate) fn parse<'a>(
        packet: &Bytes,
        chunk_type: ChunkType,
        flags: u8,
        input: &'a [u8],
    ) -> Parsed<'a, Self> {
        let (rest, value) = field("Chunk Value", remainder(packet)).parse_complete(input)?;
        Ok((rest, Self { chunk_type, flags, value }))
    }
}

impl Body for UnknownChunk {
    fn chunk_type(&self) -> ChunkType {
        self.chunk_type
    }

    fn flags(&self) -> u8 {
        self.flags
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_unknown() -> impl Strategy<Value = UnknownChunk> {
        (15u8..63, any::<u8>(), testing::octets(40)).prop_map(|(number, flags, value)| {
            UnknownChunk { chunk_type: ChunkType(number), flags, value }
        })
    }

    #[test]
    fn the_highest_bits_say_what_to_do_rfc_9260_section_3_2() {
        let bits = |number| {
            let on_unknown = ChunkType(number).on_unknown();
            (on_unknown.stops(), on_unknown.reports())
        };
        assert_eq!(bits(0x3f), (true, false));
        assert_eq!(bits(0x7f), (true, true));
        assert_eq!(bits(0xbf), (false, false));
        assert_eq!(bits(0xff), (false, true));
    }

    #[test]
    fn a_report_holds_the_chunk_without_padding() {
        let chunk = UnknownChunk {
            chunk_type: ChunkType(0xff),
            flags: 1,
            value: Bytes::from_static(b"abc"),
        };
        assert_eq!(chunk.to_octets(), testing::hex("ff010007 616263"));
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_unknown()) {
            testing::round_trip(Chunk::Unknown(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::I_DATA, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_unknown()) {
            testing::fields_tile_the_input(&Chunk::Unknown(chunk));
        }
    }
}
