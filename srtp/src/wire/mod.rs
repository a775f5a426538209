//! The octets of RTP and RTCP: codecs without clock, state or policy.
//!
//! One structure, one file; `parse` stands above `write` under the RFC's figure. Payloads are slices
//! of the packet ([`bytes::Bytes`]), never copies. Unknown RTCP types, items and blocks, and header
//! extensions of any profile survive a round trip; what to do about them is the reader's decision.
//!
//! Book: the chapter on RTP.

pub mod extension;
pub(crate) mod field;
mod header_extensions;
pub(crate) mod identifier;
pub mod rtcp;
pub mod rtp;
#[cfg(test)]
mod testing;

pub use field::ParseError;
