//! SHUTDOWN (7): I have no more to send (RFC 9260 §3.3.8).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 7    |  Chunk Flags  |          Length = 8           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Cumulative TSN Ack                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::be_u32;

use super::field::{Parsed, field};
use super::{Body, ChunkType, Tsn};

/// A SHUTDOWN chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// The last TSN received up to which nothing is missing.
    pub cumulative_tsn: Tsn,
}

impl Shutdown {
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        map(field("Cumulative TSN Ack", map(be_u32, Tsn)), |cumulative_tsn| Self { cumulative_tsn })
            .parse_complete(input)
    }
}

impl Body for Shutdown {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.cumulative_tsn.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_shutdown() -> impl Strategy<Value = Shutdown> {
        any::<u32>().prop_map(|tsn| Shutdown { cumulative_tsn: Tsn(tsn) })
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_shutdown()) {
            testing::round_trip(Chunk::Shutdown(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(12)) {
            testing::never_panics(ChunkType::SHUTDOWN, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_shutdown()) {
            testing::fields_tile_the_input(&Chunk::Shutdown(chunk));
        }
    }
}
