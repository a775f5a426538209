//! FORWARD-TSN (192): do not wait for these, they will not come (RFC 3758 §3.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type = 192   |  Flags = 0x00 |        Length = Variable      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      New Cumulative TSN                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Stream-1            |       Stream Sequence-1       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                              ...                              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::many0;
use nom::number::complete::{be_u16, be_u32};

use super::field::{Parsed, field};
use super::{Body, ChunkType, Ssn, StreamId, Tsn};

/// In one stream, the last ordered message that is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedStream {
    /// The stream.
    pub stream: StreamId,
    /// The largest number skipped; the next one is deliverable.
    pub ssn: Ssn,
}

/// A FORWARD-TSN chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTsn {
    /// Everything up to this TSN counts as received.
    pub new_cumulative_tsn: Tsn,
    /// The streams with skipped ordered messages.
    pub streams: Vec<SkippedStream>,
}

impl ForwardTsn {
    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, new_cumulative_tsn) =
            field("New Cumulative TSN", map(be_u32, Tsn)).parse_complete(input)?;
        let (rest, streams) = many0(SkippedStream::parse).parse_complete(rest)?;
        Ok((rest, Self { new_cumulative_tsn, streams }))
    }
}

impl SkippedStream {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, stream) = field("Stream", map(be_u16, StreamId)).parse_complete(input)?;
        let (rest, ssn) = field("Stream Sequence", map(be_u16, Ssn)).parse_complete(rest)?;
        Ok((rest, Self { stream, ssn }))
    }
}

impl Body for ForwardTsn {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::FORWARD_TSN
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.new_cumulative_tsn.0);
        for skipped in &self.streams {
            out.put_u16(skipped.stream.0);
            out.put_u16(skipped.ssn.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_forward_tsn() -> impl Strategy<Value = ForwardTsn> {
        (any::<u32>(), prop::collection::vec(any::<(u16, u16)>(), 0..8)).prop_map(
            |(tsn, streams)| ForwardTsn {
                new_cumulative_tsn: Tsn(tsn),
                streams: streams
                    .into_iter()
                    .map(|(stream, ssn)| SkippedStream { stream: StreamId(stream), ssn: Ssn(ssn) })
                    .collect(),
            },
        )
    }

    #[test]
    fn half_a_stream_entry_is_refused() {
        let packet = testing::packet_of(&super::super::UnknownChunk {
            chunk_type: ChunkType::FORWARD_TSN,
            flags: 0,
            value: testing::hex("00000001 00010002 0003"),
        });
        assert!(super::super::Packet::parse(&packet).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_forward_tsn()) {
            testing::round_trip(Chunk::ForwardTsn(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::FORWARD_TSN, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_forward_tsn()) {
            testing::fields_tile_the_input(&Chunk::ForwardTsn(chunk));
        }
    }
}
