//! When to probe: send a few packets faster than the target, to learn at once whether more would
//! pass.
//!
//! The increase of 8 % a second takes 35 seconds from 300 kbit/s to 5 Mbit/s. A probe of 30 ms
//! answers after a round trip. No specification asks for it; browsers do it, and with them a call is
//! sharp after a second.
//!
//! ```text
//!            first feedback              taken by the pacer
//!   Waiting ────────────────► Planned ─────────────────────► Running
//!                               ▲  ▲                          │   │
//!                               │  └── as fast as sent: double ┘   │ slower, or no answer
//!                a reason to ask│                                  ▼
//!                               └────────────────────────────── Resting
//! ```
//!
//! There is a reason to ask when the application does not use its rate, so that media can show
//! nothing, when a probe was lost, and when the rate has dropped by much. Every probe in vain
//! doubles the rest.
//! Book: the chapter on congestion.

use std::time::{Duration, Instant};

use super::bitrate::Bitrate;
use super::history::Arrival;
use super::probe_meter::{ProbeMeter, Shown};

/// The first probe, as a multiple of the start rate; and the next after one that passed.
const FIRST: f64 = 3.0;
const NEXT: f64 = 2.0;

/// A probe that shows less than this share of its rate has found the limit.
const PASSED: f64 = 0.7;

/// How long a probe lasts, and how many packets it has at least: fewer measure nothing. In half the
/// time, not even one packet may pass of a flow that shares the path.
const SPAN: Duration = Duration::from_millis(30);
const MIN_PACKETS: usize = 5;

/// No answer for so long: there will be none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Rests between probes: the first, and where doubling ends.
const MIN_REST: Duration = Duration::from_secs(2);
const MAX_REST: Duration = Duration::from_secs(16);

/// A decrease to less than this share is a drop to recover from, back to this other share.
const DROP: f64 = 0.66;
const RECOVERY: f64 = 0.85;

/// Packets of less are sound: where there is no video, there is no use for room.
const MIN_MEDIA: usize = 200;

/// Without media for so long, nobody waits for an answer.
const ACTIVE: Duration = Duration::from_secs(1);

/// Which probe a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeId(u32);

/// An order to the pacer: at least so many packets and octets, at this rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Probe {
    pub(super) rate: Bitrate,
    pub(super) packets: usize,
    pub(super) octets: usize,
}

impl Probe {
    fn at(rate: Bitrate) -> Self {
        Self { rate, packets: MIN_PACKETS, octets: rate.octets_in(SPAN) }
    }
}

/// What the prober must know of the others before it asks for more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) target: Bitrate,
    pub(super) max: Bitrate,
    /// Neither delay nor loss is to be seen.
    pub(super) is_calm: bool,
    pub(super) limited_since: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Waiting,
    Planned(Bitrate),
    Running { probe: Probe, started_at: Instant, meter: ProbeMeter },
    Resting { until: Instant },
}

/// The state, and what it takes to find the next.
#[derive(Debug)]
pub(super) struct Prober {
    state: State,
    id: ProbeId,
    rest: Duration,
    /// The rate before it dropped, while it has not recovered.
    before_drop: Option<Bitrate>,
    /// The rate of the last probe, if no answer came: some of it was lost.
    unanswered: Option<Bitrate>,
    media_at: Option<Instant>,
}

impl Prober {
    pub(super) fn new() -> Self {
        Self {
            state: State::Waiting,
            id: ProbeId(0),
            rest: MIN_REST,
            before_drop: None,
            unanswered: None,
            media_at: None,
        }
    }

    /// A packet left. Answers which probe it belongs to.
    pub(super) fn sent(&mut self, now: Instant, octets: usize, is_probe: bool) -> Option<ProbeId> {
        if octets >= MIN_MEDIA && !is_probe {
            self.media_at = Some(now);
        }
        (is_probe && matches!(self.state, State::Running { .. })).then_some(self.id)
    }

    /// Feedback works: the ramp may begin, once there is something to ramp up for.
    pub(super) fn feedback(&mut self, start: Bitrate, max: Bitrate) {
        if matches!(self.state, State::Waiting) && self.media_at.is_some() {
            self.state = State::Planned(max.min(start * FIRST));
        }
    }

    /// A packet arrived.
    pub(super) fn arrived(&mut self, packet: &Arrival) {
        if let State::Running { meter, .. } = &mut self.state
            && packet.probe == Some(self.id)
        {
            meter.add(packet);
        }
    }

    // ANCHOR: result
    /// What the running probe has shown, if by now it has.
    pub(super) fn result(&mut self, now: Instant, max: Bitrate) -> Option<Shown> {
        let State::Running { probe, meter, .. } = &self.state else { return None };
        let (rate, shown) = (probe.rate, meter.result(probe.packets, probe.octets)?);
        self.unanswered = None;
        tracing::debug!(probe = rate.as_bps(), shown = shown.rate.as_bps(), "probe answered");
        if shown.rate >= rate * PASSED && rate < max {
            if self.before_drop.is_none() {
                self.rest = MIN_REST;
            }
            self.state = State::Planned(max.min(shown.rate * NEXT));
        } else {
            self.rest(now);
        }
        Some(shown)
    }
    // ANCHOR_END: result

    /// The rate went from one to the other.
    pub(super) fn decreased(&mut self, now: Instant, from: Bitrate, to: Bitrate) {
        if to >= from * DROP {
            return;
        }
        // Once more before it has recovered: what a probe got then was somebody else's, and the
        // rests go on growing.
        if self.before_drop.is_none() {
            self.before_drop = Some(from);
            self.rest = MIN_REST;
        }
        if !matches!(self.state, State::Waiting) {
            self.rest(now);
        }
    }

    /// The next probe, if there should be one now.
    pub(super) fn poll(&mut self, now: Instant, circumstances: &Circumstances) -> Option<Probe> {
        let Circumstances { target, is_calm, .. } = *circumstances;
        if self.before_drop.is_some_and(|before| target >= before * RECOVERY) {
            self.before_drop = None;
        }
        let rate = match self.state {
            State::Planned(rate) if is_calm && rate > target => rate,
            State::Planned(_) => {
                self.rest(now);
                return None;
            }
            State::Resting { until } if now >= until && is_calm => {
                self.reason(now, circumstances)?
            }
            State::Waiting | State::Running { .. } | State::Resting { .. } => return None,
        };
        let probe = Probe::at(rate);
        self.id = ProbeId(self.id.0.wrapping_add(1));
        self.state = State::Running { probe, started_at: now, meter: ProbeMeter::default() };
        Some(probe)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let State::Running { probe, started_at, .. } = &self.state
            && now >= *started_at + PATIENCE
        {
            self.unanswered = Some(probe.rate);
            self.rest(now);
        }
    }

    pub(super) fn poll_timeout(&self, circumstances: &Circumstances) -> Option<Instant> {
        match self.state {
            State::Running { started_at, .. } => Some(started_at + PATIENCE),
            State::Resting { until } if circumstances.is_calm => {
                self.reason(until, circumstances).map(|_| until)
            }
            State::Waiting | State::Planned(_) | State::Resting { .. } => None,
        }
    }

    /// The rate worth asking for, if any is.
    fn reason(&self, now: Instant, circumstances: &Circumstances) -> Option<Bitrate> {
        let Circumstances { target, max, limited_since, .. } = *circumstances;
        if now.saturating_duration_since(self.media_at?) > ACTIVE {
            return None;
        }
        let rate = match self.before_drop {
            Some(before) => before * RECOVERY,
            None => self.unanswered.or(limited_since.map(|_| target * NEXT))?,
        };
        let rate = max.min(rate);
        (rate > target).then_some(rate)
    }

    fn rest(&mut self, now: Instant) {
        self.state = State::Resting { until: now + self.rest };
        self.rest = (self.rest * 2).min(MAX_REST);
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::RemoteTime;
    use super::*;

    const MAX: Bitrate = Bitrate::kbps(2_500);

    fn circumstances(target: u64, limited_since: Option<Instant>) -> Circumstances {
        Circumstances { target: Bitrate::kbps(target), max: MAX, is_calm: true, limited_since }
    }

    /// Sends a probe and lets it arrive at another rate.
    fn answer(prober: &mut Prober, now: Instant, probe: Probe, rate: Bitrate) -> Option<Shown> {
        let mut arrived_at = RemoteTime(0);
        let mut sent_at = now;
        for _ in 0..probe.octets.div_ceil(300).max(probe.packets) {
            let id = prober.sent(sent_at, 300, true);
            prober.arrived(&Arrival { sent_at, arrived_at, octets: 300, probe: id });
            sent_at += probe.rate.time_for(300);
            arrived_at.0 += i64::try_from(rate.time_for(300).as_micros()).unwrap();
        }
        prober.result(sent_at, MAX)
    }

    #[test]
    fn the_ramp_doubles_until_a_probe_is_slowed_down() {
        let now = Instant::now();
        let mut prober = Prober::new();
        prober.feedback(Bitrate::kbps(300), MAX);
        assert_eq!(prober.poll(now, &circumstances(300, None)), None);
        prober.sent(now, 1_200, false);
        prober.feedback(Bitrate::kbps(300), MAX);
        let first = prober.poll(now, &circumstances(300, None)).unwrap();
        assert_eq!((first.rate.as_bps(), first.octets), (900_000, 3_375));
        assert!(prober.poll(now, &circumstances(300, None)).is_none());
        answer(&mut prober, now, first, first.rate).unwrap();
        let second = prober.poll(now, &circumstances(900, None)).unwrap();
        assert!(second.rate >= Bitrate::kbps(1_780));
        let shown = answer(&mut prober, now, second, Bitrate::kbps(1_000)).unwrap();
        assert!((940_000..=960_000).contains(&shown.rate.as_bps()));
        assert!(prober.poll(now, &circumstances(950, None)).is_none());
        assert_eq!(prober.poll_timeout(&circumstances(950, None)), None);
    }

    #[test]
    fn an_application_that_uses_little_is_asked_for_less_and_less_often() {
        let mut now = Instant::now();
        let mut prober = Prober::new();
        prober.state = State::Resting { until: now };
        let mut rests = Vec::new();
        for _ in 0..5 {
            prober.sent(now, 1_200, false);
            let limited = circumstances(500, Some(now));
            assert_eq!(prober.poll(now, &limited).unwrap().rate.as_bps(), 1_000_000);
            now = prober.poll_timeout(&limited).unwrap();
            prober.handle_timeout(now);
            let next = prober.poll(now, &limited).map_or_else(
                || match prober.state {
                    State::Resting { until } => until,
                    _ => now,
                },
                |_| now,
            );
            rests.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(rests, [2, 4, 8, 16, 16]);
    }

    #[test]
    fn after_a_drop_the_rate_of_before_is_asked_for() {
        let now = Instant::now();
        let mut prober = Prober::new();
        prober.state = State::Resting { until: now };
        prober.decreased(now, Bitrate::kbps(1_000), Bitrate::kbps(900));
        assert_eq!(prober.before_drop, None);
        prober.decreased(now, Bitrate::kbps(1_000), Bitrate::kbps(250));
        prober.sent(now + MIN_REST, 1_200, false);
        let probe = prober.poll(now + MIN_REST, &circumstances(250, None)).unwrap();
        assert_eq!(probe.rate.as_bps(), 850_000);
    }
}
