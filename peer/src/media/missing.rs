//! The packets of a source that have not come: when to ask for them, and when to stop.
//!
//! RFC 4585 §6.2.1 (generic NACK).
//!
//! ```text
//!   noticed ──10 ms──► asked ──1 round trip──► asked … 10 times, or a second ──► given up
//!      │ it came late     │ it came, or its repair
//!      └──────────────────┴──► found
//! ```
//!
//! Numbers are missing on streams without NACK, too: what is found here is late, what is not is a
//! duplicate.
//! Book: the chapter on repair.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use srtp::SequenceNumber;
use srtp::rtcp::NackEntry;

/// Numbers that may be missing at a time. More are a broken path, which a keyframe repairs better.
pub(crate) const MAX_MISSING: usize = 1000;

/// Tries of one number: with every other packet lost, one in a thousand stays missing.
const MAX_TRIES: u8 = 10;

/// Packets that overtake each other do so within this time: only then is it worth to ask.
const REORDERING: Duration = Duration::from_millis(10);

/// After this time nobody waits for a packet.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tries are at least this far apart, however near the peer.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
struct Gap {
    noticed: Instant,
    /// When to ask for it (again).
    due: Instant,
    tries: u8,
}

/// The missing numbers of one source, extended.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    gaps: BTreeMap<u64, Gap>,
    /// The earliest moment at which a gap is due or given up.
    next: Option<Instant>,
}

/// What time has made of the gaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Ask for these, in order.
    pub(crate) wanted: Vec<u64>,
    /// These will not come: how many.
    pub(crate) given_up: usize,
}

impl Missing {
    /// These numbers were passed over. False if there are too many: then all are forgotten.
    pub(crate) fn noticed(&mut self, now: Instant, numbers: Range<u64>) -> bool {
        let count =
            usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(usize::MAX);
        if count.saturating_add(self.gaps.len()) > MAX_MISSING {
            self.clear();
            return false;
        }
        let due = now + REORDERING;
        let gap = |number| (number, Gap { noticed: now, due, tries: 0 });
        if count > self.gaps.len() {
            // In one piece, which costs less than half: a packet that leaps costs hardly more.
            let mut new: BTreeMap<_, _> = numbers.map(gap).collect();
            self.gaps.append(&mut new);
        } else {
            self.gaps.extend(numbers.map(gap));
        }
        if count > 0 {
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
        true
    }

    /// A packet came late. False if it was not missing: it has come before, or is given up.
    pub(crate) fn found(&mut self, number: u64) -> bool {
        let found = self.gaps.remove(&number).is_some();
        if self.gaps.is_empty() {
            self.next = None;
        }
        found
    }

    /// Nobody waits for numbers before this one. How many of them are missing.
    pub(crate) fn forget_before(&mut self, number: u64) -> usize {
        let kept = self.gaps.split_off(&number);
        let forgotten = std::mem::replace(&mut self.gaps, kept).len();
        if self.gaps.is_empty() {
            self.next = None;
        }
        forgotten
    }

    pub(crate) fn clear(&mut self) {
        self.gaps.clear();
        self.next = None;
    }

    // ANCHOR: due
    /// What is due now. Without `asks` nothing is wanted: gaps only age.
    pub(crate) fn handle_timeout(&mut self, now: Instant, round_trip: Duration, asks: bool) -> Due {
        let mut due = Due::default();
        if self.next.is_none_or(|next| next > now) {
            return due;
        }
        let interval = round_trip.max(MIN_INTERVAL);
        self.gaps.retain(|number, gap| {
            let is_over = now >= gap.noticed + PATIENCE;
            if is_over || gap.due <= now && gap.tries >= MAX_TRIES {
                due.given_up += 1;
                return false;
            }
            if gap.due <= now {
                if asks {
                    due.wanted.push(*number);
                    gap.tries += 1;
                    gap.due = now + interval;
                } else {
                    gap.due = gap.noticed + PATIENCE;
                }
            }
            true
        });
        self.next = self.gaps.values().map(|gap| gap.due.min(gap.noticed + PATIENCE)).min();
        due
    }
    // ANCHOR_END: due

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// Numbers in ascending order as PIDs with bitmaps of the 16 that follow each.
pub(crate) fn nack_entries(numbers: &[u64]) -> Vec<NackEntry> {
    let mut entries: Vec<(u64, u16)> = Vec::new();
    for number in numbers {
        match entries.last_mut() {
            Some((first, bitmap)) if (1..=16).contains(&(number - *first)) => {
                *bitmap |= 1 << (number - *first - 1);
            }
            _ => entries.push((*number, 0)),
        }
    }
    let entry = |(number, bitmap): (u64, u16)| {
        let [.., high, low] = number.to_be_bytes();
        NackEntry { packet_id: SequenceNumber(u16::from_be_bytes([high, low])), bitmap }
    };
    entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    /// Lets a gap at number 7 age; when it was asked for, and when it was given up.
    fn age(asks: bool) -> (Vec<u128>, Option<u128>) {
        let start = Instant::now();
        let mut missing = Missing::default();
        assert!(missing.noticed(start, 7..8));
        let mut asked = Vec::new();
        while let Some(at) = missing.poll_timeout() {
            let due = missing.handle_timeout(at, ROUND_TRIP, asks);
            let time = (at - start).as_millis();
            if due.given_up > 0 {
                return (asked, Some(time));
            }
            asked.extend(due.wanted.iter().map(|_| time));
        }
        (asked, None)
    }

    #[test]
    fn asked_for_after_reordering_and_then_each_round_trip_ten_times() {
        let (asked, given_up) = age(true);
        assert_eq!(asked, [10, 60, 110, 160, 210, 260, 310, 360, 410, 460]);
        assert_eq!(given_up, Some(510));
    }

    #[test]
    fn without_nack_gaps_only_age() {
        assert_eq!(age(false), (Vec::new(), Some(1000)));
    }

    #[test]
    fn found_once() {
        let now = Instant::now();
        let mut missing = Missing::default();
        assert!(missing.noticed(now, 3..6));
        assert!(missing.found(4));
        assert!(!missing.found(4), "a duplicate");
        assert_eq!(missing.handle_timeout(now + ROUND_TRIP, ROUND_TRIP, true).wanted, [3, 5]);
        assert_eq!(missing.forget_before(5), 1);
        assert!(missing.found(5));
        assert_eq!(missing.poll_timeout(), None);
    }

    #[test]
    fn too_many_are_forgotten_all() {
        let now = Instant::now();
        let mut missing = Missing::default();
        assert!(missing.noticed(now, 0..1000));
        assert!(!missing.noticed(now, 1001..1002));
        assert_eq!(missing.poll_timeout(), None);
    }

    #[test]
    fn trap_nack_entries_wrap() {
        let entries = nack_entries(&[65_535, 65_536, 65_551, 65_552, 70_000]);
        let entry = |id, bitmap| NackEntry { packet_id: SequenceNumber(id), bitmap };
        assert_eq!(entries, [entry(65_535, 0x8001), entry(16, 0), entry(4464, 0)]);
    }
}
