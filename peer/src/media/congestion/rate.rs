//! Rate control: the detector's signal moves the rate up and down.
//!
//! draft-ietf-rmcat-gcc-02 §5.5.
//!
//! ```text
//!               over-use           ┌────────────┐ normal
//!        ┌────────────────────────►│  Decrease  │        Decrease: 0.85 × what arrives, once
//!        │        ┌───────────────►└─────┬──────┘
//!        │        │                      ▼ at once
//!   ┌────┴─────┐  │ over-use     ┌────────────┐  under-use: wait until the queues are empty
//!   │ Increase │◄─┼──────────────┤    Hold    │◄─┐
//!   └────┬─────┘  │    normal    └─────┬──────┘  │
//!        │        └────────────────────┘         │
//!        └───────────── under-use ───────────────┘
//! ```
//!
//! Increase is by 8 % a second, and close to the known capacity by half a packet per response time.
//! DEVIATION: beyond the mean of that capacity by half as much, and not while packets stand in a
//! queue, for a queue that is full without growing is no over-use to the detector, and would stay.
//! Invariants: the rate stays within its bounds, and no increase leads beyond 1.5 times what is seen
//! to arrive, so that a sender which does not use its rate is not trusted with more.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::Bitrates;
use super::bitrate::Bitrate;
use super::capacity::Capacity;
use super::detector::Usage;
use super::probe_meter::Shown;

/// β: of what arrives during over-use, this is used next (§5.5, §5.6).
const BACK_OFF: f64 = 0.85;

/// η: growth in a second while the capacity is not known (§5.5).
const GROWTH: f64 = 1.08;

/// What is left after a second while packets stand in a queue that does not grow. It is little, not
/// to leave the path to others that fill queues on purpose.
const DRAIN: f64 = 0.98;

/// The least growth, in a second.
const MIN_GROWTH: Bitrate = Bitrate::kbps(4);

/// An increase ends at 1.5 times what arrives (§5.5) and a little, for rates near nothing.
const MAX_LEAD: f64 = 1.5;
const LEAD: Bitrate = Bitrate::kbps(10);

/// How long the detector takes to find over-use (§5.5).
const DETECTION: Duration = Duration::from_millis(100);

/// A decrease must have time to show: a round trip, within these bounds.
const MIN_PATIENCE: Duration = Duration::from_millis(10);
const MAX_PATIENCE: Duration = Duration::from_millis(200);

/// For the additive increase: what a frame lasts and a packet holds (§5.5).
const FRAME: Duration = Duration::from_micros(33_333);
const PACKET: usize = 1_200;

/// Beyond the mean of what the path has carried, growth is so much slower: the detector takes its
/// time, and what is added meanwhile stands in the queue.
const BEYOND: f64 = 0.5;

/// More arrives for so long than the capacity explains: it is no burst in the window measured over.
const PERSISTENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// The rate that delay allows.
#[derive(Debug)]
pub(super) struct RateControl {
    bounds: Bitrates,
    rate: Bitrate,
    state: State,
    capacity: Option<Capacity>,
    changed_at: Instant,
    /// What it was before the path became narrower: it may become as wide again.
    former: Option<Capacity>,
    /// Since when more arrives than the capacity explains.
    beyond_since: Option<Instant>,
}

impl RateControl {
    pub(super) fn new(now: Instant, bounds: Bitrates) -> Self {
        let rate = bounds.clamp(Bitrate::bps(bounds.start));
        Self {
            bounds,
            rate,
            state: State::Hold,
            capacity: None,
            changed_at: now,
            former: None,
            beyond_since: None,
        }
    }

    pub(super) fn rate(&self) -> Bitrate {
        self.rate
    }

    // ANCHOR: update
    /// Feedback came: the signal after it, what arrives (if known), the round-trip time, and whether
    /// packets stand in a queue.
    pub(super) fn update(
        &mut self,
        now: Instant,
        usage: Usage,
        throughput: Option<Bitrate>,
        round_trip: Duration,
        is_standing: bool,
    ) {
        match (usage, self.state) {
            (Usage::Over, _) => self.decrease(now, throughput, round_trip),
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, State::Hold) => {
                self.state = State::Increase;
                self.changed_at = now;
            }
            (Usage::Normal, State::Increase) if is_standing => self.drain(now),
            (Usage::Normal, State::Increase) => self.increase(now, throughput, round_trip),
        }
    }
    // ANCHOR_END: update

    /// A probe has shown that more passes; if that is all that does, growth is careful from here.
    pub(super) fn probed(&mut self, now: Instant, shown: Shown) {
        if shown.rate <= self.rate {
            return;
        }
        self.rate = self.bounds.clamp(shown.rate);
        self.changed_at = now;
        if let Some(capacity) = shown.capacity {
            self.capacity = Some(Capacity::new(capacity));
        } else if self.capacity.is_some_and(|capacity| capacity.is_below(shown.rate)) {
            self.capacity = None;
        }
    }

    /// Nothing is known of the path any more: a share of the rate remains.
    pub(super) fn retreat(&mut self, now: Instant, share: f64) {
        self.rate = self.bounds.clamp(self.rate * share);
        self.changed_at = now;
        self.capacity = None;
        self.state = State::Hold;
    }

    /// The rate goes down until the queue does, too.
    fn drain(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.changed_at).min(Duration::from_secs(1));
        self.changed_at = now;
        self.rate = self.bounds.clamp(self.rate * DRAIN.powf(elapsed.as_secs_f64()));
    }

    fn increase(&mut self, now: Instant, throughput: Option<Bitrate>, round_trip: Duration) {
        let elapsed = now.saturating_duration_since(self.changed_at).min(Duration::from_secs(1));
        self.changed_at = now;
        self.reconsider(now, throughput);
        self.remember();
        let limit = throughput.map_or(self.bounds.max(), |rate| rate * MAX_LEAD + LEAD);
        if self.rate >= limit {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let growth = match &self.capacity {
            Some(capacity) if self.rate > capacity.mean() => {
                self.additive_growth(round_trip) * BEYOND
            }
            Some(_) => self.additive_growth(round_trip),
            None => self.rate * ((GROWTH.powf(seconds) - 1.0) / seconds.max(1e-6)),
        };
        let raised = self.rate + growth.max(MIN_GROWTH) * seconds;
        self.rate = self.bounds.clamp(raised.min(limit));
    }

    /// More arrives than the path was thought to carry, and not only for a moment: it is wider.
    fn reconsider(&mut self, now: Instant, throughput: Option<Bitrate>) {
        let is_more = match (&self.capacity, throughput) {
            (Some(capacity), Some(throughput)) => capacity.is_below(throughput),
            _ => false,
        };
        if !is_more {
            self.beyond_since = None;
            return;
        }
        let since = *self.beyond_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= PERSISTENCE {
            self.capacity = None;
            self.beyond_since = None;
        }
    }

    /// Without an estimate, but close to a former one: that may be the limit again.
    fn remember(&mut self) {
        if self.capacity.is_none()
            && let Some(former) = self.former
            && !former.is_above(self.rate)
        {
            self.former = None;
            self.capacity = Some(former).filter(|former| !former.is_below(self.rate));
        }
    }

    /// Half a packet per response time, in bits a second each second (§5.5).
    fn additive_growth(&self, round_trip: Duration) -> Bitrate {
        let frame = self.rate.octets_in(FRAME).max(1);
        let packet = frame / frame.div_ceil(PACKET);
        let response = (round_trip + DETECTION) * 2;
        Bitrate::of(packet, response)
    }

    // ANCHOR: decrease
    fn decrease(&mut self, now: Instant, throughput: Option<Bitrate>, round_trip: Duration) {
        let patience = round_trip.clamp(MIN_PATIENCE, MAX_PATIENCE);
        let early = now.saturating_duration_since(self.changed_at) < patience;
        let Some(throughput) = throughput else {
            // Over-use before anything is known of what arrives.
            if self.state == State::Hold && early {
                return;
            }
            self.retreat(now, 0.5);
            return;
        };
        if self.state == State::Hold && early && throughput >= self.rate * 0.5 {
            return;
        }
        let mut lowered = throughput * BACK_OFF;
        if lowered > self.rate
            && let Some(capacity) = &self.capacity
        {
            lowered = capacity.mean() * BACK_OFF;
        }
        self.rate = self.bounds.clamp(lowered.min(self.rate));
        match &mut self.capacity {
            Some(capacity) if !capacity.is_above(throughput) => capacity.add(throughput),
            other => {
                self.former = self.former.or(*other);
                *other = Some(Capacity::new(throughput));
            }
        }
        self.state = State::Hold;
        self.changed_at = now;
    }
    // ANCHOR_END: decrease
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bitrates = Bitrates { start: 300_000, min: 30_000, max: 2_000_000 };
    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn run(control: &mut RateControl, start: Instant, seconds: u64, usage: Usage) -> Instant {
        let mut now = start;
        for _ in 0..seconds * 10 {
            now += Duration::from_millis(100);
            control.update(now, usage, Some(control.rate()), ROUND_TRIP, false);
        }
        now
    }

    #[test]
    fn it_grows_by_eight_per_cent_a_second_up_to_its_bound() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        let now = run(&mut control, start, 10, Usage::Normal);
        let expected = 300_000.0 * 1.08_f64.powi(10);
        assert!((control.rate().as_bps() as f64 / expected - 1.0).abs() < 0.01);
        run(&mut control, now, 100, Usage::Normal);
        assert_eq!(control.rate().as_bps(), 2_000_000);
    }

    #[test]
    fn over_use_leads_below_what_arrives_and_growth_is_careful_then() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        control.probed(start, Shown { rate: Bitrate::kbps(1_200), capacity: None });
        let now = start + Duration::from_secs(1);
        control.update(now, Usage::Over, Some(Bitrate::kbps(1_000)), ROUND_TRIP, false);
        assert_eq!(control.rate().as_bps(), 850_000);
        // Not again before the decrease can have shown.
        let soon = now + Duration::from_millis(50);
        control.update(soon, Usage::Over, Some(Bitrate::kbps(900)), ROUND_TRIP, false);
        assert_eq!(control.rate().as_bps(), 850_000);
        run(&mut control, now, 1, Usage::Normal);
        assert!((860_000..890_000).contains(&control.rate().as_bps()));
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        for i in 0..600 {
            let now = start + Duration::from_millis(100) * i;
            control.update(now, Usage::Normal, Some(Bitrate::kbps(250)), ROUND_TRIP, false);
        }
        assert_eq!(control.rate().as_bps(), 385_000);
    }

    #[test]
    fn a_queue_that_stands_is_drained() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        for i in 0..=101 {
            let now = start + Duration::from_millis(100) * i;
            control.update(now, Usage::Normal, Some(Bitrate::kbps(300)), ROUND_TRIP, true);
        }
        let expected = 300_000.0 * 0.98_f64.powi(10);
        assert!((control.rate().as_bps() as f64 / expected - 1.0).abs() < 0.01);
    }

    #[test]
    fn growth_is_careful_where_the_path_once_ended() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        control.probed(start, Shown { rate: Bitrate::kbps(1_000), capacity: None });
        let now = start + Duration::from_secs(1);
        control.update(now, Usage::Over, Some(Bitrate::kbps(1_000)), ROUND_TRIP, false);
        let now = now + Duration::from_secs(1);
        control.update(now, Usage::Over, Some(Bitrate::kbps(300)), ROUND_TRIP, false);
        control.probed(now, Shown { rate: Bitrate::kbps(700), capacity: None });
        // 8 % a second up to 60 kbit/s below the former capacity, then a packet at a time.
        let now = run(&mut control, now, 4, Usage::Normal);
        assert!((920_000..950_000).contains(&control.rate().as_bps()));
        let before = control.rate();
        run(&mut control, now, 2, Usage::Normal);
        assert!((20_000..50_000).contains(&(control.rate() - before).as_bps()));
    }

    #[test]
    fn under_use_holds() {
        let start = Instant::now();
        let mut control = RateControl::new(start, BOUNDS);
        run(&mut control, start, 10, Usage::Under);
        assert_eq!(control.rate().as_bps(), 300_000);
    }
}
