//! CertificateVerify: a signature over all messages so far (RFC 5246 §7.4.8), and the signature itself (§4.7).
//!
//! ```text
//! struct {
//!   SignatureAndHashAlgorithm algorithm;   2 octets
//!   opaque signature<0..2^16-1>;
//! } DigitallySigned;
//!
//! struct { digitally-signed struct { opaque handshake_messages[…]; } } CertificateVerify;
//! ```
//!
//! Without it a client could show anybody's certificate. Book: "The handshake and keys".

use nom::Parser;
use nom::number::complete::be_u16;

use crate::wire::extension::SignatureScheme;
use crate::wire::field::{Parsed, field};
use crate::wire::vector::{Prefix, opaque_in, write_vector};

/// A signature and how it was made (RFC 5246 §4.7). What it covers is not in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigitallySigned {
    /// Hash and signature algorithm.
    pub algorithm: SignatureScheme,
    /// The signature: DER for ECDSA.
    pub signature: Vec<u8>,
}

impl DigitallySigned {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, algorithm) = field("algorithm", be_u16.map(SignatureScheme))(input)?;
        let (input, signature) =
            field("signature", opaque_in(Prefix::Two, "signature", 0..=0xffff))(input)?;
        Ok((input, Self { algorithm, signature }))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.algorithm.0.to_be_bytes());
        write_vector(out, Prefix::Two, |out| out.extend_from_slice(&self.signature));
    }
}

/// Proof of possession of the certificate's key (RFC 5246 §7.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateVerify {
    /// Over the transcript before this message.
    pub signed: DigitallySigned,
}

impl CertificateVerify {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, signed) = field("handshake_messages", DigitallySigned::parsed)(input)?;
        Ok((input, Self { signed }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.signed.write(out);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    prop_compose! {
        pub(crate) fn any_digitally_signed()(
            scheme: u16, signature in prop::collection::vec(any::<u8>(), 0..300),
        ) -> DigitallySigned {
            DigitallySigned { algorithm: SignatureScheme(scheme), signature }
        }
    }

    codec_properties!(
        any_digitally_signed().prop_map(|signed| CertificateVerify { signed }),
        CertificateVerify::write,
        |octets: &[u8]| whole(octets, CertificateVerify::parsed)
    );

    #[test]
    fn chromium_signs_with_ecdsa_and_sha_256() {
        let capture = "firefox-chromium-dtls12-data.pcap";
        let message = captured_message(capture, HandshakeType::CERTIFICATE_VERIFY);
        let Ok(Handshake::CertificateVerify(verify)) = message.parse() else { panic!() };
        assert_eq!(verify.signed.algorithm, SignatureScheme::ECDSA_SECP256R1_SHA256);
    }
}
