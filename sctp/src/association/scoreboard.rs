//! What the remote endpoint has received behind holes, and how often each hole was seen
//! (RFC 9260 §6.2.1, §7.2.4).
//!
//! ```text
//! cumulative            hole            hole
//! ────────────┤  1 miss  ├─────┤  3 misses  ├───────┤ not sent, or not heard of yet
//!                          range              range
//! ```
//!
//! All chunks of a hole went missing in the same SACKs, so a hole has one count of misses, kept
//! with the range behind it. A SACK is merged in time proportional to its gap blocks and the
//! ranges known, and never looks at the chunks inside a range a second time.
//!
//! DEVIATION RFC 9260 §7.2.4 (5): a chunk may be fast retransmitted again, once three SACKs have
//! newly acknowledged chunks that were first sent after its retransmission. The RFC leaves that
//! loss to the timer, which costs 400 ms and the congestion window.

/// Misses that make a chunk lost (RFC 9260 §7.2.4).
const MISSES: u8 = 3;

/// Ranges remembered. A SACK in a packet of ours has room for 290 gap blocks; what lies beyond is
/// heard of again when earlier holes are filled.
const MAX_RANGES: usize = 1024;

/// Positions from first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    span: Span,
    /// About the hole before this range.
    hole: Hole,
}

#[derive(Debug, Clone, Copy, Default)]
struct Hole {
    misses: u8,
    /// Only chunks behind this one tell anything: it was the last one sent when the hole's chunks
    /// were retransmitted. 0: they were not.
    sent_before: u64,
}

/// Acknowledged ranges above the cumulative TSN, in order, with holes between them.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    ranges: Vec<Range>,
}

impl Scoreboard {
    /// Forgets what the cumulative TSN covers now.
    pub(crate) fn advance(&mut self, cumulative: u64) {
        let covered = self.ranges.partition_point(|range| range.span.last <= cumulative);
        self.ranges.drain(..covered);
        // A range that the cumulative TSN entered halfway: gap blocks and cumulative TSN of one
        // receiver never do that, a liar's may.
        if let Some(range) = self.ranges.first_mut() {
            range.span.first = range.span.first.max(cumulative.saturating_add(1));
        }
    }

    /// Forgets everything: the next SACK tells it again.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    /// The last position of the range that holds `position`.
    #[cfg(test)]
    fn end_of_range(&self, position: u64) -> Option<u64> {
        let at = self.ranges.partition_point(|range| range.span.last < position);
        self.ranges
            .get(at)
            .filter(|range| range.span.first <= position)
            .map(|range| range.span.last)
    }

    /// Adds the gap blocks of a SACK, which are in order and do not touch each other. Appends to
    /// `fresh` what no SACK acknowledged before.
    pub(crate) fn merge(&mut self, blocks: &[Span], fresh: &mut Vec<Span>) {
        if blocks.is_empty() {
            return;
        }
        let old = std::mem::take(&mut self.ranges);
        let mut merged: Vec<Range> = Vec::with_capacity(old.len().max(blocks.len()));
        let mut known = old.iter().copied().peekable();
        let mut blocks = blocks.iter().copied().peekable();
        loop {
            // Whichever begins first goes first; a known range before an equal block.
            let block_first = match (known.peek(), blocks.peek()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(range), Some(block)) => block.first < range.span.first,
            };
            if !block_first {
                if let Some(range) = known.next() {
                    append(&mut merged, range);
                }
                continue;
            }
            let Some(block) = blocks.next() else { break };
            // The hole this block lies in is the one before the next known range.
            let hole = known.peek().map(|range| range.hole).unwrap_or_default();
            let mut first = block.first;
            if let Some(before) = merged.last() {
                first = first.max(before.span.last.saturating_add(1));
            }
            // Known ranges inside the block split what is new.
            while let Some(range) = known.next_if(|range| range.span.first <= block.last) {
                if first < range.span.first {
                    let span = Span { first, last: range.span.first.saturating_sub(1) };
                    fresh.push(span);
                    append(&mut merged, Range { span, hole });
                }
                first = first.max(range.span.last.saturating_add(1));
                append(&mut merged, range);
            }
            if first <= block.last {
                let span = Span { first, last: block.last };
                fresh.push(span);
                append(&mut merged, Range { span, hole });
            }
        }
        merged.truncate(MAX_RANGES);
        self.ranges = merged;
    }

    /// Counts a miss for each hole before `highest`, the highest TSN newly acknowledged, or for
    /// all holes if `all` (Fast Recovery, and the cumulative TSN moved). Appends to `lost` the
    /// holes that have three; `last_sent` is the last position sent so far.
    pub(crate) fn count_misses(
        &mut self,
        cumulative: u64,
        highest: u64,
        all: bool,
        last_sent: u64,
        lost: &mut Vec<Span>,
    ) {
        let mut before = cumulative;
        for range in &mut self.ranges {
            let counts = range.span.first <= highest || all;
            let (first, last) = (before.saturating_add(1), range.span.first.saturating_sub(1));
            before = range.span.last;
            if !counts || first > last || highest <= range.hole.sent_before {
                continue;
            }
            range.hole.misses = range.hole.misses.saturating_add(1);
            if range.hole.misses >= MISSES {
                range.hole = Hole { misses: 0, sent_before: last_sent };
                lost.push(Span { first, last });
            }
        }
    }
}

/// Appends a range, joined with the last one if they touch.
fn append(ranges: &mut Vec<Range>, range: Range) {
    match ranges.last_mut() {
        Some(before) if range.span.first <= before.span.last.saturating_add(1) => {
            before.span.last = before.span.last.max(range.span.last);
        }
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span { first, last }
    }

    fn merge(scoreboard: &mut Scoreboard, blocks: &[Span]) -> Vec<Span> {
        let mut fresh = Vec::new();
        scoreboard.merge(blocks, &mut fresh);
        fresh
    }

    fn misses(scoreboard: &mut Scoreboard, highest: u64, last_sent: u64) -> Vec<Span> {
        let mut lost = Vec::new();
        scoreboard.count_misses(0, highest, false, last_sent, &mut lost);
        lost
    }

    #[test]
    fn only_what_is_new_is_fresh() {
        let mut scoreboard = Scoreboard::default();
        assert_eq!(merge(&mut scoreboard, &[span(3, 4)]), [span(3, 4)]);
        assert_eq!(merge(&mut scoreboard, &[span(3, 6)]), [span(5, 6)]);
        assert_eq!(merge(&mut scoreboard, &[span(2, 8)]), [span(2, 2), span(7, 8)]);
        assert_eq!(merge(&mut scoreboard, &[span(2, 8)]), []);
        assert_eq!(scoreboard.end_of_range(5), Some(8));
    }

    #[test]
    fn the_third_miss_is_a_loss_rfc_9260_section_7_2_4() {
        let mut scoreboard = Scoreboard::default();
        for (position, expected) in [(2, vec![]), (3, vec![]), (4, vec![span(1, 1)])] {
            merge(&mut scoreboard, &[span(2, position)]);
            assert_eq!(misses(&mut scoreboard, position, 10), expected);
        }
        // Nothing first sent after the retransmission was acknowledged yet.
        for position in 5..=10 {
            merge(&mut scoreboard, &[span(2, position)]);
            assert_eq!(misses(&mut scoreboard, position, 13), []);
        }
        for (position, expected) in [(11, vec![]), (12, vec![]), (13, vec![span(1, 1)])] {
            merge(&mut scoreboard, &[span(2, position)]);
            assert_eq!(misses(&mut scoreboard, position, 13), expected);
        }
    }

    #[test]
    fn holes_beyond_the_highest_newly_acknowledged_do_not_count() {
        let mut scoreboard = Scoreboard::default();
        merge(&mut scoreboard, &[span(2, 2), span(10, 10)]);
        misses(&mut scoreboard, 10, 20);
        merge(&mut scoreboard, &[span(2, 3), span(10, 10)]);
        assert_eq!(misses(&mut scoreboard, 3, 20), []);
        merge(&mut scoreboard, &[span(2, 4), span(10, 10)]);
        assert_eq!(misses(&mut scoreboard, 4, 20), [span(1, 1)], "the hole 5..=9 had one miss");
    }

    #[test]
    fn row_73_thousands_of_ranges_stay_bounded() {
        let mut scoreboard = Scoreboard::default();
        let blocks: Vec<Span> = (1..16_000).map(|i| span(i * 2, i * 2)).collect();
        merge(&mut scoreboard, &blocks);
        assert!(scoreboard.ranges.len() <= MAX_RANGES);
    }

    proptest! {
        /// The scoreboard is a set of positions.
        #[test]
        fn equals_a_set(sacks in prop::collection::vec(
            (prop::collection::btree_set(1u64..60, 0..20), 0u64..10), 1..20)
        ) {
            let mut scoreboard = Scoreboard::default();
            let mut set = BTreeSet::new();
            let mut cumulative = 0;
            for (positions, step) in sacks {
                cumulative += step;
                scoreboard.advance(cumulative);
                set.retain(|&position| position > cumulative);
                let mut blocks: Vec<Span> = Vec::new();
                for &position in positions.iter().filter(|&&position| position > cumulative) {
                    match blocks.last_mut() {
                        Some(block) if block.last + 1 == position => block.last = position,
                        _ => blocks.push(span(position, position)),
                    }
                }
                let fresh = merge(&mut scoreboard, &blocks);
                for position in fresh.iter().flat_map(|span| span.first..=span.last) {
                    prop_assert!(set.insert(position), "{position} was known");
                }
                set.extend(positions.into_iter().filter(|&position| position > cumulative));
                let known: BTreeSet<u64> = scoreboard.ranges.iter()
                    .flat_map(|range| range.span.first..=range.span.last).collect();
                prop_assert_eq!(&known, &set);
                for pair in scoreboard.ranges.windows(2) {
                    prop_assert!(pair[0].span.last + 1 < pair[1].span.first);
                }
            }
        }
    }
}
