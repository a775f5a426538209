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
