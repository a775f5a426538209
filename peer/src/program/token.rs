//! The bearer token of `--token` (RFC 6750): who may publish and watch.

use std::fmt;

use axum::http::{HeaderMap, header};
use ring::hmac;
use ring::rand::SystemRandom;

/// A token that requests have to carry. It is not kept: only its keyed hash, under a key that is
/// made anew each time. Comparing hashes takes the same time wherever they differ.
#[derive(Clone)]
pub(super) struct Token {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Requires `token`. `None` if the system has no randomness.
    pub(super) fn new(token: &str) -> Option<Token> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        let tag = hmac::sign(&key, token.as_bytes());
        Some(Token { key, tag })
    }

    /// Whether a request carries it: `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let Some((scheme, token)) = given.and_then(|given| given.split_at_checked(7)) else {
            return false;
        };
        let token = token.trim_ascii();
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && hmac::verify(&self.key, token, self.tag.as_ref()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("open sesame").unwrap();
        let admits = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            token.admits(&headers)
        };
        assert!(admits("Bearer open sesame"));
        assert!(admits("bearer  open sesame"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer open", "Basic open sesame", "open sesame"] {
            assert!(!admits(wrong), "{wrong:?}");
        }
        assert!(!token.admits(&HeaderMap::new()));
        assert!(!format!("{token:?}").contains("sesame"));
    }
}
