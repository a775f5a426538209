//! The end of an association: SHUTDOWN in good order, ABORT at once (RFC 9260 §9).
//!
//! ```text
//!   us                                    remote
//!   │ (all our DATA acknowledged)         │
//!   │ SHUTDOWN ─────────────────────────► │  sends what it has, takes nothing new
//!   │ ◄───────────────────── SHUTDOWN ACK │
//!   │ SHUTDOWN COMPLETE ────────────────► │
//! ```
//!
//! Book: the chapter on the association.

use std::time::Instant;

use bytes::Bytes;

use super::Association;
use super::event::CloseReason;
use super::retry::Retry;
use super::state::State;
use crate::wire::{Abort, Cause, CauseCode, Chunk, Sack, Shutdown, ShutdownComplete};

/// Octets of a reason we put into an ABORT; it has to fit into a packet.
const MAX_REASON: usize = 256;

impl Association {
    /// Closes in good order: what was sent is delivered first (RFC 9260 §9.2).
    pub fn shutdown(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Closed) {
            // Nothing was promised to anyone yet.
            State::Closed | State::CookieWait(_) => self.die(CloseReason::Shutdown),
            State::CookieEchoed(tcb, echo) => {
                self.state = State::CookieEchoed(tcb, echo);
                self.abort(now, b"");
            }
            State::Established(tcb) => {
                self.enter(State::ShutdownPending(tcb));
                self.advance_shutdown(now);
            }
            other => self.state = other,
        }
    }

    /// Closes at once, with an ABORT that carries `reason` (RFC 9260 §9.1, §3.3.10.12; cut after
    /// 256 octets).
    pub fn abort(&mut self, now: Instant, reason: &[u8]) {
        let _ = now;
        let reason = reason.get(..MAX_REASON).unwrap_or(reason);
        let cause = Cause {
            code: CauseCode::USER_INITIATED_ABORT,
            information: Bytes::copy_from_slice(reason),
        };
        self.abort_with(cause, CloseReason::LocalAbort);
    }

    /// Sends ABORT, if there is anyone to tell, and dies.
    pub(super) fn abort_with(&mut self, cause: Cause, reason: CloseReason) {
        if let Some(tcb) = self.state.tcb() {
            let abort = Abort { tag_reflected: false, causes: vec![cause] };
            // Nothing that waits is as important.
            self.alone.clear();
            self.send_alone(tcb.remote.tag, &abort);
        }
        self.die(reason);
    }

    /// Goes on with closing, if nothing of ours is outstanding any more.
    pub(super) fn advance_shutdown(&mut self, now: Instant) {
        let drained = |state: &State| {
            state.tcb().is_some_and(|tcb| tcb.outstanding.is_empty() && tcb.send_queue.is_drained())
        };
        if !matches!(self.state, State::ShutdownPending(_) | State::ShutdownReceived(_))
            || !drained(&self.state)
        {
            return;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::ShutdownPending(mut tcb) => {
                tcb.shutdown_due = true;
                let timer = Retry::new(now, tcb.round_trip.timeout());
                self.enter(State::ShutdownSent(tcb, timer));
            }
            State::ShutdownReceived(mut tcb) => {
                tcb.shutdown_due = true;
                let timer = Retry::new(now, tcb.round_trip.timeout());
                self.enter(State::ShutdownAckSent(tcb, timer));
            }
            other => self.state = other,
        }
    }

    /// SHUTDOWN: the remote endpoint wants to close; its cumulative TSN acknowledges, too.
    pub(super) fn handle_shutdown(&mut self, now: Instant, shutdown: Shutdown) {
        let Some(tcb) = self.state.tcb() else { return };
        let sack = Sack {
            cumulative_tsn: shutdown.cumulative_tsn,
            a_rwnd: u32::try_from(tcb.remote_window).unwrap_or(u32::MAX),
            gaps: Vec::new(),
            duplicates: Vec::new(),
        };
        self.handle_sack(now, &sack);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Established(tcb) | State::ShutdownPending(tcb) => {
                self.enter(State::ShutdownReceived(tcb));
                self.advance_shutdown(now);
            }
            // Both at once: RFC 9260 §9.2.
            State::ShutdownSent(mut tcb, _) => {
                tcb.shutdown_due = true;
                let timer = Retry::new(now, tcb.round_trip.timeout());
                self.enter(State::ShutdownAckSent(tcb, timer));
            }
            State::ShutdownAckSent(mut tcb, timer) => {
                tcb.shutdown_due = true;
                self.state = State::ShutdownAckSent(tcb, timer);
            }
            // COOKIE-ECHOED: it ends only what exists.
            other => self.state = other,
        }
    }

    /// SHUTDOWN ACK: we are done, and say so.
    pub(super) fn handle_shutdown_ack(&mut self) {
        let (State::ShutdownSent(tcb, _) | State::ShutdownAckSent(tcb, _)) = &self.state else {
            return;
        };
        let tag = tcb.remote.tag;
        self.send_alone(tag, &ShutdownComplete { tag_reflected: false });
        self.die(CloseReason::Shutdown);
    }

    /// SHUTDOWN COMPLETE counts in SHUTDOWN-ACK-SENT only (RFC 9260 §9.2).
    pub(super) fn handle_shutdown_complete(&mut self) {
        if matches!(self.state, State::ShutdownAckSent(..)) {
            self.die(CloseReason::Shutdown);
        }
    }

    /// The chunk that SHUTDOWN-SENT and SHUTDOWN-ACK-SENT send.
    pub(super) fn shutdown_chunk(state: &State) -> Option<Chunk> {
        match state {
            State::ShutdownSent(tcb, _) => {
                let cumulative_tsn = tcb.inbound.cumulative_tsn();
                Some(Chunk::Shutdown(Shutdown { cumulative_tsn }))
            }
            State::ShutdownAckSent(..) => Some(Chunk::ShutdownAck(crate::wire::ShutdownAck)),
            _ => None,
        }
    }
}
