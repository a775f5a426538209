//! SHUTDOWN ACK (8): neither have I (RFC 9260 §3.3.9). A header and nothing else.

use bytes::BytesMut;

use super::{Body, ChunkType};

/// A SHUTDOWN ACK chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownAck;

impl Body for ShutdownAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN_ACK
    }

    fn write(&self, _: &mut BytesMut) {}
}
