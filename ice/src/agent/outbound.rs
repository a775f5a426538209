//! Our checks: when they go out, what they say, what silence means (RFC 8445 §6.1.4.2, §7.2, §14).
//!
//! A check waits for its turn in [`Agent::perform_check`], which the owner reaches by draining
//! [`Agent::poll_transmit`]: so the first one, and one that the peer's check triggered, leave in the
//! very call that made them possible. Book: chapter "Checks".

use std::time::{Duration, Instant};

use stun::{Attribute, ClientTransaction, Key, Message, Method, TransactionId};
use tracing::trace;

use super::Agent;
use super::generation::{Conclusion, Remote};
use crate::check::{Check, Purpose};
use crate::config::Mode;
use crate::consent;
use crate::pacer::Urgency;
use crate::packet::Transmit;
use crate::pair::{Nomination, Pair, PairId, PairState};
use crate::protocol::{Path, Protocol};
use crate::role::Role;

/// How often a check is sent in all (RFC 8489 §6.2.1 Rc).
const TRANSMISSIONS: u32 = 7;
/// How many RTO to wait after the last of them (RFC 8489 §6.2.1 Rm).
const LAST_WAIT: u32 = 16;
/// How long to wait for an answer over TCP, where nothing is sent twice (RFC 8489 §6.2.2 Ti).
const RELIABLE_WAIT: Duration = Duration::from_millis(39_500);

impl Agent {
    /// Starts one check, if there is one to start and Ta allows it (RFC 8445 §6.1.4.2).
    pub(super) fn perform_check(&mut self, now: Instant) {
        if !self.sends_checks() {
            return;
        }
        let generation = &mut self.generation;
        if let Some(pair) = generation.checklist.next_triggered() {
            let (id, urgency) = (pair.id, urgency(pair));
            if generation.pacer.is_ready(now, urgency) {
                generation.checklist.dequeue(id);
                generation.pacer.use_slot(now);
                let purpose = match urgency {
                    Urgency::Nominating => Purpose::Nomination,
                    _ => Purpose::Connectivity,
                };
                self.start_check(id, purpose);
                return;
            }
        }
        let generation = &mut self.generation;
        let running = generation.conclusion != Conclusion::Concluded;
        if running
            && generation.pacer.is_ready(now, Urgency::Ordinary)
            && let Some(id) = generation.checklist.next_ordinary()
        {
            generation.checklist.dequeue(id);
            generation.pacer.use_slot(now);
            self.start_check(id, Purpose::Connectivity);
        }
    }

    /// When [`Agent::perform_check`] will have something to do; `None` also if it has already.
    pub(super) fn next_check_at(&self) -> Option<Instant> {
        if !self.sends_checks() {
            return None;
        }
        let generation = &self.generation;
        let triggered = generation
            .checklist
            .next_triggered()
            .and_then(|pair| generation.pacer.ready_at(urgency(pair)));
        let running = generation.conclusion != Conclusion::Concluded;
        let ordinary = (running && generation.checklist.has_ordinary())
            .then(|| generation.pacer.ready_at(Urgency::Ordinary))
            .flatten();
        triggered.into_iter().chain(ordinary).min()
    }

    fn sends_checks(&self) -> bool {
        self.config.mode == Mode::Full && matches!(self.generation.remote, Remote::Known { .. })
    }

    fn start_check(&mut self, id: PairId, purpose: Purpose) {
        let Some(pair) = self.generation.checklist.get(id) else { return };
        let timing = match purpose {
            Purpose::Connectivity | Purpose::Nomination => self.check_timing(pair.path().protocol),
            // Sent once, and answered in time or not at all (RFC 7675 §5.1).
            Purpose::Consent => once(self.config.timing.consent_timeout),
        };
        let Remote::Known { credentials, key, .. } = &self.generation.remote else { return };
        let username = format!("{}:{}", credentials.ufrag, self.generation.credentials.ufrag);
        let key = Key::clone(key);
        // The nominating check, and consent checks after it: should a NAT give us a new address, they
        // nominate the pair that the peer learns from them.
        let use_candidate = self.role == Role::Controlling
            && match purpose {
                Purpose::Connectivity => false,
                Purpose::Nomination => true,
                Purpose::Consent => pair.nomination == Nomination::Nominated,
            };
        // The order of Chromium's checks (RFC 8489 leaves it open).
        let mut request = Message::request(Method::BINDING, TransactionId::random(&mut self.rng))
            .with(Attribute::Username(username.as_str().into()))
            .with(self.role_attribute());
        if use_candidate {
            request = request.with(Attribute::UseCandidate);
        }
        request = request.with(Attribute::Priority(pair.local.reflexive_priority.value()));
        trace!(local = %pair.local.address, remote = %pair.remote.address, ?purpose, "check");
        let transaction = ClientTransaction::new(&request, Some(key), timing);
        let generation = &mut self.generation;
        if purpose == Purpose::Connectivity
            && let Some(pair) = generation.checklist.get_mut(id)
        {
            pair.set_state(PairState::InProgress);
        }
        generation.checks.push(Check::new(id, purpose, self.role, transaction));
    }

    /// The first request that is due, new or again.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<Transmit> {
        let generation = &mut self.generation;
        for check in generation.checks.iter_mut() {
            let Some(pair) = generation.checklist.get_mut(check.pair) else { continue };
            if let Some(payload) = check.poll_transmit(now) {
                match check.purpose {
                    Purpose::Consent => pair.counters.consent_requests_sent += 1,
                    Purpose::Connectivity | Purpose::Nomination => {
                        pair.counters.requests_sent += 1;
                    }
                }
                let Path { protocol, local, remote } = pair.path();
                return Some(Transmit { protocol, local, remote, payload });
            }
        }
        None
    }

    /// Retransmits, and fails the pairs nobody answered on (RFC 8445 §7.2.5.2.3).
    pub(super) fn check_timeouts(&mut self, now: Instant) {
        for check in self.generation.checks.handle_timeout(now) {
            match check.purpose {
                Purpose::Consent => {}
                Purpose::Connectivity => self.check_failed(now, check.pair, check.purpose),
                Purpose::Nomination => self.nomination_unanswered(now, check.pair),
            }
        }
    }

    /// Asks for consent again on the selected pair (RFC 7675 §5.1).
    pub(super) fn renew_consent(&mut self, now: Instant) {
        let due = match &self.generation.selected {
            Some(selected) if selected.consent_check_at.is_some_and(|at| now >= at) => {
                selected.pair
            }
            _ => return,
        };
        let wait = self.next_consent_interval();
        if let Some(selected) = &mut self.generation.selected {
            selected.consent_check_at = Some(now + wait);
        }
        self.start_check(due, Purpose::Consent);
    }

    pub(super) fn next_consent_interval(&mut self) -> Duration {
        consent::next_interval(&mut self.rng, self.config.timing.consent_interval)
    }

    /// How the next connectivity check is retransmitted.
    ///
    /// RFC 8445 §14.3 recommends an RTO that grows with the square of the number of checks and allows
    /// others from 500 ms up. Ours grows with the number of checks: each goes out once before any goes
    /// out again, which is what the recommendation is for.
    pub(super) fn check_timing(&self, protocol: Protocol) -> stun::Timing {
        if protocol == Protocol::Tcp {
            return once(RELIABLE_WAIT);
        }
        let active = u32::try_from(self.generation.checklist.active()).unwrap_or(u32::MAX);
        let timing = &self.config.timing;
        let rto = timing.rto.max(timing.ta.saturating_mul(active));
        stun::Timing { rto, rc: TRANSMISSIONS, rm: LAST_WAIT }
    }

    /// How long an answer to a check may take: all waits together (RFC 8489 §6.2.1).
    pub(super) fn check_lifetime(&self, protocol: Protocol) -> Duration {
        let stun::Timing { rto, rc, rm } = self.check_timing(protocol);
        let doubling = (1 << (rc - 1)) - 1;
        rto.saturating_mul(doubling + rm)
    }
}

/// A request that is not repeated.
fn once(wait: Duration) -> stun::Timing {
    stun::Timing { rto: wait, rc: 1, rm: 1 }
}

/// A pair that is valid is only ever queued to be nominated.
fn urgency(pair: &Pair) -> Urgency {
    match pair.state() {
        PairState::Succeeded { .. } => Urgency::Nominating,
        _ => Urgency::Triggered,
    }
}
