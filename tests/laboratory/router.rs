//! The rules that make a Linux router the NAT it shall be.
//!
//! | mapping | filtering | how |
//! | --- | --- | --- |
//! | endpoint-independent | endpoint-independent | ports are kept; what comes in for a port goes to who has sent from it |
//! | endpoint-independent | address-dependent | the same, if its sender's address has been sent to |
//! | endpoint-independent | address- and port-dependent | the kernel's `masquerade`, which keeps ports while it can |
//! | address-dependent | address- and port-dependent | a range of ports for each remote address |
//! | address- and port-dependent | address- and port-dependent | `masquerade random,fully-random` |
//!
//! The input chain matters as much: a packet for a port without mapping must be *dropped*. If the
//! router took it for itself, the kernel would remember it as a connection, and the mapping that an
//! inner host's packet makes a moment later could not have that port any more.
//!
//! Book: "NATs".

use std::fmt::Write;
use std::net::Ipv4Addr;

use stun::behaviour::Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

use tests::matrix::{Nat, Site};

/// How long a NAT remembers: longer than the lab runs.
const MEMORY: &str = "flags dynamic,timeout; timeout 10m; size 65535;";

/// Ports that an address-dependent mapping takes for one remote address.
const PORTS_PER_ADDRESS: u16 = 400;

/// The first of these ports.
const FIRST_PORT: u16 = 20_000;

/// The rules of a router. Its inner interfaces are called `lan…`, the outer one `wan`.
pub(crate) fn rules(site: &Site, nat: Nat, outer: Ipv4Addr, internet: &[Ipv4Addr]) -> String {
    let mut rules = format!(
        "table ip nat {{\n\
         map owner {{ type inet_service : ipv4_addr; {MEMORY}\n}}\n\
         set contacted {{ type inet_service . ipv4_addr; {MEMORY}\n}}\n\
         chain in {{ type filter hook input priority 0; policy drop;\n}}\n"
    );
    rules.push_str("chain forwarding { type filter hook forward priority 0; policy drop;\n");
    forwarding(&mut rules, site, nat);
    rules.push_str("}\nchain inwards { type nat hook prerouting priority dstnat;\n");
    if keeps_ports(nat) {
        rules.push_str("iifname wan meta l4proto udp dnat to udp dport map @owner\n");
        if nat.hairpin {
            let to_us = format!("iifname lan* ip daddr {outer} meta l4proto udp");
            let _ = writeln!(rules, "{to_us} dnat to udp dport map @owner");
        }
    }
    rules.push_str("}\nchain outwards { type nat hook postrouting priority srcnat;\n");
    outwards(&mut rules, nat, outer, internet);
    rules.push_str("}\n}\n");
    rules
}

/// A mapping that others than the kernel's own replies may use: the rules have to do it.
fn keeps_ports(nat: Nat) -> bool {
    nat.mapping == EndpointIndependent && nat.filtering != AddressAndPortDependent
}

fn forwarding(rules: &mut String, site: &Site, nat: Nat) {
    if let Some(largest) = site.largest_packet {
        // As routers before such links do, TCP is told; UDP must find out.
        let segment = largest.saturating_sub(40);
        let _ = writeln!(rules, "tcp flags syn tcp option maxseg size set {segment}");
        let _ = writeln!(rules, "meta length > {largest} drop");
    }
    if !site.udp {
        rules.push_str("meta l4proto udp drop\n");
    }
    if keeps_ports(nat) {
        rules.push_str("iifname lan* update @owner { udp sport : ip saddr }\n");
        rules.push_str("iifname lan* update @contacted { udp sport . ip daddr }\n");
        let who = match nat.filtering {
            EndpointIndependent => "",
            _ => "udp dport . ip saddr @contacted",
        };
        let _ = writeln!(rules, "ct status dnat meta l4proto udp {who} accept");
    }
    rules.push_str("iifname lan* oifname wan accept\n");
    rules.push_str("iifname wan ct state established,related accept\n");
}

fn outwards(rules: &mut String, nat: Nat, outer: Ipv4Addr, internet: &[Ipv4Addr]) {
    if nat.hairpin {
        // What turns round inside must look as if it came from outside.
        let _ = writeln!(rules, "iifname lan* oifname lan* snat to {outer}");
    }
    match nat.mapping {
        EndpointIndependent => {}
        AddressDependent => {
            for (remote, first) in
                internet.iter().zip((FIRST_PORT..).step_by(PORTS_PER_ADDRESS.into()))
            {
                let last = first + PORTS_PER_ADDRESS - 1;
                let to_it = format!("oifname wan meta l4proto udp ip daddr {remote}");
                let _ = writeln!(rules, "{to_it} snat to {outer}:{first}-{last}");
            }
        }
        AddressAndPortDependent => {
            rules.push_str("oifname wan meta l4proto udp masquerade random,fully-random\n");
        }
    }
    rules.push_str("oifname wan masquerade\n");
}
