//! The kinds of places a peer may be at: what stands between it and the Internet.
//!
//! Book: "NATs".

use stun::behaviour::{Dependence, Standing};

/// A kind of place.
#[derive(Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name on the command line and in the matrix.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// The NAT there, if any.
    pub nat: Option<Nat>,
    /// Whether UDP gets out.
    pub udp: bool,
    /// Whether it has IPv4.
    pub ipv4: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// The largest packet that passes; a longer one is dropped and nobody is told.
    pub largest_packet: Option<u16>,
}

/// What a NAT does (RFC 4787).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat {
    /// What a mapping depends on.
    pub mapping: Dependence,
    /// Who is let in through it.
    pub filtering: Dependence,
    /// Whether two behind it can use each other's outer addresses.
    pub hairpin: bool,
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
pub static SITES: [Site; 9] = [
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
pub static TWINS: [Site; 2] = [
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
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SITES.iter().chain(&TWINS).find(|site| site.name == name)
    }

    /// Whether it is a place for two.
    #[must_use]
    pub fn is_for_two(&self) -> bool {
        TWINS.contains(self)
    }

    /// How it stands toward UDP from elsewhere.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.nat.map_or(Standing::PUBLIC, |nat| Standing::behind(nat.mapping, nat.filtering))
    }
}
