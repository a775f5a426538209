//! Candidates in, pairs out (RFC 8445 §5.1, §6.1.2; RFC 8838 §10–§12 for those that come late).
//!
//! Our own candidates are host candidates only; their bases are themselves, so there is nothing
//! reflexive to replace (§6.1.2.4), and the peer-reflexive addresses that responses report live in
//! their pair's state. Book: chapter "Candidates".

use std::net::SocketAddr;
use std::time::Instant;

use tracing::debug;

use super::Agent;
use super::generation::{Conclusion, RemoteCandidate};
use crate::address::{canonical, is_usable, pairable, same_but_for_scope};
use crate::candidate::{Candidate, CandidateAddress, CandidateKind, Foundation, Transport};
use crate::checklist::Origin;
use crate::error::Error;
use crate::gathered::Gathered;
use crate::pair::{LocalEnd, PairFoundation, PairId, RemoteEnd};
use crate::priority::{COMPONENT, Priority, local_preference};
use crate::protocol::Protocol;

/// Addresses of one machine: more than any has, and few enough to look through.
const MAX_LOCAL_CANDIDATES: usize = 64;
/// Remote candidates remembered: with one local candidate each makes a pair, and there are 100 of
/// those (RFC 8445 §6.1.2.5, §19.5.1).
const MAX_REMOTE_CANDIDATES: usize = 100;

/// A host candidate of ours.
#[derive(Debug)]
pub(super) struct LocalCandidate {
    pub(super) end: LocalEnd,
    pub(super) foundation: u32,
    pub(super) candidate: Candidate,
}

impl Agent {
    pub(super) fn remove_local(&mut self, _now: Instant, way: &Gathered) {
        self.locals.retain(|local| local.end.address != way.base());
    }

    pub(super) fn add_local(&mut self, way: Gathered) -> Option<Candidate> {
        let Gathered::Host { protocol: Protocol::Udp, address: host, .. } = way else {
            return None;
        };
        let address = canonical(host);
        let known = self.locals.iter().any(|local| local.end.address == address);
        if known || !is_usable(address) || self.locals.len() >= MAX_LOCAL_CANDIDATES {
            debug!(%address, "no candidate");
            return None;
        }
        let foundation = self.local_foundation(address);
        let have = self.locals.iter().map(|local| local.end.address.ip());
        let preference = local_preference(address.ip(), have);
        let end = LocalEnd {
            address,
            priority: Priority::compute(&CandidateKind::Host, preference),
            reflexive_priority: Priority::compute(&CandidateKind::PeerReflexive, preference),
        };
        let number = usize::try_from(foundation).unwrap_or(usize::MAX);
        let candidate = Candidate::host(address, Foundation::numbered(number), end.priority);
        self.locals.push(LocalCandidate { end, foundation, candidate: candidate.clone() });
        // All pairs again, not only those of the new candidate: its address being ours may make
        // pairs of loopback candidates sensible that were not. What exists is left as it is.
        self.form_pairs();
        Some(candidate)
    }

    /// Host candidates share a foundation if they share the IP address (RFC 8445 §5.1.1.3).
    fn local_foundation(&self, address: SocketAddr) -> u32 {
        let kin = self.locals.iter().find(|local| local.end.address.ip() == address.ip());
        let highest = self.locals.iter().map(|local| local.foundation).max().unwrap_or(0);
        kin.map_or(highest + 1, |local| local.foundation)
    }

    pub(super) fn add_remote(&mut self, candidate: Candidate) -> Result<(), Error> {
        let Some(address) = usable_address(&candidate) else { return Ok(()) };
        let candidates = &mut self.generation.remote_candidates;
        let known = candidates.iter().position(|known| same_but_for_scope(known.address, address));
        if let Some(index) = known {
            // Redundant (RFC 8445 §5.1.3): the higher priority stays.
            match candidates.get(index) {
                Some(known) if known.candidate.priority < candidate.priority => {
                    candidates.remove(index);
                }
                _ => return Ok(()),
            }
        } else if candidates.len() >= MAX_REMOTE_CANDIDATES {
            let worst = candidates.iter().enumerate().min_by_key(|(_, it)| it.candidate.priority);
            match worst.map(|(index, worst)| (index, worst.candidate.priority)) {
                Some((index, priority)) if priority < candidate.priority => {
                    candidates.remove(index);
                }
                _ => return Err(Error::TooManyCandidates),
            }
        }
        let foundation = self.remote_foundation(&candidate);
        self.meet_the_twin(address, &candidate, foundation);
        let remote = RemoteCandidate { address, candidate, foundation };
        self.generation.remote_candidates.push(remote);
        self.form_pairs();
        Ok(())
    }

    fn remote_foundation(&mut self, candidate: &Candidate) -> u32 {
        let generation = &mut self.generation;
        let kin = generation.remote_candidates.iter().find(|known| {
            known.candidate.foundation == candidate.foundation
                && known.candidate.kind == candidate.kind
        });
        match kin {
            Some(known) => known.foundation,
            None => {
                generation.remote_foundations = generation.remote_foundations.wrapping_add(1);
                generation.remote_foundations
            }
        }
    }

    /// A check may arrive before the candidate it came from, which was then learnt as
    /// peer-reflexive. The pair keeps its state and nomination; it learns its kind, foundation and
    /// priority (RFC 8445 §7.3.1.3).
    fn meet_the_twin(&mut self, address: SocketAddr, candidate: &Candidate, foundation: u32) {
        let role = self.role;
        for pair in self.generation.checklist.iter_mut() {
            if same_but_for_scope(pair.remote.address, address) {
                pair.remote.kind = candidate.kind.clone();
                pair.remote.priority = candidate.priority;
                pair.foundation.remote = foundation;
                pair.compute_priority(role);
            }
        }
        self.generation.checklist.sort();
    }

    /// Pairs every local with every remote candidate, except where there is a pair already.
    fn form_pairs(&mut self) {
        if self.generation.conclusion == Conclusion::Concluded {
            return;
        }
        let mut wanted = Vec::new();
        for local in &self.locals {
            for remote in &self.generation.remote_candidates {
                let is_ours = |ip| self.locals.iter().any(|own| own.end.address.ip() == ip);
                let Some(address) = pairable(local.end.address, remote.address, is_ours) else {
                    continue;
                };
                if self.generation.checklist.find(local.end.address, address).is_none() {
                    let foundation =
                        PairFoundation { local: local.foundation, remote: remote.foundation };
                    let remote = RemoteEnd {
                        address,
                        priority: remote.candidate.priority,
                        kind: remote.candidate.kind.clone(),
                    };
                    wanted.push((local.end, remote, foundation));
                }
            }
        }
        // Best first: the pair that waits for its foundation is then the best of it.
        wanted.sort_by_key(|(local, remote, _)| {
            std::cmp::Reverse((
                local.priority.min(remote.priority),
                local.priority.max(remote.priority),
            ))
        });
        for (local, remote, foundation) in wanted {
            self.insert_pair(local, remote, foundation, Origin::Signalled);
        }
    }

    /// The pair on which a check came, new if need be (RFC 8445 §7.3.1.3, §7.3.1.4).
    pub(super) fn pair_of_check(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        priority: Priority,
    ) -> Option<PairId> {
        if let Some(pair) = self.generation.checklist.find(local, remote) {
            return Some(pair.id);
        }
        let candidate = self.locals.iter().find(|candidate| candidate.end.address == local)?;
        let (end, local_foundation) = (candidate.end, candidate.foundation);
        let generation = &mut self.generation;
        let signalled = generation
            .remote_candidates
            .iter()
            .find(|known| same_but_for_scope(known.address, remote));
        let (priority, kind, remote_foundation) = match signalled {
            Some(known) => {
                (known.candidate.priority, known.candidate.kind.clone(), known.foundation)
            }
            None => {
                debug!(%remote, "learnt a peer-reflexive candidate");
                generation.remote_foundations = generation.remote_foundations.wrapping_add(1);
                (priority, CandidateKind::PeerReflexive, generation.remote_foundations)
            }
        };
        let remote = RemoteEnd { address: remote, priority, kind };
        let foundation = PairFoundation { local: local_foundation, remote: remote_foundation };
        self.insert_pair(end, remote, foundation, Origin::CheckReceived)
    }

    fn insert_pair(
        &mut self,
        local: LocalEnd,
        remote: RemoteEnd,
        foundation: PairFoundation,
        origin: Origin,
    ) -> Option<PairId> {
        let mut gone = None;
        let checklist = &mut self.generation.checklist;
        let id = checklist
            .insert(local, remote, foundation, self.role, origin, |victim| gone = Some(victim));
        if let Some(victim) = gone {
            self.generation.forget_checks_of(victim);
        }
        id
    }
}

/// The address to check, or `None` with a line in the log.
fn usable_address(candidate: &Candidate) -> Option<SocketAddr> {
    let reason = match &candidate.address {
        _ if candidate.transport != Transport::Udp => "not UDP",
        _ if candidate.component != COMPONENT => "not component 1: RTCP is multiplexed",
        // No look-ups (RFC 8839 §5.1 leaves them open): the peer's checks tell its address.
        CandidateAddress::Name { .. } => "a name",
        CandidateAddress::Socket(address) if !is_usable(*address) => "not a usable address",
        CandidateAddress::Socket(address) => return Some(canonical(*address)),
    };
    debug!(%candidate, reason, "remote candidate skipped");
    None
}
