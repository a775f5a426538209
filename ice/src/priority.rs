//! Candidate and pair priorities (RFC 8445 §5.1.2, §6.1.2.3; RFC 6544 §4.2 for TCP, RFC 8421 for hosts
//! with many addresses).
//!
//! ```text
//!  31           24 23       21 20  19 18                 8 7            0
//! +---------------+-----------+------+--------------------+--------------+
//! | type          | carrier   | scope| IPv6 and IPv4 take | 256 −        |
//! | preference    |           |      | turns: 2047, 2046… | component ID |
//! +---------------+-----------+------+--------------------+--------------+
//!                 │◄──── local preference, unique ───────►│
//!
//! pair priority = 2^32 · MIN(G, D) + 2 · MAX(G, D) + (G > D ? 1 : 0)
//!                 G: the controlling agent's candidate, D: the controlled agent's
//! ```
//!
//! Invariant: a [`Priority`] lies between 1 and 2^31 − 1, so the pair formula cannot overflow.
//! Book: chapter "Candidates".

use std::fmt;
use std::net::IpAddr;

use stun::ServerTransport;

use crate::candidate::CandidateKind;
use crate::gathered::Gathered;
use crate::protocol::Protocol;

/// The only component: RTP and RTCP share it (RFC 5761), data has never had another.
pub(crate) const COMPONENT: u16 = 1;

/// A candidate's priority (RFC 8445 §5.1.2): larger is better, between 1 and 2^31 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u32);

impl Priority {
    /// The lowest legal priority.
    pub const MIN: Self = Self(1);
    /// The highest legal priority.
    pub const MAX: Self = Self((1 << 31) - 1);

    /// A priority from the wire or from text; numbers outside the legal range become its nearest end.
    #[must_use]
    pub fn new(value: u32) -> Self {
        Self(value.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The number as it stands in a candidate line and in the PRIORITY attribute.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0
    }

    // ANCHOR: candidate
    /// The recommended formula of RFC 8445 §5.1.2.1, for our only component.
    pub(crate) fn compute(kind: &CandidateKind, local_preference: u16) -> Self {
        let component = 256 - u32::from(COMPONENT);
        Self::new((type_preference(kind) << 24) | (u32::from(local_preference) << 8) | component)
    }
    // ANCHOR_END: candidate
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The recommended type preferences (RFC 8445 §5.1.2.2): direct paths before relayed ones.
fn type_preference(kind: &CandidateKind) -> u32 {
    match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed | CandidateKind::Other(_) => 0,
    }
}

/// What kind of address it is, as far as preference goes: better kinds come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    LinkLocal,
    Loopback,
    UniqueLocal,
    Wide,
}

impl Scope {
    fn of(address: IpAddr) -> Self {
        match address {
            ip if ip.is_loopback() => Self::Loopback,
            IpAddr::V4(ip) if ip.is_link_local() => Self::LinkLocal,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::LinkLocal,
            IpAddr::V6(ip) if ip.is_unique_local() => Self::UniqueLocal,
            _ => Self::Wide,
        }
    }
}

/// The highest three bits of the local preference. RFC 6544 §4.2 calls them the direction
/// preference and gives TCP 6 if it is active and 4 if it is passive; UDP stands above both. A relayed
/// candidate is always of UDP, and what carries its packets to the server counts in the same way.
fn carrier_preference(way: &Gathered) -> u16 {
    match way {
        Gathered::Host { protocol: Protocol::Udp, .. }
        | Gathered::ServerReflexive { .. }
        | Gathered::Relayed { transport: ServerTransport::Udp, .. } => 7,
        Gathered::TcpActive { .. } | Gathered::Relayed { transport: ServerTransport::Tcp, .. } => 6,
        Gathered::Relayed { transport: ServerTransport::Tls, .. } => 5,
        Gathered::Host { protocol: Protocol::Tcp, .. } => 4,
    }
}

const CARRIER_DISTANCE: u16 = 1 << 13;
/// How far apart two scopes are in the local preference: more than the candidates one agent can
/// have, so the order of addition never outweighs the scope.
const SCOPE_DISTANCE: u16 = CARRIER_DISTANCE / 4;

// ANCHOR: local
/// The local preference of a new candidate: the best that no other of its type has `taken`, for RFC 8445
/// §5.1.2.1 demands that they are unique.
///
/// IPv6 and IPv4 take turns, IPv6 first, so that one family being broken costs one check and not all
/// of them (RFC 8421 §4). Loopback and link-local addresses come last: they reach the fewest peers,
/// and a peer they do reach is usually reachable by a better address too.
pub(crate) fn local_preference(way: &Gathered, taken: impl Fn(u16) -> bool) -> u16 {
    let address = way.address().ip();
    let lowest =
        carrier_preference(way) * CARRIER_DISTANCE + Scope::of(address) as u16 * SCOPE_DISTANCE;
    let first_turn = u16::from(address.is_ipv4());
    let turns = (first_turn..SCOPE_DISTANCE).step_by(2);
    let free = turns.map(|turn| lowest + (SCOPE_DISTANCE - 1 - turn)).find(|it| !taken(*it));
    free.unwrap_or(lowest)
}
// ANCHOR_END: local

/// The priority of a pair (RFC 8445 §6.1.2.3): both agents order their pairs alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairPriority(u64);

impl PairPriority {
    // ANCHOR: pair
    /// Combines `controlling` (the formula's G) and `controlled` (D).
    #[must_use]
    pub fn compute(controlling: Priority, controlled: Priority) -> Self {
        let g = u64::from(controlling.0);
        let d = u64::from(controlled.0);
        Self((g.min(d) << 32) + 2 * g.max(d) + u64::from(g > d))
    }
    // ANCHOR_END: pair

    /// The 64-bit number.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn section_5_1_2_1_host_candidate_of_the_example() {
        // RFC 8445 §15.1 computes 2130706431 for a host candidate with local preference 65535.
        assert_eq!(Priority::compute(&CandidateKind::Host, 65535).value(), 2_130_706_431);
        // ... and 1694498815 for its server-reflexive candidate.
        let reflexive = Priority::compute(&CandidateKind::ServerReflexive, 65535);
        assert_eq!(reflexive.value(), 1_694_498_815);
    }

    #[test]
    fn pair_priority_never_overflows_and_breaks_ties_by_role() {
        let top = PairPriority::compute(Priority::new(u32::MAX), Priority::new(u32::MAX));
        assert_eq!(top.value(), ((1 << 31) - 1) * (1 << 32) + 2 * ((1 << 31) - 1));
        let (low, high) = (Priority::new(10), Priority::new(20));
        let ours = PairPriority::compute(high, low).value();
        assert_eq!(ours, (10 << 32) + 40 + 1);
        assert_eq!(PairPriority::compute(low, high).value(), (10 << 32) + 40);
    }

    #[test]
    fn numbers_outside_the_range_are_clamped() {
        assert_eq!(Priority::new(0), Priority::MIN);
        assert_eq!(Priority::new(u32::MAX), Priority::MAX);
    }

    #[test]
    fn rfc_8421_families_take_turns_and_scopes_are_ordered() {
        let host = |text: &str| Gathered::from(SocketAddr::new(text.parse().unwrap(), 1));
        let mut preferences: Vec<(u16, &str)> = Vec::new();
        for text in [
            "fe80::1",
            "127.0.0.1",
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "2001:db8::2",
            "fd00::1",
            "::1",
        ] {
            let taken = |it| preferences.iter().any(|(known, _)| *known == it);
            preferences.push((local_preference(&host(text), taken), text));
        }
        preferences.sort_unstable_by(|one, other| other.cmp(one));
        let order: Vec<&str> = preferences.iter().map(|(_, text)| *text).collect();
        let best = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"];
        assert_eq!(order[..4], best);
        assert_eq!(order[4..], ["fd00::1", "::1", "127.0.0.1", "fe80::1"]);
        preferences.dedup_by_key(|(preference, _)| *preference);
        assert_eq!(preferences.len(), 8, "unique");
    }

    #[test]
    fn rfc_6544_section_4_2_udp_before_active_before_passive() {
        let address: SocketAddr = "[2001:db8::1]:5000".parse().unwrap();
        let host = |protocol| Gathered::Host { protocol, address, name: None };
        let preference = |way: &Gathered| local_preference(way, |_| false);
        assert_eq!(preference(&host(Protocol::Udp)), u16::MAX);
        let active = Gathered::TcpActive { ip: address.ip() };
        assert_eq!(preference(&active), 6 * (1 << 13) + 8191);
        assert_eq!(preference(&host(Protocol::Tcp)), 4 * (1 << 13) + 8191);
    }

    #[test]
    fn a_relay_reached_by_udp_comes_before_tcp_and_tls() {
        let at = |text: &str| text.parse().unwrap();
        let relay = |transport| {
            let way = Gathered::Relayed {
                relayed: at("192.0.2.9:1"),
                mapped: at("192.0.2.8:1"),
                transport,
            };
            local_preference(&way, |_| false)
        };
        assert!(relay(ServerTransport::Udp) > relay(ServerTransport::Tcp));
        assert!(relay(ServerTransport::Tcp) > relay(ServerTransport::Tls));
    }
}
