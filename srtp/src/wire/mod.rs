//! The octets of RTP and RTCP: codecs without clock, state or policy.
//!
//! Book: the chapter on RTP.

#[allow(dead_code)]
mod field;
pub(crate) mod identifier;
pub mod rtcp;
pub mod rtp;

pub use field::ParseError;
