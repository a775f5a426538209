//! The peer's checks: authenticate, answer, follow up (RFC 8445 §7.3).
//!
//! ```text
//!   Binding request ─► USERNAME ours? ─► integrity? ─► attributes known? ─► roles agree? ─► success
//!                         │ no: silence     │ no: silence    │ no: 420         │ no: 487      │
//!                                                                                            ▼
//!                         triggered check ◄── pair, new if need be ◄── learn the source address
//! ```
//!
//! Invariant: whoever does not know our password gets no answer and leaves no trace.
//! Book: chapter "Checks".

use std::time::Instant;

use stun::{Attribute, Message};
use tracing::{debug, trace};

use super::Agent;
use super::generation::Remote;
use super::role_conflict::Verdict;
use crate::config::Mode;
use crate::consent::Consent;
use crate::credentials::is_ufrag;
use crate::error::Error;
use crate::pair::{Nomination, Pair, PairId, PairState};
use crate::priority::Priority;
use crate::protocol::Path;
use crate::role::Role;

/// Checks remembered until the peer's credentials are known. Whoever sends them knows our password;
/// a peer has a handful of addresses.
const MAX_EARLY_CHECKS: usize = 16;

/// NOMINATION holds 24 bits (draft-thatcher-ice-renomination §4).
const MAX_RENOMINATION: u32 = (1 << 24) - 1;

/// An authenticated check, as far as it matters later.
#[derive(Debug)]
pub(super) struct ReceivedCheck {
    pub(super) path: Path,
    pub(super) remote_ufrag: String,
    priority: Priority,
    use_candidate: bool,
    /// The value of NOMINATION, or 0.
    renomination: u32,
    received_at: Instant,
}

impl Agent {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message,
    ) -> Result<(), Error> {
        // ANCHOR: request
        let remote_ufrag = self.remote_ufrag_of(request)?.to_owned();
        request.verify(&self.generation.key)?;

        if let Some(refusal) = Message::refuse_unknown(request) {
            self.push_response(path, &refusal);
            return Ok(());
        }
        match self.judge_roles(request) {
            Verdict::Agreed => {}
            Verdict::SwitchTo(role) => self.switch_role(now, role),
            Verdict::Refuse(code) => {
                debug!(remote = %path.remote, code = code.number(), "check refused");
                self.push_response(path, &Message::error(request, code.into()));
                return Ok(());
            }
        }
        trace!(?path, use_candidate = request.use_candidate(), "check received");
        let response = Message::success(request).with(Attribute::XorMappedAddress(path.remote));
        self.push_response(path, &response);

        let check = ReceivedCheck {
            path,
            remote_ufrag,
            // The attribute is mandatory (RFC 8445 §7.1.1); without it nothing good can be said.
            priority: request.priority().map_or(Priority::MIN, Priority::new),
            use_candidate: request.use_candidate(),
            renomination: request.nomination().unwrap_or(0) & MAX_RENOMINATION,
            received_at: now,
        };
        match &mut self.generation.remote {
            Remote::Unknown { early } => remember(early, check),
            Remote::Known { .. } => self.follow_up(now, &check),
        }
        Ok(())
    }
    // ANCHOR_END: request

    /// USERNAME is exactly `local:remote` (RFC 8445 §7.2.2, §7.3); before the peer's fragment is
    /// known, anything that can be one stands for it.
    fn remote_ufrag_of<'a>(&self, request: &'a Message) -> Result<&'a str, Error> {
        let username = request.username().ok_or(Error::WrongUsername)?;
        let (ours, theirs) = username.split_once(':').ok_or(Error::WrongUsername)?;
        let right = ours == self.generation.credentials.ufrag
            && match &self.generation.remote {
                Remote::Unknown { .. } => is_ufrag(theirs),
                Remote::Known { credentials, .. } => theirs == credentials.ufrag,
            };
        if right { Ok(theirs) } else { Err(Error::WrongUsername) }
    }

    // ANCHOR: follow_up
    /// What a check does beyond its answer (RFC 8445 §7.3.1.3 to §7.3.1.5).
    pub(super) fn follow_up(&mut self, now: Instant, check: &ReceivedCheck) {
        let Some(id) = self.pair_of_check(check.path, check.priority) else {
            return;
        };
        // Only the controlling agent nominates (§7.3.1.5). One that renominates says so with NOMINATION,
        // and may leave USE-CANDIDATE out.
        let nominates =
            (check.use_candidate || check.renomination > 0) && self.role == Role::Controlled;
        let lite = self.config.mode == Mode::Lite;
        let consent = Consent::given(check.received_at, self.config.timing.consent_timeout);
        let Some(pair) = self.generation.checklist.get_mut(id) else { return };
        pair.heard(check.received_at);
        pair.check_received = true;
        pair.counters.requests_received += 1;
        pair.counters.responses_sent += 1;
        if nominates {
            pair.renomination = pair.renomination.max(check.renomination);
        }
        if lite && (nominates || pair.nomination == Nomination::Nominated) {
            // RFC 8445 §7.3.2: we check nothing, so the peer's word must do.
            pair.set_state(PairState::Succeeded { mapped: check.path.local, consent });
        }
        if matches!(pair.state(), PairState::Succeeded { .. }) && !pair.is_valid(now) {
            // Consent for this pair has expired: it must be asked for anew.
            pair.set_state(PairState::Failed);
        }
        if let PairState::Succeeded { .. } = pair.state() {
            if nominates {
                self.nominated(now, id);
            }
        } else if !lite {
            if nominates && pair.nomination == Nomination::None {
                pair.nomination = Nomination::Requested;
            }
            self.trigger(now, id);
        }
    }
    // ANCHOR_END: follow_up

    /// Enqueues a triggered check (RFC 8445 §7.3.1.4).
    pub(super) fn trigger(&mut self, now: Instant, id: PairId) {
        let Some(path) = self.generation.checklist.get(id).map(Pair::path) else { return };
        let wait = self.check_lifetime(path.protocol);
        let generation = &mut self.generation;
        let Some(pair) = generation.checklist.get_mut(id) else { return };
        if pair.state() == PairState::InProgress {
            generation.checks.cancel(now, id, wait);
        }
        pair.set_state(PairState::Waiting);
        generation.checklist.enqueue(id);
    }
}

/// One entry for each path; a nomination is not forgotten when a plain check follows it.
fn remember(early: &mut Vec<ReceivedCheck>, check: ReceivedCheck) {
    let same = |known: &&mut ReceivedCheck| {
        known.path == check.path && known.remote_ufrag == check.remote_ufrag
    };
    if let Some(known) = early.iter_mut().find(same) {
        known.use_candidate |= check.use_candidate;
        known.renomination = known.renomination.max(check.renomination);
        known.received_at = check.received_at;
    } else if early.len() < MAX_EARLY_CHECKS {
        early.push(check);
    } else {
        debug!(remote = %check.path.remote, "too many early checks");
    }
}
