//! The nonce cookie: what a server can do, said where nobody on the way can take it back.
//!
//! RFC 8489 §9.2, §18.1. A nonce may begin with nine fixed characters and 24 feature bits in base64:
//!
//! ```text
//! +-----------+------+---------------------------+
//! | obMatJos2 | wAAA | anything                  |
//! +-----------+------+---------------------------+
//!     cookie    24 bits, the first is the most significant of the first octet
//! ```
//!
//! Why: the client sends the nonce back under its integrity. Who strikes PASSWORD-ALGORITHMS from a
//! challenge, to have MD5 used, leaves a nonce that still promises them, and the client does not go
//! on (§9.2.1). The example of App. B.1 has its bits the other way round (`AAAC`); the text counts.
//! Book: "Relay".

use std::fmt::Write;

use crate::Text;

/// The nine characters (RFC 8489 §9.2).
const COOKIE: &str = "obMatJos2";

/// The alphabet of base64 (RFC 4648 §4).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bit 0 in the first of the four characters.
const PASSWORD_ALGORITHMS: usize = 0b10_0000;
/// Bit 1 in the first of the four characters.
const USERNAME_ANONYMITY: usize = 0b01_0000;

/// What a nonce says about its server (RFC 8489 §18.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecurityFeatures {
    /// The challenge comes with PASSWORD-ALGORITHMS (bit 0).
    pub password_algorithms: bool,
    /// The server wants USERHASH instead of USERNAME (bit 1).
    pub username_anonymity: bool,
}

impl SecurityFeatures {
    /// What a nonce says; nothing is promised by one without the cookie, as all of RFC 5389 are.
    #[must_use]
    pub fn of_nonce(nonce: &Text) -> Self {
        let Some([first, rest @ ..]) = nonce.as_bytes().strip_prefix(COOKIE.as_bytes()) else {
            return Self::default();
        };
        let value = |octet: &u8| BASE64.iter().position(|character| character == octet);
        let others = rest.get(..3).unwrap_or_default();
        match value(first) {
            Some(bits) if others.len() == 3 && others.iter().all(|o| value(o).is_some()) => Self {
                password_algorithms: bits & PASSWORD_ALGORITHMS != 0,
                username_anonymity: bits & USERNAME_ANONYMITY != 0,
            },
            _ => Self::default(),
        }
    }

    /// The nonce that says this and goes on with `token`, which should be as hard to guess as the
    /// server's nonces are meant to be.
    #[must_use]
    pub fn to_nonce(self, token: &str) -> Text {
        let password_algorithms = if self.password_algorithms { PASSWORD_ALGORITHMS } else { 0 };
        let username_anonymity = if self.username_anonymity { USERNAME_ANONYMITY } else { 0 };
        let bits = password_algorithms | username_anonymity;
        let first = BASE64.get(bits).copied().map_or('A', char::from);
        let mut nonce = String::from(COOKIE);
        let _ = write!(nonce, "{first}AAA{token}");
        Text::new(&nonce)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_8489_section_9_2_bit_0_is_the_most_significant() {
        let features = |password_algorithms, username_anonymity| SecurityFeatures {
            password_algorithms,
            username_anonymity,
        };
        for (said, nonce) in [
            (features(false, false), "obMatJos2AAAAtoken"),
            (features(true, false), "obMatJos2gAAAtoken"),
            (features(false, true), "obMatJos2QAAAtoken"),
            (features(true, true), "obMatJos2wAAAtoken"),
        ] {
            assert_eq!(said.to_nonce("token"), nonce.into());
            assert_eq!(SecurityFeatures::of_nonce(&nonce.into()), said);
        }
    }

    #[test]
    fn a_nonce_without_the_whole_cookie_promises_nothing() {
        for nonce in
            ["", "wAAA", "obMatJos2", "obMatJos2wAA", "obMatJos2wA-Atoken", "obmatjos2wAAAtoken"]
        {
            assert_eq!(SecurityFeatures::of_nonce(&nonce.into()), SecurityFeatures::default());
        }
    }

    #[test]
    fn bits_that_mean_nothing_yet_do_not_hide_those_that_do() {
        let said = SecurityFeatures::of_nonce(&"obMatJos2/////token".into());
        assert!(said.password_algorithms && said.username_anonymity);
    }

    proptest! {
        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..20), cookie in any::<bool>()) {
            let start = if cookie { COOKIE.as_bytes() } else { b"" };
            let nonce = Text::parse([start, &octets].concat().into());
            let _ = SecurityFeatures::of_nonce(&nonce);
        }
    }
}
