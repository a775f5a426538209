//! Where a received frame lies in its file.
//!
//! RTP's timestamps say it exactly, but they wrap, begin anywhere, and jump when the sender changes
//! its source. The time of arrival says it badly but never lies. So the timestamps count, as long
//! as they stay within [`MAX_SKEW`] of the arrivals.
//!
//! Book: the chapter on RTP.

use std::time::{Duration, Instant};

use srtp::{RtpTimestamp, Ssrc};

/// How far the timestamps may be from the times of arrival: a congested path, and years of drift
/// between two clocks. A peer that skips further cannot make a file grow faster than time.
const MAX_SKEW: Duration = Duration::from_secs(5);

/// The time in one file.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Ticks a second.
    rate: u32,
    begin: Instant,
    ssrc: Ssrc,
    last: RtpTimestamp,
    /// Of the last frame, in ticks. The very first one can have predecessors.
    position: i64,
}

impl Timeline {
    /// Begins with a frame, which will be at 0.
    pub(super) fn new(rate: u32, ssrc: Ssrc, first: RtpTimestamp, begin: Instant) -> Timeline {
        Timeline { rate, begin, ssrc, last: first, position: 0 }
    }

    /// The place of a frame, in ticks.
    pub(super) fn place(&mut self, ssrc: Ssrc, timestamp: RtpTimestamp, arrival: Instant) -> u64 {
        // The shorter way around the circle.
        let step = timestamp.0.wrapping_sub(self.last.0).cast_signed();
        let place = self.position.saturating_add(step.into());
        let arrived = self.ticks(arrival.saturating_duration_since(self.begin));
        let within = place.abs_diff(arrived) <= self.ticks(MAX_SKEW).unsigned_abs();
        self.position =
            if ssrc == self.ssrc && within { place } else { arrived.max(self.position) };
        (self.ssrc, self.last) = (ssrc, timestamp);
        u64::try_from(self.position).unwrap_or(0)
    }

    fn ticks(&self, duration: Duration) -> i64 {
        let ticks = duration.as_micros() * u128::from(self.rate) / 1_000_000;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ssrc = Ssrc(1);

    #[test]
    fn timestamps_count_and_wrap() {
        let begin = Instant::now();
        let first = RtpTimestamp(u32::MAX - 959);
        let mut timeline = Timeline::new(48_000, A, first, begin);
        assert_eq!(timeline.place(A, first, begin), 0);
        // It arrives late, which does not matter.
        let late = begin + Duration::from_millis(300);
        assert_eq!(timeline.place(A, RtpTimestamp(0), late), 960);
        assert_eq!(timeline.place(A, RtpTimestamp(2880), late), 3840);
        // Out of order.
        assert_eq!(timeline.place(A, RtpTimestamp(1920), late), 2880);
    }

    #[test]
    fn a_jump_is_where_it_arrives() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(48_000, A, RtpTimestamp(0), begin);
        let later = begin + Duration::from_secs(2);
        assert_eq!(timeline.place(A, RtpTimestamp(1 << 30), later), 96_000);
        assert_eq!(timeline.place(A, RtpTimestamp((1 << 30) + 960), later), 96_960);
        // Another source has another origin, however near.
        let later = begin + Duration::from_secs(3);
        assert_eq!(timeline.place(Ssrc(2), RtpTimestamp((1 << 30) + 960), later), 144_000);
    }

    #[test]
    fn timestamps_that_race_do_not_make_a_file_grow() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(8000, A, RtpTimestamp(0), begin);
        let mut last = 0;
        for index in 0..1000_u32 {
            let arrival = begin + Duration::from_millis(u64::from(index) * 20);
            last = timeline.place(A, RtpTimestamp(index * 39_000), arrival);
        }
        // 20 seconds and the skew.
        assert!(last <= 25 * 8000, "{last}");
    }
}
