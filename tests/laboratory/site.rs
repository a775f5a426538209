//! The kinds of places a peer may be at: what stands between it and the Internet.
//!
//! Book: "NATs".

use stun::behaviour::Dependence;

/// A kind of place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Its name on the command line and in the matrix.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) about: &'static str,
    /// The NAT there, if any.
    pub(crate) nat: Option<Nat>,
    /// Whether UDP gets out.
    pub(crate) udp: bool,
    /// Whether it has IPv4.
    pub(crate) ipv4: bool,
    /// Whether it has IPv6.
    pub(crate) ipv6: bool,
    /// The largest packet that passes; a longer one is dropped and nobody is told.
    pub(crate) largest_packet: Option<u16>,
}

/// What a NAT does (RFC 4787).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nat {
    /// What a mapping depends on.
    pub(crate) mapping: Dependence,
    /// Who is let in through it.
    pub(crate) filtering: Dependence,
    /// Whether two behind it can use each other's outer addresses.
    pub(crate) hairpin: bool,
}

use Dependence::{
    AddressAndPortDependent as ByPort, AddressDependent as ByAddress, EndpointIndependent as Any,
};

const PUBLIC: Site = Site {
    name: "public",
    about: "no NAT; IPv4 and IPv6",
    nat: None,
    udp: true,
    ipv4: true,
    ipv6: true,
    largest_packet: None,
};

const fn behind(
    name: &'static str,
    about: &'static str,
    mapping: Dependence,
    filtering: Dependence,
    hairpin: bool,
) -> Site {
    let nat = Some(Nat { mapping, filtering, hairpin });
    Site { name, about, nat, ipv6: false, ..PUBLIC }
}

/// Every place, each of which is paired with each.
pub(crate) const SITES: [Site; 9] = [
    PUBLIC,
    behind("ei-ei", "endpoint-independent mapping and filtering, hairpin", Any, Any, true),
    behind(
        "ei-ad",
        "endpoint-independent mapping, address-dependent filtering",
        Any,
        ByAddress,
        false,
    ),
    behind(
        "ei-apd",
        "endpoint-independent mapping, address- and port-dependent filtering",
        Any,
        ByPort,
        false,
    ),
    behind(
        "ad-apd",
        "address-dependent mapping, address- and port-dependent filtering",
        ByAddress,
        ByPort,
        false,
    ),
    behind("apd-apd", "address- and port-dependent mapping and filtering", ByPort, ByPort, false),
    Site {
        udp: false,
        ..behind(
            "tcp-only",
            "as ei-apd, and a firewall that lets no UDP through",
            Any,
            ByPort,
            false,
        )
    },
    Site { name: "ipv6", about: "no NAT; IPv6 alone", ipv4: false, ..PUBLIC },
    Site {
        largest_packet: Some(1280),
        ..behind(
            "link-1280",
            "as ei-apd, and a link that drops packets of more than 1280 octets",
            Any,
            ByPort,
            false,
        )
    },
];

/// Places for two: both peers are behind the same NAT, in networks that cannot see each other.
pub(crate) const TWINS: [Site; 2] = [
    behind("hairpin", "two networks behind one ei-ei NAT that hairpins", Any, Any, true),
    behind(
        "no-hairpin",
        "two networks behind one ei-ei NAT that does not hairpin",
        Any,
        Any,
        false,
    ),
];

impl Site {
    /// The place of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Site> {
        static ALL: ([Site; 9], [Site; 2]) = (SITES, TWINS);
        ALL.0.iter().chain(&ALL.1).find(|site| site.name == name)
    }

    /// Whether it is a place for two.
    pub(crate) fn is_for_two(&self) -> bool {
        TWINS.contains(self)
    }
}
