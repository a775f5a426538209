//! What carries packets between two candidates, and between us and a server.
//!
//! RFC 8445 §5.1 (UDP), RFC 6544 (TCP, framed as in RFC 4571), RFC 8656 §3.1 (to a TURN server).
//! Book: chapter "Candidates".

use std::net::SocketAddr;

/// The way of a packet: between a base of ours and an address of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// What carries it.
    pub protocol: Protocol,
    /// Our base: the address of a socket, or a relayed address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl Path {
    /// A path of datagrams.
    #[must_use]
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, local, remote }
    }
}

/// What carries packets between two candidates: W3C `RTCIceProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// A packet is a datagram. Relayed candidates are of this kind too, whatever carries their
    /// packets to the server.
    #[default]
    Udp,
    /// A packet is a frame in a TCP connection, its length in two octets before it (RFC 4571 §2).
    /// The owner frames; here packets come and go without it.
    Tcp,
}
