//! SHUTDOWN COMPLETE (14): then it is over (RFC 9260 §3.3.13). A header with one flag.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 14   |  Reserved   |T|          Length = 4           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::BytesMut;

use super::field::bit;
use super::{Body, ChunkType};

/// A SHUTDOWN COMPLETE chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownComplete {
    /// T: the sender had no association, the tag is the one it was sent (RFC 9260 §8.5.1).
    pub tag_reflected: bool,
}

impl ShutdownComplete {
    pub(crate) fn parse(flags: &[u8]) -> Self {
        Self { tag_reflected: bit("T", 0, flags) }
    }
}

impl Body for ShutdownComplete {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN_COMPLETE
    }

    fn flags(&self) -> u8 {
        u8::from(self.tag_reflected)
    }

    fn write(&self, _: &mut BytesMut) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_shutdown_complete() -> impl Strategy<Value = ShutdownComplete> {
        any::<bool>().prop_map(|tag_reflected| ShutdownComplete { tag_reflected })
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_shutdown_complete()) {
            testing::round_trip(Chunk::ShutdownComplete(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(8)) {
            testing::never_panics(ChunkType::SHUTDOWN_COMPLETE, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_shutdown_complete()) {
            testing::fields_tile_the_input(&Chunk::ShutdownComplete(chunk));
        }
    }
}
