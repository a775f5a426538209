//! A lane: the queue between the router and who owns what comes, bounded in datagrams and in octets.
//!
//! What does not fit is lost, as on any link.
//!
//! Book: "The pump".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use ice::Path;
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tracing::debug;

/// What one datagram costs in memory besides its octets: the handle on them, and the allocator's
/// share.
const DATAGRAM_OVERHEAD: usize = 64;

/// The most batches that wait in a lane, so that tiny datagrams are bounded too.
const MAX_QUEUED_BATCHES: usize = 512;

/// Datagrams of one path, in the order of their arrival.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The way they came.
    pub(crate) path: Path,
    /// None at all: the connection of TCP that carried them has ended.
    ///
    /// Each owns exactly its octets: whatever slice of it a layer keeps, it keeps no other
    /// datagram's memory alive, so that what a peer can make us hold stays in proportion to what
    /// it sent. The price is one copy out of the receive buffer.
    pub(crate) datagrams: SmallVec<[BytesMut; 1]>,
}

impl Batch {
    /// What it counts for in a lane: its octets, and what keeping a datagram costs besides.
    pub(super) fn octets(&self) -> usize {
        self.datagrams.iter().map(|datagram| datagram.len() + DATAGRAM_OVERHEAD).sum()
    }
}

/// How full a queue is, in octets, known at both of its ends.
#[derive(Debug)]
pub(super) struct Level {
    octets: AtomicUsize,
    limit: AtomicUsize,
}

impl Level {
    /// Empty, for at most `limit` octets.
    pub(super) fn new(limit: usize) -> Level {
        Level { octets: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }
    }

    /// Another bound from now on.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Makes room for so many octets, or answers false.
    pub(super) fn rise(&self, octets: usize) -> bool {
        self.rise_to(octets, self.limit.load(Ordering::Relaxed))
    }

    /// The same for what has a bound of its own.
    pub(super) fn rise_to(&self, octets: usize, limit: usize) -> bool {
        let waiting = self.octets.fetch_add(octets, Ordering::Relaxed).saturating_add(octets);
        let fits = waiting <= limit;
        if !fits {
            self.fall(octets);
        }
        fits
    }

    /// So many octets have been taken out again.
    pub(super) fn fall(&self, octets: usize) {
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// The router's end.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// Whose lane it is.
    pub(super) id: u64,
    queue: mpsc::Sender<Batch>,
    level: Arc<Level>,
}

impl Lane {
    /// A lane for at most `limit` octets, and its other end.
    pub(super) fn new(id: u64, limit: usize) -> (Lane, Inbox) {
        let (queue, batches) = mpsc::channel(MAX_QUEUED_BATCHES);
        let level = Arc::new(Level::new(limit));
        (Lane { id, queue, level: Arc::clone(&level) }, Inbox { batches, level })
    }

    /// Puts datagrams in, if they fit.
    pub(super) fn push(&self, batch: Batch) {
        let octets = batch.octets();
        if !self.level.rise(octets) {
            debug!(lane = self.id, octets, "the lane is full: datagrams lost");
        } else if self.queue.try_send(batch).is_err() {
            self.level.fall(octets);
            debug!(lane = self.id, octets, "too many wait in the lane: datagrams lost");
        }
    }
}

/// The owner's end of a lane.
#[derive(Debug)]
pub(crate) struct Inbox {
    batches: mpsc::Receiver<Batch>,
    level: Arc<Level>,
}

impl Inbox {
    /// The next datagrams.
    pub(crate) async fn receive(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().await;
        self.taken(batch)
    }

    /// The next datagrams, if some wait.
    pub(crate) fn try_receive(&mut self) -> Option<Batch> {
        let batch = self.batches.try_recv().ok();
        self.taken(batch)
    }

    /// Another bound from now on, in octets.
    pub(super) fn set_limit(&self, limit: usize) {
        self.level.set_limit(limit);
    }

    fn taken(&self, batch: Option<Batch>) -> Option<Batch> {
        self.level.fall(batch.as_ref().map_or(0, Batch::octets));
        batch
    }
}
