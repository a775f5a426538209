//! How two peers meet, or do not: what must come out of a call, and what has.
//!
//! Book: "NATs".

use std::fmt;

use serde_json::Value;
use stun::behaviour::Dependence::{AddressAndPortDependent, EndpointIndependent};

use crate::servers::Servers;
use crate::site::Site;

/// The kind of the pair that two peers talk over, by the candidate of it that is harder to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Host candidates.
    Host,
    /// Host candidates, over TCP.
    Tcp,
    /// An address that a server told is one of them.
    Srflx,
    /// An address that only the peer has seen is one of them.
    Prflx,
    /// One of them is relayed.
    Relay,
    /// They do not meet.
    None,
}

impl Way {
    /// What RFC 8445 and RFC 8656 promise to two peers that know these servers.
    pub(crate) fn expected(one: &Site, other: &Site, servers: Servers) -> Self {
        let direct = Self::direct(one, other);
        match servers {
            Servers::Stun => direct,
            Servers::RelayOnly => Self::Relay,
            Servers::Turn | Servers::Only(_) if direct == Self::None => Self::Relay,
            Servers::Turn | Servers::Only(_) => direct,
        }
    }

    fn direct(one: &Site, other: &Site) -> Self {
        if !(one.ipv4 && other.ipv4 || one.ipv6 && other.ipv6) {
            return Self::None;
        }
        if !(one.udp && other.udp) {
            // TCP goes out, so it reaches whoever can be reached.
            return if one.nat.is_none() || other.nat.is_none() { Self::Tcp } else { Self::None };
        }
        if one.is_for_two() {
            return if one.nat.is_some_and(|nat| nat.hairpin) { Self::Srflx } else { Self::None };
        }
        let stable = |site: &Site| site.nat.is_none_or(|nat| nat.mapping == EndpointIndependent);
        let by_port =
            |site: &Site| site.nat.is_some_and(|nat| nat.filtering == AddressAndPortDependent);
        match (stable(one), stable(other)) {
            _ if one.nat.is_none() && other.nat.is_none() => Self::Host,
            (true, true) => Self::Srflx,
            // From a port that nobody has announced: only who does not look at ports lets it in.
            (false, true) if !by_port(other) => Self::Prflx,
            (true, false) if !by_port(one) => Self::Prflx,
            _ => Self::None,
        }
    }

    /// What a serving peer's statistics tell of it.
    pub(crate) fn of_statistics(statistics: &Value) -> Option<Self> {
        let pair = statistics.get("selectedCandidatePair")?;
        let word = |name| pair.get(name).and_then(Value::as_str);
        let [local, remote] = ["localCandidateType", "remoteCandidateType"].map(word);
        Self::of_types(local?, remote?, word("protocol")?)
    }

    /// What the line of a caller tells of it: `… ADDRESS (TYPE) to ADDRESS (TYPE) over PROTOCOL`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (ends, protocol) = line.rsplit_once(" over ")?;
        let mut types = ends.split(['(', ')']).skip(1).step_by(2);
        Self::of_types(types.next()?, types.next()?, protocol)
    }

    fn of_types(local: &str, remote: &str, protocol: &str) -> Option<Self> {
        let way = |kind: &str| match kind {
            "host" => Some(Self::Host),
            "srflx" => Some(Self::Srflx),
            "prflx" => Some(Self::Prflx),
            "relay" => Some(Self::Relay),
            _ => None,
        };
        let way = way(local)?.max(way(remote)?);
        // Every caller over TCP is peer-reflexive: its port is made when it connects.
        Some(if protocol.eq_ignore_ascii_case("tcp") { Self::Tcp } else { way })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Host => "host",
            Self::Tcp => "tcp",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::Relay => "relay",
            Self::None => "-",
        })
    }
}
