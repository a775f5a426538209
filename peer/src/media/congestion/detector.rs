//! The over-use detector: a trend becomes a signal, under a threshold that adapts itself.
//!
//! draft-ietf-rmcat-gcc-02 §5.4.
//!
//! ```text
//!   trend ▲        ╱‾╲         over-use: above +γ for 10 ms and not falling
//!     +γ  │‾‾‾‾‾‾‾╱‾‾‾╲‾‾‾‾‾
//!         │  ∙ ╱       ╲       normal
//!     −γ  │_____________╲___
//!         │              ╲     under-use: queues drain
//! ```
//!
//! γ follows |trend|: up slowly, so that a flow which competes with one that fills queues is not
//! starved; down faster. Leaps are not followed: they are what is to be detected.
//! Book: the chapter on congestion.

use super::grouping::Spacing;
use super::history::RemoteTime;

/// γ to begin with, and its bounds (§5.4), in milliseconds.
const INITIAL_THRESHOLD: f64 = 12.5;
const MIN_THRESHOLD: f64 = 6.0;
const MAX_THRESHOLD: f64 = 600.0;

/// How fast γ moves towards |trend|, per millisecond: `K_u` when below it, `K_d` when above (§5.6).
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;

/// A trend this far outside of γ does not move it (§5.4).
const MAX_FOLLOWED: f64 = 15.0;

/// γ moves by no more than what this much time allows.
const MAX_STEP_MILLISECONDS: f64 = 100.0;

/// `overuse_time_th`: how long the trend must be too high (§5.4).
const OVERUSE_MILLISECONDS: f64 = 10.0;

/// What the delay says about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Usage {
    /// Queues drain.
    Under,
    /// Queues stay as they are.
    #[default]
    Normal,
    /// Queues grow.
    Over,
}

/// The signal and what it was made of.
#[derive(Debug)]
pub(super) struct Detector {
    usage: Usage,
    threshold: f64,
    updated_at: Option<RemoteTime>,
    last_trend: f64,
    /// How long, and how many times, the trend has been above γ.
    over: Option<(f64, u32)>,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            usage: Usage::Normal,
            threshold: INITIAL_THRESHOLD,
            updated_at: None,
            last_trend: 0.0,
            over: None,
        }
    }
}

impl Detector {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    // ANCHOR: update
    /// Takes the trend of the delay after one more spacing.
    pub(super) fn update(&mut self, trend: f64, spacing: &Spacing) {
        if trend > self.threshold {
            // The first time, half of the time since the last sample was spent above.
            let (since, count) = self.over.map_or((spacing.sent_milliseconds / 2.0, 1), |over| {
                (over.0 + spacing.sent_milliseconds, over.1.saturating_add(1))
            });
            self.over = Some((since, count));
            if since > OVERUSE_MILLISECONDS && count > 1 && trend >= self.last_trend {
                self.over = Some((0.0, 0));
                self.usage = Usage::Over;
            }
        } else {
            self.over = None;
            self.usage = if trend < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.last_trend = trend;
        self.adapt(trend.abs(), spacing.arrived_at);
    }
    // ANCHOR_END: update

    fn adapt(&mut self, trend: f64, now: RemoteTime) {
        let last = self.updated_at.replace(now).unwrap_or(now);
        if trend > self.threshold + MAX_FOLLOWED {
            return;
        }
        let gain = if trend < self.threshold { GAIN_DOWN } else { GAIN_UP };
        let step = now.milliseconds_since(last).clamp(0.0, MAX_STEP_MILLISECONDS);
        // At most the whole way: 0.039 × 100 ms would lead beyond.
        self.threshold += (gain * step).min(1.0) * (trend - self.threshold);
        self.threshold = self.threshold.clamp(MIN_THRESHOLD, MAX_THRESHOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(detector: &mut Detector, trends: &[f64]) -> Usage {
        let mut arrived_at = detector.updated_at.unwrap_or(RemoteTime(0));
        for trend in trends {
            arrived_at.0 += 10_000;
            let (sent_milliseconds, arrived_milliseconds) = (10.0, 10.0);
            let spacing = Spacing { sent_milliseconds, arrived_milliseconds, arrived_at };
            detector.update(*trend, &spacing);
        }
        detector.usage()
    }

    #[test]
    fn over_use_takes_more_than_one_sample_and_not_a_falling_one() {
        let mut detector = Detector::default();
        assert_eq!(run(&mut detector, &[20.0]), Usage::Normal);
        assert_eq!(run(&mut detector, &[21.0]), Usage::Over);
        assert_eq!(run(&mut detector, &[1.0]), Usage::Normal);
        assert_eq!(run(&mut detector, &[30.0, 25.0, 20.0]), Usage::Normal);
        assert_eq!(run(&mut detector, &[-30.0]), Usage::Under);
    }

    #[test]
    fn the_threshold_follows_but_not_a_leap() {
        let mut detector = Detector::default();
        run(&mut detector, &[1.0; 100]);
        assert!((detector.threshold - MIN_THRESHOLD).abs() < 1e-9);
        run(&mut detector, &[500.0; 100]);
        assert!((detector.threshold - MIN_THRESHOLD).abs() < 1e-9);
        run(&mut detector, &[20.0; 100]);
        assert!(detector.threshold > 19.0);
    }
}
