//! Gathering: one task for each set of STUN and TURN servers, shared by all connections that use it.
//!
//! RFC 8445 §5.1.1.2, RFC 8656.
//!
//! ```text
//!                        names, streams (TCP, TLS)
//!                                  │
//!  shared socket ◄── bursts ───┌───┴────┐ ──► Known: ways, failures, complete ──► connections
//!  router ── lane of servers ─►│  Task  │ ◄── orders: relay this, let that peer in ◄──┘
//!  router ◄─ relayed packets ──└────────┘
//!                           owns ice::Gatherer
//! ```
//!
//! A server lends one address to each address of ours (RFC 8656 §3.2), and all connections share
//! these: so what is gathered belongs to the endpoint. What is known at any time is a value that
//! connections compare with what they were told ([`Subscription`]), so a connection that is made
//! later is told at once, and none can hold up the others.
//!
//! Invariants: what connections send through relays waits in a bounded queue, and is lost beyond it;
//! each name, stream and failure is bounded in number; an allocation is given back at the end, if the
//! server takes it back in time.
//!
//! Book: chapters "Candidates" and "Relay".

mod names;
mod sets;
mod stream;
mod streams;
mod subscription;
mod task;
mod tls;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ice::{Gathered, GatheringError};
use stun::Uri;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, debug, info_span};

use super::burst::Burst;
use super::lane::Level;
use super::router::Router;
use super::socket::Socket;
use crate::IceServer;

pub(super) use sets::Gatherings;
pub(super) use subscription::Subscription;
use task::Task;
pub(super) use tls::Tls;

/// The most orders that wait for a gathering: a burst of each of a few hundred connections.
const MAX_ORDERS: usize = 1024;

/// The most octets that wait to be relayed, for all connections together. More would only wait
/// longer: whoever sends too fast is to notice.
const MAX_QUEUED_TO_RELAY: usize = 1 << 20;

/// The most failures that are kept for connections which have not been told yet. There is one for
/// each server and reason.
const MAX_FAILURES: usize = 32;

/// What an endpoint has that its gatherings share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) socket: Arc<Socket>,
    pub(super) router: Router,
    pub(super) tls: Arc<Tls>,
    /// The machine's addresses, and their changes.
    pub(super) addresses: watch::Receiver<Vec<IpAddr>>,
}

/// What is known at some time.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The ways to reach us that servers told or lent.
    ways: Vec<Gathered>,
    /// The latest failures.
    failures: VecDeque<GatheringError>,
    /// How many failures there have been: those are the last.
    failures_in_all: usize,
    /// Every server has answered or failed.
    is_complete: bool,
}

impl Known {
    fn fail(&mut self, error: GatheringError) {
        if self.failures.len() == MAX_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(error);
        self.failures_in_all += 1;
    }
}

/// What the task is to do.
enum Order {
    /// Send these datagrams from their relayed address.
    Relay(Burst),
    /// Let a peer's packets in.
    Permit { relayed: SocketAddr, peer: IpAddr },
    /// Ask the servers whether all is as it was.
    Refresh,
    /// Give everything back.
    Close,
}

/// A gathering under way. It ends when this and all subscriptions are dropped, or when it is told to.
pub(super) struct Gathering {
    servers: Vec<IceServer>,
    orders: mpsc::Sender<Order>,
    level: Arc<Level>,
    known: watch::Receiver<Known>,
}

impl Gathering {
    /// Begins to gather from `servers`, when `former` gatherings have given back what they have there.
    /// Those servers that are `taken` fail.
    fn start(
        shared: Shared,
        servers: Vec<IceServer>,
        taken: Vec<Uri>,
        former: Vec<Arc<Gathering>>,
    ) -> Gathering {
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let level = Arc::new(Level::new(MAX_QUEUED_TO_RELAY));
        let (publish, known) = watch::channel(Known::default());
        let registration = shared.router.register_gathering();
        let span = info_span!(parent: None, "gathering", id = registration.id());
        let task = Task::new(shared, registration, (inbox, Arc::clone(&level)), publish);
        let wanted = servers.clone();
        let run = async move {
            for former in former {
                former.close().await;
            }
            Box::new(task).run(wanted, taken).await;
        };
        tokio::spawn(run.instrument(span));
        Gathering { servers, orders, level, known }
    }

    /// The servers it asks.
    fn servers(&self) -> &[IceServer] {
        &self.servers
    }

    /// Whether no connection uses it.
    fn is_idle(&self) -> bool {
        self.orders.strong_count() == 1
    }

    /// For a connection that uses what is found.
    pub(super) fn subscribe(&self) -> Subscription {
        let relay = Relay { orders: self.orders.clone(), level: Arc::clone(&self.level) };
        Subscription::new(relay, self.known.clone())
    }

    /// Waits until every server has answered or failed; what has failed.
    pub(super) fn completion(&self) -> impl Future<Output = Vec<GatheringError>> + use<> {
        let mut known = self.known.clone();
        async move {
            match known.wait_for(|known| known.is_complete).await {
                Ok(known) => known.failures.iter().cloned().collect(),
                Err(_) => Vec::new(),
            }
        }
    }

    /// Gives everything back to the servers, and waits until they have it, as far as one can know.
    async fn close(&self) {
        // If the task is gone, it is closed.
        let _ = self.orders.send(Order::Close).await;
        self.orders.closed().await;
    }
}

/// The way of a connection's packets into the gathering that has the relayed addresses.
#[derive(Clone)]
struct Relay {
    orders: mpsc::Sender<Order>,
    level: Arc<Level>,
}

impl Relay {
    /// Has datagrams sent from their relayed address, if there is room for them.
    fn send(&self, burst: Burst) {
        let octets = burst.contents().len();
        let datagrams = burst.datagrams();
        if !self.level.rise(octets) {
            debug!(datagrams, octets, "too much waits to be relayed: datagrams lost");
        } else if self.orders.try_send(Order::Relay(burst)).is_err() {
            self.level.fall(octets);
            debug!(datagrams, octets, "the relay does not keep up: datagrams lost");
        }
    }

    /// Has the servers asked whether all is as it was.
    fn refresh(&self) {
        if self.orders.try_send(Order::Refresh).is_err() {
            debug!("the relay does not keep up: servers not asked");
        }
    }

    /// Has a peer let in. If it is lost, the first packet that is sent to the peer does the same.
    fn permit(&self, relayed: SocketAddr, peer: IpAddr) {
        if self.orders.try_send(Order::Permit { relayed, peer }).is_err() {
            debug!(%relayed, %peer, "the relay does not keep up: permission not asked for");
        }
    }
}
