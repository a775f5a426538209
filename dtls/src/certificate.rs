//! Our certificate and its private key: generated for WebRTC, or brought along.
//!
//! ```text
//! generate()                        P-256, ecdsa-with-SHA256, CN=WebRTC, self-signed,
//!                                   valid from a day ago for 31 days: what browsers make
//! from_pkcs8(certificate, key)      DER and PKCS#8: P-256, P-384 or RSA of 2048 bits and more
//! ```
//!
//! RFC 8827 §6.5 asks every implementation for P-256. Nobody checks dates or issuer of a WebRTC
//! certificate, only its fingerprint ([`Fingerprint`]).
//!
//! Invariants: the key pair comes from ring's `SystemRandom`; it never leaves this file and never
//! prints. The PKCS#8 form of a generated key exists only inside [`Certificate::generate`] (ring gives no
//! way to zeroise it, nor its own copy).
//! Book: "The handshake and keys".

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use crate::Error;
use crate::fingerprint::{Fingerprint, HashAlgorithm};
use crate::v12::signature::{KeyAlgorithm, PeerKey};
use crate::v12::suite::KeyKind;
use crate::wire::SignatureScheme;

/// How long a generated certificate is valid: as browsers' are.
const VALIDITY: Duration = Duration::from_secs(31 * 24 * 3600);

/// How far back its validity begins, for peers whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// A certificate in DER with its private key.
pub struct Certificate {
    der: Vec<u8>,
    key: PrivateKey,
}

impl Certificate {
    /// A fresh self-signed P-256 certificate, CN "WebRTC", for 31 days.
    ///
    /// This reads the wall clock and the system's randomness, unlike anything else in this crate: it
    /// runs before there is a connection.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| Error::Crypto)?;
        let key = PrivateKey::from_pkcs8(KeyAlgorithm::EcdsaP256, pkcs8.as_ref())?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "WebRTC");
        let not_before = SystemTime::now().checked_sub(BACKDATED).ok_or(Error::Crypto)?;
        params.not_before = not_before.into();
        params.not_after = (not_before + VALIDITY).into();
        let der = params.self_signed(&key).map_err(|_| Error::Crypto)?.der().to_vec();
        Ok(Self { der, key })
    }

    /// A certificate in DER and its private key as PKCS#8 (RFC 5208) in DER.
    ///
    /// # Errors
    /// The certificate or the key cannot be parsed, is of an unsupported kind, or the two do not
    /// belong together.
    pub fn from_pkcs8(der: &[u8], pkcs8: &[u8]) -> Result<Self, Error> {
        let public = PeerKey::from_certificate(der)?;
        let key = PrivateKey::from_pkcs8(public.algorithm(), pkcs8)?;
        if key.public() != public.octets() {
            return Err(Error::PrivateKeyMismatch);
        }
        Ok(Self { der: der.to_vec(), key })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its fingerprint, for `a=fingerprint`: RFC 8122 §5.
    #[must_use]
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(algorithm, &self.der)
    }

    /// What its key can sign with, in our order of preference.
    pub(crate) fn schemes(&self) -> &'static [SignatureScheme] {
        match self.key {
            PrivateKey::P256(..) => &[SignatureScheme::ECDSA_SECP256R1_SHA256],
            PrivateKey::P384(..) => &[SignatureScheme::ECDSA_SECP384R1_SHA384],
            PrivateKey::Rsa(..) => &[
                SignatureScheme::RSA_PSS_RSAE_SHA256,
                SignatureScheme::RSA_PKCS1_SHA256,
                SignatureScheme::RSA_PSS_RSAE_SHA384,
                SignatureScheme::RSA_PKCS1_SHA384,
                SignatureScheme::RSA_PSS_RSAE_SHA512,
                SignatureScheme::RSA_PKCS1_SHA512,
            ],
        }
    }

    /// The kind of key, to choose the cipher suite by.
    pub(crate) fn kind(&self) -> KeyKind {
        match self.key {
            PrivateKey::P256(..) | PrivateKey::P384(..) => KeyKind::Ecdsa,
            PrivateKey::Rsa(..) => KeyKind::Rsa,
        }
    }

    /// Signs `message` with `scheme`, one of [`Self::schemes`].
    pub(crate) fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key.sign(scheme, message)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = self.fingerprint(HashAlgorithm::Sha256).to_string();
        f.debug_struct("Certificate").field("fingerprint", &fingerprint).finish_non_exhaustive()
    }
}

/// ring signs with a P-256 key over SHA-256 and with a P-384 key over SHA-384 only.
enum PrivateKey {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl PrivateKey {
    fn from_pkcs8(algorithm: KeyAlgorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new())
        };
        match algorithm {
            KeyAlgorithm::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::P256),
            KeyAlgorithm::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Self::P384),
            KeyAlgorithm::Rsa => RsaKeyPair::from_pkcs8(pkcs8).map(Box::new).map(Self::Rsa),
        }
        .map_err(|_| Error::PrivateKeyInvalid)
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::P256(key) | Self::P384(key) => key.public_key().as_ref(),
            Self::Rsa(key) => key.public_key().as_ref(),
        }
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        match (self, scheme) {
            (Self::P256(key), SignatureScheme::ECDSA_SECP256R1_SHA256)
            | (Self::P384(key), SignatureScheme::ECDSA_SECP384R1_SHA384) => {
                let signature = key.sign(&random, message).map_err(|_| Error::Crypto)?;
                Ok(signature.as_ref().to_vec())
            }
            (Self::Rsa(key), scheme) => {
                let padding = padding(scheme).ok_or(Error::Crypto)?;
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, message, &mut signature).map_err(|_| Error::Crypto)?;
                Ok(signature)
            }
            _ => Err(Error::Crypto),
        }
    }
}

/// How an RSA signature of this scheme is padded and hashed.
fn padding(scheme: SignatureScheme) -> Option<&'static dyn RsaEncoding> {
    Some(match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 => &RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => &RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => &RSA_PSS_SHA512,
        SignatureScheme::RSA_PKCS1_SHA256 => &RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384 => &RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512 => &RSA_PKCS1_SHA512,
        _ => return None,
    })
}

/// rcgen writes the certificate; the key stays here.
impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.public()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::P256(..) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384(..) => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Rsa(..) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let scheme = match self {
            Self::P256(..) => SignatureScheme::ECDSA_SECP256R1_SHA256,
            Self::P384(..) => SignatureScheme::ECDSA_SECP384R1_SHA384,
            Self::Rsa(..) => SignatureScheme::RSA_PKCS1_SHA256,
        };
        PrivateKey::sign(self, scheme, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::v12::testing::{P384_CERTIFICATE, P384_PKCS8, RSA_PKCS8, rsa_certificate};

    #[test]
    fn a_generated_certificate_is_what_browsers_make() {
        let certificate = Certificate::generate().unwrap();
        let (rest, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
        assert!(rest.is_empty());
        assert_eq!(parsed.subject().to_string(), "CN=WebRTC");
        assert_eq!(parsed.issuer().to_string(), "CN=WebRTC");
        let validity = parsed.validity();
        let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
        assert_eq!(days, 31);
        assert!(parsed.validity().is_valid());
        assert!(certificate.der().len() < 400);
        let key = PeerKey::from_certificate(certificate.der()).unwrap();
        assert_eq!(key.algorithm(), KeyAlgorithm::EcdsaP256);
    }

    #[test]
    fn two_generated_certificates_differ() {
        let (one, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        assert_ne!(
            one.fingerprint(HashAlgorithm::Sha256),
            other.fingerprint(HashAlgorithm::Sha256)
        );
    }

    #[test]
    fn a_certificate_with_another_certificates_key_is_refused() {
        let ours = Certificate::generate().unwrap();
        let other =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .unwrap();
        let error = Certificate::from_pkcs8(ours.der(), other.as_ref()).unwrap_err();
        assert_eq!(error, Error::PrivateKeyMismatch);
        let error = Certificate::from_pkcs8(P384_CERTIFICATE, RSA_PKCS8).unwrap_err();
        assert_eq!(error, Error::PrivateKeyInvalid);
        let error = Certificate::from_pkcs8(b"", P384_PKCS8).unwrap_err();
        assert_eq!(error, Error::CertificateMalformed);
    }

    #[test]
    fn row_80_a_certificate_prints_its_fingerprint_only() {
        let certificate = rsa_certificate();
        let expected = format!(
            "Certificate {{ fingerprint: \"{}\", .. }}",
            certificate.fingerprint(HashAlgorithm::Sha256)
        );
        assert_eq!(format!("{certificate:?}"), expected);
    }
}
