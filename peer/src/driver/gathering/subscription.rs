//! What a connection has of a gathering: the news, and the way of its packets through the relays.
//!
//! Book: chapters "Candidates" and "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ice::{Gathered, GatheringError};
use tokio::sync::watch;

use super::super::burst::Burst;
use super::{Known, Relay};
use crate::Connection;

/// A connection's share in a gathering.
pub(in super::super) struct Subscription {
    relay: Relay,
    known: watch::Receiver<Known>,
    /// The ways the connection was told of.
    ways: Vec<Gathered>,
    /// How many failures it was told of.
    failures: usize,
    /// The relayed addresses among the ways, for a look at each burst.
    relayed: Vec<SocketAddr>,
}

impl Subscription {
    pub(super) fn new(relay: Relay, known: watch::Receiver<Known>) -> Subscription {
        Subscription { relay, known, ways: Vec::new(), failures: 0, relayed: Vec::new() }
    }

    /// Completes when there is news for [`Self::tell`].
    pub(in super::super) async fn changed(&mut self) {
        if self.known.changed().await.is_err() {
            // The gathering has ended, and the endpoint with it.
            std::future::pending::<()>().await;
        }
    }

    /// Tells the connection what it does not know yet. What has failed since is answered.
    pub(in super::super) fn tell(
        &mut self,
        now: Instant,
        connection: &mut Connection,
    ) -> Vec<GatheringError> {
        let Known { ways, failures, failures_in_all, is_complete } =
            self.known.borrow_and_update().clone();
        for lost in self.ways.iter().filter(|way| !ways.contains(way)) {
            connection.remove_local_candidate(now, lost);
        }
        for found in ways.iter().filter(|way| !self.ways.contains(way)) {
            connection.add_local_candidate(now, found.clone());
        }
        if is_complete {
            connection.end_of_local_candidates(now);
        }
        let relayed = |way: &Gathered| match way {
            Gathered::Relayed { relayed, .. } => Some(*relayed),
            _ => None,
        };
        self.relayed = ways.iter().filter_map(relayed).collect();
        self.ways = ways;
        let news = failures_in_all - self.failures;
        self.failures = failures_in_all;
        let told = failures.len().saturating_sub(news);
        failures.into_iter().skip(told).collect()
    }

    /// Whether packets from this address of ours go through a relay.
    pub(in super::super) fn is_relayed(&self, local: SocketAddr) -> bool {
        self.relayed.contains(&local)
    }

    /// Sends datagrams from their relayed address; without room they are lost.
    pub(in super::super) fn relay(&self, burst: Burst) {
        self.relay.send(burst);
    }

    /// Asks the servers whether all is as it was: the peer is silent, or the path is to change.
    pub(in super::super) fn refresh(&self) {
        self.relay.refresh();
    }

    /// Lets a peer's packets in, at a relayed address.
    pub(in super::super) fn permit(&self, relayed: SocketAddr, peer: IpAddr) {
        self.relay.permit(relayed, peer);
    }
}
