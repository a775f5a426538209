//! The URIs of STUN and TURN servers (RFC 7064, RFC 7065).
//!
//! ```text
//!   stun:host[:port]                      port 3478
//!   stuns:host[:port]                     port 5349, TLS
//!   turn:host[:port][?transport=udp|tcp]  port 3478, UDP unless it says TCP
//!   turns:host[:port][?transport=tcp]     port 5349, TLS
//! ```
//!
//! Book: "Relay".

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
