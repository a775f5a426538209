//! Round-trip time and the retransmission timeout made of it (RFC 9260 §6.3.1).
//!
//! ```text
//! first measurement R:   SRTT = R        RTTVAR = R / 2
//! each one after:        RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R|      SRTT = 7/8 SRTT + 1/8 R
//! RTO = SRTT + 4 RTTVAR, kept between RTO.Min and RTO.Max; doubled at each expiry
//! ```
//!
//! Karn's rule (C5): a chunk that was sent twice measures nothing, its acknowledgement could belong
//! to either. The caller sees to it. A doubled timeout stays doubled until a chunk sent once is
//! acknowledged; if it fell back earlier, a path that became slower than the timeout would never
//! be measured again.
//!
//! Book: the chapter on reliability.

use std::time::Duration;

use crate::Rto;

/// The estimator.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    bounds: Rto,
    estimate: Option<Estimate>,
    timeout: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    pub(crate) fn new(bounds: Rto) -> Self {
        Self { bounds, estimate: None, timeout: bounds.initial }
    }

    /// SRTT, once anything was measured.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.smoothed)
    }

    /// RTO.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    // ANCHOR: measured
    /// Rules C2 and C3.
    pub(crate) fn measured(&mut self, round_trip: Duration) {
        // A clock that stood still for an hour says nothing about the path; the bound also keeps
        // the sums below from overflowing.
        let round_trip = round_trip.min(Duration::from_secs(60));
        let estimate = match self.estimate {
            None => Estimate { smoothed: round_trip, variation: round_trip / 2 },
            Some(Estimate { smoothed, variation }) => Estimate {
                variation: variation * 3 / 4 + smoothed.abs_diff(round_trip) / 4,
                smoothed: smoothed * 7 / 8 + round_trip / 8,
            },
        };
        self.estimate = Some(estimate);
        self.timeout = self.bounded(estimate.smoothed + estimate.variation * 4);
    }
    // ANCHOR_END: measured

    /// Rule E2 (RFC 9260 §6.3.3).
    pub(crate) fn back_off(&mut self) {
        self.timeout = self.bounded(self.timeout.saturating_mul(2));
    }

    fn bounded(&self, timeout: Duration) -> Duration {
        timeout.max(self.bounds.min).min(self.bounds.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn unbounded() -> RoundTrip {
        RoundTrip::new(Rto { initial: 500 * MS, min: Duration::ZERO, max: 60_000 * MS })
    }

    #[test]
    fn first_and_second_measurement_rfc_9260_section_6_3_1() {
        let mut rtt = unbounded();
        assert_eq!(rtt.timeout(), 500 * MS);
        rtt.measured(100 * MS);
        assert_eq!(rtt.smoothed(), Some(100 * MS));
        assert_eq!(rtt.timeout(), 300 * MS);
        rtt.measured(180 * MS);
        assert_eq!(rtt.smoothed(), Some(110 * MS));
        // RTTVAR = 3/4 * 50 + 1/4 * 80 = 57.5
        assert_eq!(rtt.timeout(), 340 * MS);
    }

    #[test]
    fn expiry_doubles_up_to_the_cap_and_a_measurement_ends_it() {
        let mut rtt = RoundTrip::new(Rto::default());
        rtt.measured(10 * MS);
        assert_eq!(rtt.timeout(), 400 * MS);
        for expected in [800, 1600, 3000, 3000] {
            rtt.back_off();
            assert_eq!(rtt.timeout(), expected * MS);
        }
        rtt.measured(10 * MS);
        assert_eq!(rtt.timeout(), 400 * MS);
    }

    #[test]
    fn a_steady_path_converges() {
        let mut rtt = unbounded();
        for _ in 0..100 {
            rtt.measured(200 * MS);
        }
        assert!(rtt.timeout() < 201 * MS);
    }
}
