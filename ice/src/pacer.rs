//! The pace of checks: one every Ta (RFC 8445 §6.1.4.2, §14.2).
//!
//! Every check takes one slot of Ta. An ordinary check waits for its slot. A triggered check goes to
//! an address the peer has just sent an authenticated check from, and a nominating check to one that
//! has just answered: these may use slots of the future, so that the path that works is not held up
//! by the 50 ms of a path that does not.
//!
//! ```text
//!            ordinary            triggered   nominating       ordinary (the slots are used up)
//!  slots  ├──── 1 ────┼──── 2 ────┼──── 3 ────┼──── 4 ────┤
//!  sent   ▲ 1              ▲ 2 ▲ 3                        ▲ 4
//! ```
//!
//! DEVIATION RFC 8445 §6.1.4.2: a triggered check may be sent up to one Ta before its slot, a
//! nominating one up to two. The pace over time remains one check per Ta, which is what protects
//! third parties (§19.5.1): in any period T there are at most T / Ta + 3 checks.
//! Book: chapter "Checks".

use std::time::{Duration, Instant};

/// How far before its slot a check may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Ordinary,
    Triggered,
    Nominating,
}

impl Urgency {
    fn slots_ahead(self) -> u32 {
        match self {
            Self::Ordinary => 0,
            Self::Triggered => 1,
            Self::Nominating => 2,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Pacer {
    ta: Duration,
    /// The first slot that is not used up; `None` before the first check, which never waits.
    next_slot: Option<Instant>,
}

impl Pacer {
    pub(crate) fn new(ta: Duration) -> Self {
        Self { ta, next_slot: None }
    }

    /// When a check of this urgency may go; `None`: at any time.
    pub(crate) fn ready_at(&self, urgency: Urgency) -> Option<Instant> {
        let slot = self.next_slot?;
        slot.checked_sub(self.ta * urgency.slots_ahead())
    }

    pub(crate) fn is_ready(&self, now: Instant, urgency: Urgency) -> bool {
        self.ready_at(urgency).is_none_or(|at| now >= at)
    }

    /// A check is sent `now`.
    pub(crate) fn use_slot(&mut self, now: Instant) {
        let slot = self.next_slot.map_or(now, |slot| slot.max(now));
        self.next_slot = Some(slot + self.ta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TA: Duration = Duration::from_millis(50);

    #[test]
    fn the_first_check_never_waits_and_the_second_waits_ta() {
        let mut pacer = Pacer::new(TA);
        let now = Instant::now();
        assert!(pacer.is_ready(now, Urgency::Ordinary));
        pacer.use_slot(now);
        assert!(!pacer.is_ready(now + TA - Duration::from_millis(1), Urgency::Ordinary));
        assert!(pacer.is_ready(now + TA, Urgency::Ordinary));
    }

    #[test]
    fn urgent_checks_borrow_slots_but_the_pace_stays() {
        let mut pacer = Pacer::new(TA);
        let start = Instant::now();
        let mut sent = 0;
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for urgency in [Urgency::Ordinary, Urgency::Triggered, Urgency::Nominating] {
                if pacer.is_ready(now, urgency) {
                    pacer.use_slot(now);
                    sent += 1;
                }
            }
        }
        assert!((200..=203).contains(&sent), "{sent} checks in 200 slots");
    }
}
