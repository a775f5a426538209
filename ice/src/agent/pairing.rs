//! From candidates to pairs, and what goes with a candidate that vanishes (RFC 8445 §6.1.2, RFC 6544
//! §6.2, RFC 8838 §12).
//!
//! ```text
//!            remote   udp    tcp passive    tcp active, so
//!   local
//!   socket            pair      –              –
//!   relay             pair      –              –
//!   dialer (active)     –     pair             –
//!   listener (passive)  –       –              –   (when its check comes)
//! ```
//! Book: chapter "Checks".

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tracing::debug;

use super::Agent;
use super::generation::{Conclusion, RemoteCandidate};
use crate::address::pairable;
use crate::candidate::CandidateKind;
use crate::checklist::Origin;
use crate::config::Mode;
use crate::event::Event;
use crate::pair::{Base, LocalEnd, PairFoundation, PairId, RemoteEnd};
use crate::priority::Priority;
use crate::protocol::{Path, Protocol};

/// Peers that relays were told to let in, for as long as the agent lives: as many as there can be
/// pairs. A server has its own limit; a peer that trickles candidates for ever must not use it up.
const MAX_PERMITS: usize = 100;

impl Agent {
    /// Pairs every base with every remote candidate, except where there is a pair already.
    pub(super) fn form_pairs(&mut self) {
        self.form_pairs_with(|_| true);
    }

    /// The same with some remote candidates: thousands may trickle in, one by one.
    pub(super) fn form_pairs_with(&mut self, chosen: impl Fn(&RemoteCandidate) -> bool) {
        self.ask_for_permits(&chosen);
        let checks = self.config.mode == Mode::Full;
        if !checks || self.generation.conclusion == Conclusion::Concluded {
            return;
        }
        let mut wanted = Vec::new();
        for (local, foundation) in self.bases() {
            for remote in self.generation.remote_candidates.iter().filter(|it| chosen(it)) {
                let Some(address) = self.meet(local, remote) else { continue };
                let path =
                    Path { protocol: remote.protocol, local: local.address, remote: address };
                if self.generation.checklist.find(path).is_none() {
                    let foundation =
                        PairFoundation { local: foundation, remote: remote.foundation };
                    let remote = RemoteEnd {
                        address,
                        priority: remote.candidate.priority,
                        kind: remote.candidate.kind.clone(),
                    };
                    wanted.push((local, remote, foundation));
                }
            }
        }
        // Best first: the pair that waits for its foundation is then the best of it.
        wanted.sort_by_key(|(local, remote, _)| {
            let (local, remote) = (local.priority, remote.priority);
            Reverse((local.min(remote), local.max(remote)))
        });
        for (local, remote, foundation) in wanted {
            self.insert_pair(local, remote, foundation, Origin::Signalled);
        }
    }

    /// Where checks from a base to a remote candidate go, if the two make a pair.
    fn meet(&self, local: LocalEnd, remote: &RemoteCandidate) -> Option<SocketAddr> {
        let sends_first = local.base != Base::Listener;
        let is_ours = |ip| self.bases().any(|(own, _)| own.address.ip() == ip);
        (sends_first && local.base.protocol() == remote.protocol)
            .then(|| pairable(local.address, remote.address, is_ours))
            .flatten()
    }

    /// A relay lets nobody in unasked (RFC 8656 §9): a peer that checks before we do would be lost.
    fn ask_for_permits(&mut self, chosen: impl Fn(&RemoteCandidate) -> bool) {
        let relays = self.bases().filter(|(local, _)| local.base == Base::Relay);
        let mut wanted = Vec::new();
        for (local, _) in relays {
            for remote in self.generation.remote_candidates.iter().filter(|it| chosen(it)) {
                if let Some(address) = self.meet(local, remote) {
                    wanted.push((local.address, address.ip()));
                }
            }
        }
        for (relayed, peer) in wanted {
            self.permits.ask(relayed, peer);
        }
    }

    /// The pair on which a check came, new if need be (RFC 8445 §7.3.1.3, §7.3.1.4).
    pub(super) fn pair_of_check(&mut self, path: Path, priority: Priority) -> Option<PairId> {
        if let Some(pair) = self.generation.checklist.find(path) {
            return Some(pair.id);
        }
        let (end, local_foundation) = self
            .bases()
            .find(|(end, _)| end.address == path.local && end.base.protocol() == path.protocol)?;
        let generation = &mut self.generation;
        let mut signalled = generation.remote_candidates.iter();
        let (priority, kind, remote_foundation) =
            match signalled.find(|known| known.is_at(path.protocol, path.remote)) {
                Some(known) => {
                    (known.candidate.priority, known.candidate.kind.clone(), known.foundation)
                }
                None => {
                    debug!(remote = %path.remote, "learnt a peer-reflexive candidate");
                    generation.remote_foundations = generation.remote_foundations.wrapping_add(1);
                    (priority, CandidateKind::PeerReflexive, generation.remote_foundations)
                }
            };
        if end.base == Base::Relay {
            self.permits.ask(path.local, path.remote.ip());
        }
        let remote = RemoteEnd { address: path.remote, priority, kind };
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

    /// A base is gone, and with it its pairs and their checks.
    pub(super) fn remove_pairs_of(&mut self, now: Instant, protocol: Protocol, base: SocketAddr) {
        self.permits.forget(base);
        self.outbox.retain(|response| (response.protocol, response.local) != (protocol, base));
        self.generation.remote.forget_early_checks_at(protocol, base);
        let generation = &mut self.generation;
        let checks = &mut generation.checks;
        generation.checklist.retain(
            |pair| (pair.path().protocol, pair.path().local) != (protocol, base),
            |id| checks.forget(|check| check.pair == id),
        );
        self.pairs_were_removed(now);
    }
}

/// Whom relays were told to let in: each once.
#[derive(Debug, Default)]
pub(super) struct Permits {
    asked: Vec<Permit>,
}

#[derive(Debug)]
struct Permit {
    relayed: SocketAddr,
    peer: IpAddr,
    told: bool,
}

impl Permits {
    fn ask(&mut self, relayed: SocketAddr, peer: IpAddr) {
        let known = self.asked.iter().any(|it| (it.relayed, it.peer) == (relayed, peer));
        if known {
            return;
        }
        if self.asked.len() < MAX_PERMITS {
            self.asked.push(Permit { relayed, peer, told: false });
        } else {
            debug!(%relayed, %peer, "too many permits");
        }
    }

    fn forget(&mut self, relayed: SocketAddr) {
        self.asked.retain(|permit| permit.relayed != relayed);
    }

    /// The next that has not been told yet.
    pub(super) fn next(&mut self) -> Option<Event> {
        let permit = self.asked.iter_mut().find(|permit| !permit.told)?;
        permit.told = true;
        Some(Event::Permit { relayed: permit.relayed, peer: permit.peer })
    }
}
