//! Which pair carries the data (RFC 8445 §8, §12.1).
//!
//! Data goes on the first pair that is valid, then on the nominated one. Controlling, we nominate once
//! (regular nomination): at once if nothing better is to be expected, else after a short wait.
//! Controlled, we follow the peer, and browsers nominate more than once: Chromium puts USE-CANDIDATE
//! into every check of the pair it prefers at the time, Firefox into the first check of each pair.
//!
//! ```text
//!                 several nominated                       the selected pair fell silent
//!   best valid ──► the highest priority ──► a later, better one ──► the latest nominated, or
//!                                                                   any pair the peer is heard on
//! ```
//! Book: chapter "Nominate, stay, restart".

use std::time::{Duration, Instant};

use tracing::debug;

use super::Agent;
use super::generation::{Conclusion, Selected};
use crate::candidate::CandidateKind;
use crate::event::Event;
use crate::pair::{Nomination, Pair, PairId, PairState};
use crate::protocol::Path;
use crate::role::Role;

/// Silence after which a nominated pair no longer stands against a nomination of lower priority.
/// Chromium checks a pair it uses every 2.5 s, and Firefox's nominations all come at the start.
const STALE_AFTER: Duration = Duration::from_secs(3);

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
        // Both ends are addresses of the machines themselves: no path is more direct.
        let direct = best.remote.kind == CandidateKind::Host;
        if direct || !self.generation.checklist.better_is_pending(best) {
            let id = best.id;
            self.request_nomination(now, id);
        } else if self.generation.conclusion == Conclusion::Searching {
            let until = now + self.config.timing.nomination_wait;
            self.generation.conclusion = Conclusion::Choosing { until };
        }
    }

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

    /// The nominated flag of a valid pair is set (RFC 8445 §7.2.5.3.4, §7.3.1.5).
    pub(super) fn nominated(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.generation.checklist.get_mut(id) else { return };
        pair.nomination = Nomination::Nominated;
        let priority = pair.priority;
        let follow = match self.selected() {
            None => true,
            Some(current) => {
                current.id != id
                    && (current.nomination != Nomination::Nominated
                        || !current.is_valid(now)
                        || priority > current.priority
                        || current.silence(now).is_none_or(|silence| silence >= STALE_AFTER))
            }
        };
        if follow {
            self.select(now, id);
        }
        if self.generation.conclusion != Conclusion::Concluded {
            self.conclude();
        }
    }

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
        let (local, remote) = (pair.local.address, pair.remote.address);
        // A pair that has waited in reserve may have little consent left.
        let fresh = matches!(pair.state(), PairState::Succeeded { consent, .. }
            if consent.holds(now + self.config.timing.consent_timeout / 2));
        let wait = self.next_consent_interval();
        let consent_check_at = if fresh { now + wait } else { now };
        debug!(%local, %remote, "selected");
        self.generation.selected = Some(Selected { pair: id, local, remote, consent_check_at });
        self.push_event(Event::Selected(Path::udp(local, remote)));
    }

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
        debug!(pair = id.0, "the selected pair is silent: falling back");
        match self.role {
            Role::Controlling => self.request_nomination(now, id),
            Role::Controlled => self.select(now, id),
        }
        true
    }
}
