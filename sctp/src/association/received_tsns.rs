//! Which TSNs have arrived, and when to say so (RFC 9260 §6.2, §6.7).
//!
//! TSNs are kept as positions: 64-bit counts since the association began, which do not wrap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::wire::{GapBlock, Sack, Tsn};

/// Positions above the cumulative TSN that are accepted: gap blocks reach no further.
const MAX_AHEAD: u64 = 65_535;

/// Holes remembered. A chunk that would open one more is dropped, as if the network had lost it.
const MAX_RANGES: usize = 1024;

/// Duplicates reported in one SACK. They only help the remote endpoint's statistics.
const MAX_DUPLICATES: usize = 16;

/// What to do with a DATA chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was received before.
    Duplicate,
    /// It lies too far ahead or would open one hole too many.
    Unmanageable,
    /// The one awaited next.
    Next(u64),
    /// Behind a hole, or inside one.
    Early(u64),
}

/// When a SACK is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SackDue {
    Not,
    /// It waits for a second packet, or for this moment.
    Delayed(Instant),
    Now,
}

/// Received TSNs and the SACK to be sent.
#[derive(Debug)]
pub(crate) struct ReceivedTsns {
    /// The TSN at position 0.
    origin: Tsn,
    cumulative: u64,
    /// First and last of each range that arrived behind a hole, in order.
    ranges: VecDeque<(u64, u64)>,
    duplicates: Vec<Tsn>,
    due: SackDue,
    /// Packets with DATA since the last SACK.
    packets: u32,
    /// Whether any SACK was sent: the first chunk is acknowledged at once.
    greeted: bool,
}

impl ReceivedTsns {
    pub(crate) fn new(initial_tsn: Tsn) -> Self {
        Self {
            origin: initial_tsn.previous(),
            cumulative: 0,
            ranges: VecDeque::new(),
            duplicates: Vec::new(),
            due: SackDue::Not,
            packets: 0,
            greeted: false,
        }
    }

    /// Position of the cumulative TSN.
    pub(crate) fn cumulative(&self) -> u64 {
        self.cumulative
    }

    pub(crate) fn cumulative_tsn(&self) -> Tsn {
        #[expect(clippy::cast_possible_truncation, reason = "TSNs are positions modulo 2^32")]
        self.origin.advance(self.cumulative as u32)
    }

    /// The position of a TSN at or after the cumulative TSN; `None`: it is before.
    pub(crate) fn position(&self, tsn: Tsn) -> Option<u64> {
        let cumulative = self.cumulative_tsn();
        (tsn >= cumulative).then(|| self.cumulative.saturating_add(tsn.since(cumulative).into()))
    }

    /// What to do with a chunk; changes nothing but the list of duplicates.
    pub(crate) fn arrival(&mut self, tsn: Tsn) -> Arrival {
        let Some(position) = self.position(tsn).filter(|&position| position > self.cumulative)
        else {
            return self.duplicate(tsn);
        };
        if position.saturating_sub(self.cumulative) > MAX_AHEAD {
            return Arrival::Unmanageable;
        }
        if position == self.cumulative.saturating_add(1) {
            return Arrival::Next(position);
        }
        let after = self.ranges.partition_point(|&(_, last)| last < position);
        let Some(&(first, _)) = self.ranges.get(after) else {
            let joins = self.ranges.back().is_some_and(|&(_, last)| last + 1 == position);
            return match joins || self.ranges.len() < MAX_RANGES {
                true => Arrival::Early(position),
                false => Arrival::Unmanageable,
            };
        };
        if first <= position {
            return self.duplicate(tsn);
        }
        let before = after.checked_sub(1).and_then(|before| self.ranges.get(before));
        let joins = first == position + 1 || before.is_some_and(|&(_, last)| last + 1 == position);
        match joins || self.ranges.len() < MAX_RANGES {
            true => Arrival::Early(position),
            false => Arrival::Unmanageable,
        }
    }

    /// Whether nothing behind this position has arrived.
    pub(crate) fn is_highest(&self, position: u64) -> bool {
        self.ranges.back().is_none_or(|&(_, last)| last < position)
    }

    fn duplicate(&mut self, tsn: Tsn) -> Arrival {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
        Arrival::Duplicate
    }

    /// A chunk was taken.
    pub(crate) fn record(&mut self, position: u64) {
        if position == self.cumulative.saturating_add(1) {
            self.cumulative = position;
            self.absorb();
            return;
        }
        let after = self.ranges.partition_point(|&(_, last)| last < position);
        let joins_after = self.ranges.get(after).is_some_and(|&(first, _)| first == position + 1);
        let before = after.checked_sub(1);
        let last_before = before.and_then(|before| self.ranges.get(before)).map(|&(_, last)| last);
        match (before.filter(|_| last_before.is_some_and(|last| last + 1 == position)), joins_after)
        {
            (Some(before), true) => {
                if let Some((_, last)) = self.ranges.remove(after)
                    && let Some(range) = self.ranges.get_mut(before)
                {
                    range.1 = last;
                }
            }
            (Some(before), false) => {
                if let Some(range) = self.ranges.get_mut(before) {
                    range.1 = position;
                }
            }
            (None, true) => {
                if let Some(range) = self.ranges.get_mut(after) {
                    range.0 = position;
                }
            }
            (None, false) => self.ranges.insert(after, (position, position)),
        }
    }

    /// A FORWARD-TSN: everything up to `position` counts as received.
    pub(crate) fn forward(&mut self, position: u64) {
        self.cumulative = self.cumulative.max(position);
        while self.ranges.front().is_some_and(|&(_, last)| last <= position) {
            self.ranges.pop_front();
        }
        self.absorb();
    }

    /// Ranges that touch the cumulative TSN belong to it.
    fn absorb(&mut self) {
        while let Some(&(first, last)) = self.ranges.front()
            && first <= self.cumulative.saturating_add(1)
        {
            self.cumulative = self.cumulative.max(last);
            self.ranges.pop_front();
        }
    }

    /// A packet with DATA has been taken in. RFC 9260 §6.2: acknowledge every second packet, or
    /// one after `delay`; §6.7: at once while there are holes.
    pub(crate) fn packet_arrived(&mut self, now: Instant, delay: Duration) {
        self.packets = self.packets.saturating_add(1);
        let at_once = self.packets >= 2
            || !self.greeted
            || !self.ranges.is_empty()
            || !self.duplicates.is_empty();
        match self.due {
            _ if at_once => self.due = SackDue::Now,
            SackDue::Not => self.due = SackDue::Delayed(now + delay),
            SackDue::Delayed(_) | SackDue::Now => {}
        }
    }

    /// A SACK shall go out as soon as possible.
    pub(crate) fn sack_now(&mut self) {
        self.due = SackDue::Now;
    }

    /// Whether a SACK must be sent now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match self.due {
            SackDue::Not => false,
            SackDue::Delayed(deadline) => now >= deadline,
            SackDue::Now => true,
        }
    }

    /// Whether a SACK would be welcome in a packet that goes out anyway.
    pub(crate) fn is_pending(&self) -> bool {
        self.due != SackDue::Not
    }

    /// When a delayed SACK becomes due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.due {
            SackDue::Delayed(deadline) => Some(deadline),
            SackDue::Not | SackDue::Now => None,
        }
    }

    /// The SACK, with as many gap blocks and duplicates as `room` octets hold.
    pub(crate) fn sack(&mut self, a_rwnd: u32, room: usize) -> Sack {
        self.due = SackDue::Not;
        self.packets = 0;
        self.greeted = true;
        let entries = room / 4;
        let offset = |position: u64| {
            u16::try_from(position.saturating_sub(self.cumulative)).unwrap_or(u16::MAX)
        };
        let gaps: Vec<GapBlock> = self
            .ranges
            .iter()
            .take(entries)
            .map(|&(first, last)| GapBlock { start: offset(first), end: offset(last) })
            .collect();
        let mut duplicates = std::mem::take(&mut self.duplicates);
        duplicates.truncate(entries.saturating_sub(gaps.len()));
        Sack { cumulative_tsn: self.cumulative_tsn(), a_rwnd, gaps, duplicates }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn take(tsns: &mut ReceivedTsns, tsn: u32) -> Arrival {
        let arrival = tsns.arrival(Tsn(tsn));
        if let Arrival::Next(position) | Arrival::Early(position) = arrival {
            tsns.record(position);
        }
        arrival
    }

    #[test]
    fn gaps_and_duplicates_across_the_wrap() {
        let mut tsns = ReceivedTsns::new(Tsn(u32::MAX));
        assert_eq!(take(&mut tsns, u32::MAX), Arrival::Next(1));
        assert!(matches!(take(&mut tsns, 1), Arrival::Early(_)));
        assert!(matches!(take(&mut tsns, 4), Arrival::Early(_)));
        assert!(matches!(take(&mut tsns, 2), Arrival::Early(_)));
        assert_eq!(take(&mut tsns, 1), Arrival::Duplicate);
        assert_eq!(take(&mut tsns, u32::MAX - 7), Arrival::Duplicate);
        let sack = tsns.sack(1000, 100);
        assert_eq!(sack.cumulative_tsn, Tsn(u32::MAX));
        assert_eq!(sack.gaps, [GapBlock { start: 2, end: 3 }, GapBlock { start: 5, end: 5 }]);
        assert_eq!(sack.duplicates, [Tsn(1), Tsn(u32::MAX - 7)]);
        take(&mut tsns, 0);
        assert_eq!(tsns.cumulative_tsn(), Tsn(2));
    }

    #[test]
    fn row_72_a_tsn_far_ahead_is_dropped() {
        let mut tsns = ReceivedTsns::new(Tsn(1));
        assert_eq!(take(&mut tsns, 65_537), Arrival::Unmanageable);
        assert_eq!(take(&mut tsns, 1 << 30), Arrival::Unmanageable);
        for tsn in (3..65_535).step_by(2) {
            take(&mut tsns, tsn);
        }
        assert_eq!(tsns.ranges.len(), MAX_RANGES);
        for _ in 0..1000 {
            take(&mut tsns, 3);
        }
        let sack = tsns.sack(0, 1000);
        assert_eq!(sack.gaps.len() + sack.duplicates.len(), 250);
    }

    #[test]
    fn every_second_packet_is_acknowledged_rfc_9260_section_6_2() {
        let now = Instant::now();
        let delay = Duration::from_millis(50);
        let mut tsns = ReceivedTsns::new(Tsn(1));
        take(&mut tsns, 1);
        tsns.packet_arrived(now, delay);
        assert!(tsns.is_due(now), "the very first at once");
        tsns.sack(0, 0);
        take(&mut tsns, 2);
        tsns.packet_arrived(now, delay);
        assert!(!tsns.is_due(now) && tsns.is_due(now + delay));
        take(&mut tsns, 3);
        tsns.packet_arrived(now, delay);
        assert!(tsns.is_due(now));
        tsns.sack(0, 0);
        take(&mut tsns, 5);
        tsns.packet_arrived(now, delay);
        assert!(tsns.is_due(now), "at once while there is a hole");
    }

    proptest! {
        /// The tracker is a set of TSNs.
        #[test]
        fn equals_a_set(start: u32, offsets in prop::collection::vec(0u32..50, 0..200)) {
            let mut tsns = ReceivedTsns::new(Tsn(start));
            let mut set = BTreeSet::new();
            for offset in offsets {
                let arrival = take(&mut tsns, start.wrapping_add(offset));
                prop_assert_eq!(arrival == Arrival::Duplicate, !set.insert(offset));
                let cumulative = (0..).take_while(|offset| set.contains(offset)).count();
                prop_assert_eq!(tsns.cumulative, cumulative as u64);
                let beyond: u64 = tsns.ranges.iter()
                    .map(|&(first, last)| last - first + 1).sum();
                prop_assert_eq!(beyond + cumulative as u64, set.len() as u64);
            }
        }
    }
}
