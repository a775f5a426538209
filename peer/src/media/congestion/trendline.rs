//! The trendline filter: whether queues grow, drain or stay, from noisy spacings.
//!
//! draft-ietf-rmcat-gcc-02 §5.3 asks for an estimate of the delay's gradient. DEVIATION: the draft
//! uses a Kalman filter; browsers have since taken a line fitted through the recent delays, which is
//! simpler and does as well.
//!
//! ```text
//!   smoothed   ▲            ∙ ∙ ╱
//!   delay      │       ∙  ∙ ╱        slope = Σ(x−x̄)(y−ȳ) / Σ(x−x̄)²
//!              │    ∙  ╱∙                  = (sent rate − capacity) / capacity, while a queue grows
//!              │ ∙╱ ∙
//!              └──────────────────► arrival
//! ```
//!
//! Book: the chapter on congestion.

use std::collections::VecDeque;

use super::grouping::Spacing;
use super::history::RemoteTime;

/// Points the line is fitted through.
const WINDOW: usize = 20;

/// The weight of what was, in the smoothing of the delay.
const SMOOTHING: f64 = 0.9;

/// A trend is trusted in proportion to the spacings seen, up to these many.
const FULL_TRUST: u32 = 60;

/// Makes slopes comparable with the detector's thresholds, which are in milliseconds.
const GAIN: f64 = 4.0;

/// The least delay is forgotten so fast, per millisecond: clocks drift, and a path may have become
/// longer for good.
const FORGETTING: f64 = 0.005;

/// The delay's recent course.
#[derive(Debug, Default)]
pub(super) struct Trendline {
    origin: Option<RemoteTime>,
    spacings: u32,
    /// Sum of all variations: the one-way delay, but for a constant. Milliseconds.
    delay: f64,
    smoothed: f64,
    /// What the delay was when queues were emptiest.
    least: f64,
    /// Arrival since the origin, and smoothed delay; milliseconds. At most `WINDOW`.
    points: VecDeque<(f64, f64)>,
    slope: f64,
}

impl Trendline {
    // ANCHOR: update
    /// Takes the next spacing, answers the trend: in milliseconds, above 0 when queues grow.
    pub(super) fn update(&mut self, spacing: &Spacing) -> f64 {
        self.spacings = self.spacings.saturating_add(1).min(FULL_TRUST);
        self.delay += spacing.arrived_milliseconds - spacing.sent_milliseconds;
        self.least += FORGETTING * spacing.arrived_milliseconds.max(0.0);
        self.least = self.least.min(self.delay);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        let origin = *self.origin.get_or_insert(spacing.arrived_at);
        let arrived = spacing.arrived_at.milliseconds_since(origin);
        if self.points.len() >= WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((arrived, self.smoothed));
        if self.points.len() == WINDOW {
            self.slope = slope(&self.points).unwrap_or(self.slope);
        }
        f64::from(self.spacings) * self.slope * GAIN
    }
    // ANCHOR_END: update

    /// How long packets seem to stand in queues, beyond the least seen of late; milliseconds.
    pub(super) fn standing(&self) -> f64 {
        self.smoothed - self.least
    }
}

/// Least squares; `None` if all arrived at once.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Groups sent each 10 ms, each of which takes `variation` ms longer than the one before.
    fn trend(variation: f64, groups: i32) -> f64 {
        let mut trendline = Trendline::default();
        let mut arrived_at = RemoteTime(0);
        let mut trend = 0.0;
        for _ in 0..groups {
            let (sent_milliseconds, arrived_milliseconds) = (10.0, 10.0 + variation);
            let spacing = Duration::from_secs_f64(arrived_milliseconds / 1_000.0);
            arrived_at.0 += i64::try_from(spacing.as_micros()).unwrap();
            trend =
                trendline.update(&Spacing { sent_milliseconds, arrived_milliseconds, arrived_at });
        }
        trend
    }

    #[test]
    fn a_growing_queue_has_a_slope_and_a_steady_one_none() {
        assert!(trend(1.0, 100) > 20.0);
        assert!(trend(-1.0, 100) < -20.0);
        assert!(trend(0.0, 100).abs() < 1e-9);
        // Ten per cent more than passes: a slope of 1/11 once smoothing has caught up.
        assert!((trend(1.0, 200) - 240.0 / 11.0).abs() < 0.5);
    }

    #[test]
    fn what_stands_in_queues_is_seen_and_slowly_taken_for_granted() {
        let mut trendline = Trendline::default();
        let mut arrived_at = RemoteTime(0);
        let mut standing = Vec::new();
        for (groups, arrived_milliseconds) in [(100, 10.0), (20, 15.0), (100, 10.0), (2_000, 10.0)]
        {
            for _ in 0..groups {
                arrived_at.0 += 10_000;
                let sent_milliseconds = 10.0;
                let _ = trendline.update(&Spacing {
                    sent_milliseconds,
                    arrived_milliseconds,
                    arrived_at,
                });
            }
            standing.push(trendline.standing());
        }
        let expected = [0.0, 59.0, 93.0, 0.0];
        assert!(standing.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1.0), "{standing:?}");
    }

    #[test]
    fn a_few_points_are_no_line() {
        assert!(trend(5.0, 19).abs() < 1e-9);
    }

    #[test]
    fn arrivals_at_one_instant_have_no_slope() {
        assert_eq!(slope(&VecDeque::from(vec![(1.0, 2.0); WINDOW])), None);
    }
}
