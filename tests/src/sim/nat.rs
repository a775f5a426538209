//! A NAT: it lends public ports to those behind it, and lets in what it finds fitting.
//!
//! RFC 4787: mapping (§4.1), port assignment (§4.2.1), idle lifetime (§4.3), filtering (§5),
//! hairpinning (§6). Addresses of the other IP version are not translated, but filtered alike, as
//! a home router does with IPv6 (RFC 6092 §3.2).
//!
//! ```text
//!   private 10.0.0.2:5000 ─► mapping ─► public 203.0.113.9:40001 ─► 198.51.100.2:2000
//!                            filter  ◄─                          ◄─ anybody, that IP, that IP:port
//! ```
//!
//! Book: "NATs".

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ice::Protocol;
use stun::behaviour::Dependence;

use crate::Datagram;

/// How long a mapping lasts without outgoing datagrams: the least that RFC 4787 §4.3 allows.
const LIFETIME: Duration = Duration::from_secs(120);

/// The first port lent is the one after it.
const FIRST_PORT: u16 = 40_000;

/// What a NAT looked at of the other end.
type Seen = (Option<IpAddr>, Option<u16>);

/// A NAT.
#[derive(Debug, Clone)]
pub struct Nat {
    public: IpAddr,
    mapping: Dependence,
    filtering: Dependence,
    hairpin: bool,
    port_preservation: bool,
    lifetime: Duration,
    last_port: u16,
    mappings: Vec<Mapping>,
}

/// One public port.
#[derive(Debug, Clone)]
struct Mapping {
    protocol: Protocol,
    private: SocketAddr,
    public: SocketAddr,
    toward: Seen,
    /// When somebody behind it last sent to whom.
    contacted: BTreeMap<Seen, Instant>,
    used: Instant,
}

impl Nat {
    /// A NAT with this public address: endpoint-independent mapping and address- and port-dependent
    /// filtering, which is what most home routers do and what peer-reflexive candidates exist for.
    /// It hairpins.
    #[must_use]
    pub fn new(public: IpAddr) -> Self {
        Self {
            public,
            mapping: Dependence::EndpointIndependent,
            filtering: Dependence::AddressAndPortDependent,
            hairpin: true,
            port_preservation: false,
            lifetime: LIFETIME,
            last_port: FIRST_PORT,
            mappings: Vec::new(),
        }
    }

    /// What a mapping depends on (RFC 4787 §4.1).
    #[must_use]
    pub fn mapping(self, mapping: Dependence) -> Self {
        Self { mapping, ..self }
    }

    /// What letting a datagram in depends on (RFC 4787 §5).
    #[must_use]
    pub fn filtering(self, filtering: Dependence) -> Self {
        Self { filtering, ..self }
    }

    /// Whether those behind it reach one another at their public addresses (RFC 4787 §6).
    #[must_use]
    pub fn hairpin(self, hairpin: bool) -> Self {
        Self { hairpin, ..self }
    }

    /// Whether the public port is the private one, if it is free (RFC 4787 §4.2.1).
    #[must_use]
    pub fn port_preservation(self, port_preservation: bool) -> Self {
        Self { port_preservation, ..self }
    }

    /// How long a mapping lasts without outgoing datagrams (RFC 4787 §4.3).
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Its public address.
    #[must_use]
    pub fn public(&self) -> IpAddr {
        self.public
    }

    /// Forgets all mappings, as a router that restarts: the next datagram gets another port.
    pub fn rebind(&mut self) {
        self.mappings.clear();
    }

    /// Gets another public address, and forgets all mappings.
    pub fn renumber(&mut self, public: IpAddr) {
        self.public = public;
        self.rebind();
    }

    /// Whether a datagram to this address is its business.
    pub(super) fn owns(&self, address: SocketAddr) -> bool {
        address.ip() == self.public || self.mappings.iter().any(|it| it.public == address)
    }

    /// Whether it turns a datagram from behind it back: one to its own address.
    pub(super) fn turns_back(&self, datagram: &Datagram) -> bool {
        datagram.destination.ip() == self.public && !self.hairpin
    }

    /// Gives an outgoing datagram its public source.
    pub(super) fn outbound(&mut self, now: Instant, mut datagram: Datagram) -> Datagram {
        self.expire(now);
        let Datagram { protocol, source, destination, .. } = datagram;
        let toward = self.mapping.seen(destination);
        let known = self
            .mappings
            .iter()
            .position(|it| (it.protocol, it.private, it.toward) == (protocol, source, toward));
        let index = known.unwrap_or_else(|| {
            let public = self.lend(protocol, source);
            let contacted = BTreeMap::new();
            let private = source;
            self.mappings.push(Mapping { protocol, private, public, toward, contacted, used: now });
            self.mappings.len() - 1
        });
        let mapping = &mut self.mappings[index];
        mapping.used = now;
        mapping.contacted.insert(self.filtering.seen(destination), now);
        datagram.source = mapping.public;
        datagram
    }

    /// Gives an incoming datagram its private destination.
    ///
    /// # Errors
    /// Nobody inside asked for it.
    pub(super) fn inbound(
        &mut self,
        now: Instant,
        mut datagram: Datagram,
    ) -> Result<Datagram, &'static str> {
        self.expire(now);
        let Datagram { protocol, source, destination, .. } = datagram;
        let mapping = self
            .mappings
            .iter()
            .find(|it| (it.protocol, it.public) == (protocol, destination))
            .ok_or("no mapping")?;
        if !mapping.contacted.contains_key(&self.filtering.seen(source)) {
            return Err("filtered");
        }
        datagram.destination = mapping.private;
        Ok(datagram)
    }

    /// The public address for a private one. An address of the other IP version stays what it is.
    fn lend(&mut self, protocol: Protocol, private: SocketAddr) -> SocketAddr {
        if private.is_ipv4() != self.public.is_ipv4() {
            return private;
        }
        let taken = |nat: &Self, port| {
            let public = SocketAddr::new(nat.public, port);
            nat.mappings.iter().any(|it| (it.protocol, it.public) == (protocol, public))
        };
        if self.port_preservation && !taken(self, private.port()) {
            return SocketAddr::new(self.public, private.port());
        }
        loop {
            self.last_port = self.last_port.checked_add(1).unwrap_or(FIRST_PORT);
            if !taken(self, self.last_port) {
                return SocketAddr::new(self.public, self.last_port);
            }
        }
    }

    /// Only what goes out keeps a mapping alive, and a way in.
    fn expire(&mut self, now: Instant) {
        let alive = |used: Instant| now.saturating_duration_since(used) < self.lifetime;
        self.mappings.retain_mut(|mapping| {
            mapping.contacted.retain(|_, used| alive(*used));
            alive(mapping.used)
        });
    }
}
