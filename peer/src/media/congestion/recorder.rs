//! The receiver's side: notes when each packet came, and reports it to the sender.
//!
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.
//!
//! ```text
//!               first            unreported                  first + length
//!   numbers ──────┼─────────────────┼───────────────────────────┼──────► (modulo 2^16)
//!                 │ told before     │ 12 ms  –  15 ms  –  –  20 ms │
//!                 └─────────────────┴───────────────────────────┘
//!                                    └ the next feedback: from here to the last that came
//! ```
//!
//! A packet that was overtaken by a report moves `unreported` back to itself: the next report
//! repeats what came since. Invariants: the table and each report are bounded; numbers that leap
//! begin a new table.
//! Book: the chapter on congestion.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use srtp::Ssrc;
use srtp::wire::rtcp::{PacketStatus, TransportFeedback};

/// How long after a packet it is reported: what browsers do. Twenty reports a second are about
/// 12 kbit/s.
const INTERVAL: Duration = Duration::from_millis(50);

/// Numbers kept: 200 ms of 100 Mbit/s. A leap by more is another sender, or a lie.
const MAX_NUMBERS: usize = 2_048;

/// Told ones are kept this many numbers long, for those that come after they were told lost.
const MAX_TOLD: usize = 256;

/// Octets a report may have, to fit in a packet with the headers around it.
const MAX_REPORT: usize = 1_100;

/// One tick of a delta, in microseconds (§3.1.5 of the draft).
const TICK: i64 = 250;

/// Ticks of one step of the reference time: 64 ms.
const REFERENCE: i64 = 256;

/// Arrivals by number.
#[derive(Debug)]
pub(crate) struct FeedbackRecorder {
    origin: Instant,
    first: u16,
    /// In ticks since the origin; `None`: has not come.
    arrivals: VecDeque<Option<i64>>,
    /// How many of them were told.
    told: usize,
    due: Option<Instant>,
    count: u8,
}

impl FeedbackRecorder {
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, first: 0, arrivals: VecDeque::new(), told: 0, due: None, count: 0 }
    }

    /// A packet with this transport-wide number came.
    pub(crate) fn received(&mut self, now: Instant, transport_seq: u16) {
        let since = now.saturating_duration_since(self.origin);
        let ticks = i64::try_from(since.as_micros()).unwrap_or(i64::MAX) / TICK;
        if self.arrivals.is_empty() {
            self.first = transport_seq;
        }
        let ahead = usize::from(transport_seq.wrapping_sub(self.first));
        let behind = usize::from(self.first.wrapping_sub(transport_seq));
        if ahead >= MAX_NUMBERS {
            if behind <= MAX_TOLD {
                // Older than all we know: overtaken by so much, it is told of no more.
                return;
            }
            if ahead >= MAX_NUMBERS + self.arrivals.len() {
                // A leap. What was not told yet is let go with the rest.
                self.arrivals.clear();
                self.told = 0;
                self.first = transport_seq;
            }
        }
        self.note(transport_seq, ticks);
        self.due.get_or_insert(now + INTERVAL);
    }

    fn note(&mut self, number: u16, ticks: i64) {
        let index = usize::from(number.wrapping_sub(self.first));
        while self.arrivals.len() <= index {
            self.arrivals.push_back(None);
        }
        if let Some(arrival @ None) = self.arrivals.get_mut(index) {
            *arrival = Some(ticks);
            self.told = self.told.min(index);
        }
        while self.arrivals.len() > MAX_NUMBERS {
            self.forget_first();
        }
    }

    /// The report that is due: between those two, about the packets since the last.
    pub(crate) fn poll_feedback(
        &mut self,
        now: Instant,
        sender: Ssrc,
        media: Ssrc,
    ) -> Option<TransportFeedback> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        let base = self.first.wrapping_add(u16::try_from(self.told).unwrap_or(0));
        let reference = self.arrivals.iter().skip(self.told).find_map(|arrival| *arrival);
        let Some(reference) = reference.map(|ticks| ticks.div_euclid(REFERENCE)) else {
            self.due = None;
            return None;
        };
        let statuses = self.statuses(reference * REFERENCE);
        self.told += statuses.len();
        while self.told > MAX_TOLD {
            self.forget_first();
        }
        // What did not fit is due now.
        if self.arrivals.len() <= self.told {
            self.due = None;
        }
        let feedback_count = self.count;
        self.count = self.count.wrapping_add(1);
        Some(TransportFeedback {
            sender,
            media,
            base_sequence_number: base,
            reference_time: signed_24(reference),
            feedback_count,
            statuses,
        })
    }

    // ANCHOR: statuses
    /// Statuses of what was not told yet, as many as fit; deltas begin at `last` (ticks).
    fn statuses(&self, mut last: i64) -> Vec<PacketStatus> {
        let mut statuses = Vec::new();
        let mut deltas = 0_usize;
        for arrival in self.arrivals.iter().skip(self.told) {
            // At worst seven statuses share a chunk of two octets, and a delta has two of its own.
            if statuses.len().div_ceil(7) * 2 + deltas * 2 >= MAX_REPORT {
                break;
            }
            match arrival {
                None => statuses.push(PacketStatus::Lost),
                Some(ticks) => {
                    // A delta that is too large begins the next report, with its own reference.
                    let Ok(delta) = i16::try_from(ticks - last) else { break };
                    statuses.push(PacketStatus::Received(delta));
                    deltas += 1;
                    last = *ticks;
                }
            }
        }
        statuses
    }
    // ANCHOR_END: statuses

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn forget_first(&mut self) {
        self.arrivals.pop_front();
        self.first = self.first.wrapping_add(1);
        self.told = self.told.saturating_sub(1);
    }
}

/// The lower 24 bits, as a signed number.
fn signed_24(reference: i64) -> i32 {
    let lower = i32::try_from(reference & 0x00ff_ffff).unwrap_or(0);
    (lower << 8) >> 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn poll(recorder: &mut FeedbackRecorder, now: Instant) -> Option<TransportFeedback> {
        recorder.poll_feedback(now, Ssrc(1), Ssrc(2))
    }

    #[test]
    fn a_report_after_fifty_milliseconds() {
        let start = Instant::now();
        let mut recorder = FeedbackRecorder::new(start);
        assert_eq!(recorder.poll_timeout(), None);
        recorder.received(start + milliseconds(130), 65_535);
        recorder.received(start + milliseconds(140), 1);
        assert_eq!(recorder.poll_timeout(), Some(start + milliseconds(180)));
        assert_eq!(poll(&mut recorder, start + milliseconds(179)), None);
        let feedback = poll(&mut recorder, start + milliseconds(180)).unwrap();
        assert_eq!((feedback.base_sequence_number, feedback.reference_time), (65_535, 2));
        let expected = [PacketStatus::Received(8), PacketStatus::Lost, PacketStatus::Received(40)];
        assert_eq!(feedback.statuses, expected);
        assert_eq!(recorder.poll_timeout(), None);
        assert_eq!(poll(&mut recorder, start + milliseconds(500)), None);
    }

    #[test]
    fn a_late_packet_is_told_again_with_what_came_since() {
        let start = Instant::now();
        let mut recorder = FeedbackRecorder::new(start);
        for number in [10, 12, 13] {
            recorder.received(start, number);
        }
        assert_eq!(poll(&mut recorder, start + INTERVAL).unwrap().statuses.len(), 4);
        recorder.received(start + INTERVAL, 14);
        recorder.received(start + INTERVAL, 11);
        let feedback = poll(&mut recorder, start + INTERVAL * 2).unwrap();
        assert_eq!(feedback.base_sequence_number, 11);
        let deltas = [200, -200, 0, 200].map(PacketStatus::Received);
        assert_eq!(feedback.statuses, deltas);
        assert_eq!(feedback.feedback_count, 1);
    }

    #[test]
    fn a_flood_is_told_in_reports_of_bounded_size() {
        let start = Instant::now();
        let mut recorder = FeedbackRecorder::new(start);
        for number in 0..2_000 {
            recorder.received(start, number);
        }
        let (mut reports, mut statuses) = (0, 0);
        while let Some(feedback) = poll(&mut recorder, start + INTERVAL) {
            assert_eq!(usize::from(feedback.base_sequence_number), statuses);
            statuses += feedback.statuses.len();
            reports += 1;
        }
        assert_eq!((reports, statuses), (5, 2_000));
    }

    #[test]
    fn numbers_that_leap_begin_anew() {
        let start = Instant::now();
        let mut recorder = FeedbackRecorder::new(start);
        for number in [0, 30_000, 60_000, 25_000] {
            recorder.received(start, number);
            assert!(recorder.arrivals.len() <= MAX_NUMBERS);
        }
        let feedback = poll(&mut recorder, start + INTERVAL).unwrap();
        assert_eq!((feedback.base_sequence_number, feedback.statuses.len()), (25_000, 1));
    }

    #[test]
    fn a_long_pause_is_told_in_two_reports() {
        let start = Instant::now();
        let mut recorder = FeedbackRecorder::new(start);
        recorder.received(start, 1);
        let later = start + Duration::from_secs(10);
        recorder.received(later, 2);
        assert_eq!(poll(&mut recorder, later).unwrap().statuses.len(), 1);
        let feedback = poll(&mut recorder, later).unwrap();
        assert_eq!((feedback.base_sequence_number, feedback.reference_time), (2, 156));
    }

    proptest! {
        #[test]
        fn whatever_comes_the_table_and_the_reports_are_bounded(
            packets in prop::collection::vec((0_u64..20_000, any::<u16>(), any::<bool>()), 0..300),
        ) {
            let mut now = Instant::now();
            let mut recorder = FeedbackRecorder::new(now);
            let mut number = 0_u16;
            for (wait, step, leaps) in packets {
                now += milliseconds(wait / 100);
                number = number.wrapping_add(if leaps { step } else { step % 16 });
                recorder.received(now, number);
                prop_assert!(recorder.arrivals.len() <= MAX_NUMBERS);
                let mut reports = 0;
                while let Some(feedback) = poll(&mut recorder, now) {
                    prop_assert!(!feedback.statuses.is_empty());
                    prop_assert!(feedback.statuses.len() <= MAX_NUMBERS);
                    reports += 1;
                    prop_assert!(reports <= MAX_NUMBERS);
                }
                prop_assert!(recorder.told <= recorder.arrivals.len());
            }
        }
    }
}
