//! The task that drives a gathering: the only place where its state machine meets sockets, streams,
//! names and a clock.
//!
//! ```text
//!       lane of servers   orders   streams   names   timer   socket writable
//!              └─────────────┴─────────┴───────┴───────┴────────────┘
//!                                      │ one of them
//!                                      ▼
//!                                ice::Gatherer
//!                                      │ drained after each
//!             ┌──────────────────┬─────┴──────────────┬──────────────┐
//!             ▼                  ▼                    ▼              ▼
//!       news ► Known   datagrams ► socket   messages ► streams   relayed packets ► router
//! ```
//!
//! Book: chapter "Relay".

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::{FromServer, Gatherer, GatheringError, GatheringEvent, Path, ToServer};
use stun::{ServerTransport, Uri};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, info};

use super::super::alarm::Alarm;
use super::super::burst::{Burst, Outbox};
use super::super::lane::{Batch, Level};
use super::super::router::{Router, Servers};
use super::super::socket::Socket;
use super::names::{Lookup, look_up};
use super::stream::What;
use super::streams::Streams;
use super::{Known, Order, Shared};
use crate::{IceServer, Transmit};

/// How long giving the allocations back may take. A server that does not hear of it keeps them for
/// ten minutes at most.
const LINGER: Duration = Duration::from_secs(1);

/// Batches of datagrams handled before what came of them is drained.
const BATCHES_PER_TURN: usize = 4;

/// Orders carried out before what came of them is drained.
const ORDERS_PER_TURN: usize = 64;

/// Bursts sent before other tasks of this thread have their turn.
const BURSTS_PER_TURN: usize = 8;

/// The orders of connections, and how much of them waits.
type Orders = (mpsc::Receiver<Order>, Arc<Level>);

/// A gathering and all it needs to run.
pub(super) struct Task {
    gatherer: Gatherer,
    socket: Arc<Socket>,
    router: Router,
    servers: Servers,
    orders: mpsc::Receiver<Order>,
    level: Arc<Level>,
    streams: Streams,
    /// The machine's addresses, and their changes.
    addresses: watch::Receiver<Vec<IpAddr>>,
    /// The addresses of the socket that the gatherer knows.
    bases: Vec<SocketAddr>,
    /// The names that are being looked up.
    lookups: JoinSet<Lookup>,
    /// The hosts of the servers' URLs, which they have to prove to be.
    hosts: HashMap<String, String>,
    known: watch::Sender<Known>,
    outbox: Outbox,
    /// What the kernel did not take.
    blocked: Option<Burst>,
    /// When giving back must have ended, once it has begun.
    closing: Option<Instant>,
}

impl Task {
    pub(super) fn new(
        shared: Shared,
        servers: Servers,
        (orders, level): Orders,
        known: watch::Sender<Known>,
    ) -> Task {
        let Shared { socket, router, tls, addresses } = shared;
        Task {
            gatherer: Gatherer::new(rand::make_rng()),
            socket,
            router,
            servers,
            orders,
            level,
            streams: Streams::new(tls),
            addresses,
            bases: Vec::new(),
            lookups: JoinSet::new(),
            hosts: HashMap::new(),
            known,
            outbox: Outbox::default(),
            blocked: None,
            closing: None,
        }
    }

    /// Gathers from `servers` for the socket at each of the machine's addresses, until told to close
    /// or nobody is left who could.
    pub(super) async fn run(mut self: Box<Self>, mut servers: Vec<IceServer>, taken: Vec<Uri>) {
        let now = Instant::now();
        info!(servers = servers.len(), "gathering");
        self.follow_addresses(now);
        let host = |server: &IceServer| (server.url.to_string(), server.url.host.clone());
        self.hosts = servers.iter().map(host).collect();
        for server in servers.extract_if(.., |server| taken.contains(&server.url)) {
            self.known.send_modify(|known| known.fail(is_taken(&server)));
        }
        self.lookups = look_up(servers);
        if self.lookups.is_empty() {
            self.gatherer.end_of_servers(now);
        }
        let mut alarm = Alarm::new();
        loop {
            let now = Instant::now();
            let done = self.drain(now);
            if done && self.is_over(now) {
                break;
            }
            alarm.set(self.deadline());
            tokio::select! {
                batch = self.servers.inbox().receive() => self.handle_batch(batch),
                order = self.orders.recv(), if self.takes_orders() => self.handle_order(order),
                (transport, remote, what) = self.streams.receive() => self.handle_stream(transport, remote, what),
                Some(lookup) = self.lookups.join_next() => self.handle_lookup(lookup),
                Ok(()) = self.addresses.changed() => self.follow_addresses(Instant::now()),
                () = alarm.rings() => self.gatherer.handle_timeout(Instant::now()),
                _ = self.socket.writable(), if self.blocked.is_some() => {}
                () = tokio::task::yield_now(), if !done => {}
            }
        }
        let Task { streams, closing, .. } = *self;
        streams.finish(closing.unwrap_or(now)).await;
        debug!("gathering ended");
    }

    /// The socket has all addresses of the machine; the streams of one that has vanished are dead.
    fn follow_addresses(&mut self, now: Instant) {
        let port = self.socket.port();
        let with_port = |ip: &IpAddr| SocketAddr::new(*ip, port);
        let bases: Vec<_> = self.addresses.borrow_and_update().iter().map(with_port).collect();
        let former = std::mem::replace(&mut self.bases, bases);
        for new in self.bases.iter().filter(|base| !former.contains(base)) {
            self.gatherer.add_base(now, *new);
        }
        for gone in former.iter().filter(|base| !self.bases.contains(base)) {
            self.gatherer.remove_base(now, *gone);
            for (transport, remote) in self.streams.cut(gone.ip()) {
                let reason = "its interface has vanished";
                self.gatherer.handle_stream_closed(now, transport, remote, reason);
            }
        }
    }

    /// While the kernel takes nothing, whoever sends more is to wait, and lose what does not fit.
    fn takes_orders(&self) -> bool {
        self.closing.is_none() && self.blocked.is_none()
    }

    /// Hands what servers sent to the gatherer.
    fn handle_batch(&mut self, first: Option<Batch>) {
        let now = Instant::now();
        let mut next = first;
        let mut taken = 0;
        while let Some(Batch { path: Path { local, remote, .. }, datagrams }) = next {
            for payload in datagrams {
                self.handle_message(now, ServerTransport::Udp, (local, remote), &payload);
            }
            self.deliver();
            taken += 1;
            next = if taken < BATCHES_PER_TURN { self.servers.inbox().try_receive() } else { None };
        }
    }

    fn handle_stream(&mut self, transport: ServerTransport, remote: SocketAddr, what: What) {
        let now = Instant::now();
        match what {
            What::Messages(messages) => {
                let local = unspecified(remote);
                for payload in messages {
                    self.handle_message(now, transport, (local, remote), &payload);
                }
                self.deliver();
            }
            What::Opened(_) => {}
            What::Closed(reason) => {
                self.gatherer.handle_stream_closed(now, transport, remote, &reason);
            }
        }
    }

    fn handle_message(
        &mut self,
        now: Instant,
        transport: ServerTransport,
        (local, remote): (SocketAddr, SocketAddr),
        payload: &[u8],
    ) {
        let message = FromServer { transport, local, remote, payload };
        if let Err(error) = self.gatherer.handle_datagram(now, message) {
            debug!(%remote, %error, "message of a server discarded");
        }
    }

    /// Routes what came through relays, as if a socket had received it.
    fn deliver(&mut self) {
        let packets: Vec<_> = std::iter::from_fn(|| self.gatherer.recv()).collect();
        for run in packets.chunk_by(|a, b| (a.relayed, a.peer) == (b.relayed, b.peer)) {
            let Some(first) = run.first() else { continue };
            let path = Path::udp(first.relayed, first.peer);
            self.router.route(path, run.iter().map(|packet| &*packet.payload));
        }
    }

    /// Does what connections want; without any left that could want something, closes.
    fn handle_order(&mut self, first: Option<Order>) {
        let now = Instant::now();
        let Some(first) = first else { return self.close(now) };
        self.carry_out(now, first);
        for _ in 1..ORDERS_PER_TURN {
            match self.orders.try_recv() {
                Ok(order) => self.carry_out(now, order),
                Err(_) => break,
            }
        }
    }

    fn carry_out(&mut self, now: Instant, order: Order) {
        match order {
            Order::Relay(burst) => {
                self.level.fall(burst.contents().len());
                let Path { local, remote, .. } = burst.path;
                for packet in burst.iter() {
                    self.gatherer.send(now, local, remote, packet);
                }
            }
            Order::Permit { relayed, peer } => self.gatherer.permit(now, relayed, peer),
            Order::Refresh => self.gatherer.refresh(now),
            Order::Close => self.close(now),
        }
    }

    fn handle_lookup(&mut self, lookup: Result<Lookup, JoinError>) {
        let now = Instant::now();
        match lookup {
            Ok(Ok(servers)) => {
                for server in servers {
                    debug!(url = server.url, address = %server.address, "server");
                    self.gatherer.add_server(now, server);
                }
            }
            Ok(Err(failure)) => {
                debug!(%failure, "server of no use");
                self.known.send_modify(|known| known.fail(failure));
            }
            Err(error) => debug!(%error, "a name was not looked up"),
        }
        if self.lookups.is_empty() {
            self.gatherer.end_of_servers(now);
        }
    }

    /// Gives the allocations back.
    fn close(&mut self, now: Instant) {
        if self.closing.is_none() {
            self.gatherer.close(now);
            self.lookups.abort_all();
            self.closing = Some(now + LINGER);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let is_done = self.blocked.is_none() && self.gatherer.poll_timeout().is_none();
        self.closing.is_some_and(|until| is_done || now >= until)
    }

    /// When the task must wake even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        self.gatherer.poll_timeout().into_iter().chain(self.closing).min()
    }

    /// Takes all that the gatherer has to give. Answers false if more can be done at once.
    fn drain(&mut self, now: Instant) -> bool {
        let sent_all = self.transmit(now);
        let Task { gatherer, streams, .. } = self;
        streams.retain(|transport, remote| gatherer.uses_stream(transport, remote));
        self.deliver();
        self.publish();
        sent_all
    }

    /// Sends what the gatherer has: datagrams in bursts, and messages to the streams.
    fn transmit(&mut self, now: Instant) -> bool {
        let limit = self.socket.burst_limit();
        for _ in 0..BURSTS_PER_TURN {
            let Task { gatherer, streams, outbox, hosts, .. } = self;
            let mut next = || next_datagram(now, gatherer, streams, hosts);
            let burst = self.blocked.take().or_else(|| outbox.next_burst(limit, &mut next));
            let Some(burst) = burst else { return true };
            self.servers.add_path(burst.path);
            if self.socket.try_send(&burst).is_err() {
                self.blocked = Some(burst);
                return true;
            }
        }
        false
    }

    /// Publishes the gatherer's news.
    fn publish(&mut self) {
        let mut news = std::iter::from_fn(|| self.gatherer.poll_event()).peekable();
        if news.peek().is_none() {
            return;
        }
        self.known.send_modify(|known| {
            for event in news {
                match event {
                    GatheringEvent::Found(way) => {
                        debug!(?way, "found");
                        known.ways.push(way);
                    }
                    GatheringEvent::Lost(way) => {
                        debug!(?way, "lost");
                        known.ways.retain(|known| *known != way);
                    }
                    GatheringEvent::Failed(failure) => {
                        debug!(%failure, "server of no use");
                        known.fail(failure);
                    }
                    GatheringEvent::Complete => {
                        info!(ways = known.ways.len(), "gathering complete");
                        known.is_complete = true;
                    }
                }
            }
        });
    }
}

/// The next message that goes out as a datagram; those for streams go there.
fn next_datagram(
    now: Instant,
    gatherer: &mut Gatherer,
    streams: &mut Streams,
    hosts: &HashMap<String, String>,
) -> Option<Transmit> {
    while let Some(message) = gatherer.poll_transmit(now) {
        let ToServer { transport, local, remote, .. } = message;
        if transport == ServerTransport::Udp {
            let payload: Bytes = message.payload;
            return Some(Transmit { protocol: ice::Protocol::Udp, local, remote, payload });
        }
        let host = || gatherer.url(transport, remote).and_then(|url| hosts.get(url).cloned());
        streams.send(message, || host().unwrap_or_else(|| remote.ip().to_string()));
    }
    None
}

/// One port has one allocation at a server.
fn is_taken(server: &IceServer) -> GatheringError {
    const ALLOCATION_MISMATCH: u16 = 437;
    let reason = "connections with other servers in their list have this port's allocation there: \
                  give all of them the same list, or this one an endpoint of its own";
    GatheringError {
        url: server.url.to_string(),
        local: None,
        code: ALLOCATION_MISMATCH,
        reason: reason.to_owned(),
    }
}

/// Our address of a stream, as the gatherer writes it.
fn unspecified(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}
