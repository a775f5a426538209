//! How two peers meet, or do not: what must come out of a call, and what has.
//!
//! Book: "NATs".

use std::fmt;

use stun::behaviour::{self, can_meet};

use super::Site;

/// The kind of the pair that two peers talk over, by the candidate of it that is harder to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
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

/// What peers can use besides UDP and STUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Relays that every place reaches by UDP or TCP, of both IP versions.
    pub relays: bool,
    /// TCP between the two (RFC 6544).
    pub tcp: bool,
}

impl Way {
    /// What RFC 8445 and RFC 8656 promise to two peers with these means.
    #[must_use]
    pub fn expected(one: &Site, other: &Site, means: Means) -> Self {
        match Self::direct(one, other, means.tcp) {
            Self::None if means.relays => Self::Relay,
            way => way,
        }
    }

    fn direct(one: &Site, other: &Site, tcp: bool) -> Self {
        if !(one.ipv4 && other.ipv4 || one.ipv6 && other.ipv6) {
            return Self::None;
        }
        if !(one.udp && other.udp) {
            // TCP goes out, so it reaches whoever can be reached.
            let one_is_public = one.nat.is_none() || other.nat.is_none();
            return if tcp && one_is_public { Self::Tcp } else { Self::None };
        }
        if one.is_for_two() {
            return if one.nat.is_some_and(|nat| nat.hairpin) { Self::Srflx } else { Self::None };
        }
        match can_meet(one.standing(), other.standing()) {
            Some(behaviour::Way::Host) => Self::Host,
            Some(behaviour::Way::ServerReflexive) => Self::Srflx,
            Some(behaviour::Way::PeerReflexive) => Self::Prflx,
            None => Self::None,
        }
    }

    /// What the selected pair of one peer says: the types of its candidates as in RFC 8839 §5.1,
    /// `host`, `srflx`, `prflx` and `relay`, and its protocol, `udp` or `tcp`. `None`: other words.
    #[must_use]
    pub fn of_types(local: &str, remote: &str, protocol: &str) -> Option<Self> {
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
