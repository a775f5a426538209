//! ServerKeyExchange: the server's ephemeral public key, signed (RFC 8422 §5.4).
//!
//! ```text
//! struct {
//!   ECCurveType curve_type;     1 octet: named_curve(3)
//!   NamedCurve namedcurve;      2 octets
//!   opaque public<1..2^8-1>;    an ECPoint
//! } ServerECDHParams;
//!
//! struct {
//!   ServerECDHParams params;
//!   digitally-signed struct { client_random; server_random; params; } signed_params;
//! } ServerKeyExchange;
//! ```
//!
//! Only the ECDHE form: every suite of this crate uses it, and explicit curves are deprecated
//! (RFC 8422 §5.4). Book: "The handshake and keys".

use nom::Parser;
use nom::combinator::verify;
use nom::number::complete::{be_u8, be_u16};

use super::certificate_verify::DigitallySigned;
use crate::wire::extension::NamedGroup;
use crate::wire::field::{Parsed, field};
use crate::wire::vector::{Prefix, opaque_in, write_vector};

/// ECCurveType named_curve (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// A curve and a point on it (RFC 8422 §5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEcdhParams {
    /// The curve.
    pub named_curve: NamedGroup,
    /// The public key: 32 octets for x25519, 0x04 and two coordinates for the others.
    pub public: Vec<u8>,
}

impl ServerEcdhParams {
    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _) = field("curve_type", verify(be_u8, |&ty| ty == NAMED_CURVE))(input)?;
        let (input, named_curve) = field("namedcurve", be_u16.map(NamedGroup))(input)?;
        let (input, public) = field("public", opaque_in(Prefix::One, "public", 1..=255))(input)?;
        Ok((input, Self { named_curve, public }))
    }

    /// Appends the structure; the signature covers exactly these octets after the two randoms.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(NAMED_CURVE);
        out.extend_from_slice(&self.named_curve.0.to_be_bytes());
        write_vector(out, Prefix::One, |out| out.extend_from_slice(&self.public));
    }
}

/// The server's ephemeral key (RFC 8422 §5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKeyExchange {
    /// Curve and public key.
    pub params: ServerEcdhParams,
    /// Over client_random, server_random and `params`, with the certificate's key.
    pub signed_params: DigitallySigned,
}

impl ServerKeyExchange {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, params) = field("params", ServerEcdhParams::parsed)(input)?;
        let (input, signed_params) = field("signed_params", DigitallySigned::parsed)(input)?;
        Ok((input, Self { params, signed_params }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.params.write(out);
        self.signed_params.write(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::extension::SignatureScheme;
    use crate::wire::handshake::certificate_verify::tests::any_digitally_signed;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    prop_compose! {
        fn any_server_key_exchange()(
            group: u16,
            public in prop::collection::vec(any::<u8>(), 1..=255),
            signed_params in any_digitally_signed(),
        ) -> ServerKeyExchange {
            let params = ServerEcdhParams { named_curve: NamedGroup(group), public };
            ServerKeyExchange { params, signed_params }
        }
    }

    codec_properties!(any_server_key_exchange(), ServerKeyExchange::write, |octets: &[u8]| whole(
        octets,
        ServerKeyExchange::parsed
    ));

    #[test]
    fn firefox_signs_an_x25519_key() {
        let capture = "firefox-chromium-dtls12-data.pcap";
        let message = captured_message(capture, HandshakeType::SERVER_KEY_EXCHANGE);
        let Ok(Handshake::ServerKeyExchange(exchange)) = message.parse() else { panic!() };
        assert_eq!(exchange.params.named_curve, NamedGroup::X25519);
        assert_eq!(exchange.params.public.len(), 32);
        assert_eq!(exchange.signed_params.algorithm, SignatureScheme::ECDSA_SECP256R1_SHA256);
        let mut params = Vec::new();
        exchange.params.write(&mut params);
        assert_eq!(message.body()[..36], params);
    }

    #[test]
    fn explicit_curves_and_empty_points_are_refused() {
        assert!(whole(&[1, 0, 29, 1, 9, 4, 3, 0, 0], ServerKeyExchange::parsed).is_err());
        assert!(whole(&[3, 0, 29, 0, 4, 3, 0, 0], ServerKeyExchange::parsed).is_err());
        assert!(whole(&[3, 0, 29, 1, 9, 4, 3, 0, 0], ServerKeyExchange::parsed).is_ok());
    }
}
