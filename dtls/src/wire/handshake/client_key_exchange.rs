//! ClientKeyExchange: the client's ephemeral public key (RFC 8422 §5.7).
//!
//! ```text
//! struct {
//!   opaque ecdh_Yc<1..2^8-1>;   an ECPoint on the server's curve
//! } ClientKeyExchange;
//! ```
//!
//! Only the ECDHE form, as for every suite of this crate. Book: "The handshake and keys".

use crate::wire::field::{Parsed, field};
use crate::wire::vector::{Prefix, opaque_in, write_vector};

/// The client's ephemeral key (RFC 8422 §5.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeyExchange {
    /// The public key, encoded as in the server's message.
    pub public: Vec<u8>,
}

impl ClientKeyExchange {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, public) = field("ecdh_Yc", opaque_in(Prefix::One, "ecdh_Yc", 1..=255))(input)?;
        Ok((input, Self { public }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| out.extend_from_slice(&self.public));
    }
}
