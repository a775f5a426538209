//! Long-term credentials: a user name and a password that a server knows for good.
//!
//! RFC 8489 §9.2.2, §18.5.1, §14.4. The key is a hash, so that a server can store it instead of the
//! password; both sides make it here:
//!
//! ```text
//! key      = MD5 or SHA-256 (username ":" realm ":" password)
//! userhash = SHA-256        (username ":" realm)
//! ```
//!
//! DEVIATION RFC 8489 §9.2.2: the OpaqueString profile (RFC 8265) is not applied: what the user
//! typed is hashed as it is. That differs only for text that is not in Unicode's form NFC or has
//! spaces other than U+0020. Book: "Relay".

use md5::{Digest, Md5};
use ring::digest;
use zeroize::Zeroizing;

use super::Key;
use crate::{PasswordAlgorithm, Text};

impl Key {
    /// The key of a long-term credential (RFC 8489 §9.2.2); `None` if the algorithm is unknown here or
    /// has parameters, which neither MD5 nor SHA-256 has (§18.5.1).
    ///
    /// ```
    /// use stun::{Key, PasswordAlgorithm};
    ///
    /// let realm = "example.org".into();
    /// assert!(Key::long_term("user", &realm, "secret", &PasswordAlgorithm::sha_256()).is_some());
    /// ```
    #[must_use]
    pub fn long_term(
        username: &str,
        realm: &Text,
        password: &str,
        algorithm: &PasswordAlgorithm,
    ) -> Option<Self> {
        let parts = [username.as_bytes(), b":", realm.as_bytes(), b":", password.as_bytes()];
        let octets = Zeroizing::new(parts.concat());
        match algorithm.algorithm {
            _ if !algorithm.parameters.is_empty() => None,
            PasswordAlgorithm::MD5 => Some(Self::from_octets(&Md5::digest(&octets))),
            PasswordAlgorithm::SHA_256 => {
                Some(Self::from_octets(digest::digest(&digest::SHA256, &octets).as_ref()))
            }
            _ => None,
        }
    }
}

/// What USERHASH says instead of the user name (RFC 8489 §14.4).
#[must_use]
pub fn userhash(username: &str, realm: &Text) -> [u8; 32] {
    let octets = [username.as_bytes(), b":", realm.as_bytes()].concat();
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &octets).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Algorithms;
    use crate::{Message, Method, TransactionId};

    // The keys of RFC 5769 §2.4 and RFC 8489 App. B.1 are checked in `wire/message/vectors.rs`.

    const USERNAME: &str = "user";
    const PASSWORD: &str = "TheMatrIX";

    fn realm() -> Text {
        Text::from_static("example.org")
    }

    #[test]
    fn algorithms_nobody_knows_make_no_key() {
        let with_parameters =
            PasswordAlgorithm { parameters: vec![1].into(), ..PasswordAlgorithm::sha_256() };
        for algorithm in [PasswordAlgorithm::new(3), with_parameters] {
            assert!(Key::long_term(USERNAME, &realm(), PASSWORD, &algorithm).is_none());
        }
    }

    #[test]
    fn row_33_the_password_is_never_on_the_wire() {
        let key = Key::long_term(USERNAME, &realm(), PASSWORD, &PasswordAlgorithm::md5()).unwrap();
        let request = Message::request(Method::ALLOCATE, TransactionId([1; 12]));
        let octets = request.encode_with(Some(&key), Algorithms::Both);
        assert!(!octets.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
    }
}
