//! The pseudorandom function of TLS 1.2: RFC 5246 §5, by ring's HMAC.
//!
//! ```text
//! PRF(secret, label, seed) = P_hash(secret, label + seed)
//!
//! A(0) = seed            P_hash(secret, seed) = HMAC(secret, A(1) + seed) +
//! A(i) = HMAC(A(i-1))                           HMAC(secret, A(2) + seed) + …
//! ```
//!
//! Everything secret in a DTLS 1.2 connection is a PRF of something: the master secret, the record
//! keys, the Finished check and what the exporter hands to SRTP. The hash is the suite's: SHA-384
//! for the AES-256 suites (RFC 5289 §3.2), SHA-256 for the others.
//!
//! Book: "The handshake and keys".

use ring::{digest, hmac};

/// The hash a cipher suite names: of its PRF and of its handshake transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrfHash {
    /// SHA-256, the hash of TLS 1.2 unless the suite says otherwise (RFC 5246 §5).
    Sha256,
    /// SHA-384, for the suites whose name ends so (RFC 5289 §3.2).
    Sha384,
}

impl PrfHash {
    /// `PRF(secret, label, seed)` cut to `out.len()` octets: RFC 5246 §5.
    ///
    /// The seed comes in pieces, since every caller concatenates: two randoms, or one hash.
    pub(crate) fn prf(self, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        let key = hmac::Key::new(self.hmac(), secret);
        let mut a = mac(&key, &[label], seed);
        for block in out.chunks_mut(self.digest().output_len()) {
            let mut context = hmac::Context::with_key(&key);
            context.update(a.as_ref());
            context.update(label);
            seed.iter().for_each(|piece| context.update(piece));
            let full = context.sign();
            for (out, octet) in block.iter_mut().zip(full.as_ref()) {
                *out = *octet;
            }
            a = mac(&key, &[a.as_ref()], &[]);
        }
    }

    /// `Hash(octets)`, for the transcript: RFC 5246 §7.4.9.
    pub(crate) fn hash(self, octets: &[u8]) -> digest::Digest {
        digest::digest(self.digest(), octets)
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }
}

fn mac(key: &hmac::Key, first: &[&[u8]], then: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    first.iter().chain(then).for_each(|piece| context.update(piece));
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v12::testing::hex;

    /// The vectors everyone uses, from the TLS working group's list (no RFC prints any).
    #[test]
    fn p_sha256_of_the_working_groups_vector() {
        let mut out = [0; 100];
        PrfHash::Sha256.prf(
            &hex("9bbe436ba940f017b17652849a71db35"),
            b"test label",
            &[&hex("a0ba9f936cda311827a6f796ffd5198c")],
            &mut out,
        );
        assert_eq!(
            out.to_vec(),
            hex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
                 6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
                 4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
                 87347b66")
        );
    }

    #[test]
    fn p_sha384_of_the_working_groups_vector() {
        let mut out = [0; 148];
        PrfHash::Sha384.prf(
            &hex("b80b733d6ceefcdc71566ea48e5567df"),
            b"test label",
            &[&hex("cd665cf6a8447dd6ff8b27555edb7465")],
            &mut out,
        );
        assert_eq!(
            out.to_vec(),
            hex("7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd
                 e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd
                 8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425
                 9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6
                 91c8f3a26854308d5eaa3be85e0990703d73e56f")
        );
    }

    #[test]
    fn a_seed_in_pieces_is_the_seed_in_one() {
        let (mut pieces, mut whole) = ([0; 77], [0; 77]);
        PrfHash::Sha256.prf(b"secret", b"label", &[b"client", b"", b"server"], &mut pieces);
        PrfHash::Sha256.prf(b"secret", b"label", &[b"clientserver"], &mut whole);
        assert_eq!(pieces, whole);
    }

    #[test]
    fn a_shorter_output_is_a_prefix_of_a_longer_one() {
        let (mut short, mut long) = ([0; 12], [0; 131]);
        PrfHash::Sha384.prf(b"secret", b"label", &[b"seed"], &mut short);
        PrfHash::Sha384.prf(b"secret", b"label", &[b"seed"], &mut long);
        assert_eq!(short, long[..12]);
    }
}
