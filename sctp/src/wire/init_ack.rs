//! INIT ACK (2): the answer to an INIT, with the cookie (RFC 9260 §3.3.3).
//!
//! The format is that of INIT with type 2. A State Cookie parameter is mandatory, and parameters
//! of the INIT that were not understood come back in Unrecognized Parameter.

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;

use super::field::Parsed;
use super::{Body, ChunkType, Init, Parameter};

/// An INIT ACK chunk: the same fields as an [`Init`], told by the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitAck(pub Init);

impl InitAck {
    /// The cookie to be echoed, if there is one.
    #[must_use]
    pub fn state_cookie(&self) -> Option<&Bytes> {
        self.0.parameters.iter().find_map(|parameter| match parameter {
            Parameter::StateCookie(cookie) => Some(cookie),
            _ => None,
        })
    }

    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        map(|input| Init::parse(packet, input), Self).parse_complete(input)
    }
}

impl Body for InitAck {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::INIT_ACK
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}
