//! A timer whose waits grow: T1-init, T1-cookie, T2-shutdown and RE-CONFIG's (RFC 9260 §5.1, §9.2).

use std::time::{Duration, Instant};

/// When to send the same thing again, and how often that happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    deadline: Instant,
    wait: Duration,
    expirations: u32,
}

impl Retry {
    pub(crate) fn new(now: Instant, wait: Duration) -> Self {
        Self { deadline: now + wait, wait, expirations: 0 }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How often it expired.
    pub(crate) fn expirations(&self) -> u32 {
        self.expirations
    }

    /// Whether it expired now; if so it is armed again with twice the wait, `longest` at most.
    pub(crate) fn expired(&mut self, now: Instant, longest: Duration) -> bool {
        if now < self.deadline {
            return false;
        }
        self.expirations = self.expirations.saturating_add(1);
        self.wait = self.wait.saturating_mul(2).min(longest);
        self.deadline = now + self.wait;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut retry = Retry::new(start, ms(500));
        assert!(!retry.expired(start + ms(499), ms(3000)));
        let mut now = start;
        for wait in [500, 1000, 2000, 3000, 3000] {
            assert_eq!(retry.deadline() - now, ms(wait));
            now = retry.deadline();
            assert!(retry.expired(now, ms(3000)));
        }
        assert_eq!(retry.expirations(), 5);
    }
}
