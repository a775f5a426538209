//! The pacer: packets leave one after another, at a rate, not all of a frame at once.
//!
//! draft-ietf-rmcat-gcc-02 §4 (sending engine).
//!
//! ```text
//!   push   ┌ Audio ──────────────► at once
//!    │     │ Retransmission ────┐
//!    └────►│ Video ─────────────┼► when it is due ──► poll
//!          └ (padding, probing) ┘
//!
//!   ──┬┬┬───────┬┬┬───────┬┬──────►   packets of 5 ms go together: fewer wake-ups, and for the
//!     └burst┘   └burst┘               estimator packets sent together are one group
//! ```
//!
//! A burst in one heap would stand in the bottleneck's queue and look like congestion. Sound is a
//! small stream that must not wait. Invariant: every queue is bounded, a full one refuses.
//! Book: the chapter on congestion.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::bitrate::Bitrate;
use super::probing::Probe;

/// Sound is sent every 10 to 60 ms and leaves at once: so many wait only if nobody polls.
const MAX_AUDIO: usize = 64;

/// What a peer may ask for again within a round trip; the rest it will ask for later, or never.
const MAX_RETRANSMISSIONS: usize = 256;

/// A keyframe of one megabyte.
const MAX_VIDEO: usize = 1_024;

/// Nothing waits longer: the rate is raised until it does not.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Packets due within this time leave together: `burst_time` of the draft's §4.
const BURST: Duration = Duration::from_millis(5);

/// What a late wake-up has missed is made up for, up to this much.
const CATCH_UP: Duration = Duration::from_millis(5);

/// What is sent in place of what; the first before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Audio,
    Retransmission,
    Video,
}

/// A packet that leaves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paced<T> {
    pub(crate) packet: T,
    /// Whether it is part of a probe: to be told to the congestion control.
    pub(crate) is_probe: bool,
}

#[derive(Debug)]
struct Queued<T> {
    packet: T,
    octets: usize,
    at: Instant,
}

#[derive(Debug)]
struct RunningProbe {
    rate: Bitrate,
    packets: usize,
    octets: usize,
}

/// Queues by class, and when the next packet is due.
#[derive(Debug)]
pub(crate) struct Pacer<T> {
    audio: VecDeque<Queued<T>>,
    retransmission: VecDeque<Queued<T>>,
    video: VecDeque<Queued<T>>,
    /// Octets of the latter two.
    queued: usize,
    rate: Bitrate,
    /// When all that was sent would be through at the rate.
    due: Instant,
    probe: Option<RunningProbe>,
}

impl<T> Pacer<T> {
    pub(crate) fn new(now: Instant, rate: Bitrate) -> Self {
        Self {
            audio: VecDeque::new(),
            retransmission: VecDeque::new(),
            video: VecDeque::new(),
            queued: 0,
            rate,
            due: now,
            probe: None,
        }
    }

    pub(crate) fn set_rate(&mut self, rate: Bitrate) {
        self.rate = rate;
    }

    /// Queues a packet.
    ///
    /// # Errors
    /// The packet, if too many of its class wait.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        class: Class,
        octets: usize,
        packet: T,
    ) -> Result<(), T> {
        let (queue, max) = match class {
            Class::Audio => (&mut self.audio, MAX_AUDIO),
            Class::Retransmission => (&mut self.retransmission, MAX_RETRANSMISSIONS),
            Class::Video => (&mut self.video, MAX_VIDEO),
        };
        if queue.len() >= max {
            return Err(packet);
        }
        queue.push_back(Queued { packet, octets, at: now });
        if class != Class::Audio {
            self.queued = self.queued.saturating_add(octets);
        }
        Ok(())
    }

    /// How long what waits will take.
    pub(crate) fn delay(&self) -> Duration {
        self.current_rate().time_for(self.queued)
    }

    // ANCHOR: poll
    /// The next packet that may leave; call until `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Paced<T>> {
        let next = match self.audio.pop_front() {
            Some(next) => next,
            None if self.is_due(now) => {
                let next = self.retransmission.pop_front().or_else(|| self.video.pop_front())?;
                // With its own part: the last packet leaves no slower than the first.
                let rate = self.current_rate();
                self.queued = self.queued.saturating_sub(next.octets);
                let is_probe = self.account(now, next.octets, rate);
                return Some(Paced { packet: next.packet, is_probe });
            }
            None => return None,
        };
        let rate = self.current_rate();
        let is_probe = self.account(now, next.octets, rate);
        Some(Paced { packet: next.packet, is_probe })
    }
    // ANCHOR_END: poll

    /// From now on packets leave at the probe's rate, media first, until it has had enough.
    pub(crate) fn begin_probe(&mut self, now: Instant, probe: Probe) {
        let Probe { rate, packets, octets } = probe;
        self.due = now;
        self.probe = Some(RunningProbe { rate, packets, octets });
    }

    /// Whether a padding packet of so many octets should leave now, because a probe runs and no
    /// media waits; if so, it is taken for sent. Call until `false`.
    pub(crate) fn poll_padding(&mut self, now: Instant, octets: usize) -> bool {
        let Some(RunningProbe { rate, .. }) = self.probe else { return false };
        let waits = !self.audio.is_empty() || self.queued > 0;
        if waits || !self.is_due(now) {
            return false;
        }
        self.account(now, octets, rate)
    }

    /// There is nothing to pad with.
    pub(crate) fn end_probe(&mut self) {
        self.probe = None;
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if let Some(first) = self.audio.front() {
            return Some(first.at);
        }
        let waits = !self.retransmission.is_empty() || !self.video.is_empty();
        (waits || self.probe.is_some()).then_some(self.due)
    }

    fn is_due(&self, now: Instant) -> bool {
        // A probe is sent as evenly as can be.
        let burst = if self.probe.is_some() { Duration::ZERO } else { BURST };
        self.due <= now + burst
    }

    fn current_rate(&self) -> Bitrate {
        match &self.probe {
            Some(probe) => probe.rate,
            None => self.rate.max(Bitrate::of(self.queued, MAX_DELAY)),
        }
    }

    /// Counts what leaves; answers whether it is part of a probe.
    fn account(&mut self, now: Instant, octets: usize, rate: Bitrate) -> bool {
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.due = self.due.max(earliest) + rate.time_for(octets);
        let Some(probe) = &mut self.probe else { return false };
        probe.packets = probe.packets.saturating_sub(1);
        probe.octets = probe.octets.saturating_sub(octets);
        if probe.packets == 0 && probe.octets == 0 {
            self.probe = None;
            // What the probe sent too fast, media need not wait for.
            self.due = self.due.min(now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(now: Instant, kilobits: u64) -> Pacer<u32> {
        Pacer::new(now, Bitrate::kbps(kilobits))
    }

    /// Polls whenever a timer says so; when each packet left, in milliseconds.
    fn drain(pacer: &mut Pacer<u32>, start: Instant) -> Vec<(u32, u128)> {
        let mut now = start;
        let mut left = Vec::new();
        loop {
            while let Some(paced) = pacer.poll(now) {
                left.push((paced.packet, (now - start).as_millis()));
            }
            match pacer.poll_timeout() {
                Some(at) => now = now.max(at),
                None => return left,
            }
        }
    }

    #[test]
    fn packets_leave_at_the_rate_in_small_bursts() {
        let now = Instant::now();
        let mut pacer = pacer(now, 4_000);
        for i in 0..10 {
            pacer.push(now, Class::Video, 1_000, i).unwrap();
        }
        assert_eq!(pacer.delay(), Duration::from_millis(20));
        let times: Vec<_> = drain(&mut pacer, now).into_iter().map(|(_, at)| at).collect();
        assert_eq!(times, [0, 0, 0, 6, 6, 6, 12, 12, 12, 18]);
    }

    #[test]
    fn sound_first_then_repair_then_video() {
        let now = Instant::now();
        let mut pacer = pacer(now, 100);
        for (class, packet) in [(Class::Video, 3), (Class::Retransmission, 2), (Class::Audio, 1)] {
            pacer.push(now, class, 1_000, packet).unwrap();
        }
        let order: Vec<_> = drain(&mut pacer, now).into_iter().map(|(packet, _)| packet).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn a_full_queue_refuses_and_no_packet_waits_longer_than_the_bound() {
        let now = Instant::now();
        let mut pacer = pacer(now, 30);
        let mut taken = 0;
        while pacer.push(now, Class::Video, 1_200, taken).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 1_024);
        assert_eq!(pacer.push(now, Class::Video, 1, 7), Err(7));
        assert!(pacer.push(now, Class::Audio, 1, 7).is_ok());
        assert!(pacer.delay() <= MAX_DELAY);
        // The queue empties as an exponential would, but for its last packets at the rate itself.
        let left = drain(&mut pacer, now);
        assert!(left.iter().take(600).all(|(_, at)| *at <= 2_000));
    }

    #[test]
    fn a_probe_is_media_then_padding_at_its_own_rate() {
        let start = Instant::now();
        let mut pacer = pacer(start, 300);
        pacer.push(start, Class::Video, 1_200, 1).unwrap();
        let rate = Bitrate::kbps(960);
        pacer.begin_probe(start, Probe { rate, packets: 5, octets: 1_800 });
        assert!(pacer.poll(start).unwrap().is_probe);
        let mut now = start;
        let mut padding = Vec::new();
        while let Some(at) = pacer.poll_timeout() {
            now = now.max(at);
            while pacer.poll_padding(now, 240) {
                padding.push((now - start).as_millis());
            }
        }
        assert_eq!(padding, [10, 12, 14, 16]);
        assert!(!pacer.poll_padding(now, 240));
        pacer.push(now, Class::Video, 1_200, 2).unwrap();
        assert!(!pacer.poll(now).unwrap().is_probe);
    }

    #[test]
    fn a_probe_without_padding_can_be_ended() {
        let now = Instant::now();
        let mut pacer = pacer(now, 300);
        pacer.begin_probe(now, Probe { rate: Bitrate::kbps(900), packets: 5, octets: 1_800 });
        assert!(pacer.poll_timeout().is_some());
        pacer.end_probe();
        assert_eq!(pacer.poll_timeout(), None);
    }
}
