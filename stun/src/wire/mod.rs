//! The codec of RFC 8489, of ICE's attributes (RFC 8445 §16.1), TURN's (RFC 8656 §18) and those of
//! behaviour discovery (RFC 5780 §7): one structure, one file.
//!
//! No clock, no state, no policy: `parse` stands directly above `write` in each file, and accepts
//! what the syntax allows. `field` names every octet for whoever listens. Book: "STUN".

mod address;
mod address_error_code;
mod attribute;
mod attribute_type;
mod change_request;
mod channel_data;
mod channel_number;
mod error_code;
mod even_port;
mod family;
mod field;
mod fingerprint;
mod header;
mod icmp;
mod integrity;
mod lifetime;
mod message;
mod password_algorithms;
mod requested_transport;
mod reservation_token;
mod response_port;
mod text;
mod unknown_attributes;
mod userhash;
mod xor_address;

pub use address_error_code::AddressErrorCode;
pub use attribute::Attribute;
pub use attribute_type::AttributeType;
pub use change_request::ChangeRequest;
pub use channel_data::ChannelData;
pub use channel_number::ChannelNumber;
pub use error_code::{Code, ErrorCode};
pub use even_port::EvenPort;
pub use family::Family;
pub use field::ParseError;
pub use header::{Class, HEADER_LENGTH, Header, MAGIC_COOKIE, Method, TransactionId, is_stun};
pub use icmp::Icmp;
pub use message::{MAX_ATTRIBUTES, MAX_UNKNOWN_ATTRIBUTES, Message};
pub use password_algorithms::PasswordAlgorithm;
pub use requested_transport::RequestedTransport;
pub use reservation_token::ReservationToken;
pub use text::{MAX_TEXT_LENGTH, Text};
