//! The STUN and TURN server on the lab's Internet, and what peers are told of it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

use tests::coturn::{Coturn, Options, PASSWORD, USER};
use tests::matrix::{Means, Site, Way};

use crate::network::{Network, PORT, SERVERS, SERVERS_IPV6, TLS_PORT};

/// Starts coturn on all the addresses of the Internet.
pub(crate) fn start(network: &Network) -> Result<Coturn, String> {
    let internet = &network.internet;
    let words = internet.command().into_iter().chain(["turnserver"]);
    let options = Options {
        command: words.map(str::to_owned).collect(),
        addresses: Network::servers(),
        port: PORT,
        arguments: Vec::new(),
    };
    let probe = internet.enter(|| UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))?;
    Coturn::start(options, &probe)
}

/// What a peer is told of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    /// Of STUN alone.
    Stun,
    /// Of STUN, and TURN over everything that carries it.
    Turn,
    /// Of TURN over one transport alone.
    Only(Transport),
    /// As `Turn`, and to use nothing but relayed addresses.
    RelayOnly,
}

/// What carries TURN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Servers {
    /// How two peers who are told this must meet.
    pub(crate) fn promise(self, one: &Site, other: &Site) -> Way {
        match self {
            Self::RelayOnly => Way::Relay,
            _ => Way::expected(one, other, Means { relays: self != Self::Stun, tcp: true }),
        }
    }

    /// The flags of `peer`.
    pub(crate) fn flags(self, ipv6: bool) -> Vec<String> {
        let mut host = SERVERS.first().map(Ipv4Addr::to_string).unwrap_or_default();
        if let (true, Some(address)) = (ipv6, SERVERS_IPV6.first()) {
            host = format!("[{address}]");
        }
        let mut flags = vec!["--stun".to_owned(), format!("stun:{host}:{PORT}")];
        let transports: &[Transport] = match self {
            Self::Stun => &[],
            Self::Turn | Self::RelayOnly => &[Transport::Udp, Transport::Tcp, Transport::Tls],
            Self::Only(Transport::Udp) => &[Transport::Udp],
            Self::Only(Transport::Tcp) => &[Transport::Tcp],
            Self::Only(Transport::Tls) => &[Transport::Tls],
        };
        for transport in transports {
            flags.extend([
                "--turn".to_owned(),
                match transport {
                    Transport::Udp => format!("turn:{host}:{PORT}?transport=udp"),
                    Transport::Tcp => format!("turn:{host}:{PORT}?transport=tcp"),
                    Transport::Tls => format!("turns:{host}:{TLS_PORT}"),
                },
            ]);
        }
        if !transports.is_empty() {
            flags.extend(["--turn-user", USER, "--turn-password", PASSWORD].map(str::to_owned));
        }
        if self == Self::RelayOnly {
            flags.push("--relay-only".to_owned());
        }
        flags
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stun => "STUN alone",
            Self::Turn => "TURN",
            Self::Only(Transport::Udp) => "TURN over UDP alone",
            Self::Only(Transport::Tcp) => "TURN over TCP alone",
            Self::Only(Transport::Tls) => "TURN over TLS alone",
            Self::RelayOnly => "relays alone",
        })
    }
}

/// The variable that makes programs trust the server's certificate.
pub(crate) fn trust(coturn: &Coturn) -> (&'static str, PathBuf) {
    ("SSL_CERT_FILE", coturn.authority())
}
