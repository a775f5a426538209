//! What goes over the network: datagrams of UDP, and frames of TCP without their length (RFC 4571 §2).
//!
//! Book: chapter "Checks".

use std::net::SocketAddr;

use bytes::Bytes;

use crate::protocol::Protocol;

/// A datagram from the network.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What carried it.
    pub protocol: Protocol,
    /// The base it was sent to: the address of a socket, or a relayed address. Of a TCP connection that
    /// we opened, its IP address with port 9.
    pub local: SocketAddr,
    /// The address it came from.
    pub remote: SocketAddr,
    /// The payload of UDP, or of a frame of TCP.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// A datagram of UDP.
    #[must_use]
    pub fn udp(local: SocketAddr, remote: SocketAddr, payload: &'a [u8]) -> Self {
        Self { protocol: Protocol::Udp, local, remote, payload }
    }
}

/// A datagram for the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// What is to carry it.
    pub protocol: Protocol,
    /// The base to send from: the address of a socket, or a relayed address. Of TCP with port 9, the
    /// connection from this IP address to `remote`, opened if there is none.
    pub local: SocketAddr,
    /// The address to send to.
    pub remote: SocketAddr,
    /// The payload of UDP, or of a frame of TCP.
    pub payload: Bytes,
}
