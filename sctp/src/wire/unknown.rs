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
