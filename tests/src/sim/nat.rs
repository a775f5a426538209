//! A NAT in front of the left endpoint: it lends a public port, and lets in only answers.
//!
//! RFC 4787: endpoint-independent mapping (§4.1), address- and port-dependent filtering (§5), which
//! is what most home routers do and what peer-reflexive candidates exist for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::Datagram;

/// A NAT.
#[derive(Debug, Clone)]
pub struct Nat {
    public: IpAddr,
    next_port: u16,
    ports: BTreeMap<SocketAddr, u16>,
    contacted: BTreeSet<(u16, SocketAddr)>,
}

impl Nat {
    /// A NAT with this public address and no mappings.
    #[must_use]
    pub fn new(public: IpAddr) -> Self {
        Self { public, next_port: 40_000, ports: BTreeMap::new(), contacted: BTreeSet::new() }
    }

    /// Forgets all mappings, as a router that restarts: the next datagram gets another port.
    pub fn rebind(&mut self) {
        self.ports.clear();
        self.contacted.clear();
    }

    /// Gives an outgoing datagram its public source.
    pub(super) fn outbound(&mut self, mut datagram: Datagram) -> Datagram {
        let port = *self.ports.entry(datagram.source).or_insert_with(|| {
            self.next_port += 1;
            self.next_port
        });
        self.contacted.insert((port, datagram.destination));
        datagram.source = SocketAddr::new(self.public, port);
        datagram
    }

    /// Gives an incoming datagram its private destination; `None`: nobody inside asked for it.
    pub(super) fn inbound(&self, mut datagram: Datagram) -> Option<Datagram> {
        let public = datagram.destination;
        if public.ip() != self.public || !self.contacted.contains(&(public.port(), datagram.source))
        {
            return None;
        }
        let (private, _) = self.ports.iter().find(|(_, port)| **port == public.port())?;
        datagram.destination = *private;
        Some(datagram)
    }
}
