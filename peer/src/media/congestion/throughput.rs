//! How many bits a second arrive: the acknowledged bitrate.
//!
//! draft-ietf-rmcat-gcc-02 §5.5, R_hat: the octets that arrived in a window of time, measured on the
//! peer's clock, so that feedback which comes late or in lumps does not disturb it.
//!
//! ```text
//!   ──┬────┬────┬────┬────┬──►  bins of 20 ms
//!     │ 2k │ 3k │ 2k │ 4k │      sum / WINDOW
//!     └────┴────┴────┴────┘
//! ```
//!
//! Book: the chapter on congestion.

use std::collections::VecDeque;
use std::time::Duration;

use super::bitrate::Bitrate;
use super::history::RemoteTime;

/// The time measured over. DEVIATION: the draft recommends 0.5 to 1 s; after a sudden drop that is
/// too long, for what passed before it is counted in.
const WINDOW: Duration = Duration::from_millis(300);

/// Microseconds of one bin.
const BIN: i64 = 20_000;

/// Bins in the window.
const BINS: i64 = 15;

/// Octets by their time of arrival.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    /// Number of the bin, octets. In order; at most `BINS`.
    bins: VecDeque<(i64, usize)>,
    /// The bin in which uninterrupted arrival began.
    since: i64,
}

impl Throughput {
    pub(super) fn add(&mut self, arrived_at: RemoteTime, octets: usize) {
        let bin = arrived_at.0.div_euclid(BIN);
        match self.bins.back_mut() {
            Some((last, sum)) if *last == bin => *sum = sum.saturating_add(octets),
            Some((last, _)) if bin > *last && bin - *last < BINS => {
                self.bins.push_back((bin, octets));
            }
            Some((last, _)) if bin < *last && *last - bin < BINS => {
                // Overtaken on the way: its bin, if it still counts.
                if let Some((_, sum)) = self.bins.iter_mut().find(|(other, _)| *other == bin) {
                    *sum = sum.saturating_add(octets);
                }
            }
            // The first, or after a pause, or after a jump of the clock: what was before says
            // nothing of now.
            _ => {
                self.bins.clear();
                self.bins.push_back((bin, octets));
                self.since = bin;
            }
        }
        while self.bins.front().is_some_and(|(first, _)| bin.saturating_sub(*first) >= BINS) {
            self.bins.pop_front();
        }
    }

    /// The rate over the window; `None` until packets have arrived for as long.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        let (last, unfinished) = self.bins.back()?;
        if last.saturating_sub(self.since) < BINS - 1 {
            return None;
        }
        // The last bin is not over yet; the others are.
        let all = self.bins.iter().fold(0_usize, |sum, (_, octets)| sum.saturating_add(*octets));
        let octets = all.saturating_sub(*unfinished);
        Some(Bitrate::of(octets, WINDOW.saturating_sub(Duration::from_micros(20_000))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_after_the_window() {
        let mut throughput = Throughput::default();
        for millisecond in 0..270 {
            throughput.add(RemoteTime(millisecond * 1_000), 125);
        }
        assert_eq!(throughput.rate(), None);
        for millisecond in 270..1_000 {
            throughput.add(RemoteTime(millisecond * 1_000), 125);
        }
        let rate = throughput.rate().map(Bitrate::as_bps);
        assert!(rate.is_some_and(|rate| rate.abs_diff(1_000_000) < 10));
    }

    #[test]
    fn row_65_jumps_of_time_keep_it_small() {
        let mut throughput = Throughput::default();
        for i in 0..10_000_i64 {
            throughput.add(RemoteTime(if i % 2 == 0 { i64::MAX } else { i64::MIN }), usize::MAX);
            throughput.add(RemoteTime(i * 20_000), 1);
            assert!(throughput.bins.len() <= 15);
            let _ = throughput.rate();
        }
    }
}
