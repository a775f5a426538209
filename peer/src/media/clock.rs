//! Wall-clock time as RTCP writes it: NTP timestamps, 32.32 and 16.16 fixed point.
//!
//! RFC 3550 §4: seconds since 1900-01-01 in the upper 32 bits, fractions in the lower; where 32 bits
//! must do, the middle ones.
//!
//! ```text
//!    seconds since 1900            fraction
//!   |................|................:................|................|
//!                    |<------ middle 32 bits --------->|   LSR, DLSR
//!                              |<-- 6.18, 24 bits -->|     abs-send-time
//! ```
//!
//! No clock is read here: the owner says once what time it was at an instant, and instants say how
//! much has passed. Without a wall clock the time since then does, too (RFC 3550 §6.4.1).
//! Book: the chapter on feedback.

use std::time::{Duration, Instant};

/// 70 years, of which 17 were leap years: 1900 to 1970 (RFC 868).
const SECONDS_FROM_1900_TO_1970: u64 = 2_208_988_800;

/// What time it is, told from instants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    origin: Instant,
    /// NTP time at the origin: whole seconds and the rest.
    since_1900: Duration,
}

impl WallClock {
    /// At `now` it is `since_unix_epoch` after the beginning of 1970.
    pub(crate) fn new(now: Instant, since_unix_epoch: Duration) -> Self {
        let seventy_years = Duration::from_secs(SECONDS_FROM_1900_TO_1970);
        Self { origin: now, since_1900: since_unix_epoch.saturating_add(seventy_years) }
    }

    /// Time since the beginning of 1900.
    pub(crate) fn since_1900(&self, now: Instant) -> Duration {
        self.since_1900.saturating_add(now.saturating_duration_since(self.origin))
    }

    /// 32.32 fixed-point seconds since 1900; wraps in 2036.
    pub(crate) fn ntp(&self, now: Instant) -> u64 {
        let time = self.since_1900(now);
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        time.as_secs().wrapping_shl(32) | fraction
    }

    /// The middle 32 bits: 16.16 fixed-point seconds.
    pub(crate) fn middle(&self, now: Instant) -> u32 {
        middle(self.ntp(now))
    }
}

/// The middle 32 bits of an NTP timestamp.
pub(crate) fn middle(ntp: u64) -> u32 {
    let [_, _, a, b, c, d, _, _] = ntp.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A duration in 1/65,536 seconds, as DLSR has it; the longest if it does not fit.
pub(crate) fn to_short(duration: Duration) -> u32 {
    let units = duration.as_micros().saturating_mul(65_536) / 1_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// The same, read.
pub(crate) fn from_short(units: u32) -> Duration {
    Duration::from_micros(u64::from(units) * 1_000_000 / 65_536)
}

/// The round trip that a report block or a DLRR tells: when it came, less when what it answers was
/// sent, less how long it lay there (RFC 3550 §6.4.1). `None` if it answers nothing of ours, or lies.
pub(crate) fn round_trip(arrival: u32, last_report: u32, delay: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let units = arrival.wrapping_sub(last_report).wrapping_sub(delay);
    // More than 2^31 is less than nothing; a few units of that are rounding.
    match units.cast_signed() {
        -16..=0 => Some(from_short(1)),
        ..-16 => None,
        _ => Some(from_short(units)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_of_the_unix_epoch() {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::ZERO);
        assert_eq!(clock.ntp(now), 2_208_988_800 << 32);
        let later = now + Duration::from_millis(1500);
        assert_eq!(clock.ntp(later), (2_208_988_801 << 32) | 1 << 31);
        assert_eq!(clock.middle(later), middle(clock.ntp(later)));
        assert_eq!(clock.middle(later) & 0xffff, 0x8000);
    }

    /// RFC 3550 §6.4.1, figure 2.
    #[test]
    fn rfc_3550_section_6_4_1_round_trip() {
        let trip = round_trip(0xb710_8000, 0xb705_2000, 0x0005_4000).unwrap();
        assert_eq!(trip, Duration::from_millis(6125));
    }

    #[test]
    fn a_round_trip_is_never_negative() {
        assert_eq!(round_trip(5, 0, 0), None);
        assert_eq!(round_trip(100, 200, 0), None);
        assert!(round_trip(100, 100, 3).unwrap() < Duration::from_millis(1));
    }

    #[test]
    fn short_format_there_and_back() {
        for milliseconds in [0, 1, 20, 500, 65_000] {
            let duration = Duration::from_millis(milliseconds);
            let error = duration.abs_diff(from_short(to_short(duration)));
            assert!(error < Duration::from_micros(20), "{error:?}");
        }
        assert_eq!(to_short(Duration::MAX), u32::MAX);
    }
}
