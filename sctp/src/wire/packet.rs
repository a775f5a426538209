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
    let Some((header, chunks)) = packet.split_first_chunk::<{ CommonHeader::LENGTH }>() else {
        return 0;
    };
    let mut header = *header;
    header[8..].fill(0);
    crc32c::crc32c_append(crc32c::crc32c(&header), chunks)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CookieAck, CookieEcho, Data, testing};
    use super::*;

    const COOKIE_ACK: &str = "138813883447230f2ed40677 0b000004";

    #[test]
    fn crc32c_of_the_nine_digits_is_the_registered_check_value() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn row_66_checksum_wrong_or_zero() {
        let good = testing::hex(COOKIE_ACK);
        assert!(Packet::parse(&good).is_ok());
        let zero = testing::hex("138813883447230f00000000 0b000004");
        assert_eq!(Packet::parse(&zero).unwrap_err().field, "Checksum");
        // Big-endian, as every other field is, would be a different number.
        let swapped = testing::hex("138813883447230f7706d42e 0b000004");
        assert_eq!(Packet::parse(&swapped).unwrap_err().field, "Checksum");
        for bit in 0..good.len() * 8 {
            let mut wrong = good.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Packet::parse(&wrong.into()).unwrap_err().field, "Checksum");
        }
    }

    #[test]
    fn row_69_a_packet_cut_at_any_octet_is_refused() {
        let good = testing::hex(COOKIE_ACK);
        for length in 0..good.len() {
            assert!(Packet::parse(&good.slice(..length)).is_err());
        }
    }

    #[test]
    fn row_74_sixteen_thousand_unknown_chunks_are_read_in_one_pass() {
        let mut octets = BytesMut::new();
        testing::HEADER.write(&mut octets);
        octets.extend_from_slice(&[0xff, 0, 0, 4].repeat(16_000));
        let crc = checksum(&octets).to_le_bytes();
        octets[8..12].copy_from_slice(&crc);
        assert_eq!(Packet::parse(&octets.freeze()).unwrap().chunks.len(), 16_000);
    }

    #[test]
    fn a_malformed_chunk_makes_the_whole_packet_say_nothing() {
        let mut octets = BytesMut::new();
        testing::HEADER.write(&mut octets);
        octets.extend_from_slice(&testing::hex("0b000004 0b000003"));
        let crc = checksum(&octets).to_le_bytes();
        octets[8..12].copy_from_slice(&crc);
        assert_eq!(Packet::parse(&octets.freeze()).unwrap_err().field, "Chunk Length");
    }

    /// Bundling counts the padded length of each chunk, its header included.
    #[test]
    fn trap_bundling_counts_padded_chunk_headers() {
        let one_octet = CookieEcho { cookie: Bytes::from_static(b"a") };
        let mut writer = PacketWriter::new(&testing::HEADER, 12 + 8 + 7);
        assert!(writer.is_empty() && writer.fits(1));
        assert!(writer.push(&one_octet));
        assert_eq!(writer.remaining(), 7);
        assert!(!writer.fits(1), "four octets of header, one of value, three of padding");
        assert!(!writer.push(&one_octet));
        assert!(writer.fits(0) && writer.push(&CookieAck));
        let packet = writer.finish();
        assert_eq!(packet.len(), 12 + 8 + 4);
        assert_eq!(Packet::parse(&packet).unwrap().chunks.len(), 2);
    }

    /// Every browser packet is read, tiled by its fields, and written again octet by octet.
    #[test]
    fn browser_captures_survive_a_round_trip() {
        let directory =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pcap");
        let mut packets = 0;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".sctp.pcap") {
                continue;
            }
            for datagram in tap::capture::read(&path).unwrap() {
                let captured = Bytes::from(datagram.payload);
                let parsed = Packet::parse(&captured).unwrap();
                testing::tiles(&captured);
                let mut writer = PacketWriter::new(&parsed.header, captured.len());
                assert!(parsed.chunks.iter().all(|chunk| writer.push(chunk)));
                assert_eq!(writer.finish(), captured);
                packets += 1;
            }
        }
        assert!(packets > 200, "{packets}");
    }

    proptest! {
        #[test]
        fn round_trip(source: u16, destination: u16, tag: u32, payload in testing::octets(30)) {
            let header = CommonHeader {
                source_port: Port(source),
                destination_port: Port(destination),
                verification_tag: VerificationTag(tag),
            };
            let echo = CookieEcho { cookie: payload };
            let mut writer = PacketWriter::new(&header, 1191);
            prop_assert!(writer.push(&echo) && writer.push(&CookieAck));
            let parsed = Packet::parse(&writer.finish()).unwrap();
            prop_assert_eq!(parsed.header, header);
            prop_assert_eq!(
                parsed.chunks.as_slice(),
                [Chunk::CookieEcho(echo), Chunk::CookieAck(CookieAck)]
            );
        }

        #[test]
        fn never_panics(mut octets in prop::collection::vec(any::<u8>(), 12..200)) {
            octets[8..12].fill(0);
            let crc = checksum(&octets).to_le_bytes();
            octets[8..12].copy_from_slice(&crc);
            let _ = Packet::parse(&octets.into());
        }

        #[test]
        fn fields_tile_the_input(payload in testing::octets(30)) {
            let mut writer = PacketWriter::new(&testing::HEADER, 1191);
            let echo = CookieEcho { cookie: payload };
            prop_assert!(writer.push(&echo) && writer.push(&CookieAck));
            testing::tiles(&writer.finish());
        }
    }

    #[test]
    fn data_overhead_is_what_is_written() {
        let data = Data {
            immediate: true,
            unordered: false,
            beginning: true,
            ending: false,
            tsn: super::super::Tsn(1),
            stream: super::super::StreamId(2),
            ssn: super::super::Ssn(3),
            ppid: super::super::Ppid::BINARY,
            payload: Bytes::from_static(&[0; 1000]),
        };
        let packet = testing::packet_of(&data);
        assert_eq!(packet.len(), CommonHeader::LENGTH + Data::OVERHEAD + 1000);
    }
}
