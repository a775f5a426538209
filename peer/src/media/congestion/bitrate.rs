//! `Bitrate`: octets and time, each made from the other.
//!
//! ```text
//!   octets = rate × time / 8
//! ```
//!
//! The controllers multiply and average rates, so inside they are floating-point numbers; whole bits
//! a second are what goes out. Invariant: a rate is finite and not negative.
//! Book: the chapter on congestion.

use std::ops::{Add, Mul, Sub};
use std::time::Duration;

/// What any wait for a rate is cut off at; also the answer for a rate of nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Bitrate(f64);

impl Bitrate {
    pub(crate) const ZERO: Self = Self(0.0);

    /// So many bits a second.
    pub(crate) const fn bps(bits: u64) -> Self {
        Self(bits as f64)
    }

    /// So many thousand bits a second.
    pub(crate) const fn kbps(kilobits: u64) -> Self {
        Self::bps(kilobits.saturating_mul(1_000))
    }

    /// The rate at which `octets` take `span`.
    pub(crate) fn of(octets: usize, span: Duration) -> Self {
        Self(octets as f64 * 8.0 / span.as_secs_f64().max(1e-6))
    }

    /// Whole bits a second.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; what is above 2^64 saturates"
    )]
    pub(crate) const fn as_bps(self) -> u64 {
        self.0 as u64
    }

    /// In thousands of bits a second.
    pub(crate) const fn as_kbps(self) -> f64 {
        self.0 / 1_000.0
    }

    /// How long `octets` take; at most a minute.
    pub(crate) fn time_for(self, octets: usize) -> Duration {
        let seconds = octets as f64 * 8.0 / self.0.max(1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
    }

    /// How many octets pass in `span`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; what is above the range saturates"
    )]
    pub(crate) fn octets_in(self, span: Duration) -> usize {
        (self.0 * span.as_secs_f64() / 8.0) as usize
    }

    pub(crate) const fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    pub(crate) const fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// This share of another rate; 0 of nothing.
    pub(crate) fn share_of(self, other: Self) -> f64 {
        if other.0 > 0.0 { self.0 / other.0 } else { 0.0 }
    }
}

impl Mul<f64> for Bitrate {
    type Output = Self;

    /// By a factor that is not negative.
    fn mul(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }
}

impl Add for Bitrate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Bitrate {
    type Output = Self;

    /// Not below nothing.
    fn sub(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabit_is_125_octets_a_millisecond() {
        let rate = Bitrate::kbps(1_000);
        assert_eq!(rate.octets_in(Duration::from_millis(1)), 125);
        assert_eq!(rate.time_for(1_250), Duration::from_millis(10));
        assert_eq!(Bitrate::of(1_250, Duration::from_millis(10)).as_bps(), 1_000_000);
    }

    #[test]
    fn silly_rates_overflow_nothing() {
        assert_eq!(Bitrate::ZERO.time_for(usize::MAX), LONGEST);
        assert_eq!(Bitrate::bps(u64::MAX).time_for(0), Duration::ZERO);
        assert!(Bitrate::bps(u64::MAX).octets_in(Duration::MAX) > 0);
        assert!(Bitrate::of(usize::MAX, Duration::ZERO).as_bps() > 0);
        assert_eq!((Bitrate::bps(1) - Bitrate::bps(2)).as_bps(), 0);
    }
}
