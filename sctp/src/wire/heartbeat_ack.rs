//! HEARTBEAT ACK (5): I am, and this is what you said (RFC 9260 §3.3.6).
//!
//! The format is that of HEARTBEAT with type 5; the information is the one received.

use bytes::{Bytes, BytesMut};

use super::field::Parsed;
use super::heartbeat::{parse_information, write_information};
use super::{Body, ChunkType};

/// A HEARTBEAT ACK chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatAck {
    /// What the HEARTBEAT carried.
    pub information: Bytes,
}

impl HeartbeatAck {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, information) = parse_information(packet, input)?;
        Ok((rest, Self { information }))
    }
}

impl Body for HeartbeatAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::HEARTBEAT_ACK
    }

    fn write(&self, out: &mut BytesMut) {
        write_information(&self.information, out);
    }
}
