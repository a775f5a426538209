//! What was found out about a NAT, with what stayed open. Book: "NATs".

use std::fmt;
use std::net::SocketAddr;

use super::{Chance, Dependence, Standing, can_meet};

/// The dependences that what was seen allows. Never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possible([bool; 3]);

impl Possible {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self([true; 3]);

    /// Those for which it holds; all of them if it holds for none, as nothing is known then.
    #[must_use]
    pub fn such_that(holds: impl Fn(Dependence) -> bool) -> Self {
        match Dependence::ALL.map(holds) {
            [false, false, false] => Self::UNKNOWN,
            possible => Self(possible),
        }
    }

    /// What is known.
    #[must_use]
    pub fn exactly(dependence: Dependence) -> Self {
        Self::such_that(|it| it == dependence)
    }

    /// The possibilities, the easiest first.
    pub fn iter(self) -> impl Iterator<Item = Dependence> {
        let all = Dependence::ALL.into_iter().zip(self.0);
        all.filter_map(|(dependence, possible)| possible.then_some(dependence))
    }

    /// The one that it is, if that is known.
    #[must_use]
    pub fn known(self) -> Option<Dependence> {
        let mut possible = self.iter();
        possible.next().filter(|_| possible.next().is_none())
    }

    /// What a NAT's mapping can be that gave one socket these public addresses, each toward a
    /// server: for servers that it sees as one the same, for others another (RFC 5780 §4.3).
    ///
    /// A NAT that fits nowhere is as hard as the hardest.
    pub(super) fn mapping(seen: &[(SocketAddr, SocketAddr)]) -> Self {
        let fits = |dependence: Dependence| {
            seen.iter().enumerate().all(|(index, (server, mapped))| {
                seen.iter().skip(index).all(|(other_server, other_mapped)| {
                    let one = dependence.seen(*server) == dependence.seen(*other_server);
                    one == (mapped == other_mapped)
                })
            })
        };
        if Dependence::ALL.into_iter().any(fits) {
            Self::such_that(fits)
        } else {
            Self::exactly(Dependence::AddressAndPortDependent)
        }
    }

    /// What both allow; if that is nothing, the harder one counts.
    pub(super) fn and(self, other: Self) -> Self {
        let both = |it| self.iter().any(|mine| mine == it) && other.iter().any(|its| its == it);
        if Dependence::ALL.into_iter().any(both) {
            Self::such_that(both)
        } else if self.iter().max() < other.iter().max() {
            other
        } else {
            self
        }
    }
}

impl fmt::Display for Possible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::UNKNOWN {
            return f.write_str("unknown");
        }
        self.iter().enumerate().try_for_each(|(index, dependence)| {
            let or = if index > 0 { " or " } else { "" };
            write!(f, "{or}{dependence}")
        })
    }
}

/// What lies between a socket and the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The socket's address.
    pub local: SocketAddr,
    /// What the first server that answered saw of it.
    pub mapped: SocketAddr,
    /// The NAT's mapping (RFC 4787 §4.1); without a NAT of no meaning.
    pub mapping: Possible,
    /// Its filtering, or that of a firewall (RFC 4787 §5).
    pub filtering: Possible,
    /// Whether two behind it can meet at their public addresses (RFC 4787 §6); `None` without a NAT.
    pub hairpin: Option<bool>,
}

impl Behaviour {
    /// Whether there is a NAT: the address changed on the way.
    #[must_use]
    pub fn is_behind_nat(&self) -> bool {
        self.local != self.mapped
    }

    /// All that it may amount to.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        let mappings: Vec<Option<Dependence>> =
            if self.is_behind_nat() { self.mapping.iter().map(Some).collect() } else { vec![None] };
        let filtering = self.filtering;
        mappings.into_iter().flat_map(move |mapping| {
            filtering.iter().map(move |filtering| Standing { mapping, filtering })
        })
    }

    /// Whether it and a peer elsewhere meet without a relay.
    #[must_use]
    pub fn chance(&self, peer: Standing) -> Chance {
        let meets = |standing| can_meet(standing, peer).is_some();
        match (self.standings().any(meets), self.standings().all(meets)) {
            (_, true) => Chance::Direct,
            (true, false) => Chance::Perhaps,
            (false, false) => Chance::Relay,
        }
    }
}

/// How a discovery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A server answered.
    Found(Behaviour),
    /// No server told us our address: UDP is blocked, or the servers are not there.
    NoAnswer,
}
