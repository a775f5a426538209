//! Why a packet was not protected, or was dropped instead of being delivered. RFC 3711 §3.3.
//!
//! ```text
//! Error ┬ an arriving packet is dropped and counted   the session lives, nothing has changed
//!       ├ a departing packet is not sent              nothing left this machine under a used index
//!       └ key material of the wrong size              no session begins
//! ```
//!
//! What is wrong with a packet's inside is another matter: [`ParseError`](crate::wire::ParseError).
//! Book: the chapter on SRTP.

/// One misdeed, named after what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // In either direction.
    /// Too short for its header, tag and index, of another version than 2, or with a header that
    /// does not end in the packet.
    #[error("no RTP or RTCP packet")]
    Malformed,
    /// One more source than [`MAX_SOURCES`](crate::MAX_SOURCES) in this direction.
    #[error("too many sources under one key")]
    SourcesTooMany,
    /// The key has served 2^48 RTP or 2^31 RTCP packets, or a source's index has reached its end
    /// (RFC 3711 §9.2).
    #[error("the key is used up")]
    KeyExhausted,

    // Arriving packets.
    /// The tag does not verify: forged, damaged, or made with another key (RFC 3711 §3.3).
    #[error("the packet is not authentic")]
    Unauthentic,
    /// The packet was here before, or is older than the window reaches back (RFC 3711 §3.3.2).
    #[error("a replayed packet")]
    Replayed,

    // Departing packets.
    /// A packet of this index was sent before, or so many later ones that nobody can tell any more
    /// (RFC 3711 §9.1).
    #[error("the packet's index may have been used before")]
    IndexSpent,
    /// The cipher refused: more octets than it can take.
    #[error("the packet cannot be encrypted")]
    Crypto,

    // The caller's.
    /// A master key of another length than the profile's.
    #[error("a master key of the wrong length")]
    KeyLength,
    /// A master salt of another length than the profile's.
    #[error("a master salt of the wrong length")]
    SaltLength,
}
