//! What is told: the difference between what is there and what was told before.
//!
//! Ways that come and go between two calls are not told; nothing is queued. Book: chapter "Candidates".

use std::net::SocketAddr;

use stun::ServerTransport;

use super::reach::reaches;
use super::verdict::{Failure, Verdict};
use super::{Gatherer, GatheringError, GatheringEvent, Server};
use crate::gathered::Gathered;

/// What was told, and whether it is worth looking for more. Of failures the verdicts know themselves
/// whether they were told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Bounded by what can be found at once.
    ways: Vec<Gathered>,
    /// Servers that are not asked at all, of those known.
    unasked: Vec<usize>,
    has_all_servers: bool,
    is_complete_told: bool,
    /// Something has changed since the last look.
    is_worth_a_look: bool,
}

impl News {
    pub(super) fn look(&mut self) {
        self.is_worth_a_look = true;
    }

    pub(super) fn end_of_servers(&mut self) {
        self.has_all_servers = true;
        self.look();
    }

    /// There is something new to gather from.
    pub(super) fn begin(&mut self) {
        self.is_complete_told = false;
        self.look();
    }
}

impl Gatherer {
    pub(super) fn next_news(&mut self) -> Option<GatheringEvent> {
        if !self.news.is_worth_a_look {
            return None;
        }
        let news = self
            .next_failure()
            .map(GatheringEvent::Failed)
            .or_else(|| self.next_way())
            .or_else(|| self.completion());
        self.news.is_worth_a_look = news.is_some();
        news
    }

    /// What is lost first, then what is found.
    fn next_way(&mut self) -> Option<GatheringEvent> {
        let ways = self.ways();
        let told = &mut self.news.ways;
        if let Some(lost) = told.iter().position(|way| !ways.contains(way)) {
            return Some(GatheringEvent::Lost(told.remove(lost)));
        }
        let found = ways.into_iter().find(|way| !told.contains(way))?;
        told.push(found.clone());
        Some(GatheringEvent::Found(found))
    }

    /// All ways there are. One that two servers see is one; a base that no NAT hides is told as such
    /// by its owner (RFC 8445 §5.1.3).
    fn ways(&self) -> Vec<Gathered> {
        let mut ways = Vec::new();
        let over_udp = |it: &&super::Allocation| it.transport == ServerTransport::Udp;
        let queries = self.queries.iter().map(|query| (query.base, query.mapped));
        let relays = self.allocations.iter().filter(over_udp).map(|it| (it.local, it.mapped));
        for (base, mapped) in queries.chain(relays) {
            let Some(mapped) = mapped.filter(|mapped| *mapped != base) else { continue };
            let way = Gathered::ServerReflexive { base, mapped };
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        for allocation in &self.allocations {
            let Some(mapped) = allocation.mapped else { continue };
            let transport = allocation.transport;
            let relayed = allocation.relayed.iter();
            ways.extend(relayed.map(|it| Gathered::Relayed { relayed: *it, mapped, transport }));
        }
        ways
    }

    /// A failure that was not told. That a server refuses is told at once, that it is silent only when
    /// it is silent to all bases: from some it may be out of reach, which is no failure. One reason is
    /// told once, whichever base it was given to, until the server has been of use again.
    fn next_failure(&mut self) -> Option<GatheringError> {
        let hopeless: Vec<bool> =
            (0..self.servers.len()).map(|server| self.is_hopeless(server)).collect();
        let mut told = self.told_failures();
        for (server, local, verdict) in self.asked_mut() {
            let Verdict::Useless { failure, is_told: is_told @ false } = verdict else { continue };
            let is_silent = failure.code == GatheringError::UNREACHABLE;
            if is_silent && hopeless.get(server) != Some(&true) {
                continue;
            }
            *is_told = true;
            if told.contains(&(server, failure.code)) {
                continue;
            }
            told.push((server, failure.code));
            let Failure { code, reason } = failure.clone();
            let url = self.servers.get(server)?.url.clone();
            return Some(GatheringError { url, local, code, reason });
        }
        self.next_unasked()
    }

    /// A server that no base can ask, or that is asked in vain because of how it is reached.
    fn next_unasked(&mut self) -> Option<GatheringError> {
        if !self.news.has_all_servers || self.bases.is_empty() {
            return None;
        }
        let (index, reason) = self.servers.iter().enumerate().find_map(|(index, server)| {
            let reason = if server.transport != ServerTransport::Udp && server.user.is_none() {
                "over TCP or TLS a server cannot see our UDP port: use its stun: URL"
            } else if !self.is_reached(&server.url) {
                "no address of this machine can reach it: is there a network?"
            } else {
                return None;
            };
            (!self.news.unasked.contains(&index)).then_some((index, reason))
        })?;
        self.news.unasked.push(index);
        let (url, reason) = (self.servers.get(index)?.url.clone(), reason.to_owned());
        Some(GatheringError { url, local: None, code: GatheringError::UNREACHABLE, reason })
    }

    /// Whether one of the addresses that this URL stands for can be reached.
    fn is_reached(&self, url: &str) -> bool {
        let is_ours = |ip| self.bases.iter().any(|base| base.ip() == ip);
        let reached =
            |server: &Server| self.bases.iter().any(|base| reaches(*base, server.address, is_ours));
        self.servers.iter().filter(|server| server.url == url).any(reached)
    }

    /// All that was asked under this server's URL has failed.
    fn is_hopeless(&self, server: usize) -> bool {
        let url = |index: usize| self.servers.get(index).map(|server| server.url.as_str());
        self.asked()
            .filter(|(other, _)| url(*other) == url(server))
            .all(|(_, verdict)| matches!(verdict, Verdict::Useless { .. }))
    }

    fn told_failures(&self) -> Vec<(usize, u16)> {
        let told = self.asked().filter_map(|(server, verdict)| match verdict {
            Verdict::Useless { failure, is_told: true } => Some((server, failure.code)),
            _ => None,
        });
        told.collect()
    }

    /// What completion waits for, with the server it concerns.
    fn asked(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        let queries = self.queries.iter().filter(|query| query.is_all);
        let allocations = self.allocations.iter().map(|it| (it.server, &it.verdict));
        queries.map(|query| (query.server, &query.verdict)).chain(allocations)
    }

    fn asked_mut(&mut self) -> Vec<(usize, Option<SocketAddr>, &mut Verdict)> {
        let queries = self.queries.iter_mut().filter(|query| query.is_all);
        let queries = queries.map(|query| (query.server, Some(query.base), &mut query.verdict));
        let allocations = self.allocations.iter_mut().map(|it| {
            let base = (it.transport == ServerTransport::Udp).then_some(it.local);
            (it.server, base, &mut it.verdict)
        });
        queries.chain(allocations).collect()
    }

    fn completion(&mut self) -> Option<GatheringEvent> {
        let is_pending = self.asked().any(|(_, verdict)| *verdict == Verdict::Pending);
        if is_pending || !self.news.has_all_servers || self.news.is_complete_told {
            return None;
        }
        self.news.is_complete_told = true;
        Some(GatheringEvent::Complete)
    }
}
