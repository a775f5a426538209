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

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::parameter::tests::any_parameters;
    use super::super::{Chunk, testing};
    use super::*;

    pub(in super::super) fn any_init() -> impl Strategy<Value = Init> {
        (any::<(u32, u32, u16, u16, u32)>(), any_parameters()).prop_map(
            |((tag, a_rwnd, outbound_streams, inbound_streams, tsn), parameters)| Init {
                initiate_tag: VerificationTag(tag),
                a_rwnd,
                outbound_streams,
                inbound_streams,
                initial_tsn: Tsn(tsn),
                parameters,
            },
        )
    }

    /// Its length is 30: two octets of padding follow outside of it.
    #[test]
    fn trap_init_length_is_no_multiple_of_four() {
        testing::captured(
            "1388138800000000a1b6623d 0100001e a047f5ea 00500000 ffff ffff 97c2b70d \
             c0000004 80080006 82c0 0000",
            Chunk::Init(Init {
                initiate_tag: VerificationTag(0xa047_f5ea),
                a_rwnd: 5_242_880,
                outbound_streams: 65_535,
                inbound_streams: 65_535,
                initial_tsn: Tsn(0x97c2_b70d),
                parameters: vec![
                    Parameter::ForwardTsnSupported,
                    Parameter::SupportedExtensions(vec![
                        ChunkType::RE_CONFIG,
                        ChunkType::FORWARD_TSN,
                    ]),
                ],
            }),
        );
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_init()) {
            testing::round_trip(Chunk::Init(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::INIT, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_init()) {
            testing::fields_tile_the_input(&Chunk::Init(chunk));
        }
    }
}
