//! Ephemeral Diffie-Hellman on X25519, P-256 and P-384: RFC 8422 §5.4 and §5.10, by ring.
//!
//! ```text
//! server                                   client
//! KeyShare::generate(group)
//!   ── ServerKeyExchange: group, point ──► KeyShare::generate(same group)
//!   ◄─ ClientKeyExchange: point ──────────
//! agree(point)                             agree(point)        the same secret
//! ```
//!
//! ring refuses what must be refused: points off the curve, at infinity or compressed (RFC 8422
//! §5.4.1 allows the uncompressed form only), X25519 values that lead to the all-zero secret
//! (RFC 7748 §6.1), and any other length. All become one error, answered with illegal_parameter.
//!
//! Invariants: the private value comes from ring's `SystemRandom` and is used once (it is moved into
//! [`KeyShare::agree`]); the shared secret is only lent to the key schedule. Book: "The handshake
//! and keys".

use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;

use crate::Error;
use crate::wire::NamedGroup;

/// The groups we use, in our order of preference: RFC 8422 §5.1.1.
pub(crate) const GROUPS: [NamedGroup; 3] =
    [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];

/// Our half of a key exchange: a fresh private value and its public value.
pub(crate) struct KeyShare {
    group: NamedGroup,
    private: EphemeralPrivateKey,
    public: agreement::PublicKey,
}

impl KeyShare {
    /// A fresh share on `group`, or an error if it is not one of [`GROUPS`].
    pub(crate) fn generate(group: NamedGroup) -> Result<Self, Error> {
        let algorithm = algorithm(group).ok_or(Error::GroupNotOffered)?;
        let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new())
            .map_err(|_| Error::Crypto)?;
        let public = private.compute_public_key().map_err(|_| Error::Crypto)?;
        Ok(Self { group, private, public })
    }

    /// The group both halves are on.
    pub(crate) fn group(&self) -> NamedGroup {
        self.group
    }

    /// The public value as sent: 32 octets for X25519, an uncompressed point for the others.
    pub(crate) fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    /// Lends the shared secret to `derive`. Fails if the peer's value is not a good point.
    pub(crate) fn agree<R>(
        self,
        remote: &[u8],
        derive: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        let remote = UnparsedPublicKey::new(self.private.algorithm(), remote);
        agree_ephemeral(self.private, &remote, derive).map_err(|_| Error::PublicValueInvalid)
    }
}

impl std::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyShare").field("group", &self.group).finish_non_exhaustive()
    }
}

fn algorithm(group: NamedGroup) -> Option<&'static agreement::Algorithm> {
    match group {
        NamedGroup::X25519 => Some(&agreement::X25519),
        NamedGroup::SECP256R1 => Some(&agreement::ECDH_P256),
        NamedGroup::SECP384R1 => Some(&agreement::ECDH_P384),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_every_group() {
        for group in GROUPS {
            let (ours, theirs) =
                (KeyShare::generate(group).unwrap(), KeyShare::generate(group).unwrap());
            let (our_point, their_point) = (ours.public().to_vec(), theirs.public().to_vec());
            let one = ours.agree(&their_point, <[u8]>::to_vec).unwrap();
            let other = theirs.agree(&our_point, <[u8]>::to_vec).unwrap();
            assert_eq!(one, other);
        }
    }

    #[test]
    fn a_share_on_an_unknown_group_is_an_error() {
        let error = KeyShare::generate(NamedGroup(0x11ec)).unwrap_err();
        assert_eq!(error, Error::GroupNotOffered);
    }

    fn refused(group: NamedGroup, remote: &[u8]) {
        let share = KeyShare::generate(group).unwrap();
        let error = share.agree(remote, |_| ()).unwrap_err();
        assert_eq!(error, Error::PublicValueInvalid, "{group} {remote:02x?}");
    }

    #[test]
    fn row_50_points_off_the_curve_compressed_or_infinite_are_refused() {
        for group in [NamedGroup::SECP256R1, NamedGroup::SECP384R1] {
            let good = KeyShare::generate(group).unwrap().public().to_vec();
            let mut off_curve = good.clone();
            *off_curve.last_mut().unwrap() ^= 1;
            refused(group, &off_curve);
            let half = good.len() / 2;
            for form in [2, 3] {
                let mut compressed = good[..=half].to_vec();
                compressed[0] = form;
                refused(group, &compressed);
            }
            refused(group, &[0]);
            refused(group, &[]);
            refused(group, &good[..good.len() - 1]);
            let mut zeros = vec![0; good.len()];
            zeros[0] = 4;
            refused(group, &zeros);
        }
    }

    #[test]
    fn row_50_low_order_x25519_values_are_refused() {
        let mut order_eight = [0; 32];
        order_eight.copy_from_slice(&crate::v12::testing::hex(
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        ));
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut one = [0; 32];
        one[0] = 1;
        for low_order in [[0; 32], one, minus_one, order_eight] {
            refused(NamedGroup::X25519, &low_order);
        }
        refused(NamedGroup::X25519, &[9; 31]);
        refused(NamedGroup::X25519, &[9; 33]);
    }

    #[test]
    fn row_80_a_share_does_not_print_its_private_value() {
        let share = KeyShare::generate(NamedGroup::X25519).unwrap();
        assert!(format!("{share:?}").ends_with(", .. }"));
    }
}
