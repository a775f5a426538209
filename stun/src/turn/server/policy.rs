//! Which peers may be reached through the relay (RFC 8656 §9, §21.2).
//!
//! A relay stands inside somebody's network, and a client outside must not use it to reach what only
//! the inside may: the machine itself (127.0.0.1), its neighbours (10.0.0.0/8 …), a cloud's metadata
//! service (169.254.169.254). The same address has many spellings in IPv6: `::ffff:127.0.0.1`
//! (mapped), `::127.0.0.1` (compatible), `64:ff9b::7f00:1` (NAT64), `2002:7f00:1::` (6to4); the check
//! looks through all of them.
//!
//! Invariant: what is refused here gets no permission, no channel and no packet. Book: "Relay".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which peers a server relays to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerPolicy {
    /// Only those that are reachable from anywhere.
    #[default]
    Public,
    /// Also loopback, link-local and private ones: for laboratories, and inside a company. Never
    /// those that name no single host, nor IPv4 dressed as IPv6.
    Any,
}

impl PeerPolicy {
    /// Whether packets may be relayed to and from this address.
    #[must_use]
    pub fn allows(self, peer: IpAddr) -> bool {
        match peer {
            IpAddr::V4(ip) => self.allows_v4(ip),
            IpAddr::V6(ip) => self.allows_v6(ip),
        }
    }

    fn allows_v4(self, ip: Ipv4Addr) -> bool {
        let [a, b, c, _] = ip.octets();
        // "This network" (RFC 791 §3.2), multicast, reserved, broadcast.
        if a == 0 || a >= 224 {
            return false;
        }
        let inside = ip.is_loopback()
            || ip.is_private()
            || ip.is_link_local()
            // Shared between a provider and its customers (RFC 6598).
            || (a == 100 && b & 0b1100_0000 == 64)
            // Protocol assignments (RFC 6890), benchmarks (RFC 2544).
            || (a, b, c) == (192, 0, 0)
            || (a == 198 && b & 0b1111_1110 == 18);
        !inside || self == Self::Any
    }

    // ANCHOR: allows_v6
    fn allows_v6(self, ip: Ipv6Addr) -> bool {
        let segments = ip.segments();
        let last = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
        match segments {
            _ if ip.is_multicast() => false,
            [0, 0, 0, 0, 0, 0, 0, 1] => self == Self::Any,
            // Unspecified; compatible and mapped: IPv4 peers have an address family of their own.
            [0, 0, 0, 0, 0, 0 | 0xFFFF, _, _] => false,
            // Behind a NAT64 (RFC 6052 §2.1) or a 6to4 router (RFC 3056 §2) waits an IPv4 address.
            [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => self.allows_v4(last(high, low)),
            [0x2002, high, low, ..] => self.allows_v4(last(high, low)),
            // The network's own NAT64 (RFC 8215).
            [0x64, 0xFF9B, 1, ..] => self == Self::Any,
            // Unique local (RFC 4193), link-local, and the site-local of old.
            [first, ..] if first & 0xFE00 == 0xFC00 || first & 0xFF80 == 0xFE80 => {
                self == Self::Any
            }
            _ => true,
        }
    }
    // ANCHOR_END: allows_v6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(policy: PeerPolicy, ip: &str) -> bool {
        policy.allows(ip.parse().unwrap())
    }

    #[test]
    fn row_34_what_is_inside_is_refused_in_every_spelling() {
        for ip in [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.1",
            "198.19.0.1",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::",
        ] {
            assert!(!allows(PeerPolicy::Public, ip), "{ip}");
            assert!(allows(PeerPolicy::Any, ip), "{ip}");
        }
    }

    #[test]
    fn row_34_what_names_no_single_host_is_always_refused() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::0.0.0.0",
            "2002:e000:1::",
        ] {
            assert!(!allows(PeerPolicy::Public, ip), "{ip}");
            assert!(!allows(PeerPolicy::Any, ip), "{ip}");
        }
    }

    #[test]
    fn the_rest_of_the_world_is_allowed() {
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.7",
            "223.255.255.255",
            "2001:db8::1",
            "2a00::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(allows(PeerPolicy::Public, ip), "{ip}");
        }
    }

    proptest! {
        #[test]
        fn row_34_no_ipv6_spelling_of_a_refused_ipv4_address_is_allowed(ip: Ipv4Addr) {
            prop_assume!(!PeerPolicy::Public.allows(ip.into()));
            let [a, b, c, d] = ip.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for spelling in [
                ip.to_ipv6_mapped(),
                ip.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert!(!PeerPolicy::Public.allows(spelling.into()));
            }
        }

        #[test]
        fn any_allows_all_that_public_does(ip: IpAddr) {
            prop_assert!(!PeerPolicy::Public.allows(ip) || PeerPolicy::Any.allows(ip));
        }
    }
}
