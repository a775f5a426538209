//! What strangers may cost: octets of answers to datagrams that nobody has vouched for.
//!
//! A server that answers strangers is a mirror: whoever forges a source address makes it send to a
//! third party, and a 401 with realm and nonce is longer than the request that provoked it. So each
//! source has a token bucket of octets. A victim gets no more than [`RATE`] through this server,
//! however many requests are forged in its name; what exceeds that is dropped unanswered, and an
//! honest client, which sends again after half a second (RFC 8489 §6.2.1), waits that long.
//!
//! Invariant: the memory is the same for one source and for a billion: [`BUCKETS`] of them, chosen by
//! a keyed hash. Sources that fall into one bucket share it. Streams have no need of this: there the
//! handshake has proved the source. Book: "Relay".

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;

/// Buckets: 64 kB, and few strangers that share one.
const BUCKETS: usize = 4096;

/// Octets a second for one source: about 150 refusals, or 400 Binding responses, of all the clients
/// behind one NAT.
pub(super) const RATE: u32 = 16 << 10;

/// Octets at once: 200 clients behind one NAT that begin together.
pub(super) const BURST: u32 = 32 << 10;

/// How much has been spent, for each source.
#[derive(Debug)]
pub(super) struct Budget {
    /// Nobody outside knows which sources share a bucket.
    key: u64,
    buckets: Vec<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant, rng: &mut StdRng) -> Self {
        Self { key: rng.random(), buckets: vec![Bucket { left: BURST, filled: now }; BUCKETS] }
    }

    /// Whether so many octets may go to a client that has proved nothing; they count as gone.
    pub(super) fn spend(&mut self, now: Instant, client: SocketAddr, octets: usize) -> bool {
        let Some(bucket) = self.bucket(client.ip()) else { return false };
        bucket.fill(now);
        match u32::try_from(octets).ok().and_then(|octets| bucket.left.checked_sub(octets)) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }

    fn bucket(&mut self, ip: IpAddr) -> Option<&mut Bucket> {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        match ip {
            IpAddr::V4(ip) => ip.hash(&mut hasher),
            // Whoever has one address of a /64 has all of them.
            IpAddr::V6(ip) => ip.octets().iter().take(8).for_each(|octet| octet.hash(&mut hasher)),
        }
        let index = usize::try_from(hasher.finish() % BUCKETS as u64).unwrap_or(0);
        self.buckets.get_mut(index)
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        let gained = elapsed.as_millis().saturating_mul(u128::from(RATE)) / 1000;
        // Less than an octet is kept as time.
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(gained).min(BURST);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;

    use super::*;

    fn budget(now: Instant) -> Budget {
        Budget::new(now, &mut StdRng::seed_from_u64(7))
    }

    #[test]
    fn row_18_a_victim_gets_no_more_than_the_rate() {
        let start = Instant::now();
        let mut budget = budget(start);
        let victim = "192.0.2.1:53".parse().unwrap();
        let mut sent = 0;
        for request in 0..100_000 {
            // Ten seconds of forged requests, ten thousand a second.
            let now = start + Duration::from_micros(100) * request;
            if budget.spend(now, victim, 100) {
                sent += 100;
            }
        }
        assert!(sent <= BURST + 10 * RATE, "{sent}");
        assert!(sent >= BURST + 9 * RATE, "{sent}");
        assert_eq!(budget.buckets.len(), BUCKETS);
    }

    #[test]
    fn the_port_makes_no_other_source_and_the_lower_half_of_ipv6_neither() {
        let now = Instant::now();
        for (spent, same, other) in [
            ("192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"),
            ("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::1]:1"),
        ] {
            let mut budget = budget(now);
            let burst = usize::try_from(BURST).unwrap();
            assert!(budget.spend(now, spent.parse().unwrap(), burst));
            assert!(!budget.spend(now, same.parse().unwrap(), 1));
            assert!(budget.spend(now, other.parse().unwrap(), burst));
        }
    }

    #[test]
    fn time_that_stands_still_or_runs_backwards_gives_nothing() {
        let now = Instant::now() + Duration::from_secs(10);
        let mut budget = budget(now);
        let client = "192.0.2.1:1".parse().unwrap();
        assert!(budget.spend(now, client, usize::try_from(BURST).unwrap()));
        assert!(!budget.spend(now, client, 1));
        assert!(!budget.spend(now - Duration::from_secs(10), client, 1));
        assert!(budget.spend(now + Duration::from_secs(1), client, usize::try_from(RATE).unwrap()));
        assert!(!budget.spend(now + Duration::from_secs(1), client, 100_000_000_000));
    }
}
