//! Gathering: asking servers how we look from outside, and borrowing addresses from them
//! (RFC 8445 §5.1.1.2, RFC 8656).
//!
//! ```text
//!   bases (UDP sockets) × servers ──► Gatherer ──► Found(reflexive), Found(relayed), Failed, Complete
//!                                       │  ▲
//!          poll_transmit, send(relayed) ▼  │ handle_datagram, recv
//!                                     the servers
//! ```
//!
//! A gatherer belongs to the sockets, not to a connection: a TURN server knows one allocation for each
//! pair of addresses (RFC 8656 §3.2), so all connections that share a socket share what it has found,
//! relayed addresses included, and tell their packets apart as on the socket itself.
//!
//! Of each server every base asks what it looks like ([`query`]), and of a TURN server also for an
//! allocation ([`allocation`]); over TCP and TLS there is one allocation whatever the bases. One of
//! these begins every Ta, 50 ms, for the servers' and the network's sake (RFC 8445 §14.2). They never
//! end: mappings and allocations must be kept, and noticed when they are lost.
//!
//! Gathering is complete when each has been answered or refused, or was silent for [`PATIENCE`]. A
//! later answer still counts. What was told and what is there are compared whenever the owner asks
//! for news ([`news`]), so there is no queue of news to overflow.
//!
//! Invariants: a response counts only from the server it was asked of, at the base it was asked from,
//! with the request's transaction ID and, of allocations, integrity; each list is bounded; no relayed
//! address is that of a socket or of another allocation.
//! Book: chapters "Candidates" and "Relay".

mod allocation;
mod event;
mod news;
mod plan;
mod query;
mod reach;
mod server;
#[cfg(test)]
mod tests;

mod verdict;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use stun::{Message, ServerTransport};
use tracing::debug;

pub use event::{GatheringError, GatheringEvent};
pub use server::{FromServer, Server, ToServer};

use allocation::Allocation;
use news::News;
use query::{Change, Query};
use reach::reaches;
use verdict::Failure;

use crate::address::{canonical, is_usable};
use crate::pacer::{Pacer, Urgency};

/// How long gathering waits for a server: the request goes out four times. More would hold up peers
/// that wait for all candidates.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time from one refresh to the next: hundreds of connections may fall silent together.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(1);

/// Sockets: more than a machine has addresses worth telling.
const MAX_BASES: usize = 32;
/// Addresses of servers: more than anybody configures.
const MAX_SERVERS: usize = 32;

/// A packet that came through a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// The relayed address it came to.
    pub relayed: SocketAddr,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The UDP payload.
    pub payload: Bytes,
}

/// The gatherer of one set of sockets.
#[derive(Debug)]
pub struct Gatherer {
    rng: StdRng,
    bases: Vec<SocketAddr>,
    servers: Vec<Server>,
    queries: Vec<Query>,
    allocations: Vec<Allocation>,
    pacer: Pacer,
    news: News,
    refreshable_at: Option<Instant>,
    is_closed: bool,
}

impl Gatherer {
    /// A gatherer that knows no socket and no server yet.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self {
            rng,
            bases: Vec::new(),
            servers: Vec::new(),
            queries: Vec::new(),
            allocations: Vec::new(),
            pacer: Pacer::new(plan::TA),
            news: News::default(),
            refreshable_at: None,
            is_closed: false,
        }
    }

    /// Adds a UDP socket's address. The most useful first: there is a limit.
    pub fn add_base(&mut self, _now: Instant, base: SocketAddr) {
        let base = canonical(base);
        let is_new = !self.bases.contains(&base) && self.bases.len() < MAX_BASES;
        if is_new && is_usable(base) && !self.is_closed {
            self.bases.push(base);
            self.plan();
        }
    }

    /// The address is gone; what was found through it is [`GatheringEvent::Lost`]. Streams are not
    /// bound to a base: whoever owns them closes those that went through it.
    pub fn remove_base(&mut self, _now: Instant, base: SocketAddr) {
        let base = canonical(base);
        self.bases.retain(|known| *known != base);
        let bases = &self.bases;
        let is_ours = |ip| bases.iter().any(|base| base.ip() == ip);
        let is_asked = |base, server| bases.contains(&base) && reaches(base, server, is_ours);
        let reaches_some = |server| bases.iter().any(|base| reaches(*base, server, is_ours));
        self.queries.retain(|query| is_asked(query.base, query.remote));
        self.allocations.retain(|allocation| match allocation.transport {
            ServerTransport::Udp => is_asked(allocation.local, allocation.origin),
            ServerTransport::Tcp | ServerTransport::Tls => reaches_some(allocation.origin),
        });
        self.news.look();
    }

    /// Adds a server, whose name has been resolved: each of its addresses is one.
    pub fn add_server(&mut self, _now: Instant, server: Server) {
        let server = Server { address: canonical(server.address), ..server };
        let is_new = !self.servers.contains(&server) && self.servers.len() < MAX_SERVERS;
        if is_new && is_usable(server.address) && !self.is_closed {
            self.servers.push(server);
            self.plan();
        }
    }

    /// No more servers will be added: when all have answered or failed, gathering is complete.
    pub fn end_of_servers(&mut self, _now: Instant) {
        self.news.end_of_servers();
    }

    /// Asks every server again now what it sees of us, not in a while, and whether it still has our
    /// allocation: when a connection falls silent, and for an ICE restart. The reason may be a NAT that
    /// has given us another address, or a server that has forgotten us. What is known stays until an
    /// answer tells otherwise.
    pub fn refresh(&mut self, now: Instant) {
        if self.refreshable_at.is_some_and(|at| now < at) {
            return;
        }
        self.refreshable_at = Some(now + BETWEEN_REFRESHES);
        self.queries.iter_mut().for_each(Query::ask_again);
        for client in self.allocations.iter_mut().filter_map(Allocation::client) {
            client.refresh(now);
        }
    }

    /// Whether packets from this address are for [`Gatherer::handle_datagram`].
    #[must_use]
    pub fn is_server(&self, remote: SocketAddr) -> bool {
        self.remotes().any(|known| known == canonical(remote))
    }

    /// Where servers send datagrams from. A redirect changes them.
    fn remotes(&self) -> impl Iterator<Item = SocketAddr> {
        let over_udp = |allocation: &&Allocation| allocation.transport == ServerTransport::Udp;
        let relays = self.allocations.iter().filter(over_udp).map(|allocation| allocation.remote);
        self.queries.iter().map(|query| query.remote).chain(relays)
    }

    /// The URL of the server to which a stream is wanted: for TLS the name in it is what the server
    /// has to prove, also when another server has sent us here (RFC 8489 §10).
    #[must_use]
    pub fn url(&self, transport: ServerTransport, remote: SocketAddr) -> Option<&str> {
        let remote = canonical(remote);
        let mut allocations = self.allocations.iter();
        let found =
            allocations.find(|known| known.transport == transport && known.remote == remote)?;
        self.servers.get(found.server).map(|server| server.url.as_str())
    }

    /// Whether a stream to a server is in use. After a failure it is not, even if there will be another
    /// attempt: whoever owns it closes it then, so that the attempt begins with a new one.
    #[must_use]
    pub fn uses_stream(&self, transport: ServerTransport, remote: SocketAddr) -> bool {
        let stream = (transport, canonical(remote));
        self.allocations.iter().any(|it| it.is_running() && (it.transport, it.remote) == stream)
    }

    /// Takes what a server sent: a datagram, or of a stream one message (`stun::turn::Deframer`).
    ///
    /// # Errors
    /// It was discarded and left no trace.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: FromServer<'_>,
    ) -> Result<(), stun::turn::Error> {
        let FromServer { transport, payload, .. } = datagram;
        let (local, remote) = (canonical(datagram.local), canonical(datagram.remote));
        let mut result = Err(stun::turn::Error::UnknownTransaction);
        if transport == ServerTransport::Udp && is_binding_response(payload) {
            result = self.handle_binding_response(now, (local, remote), payload);
        }
        if result.is_err()
            && let Some(allocation) =
                self.allocations.iter_mut().find(|it| it.is_between(transport, local, remote))
            && let Some(client) = allocation.client()
        {
            result = client.handle_datagram(now, payload);
            if allocation.follow(now, &mut self.rng) {
                self.allocation_changed(remote);
            }
        }
        result
    }

    /// A stream to a server could not be opened, or has ended.
    pub fn handle_stream_closed(
        &mut self,
        now: Instant,
        transport: ServerTransport,
        remote: SocketAddr,
        reason: &str,
    ) {
        let stream = (transport, canonical(remote));
        for allocation in &mut self.allocations {
            if (allocation.transport, allocation.remote) == stream && allocation.is_running() {
                let failure = Failure::unreachable(&format!("no connection: {reason}"));
                allocation.fail(now, failure, &mut self.rng);
                self.news.look();
            }
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut rebound = Vec::new();
        for query in &mut self.queries {
            match query.handle_timeout(now, &mut self.rng) {
                Change::None => {}
                Change::News => self.news.look(),
                Change::Rebound => rebound.push((query.base, query.remote)),
            }
        }
        for (base, remote) in rebound {
            self.renew(base, remote);
        }
        let mut changed = Vec::new();
        for allocation in &mut self.allocations {
            if allocation.handle_timeout(now, &mut self.rng) {
                changed.push(allocation.remote);
            }
        }
        for remote in changed {
            self.allocation_changed(remote);
        }
    }

    /// When to call [`Gatherer::handle_timeout`] and [`Gatherer::poll_transmit`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let slot = self.is_anything_waiting().then(|| self.pacer.ready_at(Urgency::Ordinary));
        let queries = self.queries.iter().filter_map(Query::poll_timeout);
        let allocations = self.allocations.iter().filter_map(Allocation::poll_timeout);
        slot.flatten().into_iter().chain(queries).chain(allocations).min()
    }

    /// The next message for a server; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<ToServer> {
        self.start_next(now);
        for query in &mut self.queries {
            if let Some(payload) = query.poll_transmit(now) {
                let (transport, local) = (ServerTransport::Udp, query.base);
                return Some(ToServer { transport, local, remote: query.remote, payload });
            }
        }
        for allocation in &mut self.allocations {
            if let Some(payload) = allocation.client().and_then(|it| it.poll_transmit(now)) {
                let Allocation { transport, local, remote, .. } = *allocation;
                return Some(ToServer { transport, local, remote, payload });
            }
        }
        None
    }

    /// The next news; call until `None`.
    pub fn poll_event(&mut self) -> Option<GatheringEvent> {
        if self.is_closed { None } else { self.next_news() }
    }

    /// Relays a packet; lost if there is no such relayed address. The permission it needs is asked
    /// for first (RFC 8656 §9), and the packet waits for that.
    pub fn send(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr, packet: &[u8]) {
        let Some(client) = self.client_of(relayed) else { return };
        if let Err(error) = client.send(now, peer, packet) {
            debug!(%relayed, %peer, %error, "not relayed");
        }
    }

    /// Lets packets of a peer in, before any is sent there: its checks must not be lost
    /// (RFC 8656 §9).
    pub fn permit(&mut self, now: Instant, relayed: SocketAddr, peer: IpAddr) {
        if let Some(client) = self.client_of(relayed) {
            client.permit(now, peer);
        }
    }

    /// The next packet that came through a relay.
    pub fn recv(&mut self) -> Option<Relayed> {
        self.allocations.iter_mut().find_map(|allocation| {
            let (peer, payload) = allocation.client()?.recv()?;
            let same_family = |it: &&SocketAddr| it.is_ipv4() == peer.is_ipv4();
            let relayed = *allocation.relayed.iter().find(same_family)?;
            Some(Relayed { relayed, peer, payload })
        })
    }

    /// Gives all allocations back (RFC 8656 §8: a lifetime of zero); drain `poll_transmit`. Silence
    /// follows.
    pub fn close(&mut self, now: Instant) {
        self.is_closed = true;
        self.queries.clear();
        self.allocations.retain(Allocation::is_running);
        for allocation in &mut self.allocations {
            if let Some(client) = allocation.client() {
                client.close(now);
            }
        }
    }

    fn handle_binding_response(
        &mut self,
        now: Instant,
        (base, remote): (SocketAddr, SocketAddr),
        payload: &[u8],
    ) -> Result<(), stun::turn::Error> {
        let asked = |query: &&mut Query| (query.base, query.remote) == (base, remote);
        let Some(query) = self.queries.iter_mut().find(asked) else {
            return Err(stun::turn::Error::UnknownTransaction);
        };
        let message = Message::parse(payload)?;
        let change = query
            .handle_response(now, message, &mut self.rng)
            .map_err(|_| stun::turn::Error::UnknownTransaction)?;
        match change {
            Change::None => {}
            Change::News => self.news.look(),
            Change::Rebound => self.renew(base, remote),
        }
        Ok(())
    }

    /// The NAT has a new mapping between the two: to the server that is another client.
    fn renew(&mut self, base: SocketAddr, remote: SocketAddr) {
        for allocation in &mut self.allocations {
            if allocation.is_between(ServerTransport::Udp, base, remote) {
                allocation.renew();
            }
        }
        self.news.look();
    }

    /// A server may lend only what is neither ours nor lent already: packets find their way by it.
    fn allocation_changed(&mut self, remote: SocketAddr) {
        let mut taken = self.bases.clone();
        for allocation in &mut self.allocations {
            allocation.relayed.retain(|relayed| {
                let is_free = !taken.contains(relayed);
                if !is_free {
                    debug!(%relayed, server = %remote, "the relayed address is taken");
                }
                is_free
            });
            taken.extend(&allocation.relayed);
        }
        self.news.look();
    }

    fn client_of(&mut self, relayed: SocketAddr) -> Option<&mut stun::turn::Client> {
        let relayed = canonical(relayed);
        self.allocations.iter_mut().find(|it| it.relayed.contains(&relayed))?.client()
    }
}

/// A glance at the first two octets (RFC 8489 §5): Binding, success or error. The rest of what servers
/// send is packets of peers, many, which are not to be parsed twice.
fn is_binding_response(payload: &[u8]) -> bool {
    matches!(payload, [0x01, 0x01 | 0x11, ..])
}
