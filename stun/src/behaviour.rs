//! What a NAT does, how to find out, and who can meet through it.
//!
//! RFC 4787 has the words, RFC 5780 the tests, RFC 8445 the way to meet:
//!
//! ```text
//!                  mapping: which public port?         filtering: who is let in?
//!                  (RFC 4787 §4.1)                     (RFC 4787 §5)
//!   10.0.0.2:5000 ──► A:1 ─► 203.0.113.9:40001        ◄── A:1   always
//!                 ──► A:2 ─► the same? another?       ◄── A:2   unless address- and port-dependent
//!                 ──► B:1 ─► the same? another?       ◄── B:1   only if endpoint-independent
//! ```
//!
//! Book: "NATs".

mod discovery;
mod findings;
mod meeting;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use discovery::{Answer, Asked, Datagram, Discovery, Event, Transmit};
pub use findings::{Behaviour, Outcome, Possible};
pub use meeting::{Chance, Standing, Way, can_meet};

// ANCHOR: dependence
/// What of the address at the other end a NAT looks at (RFC 4787 §4.1, §5): the less, the easier it
/// is to be reached through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dependence {
    /// Nothing of it: one mapping for all, or open to all.
    EndpointIndependent,
    /// The IP address.
    AddressDependent,
    /// The IP address and the port.
    AddressAndPortDependent,
}
// ANCHOR_END: dependence

impl Dependence {
    /// All of them, the easiest first.
    pub const ALL: [Self; 3] =
        [Self::EndpointIndependent, Self::AddressDependent, Self::AddressAndPortDependent];

    /// What a NAT that depends so on the other end sees of it: ends for which this is the same are
    /// treated as one.
    #[must_use]
    pub fn seen(self, other: SocketAddr) -> (Option<IpAddr>, Option<u16>) {
        match self {
            Self::EndpointIndependent => (None, None),
            Self::AddressDependent => (Some(other.ip()), None),
            Self::AddressAndPortDependent => (Some(other.ip()), Some(other.port())),
        }
    }
}

impl fmt::Display for Dependence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressDependent => "address-dependent",
            Self::AddressAndPortDependent => "address- and port-dependent",
        })
    }
}
