//! The gatherings of an endpoint: one for each set of servers that connections have named.
//!
//! A set that nobody uses any more is kept for the next connection, up to a number. Over UDP a TURN
//! server knows us by our port and lends it one address (RFC 8656 §3.2): two sets cannot both borrow
//! there. The newer one gets it if the older is not in use, else it has to do with its other servers.
//!
//! Book: chapter "Relay".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stun::{ServerTransport, Service, Uri};
use tokio::task::JoinSet;

use super::{Gathering, Shared};
use crate::IceServer;

/// Sets that are kept although no connection uses them. With passwords that are good for one call,
/// each call brings a new set.
const MAX_IDLE: usize = 8;

/// All of an endpoint, in the order of their beginning.
#[derive(Default)]
pub(in super::super) struct Gatherings {
    list: Mutex<Vec<Arc<Gathering>>>,
}

impl Gatherings {
    /// The gathering from these servers, begun if there is none; `None` without servers.
    pub(in super::super) fn of(
        &self,
        servers: &[IceServer],
        shared: Shared,
    ) -> Option<Arc<Gathering>> {
        if servers.is_empty() {
            return None;
        }
        let mut list = self.lock();
        if let Some(known) = list.iter().find(|known| known.servers() == servers) {
            return Some(Arc::clone(known));
        }
        let is_idle = |known: &Arc<Gathering>| known.is_idle();
        let rivals =
            |known: &Arc<Gathering>| known.servers().iter().any(|it| is_rival(it, servers));
        let former = list.extract_if(.., |known| is_idle(known) && rivals(known)).collect();
        if list.iter().filter(|known| is_idle(known)).count() >= MAX_IDLE
            && let Some(oldest) = list.iter().position(is_idle)
        {
            // Dropped, it gives everything back.
            list.remove(oldest);
        }
        let is_taken =
            |server: &&IceServer| list.iter().any(|known| is_rival(server, known.servers()));
        let taken = servers.iter().filter(is_taken).map(|server| server.url.clone()).collect();
        let begun = Arc::new(Gathering::start(shared, servers.to_vec(), taken, former));
        list.push(Arc::clone(&begun));
        Some(begun)
    }

    /// Gives back what has been lent, everywhere.
    pub(in super::super) async fn close(&self) {
        let all = std::mem::take(&mut *self.lock());
        let mut closing = JoinSet::new();
        for gathering in all {
            closing.spawn(async move { gathering.close().await });
        }
        closing.join_all().await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Gathering>>> {
        // The list is consistent after every statement, so a panic elsewhere spoils nothing.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one of `others` borrows where `server` does.
fn is_rival(server: &IceServer, others: &[IceServer]) -> bool {
    lends_to_the_port(&server.url) && others.iter().any(|other| other.url == server.url)
}

/// Over streams each set has its own.
fn lends_to_the_port(url: &Uri) -> bool {
    url.service == Service::Turn && url.transport == ServerTransport::Udp
}
