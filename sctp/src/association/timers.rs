//! The clock (RFC 9260 §5.1, §6.3.3, §8.3, §9.2; RFC 6525 §5.1.1).
//!
//! A handful of deadlines, each a field of what it belongs to; the earliest is the association's.

use std::time::Instant;

use rand::RngExt;

use super::Association;
use super::event::CloseReason;
use super::state::State;
use super::tcb::Tcb;
use crate::Config;
use crate::wire::Chunk;

impl Association {
    /// When to call [`Self::handle_timeout`]; `None`: nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = self.state.deadline();
        let Some(tcb) = self.state.tcb() else { return state };
        if matches!(self.state, State::CookieEchoed(..)) {
            return state;
        }
        [
            state,
            tcb.t3,
            tcb.inbound.sack_deadline(),
            tcb.reconfig.deadline(),
            tcb.heartbeat.deadline(),
            tcb.burst.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets expired timers act. Too early or too often does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(reason) = self.handle_state_timeout(now) {
            return self.die(reason);
        }
        if matches!(self.state, State::CookieEchoed(..)) {
            return;
        }
        let nonce = self.rng.random();
        let Some(tcb) = self.state.tcb_mut() else { return };
        let timeouts = tcb.handle_timeout(now, &self.config, nonce);
        self.stats.timeouts = self.stats.timeouts.saturating_add(timeouts);
        let error_count = tcb.error_count;
        if self.config.max_retransmits.is_some_and(|most| error_count > most) {
            self.die(CloseReason::Timeout);
        }
    }
}

impl Association {
    /// T1-init, T1-cookie, T2-shutdown; answers why the association is to die, if it is.
    fn handle_state_timeout(&mut self, now: Instant) -> Option<CloseReason> {
        let longest = self.config.rto.max;
        let handshakes = self.config.max_init_retransmits;
        match &mut self.state {
            State::CookieWait(timer) => {
                let expired = timer.expired(now, longest);
                if expired && timer.expirations() > handshakes {
                    return Some(CloseReason::HandshakeTimeout);
                }
                if expired {
                    self.send_init();
                }
            }
            State::CookieEchoed(_, echo) => {
                echo.due |= echo.timer.expired(now, longest);
                if echo.timer.expirations() > handshakes {
                    return Some(CloseReason::HandshakeTimeout);
                }
            }
            State::ShutdownSent(tcb, timer) | State::ShutdownAckSent(tcb, timer) => {
                tcb.shutdown_due |= timer.expired(now, longest);
                if timer.expirations() > self.config.max_shutdown_retransmits {
                    return Some(CloseReason::Timeout);
                }
            }
            _ => {}
        }
        None
    }
}

impl Tcb {
    /// The timers of the association's variables; answers how often T3-rtx expired.
    fn handle_timeout(&mut self, now: Instant, config: &Config, nonce: u64) -> u64 {
        let mut timeouts = 0;
        self.burst.handle_timeout(now);
        if self.t3.is_some_and(|deadline| now >= deadline) {
            timeouts = 1;
            self.retransmission_timeout(now);
        }
        if self.reconfig.handle_timeout(now, config.rto.max) {
            self.error_count = self.error_count.saturating_add(1);
        }
        if self.heartbeat.expired(now) && self.outstanding.is_empty() {
            if !self.heartbeat.is_answered() {
                self.error_count = self.error_count.saturating_add(1);
            }
            self.control.push(Chunk::Heartbeat(self.heartbeat.chunk(now, nonce)));
        }
        timeouts
    }

    /// The remote endpoint has room again, and dropped our probe when it had none: what was on its
    /// way is sent again at once, not when T3 expires.
    pub(super) fn window_opened(&mut self, now: Instant) {
        self.outstanding.timed_out(false);
        self.t3 = Some(now + self.round_trip.timeout());
        self.free_packet = true;
        self.burst.opportunity(true);
    }

    /// T3-rtx expired (RFC 9260 §6.3.3, §7.2.3).
    fn retransmission_timeout(&mut self, now: Instant) {
        // A remote endpoint without room answers our probes; that is no path failure, and the
        // window says nothing about the network then (RFC 9260 §6.1 A).
        let probing = self.remote_window == 0
            && self.error_count == 0
            && self.outstanding.flight_payload() <= self.largest_payload;
        self.outstanding.timed_out(self.error_count > 0);
        if !probing {
            self.congestion.timed_out();
        }
        self.error_count = self.error_count.saturating_add(1);
        self.round_trip.back_off();
        self.t3 = Some(now + self.round_trip.timeout());
        self.free_packet = true;
        self.burst.opportunity(true);
    }
}
