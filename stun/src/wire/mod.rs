//! The codec of RFC 8489 and of ICE's attributes (RFC 8445 §16.1): one structure, one file.
//!
//! No clock, no state, no policy: `parse` stands directly above `write` in each file, and accepts
//! what the syntax allows. `field` names every octet for whoever listens. Book: "STUN".

mod address;
mod attribute;
mod attribute_type;
mod error_code;
mod field;
mod fingerprint;
mod header;
mod integrity;
mod message;
mod password_algorithms;
mod text;
mod unknown_attributes;
mod userhash;
mod xor_address;

pub use attribute::Attribute;
pub use attribute_type::AttributeType;
pub use error_code::{Code, ErrorCode};
pub use field::ParseError;
pub use header::{Class, HEADER_LENGTH, Header, MAGIC_COOKIE, Method, TransactionId, is_stun};
pub use message::{MAX_ATTRIBUTES, MAX_UNKNOWN_ATTRIBUTES, Message};
pub use password_algorithms::PasswordAlgorithm;
pub use text::{MAX_TEXT_LENGTH, Text};
