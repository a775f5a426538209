//! What a probe has shown: the rate at which its packets were sent and at which they arrived.
//!
//! ```text
//!   sent       ┃  ┃  ┃  ┃  ┃          rate = octets but the last, over the time from first to last
//!   arrived         ┃   ┃   ┃   ┃   ┃  rate = octets but the first, over the time from first to last
//! ```
//!
//! They arrive as fast as they were sent: there is at least so much room. They arrive more slowly:
//! that is the capacity.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::bitrate::Bitrate;
use super::history::{Arrival, RemoteTime};

/// The share of a probe that must have arrived.
const ENOUGH: f64 = 0.8;

/// First and last packet are not further apart than this, or something else was measured.
const MAX_SPAN_MILLISECONDS: f64 = 1_000.0;

/// If a probe seems to arrive so much faster than it was sent, something held it back.
const MAX_RATIO: f64 = 2.0;

/// Arriving at less than this share of the rate sent at: the path is full.
const UNSATURATED: f64 = 0.9;

/// Of a capacity found, so much is used, not to fill the path at once.
const UTILISATION: f64 = 0.95;

/// The answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shown {
    /// So much passes.
    pub(super) rate: Bitrate,
    /// And no more than this: the probe arrived more slowly than it was sent.
    pub(super) capacity: Option<Bitrate>,
}

/// The packets of one probe that arrived.
#[derive(Debug, Default)]
pub(super) struct ProbeMeter {
    octets: usize,
    packets: usize,
    span: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first_sent: Instant,
    last_sent: Instant,
    last_sent_octets: usize,
    first_arrived: RemoteTime,
    first_arrived_octets: usize,
    last_arrived: RemoteTime,
}

impl ProbeMeter {
    pub(super) fn add(&mut self, packet: &Arrival) {
        self.octets = self.octets.saturating_add(packet.octets);
        self.packets = self.packets.saturating_add(1);
        let span = self.span.get_or_insert(Span {
            first_sent: packet.sent_at,
            last_sent: packet.sent_at,
            last_sent_octets: packet.octets,
            first_arrived: packet.arrived_at,
            first_arrived_octets: packet.octets,
            last_arrived: packet.arrived_at,
        });
        span.first_sent = span.first_sent.min(packet.sent_at);
        if packet.sent_at >= span.last_sent {
            (span.last_sent, span.last_sent_octets) = (packet.sent_at, packet.octets);
        }
        if packet.arrived_at < span.first_arrived {
            (span.first_arrived, span.first_arrived_octets) = (packet.arrived_at, packet.octets);
        }
        span.last_arrived = span.last_arrived.max(packet.arrived_at);
    }

    /// The rate shown, once enough of the probe's packets and octets have arrived.
    pub(super) fn result(&self, packets: usize, octets: usize) -> Option<Shown> {
        if (self.packets as f64) < packets as f64 * ENOUGH
            || (self.octets as f64) < octets as f64 * ENOUGH
        {
            return None;
        }
        let span = self.span?;
        let sent = span.last_sent.saturating_duration_since(span.first_sent);
        let arrived = span.last_arrived.milliseconds_since(span.first_arrived);
        if sent.is_zero() || !(1.0..MAX_SPAN_MILLISECONDS).contains(&arrived) {
            return None;
        }
        let arrived = Duration::try_from_secs_f64(arrived / 1_000.0).ok()?;
        let sent = Bitrate::of(self.octets.saturating_sub(span.last_sent_octets), sent);
        let arrived = Bitrate::of(self.octets.saturating_sub(span.first_arrived_octets), arrived);
        let ratio = arrived.share_of(sent);
        if ratio > MAX_RATIO {
            return None;
        }
        Some(if ratio < UNSATURATED {
            Shown { rate: arrived * UTILISATION, capacity: Some(arrived) }
        } else {
            Shown { rate: arrived.min(sent), capacity: None }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten packets of 1,000 octets, so many milliseconds apart when sent and on arrival.
    fn probe(sent: u64, arrived: i64) -> Option<(u64, bool)> {
        let start = Instant::now();
        let mut meter = ProbeMeter::default();
        for i in 0..10_u32 {
            meter.add(&Arrival {
                sent_at: start + Duration::from_millis(sent) * i,
                arrived_at: RemoteTime(i64::from(i) * arrived * 1_000),
                octets: 1_000,
                probe: None,
            });
        }
        assert_eq!(meter.result(13, 13_000), None);
        meter.result(12, 12_000).map(|shown| (shown.rate.as_bps(), shown.capacity.is_some()))
    }

    #[test]
    fn the_slower_of_both_rates_counts() {
        assert_eq!(probe(4, 4), Some((2_000_000, false)));
        assert_eq!(probe(4, 8), Some((950_000, true)));
        assert_eq!(probe(8, 4), Some((1_000_000, false)));
    }

    #[test]
    fn a_bunch_is_no_measurement() {
        assert_eq!(probe(8, 1), None);
        assert_eq!(probe(8, 0), None);
        assert_eq!(probe(0, 4), None);
        assert_eq!(probe(4, 200), None);
    }
}
