//! What gathering finds: the ways in which this machine can be reached (RFC 8445 §5.1.1).
//!
//! A *base* is the address that an agent sends from: that of a socket, or a relayed address. Each way
//! is told to the agent, which makes a candidate of it. Book: chapter "Candidates".

use std::net::{IpAddr, SocketAddr};

use stun::ServerTransport;

use crate::address::canonical;
use crate::protocol::Protocol;

/// One way to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gathered {
    /// The address of a socket: UDP, or TCP that listens (RFC 6544 §4.1 `passive`).
    Host {
        /// What the socket speaks.
        protocol: Protocol,
        /// Its address and port: a base.
        address: SocketAddr,
        /// The `.local` name that is told in place of the address, if it is to be hidden.
        name: Option<String>,
    },
    /// An address from which TCP connections can be opened (RFC 6544 §4.1 `active`). Its base has
    /// port 9, whatever port a connection then has: there is one connection to each remote address.
    TcpActive {
        /// The address.
        ip: IpAddr,
    },
    /// What a server saw of a UDP base through a NAT.
    ServerReflexive {
        /// The address of the socket.
        base: SocketAddr,
        /// The address the server saw.
        mapped: SocketAddr,
    },
    /// An address on a TURN server that relays to us: a base of its own.
    Relayed {
        /// That address.
        relayed: SocketAddr,
        /// What the server saw of us: the related address (RFC 8839 §5.1).
        mapped: SocketAddr,
        /// What carries packets between us and the server; UDP is preferred to TCP, that to TLS.
        transport: ServerTransport,
    },
}

impl Gathered {
    /// The base: where the agent sends from. It names the way.
    #[must_use]
    pub fn base(&self) -> SocketAddr {
        match *self {
            Self::Host { address, .. } => address,
            Self::TcpActive { ip } => SocketAddr::new(ip, Self::DISCARD),
            Self::ServerReflexive { base, .. } => base,
            Self::Relayed { relayed, .. } => relayed,
        }
    }

    /// The address that is signalled, unless a name stands in its place.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match *self {
            Self::ServerReflexive { mapped, .. } => mapped,
            _ => self.base(),
        }
    }

    /// The same with one spelling of its addresses.
    pub(crate) fn canonical(self) -> Self {
        match self {
            Self::Host { protocol, address, name } => {
                Self::Host { protocol, address: canonical(address), name }
            }
            Self::TcpActive { ip } => {
                Self::TcpActive { ip: canonical(SocketAddr::new(ip, Self::DISCARD)).ip() }
            }
            Self::ServerReflexive { base, mapped } => {
                Self::ServerReflexive { base: canonical(base), mapped: canonical(mapped) }
            }
            Self::Relayed { relayed, mapped, transport } => {
                Self::Relayed { relayed: canonical(relayed), mapped: canonical(mapped), transport }
            }
        }
    }

    /// Whether the two are one way (RFC 8445 §5.1.3: the same base and the same address), whatever
    /// else is told of it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_reflexive() == other.is_reflexive()
            && self.protocol() == other.protocol()
            && self.base() == other.base()
            && self.address() == other.address()
    }

    fn is_reflexive(&self) -> bool {
        matches!(self, Self::ServerReflexive { .. })
    }

    /// What packets to and from it are carried by.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Host { protocol, .. } => *protocol,
            Self::TcpActive { .. } => Protocol::Tcp,
            Self::ServerReflexive { .. } | Self::Relayed { .. } => Protocol::Udp,
        }
    }

    /// The port of active TCP candidates (RFC 6544 §4.5).
    pub const DISCARD: u16 = 9;
}

impl From<SocketAddr> for Gathered {
    /// A UDP socket at this address.
    fn from(address: SocketAddr) -> Self {
        Self::Host { protocol: Protocol::Udp, address, name: None }
    }
}
