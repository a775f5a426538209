//! COOKIE ECHO (10): the cookie of the INIT ACK, back to its maker (RFC 9260 §3.3.11).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 10   |  Chunk Flags  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                            Cookie                             \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{Bytes, BytesMut};
use nom::Parser;

use super::field::{Parsed, field, remainder};
use super::{Body, ChunkType};

/// A COOKIE ECHO chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieEcho {
    /// The value of the State Cookie parameter, exactly.
    pub cookie: Bytes,
}

impl CookieEcho {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, cookie) = field("Cookie", remainder(packet)).parse_complete(input)?;
        Ok((rest, Self { cookie }))
    }
}

impl Body for CookieEcho {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::COOKIE_ECHO
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.cookie);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_cookie_echo() -> impl Strategy<Value = CookieEcho> {
        testing::octets(80).prop_map(|cookie| CookieEcho { cookie })
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_cookie_echo()) {
            testing::round_trip(Chunk::CookieEcho(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::COOKIE_ECHO, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_cookie_echo()) {
            testing::fields_tile_the_input(&Chunk::CookieEcho(chunk));
        }
    }
}
