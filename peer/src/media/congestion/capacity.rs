//! What the path can carry, as far as over-use has shown it.
//!
//! draft-ietf-rmcat-gcc-02 §5.5: the rate control keeps the mean and the deviation of the rates that
//! arrived when over-use was found. Near that mean it grows carefully, beyond it boldly.
//!
//! ```text
//!             mean − 3σ      mean      mean + 3σ
//!   ──────────────┼────────────┼────────────┼──────────► rate that arrives
//!    forget it    │ add a packet per response time │  forget it: the path has become wider
//! ```
//!
//! Book: the chapter on congestion.

use super::bitrate::Bitrate;

/// The weight of a new sample.
const WEIGHT: f64 = 0.05;

/// Bounds of the variance, as a share of the mean in kbit/s.
const MIN_VARIANCE: f64 = 0.4;
const MAX_VARIANCE: f64 = 2.5;

/// Mean and relative variance of the rates at over-use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    mean: Bitrate,
    variance: f64,
}

impl Capacity {
    pub(super) fn new(sample: Bitrate) -> Self {
        Self { mean: sample, variance: MIN_VARIANCE }
    }

    pub(super) fn mean(&self) -> Bitrate {
        self.mean
    }

    /// Over-use was found while so much arrived.
    pub(super) fn add(&mut self, sample: Bitrate) {
        self.mean = self.mean * (1.0 - WEIGHT) + sample * WEIGHT;
        let error = self.mean.as_kbps() - sample.as_kbps();
        let relative = error * error / self.mean.as_kbps().max(1.0);
        self.variance =
            ((1.0 - WEIGHT) * self.variance + WEIGHT * relative).clamp(MIN_VARIANCE, MAX_VARIANCE);
    }

    /// Whether `rate` is so much more that the path must have become wider.
    pub(super) fn is_below(&self, rate: Bitrate) -> bool {
        rate > self.mean + self.margin()
    }

    /// Whether `rate` is so much less that the path must have become narrower.
    pub(super) fn is_above(&self, rate: Bitrate) -> bool {
        rate < self.mean - self.margin()
    }

    fn margin(&self) -> Bitrate {
        Bitrate::kbps(3) * (self.variance * self.mean.as_kbps()).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_of_a_megabit_is_sixty_to_a_hundred_and_fifty_kilobits() {
        let mut capacity = Capacity::new(Bitrate::kbps(1_000));
        assert!(
            !capacity.is_below(Bitrate::kbps(1_059)) && capacity.is_below(Bitrate::kbps(1_061))
        );
        assert!(!capacity.is_above(Bitrate::kbps(941)) && capacity.is_above(Bitrate::kbps(939)));
        for i in 0..1_000 {
            capacity.add(Bitrate::kbps(if i % 2 == 0 { 500 } else { 1_500 }));
        }
        assert!(
            !capacity.is_below(Bitrate::kbps(1_150)) && capacity.is_below(Bitrate::kbps(1_300))
        );
    }
}
