//! Codecs of DTLS 1.2: octets to values and back, without clock, state or policy.
//!
//! One structure, one file, in the RFC's word; `parse` stands directly above `write`, under the
//! figure in TLS presentation language (RFC 5246 §4). A parser accepts what the syntax allows; what
//! we support is decided by the state machine. Registries are newtypes with named constants, so a
//! suite, group or extension nobody has heard of survives a round trip.
//!
//! ```text
//! datagram ─ record ┬ change_cipher_spec                      record, alert, change_cipher_spec
//!                   ├ alert
//!                   ├ handshake ─ fragment ─ (reassembly) ─ message ─ extensions
//!                   └ application_data
//! ```
//!
//! Invariants: no parser panics or allocates more than a small multiple of its input;
//! `parse(write(x)) == x`; every octet of a structure is named by exactly one
//! field. Book: "DTLS records and flights", "The handshake and keys".

pub mod alert;
pub mod change_cipher_spec;
pub mod cipher_suite;
pub mod extension;
pub mod field;
pub mod handshake;
pub mod record;
pub(crate) mod registry;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod vector;

pub use alert::{Alert, AlertDescription, AlertLevel};
pub use change_cipher_spec::ChangeCipherSpec;
pub use cipher_suite::{CipherSuite, CompressionMethod};
pub use extension::{Extension, ExtensionType, Extensions, NamedGroup, SignatureScheme};
pub use field::ParseError;
pub use handshake::{
    Handshake, HandshakeFragment, HandshakeHeader, HandshakeMessage, HandshakeType, MessageSeq,
};
pub use record::{
    ContentType, Epoch, ProtocolVersion, Record, RecordHeader, Records, SequenceNumber, split,
};
