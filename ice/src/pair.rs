//! A candidate pair and its state (RFC 8445 §6.1.2.6).
//!
//! RFC 8445 keeps two lists: the checklist, whose pairs are checked, and the valid list, whose pairs
//! work. Behind a NAT a valid pair differs from the checked pair in its local candidate, which is
//! then the peer-reflexive address the response reported (§7.2.5.3.2). Both pairs have the same base
//! and the same remote candidate, so packets of both take one path. One entry therefore stands for
//! both here: a pair is valid when it is `Succeeded`, and that state holds the mapped address.
//! Book: chapter "Checks".

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::candidate::CandidateKind;
use crate::consent::Consent;
use crate::priority::{PairPriority, Priority};
use crate::protocol::{Path, Protocol};
use crate::role::Role;

/// Names a pair for as long as the agent lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PairId(pub(crate) u64);

// ANCHOR: states
/// Figure 6 of RFC 8445 §6.1.2.6, and the arrows of §7.3.1.4 (a check arrived), §7.2.5.1 (487) and
/// RFC 7675 §5.1 (consent expired).
///
/// ```text
///   Frozen ──unfreeze──► Waiting ──perform──► InProgress ──success──► Succeeded
///                           ▲                   │    │                    │
///                           ├──check arrived────┘    │failure             │consent expired
///                           │  or 487                ▼                    │
///                           └──check arrived────── Failed ◄───────────────┘
///                              or all else is lost
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairState {
    /// Not checked yet: a pair of the same foundation goes first.
    Frozen,
    /// To be checked.
    Waiting,
    /// A check is under way.
    InProgress,
    /// A check succeeded: the pair is valid.
    Succeeded {
        /// Our address as the peer saw it: the valid pair's local candidate (RFC 8445 §7.2.5.3.1).
        mapped: SocketAddr,
        /// Until when data may be sent on the pair.
        consent: Consent,
    },
    /// The check failed, or consent expired.
    Failed,
}
// ANCHOR_END: states

impl PairState {
    fn name(&self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Waiting => "waiting",
            Self::InProgress => "in-progress",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Whether a pair is to be, or is, used for data (RFC 8445 §7.2.5.3.4, §7.3.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nomination {
    None,
    /// Controlling: our check with USE-CANDIDATE is not answered yet. Controlled: the peer's check
    /// with USE-CANDIDATE came before our own check succeeded.
    Requested,
    /// The nominated flag.
    Nominated,
}

/// Groups pairs that share the foundations of both candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairFoundation {
    pub(crate) local: u32,
    pub(crate) remote: u32,
}

/// What kind of base it is: which remote candidates it goes with, and how its packets leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// A UDP socket.
    Socket,
    /// An address from which TCP connections are opened (RFC 6544 §4.1 `active`).
    Dialer,
    /// A TCP socket that listens (RFC 6544 §4.1 `passive`).
    Listener,
    /// A relayed address.
    Relay,
}

impl Base {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Socket | Self::Relay => Protocol::Udp,
            Self::Dialer | Self::Listener => Protocol::Tcp,
        }
    }

    pub(crate) fn kind(self) -> CandidateKind {
        match self {
            Self::Relay => CandidateKind::Relayed,
            Self::Socket | Self::Dialer | Self::Listener => CandidateKind::Host,
        }
    }
}

/// What a pair knows of its local candidate, which is always a base (RFC 8445 §6.1.2.4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalEnd {
    pub(crate) base: Base,
    pub(crate) address: SocketAddr,
    pub(crate) priority: Priority,
    /// What the PRIORITY attribute says: the priority of a peer-reflexive candidate with this base.
    pub(crate) reflexive_priority: Priority,
}

/// What a pair knows of its remote candidate.
#[derive(Debug, Clone)]
pub(crate) struct RemoteEnd {
    pub(crate) address: SocketAddr,
    pub(crate) priority: Priority,
    pub(crate) kind: CandidateKind,
}

/// What lies between the two ends, as far as their kinds tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directness {
    /// Nothing: both are host candidates.
    Direct,
    /// A NAT.
    Translated,
    /// A relay.
    Relayed,
}

/// Counters of one pair, for statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Checks sent, retransmissions included, consent checks not.
    pub requests_sent: u64,
    /// Authenticated checks received.
    pub requests_received: u64,
    /// Success responses sent.
    pub responses_sent: u64,
    /// Valid responses received.
    pub responses_received: u64,
    /// Consent checks sent (RFC 7675).
    pub consent_requests_sent: u64,
    /// Sum of all measured round trips.
    pub total_round_trip_time: Duration,
    /// The last measured round trip; zero before the first.
    pub current_round_trip_time: Duration,
}

/// One entry of the checklist.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) id: PairId,
    pub(crate) local: LocalEnd,
    pub(crate) remote: RemoteEnd,
    pub(crate) foundation: PairFoundation,
    pub(crate) priority: PairPriority,
    state: PairState,
    pub(crate) nomination: Nomination,
    /// The highest value of NOMINATION in the peer's checks; 0 without any.
    pub(crate) renomination: u32,
    /// When an authenticated check, a valid response or authenticated data last came this way.
    pub(crate) last_heard: Option<Instant>,
    /// An authenticated check came this way: whoever knows our password is there.
    pub(crate) check_received: bool,
    pub(crate) counters: Counters,
}

impl Pair {
    pub(crate) fn new(
        id: PairId,
        local: LocalEnd,
        remote: RemoteEnd,
        foundation: PairFoundation,
        role: Role,
    ) -> Self {
        let mut pair = Self {
            id,
            priority: PairPriority::compute(local.priority, remote.priority),
            local,
            remote,
            foundation,
            state: PairState::Frozen,
            nomination: Nomination::None,
            renomination: 0,
            last_heard: None,
            check_received: false,
            counters: Counters::default(),
        };
        pair.compute_priority(role);
        pair
    }

    pub(crate) fn state(&self) -> PairState {
        self.state
    }

    /// The one place that writes the state.
    pub(crate) fn set_state(&mut self, state: PairState) {
        if self.state.name() != state.name() {
            let (from, to) = (self.state.name(), state.name());
            debug!(local = %self.local.address, remote = %self.remote.address, from, to, "pair");
        }
        self.state = state;
    }

    /// RFC 8445 §6.1.2.3; again after a role switch (§7.3.1.1) or when the peer signals the
    /// candidate we had learnt as peer-reflexive.
    pub(crate) fn compute_priority(&mut self, role: Role) {
        self.priority = match role {
            Role::Controlling => PairPriority::compute(self.local.priority, self.remote.priority),
            Role::Controlled => PairPriority::compute(self.remote.priority, self.local.priority),
        };
    }

    pub(crate) fn directness(&self) -> Directness {
        match &self.remote.kind {
            _ if self.local.base == Base::Relay => Directness::Relayed,
            CandidateKind::Relayed => Directness::Relayed,
            CandidateKind::Host => Directness::Direct,
            _ => Directness::Translated,
        }
    }

    /// Whether data may be sent on it: it is valid and its consent has not expired (RFC 7675 §5.1).
    pub(crate) fn is_valid(&self, now: Instant) -> bool {
        matches!(self.state, PairState::Succeeded { consent, .. } if consent.holds(now))
    }

    /// Whether a check could still succeed on it.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
    }

    /// Whether the peer has proven to be at the other end: by a check of its own or by an answer.
    pub(crate) fn is_validated(&self) -> bool {
        self.check_received || matches!(self.state, PairState::Succeeded { .. })
    }

    /// The way its packets take, which names it: no two pairs share it (RFC 8445 §6.1.2.4).
    pub(crate) fn path(&self) -> Path {
        let (local, remote) = (self.local.address, self.remote.address);
        Path { protocol: self.local.base.protocol(), local, remote }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = Some(self.last_heard.map_or(now, |last| last.max(now)));
    }

    /// How long nothing was heard; `None` if nothing ever was.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        self.last_heard.map(|last| now.saturating_duration_since(last))
    }
}
