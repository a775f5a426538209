//! STUN (RFC 8489): messages, attributes, integrity, and client transactions; TURN (RFC 8656), client
//! and server; discovery of what a NAT does (RFC 5780).
//!
//! ```text
//!  octets ──► wire: Message::parse ──► Message ──► verify(Key) ──► ice
//!  octets ◄── wire: Message::encode ◄─ Message ◄─ request / success / error ◄── ice
//!                                        ▲
//!                        ClientTransaction: retransmission (§6.2.1)
//! ```
//!
//! No socket, no clock: time is given, octets go in and out. Unknown attributes are kept; which of
//! them must be understood is the comprehension rule ([`Message::refuse_unknown`]). Invariant: no
//! input makes this crate panic. Book: "STUN", "Proving it".
//!
//! ```
//! use stun::{Attribute, Key, Message, Method, TransactionId};
//!
//! let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
//! let request = Message::request(Method::BINDING, TransactionId(*b"twelve bytes"))
//!     .with(Attribute::Username("evtj:h6vY".into()));
//! let octets = request.encode(Some(&key));
//!
//! let received = Message::parse(&octets)?;
//! assert_eq!(received.username(), Some("evtj:h6vY"));
//! received.verify(&key)?;
//! # Ok::<(), stun::Error>(())
//! ```

pub mod behaviour;
mod credentials;
mod transaction;
pub mod turn;
mod uri;
pub mod wire;

pub use credentials::{Algorithms, IntegrityError, Key, SecurityFeatures, userhash};
pub use transaction::{ClientTransaction, Event, Outcome, Timing};
pub use uri::{ServerTransport, Service, Uri, UriError};
pub use wire::{
    Attribute, AttributeType, Class, Code, ErrorCode, Family, Header, Message, Method, ParseError,
    PasswordAlgorithm, Text, TransactionId, is_stun,
};

/// Why a datagram was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no well-formed STUN message.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Its integrity does not prove where it came from (RFC 8489 §9.1).
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// A response was expected and this is a request or an indication.
    #[error("the message is not a response")]
    NotAResponse,
    /// It answers another request.
    #[error("the message answers another request")]
    UnknownTransaction,
}
