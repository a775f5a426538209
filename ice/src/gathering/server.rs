//! A server, and what travels between it and us. Book: chapter "Relay".

use std::net::SocketAddr;

use bytes::Bytes;
use stun::ServerTransport;

/// A STUN or TURN server at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its URL as configured, for messages.
    pub url: String,
    /// Where it is.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: ServerTransport,
    /// With a user name and password it is asked to relay; else only what it sees of us.
    pub user: Option<stun::turn::User>,
}

/// A message for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToServer {
    /// UDP, or a stream to be opened if there is none to `remote` of this transport.
    pub transport: ServerTransport,
    /// The address to send from; for streams unspecified (`0.0.0.0:0`, `[::]:0`).
    pub local: SocketAddr,
    /// The server.
    pub remote: SocketAddr,
    /// A STUN message or ChannelData, in a stream with its padding.
    pub payload: Bytes,
}

/// A message from a server.
#[derive(Debug, Clone, Copy)]
pub struct FromServer<'a> {
    /// How it came.
    pub transport: ServerTransport,
    /// Our address; for streams unspecified, as in [`ToServer`].
    pub local: SocketAddr,
    /// The server.
    pub remote: SocketAddr,
    /// One message.
    pub payload: &'a [u8],
}
