//! Packets of one source, put in order: what came too early waits for what is missing.
//!
//! RFC 3550 §5.1 (sequence numbers); RFC 4588 §3 (repair takes a round trip).
//!
//! ```text
//!     next                  held
//!      ▼                 ┌───┬───┐
//!      5        (6)      │ 7 │ 8 │    5 comes: 5 leaves. 6 comes: 6, 7, 8 leave.
//!                        └───┴───┘    6 does not come in time: it is passed over, 7, 8 leave.
//! ```
//!
//! - What leaves, leaves in ascending order and once.
//! - The wait begins when the packet behind the gap came.
//!
//! Book: the chapter on repair.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use srtp::rtp;

/// Packets held at a time: half a second at 10 Mbit/s.
const MAX_HELD: usize = 512;

/// Octets of their payloads: more of one source would be a quarter of what a peer may make us hold.
const MAX_HELD_OCTETS: usize = 512 * 1024;

/// What is in order now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next packet.
    Packet(rtp::Packet),
    /// This many packets are missing here, and are passed over.
    Gap(u64),
}

/// The packets that came too early, by their extended numbers.
#[derive(Debug, Default)]
pub(crate) struct Reorder {
    next: Option<u64>,
    held: BTreeMap<u64, (Instant, rtp::Packet)>,
    octets: usize,
}

impl Reorder {
    /// Takes a packet. False if its turn is over.
    pub(crate) fn push(&mut self, now: Instant, number: u64, packet: rtp::Packet) -> bool {
        if number < *self.next.get_or_insert(number) {
            return false;
        }
        let octets = packet.payload.len();
        if let Some((_, replaced)) = self.held.insert(number, (now, packet)) {
            self.octets -= replaced.payload.len();
        }
        self.octets += octets;
        true
    }

    // ANCHOR: poll
    /// What comes next. A gap is passed over when what is behind it has waited for `wait`, or when
    /// more than the bounds is held.
    pub(crate) fn poll(&mut self, now: Instant, wait: Duration) -> Option<Next> {
        let next = self.next?;
        let (number, (came, _)) = self.held.first_key_value()?;
        let gap = number - next;
        if gap > 0 {
            if now < *came + wait && !self.is_full() {
                return None;
            }
            self.next = Some(*number);
            return Some(Next::Gap(gap));
        }
        let (number, (_, packet)) = self.held.pop_first()?;
        self.next = Some(number + 1);
        self.octets -= packet.payload.len();
        Some(Next::Packet(packet))
    }
    // ANCHOR_END: poll

    fn is_full(&self) -> bool {
        self.held.len() > MAX_HELD || self.octets > MAX_HELD_OCTETS
    }

    /// When the gap, if there is one, is passed over.
    pub(crate) fn poll_timeout(&self, wait: Duration) -> Option<Instant> {
        self.held.first_key_value().map(|(_, (came, _))| *came + wait)
    }

    /// The number whose turn it is.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Octets that wait, with what belongs to each packet.
    pub(crate) fn octets(&self) -> usize {
        const ITEM: usize = 256;
        self.octets + self.held.len() * ITEM
    }

    /// Forgets everything; the next packet is the first.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use srtp::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

    use super::*;

    const WAIT: Duration = Duration::from_millis(100);

    fn packet(number: u16) -> rtp::Packet {
        let header = rtp::Header {
            marker: false,
            payload_type: PayloadType(96),
            sequence_number: SequenceNumber(number),
            timestamp: RtpTimestamp(0),
            ssrc: Ssrc(1),
            csrcs: Vec::new(),
            extensions: rtp::Extensions::default(),
        };
        rtp::Packet { header, payload: Bytes::from(vec![0; 1000]), padding: 0 }
    }

    fn drain(reorder: &mut Reorder, now: Instant) -> Vec<Result<u16, u64>> {
        let next = |next| match next {
            Next::Packet(packet) => Ok(packet.header.sequence_number.0),
            Next::Gap(count) => Err(count),
        };
        std::iter::from_fn(|| reorder.poll(now, WAIT)).map(next).collect()
    }

    fn push(reorder: &mut Reorder, now: Instant, number: u16) -> bool {
        reorder.push(now, number.into(), packet(number))
    }

    #[test]
    fn the_figure() {
        let now = Instant::now();
        let mut reorder = Reorder::default();
        for number in [5, 7, 8] {
            assert!(push(&mut reorder, now, number));
        }
        assert_eq!(drain(&mut reorder, now), [Ok(5)]);
        assert!(push(&mut reorder, now, 6));
        assert_eq!(drain(&mut reorder, now), [Ok(6), Ok(7), Ok(8)]);
        assert!(!push(&mut reorder, now, 6), "its turn is over");
        assert_eq!(reorder.octets(), 0);
    }

    #[test]
    fn a_gap_is_passed_over_in_time() {
        let now = Instant::now();
        let mut reorder = Reorder::default();
        push(&mut reorder, now, 1);
        drain(&mut reorder, now);
        push(&mut reorder, now, 4);
        assert_eq!(reorder.poll_timeout(WAIT), Some(now + WAIT));
        assert_eq!(drain(&mut reorder, now + WAIT / 2), []);
        assert_eq!(drain(&mut reorder, now + WAIT), [Err(2), Ok(4)]);
    }

    #[test]
    fn row_03_what_is_held_is_bounded() {
        let now = Instant::now();
        let mut reorder = Reorder::default();
        push(&mut reorder, now, 0);
        drain(&mut reorder, now);
        for number in 2..60_000 {
            push(&mut reorder, now, number);
            drain(&mut reorder, now);
            assert!(reorder.held.len() <= MAX_HELD && reorder.octets <= MAX_HELD_OCTETS);
        }
    }

    proptest! {
        #[test]
        fn in_order_and_once(numbers in proptest::collection::vec(100_u16..200, 0..200)) {
            let now = Instant::now();
            let mut reorder = Reorder::default();
            let mut left = Vec::new();
            for number in &numbers {
                push(&mut reorder, now, *number);
                left.extend(drain(&mut reorder, now));
            }
            left.extend(drain(&mut reorder, now + WAIT));
            let left: Vec<u16> = left.into_iter().flatten().collect();
            prop_assert!(left.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(reorder.octets(), 0);
        }
    }
}
