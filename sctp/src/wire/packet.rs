//! The packet: a common header and chunks, under one CRC32c (RFC 9260 §3 and §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Source Port Number       |    Destination Port Number    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Verification Tag                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Checksum                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                            Chunks                             \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The checksum is CRC32c over the whole packet with a zero checksum field (RFC 9260 §6.8). Its
//! four octets go out least significant first, alone in this protocol (RFC 9260 appendix A). A zero
//! checksum (RFC 9653) is never negotiated by us and refused like any other wrong one.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u16, be_u32, le_u32};
use smallvec::SmallVec;

use super::chunk::{self, padding_after};
use super::field::{ParseError, Parsed, field};
use super::{Body, Chunk, Port, VerificationTag};

/// The first twelve octets, without the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonHeader {
    /// The sender's port.
    pub source_port: Port,
    /// The receiver's port.
    pub destination_port: Port,
    /// The receiver's tag (RFC 9260 §8.5).
    pub verification_tag: VerificationTag,
}

impl CommonHeader {
    /// Octets, with the checksum.
    pub const LENGTH: usize = 12;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, source_port) =
            field("Source Port Number", map(be_u16, Port)).parse_complete(input)?;
        let (rest, destination_port) =
            field("Destination Port Number", map(be_u16, Port)).parse_complete(rest)?;
        let (rest, verification_tag) =
            field("Verification Tag", map(be_u32, VerificationTag)).parse_complete(rest)?;
        let (rest, _) = field("Checksum", le_u32).parse_complete(rest)?;
        Ok((rest, Self { source_port, destination_port, verification_tag }))
    }

    /// Writes the header with a zero checksum, to be filled in when the chunks are there.
    fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.source_port.0);
        out.put_u16(self.destination_port.0);
        out.put_u32(self.verification_tag.0);
        out.put_u32_le(0);
    }
}

/// A packet whose checksum is right and whose chunks are all well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Ports and tag.
    pub header: CommonHeader,
    /// The chunks, in order. May be none (RFC 9260 forbids no such packet, it just says nothing).
    pub chunks: SmallVec<[Chunk; 3]>,
}

impl Packet {
    /// Checks the checksum, then reads the header and every chunk.
    ///
    /// # Errors
    /// The checksum is wrong or zero, or any chunk is malformed: the packet says nothing.
    pub fn parse(packet: &Bytes) -> Result<Self, ParseError> {
        if !checksum_is_right(packet) {
            return Err(ParseError::forbidden("Checksum", packet.len().saturating_sub(8)));
        }
        let (mut rest, header) = CommonHeader::parse(packet).map_err(innermost)?;
        let mut chunks = SmallVec::new();
        while !rest.is_empty() {
            let chunk;
            (rest, chunk) = Chunk::parse(packet, rest).map_err(innermost)?;
            chunks.push(chunk);
        }
        Ok(Self { header, chunks })
    }
}

fn innermost(error: nom::Err<ParseError>) -> ParseError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => ParseError::forbidden("packet", 0),
    }
}

/// CRC32c of `packet` as if its checksum field were zero.
fn checksum(packet: &[u8]) -> u32 {
    let (header, chunks) = packet.split_at_checked(CommonHeader::LENGTH).unwrap_or_default();
    let crc = crc32c::crc32c(header.get(..8).unwrap_or_default());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[0; 4]), chunks)
}

fn checksum_is_right(packet: &[u8]) -> bool {
    packet.get(8..CommonHeader::LENGTH) == Some(&checksum(packet).to_le_bytes())
}

/// Fills one packet: header, chunks as long as they fit, and the checksum at the end.
#[derive(Debug)]
pub struct PacketWriter {
    packet: BytesMut,
    max_size: usize,
}

impl PacketWriter {
    /// An empty packet that will not grow beyond `max_size` octets (at most 65,535).
    #[must_use]
    pub fn new(header: &CommonHeader, max_size: usize) -> Self {
        let max_size = max_size.min(usize::from(u16::MAX));
        let mut packet = BytesMut::with_capacity(max_size);
        header.write(&mut packet);
        Self { packet, max_size }
    }

    /// Appends a chunk with its padding. `false`: it does not fit, the packet is as before.
    #[must_use]
    pub fn push(&mut self, body: &impl Body) -> bool {
        let before = self.packet.len();
        chunk::write(body, &mut self.packet);
        let fits = self.packet.len() <= self.max_size;
        if !fits {
            self.packet.truncate(before);
        }
        fits
    }

    /// Whether a chunk whose value has `value_length` octets would fit with header and padding.
    #[must_use]
    pub fn fits(&self, value_length: usize) -> bool {
        let chunk_length = chunk::HEADER_LENGTH.saturating_add(value_length);
        self.packet.len().saturating_add(chunk_length).saturating_add(padding_after(chunk_length))
            <= self.max_size
    }

    /// Octets that may still be appended.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.max_size.saturating_sub(self.packet.len())
    }

    /// Whether no chunk was pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packet.len() <= CommonHeader::LENGTH
    }

    /// Fills in the checksum.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let checksum = checksum(&self.packet).to_le_bytes();
        if let Some(at) = self.packet.get_mut(8..CommonHeader::LENGTH) {
            at.copy_from_slice(&checksum);
        }
        self.packet.freeze()
    }
}
