//! What an agent reports about its pairs, in the words of the W3C's `RTCIceCandidatePairStats`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::candidate::CandidateKind;
use crate::pair::{Counters, Nomination, Pair, PairState};
use crate::priority::PairPriority;
use crate::protocol::Protocol;

/// One pair of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairStats {
    /// What carries its packets.
    pub protocol: Protocol,
    /// Our base.
    pub local: SocketAddr,
    /// What our base is: `Host` or `Relayed`.
    pub local_kind: CandidateKind,
    /// The peer's address.
    pub remote: SocketAddr,
    /// How the remote candidate was learnt.
    pub remote_kind: CandidateKind,
    /// The state of its checks.
    pub state: PairState,
    /// The pair's priority.
    pub priority: PairPriority,
    /// The nominated flag.
    pub nominated: bool,
    /// Data goes this way.
    pub selected: bool,
    /// What was sent and received.
    pub counters: Counters,
}

impl PairStats {
    pub(crate) fn new(pair: &Pair, selected: bool) -> Self {
        Self {
            protocol: pair.path().protocol,
            local: pair.local.address,
            local_kind: pair.local.base.kind(),
            remote: pair.remote.address,
            remote_kind: pair.remote.kind.clone(),
            state: pair.state(),
            priority: pair.priority,
            nominated: pair.nomination == Nomination::Nominated,
            selected,
            counters: pair.counters,
        }
    }
}

/// The pair data goes on (RFC 8445 §12.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedPair {
    /// What carries its packets.
    pub protocol: Protocol,
    /// Our base: the address to send from.
    pub local: SocketAddr,
    /// What our base is: `Host` or `Relayed`.
    pub local_kind: CandidateKind,
    /// The address to send to.
    pub remote: SocketAddr,
    /// How the remote candidate was learnt.
    pub remote_kind: CandidateKind,
    /// Whether it is nominated, or merely the best valid pair so far.
    pub nominated: bool,
    /// The last measured round trip; zero before the first.
    pub round_trip_time: Duration,
}

impl SelectedPair {
    pub(crate) fn new(pair: &Pair) -> Self {
        Self {
            protocol: pair.path().protocol,
            local: pair.local.address,
            local_kind: pair.local.base.kind(),
            remote: pair.remote.address,
            remote_kind: pair.remote.kind.clone(),
            nominated: pair.nomination == Nomination::Nominated,
            round_trip_time: pair.counters.current_round_trip_time,
        }
    }
}
