//! Which relayed addresses are lent, to whom and until when, and which to lend next
//! (RFC 8656 §7.2).
//!
//! ```text
//!   free ──lend──► lent to a client ──extend──► … until ──expired──► free
//!                     └──hand_over──► kept for who has the token ──hand_over──► lent to a client
//! ```
//!
//! Ports are drawn at random, so that nobody guesses the next one, and so that packets which are still
//! on their way to a former owner seldom meet a new one. Two ports in a row, the first of them even,
//! serve who wants RTP and RTCP side by side (EVEN-PORT, RFC 8656 §18.7).
//!
//! Invariant: an address that is in the table is lent or about to be; nobody else gets it.
//! Book: "Relay".

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;

use super::allocation::FiveTuple;
use crate::Family;
use crate::wire::ReservationToken;

/// Who has a relayed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A client with an allocation, or with one that is being made.
    Client(FiveTuple),
    /// Whoever comes with this token.
    Reservation(ReservationToken),
}

/// Which port is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parity {
    /// Any.
    Any,
    /// An even one.
    Even,
    /// An even one, and the next.
    EvenAndNext,
}

/// The addresses of the relay.
#[derive(Debug)]
pub(super) struct Leases {
    ips: Vec<IpAddr>,
    range: RangeInclusive<u16>,
    leases: HashMap<SocketAddr, Lease>,
    /// Those that have an end, the earliest first.
    expiries: BTreeSet<(Instant, SocketAddr)>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    owner: Owner,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// The driver is still opening the socket.
    Open,
    /// Then.
    At(Instant),
}

impl Leases {
    pub(super) fn new(ips: Vec<IpAddr>, range: RangeInclusive<u16>) -> Self {
        Self { ips, range, leases: HashMap::new(), expiries: BTreeSet::new() }
    }

    /// Whether we have an address of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.ips.iter().any(|ip| Family::of(*ip) == family)
    }

    /// Whether this is an IP address of the relay.
    pub(super) fn is_ours(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }

    /// Who has this address.
    pub(super) fn owner(&self, relayed: SocketAddr) -> Option<Owner> {
        self.leases.get(&relayed).map(|lease| lease.owner)
    }

    /// Lends free ports of a family to a client: one, or two in a row. On the IP address that the
    /// client speaks with, if that is one of the relay's: where he reaches us, others may too.
    /// `None`: there is none.
    pub(super) fn lend(
        &mut self,
        rng: &mut StdRng,
        client: FiveTuple,
        family: Family,
        parity: Parity,
    ) -> Option<Vec<SocketAddr>> {
        let of_family = |ip: &IpAddr| Family::of(*ip) == family;
        let near = client.local.ip();
        let ip = self.ips.iter().copied().find(|ip| of_family(ip) && *ip == near);
        let ip = ip.or_else(|| self.ips.iter().copied().find(of_family))?;
        let lent = self.draw(rng, ip, parity)?;
        for relayed in &lent {
            let lease = Lease { owner: Owner::Client(client), end: End::Open };
            self.leases.insert(*relayed, lease);
        }
        Some(lent)
    }

    fn draw(&self, rng: &mut StdRng, ip: IpAddr, parity: Parity) -> Option<Vec<SocketAddr>> {
        let (first, last) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let count = last.checked_sub(first)?.saturating_add(1);
        let start = rng.random_range(0..count);
        let free = |port: u32| {
            let relayed = SocketAddr::new(ip, u16::try_from(port).ok()?);
            let is_free = port <= last && !self.leases.contains_key(&relayed);
            is_free.then_some(relayed)
        };
        (0..count).map(|step| first + (start + step) % count).find_map(|port| match parity {
            Parity::Any => Some(vec![free(port)?]),
            Parity::Even if port % 2 == 0 => Some(vec![free(port)?]),
            Parity::EvenAndNext if port % 2 == 0 => Some(vec![free(port)?, free(port + 1)?]),
            Parity::Even | Parity::EvenAndNext => None,
        })
    }

    /// Says whose an address is that is lent, and until when.
    pub(super) fn hand_over(&mut self, relayed: SocketAddr, owner: Owner, until: Instant) {
        self.free(relayed);
        self.leases.insert(relayed, Lease { owner, end: End::At(until) });
        self.expiries.insert((until, relayed));
    }

    /// Takes an address back; answers who had it.
    pub(super) fn free(&mut self, relayed: SocketAddr) -> Option<Owner> {
        let lease = self.leases.remove(&relayed)?;
        if let End::At(until) = lease.end {
            self.expiries.remove(&(until, relayed));
        }
        Some(lease.owner)
    }

    /// An address whose time is over, if there is one.
    pub(super) fn expired(&self, now: Instant) -> Option<SocketAddr> {
        self.expiries.first().filter(|(until, _)| *until <= now).map(|(_, relayed)| *relayed)
    }

    /// When the next one is.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(until, _)| *until)
    }

    /// How many addresses are lent.
    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;

    use super::*;
    use crate::ServerTransport;

    fn client(local: &str) -> FiveTuple {
        FiveTuple {
            transport: ServerTransport::Udp,
            local: local.parse().unwrap(),
            remote: "192.0.2.99:1".parse().unwrap(),
        }
    }

    fn leases(range: RangeInclusive<u16>) -> Leases {
        let ips = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
        Leases::new(ips.map(|ip| ip.parse().unwrap()).to_vec(), range)
    }

    #[test]
    fn every_port_is_lent_once_and_then_none() {
        let mut leases = leases(50_000..=50_099);
        let mut rng = StdRng::seed_from_u64(3);
        let client = client("192.0.2.2:3478");
        let mut lent = Vec::new();
        while let Some(more) = leases.lend(&mut rng, client, Family::IPV4, Parity::Any) {
            lent.extend(more);
        }
        lent.sort_unstable();
        lent.dedup();
        assert_eq!(lent.len(), 100);
        assert!(lent.iter().all(|relayed| relayed.ip() == client.local.ip()));
        assert!(lent.iter().all(|relayed| (50_000..=50_099).contains(&relayed.port())));
        leases.free(lent[17]);
        let again = leases.lend(&mut rng, client, Family::IPV4, Parity::Any);
        assert_eq!(again, Some(vec![lent[17]]));
    }

    #[test]
    fn pairs_begin_with_an_even_port_and_stay_in_the_range() {
        let mut leases = leases(50_001..=50_004);
        let mut rng = StdRng::seed_from_u64(3);
        let client = client("198.51.100.1:3478");
        let pair = leases.lend(&mut rng, client, Family::IPV6, Parity::EvenAndNext).unwrap();
        assert_eq!(
            pair,
            ["[2001:db8::1]:50002", "[2001:db8::1]:50003"].map(|a| a.parse().unwrap())
        );
        // 50004 is even and free, but the next is outside.
        assert_eq!(leases.lend(&mut rng, client, Family::IPV6, Parity::EvenAndNext), None);
        let even = leases.lend(&mut rng, client, Family::IPV6, Parity::Even).unwrap();
        assert_eq!(even, ["[2001:db8::1]:50004".parse().unwrap()]);
        assert_eq!(leases.lend(&mut rng, client, Family::IPV6, Parity::Even), None);
    }

    #[test]
    fn the_last_port_of_all_has_no_next() {
        let mut leases = leases(65_534..=65_535);
        let mut rng = StdRng::seed_from_u64(3);
        let client = client("192.0.2.1:3478");
        assert!(leases.lend(&mut rng, client, Family::IPV4, Parity::EvenAndNext).is_some());
        assert_eq!(leases.lend(&mut rng, client, Family::IPV4, Parity::Any), None);
        assert_eq!(leases.lend(&mut rng, client, Family(7), Parity::Any), None);
    }

    #[test]
    fn the_earliest_end_comes_first_and_only_the_last_end_counts() {
        let mut leases = leases(50_000..=50_001);
        let mut rng = StdRng::seed_from_u64(3);
        let client = client("192.0.2.1:3478");
        let pair = leases.lend(&mut rng, client, Family::IPV4, Parity::EvenAndNext).unwrap();
        assert_eq!(leases.next_expiry(), None);
        let now = Instant::now();
        let [later, sooner] = [20, 10].map(|seconds| now + Duration::from_secs(seconds));
        leases.hand_over(pair[0], Owner::Client(client), sooner);
        leases.hand_over(pair[0], Owner::Client(client), later);
        leases.hand_over(pair[1], Owner::Reservation(ReservationToken([1; 8])), sooner);
        assert_eq!(leases.next_expiry(), Some(sooner));
        assert_eq!(leases.expired(now), None);
        assert_eq!(leases.expired(sooner), Some(pair[1]));
        let owner = leases.free(pair[1]);
        assert_eq!(owner, Some(Owner::Reservation(ReservationToken([1; 8]))));
        assert_eq!(leases.expired(sooner), None);
        assert_eq!(leases.expired(later), Some(pair[0]));
        leases.free(pair[0]);
        assert_eq!((leases.len(), leases.next_expiry()), (0, None));
    }
}
