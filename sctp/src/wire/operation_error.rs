//! ERROR (9): something was wrong, but the association lives (RFC 9260 §3.3.10).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 9    |  Chunk Flags  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                   one or more Error Causes                    \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;

use super::cause;
use super::field::Parsed;
use super::{Body, Cause, ChunkType};

/// An ERROR chunk (Operation Error).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationError {
    /// What was wrong.
    pub causes: Vec<Cause>,
}

impl OperationError {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        map(|input| cause::parse_all(packet, input), |causes| Self { causes }).parse_complete(input)
    }
}

impl Body for OperationError {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::ERROR
    }

    fn write(&self, out: &mut BytesMut) {
        cause::write_all(&self.causes, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cause::tests::any_causes;
    use super::super::{Chunk, testing};
    use super::*;

    fn any_error() -> impl Strategy<Value = OperationError> {
        any_causes().prop_map(|causes| OperationError { causes })
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_error()) {
            testing::round_trip(Chunk::Error(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::ERROR, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_error()) {
            testing::fields_tile_the_input(&Chunk::Error(chunk));
        }
    }
}
