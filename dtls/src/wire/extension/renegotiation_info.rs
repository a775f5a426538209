//! renegotiation_info: ties a handshake to the one before it (RFC 5746 §3.2).
//!
//! ```text
//! struct { opaque renegotiated_connection<0..255>; } RenegotiationInfo;
//! ```
//!
//! Empty in a first handshake, the only one WebRTC has; its presence says that the sender knows the attack.

use nom::Parser;

use crate::wire::field::{Parsed, field};
use crate::wire::vector::{Prefix, opaque_in, write_vector};

/// The Finished of the previous handshake, or nothing (RFC 5746 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenegotiationInfo {
    /// Empty in a first handshake.
    pub renegotiated_connection: Vec<u8>,
}

impl RenegotiationInfo {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let octets = opaque_in(Prefix::One, "renegotiated_connection", 0..=255);
        let info = octets.map(|renegotiated_connection| Self { renegotiated_connection });
        field("renegotiated_connection", info)(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| {
            out.extend_from_slice(&self.renegotiated_connection);
        });
    }
}
