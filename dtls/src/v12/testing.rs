//! What the tests of this module share: hex, and certificates of the kinds we do not generate.
//!
//! The files beside it were made once with `openssl req -x509 -newkey …` and protect nothing.

use crate::Certificate;
pub(crate) use crate::wire::testing::hex;

/// A self-signed certificate on P-384.
pub(crate) const P384_CERTIFICATE: &[u8] = include_bytes!("testing/p384.cert.der");
/// Its key.
pub(crate) const P384_PKCS8: &[u8] = include_bytes!("testing/p384.pkcs8.der");
/// A self-signed RSA certificate of 2048 bits.
pub(crate) const RSA_CERTIFICATE: &[u8] = include_bytes!("testing/rsa2048.cert.der");
/// Its key.
pub(crate) const RSA_PKCS8: &[u8] = include_bytes!("testing/rsa2048.pkcs8.der");

/// The P-384 certificate with its key.
pub(crate) fn p384_certificate() -> Certificate {
    Certificate::from_pkcs8(P384_CERTIFICATE, P384_PKCS8).unwrap()
}

/// The RSA certificate with its key.
pub(crate) fn rsa_certificate() -> Certificate {
    Certificate::from_pkcs8(RSA_CERTIFICATE, RSA_PKCS8).unwrap()
}
