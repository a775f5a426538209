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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    proptest! {
        #[test]
        fn round_trip(chunk in Just(ShutdownAck)) {
            testing::round_trip(Chunk::ShutdownAck(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(8)) {
            testing::never_panics(ChunkType::SHUTDOWN_ACK, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in Just(ShutdownAck)) {
            testing::fields_tile_the_input(&Chunk::ShutdownAck(chunk));
        }
    }
}
