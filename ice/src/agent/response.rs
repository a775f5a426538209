//! Answers to our checks (RFC 8445 §7.2.5).
//!
//! ```text
//!   Binding response ─► pending id? ─► integrity? ─► came back the way it went? ─┬ success ─► valid pair
//!                          │ no           │ no           │ no                    ├ 487     ─► role switch
//!                          ▼              ▼              ▼                       └ other   ─► Failed
//!                       dropped        dropped        Failed
//! ```
//!
//! Invariant: only whoever knows the peer's password and saw our 96 random bits can change anything;
//! a forged 401 or 487 fails nothing. Book: chapter "Checks".

use std::net::SocketAddr;
use std::time::Instant;

use stun::{Code, Event as StunEvent, Message, Outcome};
use tracing::debug;

use super::Agent;
use super::generation::{Conclusion, Remote};
use crate::check::{Check, Purpose};
use crate::consent::Consent;
use crate::error::Error;
use crate::pair::{Nomination, PairId, PairState};
use crate::protocol::Path;
use crate::role::Role;

impl Agent {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        path: Path,
        response: Message,
    ) -> Result<(), Error> {
        let Remote::Known { key, .. } = &self.generation.remote else {
            return Err(Error::UnknownTransaction);
        };
        let id = response.transaction_id;
        let check = self.generation.checks.find(id).ok_or(Error::UnknownTransaction)?;
        let (pair, purpose) = (check.pair, check.purpose);
        let pair = self.generation.checklist.get(pair).ok_or(Error::UnknownTransaction)?;
        if pair.path() != path {
            // A stranger's answer must not even fail the pair.
            response.verify(key)?;
            let (id, in_progress) = (pair.id, pair.state() == PairState::InProgress);
            if in_progress && purpose == Purpose::Connectivity {
                // RFC 8445 §7.2.5.2.1. A pair that works is not given up for one stray answer.
                self.generation.forget_checks_of(id);
                self.check_failed(now, id, purpose);
                self.update(now);
            }
            return Err(Error::NotSymmetric);
        }
        check.transaction.handle_response(response)?;
        let mut check = self.generation.checks.take(id).ok_or(Error::UnknownTransaction)?;
        match check.transaction.poll_event() {
            Some(StunEvent::Closed(Outcome::Success(message))) => {
                // Without an address the answer is useless, but it is authentic: the peer is there.
                let mapped = message.xor_mapped_address().unwrap_or(path.local);
                self.check_succeeded(now, &check, mapped);
            }
            Some(StunEvent::Closed(Outcome::Refused(message))) => {
                let code = message.error_code().map(|error| error.code);
                self.check_refused(now, &check, code);
            }
            Some(StunEvent::Closed(Outcome::Unintelligible(_))) => {
                self.check_refused(now, &check, None);
            }
            Some(StunEvent::Closed(Outcome::TimedOut)) | None => {}
        }
        Ok(())
    }

    /// RFC 8445 §7.2.5.3, in its order.
    fn check_succeeded(&mut self, now: Instant, check: &Check, mapped: SocketAddr) {
        let generation = &mut self.generation;
        let Some(pair) = generation.checklist.get_mut(check.pair) else { return };
        if mapped != pair.local.address {
            debug!(base = %pair.local.address, %mapped, "the peer sees us at a reflexive address");
        }
        pair.heard(now);
        pair.counters.responses_received += 1;
        if let Some(round_trip) = check.round_trip(now) {
            pair.counters.current_round_trip_time = round_trip;
            pair.counters.total_round_trip_time += round_trip;
        }
        let consent = Consent::given(now, self.config.timing.consent_timeout);
        pair.set_state(PairState::Succeeded { mapped, consent });
        let (id, foundation, nomination) = (pair.id, pair.foundation, pair.nomination);
        generation.checklist.unfreeze(foundation);
        if generation.conclusion != Conclusion::Nominating(id) {
            generation.checklist.dequeue(id);
        }
        generation
            .checks
            .forget(|other| other.pair == id && other.purpose == Purpose::Connectivity);

        let nominated = match check.purpose {
            Purpose::Nomination => check.role == Role::Controlling && self.role == check.role,
            _ => self.role == Role::Controlled && nomination == Nomination::Requested,
        };
        if nominated {
            self.nominated(now, id);
        } else {
            self.became_valid(now, id);
        }
    }

    /// An authentic error response (RFC 8445 §7.2.5.1, §7.2.5.2.4).
    fn check_refused(&mut self, now: Instant, check: &Check, code: Option<Code>) {
        debug!(code = code.map(Code::number), purpose = ?check.purpose, "check refused");
        if code == Some(Code::ROLE_CONFLICT) && self.lost_role_conflict(now, check.role) {
            let works = self
                .generation
                .checklist
                .get(check.pair)
                .is_some_and(|pair| matches!(pair.state(), PairState::Succeeded { .. }));
            if !works {
                self.trigger(now, check.pair);
            }
        } else if check.purpose != Purpose::Consent {
            self.check_failed(now, check.pair, check.purpose);
        }
    }

    /// The owner says that a path is no more.
    pub(super) fn pair_failed(&mut self, now: Instant, path: Path) {
        let generation = &mut self.generation;
        let Some(pair) = generation.checklist.find_mut(path) else { return };
        pair.set_state(PairState::Failed);
        pair.nomination = Nomination::None;
        let id = pair.id;
        generation.checklist.dequeue(id);
        generation.forget_checks_of(id);
        self.pair_is_dead(now, id);
    }

    /// A check was refused or not answered (RFC 8445 §7.2.5.2).
    pub(super) fn check_failed(&mut self, now: Instant, id: PairId, purpose: Purpose) {
        let generation = &mut self.generation;
        let Some(pair) = generation.checklist.get_mut(id) else { return };
        match (purpose, pair.state()) {
            (Purpose::Connectivity, PairState::InProgress) | (Purpose::Nomination, _) => {
                pair.set_state(PairState::Failed);
                pair.nomination = Nomination::None;
            }
            _ => return,
        }
        self.pair_is_dead(now, id);
    }

    fn pair_is_dead(&mut self, now: Instant, id: PairId) {
        let generation = &mut self.generation;
        if generation.conclusion == Conclusion::Nominating(id) {
            // DEVIATION RFC 8445 §7.2.5.3.4: a failed nomination would fail the checklist. Another
            // valid pair may do as well, and the PAC timer ends the search if none does.
            generation.conclusion = Conclusion::Searching;
        }
        let was_selected = generation.selected.as_ref().is_some_and(|selected| selected.pair == id);
        if was_selected {
            self.selection_lost(now);
        }
        self.consider_nomination(now);
    }
}
