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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    #[test]
    fn firefox_acknowledges_the_cookie() {
        testing::captured("138813883447230f2ed40677 0b000004", Chunk::CookieAck(CookieAck));
    }

    proptest! {
        #[test]
        fn round_trip(chunk in Just(CookieAck)) {
            testing::round_trip(Chunk::CookieAck(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(8)) {
            testing::never_panics(ChunkType::COOKIE_ACK, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in Just(CookieAck)) {
            testing::fields_tile_the_input(&Chunk::CookieAck(chunk));
        }
    }
}
