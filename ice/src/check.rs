//! Checks under way: which STUN transaction belongs to which pair, and why (RFC 8445 §7.2, RFC 7675).
//!
//! A connectivity check is an ordinary STUN transaction (RFC 8489 §6.2.1), retransmitted until it is
//! answered. When the peer's own check arrives meanwhile it is *cancelled*: no more retransmissions,
//! and silence is no failure, but its answer still counts (RFC 8445 §7.3.1.4). A consent check is a
//! transaction that is sent once and waits thirty seconds (RFC 7675 §5.1).
//!
//! Invariants: a response counts only for a pending transaction id, signed with the remote password;
//! the table is bounded by [`MAX_CHECKS`]. Book: chapter "Checks".

use std::time::{Duration, Instant};

use bytes::Bytes;
use stun::{ClientTransaction, TransactionId};

use crate::pair::PairId;
use crate::role::Role;

/// Transactions remembered at once: one for each of 100 pairs, and what was cancelled on them in the
/// last 39.5 seconds. A peer whose checks make us cancel more than that loses its oldest answers.
pub(crate) const MAX_CHECKS: usize = 256;

/// Why a check was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether the pair works: ordinary and triggered checks.
    Connectivity,
    /// To nominate the pair: with USE-CANDIDATE, on a pair that works (RFC 8445 §8.1.1).
    Nomination,
    /// To renew consent (RFC 7675 §5.1).
    Consent,
}

/// One transaction.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) pair: PairId,
    pub(crate) purpose: Purpose,
    /// Our role in the request: what a 487 is an answer to.
    pub(crate) role: Role,
    pub(crate) transaction: ClientTransaction,
    first_sent: Option<Instant>,
    transmissions: u32,
    cancelled_until: Option<Instant>,
}

impl Check {
    pub(crate) fn new(
        pair: PairId,
        purpose: Purpose,
        role: Role,
        transaction: ClientTransaction,
    ) -> Self {
        Self {
            pair,
            purpose,
            role,
            transaction,
            first_sent: None,
            transmissions: 0,
            cancelled_until: None,
        }
    }

    /// The request, if it is due now.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.cancelled_until.is_some() {
            return None;
        }
        let request = self.transaction.poll_transmit(now)?;
        self.first_sent.get_or_insert(now);
        self.transmissions += 1;
        Some(request)
    }

    /// The round trip, if it is clear which transmission was answered (Karn's rule, RFC 6298 §3).
    pub(crate) fn round_trip(&self, now: Instant) -> Option<Duration> {
        match (self.first_sent, self.transmissions) {
            (Some(sent), 1) => Some(now.saturating_duration_since(sent)),
            _ => None,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.cancelled_until.is_some_and(|until| now >= until)
    }

    fn timeout(&self) -> Option<Instant> {
        self.cancelled_until.or_else(|| self.transaction.poll_timeout())
    }
}

/// All checks under way, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    table: Vec<Check>,
}

impl Checks {
    pub(crate) fn push(&mut self, check: Check) {
        if self.table.len() >= MAX_CHECKS {
            let cancelled = self.table.iter().position(|check| check.cancelled_until.is_some());
            self.table.remove(cancelled.unwrap_or(0));
        }
        self.table.push(check);
    }

    pub(crate) fn find(&mut self, id: TransactionId) -> Option<&mut Check> {
        self.table.iter_mut().find(|check| check.transaction.transaction_id() == id)
    }

    pub(crate) fn take(&mut self, id: TransactionId) -> Option<Check> {
        let index = self.table.iter().position(|check| check.transaction.transaction_id() == id)?;
        Some(self.table.remove(index))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Check> {
        self.table.iter_mut()
    }

    /// Cancels the connectivity check of a pair (RFC 8445 §7.3.1.4); its answer is awaited for `wait`.
    pub(crate) fn cancel(&mut self, now: Instant, pair: PairId, wait: Duration) {
        for check in &mut self.table {
            let active = check.cancelled_until.is_none();
            if check.pair == pair && check.purpose == Purpose::Connectivity && active {
                check.cancelled_until = Some(now + wait);
            }
        }
    }

    /// Forgets the checks for which `forget` answers true.
    pub(crate) fn forget(&mut self, forget: impl Fn(&Check) -> bool) {
        self.table.retain(|check| !forget(check));
    }

    /// Lets time pass; returns the checks that nobody answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Check> {
        self.table.retain(|check| !check.is_over(now));
        let mut unanswered = Vec::new();
        let mut index = 0;
        while let Some(check) = self.table.get_mut(index) {
            if check.cancelled_until.is_none() {
                check.transaction.handle_timeout(now);
                if check.transaction.poll_event().is_some() {
                    unanswered.push(self.table.remove(index));
                    continue;
                }
            }
            index += 1;
        }
        unanswered
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.table.iter().filter_map(Check::timeout).min()
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }
}
