//! Which server is asked from which base, and where a server may send us (RFC 8445 §5.1.1.2,
//! RFC 8489 §10).
//!
//! Book: chapter "Candidates".

use std::net::{IpAddr, SocketAddr};

use crate::address::{is_usable, pairable};

/// Whether a packet from this base can get to the server. From loopback it gets to this machine only;
/// a link-local address is of no use to anybody whom the server would tell of it.
pub(super) fn reaches(
    base: SocketAddr,
    server: SocketAddr,
    is_ours: impl Fn(IpAddr) -> bool,
) -> bool {
    !is_link_local(base.ip()) && pairable(base, server, is_ours).is_some()
}

/// Whether a server may send us on to that one: never to a place that only insiders can reach, unless
/// it is such a place itself. Else anybody who runs a server could make us knock on the doors of our
/// own network.
pub(super) fn may_redirect(from: SocketAddr, to: SocketAddr) -> bool {
    is_usable(to)
        && from != to
        && from.is_ipv4() == to.is_ipv4()
        && Circle::of(to.ip()) >= Circle::of(from.ip())
}

/// Who can reach an address: the smallest circle first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Circle {
    Machine,
    Link,
    Site,
    World,
}

impl Circle {
    fn of(ip: IpAddr) -> Self {
        if ip.is_loopback() || matches!(ip, IpAddr::V4(v4) if matches!(v4.octets(), [0, ..])) {
            Self::Machine
        } else if is_link_local(ip) {
            Self::Link
        } else if is_private(ip) {
            Self::Site
        } else {
            Self::World
        }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// RFC 1918, RFC 4193, and the addresses between a provider's NAT and its customers (RFC 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || matches!(ip.octets(), [100, second, ..] if second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn loopback_asks_this_machine_only_and_link_local_nobody() {
        let ours = |ip: IpAddr| ip == at("192.0.2.7:1").ip();
        for (base, server, expected) in [
            ("192.0.2.7:1", "198.51.100.1:3478", true),
            ("192.0.2.7:1", "[2001:db8::1]:3478", false),
            ("127.0.0.1:1", "198.51.100.1:3478", false),
            ("127.0.0.1:1", "127.0.0.1:3478", true),
            ("127.0.0.1:1", "192.0.2.7:3478", true),
            ("[::1]:1", "[2001:db8::1]:3478", false),
            ("169.254.3.4:1", "198.51.100.1:3478", false),
            ("[fe80::1]:1", "[fe80::2]:3478", false),
        ] {
            assert_eq!(reaches(at(base), at(server), ours), expected, "{base} to {server}");
        }
    }

    #[test]
    fn row_32_a_redirect_never_leads_inwards() {
        for (from, to, expected) in [
            ("198.51.100.1:3478", "203.0.113.1:3478", true),
            ("198.51.100.1:3478", "198.51.100.1:3479", true),
            ("198.51.100.1:3478", "198.51.100.1:3478", false),
            ("198.51.100.1:3478", "127.0.0.1:3478", false),
            ("198.51.100.1:3478", "0.0.0.1:3478", false),
            ("198.51.100.1:3478", "10.0.0.1:3478", false),
            ("198.51.100.1:3478", "100.64.0.1:3478", false),
            ("198.51.100.1:3478", "169.254.169.254:80", false),
            ("198.51.100.1:3478", "203.0.113.1:0", false),
            ("198.51.100.1:3478", "224.0.0.1:3478", false),
            ("198.51.100.1:3478", "[2001:db8::1]:3478", false),
            ("[2001:db8::1]:3478", "[::1]:3478", false),
            ("[2001:db8::1]:3478", "[::ffff:127.0.0.1]:3478", false),
            ("[2001:db8::1]:3478", "[fd00::1]:3478", false),
            ("10.0.0.1:3478", "10.0.0.2:3478", true),
            ("10.0.0.1:3478", "127.0.0.1:3478", false),
            ("127.0.0.1:3478", "127.0.0.1:3479", true),
        ] {
            assert_eq!(may_redirect(at(from), at(to)), expected, "{from} to {to}");
        }
    }
}
