//! Which connection a datagram belongs to, when all share their sockets.
//!
//! ```text
//!                     ┌ STUN request ── ufrag before ':' in USERNAME ──┐
//! datagram ► router ──┤                                                ├─► lane ► its owner's task
//!                     └ anything else ── path: protocol, both addresses┘
//!                                        neither known: dropped
//! ```
//!
//! - A STUN request names the connection by our own username fragment (RFC 8445 §7.2.2), whatever
//!   address it comes from. That is all a stranger can reach, and only who has read our description
//!   knows the fragment.
//! - A **path** is added when its owner sends on it, never because something arrived: checks go
//!   only to candidates and answers only to who proved to know our password. So datagrams of
//!   strangers leave nothing behind, and before ICE has validated an address nothing but STUN from
//!   there reaches a connection.
//! - The newest connection to send on a path owns it: a peer that starts again on the port it had
//!   before is heard, while its former connection still waits for consent to expire. It follows
//!   that two connections cannot live side by side between the same two addresses.
//! - Paths to STUN and TURN servers belong to gathering, and no connection can take one over: a peer
//!   may name any address as its candidate.
//! - What comes out of a relay is routed in the same way: there, our address is the relayed one.
//! - A lane is bounded, and tighter until the peer is authenticated.
//!
//! Book: "The pump".

use std::cell::LazyCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use ice::Path;
use smallvec::SmallVec;
use tracing::trace;

use super::lane::{Batch, Inbox, Lane};

/// The most octets that wait for a connection whose peer is not authenticated yet: a few
/// handshake flights.
const MAX_QUEUED_BEFORE_CONNECTED: usize = 64 << 10;

/// The most octets that wait for a connection. The SCTP receive window bounds what an honest peer
/// has in flight; its burst should fit here even if the task is not scheduled meanwhile.
const MAX_QUEUED: usize = 512 << 10;

/// The most octets that wait for a gathering: what is relayed to all connections comes this way.
const MAX_QUEUED_FROM_SERVERS: usize = 1 << 20;

/// The most paths of one connection. A checklist has at most 100 pairs (RFC 8445 §6.1.2.5), and
/// some more addresses are learnt from checks and forgotten.
const MAX_PATHS: usize = 256;

/// The most paths to servers of one gathering: what its limits allow at once, twice. Redirects and
/// addresses that change make new ones for ever; then the oldest is forgotten, until it is used again.
const MAX_SERVER_PATHS: usize = 256;

/// The lanes of one path to a server: one, unless the application uses the server in several sets.
/// Transaction ids tell those apart.
type ServerLanes = SmallVec<[Lane; 1]>;

/// The table that finds the owner of each datagram. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Router {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    fragments: HashMap<String, Lane>,
    paths: HashMap<Path, Lane>,
    servers: HashMap<Path, ServerLanes>,
    last_id: u64,
}

// What a newer connection has taken over is left alone.
impl Tables {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn lanes(&self, path: &Path) -> ServerLanes {
        match self.servers.get(path) {
            Some(lanes) => lanes.clone(),
            None => self.paths.get(path).into_iter().cloned().collect(),
        }
    }

    fn forget_fragment(&mut self, fragment: &str, id: u64) {
        if self.fragments.get(fragment).is_some_and(|lane| lane.id == id) {
            self.fragments.remove(fragment);
        }
    }

    fn forget_path(&mut self, path: &Path, id: u64) {
        if self.paths.get(path).is_some_and(|lane| lane.id == id) {
            self.paths.remove(path);
        }
    }

    fn forget_server(&mut self, path: &Path, id: u64) {
        if let Some(lanes) = self.servers.get_mut(path) {
            lanes.retain(|lane| lane.id != id);
            if lanes.is_empty() {
                self.servers.remove(path);
            }
        }
    }
}

impl Router {
    /// A new connection's place in the table, and the end of its lane.
    pub(crate) fn register(&self) -> Registration {
        let (lane, inbox) = Lane::new(self.lock().next_id(), MAX_QUEUED_BEFORE_CONNECTED);
        Registration {
            router: self.clone(),
            lane,
            inbox,
            fragments: SmallVec::new(),
            paths: Vec::new(),
        }
    }

    /// A gathering's place in the table, and the end of its lane.
    pub(crate) fn register_gathering(&self) -> Servers {
        let (lane, inbox) = Lane::new(self.lock().next_id(), MAX_QUEUED_FROM_SERVERS);
        Servers { router: self.clone(), lane, inbox, paths: VecDeque::new() }
    }

    // ANCHOR: route
    /// Hands what came on one path to those it is for.
    pub(crate) fn route<'a>(&self, path: Path, datagrams: impl Iterator<Item = &'a [u8]>) {
        let remote = path.remote;
        // Copied only for somebody: what strangers send costs a look into the table.
        let of_path = LazyCell::new(|| self.lock().lanes(&path));
        let mut batch = Batch { path, datagrams: SmallVec::new() };
        for datagram in datagrams {
            match request_fragment(datagram) {
                Kind::Request(fragment) => {
                    let lane = self.lock().fragments.get(&fragment).cloned();
                    match lane {
                        Some(lane) => {
                            let datagrams = SmallVec::from_elem(BytesMut::from(datagram), 1);
                            lane.push(Batch { path, datagrams });
                        }
                        None => trace!(%remote, "a check for no connection of ours: dropped"),
                    }
                }
                Kind::Other if !of_path.is_empty() => batch.datagrams.push(datagram.into()),
                Kind::Other => trace!(?path, "from no peer of ours: dropped"),
                Kind::Malformed => trace!(%remote, "malformed STUN: dropped"),
            }
        }
        if !batch.datagrams.is_empty()
            && let Some((last, others)) = of_path.split_last()
        {
            for lane in others {
                lane.push(batch.clone());
            }
            last.push(batch);
        }
    }
    // ANCHOR_END: route

    /// The lane of the connection that this check is for.
    pub(super) fn owner_of_check(&self, datagram: &[u8]) -> Option<Lane> {
        match request_fragment(datagram) {
            Kind::Request(fragment) => self.lock().fragments.get(&fragment).cloned(),
            Kind::Malformed | Kind::Other => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // The tables are consistent after every statement, so a panic elsewhere spoils nothing.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the router needs to know of a datagram.
enum Kind {
    /// A STUN request with this fragment of ours in USERNAME.
    Request(String),
    /// STUN with a broken format, or a request that does not say whom it is for.
    Malformed,
    /// Any other datagram; its owner tells the protocols apart (RFC 7983).
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
    inbox: Inbox,
    /// Two while ICE restarts (RFC 8445 §9): the former credentials are good until the switch.
    fragments: SmallVec<[String; 2]>,
    /// Every path this connection has sent on. A handful, so a list beats a set.
    paths: Vec<Path>,
}

impl Registration {
    /// A number that tells the endpoint's connections apart in logs.
    pub(crate) fn id(&self) -> u64 {
        self.lane.id
    }

    /// Where what comes for this connection is put.
    pub(super) fn lane(&self) -> Lane {
        self.lane.clone()
    }

    /// What comes for this connection.
    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
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
    pub(crate) fn add_path(&mut self, path: Path) {
        if self.paths.contains(&path) {
            return;
        }
        if self.paths.len() == MAX_PATHS {
            trace!(?path, "one path too many: answers from there will not be heard");
            return;
        }
        self.paths.push(path);
        self.router.lock().paths.insert(path, self.lane.clone());
    }

    /// Lifts the bound that holds for peers that are not authenticated.
    pub(crate) fn peer_is_authenticated(&self) {
        self.inbox.set_limit(MAX_QUEUED);
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

/// The paths to the servers of one gathering; dropping it removes them all.
#[derive(Debug)]
pub(crate) struct Servers {
    router: Router,
    lane: Lane,
    inbox: Inbox,
    /// In the order of their first use.
    paths: VecDeque<Path>,
}

impl Servers {
    /// A number that tells gatherings apart in logs.
    pub(crate) fn id(&self) -> u64 {
        self.lane.id
    }

    /// What comes from the servers, or from who claims to be one.
    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// Adds a path to a server that is about to be asked.
    pub(crate) fn add_path(&mut self, path: Path) {
        if self.paths.contains(&path) {
            return;
        }
        let mut tables = self.router.lock();
        if self.paths.len() == MAX_SERVER_PATHS
            && let Some(oldest) = self.paths.pop_front()
        {
            tables.forget_server(&oldest, self.lane.id);
        }
        self.paths.push_back(path);
        tables.servers.entry(path).or_default().push(self.lane.clone());
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let mut tables = self.router.lock();
        for path in &self.paths {
            tables.forget_server(path, self.lane.id);
        }
    }
}

#[cfg(test)]
mod tests;
