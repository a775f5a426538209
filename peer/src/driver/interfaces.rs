//! The addresses that become our host candidates (RFC 8445 §5.1.1.1).
//!
//! Every address of every interface is offered, and the loopback addresses last. RFC 8445 says
//! "Addresses from a loopback interface MUST NOT be included in the candidate addresses". We
//! deviate, because a browser and a peer on one machine without any network can only meet there;
//! and the interface addresses are offered even for a call on one machine, because a browser
//! without special settings gathers only those and Firefox never pairs one with 127.0.0.1.
//!
//! Book: "Candidates".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tracing::debug;

/// The most local addresses used for one connection. Each makes a pair with each remote
/// candidate of its family and a checklist holds at most 100 pairs (RFC 8445 §6.1.2.5): a machine
/// with dozens of virtual interfaces would crowd out the ones that matter.
const MAX_ADDRESSES: usize = 16;

/// How often the interfaces are looked at. A cable that is pulled shows itself by silence, too, after
/// seven seconds; a new one shows itself here alone.
const INTERVAL: Duration = Duration::from_secs(2);

/// Completes when the addresses are others than `known`, with the new ones.
pub(super) async fn changed(known: &[IpAddr], ipv6: bool) -> Vec<IpAddr> {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let addresses = local_addresses(ipv6);
        let same = |one: &[IpAddr], other: &[IpAddr]| one.iter().all(|it| other.contains(it));
        if !same(known, &addresses) || !same(&addresses, known) {
            debug!(?known, ?addresses, "the interfaces have changed");
            return addresses;
        }
    }
}

/// The addresses of this machine that a peer may reach us at, most useful first.
pub(crate) fn local_addresses(ipv6: bool) -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        debug!(%error, "the interfaces cannot be listed, using loopback alone");
        Vec::new()
    });
    // The addresses of a cable that is pulled stay where they are.
    let connected = found.into_iter().filter(if_addrs::Interface::is_oper_up);
    choose(connected.map(|interface| interface.ip()), ipv6)
}

fn choose(found: impl Iterator<Item = IpAddr>, ipv6: bool) -> Vec<IpAddr> {
    // DEVIATION RFC 8445 §5.1.1.1: loopback is a candidate, see the top of this file.
    let mut loopback = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    if ipv6 {
        loopback.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    let mut addresses = Vec::new();
    for address in found.filter(|address| is_usable(address) && (ipv6 || address.is_ipv4())) {
        if addresses.len() + loopback.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.append(&mut loopback);
    addresses
}

/// Loopback is added by name. IPv6 link-local addresses mean nothing without their interface,
/// which a candidate cannot carry; site-local, IPv4-compatible and IPv4-mapped addresses are
/// excluded by RFC 8445 §5.1.1.1.
fn is_usable(address: &IpAddr) -> bool {
    !address.is_loopback()
        && !address.is_unspecified()
        && !address.is_multicast()
        && match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => {
                let site_local =
                    matches!(address.segments(), [first, ..] if first & 0xffc0 == 0xfec0);
                let embeds_ipv4 = address.to_ipv4().is_some();
                !address.is_unicast_link_local() && !site_local && !embeds_ipv4
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(found: &[&str], ipv6: bool) -> Vec<String> {
        let found = found.iter().map(|address| address.parse().unwrap());
        choose(found, ipv6).iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn interfaces_first_loopback_last() {
        let found = ["127.0.0.1", "::1", "192.0.2.2", "fd00::2", "fe80::1", "192.0.2.2"];
        assert_eq!(addresses(&found, true), ["192.0.2.2", "fd00::2", "127.0.0.1", "::1"]);
        assert_eq!(addresses(&found, false), ["192.0.2.2", "127.0.0.1"]);
    }

    #[test]
    fn trap_a_machine_without_network_still_has_loopback() {
        assert_eq!(addresses(&[], true), ["127.0.0.1", "::1"]);
    }

    #[test]
    fn the_number_is_bounded() {
        let many: Vec<String> = (0..200).map(|i| format!("10.0.0.{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let chosen = addresses(&many, true);
        assert_eq!(chosen.len(), MAX_ADDRESSES);
        assert!(chosen.contains(&"127.0.0.1".to_owned()));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(local_addresses(false).contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
