//! What was found out, in words for people who have never heard of a mapping. Book: "NATs".

use std::fmt::{self, Write};
use std::net::SocketAddr;

use stun::behaviour::Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
use stun::behaviour::{Behaviour, Chance, Possible, Standing};

use super::Finding;

/// The peers of the table.
const PEERS: [(&str, Standing); 5] = [
    ("is not behind a NAT", Standing::PUBLIC),
    (
        "is behind a NAT that lets everybody in",
        Standing::behind(EndpointIndependent, EndpointIndependent),
    ),
    (
        "is behind a NAT that looks at addresses",
        Standing::behind(EndpointIndependent, AddressDependent),
    ),
    (
        "is behind a usual home router",
        Standing::behind(EndpointIndependent, AddressAndPortDependent),
    ),
    (
        "is behind a NAT with a port for each peer",
        Standing::behind(AddressAndPortDependent, AddressAndPortDependent),
    ),
];

/// The peer that no packet gets to.
const NO_UDP: &str = "has no UDP";

/// The width of the first column of the table.
const WIDTH: usize = 44;

/// What will happen now.
pub(super) fn asking(servers: &[SocketAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
    format!("Asking {}. This takes up to 10 seconds.\n", servers.join(", "))
}

/// What came of it.
pub(super) fn findings(ipv4: &Finding, ipv6: &Finding) -> String {
    let mut text = String::new();
    for (version, finding) in [("IPv4", ipv4), ("IPv6", ipv6)] {
        // Writing to a string does not fail.
        let _ = of_version(&mut text, version, finding);
    }
    let _ = meetings(&mut text, ipv4, ipv6);
    text
}

fn of_version(text: &mut String, version: &str, finding: &Finding) -> fmt::Result {
    write!(text, "\n{version}: ")?;
    match finding {
        Finding::NoServer => writeln!(text, "not tested, as no server has such an address."),
        Finding::NoRoute => writeln!(text, "this machine has none."),
        Finding::NoUdp { tcp: true } => {
            writeln!(text, "UDP is blocked, TCP works: use a TURN server over TCP or TLS.")
        }
        Finding::NoUdp { tcp: false } => {
            writeln!(text, "no server answered, neither over UDP nor over TCP.")
        }
        Finding::Found { behaviour, silent } => {
            of_behaviour(text, behaviour)?;
            silent.iter().try_for_each(|server| writeln!(text, "  {server} did not answer."))
        }
    }
}

fn of_behaviour(text: &mut String, behaviour: &Behaviour) -> fmt::Result {
    let Behaviour { local, mapped, mapping, filtering, hairpin } = behaviour;
    if behaviour.is_behind_nat() {
        writeln!(text, "you are behind a NAT.")?;
        writeln!(text, "  Address:   {mapped} is what others see of {local}.")?;
        writeln!(text, "  Mapping:   {mapping}. {}", about_mapping(*mapping))?;
    } else {
        writeln!(text, "you are not behind a NAT.")?;
        writeln!(text, "  Address:   {} is your own, and what others see.", mapped.ip())?;
    }
    writeln!(text, "  Filtering: {filtering}. {}", about_filtering(*filtering))?;
    match hairpin {
        Some(true) => writeln!(text, "  Hairpin:   yes. Two behind this NAT can meet outside it."),
        Some(false) => {
            writeln!(text, "  Hairpin:   no. Two behind this NAT can only meet inside it.")
        }
        None => Ok(()),
    }
}

fn about_mapping(mapping: Possible) -> &'static str {
    match mapping.known() {
        Some(EndpointIndependent) => "All peers see you at the same address and port.",
        Some(AddressDependent | AddressAndPortDependent) => {
            "Each peer sees you at another port, which nobody knows before."
        }
        None if mapping.iter().any(|possible| possible == EndpointIndependent) => {
            "Give two servers with different IP addresses to find out."
        }
        None => "Each peer sees you at another port, which nobody knows before.",
    }
}

fn about_filtering(filtering: Possible) -> &'static str {
    match filtering.known() {
        Some(EndpointIndependent) => "Everybody can send to you.",
        Some(AddressDependent) => "Only those to whom you have sent can send to you.",
        Some(AddressAndPortDependent) => {
            "Only those to whom you have sent can send to you, and from no other port."
        }
        None => "Only a server with two IP addresses can find out (RFC 5780).",
    }
}

/// Whom this machine meets without a relay.
fn meetings(text: &mut String, ipv4: &Finding, ipv6: &Finding) -> fmt::Result {
    let mut is_anybody_met = false;
    for (version, finding) in [("IPv4", ipv4), ("IPv6", ipv6)] {
        let Finding::Found { behaviour, .. } = finding else { continue };
        is_anybody_met = true;
        writeln!(text, "\nOver {version} you meet a peer that")?;
        for (peer, standing) in PEERS {
            let chance = match behaviour.chance(standing) {
                Chance::Direct => "directly",
                Chance::Perhaps => "perhaps directly, else through a relay",
                Chance::Relay => "through a relay",
            };
            writeln!(text, "  {peer:WIDTH$}{chance}")?;
        }
        // What TCP needs is one end that can be reached (RFC 6544).
        let over_tcp = if behaviour.is_behind_nat() { "" } else { "perhaps over TCP, else " };
        writeln!(text, "  {NO_UDP:WIDTH$}{over_tcp}through a relay")?;
    }
    if is_anybody_met {
        writeln!(text, "\nA relay is a TURN server that one of the two is told of.")
    } else {
        writeln!(text, "\nYou meet others through a relay: a TURN server over TCP or TLS.")
    }
}

#[cfg(test)]
mod tests;
