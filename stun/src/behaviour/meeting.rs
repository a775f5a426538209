//! Who can meet whom without a relay: what RFC 8445 can reach through NATs of RFC 4787.
//!
//! Each side knows the other's public address as a STUN server saw it, and sends checks there. Three
//! things must hold for a check and its response to come through:
//!
//! ```text
//!   1. Both map endpoint-independently: each sends from the very address that the other knows. Both
//!      send, so both filters are open, whatever they are.                     server-reflexive
//!   2. One maps dependently: it sends from an address that the other does not know. The other lets
//!      that in unless its filter looks at ports, and so learns the address.   peer-reflexive
//!   3. Both do: the known addresses lead nowhere but through a filter that is open to all. Whoever
//!      hears the first check so answers from an address unknown to the other, whose filter must not
//!      look at ports; and one of the two must keep its port when the peer's port changes, or every
//!      answer comes from yet another address (RFC 8445 §7.2.5.2.1).           peer-reflexive
//! ```
//!
//! Filters are taken to belong to a mapping, as in NATs that track flows. Book: "NATs".

use super::Dependence::{self, AddressAndPortDependent, EndpointIndependent};

/// How one stands in the network of one IP version, as far as UDP gets out at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The mapping of the NAT in front; `None`: there is no NAT.
    pub mapping: Option<Dependence>,
    /// The filter in front, of a NAT or of a firewall.
    pub filtering: Dependence,
}

/// How two meet without a relay; told by the less direct of their two candidates (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// Both at the addresses of their own.
    Host,
    /// At least one at an address that a STUN server told.
    ServerReflexive,
    /// At least one at an address that only its checks told.
    PeerReflexive,
}

/// Whether two meet without a relay, of one of which not all is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chance {
    /// They do.
    Direct,
    /// That depends on what is not known.
    Perhaps,
    /// They do not: they need a relay.
    Relay,
}

impl Standing {
    /// Nothing in front.
    pub const PUBLIC: Self = Self { mapping: None, filtering: EndpointIndependent };

    /// Behind a NAT.
    #[must_use]
    pub const fn behind(mapping: Dependence, filtering: Dependence) -> Self {
        Self { mapping: Some(mapping), filtering }
    }

    /// Whether what a STUN server told is where packets to anybody else come from.
    fn is_known(self) -> bool {
        matches!(self.mapping, None | Some(EndpointIndependent))
    }
}

// ANCHOR: can_meet
/// How two that are in different networks meet, each knowing what STUN told of the other; `None`:
/// they need a relay. Two behind one NAT meet inside, or by its hairpin (RFC 4787 §6).
#[must_use]
pub fn can_meet(a: Standing, b: Standing) -> Option<Way> {
    let looks_at_ports = |it: Standing| it.filtering == AddressAndPortDependent;
    let is_open = |it: Standing| it.filtering == EndpointIndependent;
    match (a.is_known(), b.is_known()) {
        (true, true) if a.mapping.is_none() && b.mapping.is_none() => Some(Way::Host),
        (true, true) => Some(Way::ServerReflexive),
        (true, false) => (!looks_at_ports(a)).then_some(Way::PeerReflexive),
        (false, true) => (!looks_at_ports(b)).then_some(Way::PeerReflexive),
        (false, false) => {
            let heard = (is_open(a) && !looks_at_ports(b)) || (is_open(b) && !looks_at_ports(a));
            let both_chase = [a, b].iter().all(|it| it.mapping == Some(AddressAndPortDependent));
            (heard && !both_chase).then_some(Way::PeerReflexive)
        }
    }
}
// ANCHOR_END: can_meet

#[cfg(test)]
mod tests {
    use super::Dependence::AddressDependent;
    use super::*;

    fn all() -> Vec<Standing> {
        let mappings = Dependence::ALL.map(Some).into_iter().chain([None]);
        mappings
            .flat_map(|mapping| Dependence::ALL.map(|filtering| Standing { mapping, filtering }))
            .collect()
    }

    #[test]
    fn it_does_not_matter_who_is_asked() {
        for a in all() {
            for b in all() {
                assert_eq!(can_meet(a, b), can_meet(b, a), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn an_easier_nat_never_meets_fewer() {
        let no_harder = |a: Standing, b: Standing| {
            a.mapping.is_none_or(|it| b.mapping.is_some_and(|other| it <= other))
                && a.filtering <= b.filtering
        };
        for harder in all() {
            for easier in all().into_iter().filter(|it| no_harder(*it, harder)) {
                for peer in all() {
                    let meets =
                        can_meet(harder, peer).is_none() || can_meet(easier, peer).is_some();
                    assert!(meets, "{easier:?} {harder:?} {peer:?}");
                }
            }
        }
    }

    #[test]
    fn what_everybody_knows() {
        let cone = |filtering| Standing::behind(EndpointIndependent, filtering);
        let symmetric = Standing::behind(AddressAndPortDependent, AddressAndPortDependent);
        let home = cone(AddressAndPortDependent);
        assert_eq!(can_meet(Standing::PUBLIC, Standing::PUBLIC), Some(Way::Host));
        assert_eq!(can_meet(home, home), Some(Way::ServerReflexive));
        assert_eq!(can_meet(symmetric, cone(AddressDependent)), Some(Way::PeerReflexive));
        assert_eq!(can_meet(symmetric, Standing::PUBLIC), Some(Way::PeerReflexive));
        assert_eq!(can_meet(symmetric, home), None);
        assert_eq!(can_meet(symmetric, symmetric), None);
    }
}
