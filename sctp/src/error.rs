//! What can be wrong with one packet from the network, and with one request of the application.
//!
//! An [`Error`] is about one packet: it was discarded and left no trace. The end of the
//! association is not an error but an event, [`crate::Event::Closed`].

use crate::wire::ParseError;

/// Why a packet was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The checksum is wrong or the framing is (RFC 9260 §3, §6.8).
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The ports are not those of this association (RFC 9260 §8.4).
    #[error("the packet is for another pair of ports")]
    WrongPorts,
    /// The verification tag is not ours (RFC 9260 §8.5).
    #[error("the verification tag is not this association's")]
    WrongVerificationTag,
    /// No association exists that the packet could belong to (RFC 9260 §8.4).
    #[error("the packet is out of the blue")]
    OutOfTheBlue,
    /// INIT, INIT ACK or SHUTDOWN COMPLETE share their packet with nothing (RFC 9260 §6.10).
    #[error("a chunk that must travel alone was bundled")]
    Bundled,
    /// An INIT or INIT ACK with a zero tag or no streams (RFC 9260 §3.3.2, §3.3.3).
    #[error("the INIT or INIT ACK carries a forbidden value")]
    ForbiddenInit,
    /// The cookie was not made by us or was altered (RFC 9260 §5.1.5).
    #[error("the state cookie is not ours")]
    ForgedCookie,
    /// The cookie is ours and older than its lifetime (RFC 9260 §5.1.5).
    #[error("the state cookie has expired")]
    StaleCookie,
    /// The cookie is ours and belongs to no situation we are in (RFC 9260 §5.2.4).
    #[error("the state cookie does not fit the association")]
    UnexpectedCookie,
    /// The association is closed; nothing is awaited from the network any more.
    #[error("the association is closed")]
    Closed,
}

/// Why a message was not taken by [`crate::Association::send`]. It was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The association was not established yet, or is shutting down, or is closed.
    #[error("the association is not established")]
    NotEstablished,
    /// The send buffer ([`crate::Config::send_buffer`]) is full: try again later.
    #[error("the send buffer is full")]
    BufferFull,
    /// The message is larger than the remote endpoint accepts (RFC 8841 §6).
    #[error("the message is larger than the {limit} octets the remote endpoint accepts")]
    TooLarge {
        /// The largest message allowed, in octets.
        limit: usize,
    },
    /// SCTP cannot carry a message of no octets (RFC 9260 §3.3.1: "No User Data").
    #[error("an SCTP message cannot be empty")]
    Empty,
    /// The stream is beyond those negotiated (RFC 9260 §5.1.1).
    #[error("only {streams} outbound streams were negotiated")]
    NoSuchStream {
        /// Outbound streams of this association: identifiers go from 0 to one less.
        streams: u16,
    },
}

/// Why [`crate::Association::reset_streams`] did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The association was not established yet, or is shutting down, or is closed.
    #[error("the association is not established")]
    NotEstablished,
    /// The remote endpoint did not offer RE-CONFIG (RFC 6525 §5.1.1).
    #[error("the remote endpoint does not support stream reconfiguration")]
    Unsupported,
    /// A stream is beyond those negotiated.
    #[error("only {streams} outbound streams were negotiated")]
    NoSuchStream {
        /// Outbound streams of this association.
        streams: u16,
    },
}
