//! Names on the wire: port, verification tag, stream, payload protocol identifier.
//!
//! They are newtypes so that a stream cannot be passed where a sequence number is meant; each
//! holds the bare number in host order.

/// An SCTP port (RFC 9260 §3.1). Over DTLS it names no socket; WebRTC uses 5000 (RFC 8841).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port(pub u16);

/// The number every packet of an association carries, so that a stranger's or an old packet is
/// recognised (RFC 9260 §3.1). The receiver of the packet chose it, in its INIT or INIT ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerificationTag(pub u32);

impl VerificationTag {
    /// What a packet with an INIT carries: the receiver's tag is not known yet (RFC 9260 §8.5.1).
    pub const NONE: Self = Self(0);
}

/// A stream of an association, the same number in both directions (RFC 9260 §3.3.1). Zero is a
/// stream like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u16);

/// Payload Protocol Identifier: what the octets of a message are (RFC 9260 §3.3.1, RFC 8831 §8).
/// SCTP carries it and does not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ppid(pub u32);

impl Ppid {
    /// A data channel establishment message (RFC 8832 §8.1).
    pub const DCEP: Self = Self(50);
    /// A text message: UTF-8 of at least one octet.
    pub const STRING: Self = Self(51);
    /// Deprecated: the beginning of a binary message that a [`Ppid::BINARY`] ends.
    pub const BINARY_PARTIAL: Self = Self(52);
    /// A binary message of at least one octet.
    pub const BINARY: Self = Self(53);
    /// Deprecated: the beginning of a text message that a [`Ppid::STRING`] ends.
    pub const STRING_PARTIAL: Self = Self(54);
    /// An empty text message; SCTP cannot carry nothing, so one zero octet stands for it.
    pub const STRING_EMPTY: Self = Self(56);
    /// An empty binary message; one zero octet stands for it.
    pub const BINARY_EMPTY: Self = Self(57);

    /// Whether the octets of the message are the application's: neither data channel establishment
    /// nor the octet that stands for an empty message.
    #[must_use]
    pub const fn is_payload(self) -> bool {
        !matches!(self, Self::DCEP | Self::STRING_EMPTY | Self::BINARY_EMPTY)
    }
}
