//! Keys, and the integrity they prove (RFC 8489 §9, §14.5, §14.6).
//!
//! A short-term credential (§9.1) is a username and password that both sides know for a while from
//! elsewhere, in ICE from SDP; the HMAC key is the password itself. A long-term credential (§9.2) is
//! one that a server keeps; its key is a hash ([`Key::long_term`]), and the server's nonce keeps a
//! request from being used again ([`SecurityFeatures`]). Invariants: codes are compared in
//! constant time; a key is scheduled once and shows itself in no `Debug` output. Book: "Proving it".

mod long_term;
mod nonce;

use std::fmt;

use ring::hmac;

pub use long_term::userhash;
pub use nonce::SecurityFeatures;

/// The key of MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256.
#[derive(Clone)]
pub struct Key {
    sha1: hmac::Key,
    sha256: hmac::Key,
}

/// Which integrity attributes to write (RFC 8489 §9.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithms {
    /// MESSAGE-INTEGRITY only: RFC 5389 and all ICE agents.
    #[default]
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256 only: where both sides are known to implement RFC 8489.
    Sha256,
    /// Both, in this order: a first request to a server of unknown age.
    Both,
}

/// Why [`Message::verify`](crate::Message::verify) does not vouch for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// It has neither MESSAGE-INTEGRITY nor MESSAGE-INTEGRITY-SHA256.
    #[error("the message carries no integrity attribute")]
    Missing,
    /// The code is not the one this key gives.
    #[error("the message integrity does not match")]
    Mismatch,
}

impl Key {
    /// The key of a short-term credential (RFC 8489 §9.1.1).
    ///
    /// DEVIATION RFC 8489 §9.1.1: the OpaqueString profile (RFC 8265) is not applied. It leaves ASCII
    /// as it is, and ICE passwords are ASCII (RFC 8839 §5.4).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self::from_octets(password.as_bytes())
    }

    /// The key with these octets.
    pub(crate) fn from_octets(octets: &[u8]) -> Self {
        Self {
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, octets),
            sha256: hmac::Key::new(hmac::HMAC_SHA256, octets),
        }
    }

    pub(crate) fn sign_sha1(&self, octets: &[u8]) -> hmac::Tag {
        hmac::sign(&self.sha1, octets)
    }

    pub(crate) fn sign_sha256(&self, octets: &[u8]) -> hmac::Tag {
        hmac::sign(&self.sha256, octets)
    }

    pub(crate) fn verify_sha1(&self, octets: &[u8], code: &[u8]) -> Result<(), IntegrityError> {
        hmac::verify(&self.sha1, octets, code).map_err(|_| IntegrityError::Mismatch)
    }

    pub(crate) fn verify_sha256(&self, octets: &[u8], code: &[u8]) -> Result<(), IntegrityError> {
        hmac::verify(&self.sha256, octets, code).map_err(|_| IntegrityError::Mismatch)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}
