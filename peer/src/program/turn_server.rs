//! `peer turn-server`: a relay for peers that can't reach each other, and a mirror in which everybody
//! sees what they look like from outside.
//!
//! ```text
//!   arguments ─► listeners, tls ─► Config ─► stun::turn::Server, owned by the driver
//! ```
//!
//! Book: "Relay".

pub(crate) mod arguments;
mod driver;
mod listeners;
mod stream;
mod tls;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use stun::turn::server::{Config, PeerPolicy};
use stun::turn::{Server, User};
use stun::{ServerTransport, Service, Uri};

use self::arguments::TurnServerArgs;
use self::driver::Driver;
use self::listeners::Listeners;
use super::failure::{Explain, Failure};
use super::serve::interrupts;

/// Relayed addresses at once: each is a descriptor, of which a process has 1024 as a rule.
const MAX_RELAYS: usize = 600;

/// Serves until the user ends it.
pub(crate) async fn serve(arguments: TurnServerArgs) -> Result<(), Failure> {
    if arguments.min_port > arguments.max_port {
        return Err(Failure::new("--min-port is higher than --max-port"));
    }
    let tls = tls::acceptor(&arguments)?;
    let listeners = Listeners::bind(&arguments)?;
    let config = config(&arguments, &listeners);
    let line = announcement(&arguments, &listeners);
    let server = Server::new(Instant::now(), config, rand::make_rng());
    let driver = Driver::new(server, listeners, tls);
    // Before anybody can know that the program runs, and end it.
    let interrupted = interrupts()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .explain(|| "cannot write to stdout".into())?;
    tokio::select! {
        outcome = interrupted => outcome,
        () = driver.run() => Ok(()),
    }
}

fn config(arguments: &TurnServerArgs, listeners: &Listeners) -> Config {
    let mut listening: BTreeSet<SocketAddr> = listeners.addresses().collect();
    let ports: BTreeSet<u16> = listening.iter().map(SocketAddr::port).collect();
    for external in &arguments.external_ip {
        listening.extend(ports.iter().map(|port| SocketAddr::new(*external, *port)));
    }
    Config {
        realm: arguments.realm.clone(),
        users: arguments.user.iter().map(|user| User::new(&user.name, &user.password)).collect(),
        relay_ips: relay_ips(&arguments.external_ip, listeners.udp.iter().map(|(a, _)| a.ip())),
        ports: arguments.min_port..=arguments.max_port,
        peers: if arguments.allow_private { PeerPolicy::Any } else { PeerPolicy::Public },
        listening: listening.into_iter().collect(),
        two_addresses: listeners.two_addresses,
        max_relays: MAX_RELAYS,
        max_per_user: arguments.quota,
        ..Config::default()
    }
}

/// The addresses to lend: those that were told; of an IP version of which none was, those we listen
/// on, but loopback only if there is nothing else.
fn relay_ips(external: &[IpAddr], listening: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut ips = external.to_vec();
    let untold = |ip: &IpAddr| !external.iter().any(|told| told.is_ipv4() == ip.is_ipv4());
    let (outside, loopback): (Vec<_>, Vec<_>) =
        listening.filter(untold).partition(|ip| !ip.is_loopback());
    ips.extend(outside);
    for ip in loopback {
        if !ips.iter().any(|other| other.is_ipv4() == ip.is_ipv4() && !other.is_loopback()) {
            ips.push(ip);
        }
    }
    ips
}

/// The one line that tells what to give to peers.
fn announcement(arguments: &TurnServerArgs, listeners: &Listeners) -> String {
    let reached_at = |listening: &[(SocketAddr, _)]| {
        let (local, _) = listening.first()?;
        let told = arguments.external_ip.iter().find(|ip| ip.is_ipv4() == local.is_ipv4());
        Some(SocketAddr::new(*told.unwrap_or(&local.ip()), local.port()))
    };
    let uri = |service, at: SocketAddr, transport| {
        Uri { service, host: at.ip().to_string(), port: at.port(), transport }.to_string()
    };
    let udp = listeners.udp.iter().map(|(address, _)| (*address, ())).collect::<Vec<_>>();
    let tls = listeners.tls.iter().map(|(address, _)| (*address, ())).collect::<Vec<_>>();
    let Some(at) = reached_at(&udp) else { return "Listening nowhere".into() };
    if arguments.user.is_empty() {
        let stun = uri(Service::Stun, at, ServerTransport::Udp);
        return format!("Give peers --stun {stun} (without --user nothing is relayed)");
    }
    let mut others = uri(Service::Turn, at, ServerTransport::Tcp);
    if let Some(at) = reached_at(&tls) {
        others = format!("{others}, {}", uri(Service::Turn, at, ServerTransport::Tls));
    }
    let user = arguments.user.first().map_or("NAME", |user| user.name.as_str());
    let turn = uri(Service::Turn, at, ServerTransport::Udp);
    format!("Give peers --turn {turn} --turn-user {user} --turn-password PASSWORD (or {others})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_lent_is_what_others_can_reach() {
        let lent = |external: &[&str], listening: &[&str]| {
            relay_ips(&ips(external), ips(listening).into_iter())
        };
        assert_eq!(lent(&[], &["192.0.2.1", "127.0.0.1"]), ips(&["192.0.2.1"]));
        assert_eq!(lent(&[], &["127.0.0.1"]), ips(&["127.0.0.1"]));
        assert_eq!(lent(&["203.0.113.5"], &["10.0.0.1", "127.0.0.1"]), ips(&["203.0.113.5"]));
        assert_eq!(
            lent(&["203.0.113.5"], &["10.0.0.1", "2001:db8::1", "::1"]),
            ips(&["203.0.113.5", "2001:db8::1"])
        );
    }
}
