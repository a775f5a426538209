//! The RTP packet, RFC 3550 §5.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |        sequence number        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |            contributing source (CSRC) identifiers             |
//! |                             ....                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            header extension, if X (RFC 8285)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                            payload                            \
//! +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               | padding, if P; its last octet is the count    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! In an SRTP packet the header is in the clear and payload and padding are not:
//! [`Header::parse`] reads the one without the other.
//!
//! Book: the chapter on RTP.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::{map, verify};
use nom::multi::count;
use nom::number::complete::{be_u8, be_u16, be_u32};

use super::ParseError;
use super::field::{Parsed, bit, field, octets};
pub use super::header_extensions::Extensions;
use super::identifier::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// The only version there is (RFC 3550 §5.1).
const VERSION: u8 = 2;
/// The CC field has four bits.
const MAX_CSRCS: usize = 15;

/// The header of an RTP packet, RFC 3550 §5.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// By the profile; for video the last packet of a frame (RFC 3551 §5).
    pub marker: bool,
    /// Which codec.
    pub payload_type: PayloadType,
    /// One more for each packet.
    pub sequence_number: SequenceNumber,
    /// When the payload was sampled.
    pub timestamp: RtpTimestamp,
    /// Which stream.
    pub ssrc: Ssrc,
    /// Contributing sources, at most 15; a mixer writes them.
    pub csrcs: Vec<Ssrc>,
    /// Header extensions (RFC 8285).
    pub extensions: Extensions,
}

impl Header {
    /// Octets of a header without contributing sources and extensions.
    pub const FIXED_LENGTH: usize = 12;

    /// Reads the header at the head of `octets` and gives what follows it: of an SRTP packet, the
    /// encrypted part.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    pub fn parse(octets: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let (rest, (header, _)) = Self::parse_with_padding_bit(octets).map_err(innermost)?;
        Ok((header, rest))
    }

    fn parse_with_padding_bit(input: &[u8]) -> Parsed<'_, (Self, bool)> {
        let version = verify(map(be_u8, |octet| octet >> 6), |&version| version == VERSION);
        let (_, _) = field("version", version).parse_complete(input)?;
        let padding = bit("padding", 5, input);
        let extension = bit("extension", 4, input);
        let csrc_count = map(be_u8, |octet| usize::from(octet & 0xf));
        let (rest, csrc_count) = field("CSRC count", csrc_count).parse_complete(input)?;
        let marker = bit("marker", 7, rest);
        let payload_type = map(be_u8, |octet| PayloadType(octet & 0x7f));
        let (rest, payload_type) = field("payload type", payload_type).parse_complete(rest)?;
        let (rest, sequence_number) =
            field("sequence number", map(be_u16, SequenceNumber)).parse_complete(rest)?;
        let (rest, timestamp) =
            field("timestamp", map(be_u32, RtpTimestamp)).parse_complete(rest)?;
        let (rest, ssrc) = field("SSRC", map(be_u32, Ssrc)).parse_complete(rest)?;
        let (rest, csrcs) = match csrc_count {
            0 => (rest, Vec::new()),
            _ => count(field("CSRC", map(be_u32, Ssrc)), csrc_count).parse_complete(rest)?,
        };
        let extensions = Extensions::default();
        let mut header =
            Self { marker, payload_type, sequence_number, timestamp, ssrc, csrcs, extensions };
        let (rest, ()) = match extension {
            false => (rest, ()),
            true => {
                let block = |input| header.extensions.parse(input);
                field("header extension", block).parse_complete(rest)?
            }
        };
        Ok((rest, (header, padding)))
    }

    fn write(&self, padding: bool, out: &mut BytesMut) {
        let extension = !self.extensions.is_empty();
        let csrcs = self.csrcs.get(..MAX_CSRCS).unwrap_or(&self.csrcs);
        let csrc_count = u8::try_from(csrcs.len()).unwrap_or(0);
        out.put_u8(VERSION << 6 | u8::from(padding) << 5 | u8::from(extension) << 4 | csrc_count);
        out.put_u8(u8::from(self.marker) << 7 | self.payload_type.0 & 0x7f);
        out.put_u16(self.sequence_number.0);
        out.put_u32(self.timestamp.0);
        out.put_u32(self.ssrc.0);
        for csrc in csrcs {
            out.put_u32(csrc.0);
        }
        if extension {
            self.extensions.write(out);
        }
    }
}

/// An RTP packet. The payload is a slice of the datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The header.
    pub header: Header,
    /// What the codec made.
    pub payload: Bytes,
    /// Octets of padding after the payload, the count octet included; 0: no padding bit.
    pub padding: u8,
}

impl Packet {
    /// Reads a packet that is not, or no longer, encrypted.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    pub fn parse(octets: &Bytes) -> Result<Self, ParseError> {
        Self::parse_all(octets).map(|(_, packet)| packet).map_err(innermost)
    }

    fn parse_all(packet: &Bytes) -> Parsed<'_, Self> {
        let (rest, (header, has_padding)) = Header::parse_with_padding_bit(packet)?;
        let padding = match (has_padding, rest.last()) {
            (false, _) => 0,
            (true, Some(&padding)) if padding > 0 && usize::from(padding) <= rest.len() => padding,
            (true, _) => {
                return Err(nom::Err::Error(ParseError::forbidden("padding count", rest.len())));
            }
        };
        let payload_length = rest.len().saturating_sub(padding.into());
        let (mut rest, payload) =
            field("payload", octets(packet, payload_length)).parse_complete(rest)?;
        if padding > 1 {
            (rest, _) = field("padding", take(padding - 1)).parse_complete(rest)?;
        }
        if padding > 0 {
            (rest, _) = field("padding count", be_u8).parse_complete(rest)?;
        }
        Ok((rest, Self { header, payload, padding }))
    }

    /// Appends the packet to `out`. Padding is zeros; of more than 15 contributing sources, the
    /// first 15 are written.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(Header::FIXED_LENGTH + self.payload.len() + usize::from(self.padding));
        self.header.write(self.padding > 0, out);
        out.put_slice(&self.payload);
        if self.padding > 0 {
            out.put_bytes(0, usize::from(self.padding) - 1);
            out.put_u8(self.padding);
        }
    }
}

fn innermost(error: nom::Err<ParseError>) -> ParseError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => ParseError::forbidden("packet", 0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{self, hex};
    use super::*;

    fn any_packet() -> impl Strategy<Value = Packet> {
        let header = (
            any::<(bool, u16, u32, u32)>(),
            0u8..128,
            prop::collection::vec(testing::any_ssrc(), 0..=MAX_CSRCS),
            super::super::header_extensions::tests::any_extensions(),
        )
            .prop_map(
                |((marker, number, timestamp, ssrc), payload_type, csrcs, extensions)| Header {
                    marker,
                    payload_type: PayloadType(payload_type),
                    sequence_number: SequenceNumber(number),
                    timestamp: RtpTimestamp(timestamp),
                    ssrc: Ssrc(ssrc),
                    csrcs,
                    extensions,
                },
            );
        (header, testing::octets(40), prop_oneof![Just(0u8), any::<u8>()])
            .prop_map(|(header, payload, padding)| Packet { header, payload, padding })
    }

    fn write(packet: &Packet) -> Bytes {
        let mut out = BytesMut::new();
        packet.write(&mut out);
        out.freeze()
    }

    fn refused(octets: &str) -> &'static str {
        Packet::parse(&hex(octets)).unwrap_err().field
    }

    #[test]
    fn every_field_of_the_figure_rfc_3550_section_5_1() {
        let octets =
            hex("b1e01234 89abcdef 01020304 0a0b0c0d bede0001 11aabb00 7061796c 6f6164 000003");
        let mut extensions = Extensions::default();
        extensions.set(1, &[0xaa, 0xbb]);
        let packet = Packet {
            header: Header {
                marker: true,
                payload_type: PayloadType(96),
                sequence_number: SequenceNumber(0x1234),
                timestamp: RtpTimestamp(0x89ab_cdef),
                ssrc: Ssrc(0x0102_0304),
                csrcs: vec![Ssrc(0x0a0b_0c0d)],
                extensions,
            },
            payload: Bytes::from_static(b"payload"),
            padding: 3,
        };
        assert_eq!(Packet::parse(&octets).unwrap(), packet);
        assert_eq!(write(&packet), octets);
    }

    #[test]
    fn the_payload_is_a_slice_of_the_datagram() {
        let octets = hex("80600000 00000000 00000001 7061796c");
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(packet.payload.as_ptr(), octets[12..].as_ptr());
    }

    #[test]
    fn the_header_is_read_without_what_is_encrypted() {
        // The last octet would be a wrong padding count, if it were one.
        let octets = hex("a0600000 00000000 00000001 7061796c");
        let (header, rest) = Header::parse(&octets).unwrap();
        assert_eq!(header.ssrc, Ssrc(1));
        assert_eq!(rest, b"payl");
        assert!(Packet::parse(&octets).is_err());
    }

    #[test]
    fn trap_a_probe_of_nothing_but_padding_is_a_packet() {
        let octets = [&hex("a0600000 00000000 00000000")[..], &[0; 254], &[255]].concat();
        let packet = Packet::parse(&octets.into()).unwrap();
        assert_eq!((packet.header.ssrc, packet.padding), (Ssrc(0), 255));
        assert!(packet.payload.is_empty());
    }

    #[test]
    fn row_63_padding_of_none_or_more_than_there_is() {
        for lie in [
            "a0600000 00000000 00000001",
            "a0600000 00000000 00000001 00",
            "a0600000 00000000 00000001 7061796c 00",
            "a0600000 00000000 00000001 7061796c 06",
            "a0600000 00000000 00000001 ff",
        ] {
            assert_eq!(refused(lie), "padding count", "{lie}");
        }
    }

    #[test]
    fn row_63_sources_and_extensions_that_are_not_there() {
        assert_eq!(refused("8f600000 00000000 00000001 00000002"), "CSRC");
        assert_eq!(refused("90600000 00000000 00000001"), "defined by profile");
        assert_eq!(refused("90600000 00000000 00000001 bede"), "length");
        assert_eq!(refused("90600000 00000000 00000001 bede0001"), "length");
        assert_eq!(refused("90600000 00000000 00000001 bedeffff 00000000"), "length");
        // An element longer than the block.
        assert_eq!(refused("90600000 00000000 00000001 bede0001 13000000 00000000"), "data");
        assert_eq!(refused("90600000 00000000 00000001 10000001 01ff0000 00000000"), "data");
        assert_eq!(refused("90600000 00000000 00000001 10000001 00000001 00000000"), "length");
    }

    #[test]
    fn row_63_a_header_cut_at_any_octet_is_refused() {
        let octets = hex("b1e01234 89abcdef 01020304 0a0b0c0d bede0001 11aabb00");
        for length in 0..octets.len() {
            assert!(Packet::parse(&octets.slice(..length)).is_err(), "{length}");
        }
        assert_eq!(refused("40600000 00000000 00000001"), "version");
        assert_eq!(refused("c0600000 00000000 00000001"), "version");
    }

    proptest! {
        #[test]
        fn round_trip(packet in any_packet()) {
            prop_assert_eq!(Packet::parse(&write(&packet)).unwrap(), packet);
        }

        #[test]
        fn never_panics(first in 0x80u8..=0xbf, octets in testing::octets(80)) {
            let octets: Bytes = [&[first], &octets[..]].concat().into();
            if let Ok(packet) = Packet::parse(&octets) {
                prop_assert_eq!(Packet::parse(&write(&packet)).unwrap(), packet);
            }
        }

        #[test]
        fn fields_tile_the_input(packet in any_packet()) {
            let octets = write(&packet);
            let (_, fields) = tap::explain(&octets, || Packet::parse(&octets).unwrap());
            prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
        }
    }
}
