//! `peer nat`: tells what lies between this machine and the internet, and whom it can meet.
//!
//! ```text
//!   --stun A --stun B ─► names ─► addresses ─┬ IPv4 ─► probing: UDP, else TCP ─► Finding ─┐
//!                                            └ IPv6 ─► probing               ─► Finding ─┴► words
//! ```
//!
//! The tests themselves are `stun::behaviour` (RFC 5780). Book: "NATs".

mod probing;
mod words;

use std::io::Write;
use std::net::SocketAddr;
use std::str::FromStr;

use stun::behaviour::Behaviour;
use stun::{ServerTransport, Service, Uri};

use super::cli::NatArgs;
use super::failure::{Explain, Failure};
use super::serve::interrupt;

/// A server as given on the command line: `HOST:PORT` or a `stun:` URI.
#[derive(Clone, Debug)]
pub(crate) struct NatServer(Uri);

/// What was found out about one IP version.
#[derive(Debug)]
enum Finding {
    /// None of the servers has an address of it.
    NoServer,
    /// This machine has no way there.
    NoRoute,
    /// No server answered over UDP.
    NoUdp {
        /// Whether one did over TCP.
        tcp: bool,
    },
    /// What the servers saw.
    Found {
        /// What lies between.
        behaviour: Behaviour,
        /// Servers that did not answer.
        silent: Vec<SocketAddr>,
    },
}

impl FromStr for NatServer {
    type Err = String;

    fn from_str(text: &str) -> Result<NatServer, String> {
        let has_scheme = ["stun:", "stuns:", "turn:", "turns:"]
            .iter()
            .any(|scheme| text.to_ascii_lowercase().starts_with(scheme));
        let uri = if has_scheme { text.to_owned() } else { format!("stun:{text}") };
        let uri: Uri = uri.parse().map_err(|error: stun::UriError| error.to_string())?;
        if (uri.service, uri.transport) == (Service::Stun, ServerTransport::Udp) {
            Ok(NatServer(uri))
        } else {
            Err("expected HOST:PORT or stun:HOST:PORT, as the tests are made over UDP".into())
        }
    }
}

/// Finds out, and tells it.
pub(crate) async fn nat(arguments: NatArgs) -> Result<(), Failure> {
    if arguments.stun.is_empty() {
        return Err(Failure::new(
            "it takes servers to see what a NAT does: give two STUN servers with --stun HOST:PORT",
        ));
    }
    tokio::select! {
        outcome = examine(&arguments.stun) => outcome,
        outcome = interrupt() => outcome.and(Err(Failure::interrupted())),
    }
}

async fn examine(servers: &[NatServer]) -> Result<(), Failure> {
    let mut addresses = Vec::new();
    for NatServer(uri) in servers {
        let found: Vec<SocketAddr> =
            match tokio::net::lookup_host((uri.host.as_str(), uri.port)).await {
                Ok(found) => found.collect(),
                Err(error) => {
                    say(&format!("{uri} was not found: {error}.\n"))?;
                    continue;
                }
            };
        let first_of = |ipv4| found.iter().find(|address| address.is_ipv4() == ipv4).copied();
        addresses.extend([true, false].into_iter().filter_map(first_of));
    }
    if addresses.is_empty() {
        return Err(Failure::new("there is no server to ask"));
    }
    say(&words::asking(&addresses))?;
    let (ipv4, ipv6): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.into_iter().partition(SocketAddr::is_ipv4);
    let (ipv4, ipv6) = tokio::join!(probing::probe(&ipv4), probing::probe(&ipv6));
    let (ipv4, ipv6) = (ipv4?, ipv6?);
    if [&ipv4, &ipv6].into_iter().all(Finding::is_nothing) {
        return Err(Failure::new(
            "no server answered, neither over UDP nor over TCP: \
             they are not there, or a firewall lets nothing through",
        ));
    }
    say(&words::findings(&ipv4, &ipv6))
}

impl Finding {
    /// Whether nothing is known.
    fn is_nothing(&self) -> bool {
        match self {
            Finding::NoServer | Finding::NoRoute | Finding::NoUdp { tcp: false } => true,
            Finding::NoUdp { tcp: true } | Finding::Found { .. } => false,
        }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).explain(|| "cannot write to stdout".into())?;
    stdout.flush().explain(|| "cannot write to stdout".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_with_ports_or_uris() {
        for text in ["stun.example.org", "192.0.2.1:3478", "[2001:db8::1]:3478", "stun:a.example"] {
            assert!(text.parse::<NatServer>().is_ok(), "{text}");
        }
        for text in ["", "turn:a.example", "stuns:a.example", "a.example:0", "http://a.example"] {
            assert!(text.parse::<NatServer>().is_err(), "{text}");
        }
    }
}
