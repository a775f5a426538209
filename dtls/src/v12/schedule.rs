//! The key schedule: from the ECDHE secret to everything a connection keeps secret.
//!
//! ```text
//!  ECDHE secret ── "extended master secret", Hash(ClientHello … ClientKeyExchange)   RFC 7627 §4
//!        │
//!        ▼
//!  master secret ┬ "key expansion", server_random + client_random ─► key block       RFC 5246 §6.3
//!   48 octets    ├ "client finished" / "server finished", Hash(…) ─► verify_data     RFC 5246 §7.4.9
//!                └ label, client_random + server_random ─► exported key material     RFC 5705 §4
//! ```
//!
//! The key block of an AEAD suite has no MAC keys (RFC 5246 §6.3, RFC 5288 §3): client key, server
//! key, client IV, server IV, in that order.
//!
//! Invariants: the master secret without the session hash of RFC 7627 cannot be computed here, so a
//! handshake without the extended master secret cannot be finished by mistake; secrets are zeroised
//! on drop and never printed (ring's own copies, inside its HMAC and AEAD keys, are not zeroised). Book: "The handshake and keys".

use ring::hmac;
use zeroize::Zeroizing;

use super::suite::Suite;
use crate::{Error, Role};

/// Octets of `verify_data` in a Finished: RFC 5246 §7.4.9, for every suite that does not say more.
pub(crate) const VERIFY_DATA_LENGTH: usize = 12;

/// Octets of the master secret: RFC 5246 §8.1.
const MASTER_SECRET_LENGTH: usize = 48;

/// Octets of a hello's `random`: RFC 5246 §7.4.1.2.
pub(crate) const RANDOM_LENGTH: usize = 32;

/// Longest AEAD key of our suites: AES-256 and ChaCha20.
const MAX_KEY_LENGTH: usize = 32;

/// Longest fixed IV of our suites: ChaCha20-Poly1305's (RFC 7905 §2).
const MAX_IV_LENGTH: usize = 12;

/// Proof that the peer's Finished was right: only [`MasterSecret::verify_finished`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FinishedVerified(());

/// The two hello randoms, which salt every use of the master secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Randoms {
    /// `ClientHello.random`.
    pub(crate) client: [u8; RANDOM_LENGTH],
    /// `ServerHello.random`.
    pub(crate) server: [u8; RANDOM_LENGTH],
}

/// The master secret and what is needed to use it. Zeroised on drop, never printed.
pub(crate) struct MasterSecret {
    secret: Zeroizing<[u8; MASTER_SECRET_LENGTH]>,
    randoms: Randoms,
    suite: Suite,
}

impl MasterSecret {
    // ANCHOR: derive
    /// The extended master secret: RFC 7627 §4.
    ///
    /// `session_hash` covers every handshake message up to and with ClientKeyExchange.
    pub(crate) fn derive(
        suite: Suite,
        pre_master_secret: &[u8],
        session_hash: &[u8],
        randoms: Randoms,
    ) -> Self {
        let mut secret = Zeroizing::new([0; MASTER_SECRET_LENGTH]);
        let label = b"extended master secret";
        suite.hash().prf(pre_master_secret, label, &[session_hash], secret.as_mut());
        Self { secret, randoms, suite }
    }
    // ANCHOR_END: derive

    /// The suite whose PRF and key sizes this secret serves.
    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    // ANCHOR: key_block
    /// Both directions' keys: RFC 5246 §6.3. Here the server's random comes first.
    pub(crate) fn key_block(&self) -> KeyBlock {
        let (key, iv) = (self.suite.key_length(), self.suite.fixed_iv_length());
        let mut octets = Zeroizing::new([0; 2 * (MAX_KEY_LENGTH + MAX_IV_LENGTH)]);
        let (block, _) = octets.split_at_mut(2 * (key + iv));
        let seed: [&[u8]; 2] = [&self.randoms.server, &self.randoms.client];
        self.suite.hash().prf(self.secret.as_ref(), b"key expansion", &seed, block);
        let (keys, ivs) = block.split_at(2 * key);
        let (client_key, server_key) = keys.split_at(key);
        let (client_iv, server_iv) = ivs.split_at(iv);
        KeyBlock {
            client: TrafficKey::new(client_key, client_iv),
            server: TrafficKey::new(server_key, server_iv),
        }
    }
    // ANCHOR_END: key_block

    /// `verify_data` of the Finished that `sender` sends: RFC 5246 §7.4.9.
    pub(crate) fn verify_data(&self, sender: Role, messages: &[u8]) -> [u8; VERIFY_DATA_LENGTH] {
        let label: &[u8] = match sender {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let hash = self.suite.hash().hash(messages);
        let mut data = [0; VERIFY_DATA_LENGTH];
        self.suite.hash().prf(self.secret.as_ref(), label, &[hash.as_ref()], &mut data);
        data
    }

    /// Compares a received Finished with what `sender` should have sent, in constant time.
    pub(crate) fn verify_finished(
        &self,
        sender: Role,
        messages: &[u8],
        received: &[u8],
    ) -> Result<FinishedVerified, Error> {
        let expected = self.verify_data(sender, messages);
        // The HMACs of both under a key of ours are compared: how long that takes says nothing.
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_ref());
        let received = hmac::sign(&key, received);
        hmac::verify(&key, &expected, received.as_ref()).map_err(|_| Error::FinishedWrong)?;
        Ok(FinishedVerified(()))
    }

    /// `PRF(master_secret, label, client_random + server_random)`, for the exporter: RFC 5705 §4.
    /// Here the client's random comes first.
    pub(super) fn export(&self, label: &[u8], out: &mut [u8]) {
        let seed: [&[u8]; 2] = [&self.randoms.client, &self.randoms.server];
        self.suite.hash().prf(self.secret.as_ref(), label, &seed, out);
    }
}

impl std::fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterSecret").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// The keys of both directions, in the order of RFC 5246 §6.3.
#[derive(Debug)]
pub(crate) struct KeyBlock {
    /// What the client seals with and the server opens with.
    pub(crate) client: TrafficKey,
    /// What the server seals with and the client opens with.
    pub(crate) server: TrafficKey,
}

/// One direction's AEAD key and fixed IV. Zeroised on drop, never printed.
pub(crate) struct TrafficKey {
    octets: Zeroizing<[u8; MAX_KEY_LENGTH + MAX_IV_LENGTH]>,
    key: usize,
    iv: usize,
}

impl TrafficKey {
    /// A key from its two parts; longer than our suites' are cut (they never are).
    pub(crate) fn new(key: &[u8], iv: &[u8]) -> Self {
        let mut octets = Zeroizing::new([0; MAX_KEY_LENGTH + MAX_IV_LENGTH]);
        for (to, from) in octets.iter_mut().zip(key.iter().chain(iv)) {
            *to = *from;
        }
        Self { octets, key: key.len().min(MAX_KEY_LENGTH), iv: iv.len().min(MAX_IV_LENGTH) }
    }

    /// The AEAD key.
    pub(crate) fn key(&self) -> &[u8] {
        self.octets.split_at(self.key).0
    }

    /// The fixed part of the nonce: RFC 5288 §3 calls it salt, RFC 7905 §2 the write IV.
    pub(crate) fn iv(&self) -> &[u8] {
        self.octets.split_at(self.key).1.split_at(self.iv).0
    }
}

impl std::fmt::Debug for TrafficKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrafficKey(…)")
    }
}

#[cfg(test)]
impl MasterSecret {
    /// A master secret from a browser's key log, for replaying captures.
    pub(crate) fn from_key_log(suite: Suite, secret: [u8; 48], randoms: Randoms) -> Self {
        Self { secret: Zeroizing::new(secret), randoms, suite }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOMS: Randoms = Randoms { client: [1; 32], server: [2; 32] };

    fn secret(suite: Suite) -> MasterSecret {
        MasterSecret::derive(suite, &[3; 32], &[4; 32], RANDOMS)
    }

    #[test]
    fn the_two_directions_differ_and_have_the_suites_sizes() {
        for suite in Suite::ALL {
            let block = secret(suite).key_block();
            assert_eq!(block.client.key().len(), suite.key_length());
            assert_eq!(block.client.iv().len(), suite.fixed_iv_length());
            assert_ne!(block.client.key(), block.server.key());
            assert_ne!(block.client.iv(), block.server.iv());
        }
    }

    #[test]
    fn section_7_4_9_the_two_sides_finished_differ() {
        let secret = secret(Suite::EcdheEcdsaAes128Gcm);
        let client = secret.verify_data(Role::Client, b"messages");
        assert_ne!(client, secret.verify_data(Role::Server, b"messages"));
        assert!(secret.verify_finished(Role::Client, b"messages", &client).is_ok());
    }

    #[test]
    fn row_53_finished_wrong_anywhere_is_an_error() {
        let secret = secret(Suite::EcdheEcdsaAes256Gcm);
        let right = secret.verify_data(Role::Server, b"messages");
        for octet in 0..right.len() {
            let mut wrong = right;
            wrong[octet] ^= 1;
            let verdict = secret.verify_finished(Role::Server, b"messages", &wrong);
            assert_eq!(verdict.unwrap_err(), Error::FinishedWrong);
        }
        for length in [0, 11] {
            assert!(secret.verify_finished(Role::Server, b"messages", &right[..length]).is_err());
        }
        assert!(secret.verify_finished(Role::Server, b"message", &right).is_err());
        assert!(secret.verify_finished(Role::Client, b"messages", &right).is_err());
    }

    #[test]
    fn row_80_secrets_do_not_print() {
        let secret = MasterSecret::derive(
            Suite::EcdheEcdsaAes128Gcm,
            &[0xab; 32],
            &[0xcd; 32],
            Randoms { client: [0; 32], server: [0; 32] },
        );
        let octets: Vec<String> = secret.secret.iter().map(u8::to_string).collect();
        let printed = format!("{secret:?} {:?}", secret.key_block());
        assert_eq!(
            printed,
            "MasterSecret { suite: EcdheEcdsaAes128Gcm, .. } \
             KeyBlock { client: TrafficKey(…), server: TrafficKey(…) }"
        );
        assert!(!printed.contains(&octets.join(", ")));
    }
}
