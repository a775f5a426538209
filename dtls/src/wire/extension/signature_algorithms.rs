//! signature_algorithms: what the client can verify, best first (RFC 5246 §7.4.1.4.1).
//!
//! ```text
//! struct { HashAlgorithm hash; SignatureAlgorithm signature; } SignatureAndHashAlgorithm;   2 octets
//!
//! SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
//! ```
//!
//! TLS 1.3 reads the pair of octets as one number, SignatureScheme (RFC 8446 §4.2.3); browsers
//! offer both kinds in one list, so the number is the type here. Under 1.2, "ecdsa_secp256r1_sha256"
//! means ECDSA with SHA-256 on any curve.

use nom::Parser;
use nom::number::complete::be_u16;

use crate::wire::field::{Parsed, field};
use crate::wire::registry::registry;
use crate::wire::vector::{Prefix, elements, write_vector};

registry! {
    /// A signature algorithm with its hash (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3).
    pub struct SignatureScheme(u16);
    /// RSA PKCS #1 v1.5 with SHA-1; obsolete (RFC 9155).
    RSA_PKCS1_SHA1 = 0x0201, "rsa_pkcs1_sha1";
    /// ECDSA with SHA-1; obsolete (RFC 9155).
    ECDSA_SHA1 = 0x0203, "ecdsa_sha1";
    /// RSA PKCS #1 v1.5 with SHA-256.
    RSA_PKCS1_SHA256 = 0x0401, "rsa_pkcs1_sha256";
    /// ECDSA with SHA-256.
    ECDSA_SECP256R1_SHA256 = 0x0403, "ecdsa_secp256r1_sha256";
    /// RSA PKCS #1 v1.5 with SHA-384.
    RSA_PKCS1_SHA384 = 0x0501, "rsa_pkcs1_sha384";
    /// ECDSA with SHA-384.
    ECDSA_SECP384R1_SHA384 = 0x0503, "ecdsa_secp384r1_sha384";
    /// RSA PKCS #1 v1.5 with SHA-512.
    RSA_PKCS1_SHA512 = 0x0601, "rsa_pkcs1_sha512";
    /// ECDSA with SHA-512.
    ECDSA_SECP521R1_SHA512 = 0x0603, "ecdsa_secp521r1_sha512";
    /// RSA-PSS with SHA-256 and a plain RSA key (RFC 8446 §4.2.3).
    RSA_PSS_RSAE_SHA256 = 0x0804, "rsa_pss_rsae_sha256";
    /// RSA-PSS with SHA-384 and a plain RSA key.
    RSA_PSS_RSAE_SHA384 = 0x0805, "rsa_pss_rsae_sha384";
    /// RSA-PSS with SHA-512 and a plain RSA key.
    RSA_PSS_RSAE_SHA512 = 0x0806, "rsa_pss_rsae_sha512";
    /// Ed25519 (RFC 8422 §5.1.3).
    ED25519 = 0x0807, "ed25519";
}

/// Algorithms in order of preference (RFC 5246 §7.4.1.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureAlgorithms(pub Vec<SignatureScheme>);

impl SignatureAlgorithms {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let scheme = field("signature_algorithm", be_u16.map(SignatureScheme));
        let list = elements(Prefix::Two, 1, scheme).map(Self);
        field("supported_signature_algorithms", list)(input)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_vector(out, Prefix::Two, |out| {
            self.0.iter().for_each(|scheme| out.extend_from_slice(&scheme.0.to_be_bytes()));
        });
    }
}
