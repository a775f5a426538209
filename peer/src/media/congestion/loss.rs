//! The loss-based controller: a cap that heavy loss sets and light loss lifts.
//!
//! draft-ietf-rmcat-gcc-02 §6.
//!
//! ```text
//!   loss      0 % ───── 2 % ─────────────── 10 % ───────────────► 100 %
//!   the cap     × 1.08  │     as it is       │   × (1 − loss / 2)
//!
//!   Free ── loss > 10 % ──► Capped ── grown beyond what delay allows ──► Free
//! ```
//!
//! A few losses happen on every radio link and mean nothing; they are repaired. Many mean that a
//! queue too short for the delay to tell of overflows.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::bitrate::Bitrate;

/// Below this share the cap grows, above the other it shrinks (§6).
const LIGHT: f64 = 0.02;
const HEAVY: f64 = 0.10;

/// Growth for each measurement with light loss. DEVIATION: the draft grows by 5 % with each report
/// (§6); we look but once a second, and grow then as fast as the rate control does.
const GROWTH: f64 = 1.08;

/// Loss is looked at each so often, and over at least so many packets: of three packets, one lost
/// says nothing.
const INTERVAL: Duration = Duration::from_secs(1);
const MIN_PACKETS: usize = 20;

/// The weight of the last measurement against those before: at 5 % on the average, one second in a
/// hundred has 10 % by chance.
const WEIGHT: f64 = 0.5;

/// After a decrease, so long and a round trip pass until what comes back shows its effect.
const PATIENCE: Duration = Duration::from_millis(300);

/// Beyond what delay allows by this factor, the cap has no more to say.
const SPARE: f64 = 1.5;

#[derive(Debug, Clone, Copy)]
enum State {
    Free,
    Capped { rate: Bitrate, lowered_at: Instant },
}

/// Counts losses and caps the rate.
#[derive(Debug)]
pub(super) struct LossControl {
    state: State,
    expected: usize,
    lost: usize,
    measured_at: Instant,
    average: f64,
}

impl LossControl {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Free, expected: 0, lost: 0, measured_at: now, average: 0.0 }
    }

    /// The most that loss allows; `None`: it does not mind.
    pub(super) fn cap(&self) -> Option<Bitrate> {
        match self.state {
            State::Free => None,
            State::Capped { rate, .. } => Some(rate),
        }
    }

    /// Whether few are lost, or what is lost does not matter: then more may be tried.
    pub(super) fn is_calm(&self) -> bool {
        self.cap().is_none() || self.average < LIGHT
    }

    /// A probe has shown that so much passes: the cap is no lower.
    pub(super) fn probed(&mut self, shown: Bitrate) {
        if let State::Capped { rate, .. } = &mut self.state {
            *rate = rate.max(shown);
        }
    }

    /// What feedback told: packets that arrived or were lost, for the first time; packets found
    /// that had been lost. Answers the share lost of late, each time it is measured.
    pub(super) fn count(
        &mut self,
        now: Instant,
        packets: usize,
        lost: usize,
        found: usize,
    ) -> Option<f64> {
        self.expected = self.expected.saturating_add(packets);
        self.lost = self.lost.saturating_add(lost).saturating_sub(found);
        let elapsed = now.saturating_duration_since(self.measured_at);
        if self.expected < MIN_PACKETS || elapsed < INTERVAL {
            return None;
        }
        let fraction = self.lost as f64 / self.expected as f64;
        (self.expected, self.lost, self.measured_at) = (0, 0, now);
        self.average = WEIGHT * fraction.min(1.0) + (1.0 - WEIGHT) * self.average;
        // What was heavy and is over lowers nothing any more.
        Some(if fraction > HEAVY { self.average } else { self.average.min(HEAVY) })
    }

    // ANCHOR: update
    /// So large a share was lost, while `rate` is used and delay would allow `allowed`.
    pub(super) fn update(
        &mut self,
        now: Instant,
        fraction: f64,
        round_trip: Duration,
        rate: Bitrate,
        allowed: Bitrate,
    ) {
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
        if fraction > HEAVY {
            let early = matches!(self.state, State::Capped { lowered_at, .. }
                if now.saturating_duration_since(lowered_at) < PATIENCE + round_trip);
            if !early {
                let rate = rate * (1.0 - fraction / 2.0);
                self.state = State::Capped { rate, lowered_at: now };
            }
        } else if fraction < LIGHT
            && let State::Capped { rate, .. } = &mut self.state
        {
            *rate = *rate * GROWTH;
        }
        if self.cap().is_some_and(|cap| cap > allowed * SPARE) {
            self.state = State::Free;
        }
    }
    // ANCHOR_END: update
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Bitrate = Bitrate::kbps(1_000);
    const ROUND_TRIP: Duration = Duration::from_millis(100);

    #[test]
    fn light_loss_is_nothing_and_heavy_loss_halves_by_its_share() {
        let now = Instant::now();
        let mut loss = LossControl::new(now);
        for fraction in [0.0, 0.05, 0.10, f64::NAN] {
            loss.update(now, fraction, ROUND_TRIP, RATE, RATE);
            assert_eq!(loss.cap(), None);
        }
        loss.update(now, 0.2, ROUND_TRIP, RATE, RATE);
        assert_eq!(loss.cap().map(Bitrate::as_bps), Some(900_000));
        // Once for each round trip and a little.
        loss.update(now + Duration::from_millis(399), 0.2, ROUND_TRIP, RATE, RATE);
        assert_eq!(loss.cap().map(Bitrate::as_bps), Some(900_000));
        loss.update(now + Duration::from_secs(1), 0.05, ROUND_TRIP, RATE, RATE);
        assert_eq!(loss.cap().map(Bitrate::as_bps), Some(900_000));
        for second in 2..20 {
            loss.update(now + Duration::from_secs(second), 0.01, ROUND_TRIP, RATE, RATE);
        }
        assert_eq!(loss.cap(), None);
    }

    #[test]
    fn a_few_packets_are_no_measurement() {
        let now = Instant::now();
        let mut loss = LossControl::new(now);
        assert_eq!(loss.count(now + INTERVAL, 10, 5, 0), None);
        assert_eq!(loss.count(now + INTERVAL, 10, 0, 3), Some(0.05));
        assert_eq!(loss.count(now + INTERVAL, 100, 5, 0), None);
    }
}
