//! The RTP packet, RFC 3550 §5.1, with its header extensions, RFC 8285.

use bytes::{Bytes, BytesMut};

use super::ParseError;
use super::identifier::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

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
    /// Reads a packet.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    pub fn parse(octets: &Bytes) -> Result<Self, ParseError> {
        let _ = octets;
        Err(ParseError { field: "version", kind: nom::error::ErrorKind::Verify, left: 0 })
    }

    /// Writes the packet.
    pub fn write(&self, out: &mut BytesMut) {
        let _ = out;
    }
}

/// The header extensions of a packet, RFC 8285: small values under agreed ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {}

impl Extensions {
    /// The value under `id`, of the first element that has it.
    #[must_use]
    pub fn get(&self, id: u8) -> Option<&[u8]> {
        let _ = id;
        None
    }

    /// Puts a value of at most 255 octets under `id` (1 to 255), replacing what was there.
    pub fn set(&mut self, id: u8, value: &[u8]) {
        let _ = (id, value);
    }
}
