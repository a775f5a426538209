//! Whom is to be asked from where, and when (RFC 8445 §5.1.1.2, §14.2, §14.3).
//!
//! Book: chapter "Candidates".

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use stun::{ServerTransport, Timing};
use tracing::debug;

use super::allocation::Allocation;
use super::query::Query;
use super::reach::reaches;
use super::verdict::{Failure, Verdict};
use super::{Gatherer, Server};
use crate::pacer::Urgency;

/// Ta, the time from one new question to the next (RFC 8445 §14.2).
pub(super) const TA: Duration = Duration::from_millis(50);
/// The least time to the first retransmission (RFC 8445 §14.3).
const RTO: Duration = Duration::from_millis(500);
/// How often a request goes out, and the wait after the last in units of RTO: with 500 ms it is given
/// up after 8.5 s. RFC 8489 §6.2.1 has 7 and 16 by default, 39.5 s; a new attempt begins with short
/// waits again, so an unlucky one does not cost the call.
const TRANSMISSIONS: u32 = 5;
const LAST_WAIT: u32 = 2;

/// Questions what a base looks like. At one every Ta they all have begun after three seconds.
const MAX_QUERIES: usize = 64;
/// Allocations. Each may bring two candidates of the 64 that an agent has.
const MAX_ALLOCATIONS: usize = 24;

impl Gatherer {
    /// Whom is to be asked from where. What is asked already is left as it is.
    pub(super) fn plan(&mut self) {
        let bases = &self.bases;
        let is_ours = |ip| bases.iter().any(|base| base.ip() == ip);
        for (index, server) in self.servers.iter().enumerate() {
            let Server { address, transport, .. } = *server;
            let reaching = bases.iter().copied().filter(|base| reaches(*base, address, is_ours));
            let locals: Vec<_> = match transport {
                ServerTransport::Udp => reaching.collect(),
                // The machine chooses the way of a stream.
                _ => reaching.take(1).map(|_| unspecified(address)).collect(),
            };
            for local in locals {
                if transport == ServerTransport::Udp {
                    want_query(&mut self.queries, local, server, index);
                }
                if let Some(user) = &server.user {
                    let known = |it: &Allocation| {
                        (it.transport, it.local, it.origin) == (transport, local, address)
                    };
                    let fits = self.allocations.len() < MAX_ALLOCATIONS;
                    if fits && !self.allocations.iter().any(known) {
                        self.allocations.push(Allocation::new(
                            (transport, local),
                            (index, address),
                            user.clone(),
                        ));
                    }
                }
            }
        }
        self.news.begin();
    }

    pub(super) fn is_anything_waiting(&self) -> bool {
        self.queries.iter().any(Query::is_waiting)
            || self.allocations.iter().any(Allocation::is_waiting)
    }

    /// Begins with one more, if Ta allows it (RFC 8445 §14.2).
    pub(super) fn start_next(&mut self, now: Instant) {
        if !self.pacer.is_ready(now, Urgency::Ordinary) || self.is_closed {
            return;
        }
        let timing = self.timing();
        if let Some(query) = self.queries.iter_mut().find(|query| query.is_waiting()) {
            query.start(now, timing, &mut self.rng);
        } else if let Some(index) = self.allocations.iter().position(Allocation::is_waiting) {
            let is_taken = self.is_taken(index);
            let Some(allocation) = self.allocations.get_mut(index) else { return };
            if is_taken {
                // One allocation for a pair of addresses: two servers have sent us to a third.
                allocation.fail(now, Failure::refused(300, ""), &mut self.rng);
                self.news.look();
                return;
            }
            allocation.start(now, timing, &mut self.rng);
        } else {
            return;
        }
        self.pacer.use_slot(now);
    }

    fn is_taken(&self, index: usize) -> bool {
        let Some(wanted) = self.allocations.get(index) else { return false };
        let same = |it: &Allocation| it.is_between(wanted.transport, wanted.local, wanted.remote);
        self.allocations.iter().filter(|it| it.is_running()).any(same)
    }

    /// Each is asked once before any is asked again (RFC 8445 §14.3).
    fn timing(&self) -> Timing {
        let queries = self.queries.iter().map(|query| &query.verdict);
        let allocations = self.allocations.iter().map(|allocation| &allocation.verdict);
        let pending = queries.chain(allocations).filter(|it| **it == Verdict::Pending).count();
        let pending = u32::try_from(pending).unwrap_or(u32::MAX);
        let rto = RTO.max(TA.saturating_mul(pending));
        Timing { rto, rc: TRANSMISSIONS, rm: LAST_WAIT }
    }
}

/// One question for each pair of addresses, whatever URLs lead there.
fn want_query(queries: &mut Vec<Query>, base: SocketAddr, server: &Server, index: usize) {
    let is_all = server.user.is_none();
    let fits = queries.len() < MAX_QUERIES;
    let same = |query: &&mut Query| (query.base, query.remote) == (base, server.address);
    match queries.iter_mut().find(same) {
        Some(query) if is_all && !query.is_all => {
            query.is_all = true;
            query.server = index;
        }
        Some(_) => {}
        None if fits => queries.push(Query::new(base, server.address, index, is_all)),
        None => debug!(%base, url = server.url, "not asked: too many servers or addresses"),
    }
}

fn unspecified(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}
