//! SACK (3): what has arrived, what is missing, how much room is left (RFC 9260 §3.3.4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 3    |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Cumulative TSN Ack                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Advertised Receiver Window Credit (a_rwnd)           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                              ...                              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                        Duplicate TSN 1                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                              ...                              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::count;
use nom::number::complete::{be_u16, be_u32};

use super::field::{ParseError, Parsed, field};
use super::{Body, ChunkType, Tsn};

/// A run of TSNs that arrived behind a hole: offsets from the Cumulative TSN Ack, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapBlock {
    /// Offset of the first TSN of the run.
    pub start: u16,
    /// Offset of the last TSN of the run. A peer may lie: less than `start`, or beyond all sent.
    pub end: u16,
}

/// A SACK chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sack {
    /// The last TSN up to which nothing is missing.
    pub cumulative_tsn: Tsn,
    /// Octets of room the receiver has left.
    pub a_rwnd: u32,
    /// What arrived behind holes.
    pub gaps: Vec<GapBlock>,
    /// What arrived again since the last SACK.
    pub duplicates: Vec<Tsn>,
}

impl Sack {
    /// Octets of the value without gaps and duplicates; each of these takes four more.
    pub const FIXED_LENGTH: usize = 12;

    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, cumulative_tsn) =
            field("Cumulative TSN Ack", map(be_u32, Tsn)).parse_complete(input)?;
        let (rest, a_rwnd) =
            field("Advertised Receiver Window Credit", be_u32).parse_complete(rest)?;
        let (rest, gap_count) = field("Number of Gap Ack Blocks", be_u16).parse_complete(rest)?;
        let (rest, duplicate_count) =
            field("Number of Duplicate TSNs", be_u16).parse_complete(rest)?;
        // The counts must agree with the length before anything is reserved for them.
        let needed = (usize::from(gap_count) + usize::from(duplicate_count)) * 4;
        if needed > rest.len() {
            return Err(nom::Err::Error(ParseError::forbidden(
                "Number of Gap Ack Blocks",
                rest.len(),
            )));
        }
        let (rest, gaps) = count(GapBlock::parse, gap_count.into()).parse_complete(rest)?;
        let duplicate = field("Duplicate TSN", map(be_u32, Tsn));
        let (rest, duplicates) = count(duplicate, duplicate_count.into()).parse_complete(rest)?;
        Ok((rest, Self { cumulative_tsn, a_rwnd, gaps, duplicates }))
    }
}

impl GapBlock {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, start) = field("Gap Ack Block Start", be_u16).parse_complete(input)?;
        let (rest, end) = field("Gap Ack Block End", be_u16).parse_complete(rest)?;
        Ok((rest, Self { start, end }))
    }
}

impl Body for Sack {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SACK
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.cumulative_tsn.0);
        out.put_u32(self.a_rwnd);
        // A packet cannot hold 65,536 of either.
        out.put_u16(u16::try_from(self.gaps.len()).unwrap_or(u16::MAX));
        out.put_u16(u16::try_from(self.duplicates.len()).unwrap_or(u16::MAX));
        for gap in &self.gaps {
            out.put_u16(gap.start);
            out.put_u16(gap.end);
        }
        for duplicate in &self.duplicates {
            out.put_u32(duplicate.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, testing};
    use super::*;

    fn any_sack() -> impl Strategy<Value = Sack> {
        let gaps = prop::collection::vec(any::<(u16, u16)>(), 0..6);
        let duplicates = prop::collection::vec(any::<u32>(), 0..6);
        (any::<(u32, u32)>(), gaps, duplicates).prop_map(|((tsn, a_rwnd), gaps, duplicates)| Sack {
            cumulative_tsn: Tsn(tsn),
            a_rwnd,
            gaps: gaps.into_iter().map(|(start, end)| GapBlock { start, end }).collect(),
            duplicates: duplicates.into_iter().map(Tsn).collect(),
        })
    }

    #[test]
    fn firefox_acknowledges() {
        testing::captured(
            "13881388a047f5ea77ba4972 03000010 97c2b70d 00e66666 0000 0000",
            Chunk::Sack(Sack {
                cumulative_tsn: Tsn(0x97c2_b70d),
                a_rwnd: 15_099_494,
                gaps: vec![],
                duplicates: vec![],
            }),
        );
    }

    #[test]
    fn row_73_counts_beyond_the_chunk_are_refused_before_memory_is_reserved() {
        for value in ["00000001 00000000 ffff ffff", "00000001 00000000 0001 0001 00020002"] {
            let value = testing::hex(value);
            let error = Sack::parse(&value).unwrap_err();
            assert!(error.to_string().contains("Number of Gap Ack Blocks"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(chunk in any_sack()) {
            testing::round_trip(Chunk::Sack(chunk));
        }

        #[test]
        fn never_panics(flags: u8, value in testing::octets(80)) {
            testing::never_panics(ChunkType::SACK, flags, value);
        }

        #[test]
        fn fields_tile_the_input(chunk in any_sack()) {
            testing::fields_tile_the_input(&Chunk::Sack(chunk));
        }
    }
}
