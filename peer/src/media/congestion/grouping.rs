//! Groups of packets, and how much further apart they arrived than they were sent.
//!
//! draft-ietf-rmcat-gcc-02 §5.1 (arrival-time model) and §5.2 (pre-filtering).
//!
//! ```text
//!   sent       ┃┃┃         ┃┃            d_sent    = last of this group − last of the group before
//!              └─┴─d_sent──┴┘
//!   arrived      ┃ ┃ ┃          ┃ ┃      d_arrived = the same, on the peer's clock
//!                    └─d_arrived──┘
//!   variation = d_arrived − d_sent:      above 0, a queue grew between the two
//! ```
//!
//! Packets that the pacer let go together are one group: between them there is nothing to learn.
//! So are packets which some link held back and then delivered in a bunch.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::history::{Arrival, RemoteTime};

/// `burst_time`: packets sent within this time are one group (§5.2).
const BURST: Duration = Duration::from_millis(5);

/// Packets that arrive this close behind another are looked at as a bunch.
const BUNCH_MILLISECONDS: f64 = 5.0;

/// No bunch is longer, lest one group go on for ever.
const MAX_BUNCH_MILLISECONDS: f64 = 100.0;

/// After so many groups that seem to arrive before those sent earlier, the peer's clock has jumped:
/// begin anew.
const MAX_REORDERED: u8 = 3;

/// A gap as long as this is a jump of a clock, or a path that was gone: begin anew.
const MAX_GAP_MILLISECONDS: f64 = 3_000.0;

/// How two neighbouring groups were sent and how they arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spacing {
    pub(super) sent_milliseconds: f64,
    pub(super) arrived_milliseconds: f64,
    pub(super) arrived_at: RemoteTime,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    first_arrived: RemoteTime,
    last_arrived: RemoteTime,
}

/// The group that grows and the one before it.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    previous: Option<Group>,
    current: Option<Group>,
    reordered: u8,
}

impl Grouping {
    /// Takes the next packet, in the order of sending. Answers when it begins a new group and two
    /// whole ones lie before it.
    pub(super) fn add(&mut self, packet: &Arrival) -> Option<Spacing> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(packet));
            return None;
        };
        if packet.sent_at < current.first_sent {
            return None;
        }
        if current.includes(packet) {
            current.last_sent = current.last_sent.max(packet.sent_at);
            current.last_arrived = current.last_arrived.max(packet.arrived_at);
            return None;
        }
        let current = *current;
        let previous = self.previous.replace(current);
        self.current = Some(Group::of(packet));
        self.compare(&previous?, &current)
    }

    fn compare(&mut self, previous: &Group, current: &Group) -> Option<Spacing> {
        let sent = current.last_sent.saturating_duration_since(previous.last_sent);
        let arrived = current.last_arrived.milliseconds_since(previous.last_arrived);
        if arrived < 0.0 {
            self.reordered += 1;
            if self.reordered >= MAX_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        let sent_milliseconds = sent.as_secs_f64() * 1_000.0;
        if arrived - sent_milliseconds > MAX_GAP_MILLISECONDS {
            *self = Self::default();
            return None;
        }
        Some(Spacing {
            sent_milliseconds,
            arrived_milliseconds: arrived,
            arrived_at: current.last_arrived,
        })
    }
}

impl Group {
    fn of(packet: &Arrival) -> Self {
        Self {
            first_sent: packet.sent_at,
            last_sent: packet.sent_at,
            first_arrived: packet.arrived_at,
            last_arrived: packet.arrived_at,
        }
    }

    fn includes(&self, packet: &Arrival) -> bool {
        if packet.sent_at.saturating_duration_since(self.first_sent) <= BURST {
            return true;
        }
        // §5.2: what comes close behind and has taken less time on its way was waiting, together
        // with the group, behind the same obstacle.
        let sent = packet.sent_at.saturating_duration_since(self.last_sent).as_secs_f64() * 1_000.0;
        let arrived = packet.arrived_at.milliseconds_since(self.last_arrived);
        arrived >= 0.0
            && arrived < sent
            && arrived <= BUNCH_MILLISECONDS
            && packet.arrived_at.milliseconds_since(self.first_arrived) < MAX_BUNCH_MILLISECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (sent, arrived), in milliseconds; the spacings they give as (sent, arrived).
    fn spacings(packets: &[(u64, i64)]) -> Vec<(f64, f64)> {
        let start = Instant::now();
        let mut grouping = Grouping::default();
        packets
            .iter()
            .filter_map(|(sent, arrived)| {
                grouping.add(&Arrival {
                    sent_at: start + Duration::from_millis(*sent),
                    arrived_at: RemoteTime(arrived * 1_000),
                    octets: 1_000,
                    probe: None,
                })
            })
            .map(|spacing| (spacing.sent_milliseconds, spacing.arrived_milliseconds))
            .collect()
    }

    #[test]
    fn groups_are_compared_by_their_last_packets() {
        let packets = [(0, 50), (2, 58), (20, 75), (22, 83), (40, 100)];
        assert_eq!(spacings(&packets), [(20.0, 25.0)]);
    }

    #[test]
    fn what_was_held_back_together_is_one_group() {
        // A pause of a radio link: three packets sent 10 ms apart arrive in one bunch.
        let packets = [(0, 50), (10, 60), (20, 100), (30, 101), (40, 102), (50, 108), (60, 118)];
        assert_eq!(spacings(&packets), [(10.0, 10.0), (30.0, 42.0), (10.0, 6.0)]);
    }

    #[test]
    fn row_65_time_that_goes_backwards_begins_anew() {
        let packets: Vec<_> = (0..100).map(|i| (i * 10, -10 * i64::try_from(i).unwrap())).collect();
        assert_eq!(spacings(&packets), []);
        let jump = [(0, 0), (10, 10), (20, 9_000_000), (30, 9_000_010), (40, 9_000_020)];
        assert!(spacings(&jump).iter().all(|(_, arrived)| *arrived < 100.0));
    }
}
