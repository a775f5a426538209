//! The peer's candidates, as they trickle in (RFC 8445 §5.3; RFC 8838 §11 for those that come late).
//!
//! Book: chapter "Candidates".

use std::net::SocketAddr;

use tracing::debug;

use super::Agent;
use super::generation::RemoteCandidate;
use crate::address::{canonical, is_usable, same_but_for_scope};
use crate::candidate::{Candidate, CandidateAddress, Transport};
use crate::error::Error;
use crate::priority::COMPONENT;
use crate::protocol::Protocol;

/// Remote candidates remembered: with one local candidate each makes a pair, and there are 100 of
/// those (RFC 8445 §6.1.2.5, §19.5.1).
const MAX_REMOTE_CANDIDATES: usize = 100;

impl Agent {
    pub(super) fn add_remote(&mut self, candidate: Candidate) -> Result<(), Error> {
        let Some((protocol, address)) = usable_address(&candidate) else { return Ok(()) };
        let candidates = &mut self.generation.remote_candidates;
        let known = candidates.iter().position(|known| known.is_at(protocol, address));
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
        let remote = RemoteCandidate { protocol, address, candidate, foundation };
        self.meet_the_twin(&remote);
        self.generation.remote_candidates.push(remote);
        self.form_pairs_with(|known| known.is_at(protocol, address));
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
    fn meet_the_twin(&mut self, twin: &RemoteCandidate) {
        let role = self.role;
        for pair in self.generation.checklist.iter_mut() {
            if twin.is_at(pair.path().protocol, pair.remote.address) {
                pair.remote.kind = twin.candidate.kind.clone();
                pair.remote.priority = twin.candidate.priority;
                pair.foundation.remote = twin.foundation;
                pair.compute_priority(role);
            }
        }
        self.generation.checklist.sort();
    }
}

impl RemoteCandidate {
    pub(super) fn is_at(&self, protocol: Protocol, address: SocketAddr) -> bool {
        self.protocol == protocol && same_but_for_scope(self.address, address)
    }
}

/// What to check and over what, or `None` with a line in the log.
///
/// Of TCP only passive candidates can be checked: an active one connects to us from whatever port it
/// gets, and is learnt from that; simultaneous open is beyond sockets as they are (RFC 6544 §4.1).
fn usable_address(candidate: &Candidate) -> Option<(Protocol, SocketAddr)> {
    let passive = || {
        let word = candidate.tcp_type.as_deref();
        word.is_some_and(|word| word.eq_ignore_ascii_case("passive"))
    };
    let protocol = match &candidate.transport {
        Transport::Udp => Some(Protocol::Udp),
        Transport::Tcp if passive() => Some(Protocol::Tcp),
        Transport::Tcp | Transport::Other(_) => None,
    };
    let reason = match (protocol, &candidate.address) {
        (None, _) => "neither UDP nor passive TCP",
        _ if candidate.component != COMPONENT => "not component 1: RTCP is multiplexed",
        // No look-ups here: the owner resolves `.local` names and adds the candidate again.
        (_, CandidateAddress::Name { .. }) => "a name",
        (_, CandidateAddress::Socket(address)) if !is_usable(*address) => "not a usable address",
        (Some(protocol), CandidateAddress::Socket(address)) => {
            return Some((protocol, canonical(*address)));
        }
    };
    debug!(%candidate, reason, "remote candidate skipped");
    None
}
