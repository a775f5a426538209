//! Congestion control: how much may be on its way at once (RFC 9260 §7.2).
//!
//! ```text
//!   cwnd ▲
//!        │            /|                 SS  slow start: + what was acknowledged
//!        │          /  |      _-‾|       CA  congestion avoidance: + one packet per window
//!        │  ssthresh - - - _-‾   |       FR  fast retransmit: halved
//!        │      /      |-‾       |       T3  timeout: one packet, slow start again
//!        │    /SS      FR CA     T3 _-‾
//!        └──────────────────────────────► time
//! ```
//!
//! Octets are counted with the DATA chunk headers, so that a flood of one-octet messages weighs
//! what the network carries.
//!
//! Book: the chapter on reliability.

use std::time::{Duration, Instant};

/// DEVIATION RFC 9260 §7.2.1: the window begins at ten packets instead of four, as RFC 6928 did
/// for TCP and as browsers do.
const INITIAL_WINDOW: usize = 10;

/// RFC 9260 §7.2.1 counts at most L packets per SACK in slow start. L is 1 there, because a
/// receiver answers every second packet; a receiver that takes packets in batches answers once per
/// batch, so L is the largest batch. That a jump of the window floods no queue is seen to by
/// [`Burst`].
const LARGEST_BATCH: usize = 32;

/// Packets each SACK may set free: Max.Burst (RFC 9260 §6.1 D and §16).
const MAX_BURST: usize = 4;

/// The least pause between two batches that no SACK set free: timers are hardly finer.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// cwnd, ssthresh, `partial_bytes_acked` and Fast Recovery.
#[derive(Debug)]
pub(crate) struct Congestion {
    /// Octets of the largest packet's chunks (PMDCS).
    packet: usize,
    window: usize,
    threshold: usize,
    partial: usize,
    /// While in Fast Recovery: the last TSN sent before it (as a position).
    recovery_until: Option<u64>,
}

impl Congestion {
    /// `remote_window` is the a_rwnd of the remote INIT or INIT ACK: whichever of the two we saw,
    /// slow start goes up to it (RFC 9260 §7.2.1).
    pub(crate) fn new(packet: usize, remote_window: usize) -> Self {
        let window = packet.saturating_mul(INITIAL_WINDOW);
        let threshold = remote_window.max(packet.saturating_mul(4));
        Self { packet, window, threshold, partial: 0, recovery_until: None }
    }

    /// cwnd.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    pub(crate) fn in_fast_recovery(&self) -> bool {
        self.recovery_until.is_some()
    }

    /// Whether the window is so small that a delayed SACK would leave the path idle.
    pub(crate) fn is_small(&self) -> bool {
        self.window <= self.packet.saturating_mul(4)
    }

    // ANCHOR: acknowledged
    /// A SACK moved the cumulative TSN to `cumulative` and acknowledged `octets`, of the `flight`
    /// that was on its way before.
    pub(crate) fn acknowledged(&mut self, octets: usize, flight: usize, cumulative: u64) {
        if let Some(until) = self.recovery_until {
            if cumulative < until {
                return;
            }
            self.recovery_until = None;
        }
        // Growing a window that is not used would allow a burst nobody has tested.
        let fully_used = flight.saturating_add(self.packet) > self.window;
        if self.window <= self.threshold {
            if fully_used {
                let most = self.packet.saturating_mul(LARGEST_BATCH);
                self.window = self.window.saturating_add(octets.min(most));
            }
            return;
        }
        self.partial = self.partial.saturating_add(octets);
        if self.partial >= self.window && fully_used {
            self.partial = self.partial.saturating_sub(self.window);
            self.window = self.window.saturating_add(self.packet);
        }
    }
    // ANCHOR_END: acknowledged

    /// Nothing is outstanding any more (RFC 9260 §7.2.2).
    pub(crate) fn all_acknowledged(&mut self) {
        self.partial = 0;
    }

    /// Chunks are to be fast retransmitted (RFC 9260 §7.2.4); `last` is the last position sent.
    /// Answers whether Fast Recovery begins here, and with it one packet outside the window.
    pub(crate) fn fast_retransmit(&mut self, last: u64) -> bool {
        if self.in_fast_recovery() {
            return false;
        }
        self.halve();
        self.window = self.threshold;
        self.recovery_until = Some(last);
        true
    }

    /// T3-rtx expired (RFC 9260 §7.2.3).
    pub(crate) fn timed_out(&mut self) {
        self.halve();
        self.window = self.packet;
        self.recovery_until = None;
    }

    /// One RTO without sending anything (RFC 9260 §7.2.1): the path may have changed.
    pub(crate) fn idle(&mut self) {
        let floor = self.packet.saturating_mul(INITIAL_WINDOW);
        if self.window > floor {
            self.window = floor.max(self.window / 2);
        }
    }

    fn halve(&mut self) {
        self.threshold = (self.window / 2).max(self.packet.saturating_mul(4));
        self.partial = 0;
    }
}

/// The burst limit: packets of DATA that may leave before the next SACK (RFC 9260 §6.1 D).
///
/// Each SACK allows four more. When several are handled at once, their allowances add up to one
/// batch; a default UDP receive buffer holds a few of those. A receiver that answers a whole batch
/// with one SACK would then get one batch per round trip, however large the window is. So what the
/// window still allows leaves batch by batch, spread over the round trip.
#[derive(Debug)]
pub(crate) struct Burst {
    packets: usize,
    /// When the next batch may leave though no SACK has come.
    next: Option<Instant>,
}

impl Burst {
    pub(crate) fn new() -> Self {
        Self { packets: INITIAL_WINDOW, next: None }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.packets == 0
    }

    pub(crate) fn sent(&mut self) {
        self.packets = self.packets.saturating_sub(1);
    }

    /// A SACK acknowledged `octets` in packets of `packet`: what left the network may be replaced,
    /// and [`MAX_BURST`] more.
    pub(crate) fn acknowledged(&mut self, octets: usize, packet: usize) {
        let replaced = octets.checked_div(packet).unwrap_or(0);
        let more = replaced.saturating_add(MAX_BURST);
        self.packets = self.packets.saturating_add(more).min(LARGEST_BATCH);
        self.next = None;
    }

    /// Something waits, the window allows it and the limit does not: the next batch leaves after
    /// its share of the round trip. `packet` and `window` in octets.
    pub(crate) fn wait(
        &mut self,
        now: Instant,
        round_trip: Duration,
        packet: usize,
        window: usize,
    ) {
        let batch = packet.saturating_mul(LARGEST_BATCH).min(window);
        let share = batch as f64 / window.max(1) as f64;
        self.next.get_or_insert(now + round_trip.mul_f64(share).max(LEAST_PAUSE));
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|next| now >= next) {
            self.next = None;
            self.packets = LARGEST_BATCH;
        }
    }

    /// The application gave something to send, or a timer expired.
    pub(crate) fn opportunity(&mut self, nothing_in_flight: bool) {
        let least = if nothing_in_flight { INITIAL_WINDOW } else { MAX_BURST };
        self.packets = self.packets.max(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(congestion: &Congestion) -> usize {
        congestion.window()
    }

    #[test]
    fn slow_start_doubles_per_window_and_only_when_used() {
        let mut congestion = Congestion::new(1000, 1_000_000);
        assert_eq!(congestion.window(), 10_000);
        for position in 1..=5 {
            congestion.acknowledged(2000, in_flight(&congestion), position);
        }
        assert_eq!(congestion.window(), 20_000);
        congestion.acknowledged(2000, 3000, 6);
        assert_eq!(congestion.window(), 20_000, "an unused window does not grow");
    }

    #[test]
    fn trap_ssthresh_is_seeded_from_the_remote_window() {
        let mut congestion = Congestion::new(1000, 12_000);
        congestion.acknowledged(4000, 10_000, 1);
        assert_eq!(congestion.window(), 14_000);
        congestion.acknowledged(4000, 14_000, 2);
        assert_eq!(congestion.window(), 14_000, "congestion avoidance beyond the threshold");
    }

    #[test]
    fn avoidance_adds_one_packet_per_window() {
        let mut congestion = Congestion::new(1000, 4000);
        for position in 0..10 {
            assert_eq!(congestion.window(), 10_000);
            congestion.acknowledged(1000, in_flight(&congestion), position);
        }
        assert_eq!(congestion.window(), 11_000);
    }

    #[test]
    fn fast_recovery_halves_once_until_its_exit_point() {
        let mut congestion = Congestion::new(1000, 100_000);
        congestion.window = 40_000;
        assert!(congestion.fast_retransmit(40));
        assert_eq!(congestion.window(), 20_000);
        assert!(!congestion.fast_retransmit(50));
        congestion.acknowledged(20_000, 20_000, 39);
        assert_eq!(congestion.window(), 20_000, "frozen in recovery");
        congestion.acknowledged(1000, 1000, 40);
        assert!(!congestion.in_fast_recovery());
    }

    #[test]
    fn a_timeout_leaves_one_packet() {
        let mut congestion = Congestion::new(1000, 100_000);
        congestion.window = 40_000;
        congestion.timed_out();
        assert_eq!(congestion.window(), 1000);
        assert_eq!(congestion.threshold, 20_000);
        congestion.timed_out();
        assert_eq!(congestion.threshold, 4000);
    }

    #[test]
    fn bursts_are_bounded() {
        let mut burst = Burst::new();
        for _ in 0..100 {
            burst.acknowledged(2000, 1000);
        }
        let mut packets = 0;
        while !burst.is_spent() {
            burst.sent();
            packets += 1;
        }
        assert_eq!(packets, LARGEST_BATCH);
    }

    #[test]
    fn a_window_without_sacks_is_spread_over_the_round_trip() {
        let (begun, round_trip) = (Instant::now(), Duration::from_millis(100));
        let (mut now, mut burst, mut sent) = (begun, Burst::new(), 0);
        // Ten batches are in the window.
        while sent < 10 * LARGEST_BATCH {
            while !burst.is_spent() {
                burst.sent();
                sent += 1;
            }
            burst.wait(now, round_trip, 1000, 10 * LARGEST_BATCH * 1000);
            now = burst.deadline().unwrap();
            burst.handle_timeout(now - Duration::from_micros(1));
            assert!(burst.is_spent(), "not early");
            burst.handle_timeout(now);
        }
        let took = now - begun;
        assert!(
            took >= Duration::from_millis(90) && took <= Duration::from_millis(110),
            "{took:?}"
        );
    }
}
