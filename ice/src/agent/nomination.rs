//! Which pair carries the data (RFC 8445 §8, §12.1).
//!
//! Data goes on the first pair that is valid, then on the nominated one. Controlling, we nominate once
//! (regular nomination): at once if nothing better is to be expected, else after a short wait.
//! Controlled, we follow the peer, and browsers nominate more than once: Chromium puts USE-CANDIDATE
//! into every check of the pair it prefers at the time, Firefox into the first check of each pair. Who
//! *renominates* numbers nominations: the highest number wins, whatever the priorities
//! (draft-thatcher-ice-renomination §4).
//!
//! ```text
//!                 several nominated                       the selected pair fell silent
//!   best valid ──► the highest priority ──► a later, better one ──► the latest nominated, or
//!                                                                   any pair the peer is heard on
//! ```
//! Book: chapter "Nomination and consent".

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use tracing::debug;

use super::Agent;
use super::generation::{Conclusion, Patience, Remote, Selected};
use crate::candidate::CandidateKind;
use crate::check::Purpose;
use crate::config::Mode;
use crate::event::Event;
use crate::pair::{Directness, Nomination, Pair, PairId, PairState};
use crate::protocol::Protocol;
use crate::role::Role;

/// Silence after which a nominated pair no longer stands against a nomination of lower priority.
/// Chromium checks a pair it uses every 2.5 s, and Firefox's nominations all come at the start.
const STALE_AFTER: Duration = Duration::from_secs(3);

/// Some browsers, controlled, send nothing before a pair is nominated, and their users wait as long.
const LONGEST_RELAY_WAIT: Duration = Duration::from_secs(5);

impl Agent {
    pub(super) fn selected(&self) -> Option<&Pair> {
        let selected = self.generation.selected.as_ref()?;
        self.generation.checklist.get(selected.pair)
    }

    /// A pair is valid, for the first time or again.
    pub(super) fn became_valid(&mut self, now: Instant, id: PairId) {
        let unselected = match self.selected() {
            None => true,
            // What was selected only as the best so far gives way to a better one.
            Some(selected) => {
                self.generation.conclusion != Conclusion::Concluded
                    && !matches!(self.generation.conclusion, Conclusion::Nominating(_))
                    && selected.id != id
                    && self
                        .generation
                        .checklist
                        .get(id)
                        .is_some_and(|pair| pair.priority > selected.priority)
            }
        };
        if unselected {
            self.select(now, id);
        }
        self.consider_nomination(now);
    }

    /// Controlling: nominates the best valid pair, now or a little later (RFC 8445 §8.1.1).
    pub(super) fn consider_nomination(&mut self, now: Instant) {
        let undecided = matches!(
            self.generation.conclusion,
            Conclusion::Searching | Conclusion::Choosing { .. }
        );
        if self.role != Role::Controlling || !undecided {
            return;
        }
        let Some(best) = self.generation.checklist.best_valid(now) else {
            self.generation.conclusion = Conclusion::Searching;
            return;
        };
        let id = best.id;
        match self.wait_for_better(best) {
            None => self.request_nomination(now, id),
            Some(wait) => {
                let until = match self.generation.conclusion {
                    Conclusion::Choosing { until } => until.min(now + wait),
                    _ => now + wait,
                };
                self.generation.conclusion = Conclusion::Choosing { until };
            }
        }
    }

    // ANCHOR: wait
    /// How long a better pair than `best` may still be waited for; `None` if there will be none.
    ///
    /// A check that is never answered takes 39.5 seconds to fail, so the wait must be bounded. It costs
    /// little, for data goes on the best valid pair meanwhile. A relayed pair is usually the first to
    /// work, because a relay needs no hole in a NAT; the holes take both sides' checks, of which the
    /// first ones are lost, so it waits for as long as two retransmissions take.
    fn wait_for_better(&self, best: &Pair) -> Option<Duration> {
        let checklist = &self.generation.checklist;
        let pending = match best.remote.kind {
            // Its priority is what the check said. It may be a relay of which signalling has yet to
            // tell, and then any other pair is better.
            CandidateKind::PeerReflexive => checklist.any_pending(),
            _ => checklist.better_is_pending(best),
        };
        match best.directness() {
            // Both ends are addresses of the machines themselves: no path is more direct.
            Directness::Direct => None,
            Directness::Translated => pending.then_some(self.config.timing.nomination_wait),
            Directness::Relayed => {
                let retransmissions = self.check_timing(Protocol::Udp).rto * 3;
                let wait = self.config.timing.relay_nomination_wait.max(retransmissions);
                (pending || !self.generation.end_of_candidates)
                    .then_some(wait.min(LONGEST_RELAY_WAIT))
            }
        }
    }
    // ANCHOR_END: wait

    pub(super) fn nominate_if_due(&mut self, now: Instant) {
        if let Conclusion::Choosing { until } = self.generation.conclusion
            && now >= until
        {
            match self.generation.checklist.best_valid(now).map(|pair| pair.id) {
                Some(id) => self.request_nomination(now, id),
                None => self.generation.conclusion = Conclusion::Searching,
            }
        }
    }

    pub(super) fn nomination_due_at(&self) -> Option<Instant> {
        match self.generation.conclusion {
            Conclusion::Choosing { until } => Some(until),
            _ => None,
        }
    }

    /// Repeats the check of a valid pair with USE-CANDIDATE (RFC 8445 §8.1.1).
    fn request_nomination(&mut self, now: Instant, id: PairId) {
        let generation = &mut self.generation;
        if let Some(pair) = generation.checklist.get_mut(id) {
            pair.nomination = Nomination::Requested;
        }
        generation.conclusion = Conclusion::Nominating(id);
        generation.checklist.enqueue_first(id);
        self.select(now, id);
    }

    // ANCHOR: nominated
    /// The nominated flag of a valid pair is set (RFC 8445 §7.2.5.3.4, §7.3.1.5).
    pub(super) fn nominated(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.generation.checklist.get_mut(id) else { return };
        pair.nomination = Nomination::Nominated;
        let (renomination, priority) = (pair.renomination, pair.priority);
        let stays = self.selected().is_some_and(|current| {
            let fresh = current.silence(now).is_some_and(|silence| silence < STALE_AFTER);
            current.nomination == Nomination::Nominated
                && current.is_valid(now)
                && match current.renomination.cmp(&renomination) {
                    Ordering::Greater => true,
                    Ordering::Less => false,
                    Ordering::Equal => current.priority >= priority && fresh,
                }
        });
        if !stays {
            self.select(now, id);
        }
        if self.generation.conclusion != Conclusion::Concluded {
            self.conclude();
        }
    }
    // ANCHOR_END: nominated

    /// RFC 8445 §8.1.2: the pairs that are not needed any more leave the checklist. Those the peer was
    /// heard on stay: its next nomination may be for one of them, and its data may still come there.
    fn conclude(&mut self) {
        let generation = &mut self.generation;
        generation.conclusion = Conclusion::Concluded;
        let checks = &mut generation.checks;
        generation
            .checklist
            .retain(Pair::is_validated, |id| checks.forget(|check| check.pair == id));
        generation.remote_candidates.shrink_to_fit();
    }

    /// Sends data on `id` from now on.
    fn select(&mut self, now: Instant, id: PairId) {
        if self.generation.selected.as_ref().is_some_and(|selected| selected.pair == id) {
            return;
        }
        let Some(pair) = self.generation.checklist.get(id) else { return };
        let path = pair.path();
        // A pair that has waited in reserve may have little consent left.
        let fresh = matches!(pair.state(), PairState::Succeeded { consent, .. }
            if consent.holds(now + self.config.timing.consent_timeout / 2));
        let wait = self.next_consent_interval();
        let at = if fresh { now + wait } else { now };
        let consent_check_at = (self.config.mode == Mode::Full).then_some(at);
        debug!(?path, "selected");
        self.generation.selected = Some(Selected { pair: id, path, consent_check_at });
        self.push_event(Event::Selected(path));
    }

    /// Nobody answered our nominating check, on a pair whose consent may live all the same: the peer is
    /// there and was unlucky, so it is asked again.
    pub(super) fn nomination_unanswered(&mut self, now: Instant, id: PairId) {
        match self.generation.checklist.get_mut(id) {
            Some(pair) if pair.is_valid(now) => pair.nomination = Nomination::None,
            _ => return self.check_failed(now, id, Purpose::Nomination),
        }
        if self.generation.conclusion == Conclusion::Nominating(id) {
            self.generation.conclusion = Conclusion::Searching;
        }
        self.consider_nomination(now);
    }

    /// Pairs went with their base.
    pub(super) fn pairs_were_removed(&mut self, now: Instant) {
        let gone = |id| self.generation.checklist.get(id).is_none();
        if matches!(self.generation.conclusion, Conclusion::Nominating(id) if gone(id)) {
            self.generation.conclusion = Conclusion::Searching;
        }
        if self.generation.selected.as_ref().is_some_and(|selected| gone(selected.pair)) {
            self.selection_lost(now);
        }
        self.consider_nomination(now);
    }

    /// There is nothing any more where data went: another valid pair takes over, or the search begins
    /// anew, with all candidates and the whole of the PAC timer (RFC 8863 §4), for what was not needed
    /// or did not work before may work now. Until then the agent is disconnected.
    pub(super) fn selection_lost(&mut self, now: Instant) {
        self.generation.selected = None;
        if self.fall_back(now) {
            return;
        }
        if let Some(id) = self.generation.checklist.best_valid(now).map(|pair| pair.id) {
            return self.take_over(now, id);
        }
        let generation = &mut self.generation;
        generation.conclusion = Conclusion::Searching;
        generation.checklist.retry_failed();
        if let Remote::Known { patience, .. } = &mut generation.remote {
            *patience = Patience::Until(now + self.config.timing.patience);
        }
        self.form_pairs();
    }

    // ANCHOR: fall_back
    /// The selected pair is silent or invalid: take a valid one on which the peer is heard, as after
    /// a NAT gave the peer a new address. Returns whether there was one.
    ///
    /// DEVIATION RFC 8445 §8.1.1: a controlling agent must not nominate twice without a restart. Here
    /// the nominated pair is dead, and the alternative would be to fail.
    pub(super) fn fall_back(&mut self, now: Instant) -> bool {
        let current = self.generation.selected.as_ref().map(|selected| selected.pair);
        let limit = self.config.timing.disconnected_after;
        let alternative = self
            .generation
            .checklist
            .iter()
            .filter(|pair| Some(pair.id) != current && pair.is_valid(now))
            .find(|pair| pair.silence(now).is_some_and(|silence| silence < limit))
            .map(|pair| pair.id);
        let Some(id) = alternative else { return false };
        self.take_over(now, id);
        true
    }
    // ANCHOR_END: fall_back

    fn take_over(&mut self, now: Instant, id: PairId) {
        debug!(pair = id.0, "falling back");
        match self.role {
            Role::Controlling => self.request_nomination(now, id),
            Role::Controlled => self.select(now, id),
        }
    }
}
