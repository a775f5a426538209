//! Consent to send (RFC 7675).
//!
//! A valid response to a check is the peer's consent to receive data at that address, for 30 seconds
//! (RFC 7675 §5.1). While a pair carries data, consent checks go out at random intervals of 4 to 6
//! seconds. They are no ordinary transactions: each has a new transaction id and none is
//! retransmitted; a response to any of those still outstanding renews consent. They also keep NAT
//! bindings open, so no other keepalive is sent (RFC 8445 §11).
//!
//! ```text
//!          response                    response                          30 s without response
//!  check ────┐   check ──┐  check ──┐    │       check   check   check   check         │
//!  t=0       ▼   5.3     │  9.9     └────┘       14.1    19.8    24.0    29.5          ▼
//!  ──────────●═══════════╪═══════════════●═════════════════════════════════════════════╳ no data
//!                        └ lost
//! ```
//! Book: chapter "Nomination and consent".

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

/// The peer's consent, as of its last valid response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    expires_at: Instant,
}

impl Consent {
    /// Consent given by a response received `now` (RFC 7675 §5.1: it lasts 30 seconds).
    pub(crate) fn given(now: Instant, timeout: Duration) -> Self {
        Self { expires_at: now + timeout }
    }

    /// When data must stop.
    #[must_use]
    pub fn expires_at(self) -> Instant {
        self.expires_at
    }

    // ANCHOR: consent
    /// Whether data may be sent `now`.
    #[must_use]
    pub fn holds(self, now: Instant) -> bool {
        now < self.expires_at
    }
    // ANCHOR_END: consent
}

// ANCHOR: interval
/// The time to the next consent check: 0.8 to 1.2 times `interval`, at random, so that many
/// sessions do not fall into step (RFC 7675 §5.1).
pub(crate) fn next_interval(rng: &mut impl Rng, interval: Duration) -> Duration {
    interval.mul_f64(rng.random_range(0.8..=1.2))
}
// ANCHOR_END: interval

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn intervals_are_random_between_four_and_six_seconds() {
        let mut rng = StdRng::seed_from_u64(7);
        let intervals: Vec<Duration> =
            (0..1000).map(|_| next_interval(&mut rng, Duration::from_secs(5))).collect();
        let (shortest, longest) =
            (intervals.iter().min().unwrap(), intervals.iter().max().unwrap());
        assert!(*shortest >= Duration::from_secs(4) && *shortest < Duration::from_millis(4100));
        assert!(*longest <= Duration::from_secs(6) && *longest > Duration::from_millis(5900));
    }

    #[test]
    fn consent_lasts_thirty_seconds_and_not_an_instant_longer() {
        let now = Instant::now();
        let consent = Consent::given(now, Duration::from_secs(30));
        assert!(consent.holds(now + Duration::from_millis(29_999)));
        assert!(!consent.holds(now + Duration::from_secs(30)));
    }
}
