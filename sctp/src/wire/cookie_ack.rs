//! COOKIE ACK (11): the association is established (RFC 9260 §3.3.12). A header and nothing else.

use bytes::BytesMut;

use super::{Body, ChunkType};

/// A COOKIE ACK chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieAck;

impl Body for CookieAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::COOKIE_ACK
    }

    fn write(&self, _: &mut BytesMut) {}
}
