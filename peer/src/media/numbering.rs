//! Numbers and times of what we send on one source, wherever it comes from.
//!
//! RFC 3550 §5.1 (random beginnings), RFC 3711 §3.3.1 and §9.1 (no number twice under one key).
//!
//! ```text
//!   from    A 17  A 18  A 20  │  B 900  B 901  │  frames
//!   sent as    1     2     4  │      5      6  │  7, 8, …
//!                   gap kept ─┘   ↑ no jump back and no hole: the next number,
//!                                   and as many ticks later as time has passed
//! ```
//!
//! - A number is given out once. A packet that comes twice, or belongs before the last switch, is
//!   not sent.
//! - The first number is below 2^15: a receiver that loses the first packets just before a wrap would
//!   guess the rollover counter wrong for ever.
//!
//! Book: the chapter on SRTP.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use srtp::{RtpTimestamp, SequenceNumber, Ssrc};

/// A hole in the numbers of a forwarded source that is kept. A larger one (the forwarder paused) is
/// closed: nobody could repair it, and one of 2^15 would break the receiver's rollover counter.
const MAX_GAP: u64 = 1 << 12;

/// How far behind the highest number a packet may still be sent.
const MAX_LATE: u64 = 1024;

/// Where the numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Frames,
    Packets(Ssrc),
}

/// The numbering of one of our sources.
#[derive(Debug)]
pub(crate) struct Numbering {
    origin: Option<Origin>,
    /// Nothing below is sent for this origin: it was the highest number before the last switch.
    floor: u64,
    highest: u64,
    /// Added to the origin's numbers; wraps.
    offset: u64,
    /// Added to the origin's timestamps; wraps.
    ticks: u32,
    /// The last timestamp given out, and when.
    last: Option<(Instant, RtpTimestamp)>,
    given: Window,
}

impl Numbering {
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        // The number before the first one.
        let first = rng.random_range(0..(1 << 15) - 1);
        Self {
            origin: None,
            floor: first,
            highest: first,
            offset: 0,
            ticks: rng.random(),
            last: None,
            given: Window::default(),
        }
    }

    /// The timestamp of a frame of the application's; its packets take [`Self::next`] numbers.
    pub(crate) fn frame(
        &mut self,
        now: Instant,
        timestamp: RtpTimestamp,
        clock_rate: u32,
    ) -> RtpTimestamp {
        if self.origin != Some(Origin::Frames) {
            self.switch(now, Origin::Frames, timestamp, clock_rate);
        }
        let timestamp = RtpTimestamp(timestamp.0.wrapping_add(self.ticks));
        self.last = Some((now, timestamp));
        timestamp
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.highest += 1;
        self.given.mark(self.highest, self.highest);
        self.highest
    }

    /// Number and timestamp of a packet that is forwarded; `None`: it is not to be sent.
    pub(crate) fn packet(
        &mut self,
        now: Instant,
        source: Ssrc,
        number: u64,
        timestamp: RtpTimestamp,
        clock_rate: u32,
    ) -> Option<(u64, RtpTimestamp)> {
        let origin = Origin::Packets(source);
        let goes_on = self.origin == Some(origin) && self.distance(number).unsigned_abs() < MAX_GAP;
        if !goes_on {
            self.switch(now, origin, timestamp, clock_rate);
            self.offset = (self.highest + 1).wrapping_sub(number);
        }
        let number = self.highest.checked_add_signed(self.distance(number))?;
        if number <= self.floor || self.highest.saturating_sub(number) >= MAX_LATE {
            return None;
        }
        let is_first = number > self.highest || !self.given.contains(self.highest, number);
        if !is_first {
            return None;
        }
        self.given.mark(self.highest, number);
        let timestamp = RtpTimestamp(timestamp.0.wrapping_add(self.ticks));
        if number > self.highest {
            self.highest = number;
            self.last = Some((now, timestamp));
        }
        Some((number, timestamp))
    }

    /// How far from the highest number the origin's number will be.
    fn distance(&self, number: u64) -> i64 {
        number.wrapping_add(self.offset).wrapping_sub(self.highest).cast_signed()
    }

    fn switch(&mut self, now: Instant, origin: Origin, timestamp: RtpTimestamp, clock_rate: u32) {
        self.origin = Some(origin);
        self.floor = self.highest;
        if let Some(next) = self.timestamp_at(now, clock_rate) {
            let (_, last) = self.last.unwrap_or((now, next));
            let next = if next == last { next.0.wrapping_add(1) } else { next.0 };
            self.ticks = next.wrapping_sub(timestamp.0);
        }
    }

    /// What the stream's clock shows now; `None` before the first frame.
    pub(crate) fn timestamp_at(&self, now: Instant, clock_rate: u32) -> Option<RtpTimestamp> {
        let (at, timestamp) = self.last?;
        let passed = ticks(now.saturating_duration_since(at), clock_rate);
        Some(RtpTimestamp(timestamp.0.wrapping_add(passed)))
    }

    /// The extended number that the peer means by 16 bits: the nearest to the highest.
    pub(crate) fn extend(&self, number: SequenceNumber) -> u64 {
        let steps = number.since(sequence_number(self.highest));
        self.highest.wrapping_add_signed(i64::from(steps.cast_signed()))
    }
}

/// The 16 bits of a number that travel.
pub(crate) fn sequence_number(extended: u64) -> SequenceNumber {
    let [.., high, low] = extended.to_be_bytes();
    SequenceNumber(u16::from_be_bytes([high, low]))
}

/// Time on a stream's clock; wraps.
pub(crate) fn ticks(time: Duration, clock_rate: u32) -> u32 {
    let ticks = time.as_micros() * u128::from(clock_rate) / 1_000_000;
    let [.., a, b, c, d] = ticks.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Which of the last [`MAX_LATE`] numbers were given out: a ring of bits.
#[derive(Debug)]
struct Window([u64; Self::WORDS]);

impl Default for Window {
    fn default() -> Self {
        Self([0; Self::WORDS])
    }
}

impl Window {
    const WORDS: usize = 32;
    const BITS: u64 = 64 * 32;

    fn word(&mut self, number: u64) -> Option<(&mut u64, u64)> {
        let index = usize::try_from(number % Self::BITS / 64).ok()?;
        self.0.get_mut(index).map(|word| (word, 1 << (number % 64)))
    }

    /// Marks a number; what lies between the highest one and it was not given out.
    fn mark(&mut self, highest: u64, number: u64) {
        let skipped = (highest + 1)..number;
        for skipped in skipped.take(usize::try_from(Self::BITS).unwrap_or(usize::MAX)) {
            if let Some((word, bit)) = self.word(skipped) {
                *word &= !bit;
            }
        }
        if let Some((word, bit)) = self.word(number) {
            *word |= bit;
        }
    }

    fn contains(&mut self, highest: u64, number: u64) -> bool {
        number <= highest && self.word(number).is_some_and(|(word, bit)| *word & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const A: Ssrc = Ssrc(1);
    const B: Ssrc = Ssrc(2);

    fn numbering() -> (Instant, Numbering) {
        (Instant::now(), Numbering::new(&mut StdRng::seed_from_u64(7)))
    }

    fn forward(numbering: &mut Numbering, now: Instant, source: Ssrc, number: u64) -> Option<u64> {
        let ticks = u32::try_from(number & 0xffff).unwrap() * 3000;
        numbering.packet(now, source, number, RtpTimestamp(ticks), 90_000).map(|(number, _)| number)
    }

    #[test]
    fn row_62_the_first_number_is_below_2_to_the_15() {
        for seed in 0..200 {
            let mut numbering = Numbering::new(&mut StdRng::seed_from_u64(seed));
            assert!((1..1 << 15).contains(&numbering.next()));
        }
    }

    #[test]
    fn the_figure() {
        let (now, mut numbering) = numbering();
        let first = forward(&mut numbering, now, A, 17).unwrap();
        assert_eq!(forward(&mut numbering, now, A, 18), Some(first + 1));
        assert_eq!(forward(&mut numbering, now, A, 20), Some(first + 3), "the gap is kept");
        assert_eq!(forward(&mut numbering, now, B, 900), Some(first + 4), "no hole");
        assert_eq!(forward(&mut numbering, now, B, 901), Some(first + 5));
        assert_eq!(forward(&mut numbering, now, B, 899), None, "its number was taken");
        numbering.frame(now, RtpTimestamp(0), 90_000);
        assert_eq!(numbering.next(), first + 6);
    }

    #[test]
    fn late_packets_are_sent_once() {
        let (now, mut numbering) = numbering();
        let first = forward(&mut numbering, now, A, 100).unwrap();
        forward(&mut numbering, now, A, 103);
        assert_eq!(forward(&mut numbering, now, A, 101), Some(first + 1));
        assert_eq!(forward(&mut numbering, now, A, 101), None);
        assert_eq!(forward(&mut numbering, now, A, 103), None);
        assert_eq!(forward(&mut numbering, now, A, 102), Some(first + 2));
    }

    #[test]
    fn a_pause_leaves_no_hole() {
        let (now, mut numbering) = numbering();
        let first = forward(&mut numbering, now, A, 1).unwrap();
        assert_eq!(forward(&mut numbering, now, A, 1 + MAX_GAP), Some(first + 1));
    }

    #[test]
    fn time_goes_on_over_a_switch() {
        let (now, mut numbering) = numbering();
        let clock = 90_000;
        let (_, first) = numbering.packet(now, A, 1, RtpTimestamp(500), clock).unwrap();
        let later = now + Duration::from_millis(100);
        let (_, second) =
            numbering.packet(later, B, 1, RtpTimestamp(4_000_000_000), clock).unwrap();
        assert_eq!(second.0.wrapping_sub(first.0), 9000);
        let third = numbering.frame(later, RtpTimestamp(7), clock);
        assert_eq!(third.0.wrapping_sub(second.0), 1, "never the same");
        let fourth = numbering.frame(later, RtpTimestamp(3007), clock);
        assert_eq!(fourth.0.wrapping_sub(third.0), 3000);
    }

    proptest! {
        #[test]
        fn row_62_no_number_twice(
            steps in proptest::collection::vec((0_u32..3, 0_u64..6000), 1..300),
        ) {
            let (now, mut numbering) = numbering();
            let mut given = HashSet::new();
            for (source, number) in steps {
                let number = if source == 2 {
                    numbering.frame(now, RtpTimestamp(0), 90_000);
                    Some(numbering.next())
                } else {
                    forward(&mut numbering, now, Ssrc(source), number)
                };
                prop_assert!(number.is_none_or(|number| given.insert(number)));
            }
        }
    }
}
