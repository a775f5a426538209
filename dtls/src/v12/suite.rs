//! The cipher suites we speak: ECDHE with an AEAD, and what each one decides.
//!
//! ```text
//! suite                                            code   certificate  AEAD               PRF
//! TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256         0xc02b  ECDSA        AES-128-GCM        SHA-256  RFC 5289 §3.2
//! TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384         0xc02c  ECDSA        AES-256-GCM        SHA-384
//! TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256           0xc02f  RSA          AES-128-GCM        SHA-256
//! TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384           0xc030  RSA          AES-256-GCM        SHA-384
//! TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256     0xcca8  RSA          ChaCha20-Poly1305  SHA-256  RFC 7905 §2
//! TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256   0xcca9  ECDSA        ChaCha20-Poly1305  SHA-256
//! ```
//!
//! RFC 8827 §6.5 asks WebRTC for the first; the rest is what peers have been seen to need (an RSA
//! certificate needs the RSA ones). Suites without forward secrecy or with CBC are not here.
//! Book: "The handshake and keys".

use ring::aead;

use super::prf::PrfHash;
use crate::wire::CipherSuite;

/// A cipher suite this crate implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    EcdheEcdsaAes128Gcm,
    EcdheEcdsaAes256Gcm,
    EcdheEcdsaChaCha20Poly1305,
    EcdheRsaAes128Gcm,
    EcdheRsaAes256Gcm,
    EcdheRsaChaCha20Poly1305,
}

/// The kind of key a certificate holds, which the suite's name fixes: RFC 8422 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A key on P-256 or P-384.
    Ecdsa,
    /// A key for RSASSA-PKCS1-v1_5 or RSASSA-PSS.
    Rsa,
}

impl Suite {
    /// Every suite, in our order of preference: AES-128-GCM is the fastest on CPUs with AES
    /// instructions and strong enough; AES-256 comes last because it buys nothing here.
    pub(crate) const ALL: [Self; 6] = [
        Self::EcdheEcdsaAes128Gcm,
        Self::EcdheRsaAes128Gcm,
        Self::EcdheEcdsaChaCha20Poly1305,
        Self::EcdheRsaChaCha20Poly1305,
        Self::EcdheEcdsaAes256Gcm,
        Self::EcdheRsaAes256Gcm,
    ];

    /// The suite of this number, if it is one of ours.
    pub(crate) fn from_wire(number: CipherSuite) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// The number at IANA.
    pub(crate) fn number(self) -> CipherSuite {
        CipherSuite(match self {
            Self::EcdheEcdsaAes128Gcm => 0xc02b,
            Self::EcdheEcdsaAes256Gcm => 0xc02c,
            Self::EcdheRsaAes128Gcm => 0xc02f,
            Self::EcdheRsaAes256Gcm => 0xc030,
            Self::EcdheRsaChaCha20Poly1305 => 0xcca8,
            Self::EcdheEcdsaChaCha20Poly1305 => 0xcca9,
        })
    }

    /// The name at IANA, as `getStats` reports it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EcdheEcdsaAes128Gcm => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheEcdsaAes256Gcm => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaAes128Gcm => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheRsaAes256Gcm => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaChaCha20Poly1305 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaChaCha20Poly1305 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        }
    }

    /// The kind of certificate the server must have.
    pub(crate) fn certificate(self) -> KeyKind {
        match self {
            Self::EcdheEcdsaAes128Gcm
            | Self::EcdheEcdsaAes256Gcm
            | Self::EcdheEcdsaChaCha20Poly1305 => KeyKind::Ecdsa,
            Self::EcdheRsaAes128Gcm | Self::EcdheRsaAes256Gcm | Self::EcdheRsaChaCha20Poly1305 => {
                KeyKind::Rsa
            }
        }
    }

    /// The hash of the PRF and of the transcript.
    pub(crate) fn hash(self) -> PrfHash {
        match self {
            Self::EcdheEcdsaAes256Gcm | Self::EcdheRsaAes256Gcm => PrfHash::Sha384,
            _ => PrfHash::Sha256,
        }
    }

    /// What seals and opens records.
    pub(crate) fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::EcdheEcdsaAes128Gcm | Self::EcdheRsaAes128Gcm => &aead::AES_128_GCM,
            Self::EcdheEcdsaAes256Gcm | Self::EcdheRsaAes256Gcm => &aead::AES_256_GCM,
            Self::EcdheEcdsaChaCha20Poly1305 | Self::EcdheRsaChaCha20Poly1305 => {
                &aead::CHACHA20_POLY1305
            }
        }
    }

    /// Octets of the AEAD key.
    pub(crate) fn key_length(self) -> usize {
        self.aead().key_len()
    }

    /// Octets of the nonce that come from the key block: 4 for GCM (RFC 5288 §3), all 12 for
    /// ChaCha20-Poly1305 (RFC 7905 §2).
    pub(crate) fn fixed_iv_length(self) -> usize {
        aead::NONCE_LEN - self.explicit_nonce_length()
    }

    /// Octets of the nonce that travel in each record: 8 for GCM, none for ChaCha20-Poly1305.
    pub(crate) fn explicit_nonce_length(self) -> usize {
        match self {
            Self::EcdheEcdsaChaCha20Poly1305 | Self::EcdheRsaChaCha20Poly1305 => 0,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_its_number_and_named_as_at_iana() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_wire(suite.number()), Some(suite));
            assert_eq!(suite.number().name(), Some(suite.name()));
        }
        assert_eq!(Suite::from_wire(CipherSuite(0x1301)), None);
        assert_eq!(Suite::from_wire(CipherSuite(0x0a0a)), None);
    }

    #[test]
    fn fixed_and_explicit_nonce_make_twelve_octets() {
        for suite in Suite::ALL {
            assert_eq!(suite.fixed_iv_length() + suite.explicit_nonce_length(), 12);
        }
    }
}
