//! What a client asks for. Book: "Relay".

use std::time::Duration;

use crate::turn::User;
use crate::{Family, ServerTransport, Timing};

/// What a [`Client`](super::Client) asks for.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who asks.
    pub user: User,
    /// What carries messages to the server.
    pub transport: ServerTransport,
    /// Ask for an IPv6 address besides the IPv4 one (RFC 8656 §18.11). Without effect where
    /// [`Self::family`] says which one is wanted: a request has one or the other (§7.1).
    pub additional_family: bool,
    /// Ask for an address of this family (RFC 8656 §18.6); `None`: IPv4, as servers understand it.
    pub family: Option<Family>,
    /// Ask for an even port (RFC 8656 §18.7).
    pub even_port: bool,
    /// Ask to be kept that long without a refresh (RFC 8656 §18.2); `None`: as the server likes.
    pub lifetime: Option<Duration>,
    /// How long and how often to ask; over TCP and TLS [`Timing::over_a_stream`] of it.
    pub timing: Timing,
}

impl Config {
    /// An IPv4 address, nothing special.
    #[must_use]
    pub fn new(user: User, transport: ServerTransport) -> Self {
        Self {
            user,
            transport,
            additional_family: false,
            family: None,
            even_port: false,
            lifetime: None,
            timing: Timing::default(),
        }
    }
}
