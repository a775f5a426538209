//! The anti-replay window: each record of an epoch is taken once (RFC 6347 §4.1.2.6, RFC 4303 §3.4.3).
//!
//! ```text
//!            older                                   newer
//!   ◄── refused ──┤ one bit each: seen or not ├── fresh ──►
//!                 highest - 127          highest
//! ```
//!
//! Invariant: the window moves only for a record whose tag has verified. [`ReplayWindow::check`]
//! before opening the record gives a [`Fresh`], [`ReplayWindow::accept`] after it takes it back; a
//! forged record drops its `Fresh` and leaves no trace. Book: "DTLS records and flights".

use crate::wire::SequenceNumber;

/// Records the window remembers behind the newest. RFC 6347 asks for 32, recommends 64; a burst of segmentation
/// offload is about that long, so reordering between two of them is tolerated.
pub const WINDOW: u64 = 128;

/// The records of one epoch seen so far.
#[derive(Debug, Clone, Default)]
pub struct ReplayWindow {
    /// One above the highest accepted number; 0: nothing yet.
    next: u64,
    /// Bit n: `next - 1 - n` was accepted.
    seen: u128,
}

/// A number that the window has not seen; to be given back once the record is authentic.
#[derive(Debug)]
#[must_use = "accept it once the record's tag has verified"]
pub struct Fresh(SequenceNumber);

impl ReplayWindow {
    // ANCHOR: check
    /// Whether a record of this number may be new.
    #[must_use]
    pub fn check(&self, number: SequenceNumber) -> Option<Fresh> {
        let fresh = match self.age(number) {
            None => true,
            Some(age) => age < WINDOW && self.seen & (1 << age) == 0,
        };
        fresh.then_some(Fresh(number))
    }
    // ANCHOR_END: check

    // ANCHOR: accept
    /// Remembers an authentic record.
    pub fn accept(&mut self, fresh: Fresh) {
        match self.age(fresh.0) {
            Some(age) if age < WINDOW => self.seen |= 1 << age,
            Some(_) => {} // the window has moved on since `check`
            None => {
                let next = fresh.0.get() + 1;
                let shift = u32::try_from(next - self.next).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.next = next;
            }
        }
    }
    // ANCHOR_END: accept

    /// How far `number` lies behind the highest; `None` if it is above.
    fn age(&self, number: SequenceNumber) -> Option<u64> {
        self.next.checked_sub(number.get() + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn number(number: u64) -> SequenceNumber {
        SequenceNumber::new(number).unwrap()
    }

    fn take(window: &mut ReplayWindow, n: u64) -> bool {
        let fresh = window.check(number(n));
        let taken = fresh.is_some();
        fresh.into_iter().for_each(|fresh| window.accept(fresh));
        taken
    }

    #[test]
    fn row_45_each_record_once_within_the_window() {
        let mut window = ReplayWindow::default();
        assert!(take(&mut window, 0) && !take(&mut window, 0));
        assert!(take(&mut window, 200) && !take(&mut window, 200));
        assert!(take(&mut window, 200 - (WINDOW - 1)) && !take(&mut window, 200 - WINDOW));
        assert!(take(&mut window, 150) && !take(&mut window, 150));
    }

    #[test]
    fn row_45_a_forged_number_does_not_move_the_window() {
        let mut window = ReplayWindow::default();
        assert!(take(&mut window, 5));
        // The tag of this one did not verify.
        drop(window.check(SequenceNumber::MAX));
        assert!(take(&mut window, 4) && take(&mut window, 6));
    }

    #[test]
    fn the_last_number_of_an_epoch_is_taken() {
        let mut window = ReplayWindow::default();
        assert!(take(&mut window, SequenceNumber::MAX.get()));
        assert!(!take(&mut window, SequenceNumber::MAX.get()) && !take(&mut window, 0));
        assert_eq!(SequenceNumber::MAX.next(), None);
    }

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_none_in_the_window_is_refused(
            numbers in prop::collection::vec(0..600_u64, 0..300),
        ) {
            let (mut window, mut seen, mut highest) = (ReplayWindow::default(), HashSet::new(), 0);
            for n in numbers {
                let expected = !seen.contains(&n) && n + WINDOW > highest;
                prop_assert_eq!(take(&mut window, n), expected);
                if expected {
                    seen.insert(n);
                    highest = highest.max(n);
                }
            }
        }
    }
}
