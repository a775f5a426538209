//! A lease: what the server gives for a while, and forgets unless it is asked again in time.
//!
//! RFC 8656 §8 (an allocation, by default 600 s), §9 (a permission, 300 s), §12 (a channel, 600 s):
//!
//! ```text
//!   given                        due         over
//!   |----------------------------|-----------|
//!                                |<- margin ->|   time to ask again, and again if nobody answers
//! ```
//!
//! Invariant: what is due comes before the end, for every lifetime. Book: "Relay".

use std::time::{Duration, Instant};

/// The wait before asking again after a refusal or an unanswered request.
const RETRY: Duration = Duration::from_secs(5);

/// Something that ends unless it is renewed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    over: Instant,
    renewal: Renewal,
}

#[derive(Debug, Clone, Copy)]
enum Renewal {
    /// To be asked for at this time.
    Due(Instant),
    /// Asked for.
    UnderWay,
}

impl Lease {
    // ANCHOR: lease
    /// Given now. It is due `margin` before its end, or at half time if that is later.
    pub(super) fn new(now: Instant, lifetime: Duration, margin: Duration) -> Self {
        let due = lifetime.saturating_sub(margin).max(lifetime / 2);
        Self { over: now + lifetime, renewal: Renewal::Due(now + due) }
    }
    // ANCHOR_END: lease

    /// Whether it has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.over
    }

    /// Whether it is time to ask again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.renewal, Renewal::Due(due) if now >= due)
    }

    /// It was asked for: it is not due until that has failed.
    pub(super) fn renewal_started(&mut self) {
        self.renewal = Renewal::UnderWay;
    }

    /// It was not asked for, or that has failed; it is due again soon.
    pub(super) fn not_renewed(&mut self, now: Instant) {
        self.renewal = Renewal::Due(now + RETRY);
    }

    /// It is due now, if it is not asked for already.
    pub(super) fn hurry(&mut self, now: Instant) {
        if matches!(self.renewal, Renewal::Due(_)) {
            self.renewal = Renewal::Due(now);
        }
    }

    /// When something is to be done.
    pub(super) fn poll_timeout(&self) -> Instant {
        match self.renewal {
            Renewal::Due(due) => due.min(self.over),
            Renewal::UnderWay => self.over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rusturn#11: the timer was 10/9 of the lifetime, so every refresh came too late.
    #[test]
    fn trap_a_refresh_is_due_before_the_lifetime_ends() {
        let now = Instant::now();
        for seconds in 1..4000 {
            let lifetime = Duration::from_secs(seconds);
            let lease = Lease::new(now, lifetime, Duration::from_secs(60));
            let due = lease.poll_timeout();
            assert!(lease.is_due(due) && !lease.is_over(due), "{seconds}");
            assert!(due >= now + lifetime / 2, "no more often than needed");
            assert!(lease.is_over(now + lifetime));
        }
    }

    #[test]
    fn what_failed_is_due_again_and_what_is_under_way_is_not() {
        let now = Instant::now();
        let mut lease = Lease::new(now, Duration::from_secs(600), Duration::from_secs(60));
        let due = lease.poll_timeout();
        lease.renewal_started();
        lease.hurry(due);
        assert!(!lease.is_due(due));
        assert_eq!(lease.poll_timeout(), now + Duration::from_secs(600));
        lease.not_renewed(due);
        assert!(!lease.is_due(due) && lease.is_due(due + RETRY));
        lease.hurry(due);
        assert!(lease.is_due(due));
    }
}
