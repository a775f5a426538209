//! A wish for a keyframe, granted not more often than makes sense.
//!
//! RFC 4585 §6.3.1, RFC 5104 §4.3.1: a keyframe is ten times a usual frame, so whoever asks for one
//! with every lost packet gets nothing else. Both ends use this: the receiver, to ask again until
//! the keyframe is there, and the sender, to pass on what a peer asks (row 65: 8,000 FIR).
//!
//! ```text
//!    make      due        fulfil       make          due
//!   ──●─────────●───────────●───────────●─────────────●──► time
//!               └────────── interval ─────────────────┘
//! ```
//!
//! Book: the chapter on repair.

use std::time::{Duration, Instant};

/// Somebody wants a keyframe, or nobody.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    made: Option<Instant>,
    last: Option<Instant>,
}

impl Wish {
    /// From now on a keyframe is wanted.
    pub(crate) fn make(&mut self, now: Instant) {
        self.made.get_or_insert(now);
    }

    /// It seems to be on its way: nothing is said before `at`.
    pub(crate) fn put_off(&mut self, at: Instant) {
        self.made = Some(at);
    }

    /// No longer.
    pub(crate) fn fulfil(&mut self) {
        self.made = None;
    }

    // ANCHOR: is_due
    /// Whether to say it now; then not again before the interval is over.
    pub(crate) fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        let is_due = self.poll_timeout(interval).is_some_and(|due| due <= now);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
    // ANCHOR_END: is_due

    /// When to say it.
    pub(crate) fn poll_timeout(&self, interval: Duration) -> Option<Instant> {
        let made = self.made?;
        Some(self.last.map_or(made, |last| made.max(last + interval)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_65_said_at_once_and_then_once_in_an_interval() {
        let start = Instant::now();
        let interval = Duration::from_millis(300);
        let mut wish = Wish::default();
        assert!(!wish.is_due(start, interval));
        let said = |millisecond: &u64| {
            let now = start + Duration::from_millis(*millisecond);
            wish.make(now);
            let is_due = wish.is_due(now, interval);
            if is_due {
                wish.fulfil();
            }
            is_due
        };
        let times: Vec<u64> = (0..1000).filter(said).collect();
        assert_eq!(times, [0, 300, 600, 900]);
    }

    #[test]
    fn repeated_until_fulfilled() {
        let start = Instant::now();
        let interval = Duration::from_millis(300);
        let mut wish = Wish::default();
        wish.make(start);
        assert!(wish.is_due(start, interval));
        assert_eq!(wish.poll_timeout(interval), Some(start + interval));
        assert!(wish.is_due(start + interval, interval));
        wish.fulfil();
        assert_eq!(wish.poll_timeout(interval), None);
    }
}
