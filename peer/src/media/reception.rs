//! How well one source is received: what its report blocks say.
//!
//! RFC 3550 §6.4.1, §A.1 (extended sequence numbers), §A.3 (loss), §A.8 (jitter).
//!
//! ```text
//!   sequence number   65534  65535      0      1          as it comes, 16 bits
//!   extended         131070 131071 131072 131073          wraps counted, from 65536 on
//! ```
//!
//! - Extended numbers begin one wrap up, so that a packet from before the first one still has one.
//! - A packet is compared with the highest number so far: the nearest number is meant (§A.1).
//!
//! DEVIATION RFC 3550 §A.1: no probation of two packets. SRTP has authenticated the first one.
//! Book: the chapter on feedback.

use std::time::{Duration, Instant};

use srtp::rtcp::{ReportBlock, SenderReport};
use srtp::{RtpTimestamp, SequenceNumber, Ssrc};

use super::clock::{middle, to_short};

/// A step ahead that is no loss but a new beginning (§A.1 has 3,000 as well).
pub(crate) const MAX_DROPOUT: u64 = 3000;

/// Where extended numbers begin.
const FIRST_WRAP: u64 = 1 << 16;

/// What we know of one source's numbers and times.
#[derive(Debug)]
pub(crate) struct Reception {
    first: u64,
    highest: u64,
    pub(crate) received: u64,
    /// Packets that count as expected although nothing of them was lost: numbers jumped over.
    jumped: u64,
    /// In ticks, sixteenfold (§A.8).
    jitter: u32,
    last_transit: Option<u32>,
    origin: Instant,
    expected_before: u64,
    received_before: u64,
    /// NTP timestamp (the middle 32 bits) of the last sender report, and when it came.
    last_sender_report: Option<(u32, Instant)>,
}

/// What the number of a packet says about its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that was expected, or further on: from the first number that is missing.
    Ahead { missing_from: u64 },
    /// Before the highest one.
    Behind,
    /// So far ahead that the source has begun anew.
    Anew,
}

impl Reception {
    /// Begins with the source's first packet, which is still to be given to [`Self::place`].
    pub(crate) fn new(now: Instant, first: SequenceNumber) -> Self {
        let first = FIRST_WRAP + u64::from(first.0);
        Self {
            first,
            highest: first - 1,
            received: 0,
            jumped: 0,
            jitter: 0,
            last_transit: None,
            origin: now,
            expected_before: 0,
            received_before: 0,
            last_sender_report: None,
        }
    }

    /// The extended number nearest to the highest one.
    pub(crate) fn extend(&self, number: SequenceNumber) -> u64 {
        let [.., high, low] = self.highest.to_be_bytes();
        let steps = number.since(SequenceNumber(u16::from_be_bytes([high, low])));
        self.highest.wrapping_add_signed(i64::from(steps.cast_signed()))
    }

    /// Takes note of a number, and says where it is.
    pub(crate) fn place(&mut self, extended: u64) -> Place {
        if extended <= self.highest {
            return Place::Behind;
        }
        let missing_from = self.highest + 1;
        self.highest = extended;
        if extended - missing_from >= MAX_DROPOUT {
            self.jumped += extended - missing_from;
            return Place::Anew;
        }
        Place::Ahead { missing_from }
    }

    // ANCHOR: timed
    /// Takes the time of a packet that came by itself, for the jitter (§A.8).
    pub(crate) fn timed(&mut self, now: Instant, timestamp: RtpTimestamp, clock_rate: u32) {
        let elapsed = now.saturating_duration_since(self.origin);
        let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
        let [.., a, b, c, d] = ticks.to_be_bytes();
        let transit = u32::from_be_bytes([a, b, c, d]).wrapping_sub(timestamp.0);
        if let Some(last) = self.last_transit.replace(transit) {
            let change = transit.wrapping_sub(last).cast_signed().unsigned_abs();
            // A clock that was set, not a network that was slow: ten seconds are no jitter.
            if change < clock_rate.saturating_mul(10) {
                self.jitter = self.jitter.saturating_add(change) - ((self.jitter + 8) >> 4);
            }
        }
    }
    // ANCHOR_END: timed

    /// The jitter, in ticks.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The jitter, in time.
    pub(crate) fn jitter_time(&self, clock_rate: u32) -> Duration {
        Duration::from_micros(u64::from(self.jitter()) * 1_000_000 / u64::from(clock_rate.max(1)))
    }

    /// A sender report came; the next report block mentions it.
    pub(crate) fn reported(&mut self, now: Instant, report: &SenderReport) {
        self.last_sender_report = Some((middle(report.ntp_timestamp), now));
    }

    fn expected(&self) -> u64 {
        (self.highest + 1).saturating_sub(self.first).saturating_sub(self.jumped)
    }

    /// Packets lost since the beginning; negative if duplicates were counted (§A.3).
    pub(crate) fn lost(&self) -> i64 {
        self.expected().cast_signed().wrapping_sub(self.received.cast_signed())
    }

    // ANCHOR: report
    /// The report block of this moment; the next one's fraction counts from here. `None` if nothing
    /// has come since the last one: silent sources are not reported on (§6.4).
    pub(crate) fn report(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReportBlock> {
        let (expected, received) = (self.expected(), self.received);
        let expected_now = expected.saturating_sub(self.expected_before);
        let received_now = received.saturating_sub(self.received_before);
        if received_now == 0 {
            return None;
        }
        (self.expected_before, self.received_before) = (expected, received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now << 8).checked_div(expected_now).unwrap_or(0);
        let (last, since) = match self.last_sender_report {
            Some((timestamp, at)) => (timestamp, to_short(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        let [.., a, b, c, d] = (self.highest - FIRST_WRAP).to_be_bytes();
        Some(ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            // 24 bits, signed.
            cumulative_lost: i32::try_from(self.lost())
                .unwrap_or(i32::MAX)
                .clamp(-0x80_0000, 0x7f_ffff),
            highest_sequence_number: u32::from_be_bytes([a, b, c, d]),
            jitter: self.jitter(),
            last_sender_report: last,
            delay_since_last_sender_report: since,
        })
    }
    // ANCHOR_END: report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reception(first: u16) -> (Instant, Reception) {
        let now = Instant::now();
        (now, Reception::new(now, SequenceNumber(first)))
    }

    /// Takes the numbers in this order; whether each was ahead.
    fn take(reception: &mut Reception, numbers: &[u16]) -> Vec<Place> {
        let place = |number: &u16| {
            reception.received += 1;
            let extended = reception.extend(SequenceNumber(*number));
            reception.place(extended)
        };
        numbers.iter().map(place).collect()
    }

    #[test]
    fn numbers_wrap_and_come_out_of_order() {
        let (now, mut reception) = reception(65534);
        let places = take(&mut reception, &[65534, 0, 65535, 1]);
        let ahead = |missing_from| Place::Ahead { missing_from };
        assert_eq!(places, [ahead(131_070), ahead(131_071), Place::Behind, ahead(131_073)]);
        let block = reception.report(now, Ssrc(1)).unwrap();
        assert_eq!(block.highest_sequence_number, 0x1_0001);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    }

    #[test]
    fn a_packet_from_before_the_first_one_has_a_number() {
        let (_, mut reception) = reception(0);
        assert_eq!(take(&mut reception, &[0, 65535]).last(), Some(&Place::Behind));
        assert_eq!(reception.extend(SequenceNumber(65535)), 65535);
    }

    #[test]
    fn fraction_lost_counts_from_the_last_report() {
        let (now, mut reception) = reception(0);
        take(&mut reception, &[0, 1, 3]);
        let block = reception.report(now, Ssrc(1)).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 1));
        assert_eq!(reception.report(now, Ssrc(1)), None, "silent since");
        take(&mut reception, &[4, 5]);
        let block = reception.report(now, Ssrc(1)).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 1));
    }

    #[test]
    fn a_far_jump_is_a_new_beginning_and_no_loss() {
        let (now, mut reception) = reception(0);
        assert_eq!(take(&mut reception, &[0, 10_000]).last(), Some(&Place::Anew));
        assert_eq!(reception.report(now, Ssrc(1)).unwrap().cumulative_lost, 0);
    }

    /// Packets 20 ms apart that come alternately 5 ms early and late: the jitter nears 10 ms.
    #[test]
    fn jitter_of_a_regular_wobble() {
        let (now, mut reception) = reception(0);
        for packet in 0..200_u32 {
            let wobble = if packet % 2 == 0 { 0 } else { 10 };
            let at = now + Duration::from_millis(u64::from(packet) * 20 + wobble);
            reception.timed(at, RtpTimestamp(packet.wrapping_mul(960)), 48_000);
        }
        let jitter = reception.jitter_time(48_000);
        assert!((9..=10).contains(&jitter.as_millis()), "{jitter:?}");
    }

    #[test]
    fn last_sender_report_and_the_delay_since() {
        let (now, mut reception) = reception(0);
        take(&mut reception, &[0]);
        let report = SenderReport {
            ssrc: Ssrc(1),
            ntp_timestamp: 0x1122_3344_5566_7788,
            rtp_timestamp: RtpTimestamp(0),
            packet_count: 0,
            octet_count: 0,
            reports: Vec::new(),
        };
        reception.reported(now, &report);
        let block = reception.report(now + Duration::from_millis(500), Ssrc(1)).unwrap();
        assert_eq!(block.last_sender_report, 0x3344_5566);
        assert_eq!(block.delay_since_last_sender_report, 32_768);
    }
}
