//! The username fragment and password of one side (RFC 8445 §5.3, RFC 8839 §5.4).
//!
//! They are short-term STUN credentials: a check to the peer carries `remote:local` as USERNAME and
//! is signed with the *remote* password (RFC 8445 §7.2.2). Book: chapter "STUN and integrity".
//!
//! Invariant: the password never prints.

use std::fmt;

use rand::{Rng, RngExt};
use zeroize::Zeroize;

use crate::error::Error;

/// The 64 characters a credential is made of (RFC 8839 §5.4 `ice-char`): six random bits each.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// 48 random bits; RFC 8445 §5.3 demands at least 24.
const UFRAG_LENGTH: usize = 8;
/// 144 random bits; RFC 8445 §5.3 demands at least 128.
const PWD_LENGTH: usize = 24;
/// Both are at most this long (RFC 8839 §5.4).
const MAX_LENGTH: usize = 256;

/// `ice-ufrag` and `ice-pwd` (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 4 to 256 ice-chars; it names the session in checks and is no secret.
    pub ufrag: String,
    /// 22 to 256 ice-chars; it signs checks.
    pub pwd: String,
}

impl Credentials {
    /// New credentials with 48 and 144 random bits. `rng` must be cryptographically strong, as
    /// [`rand::rngs::StdRng`] is, and seeded from the system outside of tests.
    pub fn generate(rng: &mut impl Rng) -> Self {
        Self { ufrag: characters(rng, UFRAG_LENGTH), pwd: characters(rng, PWD_LENGTH) }
    }

    /// Whether lengths and characters are those of RFC 8839 §5.4.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`].
    pub fn validate(&self) -> Result<(), Error> {
        let legal = |text: &str, shortest: usize| {
            (shortest..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_ice_char)
        };
        if legal(&self.ufrag, 4) && legal(&self.pwd, 22) {
            Ok(())
        } else {
            Err(Error::InvalidCredentials)
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.pwd.zeroize();
    }
}

/// Whether `text` can be the fragment of some agent.
pub(crate) fn is_ufrag(text: &str) -> bool {
    (4..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// The RFC's alphabet, and `-` and `_`: some stacks write base64url, and nothing is gained by
/// refusing them.
fn is_ice_char(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'-' | b'_')
}

fn characters(rng: &mut impl Rng, length: usize) -> String {
    (0..length)
        .map(|_| {
            let index = usize::from(rng.random::<u8>() & 63);
            char::from(ICE_CHARS.get(index).copied().unwrap_or(b'A'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn row_30_ufrag_and_password_have_enough_random_bits() {
        let mut rng = StdRng::seed_from_u64(1);
        let one = Credentials::generate(&mut rng);
        let other = Credentials::generate(&mut rng);
        assert!(one.validate().is_ok() && other.validate().is_ok());
        assert_ne!(one, other);
        assert!(one.ufrag.len() * 6 >= 24 && one.pwd.len() * 6 >= 128);
    }

    #[test]
    fn row_78_credential_lengths() {
        let credentials = |ufrag: usize, pwd: usize| Credentials {
            ufrag: "u".repeat(ufrag),
            pwd: "p".repeat(pwd),
        };
        for (ufrag, pwd, legal) in [
            (4, 22, true),
            (256, 256, true),
            (3, 22, false),
            (4, 21, false),
            (257, 22, false),
            (4, 257, false),
        ] {
            assert_eq!(credentials(ufrag, pwd).validate().is_ok(), legal, "{ufrag} {pwd}");
        }
        let colon = Credentials { ufrag: "a:bc".to_owned(), pwd: "p".repeat(22) };
        assert!(colon.validate().is_err());
    }

    #[test]
    fn row_80_the_password_never_prints() {
        let credentials = Credentials::generate(&mut StdRng::seed_from_u64(2));
        assert!(!format!("{credentials:?}").contains(&credentials.pwd));
    }
}
