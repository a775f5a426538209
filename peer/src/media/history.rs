//! What we sent lately, for the peer that did not receive it.
//!
//! RFC 4585 §6.2.1 (who asks), RFC 4588 (how it is sent again).
//!
//! ```text
//!    oldest                                   newest
//!   ┌──────┬──────┬──────┬ ─ ─ ┬──────┬──────┐
//!   │  101 │  102 │  104 │     │  388 │  389 │◄── sent
//!   └──────┴──────┴──────┴ ─ ─ ┴──────┴──────┘
//!      └─► forgotten: after two seconds, or beyond the bounds
//! ```
//!
//! - A packet is sent again at most once in a round trip, and a few times in all: whoever asks more
//!   often (row 65: a NACK for 272,000 packets) gets nothing more.
//! - The payloads are shared with whoever else has them.
//!
//! Book: the chapter on repair.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use srtp::{PayloadType, RtpTimestamp};

/// Packets kept of one source: two seconds at 10 Mbit/s.
const MAX_PACKETS: usize = 2048;

/// Octets of their payloads.
const MAX_OCTETS: usize = 2 << 20;

/// After this time nobody waits for a packet.
const MAX_AGE: Duration = Duration::from_secs(2);

/// Times a packet is sent again.
const MAX_RESENDS: u8 = 8;

/// The least time between two of them.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// A packet with its number, without what is only known when it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) payload_type: PayloadType,
    pub(crate) timestamp: RtpTimestamp,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<u8>,
    pub(crate) payload: Bytes,
}

#[derive(Debug)]
struct Sent {
    packet: Numbered,
    sent: Instant,
    resent: Option<Instant>,
    resends: u8,
}

/// The last packets of one source, by number.
#[derive(Debug, Default)]
pub(crate) struct History {
    packets: VecDeque<Sent>,
    octets: usize,
}

impl History {
    /// A packet has left.
    pub(crate) fn insert(&mut self, now: Instant, packet: Numbered) {
        self.octets += packet.payload.len();
        let sent = Sent { packet, sent: now, resent: None, resends: 0 };
        if self.packets.back().is_none_or(|last| last.packet.number < sent.packet.number) {
            self.packets.push_back(sent);
        } else {
            // Forwarded packets may be out of order, by a little.
            let at = self.packets.partition_point(|other| other.packet.number < sent.packet.number);
            self.packets.insert(at, sent);
        }
        while self.packets.len() > MAX_PACKETS
            || self.octets > MAX_OCTETS
            || self.packets.front().is_some_and(|oldest| now >= oldest.sent + MAX_AGE)
        {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.octets -= oldest.packet.payload.len();
        }
    }

    // ANCHOR: resend
    /// The packet, if it may be sent again now; then it counts as sent.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        number: u64,
        round_trip: Duration,
    ) -> Option<Numbered> {
        let at = self.packets.partition_point(|other| other.packet.number < number);
        let sent = self.packets.get_mut(at).filter(|sent| sent.packet.number == number)?;
        let interval = round_trip.max(MIN_INTERVAL);
        let is_early = sent.resent.is_some_and(|resent| now < resent + interval);
        if is_early || sent.resends >= MAX_RESENDS || now >= sent.sent + MAX_AGE {
            return None;
        }
        sent.resent = Some(now);
        sent.resends += 1;
        Some(sent.packet.clone())
    }
    // ANCHOR_END: resend
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn packet(number: u64, octets: usize) -> Numbered {
        Numbered {
            number,
            payload_type: PayloadType(96),
            timestamp: RtpTimestamp(0),
            marker: false,
            audio_level: None,
            payload: vec![0; octets].into(),
        }
    }

    #[test]
    fn what_was_sent_can_be_sent_again() {
        let now = Instant::now();
        let mut history = History::default();
        for number in [5, 6, 8, 7, 10] {
            history.insert(now, packet(number, 100));
        }
        for number in 5..=8 {
            let again = history.resend(now, number, ROUND_TRIP).unwrap();
            assert_eq!(again, packet(number, 100));
        }
        assert_eq!(history.resend(now, 9, ROUND_TRIP), None);
        assert_eq!(history.resend(now, 11, ROUND_TRIP), None);
    }

    #[test]
    fn row_65_once_in_a_round_trip_and_a_few_times_in_all() {
        let start = Instant::now();
        let mut history = History::default();
        history.insert(start, packet(1, 100));
        let mut times = 0;
        for millisecond in 0..2000 {
            let now = start + Duration::from_millis(millisecond);
            times += usize::from(history.resend(now, 1, ROUND_TRIP).is_some());
            assert!(times <= 1 + usize::try_from(millisecond).unwrap() / 50);
        }
        assert_eq!(times, usize::from(MAX_RESENDS));
    }

    #[test]
    fn forgotten_by_age_number_and_octets() {
        let now = Instant::now();
        let mut history = History::default();
        for number in 0..10_000 {
            history.insert(now, packet(number, 10_000));
            assert!(history.packets.len() <= MAX_PACKETS && history.octets <= MAX_OCTETS);
        }
        assert_eq!(history.resend(now, 5000, ROUND_TRIP), None);
        assert_eq!(history.resend(now + MAX_AGE, 9999, ROUND_TRIP), None);
        history.insert(now + MAX_AGE, packet(10_000, 1));
        assert_eq!(history.packets.len(), 1);
    }
}
