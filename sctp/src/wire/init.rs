//! INIT (1): the wish for an association, and what the sender can take (RFC 9260 §3.3.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 1    |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Initiate Tag                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Advertised Receiver Window Credit (a_rwnd)          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Number of Outbound Streams   |   Number of Inbound Streams   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Initial TSN                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \              Optional/Variable-Length Parameters              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u16, be_u32};

use super::field::{Parsed, field};
use super::parameter;
use super::{Body, ChunkType, Parameter, Tsn, VerificationTag};

/// An INIT chunk. Whether its values are acceptable (tag 0, no streams) is for the association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// The tag that every packet to the sender must carry from now on.
    pub initiate_tag: VerificationTag,
    /// Octets the sender has room for.
    pub a_rwnd: u32,
    /// Streams the sender wants to send on.
    pub outbound_streams: u16,
    /// Streams the sender accepts at most.
    pub inbound_streams: u16,
    /// The TSN of the sender's first DATA chunk.
    pub initial_tsn: Tsn,
    /// The rest, in order.
    pub parameters: Vec<Parameter>,
}

impl Init {
    pub(crate) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, initiate_tag) =
            field("Initiate Tag", map(be_u32, VerificationTag)).parse_complete(input)?;
        let (rest, a_rwnd) =
            field("Advertised Receiver Window Credit", be_u32).parse_complete(rest)?;
        let (rest, outbound_streams) =
            field("Number of Outbound Streams", be_u16).parse_complete(rest)?;
        let (rest, inbound_streams) =
            field("Number of Inbound Streams", be_u16).parse_complete(rest)?;
        let (rest, initial_tsn) = field("Initial TSN", map(be_u32, Tsn)).parse_complete(rest)?;
        let (rest, parameters) = parameter::parse_all(packet, rest)?;
        let init = Self {
            initiate_tag,
            a_rwnd,
            outbound_streams,
            inbound_streams,
            initial_tsn,
            parameters,
        };
        Ok((rest, init))
    }
}

impl Body for Init {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::INIT
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.initiate_tag.0);
        out.put_u32(self.a_rwnd);
        out.put_u16(self.outbound_streams);
        out.put_u16(self.inbound_streams);
        out.put_u32(self.initial_tsn.0);
        parameter::write_all(&self.parameters, out);
    }
}
