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
        map(
            |input| cause::parse_all(packet, input),
            |causes| Self { tag_reflected, causes },
        )
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
