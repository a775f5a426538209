//! ABORT (6): the association is over, at once (RFC 9260 §3.3.7).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 6    |  Reserved   |T|            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                   zero or more Error Causes                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;

use super::cause;
use super::field::{Parsed, bit};
use super::{Body, Cause, ChunkType};

/// An ABORT chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// T: the sender knew no tag of the receiver's, so the packet carries the tag that the packet
    /// it answers carried (RFC 9260 §8.5.1).
    pub tag_reflected: bool,
    /// Why; may be empty.
    pub causes: Vec<Cause>,
}

impl Abort {
    pub(crate) fn parse<'a>(packet: &Bytes, flags: &[u8], input: &'a [u8]) -> Parsed<'a, Self> {
        let tag_reflected = bit("T", 0, flags);
        map(|input| cause::parse_all(packet, input), |causes| Self { tag_reflected, causes })
            .parse_complete(input)
    }
}

impl Body for Abort {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::ABORT
    }

    fn flags(&self) -> u8 {
        u8::from(self.tag_reflected)
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

    fn any_abort() -> impl Strategy<Value = Abort> {
        (any::<bool>(), any_causes())
            .prop_map(|(tag_reflected, causes)| Abort { tag_reflected, causes })
    }

    #[test]
    fn chromium_aborts_when_the_page_closes_the_connection() {
        testing::captured(
            "138813886ad9e94a686be102 06000014 000c0010 436c6f73652063616c6c6564",
            Chunk::Abort(Abort {
                tag_reflected: false,
                causes: vec![Cause::user_initiated_abort("Close called")],
            }),
        );
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_abort()) {
            testing::round_trip(Chunk::Abort(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::ABORT, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_abort()) {
            testing::fields_tile_the_input(&Chunk::Abort(chunk));
        }
    }
}
