//! What a client tells, and why it discards or refuses. Book: "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{Code, ErrorCode, IntegrityError, ParseError};

/// News of a [`Client`](super::Client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server lends addresses.
    Allocated {
        /// One, or one of each family.
        relayed: Vec<SocketAddr>,
        /// Our own address as the server sees it.
        mapped: SocketAddr,
        /// How long the server keeps them without a refresh.
        lifetime: Duration,
    },
    /// The server sends us to another one (300): start a new client there, at most
    /// [`MAX_REDIRECTIONS`](super::MAX_REDIRECTIONS) times in a row. This one is over.
    Redirected(SocketAddr),
    /// The server does not let us talk to a peer. Others are not concerned.
    PeerRefused {
        /// The peer.
        peer: IpAddr,
        /// Why: 403 by the server's policy, 443 without a relayed address of that family, or another.
        code: Code,
    },
    /// It is over; nothing comes after this.
    Closed(CloseReason),
}

/// Why there is no allocation, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// [`Client::close`](super::Client::close) was called.
    #[error("closed")]
    Requested,
    /// The server said no: 401 for a wrong user name or password, 486 when the user has as many
    /// allocations as he may, 508 when the server has no address left. After the last two wait a
    /// minute at least before another attempt (RFC 8656 §7.4).
    #[error("the server refused: {0}")]
    Refused(ErrorCode),
    /// The server did not answer.
    #[error("the server did not answer")]
    TimedOut,
    /// The server has forgotten the allocation (437), or it ended because no refresh was answered.
    #[error("the server no longer has the allocation")]
    Lost,
    /// The server answered, and nothing proved that it knows the password (RFC 8489 §9.2.5).
    #[error("the server's answer does not prove that it knows the password")]
    Unproven,
    /// The server agreed, but told no address or things that must be understood and are not.
    #[error("the server's answer could not be understood")]
    Unintelligible,
}

/// Why a message from the server was discarded. It left no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is neither well-formed STUN nor ChannelData.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Its integrity does not prove that it came from the server (RFC 8489 §9.2.5).
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// It answers no request that is waiting.
    #[error("the message answers no request that is waiting")]
    UnknownTransaction,
    /// It is a request, or an indication other than Data.
    #[error("a server does not send this to a client")]
    Unexpected,
    /// A Data indication without the peer or without the data (RFC 8656 §11.4).
    #[error("the Data indication lacks the peer's address or the data")]
    Incomplete,
    /// A packet of a peer that was not let in (RFC 8656 §11.4).
    #[error("the packet comes from a peer that was not let in")]
    Stranger,
    /// A packet on a channel that we did not bind (RFC 8656 §12.6).
    #[error("the channel is not bound")]
    UnknownChannel,
    /// The nonce promises PASSWORD-ALGORITHMS and they are gone: somebody wants MD5 to be used
    /// (RFC 8489 §9.2.5).
    #[error("the nonce promises password algorithms that are missing")]
    BidDown,
    /// A realm or nonce longer than the RFC allows (RFC 8489 §14.9, §14.10).
    #[error("the realm or nonce is longer than 763 octets")]
    TooLong,
    /// As many packets wait for [`Client::recv`](super::Client::recv) as may.
    #[error("too many packets wait to be read")]
    Full,
}

/// Why a packet was not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no allocation, not yet or not any more.
    #[error("the server lends no address")]
    NotAllocated,
    /// The peer's address is of a family of which there is no relayed address.
    #[error("the server lends no address of the peer's family")]
    NoSuchFamily,
    /// The server does not let us talk to this peer.
    #[error("the server does not relay to this peer ({})", .0.number())]
    Refused(Code),
    /// Too many peers, or too many packets that wait for a permission or to be sent.
    #[error("too many packets or peers")]
    Full,
    /// The packet is longer than [`MAX_PAYLOAD_LENGTH`](super::MAX_PAYLOAD_LENGTH).
    #[error("the packet is too long to be relayed")]
    TooLong,
}
