//! What encryption needs to know of a header: where it ends, and which packet of whom it is.
//!
//! ```text
//! RTP    12 octets + 4 for each CSRC + the extension, if the X bit is set   RFC 3550 §5.1, §5.3.1
//!        clear, authenticated                                     ─► payload: encrypted
//! RTCP   8 octets: the first header and its SSRC                            RFC 3550 §6.4
//!        clear, authenticated                                     ─► all the rest: encrypted
//! ```
//!
//! This is not the parser of these headers, which is [`wire`](crate::wire) and reads what has proved
//! authentic; it looks at six octets of a packet that anybody may have sent. Book: the chapter on SRTP.

use crate::Error;
use crate::wire::identifier::{SequenceNumber, Ssrc};

const VERSION: u8 = 2;

/// An RTP header, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    /// Octets before the payload.
    pub(crate) length: usize,
    /// The lower 16 bits of the packet's index.
    pub(crate) sequence_number: SequenceNumber,
    /// Whose packet.
    pub(crate) ssrc: Ssrc,
}

impl RtpHeader {
    /// Reads the header of a packet of which the last `trailer` octets are no part of RTP.
    ///
    /// # Errors
    /// [`Error::Malformed`]: another version, or the header does not end before the trailer.
    pub(crate) fn parse(packet: &[u8], trailer: usize) -> Result<Self, Error> {
        let &[flags, _, s0, s1, _, _, _, _, ssrc @ ..] =
            packet.first_chunk::<12>().ok_or(Error::Malformed)?;
        let (version, extended, csrcs) = (flags >> 6, flags & 0x10 != 0, flags & 0x0f);
        let mut length = 12 + 4 * usize::from(csrcs);
        if extended {
            let at = packet.get(length + 2..).and_then(<[u8]>::first_chunk);
            let words = u16::from_be_bytes(*at.ok_or(Error::Malformed)?);
            length += 4 + 4 * usize::from(words);
        }
        if version != VERSION || length + trailer > packet.len() {
            return Err(Error::Malformed);
        }
        let sequence_number = SequenceNumber(u16::from_be_bytes([s0, s1]));
        Ok(Self { length, sequence_number, ssrc: Ssrc(u32::from_be_bytes(ssrc)) })
    }
}

/// Octets of an RTCP packet that stay clear (RFC 3711 §3.4).
pub(crate) const RTCP_HEADER_LENGTH: usize = 8;

/// The source of an RTCP packet of which the last `trailer` octets are no part of RTCP.
///
/// # Errors
/// [`Error::Malformed`]: another version, or nothing before the trailer.
pub(crate) fn rtcp_source(packet: &[u8], trailer: usize) -> Result<Ssrc, Error> {
    let &[flags, _, _, _, ssrc @ ..] =
        packet.first_chunk::<RTCP_HEADER_LENGTH>().ok_or(Error::Malformed)?;
    if flags >> 6 != VERSION || RTCP_HEADER_LENGTH + trailer > packet.len() {
        return Err(Error::Malformed);
    }
    Ok(Ssrc(u32::from_be_bytes(ssrc)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::hex;

    #[test]
    fn a_header_ends_behind_its_sources_and_its_extension() {
        let bare = hex("8060 1234 00000001 cafebabe");
        let header = RtpHeader::parse(&bare, 0).unwrap();
        assert_eq!(header.length, 12);
        assert_eq!(header.sequence_number, SequenceNumber(0x1234));
        assert_eq!(header.ssrc, Ssrc(0xcafe_babe));

        let full = hex("92e0 1234 00000001 cafebabe 00000002 00000003 bede0001 10aa0000 ff");
        assert_eq!(RtpHeader::parse(&full, 1).unwrap().length, 28);
        assert_eq!(RtpHeader::parse(&full, 2), Err(Error::Malformed), "it reaches into the tag");
    }

    #[test]
    fn row_63_a_header_that_is_longer_than_its_packet() {
        let sources = hex("8f60 1234 00000001 cafebabe 00000002");
        let extension = hex("9060 1234 00000001 cafebabe bedeffff 00000000");
        let no_extension = hex("9060 1234 00000001 cafebabe bede00");
        let version = hex("4060 1234 00000001 cafebabe");
        for packet in [sources, extension, no_extension, version] {
            assert_eq!(RtpHeader::parse(&packet, 0), Err(Error::Malformed));
        }
    }

    proptest! {
        #[test]
        fn never_panics(packet in prop::collection::vec(any::<u8>(), 0..100), trailer in 0_usize..30) {
            if let Ok(header) = RtpHeader::parse(&packet, trailer) {
                prop_assert!(header.length + trailer <= packet.len());
            }
            let _ = rtcp_source(&packet, trailer);
        }
    }
}
