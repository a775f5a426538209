//! Who leads, when both believe they do (RFC 8445 §7.2.5.1, §7.3.1.1).
//!
//! ```text
//!   we are        the check says       our tie-breaker ≥ theirs    our tie-breaker < theirs
//!   controlling   ICE-CONTROLLING      487, they switch            we switch
//!   controlled    ICE-CONTROLLED       we switch                   487, they switch
//!   otherwise                          no conflict
//! ```
//!
//! Book: chapter "Checks".

use std::time::Instant;

use rand::RngExt;
use stun::{Attribute, Code, Message};
use tracing::debug;

use super::Agent;
use super::generation::Conclusion;
use crate::pair::Nomination;
use crate::role::Role;

/// What the roles in a check mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Agreed,
    SwitchTo(Role),
    Refuse(Code),
}

impl Agent {
    /// RFC 8445 §7.3.1.1. Both attributes at once make no sense and are refused.
    pub(super) fn judge_roles(&self, request: &Message) -> Verdict {
        let theirs = match (request.ice_controlling(), request.ice_controlled()) {
            (Some(_), Some(_)) => return Verdict::Refuse(Code::BAD_REQUEST),
            (Some(theirs), None) if self.role == Role::Controlling => theirs,
            (None, Some(theirs)) if self.role == Role::Controlled => theirs,
            _ => return Verdict::Agreed,
        };
        let we_win = self.tie_breaker >= theirs;
        match (self.role, we_win) {
            // Beside a lite agent nothing is to be decided.
            _ if self.forced_role().is_some() => Verdict::Refuse(Code::ROLE_CONFLICT),
            // The winner is controlling.
            (Role::Controlling, true) | (Role::Controlled, false) => {
                Verdict::Refuse(Code::ROLE_CONFLICT)
            }
            (role, _) => Verdict::SwitchTo(role.opposite()),
        }
    }

    /// A 487 came for a check we sent as `role`: switch, unless we have already, and take a new
    /// tie-breaker (RFC 8445 §7.2.5.1). Returns whether the check is worth repeating.
    pub(super) fn lost_role_conflict(&mut self, now: Instant, role: Role) -> bool {
        if self.forced_role().is_some() {
            return false;
        }
        if role == self.role {
            self.tie_breaker = self.rng.random();
            self.switch_role(now, role.opposite());
        }
        true
    }

    /// Changes the role: priorities are computed anew, and a nomination that was only asked for is
    /// void, for it was the other side's to make (RFC 8445 §7.3.1.1).
    pub(super) fn switch_role(&mut self, now: Instant, role: Role) {
        if role == self.role {
            return;
        }
        debug!(from = ?self.role, to = ?role, "role");
        self.role = role;
        let generation = &mut self.generation;
        generation.checklist.recompute_priorities(role);
        for pair in generation.checklist.iter_mut() {
            if pair.nomination == Nomination::Requested {
                pair.nomination = Nomination::None;
            }
            pair.renomination = 0;
        }
        if generation.conclusion != Conclusion::Concluded {
            generation.conclusion = Conclusion::Searching;
        }
        self.consider_nomination(now);
    }

    /// The attribute that states our role in a check (RFC 8445 §7.1.3).
    pub(super) fn role_attribute(&self) -> Attribute {
        match self.role {
            Role::Controlling => Attribute::IceControlling(self.tie_breaker),
            Role::Controlled => Attribute::IceControlled(self.tie_breaker),
        }
    }
}
