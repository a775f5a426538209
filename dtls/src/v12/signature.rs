//! Signatures of the handshake: the peer's certificate key, and what it must have signed. By ring.
//!
//! ```text
//! scheme (RFC 8446 §4.2.3 names)   code     key         signed
//! ecdsa_secp256r1_sha256           0x0403   ECDSA       ServerKeyExchange: client_random ‖
//! ecdsa_secp384r1_sha384           0x0503   ECDSA         server_random ‖ params   RFC 8422 §5.4
//! rsa_pss_rsae_sha256/384/512      0x080…   RSA         CertificateVerify: every message
//! rsa_pkcs1_sha256/384/512         0x0.01   RSA           so far                   RFC 5246 §7.4.8
//! ```
//!
//! In TLS 1.2 an ECDSA scheme names the hash only: a P-384 key may sign with SHA-256 (RFC 5246
//! §7.4.1.4.1). SHA-1 is refused (RFC 9155), P-521 and Ed25519 are not in ring or not offered.
//!
//! DEVIATION RFC 5280 §6: a certificate's dates, issuer and extensions are not looked at. RFC 8827
//! §6.5 has self-signed certificates, vouched for by their fingerprint alone.
//!
//! Invariant: only [`PeerKey::verify`] makes a [`PossessionProven`]. Book: "The handshake and keys".

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::suite::KeyKind;
use crate::Error;
use crate::wire::SignatureScheme;

/// What we verify, in our order of preference: the content of `signature_algorithms` and of
/// CertificateRequest.
pub(crate) const SCHEMES: [SignatureScheme; 8] = [
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Longest certificate we parse. Browsers' have 300 octets, an RSA-8192 one under 4 kB.
pub(crate) const MAX_CERTIFICATE: usize = 16 * 1024;

/// Proof that the peer has its certificate's private key: only [`PeerKey::verify`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PossessionProven(());

/// A certificate's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerKey {
    algorithm: KeyAlgorithm,
    /// An uncompressed point, or RSAPublicKey in DER: the content of the SPKI's bit string.
    octets: Vec<u8>,
}

/// What the SubjectPublicKeyInfo says the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    /// id-ecPublicKey on secp256r1 (RFC 5480 §2.1.1).
    EcdsaP256,
    /// id-ecPublicKey on secp384r1.
    EcdsaP384,
    /// rsaEncryption.
    Rsa,
}

const ID_EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const SECP256R1: &str = "1.2.840.10045.3.1.7";
const SECP384R1: &str = "1.3.132.0.34";
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";

impl PeerKey {
    /// The key in a certificate.
    pub(crate) fn from_certificate(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Error::CertificateMalformed);
        }
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| Error::CertificateMalformed)?;
        if !rest.is_empty() {
            return Err(Error::CertificateMalformed);
        }
        let spki = certificate.public_key();
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let curve = curve.map(|oid| oid.to_id_string());
        let algorithm = match (spki.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            (ID_EC_PUBLIC_KEY, Some(SECP256R1)) => KeyAlgorithm::EcdsaP256,
            (ID_EC_PUBLIC_KEY, Some(SECP384R1)) => KeyAlgorithm::EcdsaP384,
            (RSA_ENCRYPTION, _) => KeyAlgorithm::Rsa,
            _ => return Err(Error::CertificateUnsupported),
        };
        Ok(Self { algorithm, octets: spki.subject_public_key.data.to_vec() })
    }

    /// The kind of key, to compare with the cipher suite's.
    pub(crate) fn kind(&self) -> KeyKind {
        self.algorithm.kind()
    }

    /// The content of the bit string.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The algorithm.
    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Verifies that the holder of this key signed `message`.
    pub(crate) fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<PossessionProven, Error> {
        if !SCHEMES.contains(&scheme) {
            return Err(Error::SignatureSchemeNotOffered);
        }
        let algorithm = verification(self.algorithm, scheme).ok_or(Error::CertificateMismatch)?;
        UnparsedPublicKey::new(algorithm, &self.octets)
            .verify(message, signature)
            .map_err(|_| Error::SignatureWrong)?;
        Ok(PossessionProven(()))
    }
}

impl KeyAlgorithm {
    /// The kind of key, to compare with the cipher suite's.
    pub(crate) fn kind(self) -> KeyKind {
        match self {
            Self::EcdsaP256 | Self::EcdsaP384 => KeyKind::Ecdsa,
            Self::Rsa => KeyKind::Rsa,
        }
    }
}

/// ring's name for a key with a scheme; `None` if they do not fit.
fn verification(
    key: KeyAlgorithm,
    scheme: SignatureScheme,
) -> Option<&'static dyn VerificationAlgorithm> {
    use KeyAlgorithm::{EcdsaP256, EcdsaP384, Rsa};
    Some(match (key, scheme) {
        (EcdsaP256, SignatureScheme::ECDSA_SECP256R1_SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
        (EcdsaP256, SignatureScheme::ECDSA_SECP384R1_SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
        (EcdsaP384, SignatureScheme::ECDSA_SECP256R1_SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
        (EcdsaP384, SignatureScheme::ECDSA_SECP384R1_SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Rsa, SignatureScheme::RSA_PKCS1_SHA256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Rsa, SignatureScheme::RSA_PKCS1_SHA384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Rsa, SignatureScheme::RSA_PKCS1_SHA512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Rsa, SignatureScheme::RSA_PSS_RSAE_SHA256) => &signature::RSA_PSS_2048_8192_SHA256,
        (Rsa, SignatureScheme::RSA_PSS_RSAE_SHA384) => &signature::RSA_PSS_2048_8192_SHA384,
        (Rsa, SignatureScheme::RSA_PSS_RSAE_SHA512) => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Certificate;
    use crate::v12::testing::{p384_certificate, rsa_certificate};

    #[test]
    fn each_kind_of_key_signs_and_verifies_with_each_of_its_schemes() {
        for certificate in [Certificate::generate().unwrap(), p384_certificate(), rsa_certificate()]
        {
            let key = PeerKey::from_certificate(certificate.der()).unwrap();
            for &scheme in certificate.schemes() {
                let mut signature = certificate.sign(scheme, b"message").unwrap();
                assert!(key.verify(scheme, b"message", &signature).is_ok(), "{scheme}");
                let error = key.verify(scheme, b"other", &signature).unwrap_err();
                assert_eq!(error, Error::SignatureWrong);
                *signature.last_mut().unwrap() ^= 1;
                assert_eq!(
                    key.verify(scheme, b"message", &signature).unwrap_err(),
                    Error::SignatureWrong
                );
            }
        }
    }

    #[test]
    fn row_50_a_scheme_that_was_not_offered_or_does_not_fit_the_key_is_refused() {
        let certificate = Certificate::generate().unwrap();
        let key = PeerKey::from_certificate(certificate.der()).unwrap();
        let sha1 = key.verify(SignatureScheme::ECDSA_SHA1, b"", b"").unwrap_err();
        assert_eq!(sha1, Error::SignatureSchemeNotOffered);
        let rsa = key.verify(SignatureScheme::RSA_PKCS1_SHA256, b"", b"").unwrap_err();
        assert_eq!(rsa, Error::CertificateMismatch);
    }

    #[test]
    fn row_49_der_bombs_are_errors() {
        let nested: Vec<u8> = [0x30, 0x80].repeat(30_000);
        let endless = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30, 0x84];
        let good = Certificate::generate().unwrap();
        let mut trailing = good.der().to_vec();
        trailing.push(0);
        let lengths = [0x30, 0x82, 0x3f, 0xfc].repeat(4095);
        for bomb in [&nested[..], &nested[..MAX_CERTIFICATE], &endless, &[], &trailing, &lengths] {
            assert_eq!(PeerKey::from_certificate(bomb).unwrap_err(), Error::CertificateMalformed);
        }
    }

    #[test]
    fn row_49_a_certificate_cut_or_changed_anywhere_never_panics() {
        let der = Certificate::generate().unwrap().der().to_vec();
        for cut in 0..der.len() {
            assert!(PeerKey::from_certificate(&der[..cut]).is_err());
        }
        for at in 0..der.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                let _ = PeerKey::from_certificate(&changed);
            }
        }
    }
}
