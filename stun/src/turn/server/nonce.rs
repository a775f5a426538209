//! Nonces that cost no memory: what a server wants to know later stands in the nonce itself
//! (RFC 8489 §9.2, §14.10).
//!
//! ```text
//! "obMatJos2" "wAAA"    issued      MAC
//!  nonce cookie  features  8 hex      16 hex digits over time, transport, address
//! ```
//!
//! A stranger's request is answered with a nonce and forgotten. Who comes back with it has received
//! an answer at that address: its source is not forged. The first thirteen octets tell a client of
//! RFC 8489 which features the server has; an attacker who takes them out, so that the client falls
//! back to MD5, has made another nonce, and that one is stale here (§9.2.1, "bid-down").
//!
//! Invariants: a nonce is good at one client address over one transport, for [`Nonces::lifetime`];
//! the key never leaves this process. Book: "Relay".

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use rand::Rng;
use rand::rngs::StdRng;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::{SecurityFeatures, ServerTransport, Text};

/// What this server has: both features there are (RFC 8489 §18.1).
const FEATURES: SecurityFeatures =
    SecurityFeatures { password_algorithms: true, username_anonymity: true };

/// Octets of the nonce cookie and the features.
const COOKIE_LENGTH: usize = 13;

/// Octets of the MAC that are shown. Guessing 64 bits takes more requests than the budget of
/// strangers allows.
const MAC_LENGTH: usize = 8;

/// Octets of a nonce: anything else is not ours.
const LENGTH: usize = COOKIE_LENGTH + 2 * 4 + 2 * MAC_LENGTH;

/// Makes nonces and knows its own again.
pub(super) struct Nonces {
    key: hmac::Key,
    epoch: Instant,
    lifetime: Duration,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Nonces {
    pub(super) fn new(now: Instant, lifetime: Duration, rng: &mut StdRng) -> Self {
        let mut key = [0; 32];
        if SystemRandom::new().fill(&mut key).is_err() {
            // `StdRng` is a cryptographic generator too, seeded once from the same source.
            rng.fill_bytes(&mut key);
        }
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), epoch: now, lifetime }
    }

    /// A nonce for a client.
    pub(super) fn issue(
        &self,
        now: Instant,
        transport: ServerTransport,
        client: SocketAddr,
    ) -> Text {
        self.write(self.seconds(now), transport, client)
    }

    /// Whether we gave this nonce to that client, not too long ago.
    pub(super) fn is_fresh(
        &self,
        now: Instant,
        transport: ServerTransport,
        client: SocketAddr,
        nonce: &Text,
    ) -> bool {
        let issued = nonce
            .as_str()
            .filter(|text| text.len() == LENGTH)
            .and_then(|text| text.get(COOKIE_LENGTH..COOKIE_LENGTH + 8))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(issued) = issued else { return false };
        let age = u64::from(self.seconds(now).wrapping_sub(issued));
        age <= self.lifetime.as_secs()
            && is_equal(self.write(issued, transport, client).as_bytes(), nonce.as_bytes())
    }

    fn write(&self, issued: u32, transport: ServerTransport, client: SocketAddr) -> Text {
        let mut covered = BytesMut::with_capacity(32);
        covered.put_u32(issued);
        covered.put_u8(match transport {
            ServerTransport::Udp => 0,
            ServerTransport::Tcp => 1,
            ServerTransport::Tls => 2,
        });
        match client.ip() {
            IpAddr::V4(ip) => covered.put_slice(&ip.octets()),
            IpAddr::V6(ip) => covered.put_slice(&ip.octets()),
        }
        covered.put_u16(client.port());
        let mac = hmac::sign(&self.key, &covered);
        let mut token = String::with_capacity(LENGTH);
        // Writing to a string cannot fail.
        let _ = write!(token, "{issued:08x}");
        for octet in mac.as_ref().iter().take(MAC_LENGTH) {
            let _ = write!(token, "{octet:02x}");
        }
        FEATURES.to_nonce(&token)
    }

    fn seconds(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.epoch).as_secs();
        // Wraps after 136 years, as does the age computed from it.
        u32::try_from(seconds & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }
}

/// Compares in a time that does not tell where the difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);

    fn client() -> SocketAddr {
        "192.0.2.7:50000".parse().unwrap()
    }

    #[test]
    fn a_nonce_is_good_for_its_client_until_it_expires() {
        let now = Instant::now();
        let nonces = Nonces::new(now, LIFETIME, &mut StdRng::seed_from_u64(1));
        let issued = now + Duration::from_secs(5);
        let nonce = nonces.issue(issued, ServerTransport::Udp, client());
        let fresh = |at, transport, client: &str| {
            nonces.is_fresh(at, transport, client.parse().unwrap(), &nonce)
        };
        assert!(fresh(issued, ServerTransport::Udp, "192.0.2.7:50000"));
        assert!(fresh(issued + LIFETIME, ServerTransport::Udp, "192.0.2.7:50000"));
        let late = issued + LIFETIME + Duration::from_secs(1);
        assert!(!fresh(late, ServerTransport::Udp, "192.0.2.7:50000"));
        assert!(!fresh(issued, ServerTransport::Tcp, "192.0.2.7:50000"));
        assert!(!fresh(issued, ServerTransport::Udp, "192.0.2.7:50001"));
        assert!(!fresh(issued, ServerTransport::Udp, "192.0.2.8:50000"));
    }

    #[test]
    fn rfc_8489_section_9_2_another_cookie_or_key_or_octet_is_stale() {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(1);
        let nonces = Nonces::new(now, LIFETIME, &mut rng);
        let good = nonces.issue(now, ServerTransport::Udp, client());
        let good = good.as_str().unwrap();
        assert!(good.starts_with("obMatJos2wAAA"));
        let another_server = Nonces::new(now, LIFETIME, &mut rng);
        assert!(!another_server.is_fresh(now, ServerTransport::Udp, client(), &good.into()));
        for at in 0..good.len() {
            let mut bad = good.as_bytes().to_vec();
            bad[at] ^= 1;
            let bad = Text::new(std::str::from_utf8(&bad).unwrap());
            assert!(!nonces.is_fresh(now, ServerTransport::Udp, client(), &bad), "octet {at}");
            assert!(!nonces.is_fresh(now, ServerTransport::Udp, client(), &good[..at].into()));
        }
        // Without its features, as somebody on the way would like the client to believe.
        assert!(!nonces.is_fresh(now, ServerTransport::Udp, client(), &good[13..].into()));
    }
}
