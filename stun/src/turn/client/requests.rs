//! The requests that wait for a response.
//!
//! RFC 8656 §7 to §12: five methods, each of them a transaction of RFC 8489 §6.2. What is asked and
//! how often it has been tried goes with it, because 401, 438 and 500 mean the same on all of them:
//! ask again in a new transaction. Invariant: at most [`MAX_TRIES`] transactions for one purpose.
//! Book: "Relay".

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;

use super::authentication::Seal;
use super::event::Error;
use crate::turn::ChannelNumber;
use crate::{ClientTransaction, Event, Message, Method, Outcome, Timing, TransactionId};

/// Transactions for one purpose: the first, the one that answers 401, and one more for a nonce that
/// has become stale since. A server that goes on asking does not want us.
pub(super) const MAX_TRIES: u32 = 3;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To get relayed addresses.
    Allocate,
    /// To end the allocation that somebody before us has left on these addresses (437).
    Clear,
    /// To keep the allocation.
    Refresh,
    /// To give the allocation back.
    Release,
    /// To let a peer in, or to keep it in.
    Permit(IpAddr),
    /// To bind a channel to a peer, or to keep it bound.
    Bind(SocketAddr, ChannelNumber),
}

impl Purpose {
    /// The method that serves it.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Clear | Self::Refresh | Self::Release => Method::REFRESH,
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::Bind(..) => Method::CHANNEL_BIND,
        }
    }
}

/// A request that waits for its response.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) purpose: Purpose,
    /// How often it has been tried, this time included.
    pub(super) tries: u32,
    /// What it was sealed with, if it was.
    pub(super) seal: Option<Seal>,
    /// A response came that was not believed. If no better one comes, that is what is said.
    pub(super) doubted: bool,
    transaction: ClientTransaction,
}

/// All requests that wait for their responses: one for each purpose.
#[derive(Debug)]
pub(super) struct Requests {
    timing: Timing,
    waiting: BTreeMap<TransactionId, Request>,
    /// Those that have something to transmit.
    ready: VecDeque<TransactionId>,
}

impl Requests {
    /// None yet.
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, waiting: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// Sends a request that is written already.
    pub(super) fn start(
        &mut self,
        purpose: Purpose,
        tries: u32,
        (request, octets, seal): (Message, Bytes, Option<Seal>),
    ) {
        let id = request.transaction_id;
        let transaction = ClientTransaction::encoded(&request, octets, self.timing);
        self.waiting.insert(id, Request { purpose, tries, seal, doubted: false, transaction });
        self.ready.push_back(id);
    }

    /// The request that a response answers.
    pub(super) fn answered_by(&self, response: &Message) -> Result<&Request, Error> {
        self.waiting
            .get(&response.transaction_id)
            .filter(|request| request.purpose.method() == response.method)
            .ok_or(Error::UnknownTransaction)
    }

    /// Takes a response that has been found to be believable.
    pub(super) fn finish(&mut self, response: Message) -> Option<(Request, Outcome)> {
        let mut request = self.waiting.remove(&response.transaction_id)?;
        request.transaction.handle_response(response).ok()?;
        let Event::Closed(outcome) = request.transaction.poll_event()?;
        Some((request, outcome))
    }

    /// A response to a request was not believed. A datagram may be anybody's, and the true one may
    /// follow; of a stream nothing else will come, so there the request is over (RFC 8489 §9.2.5).
    pub(super) fn doubt(&mut self, id: &TransactionId, is_stream: bool) -> Option<Request> {
        self.waiting.get_mut(id)?.doubted = true;
        if is_stream { self.waiting.remove(id) } else { None }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.ready.clear();
    }

    /// Lets time pass; returns those that nobody has answered.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Request> {
        let Self { waiting, ready, .. } = self;
        let mut over = Vec::new();
        for (id, request) in waiting.iter_mut() {
            let due = request.transaction.poll_timeout().is_some_and(|timeout| timeout <= now);
            if due {
                request.transaction.handle_timeout(now);
                match request.transaction.poll_event() {
                    Some(Event::Closed(_)) => over.push(*id),
                    None => ready.push_back(*id),
                }
            }
        }
        over.iter().filter_map(|id| waiting.remove(id)).collect()
    }

    /// The next request to be transmitted.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        while let Some(id) = self.ready.pop_front() {
            let request = self.waiting.get_mut(&id);
            if let Some(octets) = request.and_then(|r| r.transaction.poll_transmit(now)) {
                return Some(octets);
            }
        }
        None
    }

    /// When something is to be done.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|request| request.transaction.poll_timeout()).min()
    }
}
