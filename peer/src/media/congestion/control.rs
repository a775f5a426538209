//! The sender's side of congestion control: every packet that leaves and every report that comes is
//! told here; what comes out is one number, the target.
//!
//! draft-ietf-rmcat-gcc-02 (delay and loss), draft-alvestrand-rmcat-remb (the receiver's own limit);
//! the figure is in the module above. Invariants: min ≤ target ≤ max, whatever the peer reports;
//! what the peer reports costs time linear in its length and memory bounded by our own history.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use srtp::wire::rtcp::TransportFeedback;

use super::Bitrates;
use super::application::ApplicationLimit;
use super::bitrate::Bitrate;
use super::detector::{Detector, Usage};
use super::grouping::Grouping;
use super::history::SendHistory;
use super::loss::LossControl;
use super::probing::{Circumstances, Probe, Prober};
use super::rate::RateControl;
use super::throughput::Throughput;
use super::trendline::Trendline;

/// The pacer is faster than the target, so that a large frame does not wait for the next.
const PACING: f64 = 2.5;

/// Until a round trip is measured.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(200);

/// A round trip taken for longer than this is a pause, not a path.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(2);

/// Feedback worked, then none for so long while we sent: half of the rate, each time anew.
const SILENCE: Duration = Duration::from_secs(2);

/// While packets stand in a queue for longer, the queue is to drain first: nothing grows, and a probe
/// would only push aside what others sent.
const MAX_STANDING_MILLISECONDS: f64 = 50.0;

/// How the peer tells what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feedback {
    /// Not in detail, or not yet: receiver reports only.
    None,
    /// Last at this time; or the rate was halved then because there was none.
    Since(Instant),
}

/// The controllers and what they share.
#[derive(Debug)]
pub(crate) struct CongestionControl {
    bounds: Bitrates,
    history: SendHistory,
    grouping: Grouping,
    trendline: Trendline,
    detector: Detector,
    throughput: Throughput,
    rate: RateControl,
    loss: LossControl,
    application: ApplicationLimit,
    prober: Prober,
    receiver_limit: Option<Bitrate>,
    round_trip: Duration,
    feedback: Feedback,
    sent_at: Option<Instant>,
}

impl CongestionControl {
    pub(crate) fn new(now: Instant, bounds: Bitrates) -> Self {
        Self {
            bounds,
            history: SendHistory::new(),
            grouping: Grouping::default(),
            trendline: Trendline::default(),
            detector: Detector::default(),
            throughput: Throughput::default(),
            rate: RateControl::new(now, bounds),
            loss: LossControl::new(now),
            application: ApplicationLimit::new(now),
            prober: Prober::new(),
            receiver_limit: None,
            round_trip: INITIAL_ROUND_TRIP,
            feedback: Feedback::None,
            sent_at: None,
        }
    }

    /// What all streams together should send, in bits a second.
    pub(crate) fn target(&self) -> u64 {
        self.target_rate().as_bps()
    }

    /// How long a packet and the news of its arrival took lately, with what stands in queues; `None`
    /// while there are no such news.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.feedback != Feedback::None).then_some(self.round_trip)
    }

    /// What the pacer should let go.
    pub(crate) fn pacing_rate(&self) -> Bitrate {
        self.target_rate() * PACING
    }

    /// The transport-wide number for the next packet; each call gives another.
    pub(crate) fn next_sequence_number(&mut self) -> u16 {
        self.history.next_number()
    }

    /// The packet with this number left; `is_probe` as the pacer says.
    pub(crate) fn packet_sent(
        &mut self,
        now: Instant,
        transport_seq: u16,
        octets: usize,
        is_probe: bool,
    ) {
        let probe = self.prober.sent(now, octets, is_probe);
        self.history.sent(now, transport_seq, octets, probe);
        if !is_probe {
            self.application.sent(now, octets, self.target_rate());
        }
        self.sent_at = Some(now);
    }

    // ANCHOR: handle_feedback
    /// Transport-wide feedback came.
    pub(crate) fn handle_feedback(&mut self, now: Instant, feedback: &TransportFeedback) {
        let news = self.history.acknowledge(feedback);
        let Some(newest) = news.arrivals.last() else {
            // Only losses, or nothing we know of.
            self.count_loss(now, news.lost, news.lost, 0);
            return;
        };
        let round_trip = now.saturating_duration_since(newest.sent_at);
        self.round_trip = round_trip.min(MAX_ROUND_TRIP);
        self.feedback = Feedback::Since(now);
        self.prober.feedback(self.bounds.start(), self.bounds.max());

        let mut over_used = false;
        for packet in &news.arrivals {
            self.throughput.add(packet.arrived_at, packet.octets);
            self.prober.arrived(packet);
            if let Some(spacing) = self.grouping.add(packet) {
                let trend = self.trendline.update(&spacing);
                self.detector.update(trend, &spacing);
                over_used |= self.detector.usage() == Usage::Over;
            }
        }
        // Over-use in the midst of a report counts though its end be normal again.
        let usage = if over_used { Usage::Over } else { self.detector.usage() };
        let is_standing = self.trendline.standing() > MAX_STANDING_MILLISECONDS;
        self.change_rate(now, |rate, throughput, round_trip| {
            rate.update(now, usage, throughput, round_trip, is_standing);
        });
        if let Some(shown) = self.prober.result(now, self.bounds.max())
            && usage != Usage::Over
        {
            self.rate.probed(now, shown);
            self.loss.probed(shown.rate);
        }
        let packets = news.arrivals.len() - news.found + news.lost;
        self.count_loss(now, packets, news.lost, news.found);
    }
    // ANCHOR_END: handle_feedback

    /// A receiver report: the share lost since the last (0 to 1), and the round-trip time. Where
    /// there is transport-wide feedback it tells the same, sooner.
    pub(crate) fn handle_loss(&mut self, now: Instant, fraction: f64, round_trip: Duration) {
        if self.feedback != Feedback::None {
            return;
        }
        self.round_trip = round_trip.min(MAX_ROUND_TRIP);
        if self.application.since().is_none() {
            self.rate.update(now, Usage::Normal, None, self.round_trip, false);
        }
        self.loss.update(now, fraction, self.round_trip, self.target_rate(), self.rate.rate());
    }

    /// The receiver says what it can take at most; it holds until it says otherwise.
    pub(crate) fn handle_remb(&mut self, _now: Instant, bits_per_second: u64) {
        self.receiver_limit = Some(Bitrate::bps(bits_per_second));
    }

    /// A probe to be sent now; the next comes when this one is answered.
    pub(crate) fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let circumstances = self.circumstances();
        self.prober.poll(now, &circumstances)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.prober.handle_timeout(now);
        if self.silence_ends().is_some_and(|at| now >= at) {
            self.feedback = Feedback::Since(now);
            self.change_rate(now, |rate, _, _| rate.retreat(now, 0.5));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.prober.poll_timeout(&self.circumstances());
        [probe, self.silence_ends()].into_iter().flatten().min()
    }

    /// When the lack of feedback must be acted on, if we have gone on sending without it.
    fn silence_ends(&self) -> Option<Instant> {
        match (self.feedback, self.sent_at) {
            (Feedback::Since(heard), Some(sent)) if sent >= heard + SILENCE / 2 => {
                Some(heard + SILENCE)
            }
            _ => None,
        }
    }

    fn target_rate(&self) -> Bitrate {
        let allowed = [self.loss.cap(), self.receiver_limit]
            .into_iter()
            .flatten()
            .fold(self.rate.rate(), Bitrate::min);
        self.bounds.clamp(allowed)
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            target: self.target_rate(),
            max: self
                .receiver_limit
                .map_or(self.bounds.max(), |limit| limit.min(self.bounds.max())),
            is_calm: self.detector.usage() == Usage::Normal
                && self.trendline.standing() < MAX_STANDING_MILLISECONDS
                && self.loss.is_calm(),
            limited_since: self.application.since(),
        }
    }

    fn change_rate(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut RateControl, Option<Bitrate>, Duration),
    ) {
        let before = self.rate.rate();
        change(&mut self.rate, self.throughput.rate(), self.round_trip);
        self.prober.decreased(now, before, self.rate.rate());
    }

    fn count_loss(&mut self, now: Instant, packets: usize, lost: usize, found: usize) {
        if let Some(fraction) = self.loss.count(now, packets, lost, found) {
            let (target, allowed) = (self.target_rate(), self.rate.rate());
            self.loss.update(now, fraction, self.round_trip, target, allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use srtp::Ssrc;
    use srtp::wire::rtcp::PacketStatus;

    use super::*;

    const BOUNDS: Bitrates = Bitrates { start: 300_000, min: 30_000, max: 2_000_000 };

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

    fn is_within_bounds(control: &CongestionControl) -> bool {
        (BOUNDS.min..=BOUNDS.max).contains(&control.target())
    }

    #[test]
    fn remb_is_an_upper_bound_and_no_lower_one() {
        let now = Instant::now();
        let mut control = CongestionControl::new(now, BOUNDS);
        assert_eq!(control.target(), 300_000);
        control.handle_remb(now, 200_000);
        assert_eq!(control.target(), 200_000);
        control.handle_remb(now, u64::MAX);
        assert_eq!(control.target(), 300_000);
    }

    #[test]
    fn row_65_remb_lies() {
        let now = Instant::now();
        let mut control = CongestionControl::new(now, BOUNDS);
        for lie in [0, 1, u64::MAX, 0] {
            control.handle_remb(now, lie);
            assert!(is_within_bounds(&control));
        }
        assert_eq!(control.target(), BOUNDS.min);
    }

    #[test]
    fn without_feedback_receiver_reports_raise_and_lower_the_target() {
        let mut now = Instant::now();
        let mut control = CongestionControl::new(now, BOUNDS);
        for _ in 0..10 {
            now += Duration::from_secs(1);
            control.handle_loss(now, 0.0, Duration::from_millis(50));
        }
        let grown = control.target();
        assert!((550_000..700_000).contains(&grown), "{grown}");
        control.handle_loss(now, 0.5, Duration::from_millis(50));
        assert!(control.target().abs_diff(grown * 3 / 4) < 10);
    }

    #[test]
    fn silence_halves_the_target_but_only_while_we_send() {
        let mut now = Instant::now();
        let mut control = CongestionControl::new(now, BOUNDS);
        let number = control.next_sequence_number();
        control.packet_sent(now, number, 1_200, false);
        control.handle_feedback(now, &feedback(number, 0, vec![PacketStatus::Received(0)]));
        assert_eq!(control.poll_timeout(), None);
        for _ in 0..250 {
            now += Duration::from_millis(10);
            let number = control.next_sequence_number();
            control.packet_sent(now, number, 1_200, false);
            control.handle_timeout(now);
        }
        assert_eq!(control.target(), 150_000);
        assert_eq!(control.poll_timeout(), None);
    }

    #[test]
    fn row_65_silly_feedback() {
        let now = Instant::now();
        let mut control = CongestionControl::new(now, BOUNDS);
        for _ in 0..1_000 {
            let number = control.next_sequence_number();
            control.packet_sent(now, number, 1_200, true);
        }
        let all = |status| vec![status; 65_535];
        for round in 0..20 {
            for status in [i16::MIN, -1, 0, i16::MAX].map(PacketStatus::Received) {
                control.handle_feedback(now, &feedback(0, (round % 3 - 1) << 22, all(status)));
                control.handle_feedback(now, &feedback(60_000, i32::MAX, all(status)));
            }
            control.handle_feedback(now, &feedback(0, i32::MIN, all(PacketStatus::Lost)));
            control.handle_timeout(now);
            assert!(is_within_bounds(&control));
        }
    }

    proptest! {
        #[test]
        fn the_target_stays_within_its_bounds(
            steps in prop::collection::vec(
                (0_u64..3_000, any::<u16>(), any::<i32>(),
                 prop::collection::vec(prop::option::of(any::<i16>()), 0..60), any::<u64>()),
                0..60,
            ),
        ) {
            let mut now = Instant::now();
            let mut control = CongestionControl::new(now, BOUNDS);
            for (milliseconds, base, reference_time, statuses, remb) in steps {
                now += Duration::from_millis(milliseconds);
                for _ in 0..10 {
                    let number = control.next_sequence_number();
                    let is_probe = control.poll_probe(now).is_some();
                    control.packet_sent(now, number, usize::from(base), is_probe);
                }
                let statuses = statuses
                    .into_iter()
                    .map(|delta| delta.map_or(PacketStatus::Lost, PacketStatus::Received))
                    .collect();
                control.handle_feedback(now, &feedback(base % 600, reference_time, statuses));
                control.handle_remb(now, remb);
                control.handle_loss(now, f64::from(reference_time), Duration::from_millis(remb));
                control.handle_timeout(now);
                prop_assert!(is_within_bounds(&control));
                let _ = (control.poll_timeout(), control.pacing_rate());
            }
        }
    }
}
