//! CertificateRequest: the server wants to know the client too (RFC 5246 §7.4.4).
//!
//! ```text
//! struct {
//!   ClientCertificateType certificate_types<1..2^8-1>;
//!   SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
//!   DistinguishedName certificate_authorities<0..2^16-1>;    opaque DistinguishedName<1..2^16-1>
//! } CertificateRequest;
//! ```
//!
//! Always sent in WebRTC (RFC 8827 §6.5): both ends have a certificate. Book: "The handshake and keys".

use nom::Parser;
use nom::number::complete::{be_u8, be_u16};

use crate::wire::extension::SignatureScheme;
use crate::wire::field::{Parsed, field};
use crate::wire::registry::registry;
use crate::wire::vector::{Prefix, elements, opaque_in, write_vector};

registry! {
    /// The kind of key a client certificate may hold (RFC 5246 §7.4.4, RFC 8422 §5.5).
    pub struct ClientCertificateType(u8);
    /// An RSA key.
    RSA_SIGN = 1, "rsa_sign";
    /// A DSA key.
    DSS_SIGN = 2, "dss_sign";
    /// An ECDSA or EdDSA key.
    ECDSA_SIGN = 64, "ecdsa_sign";
}

/// What certificates the server takes (RFC 5246 §7.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Kinds of key, in order of preference.
    pub certificate_types: Vec<ClientCertificateType>,
    /// Algorithms the server can verify, in order of preference.
    pub supported_signature_algorithms: Vec<SignatureScheme>,
    /// Acceptable issuers in DER; empty: any.
    pub certificate_authorities: Vec<Vec<u8>>,
}

impl CertificateRequest {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let kind = field("certificate_type", be_u8.map(ClientCertificateType));
        let (input, certificate_types) =
            field("certificate_types", elements(Prefix::One, 1, kind))(input)?;
        let scheme = field("signature_algorithm", be_u16.map(SignatureScheme));
        let (input, supported_signature_algorithms) =
            field("supported_signature_algorithms", elements(Prefix::Two, 1, scheme))(input)?;
        let name = field("distinguished_name", opaque_in(Prefix::Two, "name", 1..=0xffff));
        let (input, certificate_authorities) =
            field("certificate_authorities", elements(Prefix::Two, 0, name))(input)?;
        Ok((
            input,
            Self { certificate_types, supported_signature_algorithms, certificate_authorities },
        ))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::One, |out| {
            out.extend(self.certificate_types.iter().map(|kind| kind.0));
        });
        write_vector(out, Prefix::Two, |out| {
            for scheme in &self.supported_signature_algorithms {
                out.extend_from_slice(&scheme.0.to_be_bytes());
            }
        });
        write_vector(out, Prefix::Two, |out| {
            for name in &self.certificate_authorities {
                write_vector(out, Prefix::Two, |out| out.extend_from_slice(name));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    prop_compose! {
        fn any_certificate_request()(
            types in prop::collection::vec(any::<u8>(), 1..5),
            schemes in prop::collection::vec(any::<u16>(), 1..12),
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..4),
        ) -> CertificateRequest {
            CertificateRequest {
                certificate_types: types.into_iter().map(ClientCertificateType).collect(),
                supported_signature_algorithms: schemes.into_iter().map(SignatureScheme).collect(),
                certificate_authorities: names,
            }
        }
    }

    codec_properties!(any_certificate_request(), CertificateRequest::write, |octets: &[u8]| whole(
        octets,
        CertificateRequest::parsed
    ));

    #[test]
    fn firefox_takes_rsa_ecdsa_and_dss_of_any_issuer() {
        let capture = "firefox-chromium-dtls12-data.pcap";
        let message = captured_message(capture, HandshakeType::CERTIFICATE_REQUEST);
        let Ok(Handshake::CertificateRequest(request)) = message.parse() else { panic!() };
        let mut kinds = request.certificate_types.clone();
        kinds.sort_unstable();
        assert_eq!(format!("{kinds:?}"), "[rsa_sign, dss_sign, ecdsa_sign]");
        assert!(request.certificate_authorities.is_empty());
    }
}
