//! Which addresses can be candidates, and which two of them can be a pair (RFC 8445 §5.1.1.1, §6.1.2.2, §19).
//!
//! The rule is to exclude only what can never work. A remote candidate at 127.0.0.1 is normal when
//! both peers run on one machine, and so is a browser that reaches our loopback address from the
//! address of its network interface. Book: chapter "Candidates".

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::protocol::Path;

/// Gives every address one spelling, so that addresses can be compared: no flow label, and a scope
/// only where it means something.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => {
            let scope = if v6.ip().is_unicast_link_local() { v6.scope_id() } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope))
        }
    }
}

/// The same for both ends of a path.
pub(crate) fn canonical_path(path: Path) -> Path {
    Path { local: canonical(path.local), remote: canonical(path.remote), ..path }
}

/// Whether a datagram can be sent to exactly one peer at this address. Port 0, unspecified,
/// multicast and broadcast addresses would make us a weapon (RFC 8445 §19.5.1) or an error.
/// IPv4 addresses in IPv6 clothes must not be candidates (RFC 8445 §5.1.1.1).
pub(crate) fn is_usable(address: SocketAddr) -> bool {
    let ip_is_usable = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !is_ipv4_in_disguise(ip),
    };
    ip_is_usable && address.port() != 0
}

/// IPv4-mapped (`::ffff:0:0/96`), IPv4-compatible (`::/96` without `::1`) and the deprecated
/// site-local addresses (`fec0::/10`).
fn is_ipv4_in_disguise(ip: Ipv6Addr) -> bool {
    let compatible = ip.to_ipv4().is_some() && !ip.is_loopback();
    let site_local = ip.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0);
    compatible || site_local
}

/// Where `local` would send to reach the remote candidate at `remote`; `None` if that can never work.
///
/// Both must be of one family, and link-local IPv6 addresses only go with each other
/// (RFC 8445 §6.1.2.2), within the local one's scope. A packet from a loopback address never leaves
/// the machine: `is_ours` says whether an IP address is one of this machine's.
pub(crate) fn pairable(
    local: SocketAddr,
    remote: SocketAddr,
    is_ours: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    match (local, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => {}
        (SocketAddr::V6(local), SocketAddr::V6(remote)) => {
            match (local.ip().is_unicast_link_local(), remote.ip().is_unicast_link_local()) {
                (false, false) => {}
                (true, true) => {
                    let scoped =
                        SocketAddrV6::new(*remote.ip(), remote.port(), 0, local.scope_id());
                    return Some(SocketAddr::V6(scoped));
                }
                _ => return None,
            }
        }
        _ => return None,
    }
    let stays_here = local.ip().is_loopback();
    (!stays_here || remote.ip().is_loopback() || is_ours(remote.ip())).then_some(remote)
}

/// Whether the two are the same but for the scope, which a candidate line cannot carry.
pub(crate) fn same_but_for_scope(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip() == other.ip() && one.port() == other.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn row_25_addresses_that_are_ignored() {
        for text in [
            "192.0.2.1:0",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
            "[::ffff:127.0.0.1]:1",
            "[::192.0.2.1]:1",
            "[fec0::1]:1",
        ] {
            assert!(!is_usable(at(text)), "{text}");
        }
        for text in ["127.0.0.1:1", "[::1]:1", "10.0.0.1:9", "[fe80::1]:1", "[fd00::2]:1"] {
            assert!(is_usable(at(text)), "{text}");
        }
    }

    #[test]
    fn families_and_link_local_addresses_do_not_mix() {
        let nobody = |_| false;
        assert!(pairable(at("192.0.2.1:1"), at("[2001:db8::1]:1"), nobody).is_none());
        assert!(pairable(at("[fe80::1]:1"), at("[2001:db8::1]:1"), nobody).is_none());
        assert!(pairable(at("[2001:db8::1]:1"), at("[fe80::1]:1"), nobody).is_none());
        let scoped = pairable(at("[fe80::1%7]:1"), at("[fe80::2]:2"), nobody);
        assert_eq!(scoped, Some(at("[fe80::2%7]:2")));
    }

    #[test]
    fn loopback_reaches_loopback_and_this_machine_only() {
        let local = at("127.0.0.1:1");
        let interface = at("192.0.2.2:2");
        assert!(pairable(local, at("127.0.0.1:2"), |_| false).is_some());
        assert!(pairable(local, interface, |_| false).is_none());
        assert!(pairable(local, interface, |ip| ip == interface.ip()).is_some());
        // A browser whose only candidate is 127.0.0.1 can be reached from the interface's address.
        assert!(pairable(interface, at("127.0.0.1:2"), |_| false).is_some());
    }
}
