//! The URIs of STUN and TURN servers (RFC 7064 §3.1, RFC 7065 §3.1).
//!
//! ```text
//!   stun:host[:port]                      port 3478
//!   stuns:host[:port]                     port 5349, TLS
//!   turn:host[:port][?transport=udp|tcp]  port 3478, UDP unless it says TCP
//!   turns:host[:port][?transport=tcp]     port 5349, TLS
//! ```
//!
//! The host is a name, an IPv4 address, or an IPv6 address in brackets. User name and password are no
//! part of it. Book: "Relay".
//!
//! ```
//! use stun::{ServerTransport, Uri};
//!
//! let uri: Uri = "turn:[2001:db8::1]:443?transport=tcp".parse()?;
//! assert_eq!((uri.host.as_str(), uri.port), ("2001:db8::1", 443));
//! assert_eq!(uri.transport, ServerTransport::Tcp);
//! # Ok::<(), stun::UriError>(())
//! ```

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of `stun:` and `turn:` where none is given.
const PORT: u16 = 3478;
/// The port of `stuns:` and `turns:` where none is given.
const TLS_PORT: u16 = 5349;

/// Octets of the longest name there can be in the DNS (RFC 1035 §2.3.4).
const MAX_HOST_LENGTH: usize = 255;

/// The URI of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// What is asked of it.
    pub service: Service,
    /// Its name or IP address; of IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is reached.
    pub transport: ServerTransport,
}

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// To say what it sees of us.
    Stun,
    /// To relay.
    Turn,
}

/// What carries messages to a server: W3C `RTCIceServerTransportProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerTransport {
    /// Datagrams.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl ServerTransport {
    /// Whether it is a stream: it loses nothing, and messages have to be found in it
    /// ([`Deframer`](crate::turn::Deframer)).
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// Why a text is no URI of a server. It does not repeat the text, in which a password may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It begins with something else.
    #[error("the URI of a server begins with stun:, stuns:, turn: or turns:")]
    Scheme,
    /// `turn://host` and the like.
    #[error("in the URI of a server the host follows the colon at once, without //")]
    Slashes,
    /// `turn:user:password@host`.
    #[error("user name and password are no part of a server's URI; give them separately")]
    Credentials,
    /// There is no host.
    #[error("the URI of a server needs a host, as in turn:turn.example.org")]
    EmptyHost,
    /// The host has colons, and no brackets around them.
    #[error("in the URI of a server an IPv6 address stands in brackets, as in stun:[2001:db8::1]")]
    Brackets,
    /// The host is neither an IP address nor made of the characters of a name.
    #[error("the host in the URI of a server is a name or an IP address")]
    Host,
    /// The port is no number, or not one of a port.
    #[error("the port in the URI of a server is a number from 1 to 65535")]
    Port,
    /// Something other than a transport is asked for.
    #[error("after the ? in the URI of a server only transport=udp or transport=tcp is understood")]
    Query,
    /// The transport is neither UDP nor TCP.
    #[error("the transport in the URI of a server is udp or tcp")]
    Transport,
    /// `stun:…?transport=…`.
    #[error("only turn: and turns: choose a transport; stun: goes over UDP, stuns: over TLS")]
    TransportOfStun,
    /// `turns:…?transport=udp`: DTLS to the server.
    #[error("turns: goes over TLS, and so over TCP; transport=udp is only for turn:")]
    TlsOverUdp,
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.trim().split_once(':').ok_or(UriError::Scheme)?;
        let (service, tls) = match scheme.to_ascii_lowercase().as_str() {
            "stun" => (Service::Stun, false),
            "stuns" => (Service::Stun, true),
            "turn" => (Service::Turn, false),
            "turns" => (Service::Turn, true),
            _ => return Err(UriError::Scheme),
        };
        if rest.starts_with("//") {
            return Err(UriError::Slashes);
        }
        if rest.contains('@') {
            return Err(UriError::Credentials);
        }
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (host, port) = host_and_port(authority)?;
        let default_port = if tls { TLS_PORT } else { PORT };
        let port = port.map_or(Ok(default_port), parse_port)?;
        Ok(Self { service, host, port, transport: transport(service, tls, query)? })
    }
}

/// `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
fn host_and_port(authority: &str) -> Result<(String, Option<&str>), UriError> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(UriError::Brackets)?;
        let address: Ipv6Addr = address.parse().map_err(|_| UriError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(UriError::Port),
        };
        return Ok((address.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match host {
        _ if port.is_some_and(|port| port.contains(':')) => Err(UriError::Brackets),
        "" => Err(UriError::EmptyHost),
        _ if host.len() > MAX_HOST_LENGTH || !host.chars().all(of_a_name) => Err(UriError::Host),
        _ => Ok((host.to_owned(), port)),
    }
}

/// The digits of a port; no sign, no white space.
fn parse_port(digits: &str) -> Result<u16, UriError> {
    let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok());
    number.flatten().filter(|port| *port != 0).ok_or(UriError::Port)
}

fn transport(
    service: Service,
    tls: bool,
    query: Option<&str>,
) -> Result<ServerTransport, UriError> {
    let secured = |tcp_or_udp| if tls { ServerTransport::Tls } else { tcp_or_udp };
    let Some(query) = query else { return Ok(secured(ServerTransport::Udp)) };
    let (name, value) = query.split_once('=').ok_or(UriError::Query)?;
    match (name, value.to_ascii_lowercase().as_str()) {
        ("transport", _) if service == Service::Stun => Err(UriError::TransportOfStun),
        ("transport", "udp") if tls => Err(UriError::TlsOverUdp),
        ("transport", "udp") => Ok(ServerTransport::Udp),
        ("transport", "tcp") => Ok(secured(ServerTransport::Tcp)),
        ("transport", _) => Err(UriError::Transport),
        _ => Err(UriError::Query),
    }
}

impl fmt::Display for Uri {
    /// The shortest text that means the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.transport == ServerTransport::Tls;
        f.write_str(match (self.service, tls) {
            (Service::Stun, false) => "stun:",
            (Service::Stun, true) => "stuns:",
            (Service::Turn, false) => "turn:",
            (Service::Turn, true) => "turns:",
        })?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if self.port != if tls { TLS_PORT } else { PORT } {
            write!(f, ":{}", self.port)?;
        }
        match (self.service, self.transport) {
            (Service::Turn, ServerTransport::Tcp) => f.write_str("?transport=tcp"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
