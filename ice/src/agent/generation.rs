//! One ICE session: everything an ICE restart replaces (RFC 8445 §9).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun::Key;

use super::inbound::ReceivedCheck;
use crate::candidate::Candidate;
use crate::check::Checks;
use crate::checklist::Checklist;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::pacer::Pacer;
use crate::pair::PairId;
use crate::protocol::{Path, Protocol};

/// Credentials, candidates of the peer, pairs, and what came of them.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) credentials: Credentials,
    /// Our password as a key: checks to us and our answers are signed with it.
    pub(super) key: Key,
    pub(super) remote: Remote,
    pub(super) remote_candidates: Vec<RemoteCandidate>,
    /// Numbers given to remote foundations so far; peer-reflexive candidates take one each.
    pub(super) remote_foundations: u32,
    pub(super) end_of_candidates: bool,
    pub(super) checklist: Checklist,
    pub(super) checks: Checks,
    pub(super) pacer: Pacer,
    pub(super) conclusion: Conclusion,
    pub(super) selected: Option<Selected>,
}

impl Generation {
    pub(super) fn new(credentials: Credentials, config: &Config) -> Self {
        Self {
            key: Key::short_term(&credentials.pwd),
            credentials,
            remote: Remote::Unknown { early: Vec::new() },
            remote_candidates: Vec::new(),
            remote_foundations: 0,
            end_of_candidates: false,
            checklist: Checklist::new(config.max_pairs),
            checks: Checks::default(),
            pacer: Pacer::new(config.timing.ta),
            conclusion: Conclusion::Searching,
            selected: None,
        }
    }

    /// Removes a pair's checks with the pair.
    pub(super) fn forget_checks_of(&mut self, id: PairId) {
        self.checks.forget(|check| check.pair == id);
    }
}

/// What is known of the peer's credentials.
#[derive(Debug)]
pub(super) enum Remote {
    /// Nothing yet. Checks are answered all the same, which takes only our own password, and
    /// remembered (RFC 8445 §7.3).
    Unknown { early: Vec<ReceivedCheck> },
    Known {
        credentials: Credentials,
        /// The peer's password as a key: checks to it and its answers are signed with it.
        key: Box<Key>,
        patience: Patience,
    },
}

/// The PAC timer (RFC 8863 §4), and a bound on what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The timer runs.
    Until(Instant),
    /// It has run out; checks that are under way may end until then. Two NATs that lend each other's
    /// peer a new port for every answer make new pairs, and so new checks, for ever.
    LastChecks(Instant),
    /// That was all.
    Exhausted,
}

impl Remote {
    pub(super) fn has_early_check(&self, path: Path) -> bool {
        match self {
            Self::Unknown { early } => early.iter().any(|check| check.path == path),
            Self::Known { .. } => false,
        }
    }

    /// What came to a base that is no more cannot be followed up.
    pub(super) fn forget_early_checks_at(&mut self, protocol: Protocol, base: SocketAddr) {
        if let Self::Unknown { early } = self {
            early.retain(|check| (check.path.protocol, check.path.local) != (protocol, base));
        }
    }

    /// `span`: how long checks may go on after the timer.
    pub(super) fn lose_patience(&mut self, now: Instant, span: Duration) {
        let Self::Known { patience, .. } = self else { return };
        match *patience {
            Patience::Until(until) if now >= until => *patience = Patience::LastChecks(now + span),
            Patience::LastChecks(until) if now >= until => *patience = Patience::Exhausted,
            _ => {}
        }
    }
}

/// A candidate the peer signalled, at an address that can be used.
#[derive(Debug)]
pub(super) struct RemoteCandidate {
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
    pub(super) candidate: Candidate,
    pub(super) foundation: u32,
}

/// How far the session has come: the checklist state of RFC 8445 §6.1.2.1, with `Running` in three.
///
/// ```text
///   Searching ──a pair is valid, better ones pending──► Choosing ──time is up──► Nominating
///       │  ▲  └─────────────a good pair is valid────────────────────────────────►    │
///       │  └──────────────────role switch, nomination failed─────────────────────────┤
///       │ controlled: USE-CANDIDATE on a valid pair                         answered │
///       └──────────────────────────────► Concluded ◄─────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// No pair is nominated.
    Searching,
    /// Controlling, with a valid pair; a better one may come.
    Choosing { until: Instant },
    /// Controlling: our check with USE-CANDIDATE is under way.
    Nominating(PairId),
    /// A pair is nominated. No new ordinary checks (RFC 8445 §8.1.2).
    Concluded,
}

/// The way data goes.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) pair: PairId,
    /// The pair's path, here again because every datagram is compared with it.
    pub(super) path: Path,
    /// When to ask for consent again (RFC 7675 §5.1); a lite agent does not.
    pub(super) consent_check_at: Option<Instant>,
}
