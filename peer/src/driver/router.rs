//! Which connection a datagram belongs to, when all share one socket.
//!
//! ```text
//!                     ┌ STUN request ── ufrag before ':' in USERNAME ──┐
//! datagram ► router ──┤                                                ├─► lane ► connection's task
//!                     └ anything else ── (local, remote) address pair ─┘
//!                                        neither known: dropped
//! ```
//!
//! - A STUN request names the connection by our own username fragment (RFC 8445 §7.2.2), whatever
//!   address it comes from. That is all a stranger can reach, and only who has read our description
//!   knows the fragment.
//! - A **path**, a pair of addresses, is added when the connection sends on it, never because
//!   something arrived: checks go only to candidates and answers only to who proved to know our
//!   password. So datagrams of strangers leave nothing behind, and before ICE has validated an
//!   address nothing but STUN from there reaches a connection.
//! - The newest connection to send on a path owns it: a peer that starts again on the port it had
//!   before is heard, while its former connection still waits for consent to expire. It follows
//!   that two connections cannot live side by side between the same two sockets.
//! - A lane is bounded in datagrams and in octets, tighter until the peer is authenticated. What
//!   does not fit is lost, as on any link.
//!
//! Book: "The pump".

use std::cell::LazyCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tracing::{debug, trace};

use super::socket::Received;

/// The most octets that wait for a connection whose peer is not authenticated yet: a few
/// handshake flights.
const MAX_QUEUED_BEFORE_CONNECTED: usize = 64 << 10;

/// The most octets that wait for a connection. The SCTP receive window bounds what an honest peer
/// has in flight; its burst should fit here even if the task is not scheduled meanwhile.
const MAX_QUEUED: usize = 512 << 10;

/// What one datagram costs in memory besides its octets: the handle on them, and the allocator's
/// share.
const DATAGRAM_OVERHEAD: usize = 64;

/// The most batches that wait for a connection, so that tiny datagrams are bounded too.
const MAX_QUEUED_BATCHES: usize = 512;

/// The most paths of one connection. A checklist has at most 100 pairs (RFC 8445 §6.1.2.5), and
/// some more addresses are learnt from checks and forgotten.
const MAX_PATHS: usize = 256;

/// Datagrams of one path, in the order of their arrival.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Our address and port.
    pub(crate) local: SocketAddr,
    /// The peer's.
    pub(crate) remote: SocketAddr,
    /// Each owns exactly its octets: whatever slice of it a layer keeps, it keeps no other
    /// datagram's memory alive, so that what a peer can make us hold stays in proportion to what
    /// it sent. The price is one copy out of the receive buffer.
    pub(crate) datagrams: SmallVec<[BytesMut; 1]>,
}

/// The table that finds the connection of each datagram. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Router {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    fragments: HashMap<String, Lane>,
    paths: HashMap<(SocketAddr, SocketAddr), Lane>,
    last_id: u64,
}

// What a newer connection has taken over is left alone.
impl Tables {
    fn forget_fragment(&mut self, fragment: &str, id: u64) {
        if self.fragments.get(fragment).is_some_and(|lane| lane.id == id) {
            self.fragments.remove(fragment);
        }
    }

    fn forget_path(&mut self, path: &(SocketAddr, SocketAddr), id: u64) {
        if self.paths.get(path).is_some_and(|lane| lane.id == id) {
            self.paths.remove(path);
        }
    }
}

/// The router's end of the queue to one connection.
#[derive(Clone, Debug)]
struct Lane {
    id: u64,
    queue: mpsc::Sender<Batch>,
    level: Arc<Level>,
}

/// How full a lane is, known at both of its ends.
#[derive(Debug)]
struct Level {
    octets: AtomicUsize,
    limit: AtomicUsize,
}

impl Lane {
    fn push(&self, batch: Batch) {
        let octets = octets(&batch);
        let waiting = self.level.octets.fetch_add(octets, Ordering::Relaxed) + octets;
        let fits = waiting <= self.level.limit.load(Ordering::Relaxed);
        if !fits || self.queue.try_send(batch).is_err() {
            self.level.octets.fetch_sub(octets, Ordering::Relaxed);
            debug!(connection = self.id, octets, "the connection does not keep up: datagrams lost");
        }
    }
}

/// What a batch counts for in a lane: its octets, and what keeping a datagram costs besides.
fn octets(batch: &Batch) -> usize {
    batch.datagrams.iter().map(|datagram| datagram.len() + DATAGRAM_OVERHEAD).sum()
}

impl Router {
    /// A new connection's place in the table, and the end of its lane.
    pub(crate) fn register(&self) -> Registration {
        let (queue, inbound) = mpsc::channel(MAX_QUEUED_BATCHES);
        let level = Arc::new(Level {
            octets: AtomicUsize::new(0),
            limit: AtomicUsize::new(MAX_QUEUED_BEFORE_CONNECTED),
        });
        let mut tables = self.lock();
        tables.last_id += 1;
        let lane = Lane { id: tables.last_id, queue, level };
        drop(tables);
        Registration {
            router: self.clone(),
            lane,
            inbound,
            fragments: SmallVec::new(),
            paths: Vec::new(),
        }
    }

    /// Hands what the socket received to the connections it is for.
    pub(crate) fn route(&self, received: &Received<'_>) {
        let (local, remote) = (received.local, received.remote);
        // Copied only for somebody: what strangers send costs a look into the table.
        let of_path = LazyCell::new(|| self.lock().paths.get(&(local, remote)).cloned());
        let mut batch = Batch { local, remote, datagrams: SmallVec::new() };
        for datagram in received.datagrams() {
            match request_fragment(datagram) {
                Kind::Request(fragment) => {
                    let lane = self.lock().fragments.get(&fragment).cloned();
                    match lane {
                        Some(lane) => {
                            let datagrams = SmallVec::from_elem(BytesMut::from(datagram), 1);
                            lane.push(Batch { local, remote, datagrams });
                        }
                        None => trace!(%remote, "a check for no connection of ours: dropped"),
                    }
                }
                Kind::Other if of_path.is_some() => batch.datagrams.push(datagram.into()),
                Kind::Other => trace!(%local, %remote, "from no peer of ours: dropped"),
                Kind::Malformed => trace!(%remote, "malformed STUN: dropped"),
            }
        }
        if !batch.datagrams.is_empty()
            && let Some(lane) = &*of_path
        {
            lane.push(batch);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // The tables are consistent after every statement, so a panic elsewhere spoils nothing.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of fragments and paths known, for tests of the bounds.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let tables = self.lock();
        (tables.fragments.len(), tables.paths.len())
    }
}

/// What the router needs to know of a datagram.
enum Kind {
    /// A STUN request with this fragment of ours in USERNAME.
    Request(String),
    /// STUN with a broken format, or a request that does not say whom it is for.
    Malformed,
    /// Any other datagram; the connection tells the protocols apart (RFC 7983).
    Other,
}

fn request_fragment(datagram: &[u8]) -> Kind {
    if !stun::is_stun(datagram) {
        return Kind::Other;
    }
    let Ok(message) = stun::Message::parse(datagram) else { return Kind::Malformed };
    if message.class != stun::Class::Request {
        return Kind::Other;
    }
    // "ufrag of who receives" ':' "ufrag of who sends", RFC 8445 §7.2.2.
    match message.username().and_then(|name| name.split_once(':')) {
        Some((ours, _)) => Kind::Request(ours.to_owned()),
        None => Kind::Malformed,
    }
}

/// One connection's entries in the table; dropping it removes them all.
#[derive(Debug)]
pub(crate) struct Registration {
    router: Router,
    lane: Lane,
    inbound: mpsc::Receiver<Batch>,
    /// Two while ICE restarts (RFC 8445 §9): the former credentials are good until the switch.
    fragments: SmallVec<[String; 2]>,
    /// Every path this connection has sent on. A handful, so a list beats a set.
    paths: Vec<(SocketAddr, SocketAddr)>,
}

impl Registration {
    /// A number that tells the endpoint's connections apart in logs.
    pub(crate) fn id(&self) -> u64 {
        self.lane.id
    }

    /// Says which username fragments are this connection's from now on.
    pub(crate) fn set_fragments<'a>(&mut self, fragments: impl Iterator<Item = &'a str>) {
        let fragments: SmallVec<[String; 2]> = fragments.map(str::to_owned).collect();
        if fragments == self.fragments {
            return;
        }
        let mut tables = self.router.lock();
        for former in self.fragments.drain(..) {
            tables.forget_fragment(&former, self.lane.id);
        }
        for fragment in &fragments {
            tables.fragments.insert(fragment.clone(), self.lane.clone());
        }
        drop(tables);
        self.fragments = fragments;
    }

    /// Adds a path this connection is about to send on.
    pub(crate) fn add_path(&mut self, local: SocketAddr, remote: SocketAddr) {
        let path = (local, remote);
        if self.paths.contains(&path) {
            return;
        }
        if self.paths.len() == MAX_PATHS {
            trace!(%local, %remote, "one path too many: answers from there will not be heard");
            return;
        }
        self.paths.push(path);
        self.router.lock().paths.insert(path, self.lane.clone());
    }

    /// Lifts the bound that holds for peers that are not authenticated.
    pub(crate) fn peer_is_authenticated(&self) {
        self.lane.level.limit.store(MAX_QUEUED, Ordering::Relaxed);
    }

    /// The next datagrams for this connection.
    pub(crate) async fn receive(&mut self) -> Option<Batch> {
        let batch = self.inbound.recv().await;
        self.taken(batch)
    }

    /// The next datagrams for this connection, if some wait.
    pub(crate) fn try_receive(&mut self) -> Option<Batch> {
        let batch = self.inbound.try_recv().ok();
        self.taken(batch)
    }

    fn taken(&self, batch: Option<Batch>) -> Option<Batch> {
        let octets = batch.as_ref().map_or(0, octets);
        self.lane.level.octets.fetch_sub(octets, Ordering::Relaxed);
        batch
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut tables = self.router.lock();
        for fragment in &self.fragments {
            tables.forget_fragment(fragment, self.lane.id);
        }
        for path in &self.paths {
            tables.forget_path(path, self.lane.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:1000";
    const REMOTE: &str = "127.0.0.1:2000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn route(router: &Router, remote: &str, contents: &[u8], stride: usize) {
        router.route(&Received::new(address(LOCAL), address(remote), contents, stride));
    }

    fn check(username: &str) -> Vec<u8> {
        let id = stun::TransactionId([7; 12]);
        stun::Message::request(stun::Method::BINDING, id)
            .with(stun::Attribute::Username(username.into()))
            .encode(None)
            .to_vec()
    }

    #[test]
    fn a_check_finds_its_connection_by_our_fragment() {
        let router = Router::default();
        let (mut one, mut two) = (router.register(), router.register());
        one.set_fragments(["aaaa"].into_iter());
        two.set_fragments(["bbbb"].into_iter());
        route(&router, REMOTE, &check("bbbb:xxxx"), 1500);
        assert!(one.try_receive().is_none());
        let batch = two.try_receive().unwrap();
        assert_eq!((batch.local, batch.remote), (address(LOCAL), address(REMOTE)));
    }

    #[test]
    fn other_datagrams_find_it_by_a_path_it_sent_on() {
        let router = Router::default();
        let mut one = router.register();
        one.add_path(address(LOCAL), address(REMOTE));
        route(&router, REMOTE, &[22; 250], 100);
        let lengths: Vec<_> =
            one.try_receive().unwrap().datagrams.iter().map(BytesMut::len).collect();
        assert_eq!(lengths, [100, 100, 50]);
        route(&router, "127.0.0.1:2001", &[22; 10], 10);
        assert!(one.try_receive().is_none());
    }

    #[test]
    fn row_9_datagrams_of_strangers_leave_nothing_behind() {
        let router = Router::default();
        let mut one = router.register();
        one.set_fragments(["aaaa"].into_iter());
        for port in 1..1000 {
            let stranger = format!("127.0.0.1:{port}");
            route(&router, &stranger, &[22; 100], 100);
            route(&router, &stranger, &check("zzzz:aaaa"), 1500);
            route(&router, &stranger, &check("aaaa"), 1500);
        }
        assert!(one.try_receive().is_none());
        // A check with the right fragment is for ICE to judge; the table does not learn from it.
        route(&router, REMOTE, &check("aaaa:zzzz"), 1500);
        assert!(one.try_receive().is_some());
        assert_eq!(router.size(), (1, 0));
    }

    #[test]
    fn row_3_a_lane_is_bounded_and_tighter_before_authentication() {
        let router = Router::default();
        let mut one = router.register();
        one.add_path(address(LOCAL), address(REMOTE));
        let fill = |one: &mut Registration| {
            for _ in 0..5000 {
                route(&router, REMOTE, &[22; 1000], 1000);
            }
            std::iter::from_fn(|| one.try_receive()).map(|batch| octets(&batch)).sum::<usize>()
        };
        assert!(fill(&mut one) <= MAX_QUEUED_BEFORE_CONNECTED);
        one.peer_is_authenticated();
        let octets = fill(&mut one);
        assert!((MAX_QUEUED_BEFORE_CONNECTED..=MAX_QUEUED).contains(&octets), "{octets}");
        assert!(fill(&mut one) > 0, "draining makes room");
    }

    #[test]
    fn row_56_a_connection_that_ends_takes_its_entries_along() {
        let router = Router::default();
        let mut one = router.register();
        one.set_fragments(["aaaa", "bbbb"].into_iter());
        for port in 1..1000 {
            one.add_path(address(LOCAL), SocketAddr::from(([127, 0, 0, 1], port)));
        }
        assert_eq!(router.size(), (2, MAX_PATHS));
        one.set_fragments(["cccc"].into_iter());
        assert_eq!(router.size(), (1, MAX_PATHS));
        drop(one);
        assert_eq!(router.size(), (0, 0));
    }

    #[test]
    fn the_newest_connection_owns_a_path() {
        let router = Router::default();
        let (mut former, mut newest) = (router.register(), router.register());
        former.add_path(address(LOCAL), address(REMOTE));
        newest.add_path(address(LOCAL), address(REMOTE));
        former.add_path(address(LOCAL), address(REMOTE));
        route(&router, REMOTE, &[22; 10], 10);
        assert!(former.try_receive().is_none());
        assert!(newest.try_receive().is_some());
        drop(former);
        route(&router, REMOTE, &[22; 10], 10);
        assert!(newest.try_receive().is_some());
    }
}
