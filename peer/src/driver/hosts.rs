//! The ways to reach us that need no server: sockets, at each address of this machine.
//!
//! ```text
//!   addresses ─┬─► UDP, on the endpoint's port           host
//!              ├─► TCP, if the endpoint listens          host, tcptype passive (RFC 6544 §4.1)
//!              └─► TCP, from any port                    host, tcptype active
//! ```
//!
//! Addresses come and go: each connection compares what there is with what it was told.
//!
//! Book: "Candidates".

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ice::{Gathered, Protocol};
use tokio::sync::watch;

use super::names::Names;
use crate::Connection;

/// The ports of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) udp: u16,
    /// Where it listens for TCP, if it does.
    pub(super) tcp: Option<u16>,
}

/// What a connection knows of this machine's addresses.
#[derive(Debug)]
pub(super) struct Hosts {
    addresses: watch::Receiver<Vec<IpAddr>>,
    ports: Ports,
    /// The names that are told in place of addresses, if these are to be hidden.
    names: Option<Arc<Names>>,
    told: Vec<Gathered>,
}

impl Hosts {
    pub(super) fn new(
        addresses: watch::Receiver<Vec<IpAddr>>,
        ports: Ports,
        names: Option<Arc<Names>>,
    ) -> Hosts {
        Hosts { addresses, ports, names, told: Vec::new() }
    }

    /// Completes when there is news for [`Self::tell`].
    pub(super) async fn changed(&mut self) {
        if self.addresses.changed().await.is_err() {
            // The endpoint has ended.
            std::future::pending::<()>().await;
        }
    }

    /// Tells the connection what it does not know yet.
    pub(super) fn tell(&mut self, now: Instant, connection: &mut Connection) {
        let addresses = self.addresses.borrow_and_update().clone();
        let ways: Vec<Gathered> = addresses.iter().flat_map(|ip| self.ways(*ip)).collect();
        for gone in self.told.iter().filter(|way| !ways.contains(way)) {
            connection.remove_local_candidate(now, gone);
        }
        for way in ways.iter().filter(|way| !self.told.contains(way)) {
            connection.add_local_candidate(now, way.clone());
        }
        self.told = ways;
    }

    fn ways(&self, ip: IpAddr) -> impl Iterator<Item = Gathered> + use<> {
        let name = self.names.as_ref().and_then(|names| names.of(ip));
        let host = |protocol, port| Gathered::Host {
            protocol,
            address: SocketAddr::new(ip, port),
            name: name.clone(),
        };
        let udp = host(Protocol::Udp, self.ports.udp);
        let passive = self.ports.tcp.map(|port| host(Protocol::Tcp, port));
        [udp].into_iter().chain(passive).chain([Gathered::TcpActive { ip }])
    }
}
