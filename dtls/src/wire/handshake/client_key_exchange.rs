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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    fn any_client_key_exchange() -> impl Strategy<Value = ClientKeyExchange> {
        prop::collection::vec(any::<u8>(), 1..=255).prop_map(|public| ClientKeyExchange { public })
    }

    codec_properties!(any_client_key_exchange(), ClientKeyExchange::write, |octets: &[u8]| whole(
        octets,
        ClientKeyExchange::parsed
    ));

    #[test]
    fn chromium_answers_with_an_x25519_key() {
        let capture = "firefox-chromium-dtls12-data.pcap";
        let message = captured_message(capture, HandshakeType::CLIENT_KEY_EXCHANGE);
        let Ok(Handshake::ClientKeyExchange(exchange)) = message.parse() else { panic!() };
        assert_eq!(exchange.public.len(), 32);
    }

    #[test]
    fn an_empty_point_is_refused() {
        assert!(whole(&[0], ClientKeyExchange::parsed).is_err());
    }
}
