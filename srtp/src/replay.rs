//! The replay list: each index is taken once, in either direction. RFC 3711 §3.3.2, §9.1.
//!
//! ```text
//!            older                                   newer
//!   ◄── refused ──┤ one bit each: seen or not ├── fresh ──►
//!                 highest - 1023         highest
//! ```
//!
//! The bits lie on a ring: index i has bit i mod 1024, and a bit is cleared when the window's front
//! passes over it. For arriving packets the list is what stops a replay; for departing ones it is
//! what makes it impossible to spend an index, and with it a keystream, twice.
//!
//! Invariant: [`ReplayWindow::check`] hands out a [`Fresh`], [`ReplayWindow::accept`] takes it back
//! once the packet is authentic; a forged packet drops its `Fresh` and leaves no trace.
//! Book: the chapter on SRTP.

/// Packets the window remembers behind the newest. RFC 3711 §3.3.2 asks for 64; a packet of a video
/// stream of 8 Mbit/s that is asked for again (RFC 4585) returns about a thousand others later.
pub const WINDOW: u64 = 1024;

const WORDS: usize = 16;
const _: () = assert!(WORDS as u64 * u64::BITS as u64 == WINDOW);

/// The indices seen so far of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReplayWindow {
    /// One above the highest accepted index; 0: nothing yet.
    next: u64,
    /// The ring. Bits of indices that the window does not cover are 0 or will be cleared.
    seen: [u64; WORDS],
}

/// An index that the window has not seen; to be given back once its packet is authentic.
#[derive(Debug)]
#[must_use = "accept it once the packet's tag has verified"]
pub(crate) struct Fresh(u64);

impl ReplayWindow {
    /// The highest accepted index; `None`: nothing yet.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    // ANCHOR: check
    /// Whether a packet of this index may be new.
    pub(crate) fn check(&self, index: u64) -> Option<Fresh> {
        let fresh = match self.age(index) {
            None => true,
            Some(age) => age < WINDOW && !self.bit(index),
        };
        fresh.then_some(Fresh(index))
    }
    // ANCHOR_END: check

    /// Remembers an authentic packet.
    pub(crate) fn accept(&mut self, Fresh(index): Fresh) {
        match self.age(index) {
            Some(age) if age >= WINDOW => {} // the window has moved on since `check`
            Some(_) => self.set(index, true),
            None => {
                if index - self.next >= WINDOW {
                    self.seen.fill(0);
                } else {
                    (self.next..index).for_each(|skipped| self.set(skipped, false));
                }
                self.set(index, true);
                self.next = index + 1;
            }
        }
    }

    /// How far `index` lies behind the highest; `None` if it is above.
    fn age(&self, index: u64) -> Option<u64> {
        self.next.checked_sub(index + 1)
    }

    fn bit(&self, index: u64) -> bool {
        let (word, mask) = place(index);
        self.seen.get(word).is_some_and(|bits| bits & mask != 0)
    }

    fn set(&mut self, index: u64, seen: bool) {
        let (word, mask) = place(index);
        if let Some(bits) = self.seen.get_mut(word) {
            *bits = if seen { *bits | mask } else { *bits & !mask };
        }
    }
}

/// Where the ring keeps an index: the word and the bit in it.
fn place(index: u64) -> (usize, u64) {
    let [.., low] = (index / 64).to_be_bytes();
    (usize::from(low) % WORDS, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn take(window: &mut ReplayWindow, index: u64) -> bool {
        let fresh = window.check(index);
        let taken = fresh.is_some();
        fresh.into_iter().for_each(|fresh| window.accept(fresh));
        taken
    }

    #[test]
    fn row_59_each_index_once_within_the_window() {
        let mut window = ReplayWindow::default();
        assert!(take(&mut window, 0) && !take(&mut window, 0));
        assert!(take(&mut window, 2_000) && !take(&mut window, 2_000));
        let oldest = 2_000 - (WINDOW - 1);
        assert!(take(&mut window, oldest) && !take(&mut window, oldest - 1));
        assert!(take(&mut window, 1_500) && !take(&mut window, 1_500));
    }

    #[test]
    fn row_58_a_forged_index_does_not_move_the_window() {
        let mut window = ReplayWindow::default();
        assert!(take(&mut window, 5));
        // The tag of this one did not verify.
        assert!(window.check((1 << 48) - 1).is_some());
        assert!(take(&mut window, 4) && take(&mut window, 6));
    }

    #[test]
    fn a_whole_turn_of_the_ring_forgets_what_was_before() {
        let mut window = ReplayWindow::default();
        (0..WINDOW).for_each(|index| assert!(take(&mut window, index)));
        assert!(take(&mut window, 2 * WINDOW - 1));
        (WINDOW..2 * WINDOW - 1).for_each(|index| assert!(take(&mut window, index), "{index}"));
    }

    proptest! {
        #[test]
        fn no_index_is_taken_twice_and_none_in_the_window_is_refused(
            start in 0_u64..1 << 40,
            steps in prop::collection::vec(0..5_000_u64, 0..300),
        ) {
            let (mut window, mut seen, mut highest) = (ReplayWindow::default(), HashSet::new(), 0);
            for step in steps {
                let index = start + step;
                let expected = !seen.contains(&index) && index + WINDOW > highest;
                prop_assert_eq!(take(&mut window, index), expected);
                if expected {
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }
    }
}
