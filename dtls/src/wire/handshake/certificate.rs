//! Certificate: a chain, the sender's own first (RFC 5246 §7.4.2).
//!
//! ```text
//! opaque ASN.1Cert<1..2^24-1>;
//!
//! struct {
//!   ASN.1Cert certificate_list<0..2^24-1>;   empty: a client without a certificate
//! } Certificate;
//! ```
//!
//! WebRTC's are self-signed, so the list has one entry. Book: "The handshake and keys".

use crate::wire::field::{Parsed, field};
use crate::wire::vector::{Prefix, elements, opaque_in, write_vector};

/// A certificate chain (RFC 5246 §7.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// Each certificate in DER, none of them empty.
    pub certificate_list: Vec<Vec<u8>>,
}

impl Certificate {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let certificate = field("certificate", opaque_in(Prefix::Three, "certificate", 1..=MAX));
        let (input, certificate_list) =
            field("certificate_list", elements(Prefix::Three, 0, certificate))(input)?;
        Ok((input, Self { certificate_list }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::Three, |out| {
            for certificate in &self.certificate_list {
                write_vector(out, Prefix::Three, |out| out.extend_from_slice(certificate));
            }
        });
    }
}

const MAX: usize = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{captured_message, codec_properties};
    use crate::wire::vector::whole;
    use crate::wire::{Handshake, HandshakeType};

    fn any_certificate() -> impl Strategy<Value = Certificate> {
        let certificate = prop::collection::vec(any::<u8>(), 1..60);
        prop::collection::vec(certificate, 0..5)
            .prop_map(|certificate_list| Certificate { certificate_list })
    }

    codec_properties!(any_certificate(), Certificate::write, |octets: &[u8]| whole(
        octets,
        Certificate::parsed
    ));

    #[test]
    fn browsers_send_one_certificate_of_about_300_octets() {
        let message =
            captured_message("firefox-chromium-dtls12-data.pcap", HandshakeType::CERTIFICATE);
        let Ok(Handshake::Certificate(certificate)) = message.parse() else { panic!() };
        let [one] = &certificate.certificate_list[..] else { panic!() };
        assert!((250..350).contains(&one.len()));
        assert_eq!(one.first(), Some(&0x30)); // a DER sequence
    }

    #[test]
    fn row_49_no_certificate_is_a_list_and_an_empty_certificate_is_not() {
        assert_eq!(whole(&[0, 0, 0], Certificate::parsed), Ok(Certificate::default()));
        assert!(whole(&[0, 0, 3, 0, 0, 0], Certificate::parsed).is_err());
    }
}
