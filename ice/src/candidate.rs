//! A candidate: one transport address an agent may be reached at (RFC 8445 §5, RFC 8839 §5.1).
//!
//! The model holds whatever a candidate line can say, TCP and names included; what this agent makes
//! of it is decided in `agent`. The text is read and written in [`text`].
//!
//! Invariant: every candidate that [`Candidate::parse`] returns prints a line that parses to it again.
//! Book: chapter "Candidates".

mod text;

use std::fmt;
use std::net::SocketAddr;

pub use text::CandidateError;

use crate::priority::Priority;

/// A candidate as it is exchanged between the agents (RFC 8445 §5.3, RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates of one kind and base address: such pairs tend to share their fate.
    pub foundation: Foundation,
    /// 1 to 256; 1 is RTP (with RTCP multiplexed) and data, 2 is RTCP.
    pub component: u16,
    /// UDP, TCP, or something this agent skips.
    pub transport: Transport,
    /// Larger is better.
    pub priority: Priority,
    /// Where checks go.
    pub address: CandidateAddress,
    /// How the address was learnt.
    pub kind: CandidateKind,
    /// `raddr` and `rport`: for diagnosis only, and often hidden.
    pub related: Option<Related>,
    /// `tcptype` of RFC 6544 §4.5, for TCP candidates.
    pub tcp_type: Option<String>,
    /// Name and value of each extension (`generation 0`, `network-cost 999`), in order.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// Reads a candidate attribute, with or without `a=` and `candidate:` before it (RFC 8839 §5.1).
    ///
    /// # Errors
    /// Names the part of the line that is missing or wrong.
    ///
    /// ```
    /// let line = "candidate:1 1 udp 2130706431 192.0.2.1 8998 typ host";
    /// let candidate = ice::Candidate::parse(line).unwrap();
    /// assert_eq!(candidate.to_string(), line);
    /// ```
    pub fn parse(line: &str) -> Result<Self, CandidateError> {
        text::parse(line)
    }
}

impl fmt::Display for Candidate {
    /// Prints `candidate:…`, the value of the SDP attribute without `a=`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::print(self, formatter)
    }
}

/// One to 32 characters that group candidates (RFC 8445 §5.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Foundation(String);

impl Foundation {
    /// The longest foundation (RFC 8839 §5.1).
    pub const MAX_LENGTH: usize = 32;

    /// `None` unless `text` is 1 to 32 visible ASCII characters. The RFC has only letters, digits,
    /// `+` and `/`; foundations are only compared, so others do no harm.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let legal = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_graphic());
        legal.then(|| Self(text.to_owned()))
    }

    /// A foundation of our own.
    pub(crate) fn numbered(number: usize) -> Self {
        Self(number.to_string())
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The transport protocol of a candidate (RFC 8839 §5.1, RFC 6544 §4.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// ICE over TCP (RFC 6544).
    Tcp,
    /// Some other token, kept in lower case.
    Other(String),
}

/// Where a candidate is (RFC 8839 §5.1 `connection-address` and `port`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CandidateAddress {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A name: an mDNS name of a browser that hides its addresses, or any other domain name.
    Name {
        /// The name as written.
        name: String,
        /// The port.
        port: u16,
    },
}

impl CandidateAddress {
    /// The address, if no name stands in its place.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(address) => Some(*address),
            Self::Name { .. } => None,
        }
    }
}

/// How a candidate was learnt (RFC 8445 §4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// `host`: an address of the agent's own machine.
    Host,
    /// `srflx`: what a STUN server saw.
    ServerReflexive,
    /// `prflx`: what the peer saw in a check.
    PeerReflexive,
    /// `relay`: an address on a TURN server.
    Relayed,
    /// A type of a later specification.
    Other(String),
}

impl CandidateKind {
    /// The word after `typ`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
            Self::Other(word) => word,
        }
    }
}

/// The related address of a reflexive or relayed candidate (RFC 8839 §5.1 `rel-addr`, `rel-port`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// An IP address or a name, as written.
    pub address: String,
    /// `rport`.
    pub port: Option<u16>,
}
