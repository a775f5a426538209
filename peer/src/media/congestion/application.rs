//! Whether the application uses the rate it has: if it does not, its packets teach nothing.
//!
//! What browsers call the application-limited region. A budget fills with the rate and is emptied by
//! what is sent:
//!
//! ```text
//!            filled by 65 % of the rate
//!   ┌──────────────▼──┐ full
//!   │ - - - - - - - - │ 80 %  above: limited by the application
//!   │ - - - - - - - - │ 50 %  below: limited by the path
//!   └──────────────┬──┘ empty
//!            drained by packets
//! ```
//!
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::bitrate::Bitrate;

/// The share of the rate that counts as using it.
const USED: f64 = 0.65;

/// The budget holds what is due in this time.
const WINDOW: Duration = Duration::from_millis(500);

/// The share of the budget above which the application is the limit, and below which it is not.
const LIMITED: f64 = 0.8;
const UNLIMITED: f64 = 0.5;

/// The budget.
#[derive(Debug)]
pub(super) struct ApplicationLimit {
    /// Octets not used.
    spare: usize,
    updated_at: Instant,
    limited_since: Option<Instant>,
}

impl ApplicationLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self { spare: 0, updated_at: now, limited_since: None }
    }

    /// Since when the application uses less than it might.
    pub(super) fn since(&self) -> Option<Instant> {
        self.limited_since
    }

    /// A packet of media left.
    pub(super) fn sent(&mut self, now: Instant, octets: usize, target: Bitrate) {
        let rate = target * USED;
        let elapsed = now.saturating_duration_since(self.updated_at).min(WINDOW);
        self.updated_at = now;
        let full = rate.octets_in(WINDOW);
        self.spare =
            self.spare.saturating_add(rate.octets_in(elapsed)).min(full).saturating_sub(octets);
        let share = self.spare as f64 / full.max(1) as f64;
        if share > LIMITED {
            self.limited_since.get_or_insert(now);
        } else if share < UNLIMITED {
            self.limited_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_rate_is_limited_and_most_of_it_is_not() {
        let mut now = Instant::now();
        let mut limit = ApplicationLimit::new(now);
        let mut send = |milliseconds, octets| {
            for _ in 0..milliseconds / 10 {
                now += Duration::from_millis(10);
                limit.sent(now, octets, Bitrate::kbps(1_000));
            }
            limit.since().is_some()
        };
        assert!(!send(2_000, 1_250));
        assert!(!send(5_000, 1_000));
        assert!(send(5_000, 600));
        assert!(!send(5_000, 1_000));
    }
}
