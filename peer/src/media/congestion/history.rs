//! What was sent, under which transport-wide number, until feedback says what became of it.
//!
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 §2: every packet of a transport, whatever its
//! stream, bears a number of one count.
//!
//! ```text
//!              first                                  first + length
//!   numbers ──────┼─────────┬─────────┬─────────┬────────────┼──────► (modulo 2^16)
//!      forgotten  │ Arrived │  Lost   │ Arrived │ InFlight … │  never sent: ignored
//! ```
//!
//! Invariants: a packet arrives once; a number outside the history changes nothing, so feedback that
//! lies can name no packet but ours, each once, in linear time.
//! Book: the chapter on congestion.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use srtp::wire::rtcp::{PacketStatus, TransportFeedback};

use super::probing::ProbeId;

/// Packets remembered: three seconds of 50 Mbit/s. Less than 2^15, so that a number of sixteen bits
/// says which of them is meant.
const MAX_PACKETS: usize = 1 << 14;

/// Feedback that comes later than this has nothing to say about the path as it is.
const MAX_AGE: Duration = Duration::from_secs(3);

/// A point on the peer's clock, in microseconds from an origin we do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RemoteTime(pub(super) i64);

impl RemoteTime {
    /// How long after `earlier`, in milliseconds; negative before it.
    pub(super) fn milliseconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1_000.0
    }
}

/// A packet that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) sent_at: Instant,
    pub(super) arrived_at: RemoteTime,
    pub(super) octets: usize,
    pub(super) probe: Option<ProbeId>,
}

/// What one feedback packet tells that was not known before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// In the order they were sent.
    pub(super) arrivals: Vec<Arrival>,
    /// Packets that did not arrive, or not yet.
    pub(super) lost: usize,
    /// Packets among `arrivals` that were told lost before.
    pub(super) found: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    octets: usize,
    probe: Option<ProbeId>,
}

/// One number.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Given to a packet that has not left.
    Numbered,
    InFlight(Sent),
    Lost(Sent),
    Arrived,
}

/// The numbers given out, the oldest first.
#[derive(Debug)]
pub(super) struct SendHistory {
    first: u16,
    fates: VecDeque<Fate>,
    clock: RemoteClock,
}

impl SendHistory {
    pub(super) fn new() -> Self {
        Self { first: 0, fates: VecDeque::new(), clock: RemoteClock::default() }
    }

    /// The number for the next packet. The count begins at 1: a peer may take 0 for none.
    pub(super) fn next_number(&mut self) -> u16 {
        if self.fates.is_empty() && self.first == 0 {
            self.first = 1;
        }
        if self.fates.len() >= MAX_PACKETS {
            self.forget_first();
        }
        let number = self.first.wrapping_add(u16::try_from(self.fates.len()).unwrap_or(0));
        self.fates.push_back(Fate::Numbered);
        number
    }

    /// The packet with this number left.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        number: u16,
        octets: usize,
        probe: Option<ProbeId>,
    ) {
        while let Some(Fate::InFlight(Sent { at, .. }) | Fate::Lost(Sent { at, .. })) =
            self.fates.front()
            && now.saturating_duration_since(*at) > MAX_AGE
        {
            self.forget_first();
        }
        while matches!(self.fates.front(), Some(Fate::Arrived)) {
            self.forget_first();
        }
        if let Some(fate @ Fate::Numbered) = self.at(number) {
            *fate = Fate::InFlight(Sent { at: now, octets, probe });
        }
    }

    /// Reads feedback (§3.1 of the draft). Numbers never sent, told before or forgotten are passed
    /// over.
    pub(super) fn acknowledge(&mut self, feedback: &TransportFeedback) -> News {
        let mut time = self.clock.reference(feedback.reference_time);
        let mut news = News::default();
        let mut number = feedback.base_sequence_number;
        // The numbers of one feedback packet are fewer than 2^16: none is met twice.
        for status in feedback.statuses.iter().take(usize::from(u16::MAX)) {
            let arrived = match status {
                PacketStatus::Lost => false,
                PacketStatus::Received(delta) => {
                    time = RemoteTime(time.0.saturating_add(i64::from(*delta) * 250));
                    true
                }
            };
            if let Some(fate) = self.at(number) {
                match (*fate, arrived) {
                    (Fate::InFlight(sent) | Fate::Lost(sent), true) => {
                        news.found += usize::from(matches!(fate, Fate::Lost(_)));
                        let Sent { at: sent_at, octets, probe } = sent;
                        news.arrivals.push(Arrival { sent_at, arrived_at: time, octets, probe });
                        *fate = Fate::Arrived;
                    }
                    (Fate::InFlight(sent), false) => {
                        news.lost += 1;
                        *fate = Fate::Lost(sent);
                    }
                    (Fate::Numbered | Fate::Arrived | Fate::Lost(_), _) => {}
                }
            }
            number = number.wrapping_add(1);
        }
        news
    }

    fn at(&mut self, number: u16) -> Option<&mut Fate> {
        self.fates.get_mut(usize::from(number.wrapping_sub(self.first)))
    }

    fn forget_first(&mut self) {
        self.fates.pop_front();
        self.first = self.first.wrapping_add(1);
    }
}

/// The peer's clock, told in 24 bits of 64 ms that wrap after twelve days, continued over the wrap.
#[derive(Debug, Default)]
struct RemoteClock {
    reference: i32,
    /// The same, with wraps counted.
    continued: i64,
}

impl RemoteClock {
    fn reference(&mut self, reference: i32) -> RemoteTime {
        // The shorter way around the circle of 2^24: shift out the upper octet, shift its sign in.
        let step = (reference.wrapping_sub(self.reference) << 8) >> 8;
        self.reference = reference;
        self.continued = self.continued.saturating_add(i64::from(step));
        RemoteTime(self.continued.saturating_mul(64_000))
    }
}

#[cfg(test)]
mod tests {
    use srtp::Ssrc;

    use super::*;

    fn feedback(base: u16, reference_time: i32, statuses: Vec<PacketStatus>) -> TransportFeedback {
        TransportFeedback {
            sender: Ssrc(1),
            media: Ssrc(2),
            base_sequence_number: base,
            reference_time,
            feedback_count: 0,
            statuses,
        }
    }

    fn sent(history: &mut SendHistory, now: Instant, count: usize) -> u16 {
        let mut last = 0;
        for _ in 0..count {
            last = history.next_number();
            history.sent(now, last, 1_000, None);
        }
        last
    }

    #[test]
    fn a_packet_is_lost_then_found_and_counted_once() {
        let mut history = SendHistory::new();
        sent(&mut history, Instant::now(), 3);
        let lost = [PacketStatus::Received(4), PacketStatus::Lost, PacketStatus::Received(8)];
        let news = history.acknowledge(&feedback(1, 10, lost.to_vec()));
        assert_eq!((news.arrivals.len(), news.lost, news.found), (2, 1, 0));
        let times: Vec<_> = news.arrivals.iter().map(|arrival| arrival.arrived_at.0).collect();
        assert_eq!(times, [641_000, 643_000]);
        let news = history.acknowledge(&feedback(2, 10, vec![PacketStatus::Received(0); 2]));
        assert_eq!((news.arrivals.len(), news.lost, news.found), (1, 0, 1));
        assert_eq!(history.acknowledge(&feedback(1, 10, lost.to_vec())), News::default());
    }

    #[test]
    fn numbers_wrap_and_the_history_is_bounded() {
        let mut history = SendHistory::new();
        let now = Instant::now();
        let last = sent(&mut history, now, 70_000);
        assert_eq!(last, u16::try_from(70_000 % 65_536).unwrap_or_default());
        assert_eq!(history.fates.len(), MAX_PACKETS);
        let news = history.acknowledge(&feedback(last, 0, vec![PacketStatus::Received(0)]));
        assert_eq!(news.arrivals.len(), 1);
    }

    #[test]
    fn the_old_is_forgotten() {
        let mut history = SendHistory::new();
        let now = Instant::now();
        sent(&mut history, now, 100);
        sent(&mut history, now + MAX_AGE * 2, 1);
        assert_eq!(history.fates.len(), 1);
    }

    #[test]
    fn row_65_feedback_about_numbers_never_sent() {
        let mut history = SendHistory::new();
        let last = sent(&mut history, Instant::now(), 10);
        for base in [last.wrapping_add(1), 30_000, 60_000] {
            let silly = feedback(base, i32::MIN, vec![PacketStatus::Received(i16::MAX); 100]);
            assert_eq!(history.acknowledge(&silly), News::default());
        }
        let everything = feedback(last + 2, i32::MAX, vec![PacketStatus::Lost; 65_535]);
        assert_eq!(history.acknowledge(&everything).lost, 10);
    }

    #[test]
    fn the_reference_time_wraps() {
        let mut clock = RemoteClock::default();
        let before = clock.reference((1 << 23) - 1);
        let after = clock.reference(-(1 << 23));
        assert_eq!(after.0 - before.0, 64_000);
    }
}
