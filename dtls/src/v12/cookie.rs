//! Cookies of HelloVerifyRequest: the server's proof that a client receives where it sends from.
//! RFC 6347 §4.2.1.
//!
//! ```text
//! client                                       server
//! ClientHello ───────────────────────────────►
//!             ◄─────────────── HelloVerifyRequest(cookie)      nothing remembered
//! ClientHello(cookie) ───────────────────────►                 cookie == HMAC(secret, hello)?
//! ```
//!
//! WebRTC does without (`Config::hello_verify` is off): ICE has checked the path already, and a
//! browser's ClientHello has two fragments, which have to be remembered to be read at all.
//!
//! The RFC's HMAC covers the client's address and parameters. A connection of this crate belongs to
//! one path, so its secret stands for the address; it lives as long as the handshake may take (30 s),
//! which is the rotation the RFC asks for. The secret comes from the seedable generator given to the
//! connection: it protects against amplification and no more.
//! Book: "DTLS records and flights".

use rand::Rng;
use ring::hmac;

use crate::wire::handshake::{ClientHello, Cookie};

/// The key of one connection's cookies.
pub(crate) struct CookieSecret(hmac::Key);

impl CookieSecret {
    /// A fresh secret.
    pub(crate) fn generate(rng: &mut impl Rng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// The cookie for this client: HMAC over the parameters that must not change.
    pub(crate) fn cookie(&self, hello: &ClientHello) -> Cookie {
        Cookie(hmac::sign(&self.0, &parameters(hello)).as_ref().to_vec())
    }

    /// Whether `hello` carries the cookie we gave out, in constant time.
    pub(crate) fn verify(&self, hello: &ClientHello) -> bool {
        hmac::verify(&self.0, &parameters(hello), &hello.cookie.0).is_ok()
    }
}

impl std::fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieSecret(…)")
    }
}

/// version, random, session_id, cipher_suites, compression_methods: RFC 6347 §4.2.1.
fn parameters(hello: &ClientHello) -> Vec<u8> {
    let mut octets = Vec::new();
    let fixed =
        ClientHello { cookie: Cookie::default(), extensions: Default::default(), ..hello.clone() };
    fixed.write(&mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::wire::handshake::{Random, SessionId};
    use crate::wire::{CipherSuite, CompressionMethod, ProtocolVersion};

    fn hello() -> ClientHello {
        ClientHello {
            client_version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: SessionId::default(),
            cookie: Cookie::default(),
            cipher_suites: vec![CipherSuite(0xc02b)],
            compression_methods: vec![CompressionMethod::NULL],
            extensions: Default::default(),
        }
    }

    #[test]
    fn row_40_a_cookie_is_good_for_its_client_and_secret_only() {
        let secret = CookieSecret::generate(&mut StdRng::seed_from_u64(1));
        let cookie = secret.cookie(&hello());
        let with = |hello: ClientHello| ClientHello { cookie: cookie.clone(), ..hello };
        assert!(secret.verify(&with(hello())));
        assert!(!secret.verify(&hello()), "no cookie");
        assert!(!secret.verify(&with(ClientHello { random: Random([8; 32]), ..hello() })));
        assert!(!secret.verify(&with(ClientHello { cipher_suites: vec![], ..hello() })));
        let other = CookieSecret::generate(&mut StdRng::seed_from_u64(2));
        assert!(!other.verify(&with(hello())));
        for at in 0..cookie.0.len() {
            let mut wrong = cookie.clone();
            wrong.0[at] ^= 1;
            assert!(!secret.verify(&ClientHello { cookie: wrong, ..hello() }));
        }
        let mut short = cookie.clone();
        short.0.pop();
        assert!(!secret.verify(&ClientHello { cookie: short, ..hello() }));
    }
}
