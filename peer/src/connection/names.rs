//! Names that stand in candidates of the peer in place of its addresses.
//!
//! Browsers hide the addresses of their machine behind names of multicast DNS (`….local`, RFC 6762)
//! until their user has granted a microphone or camera: draft-ietf-mmusic-mdns-ice-candidates. Who is
//! in the same network can look such a name up.
//!
//! ```text
//!   candidate with a name ──► Pending ── name_resolved ──► Known ──► the agent, with the address
//!                               │ asks for it once           └────► nothing, if there is none
//! ```
//!
//! - A name costs nothing but its place here: no description fails by it, and no check waits for it.
//!   The peer's own checks tell its address too (RFC 8445 §7.3.1.3), often sooner.
//! - Names of other kinds are passed over: whoever writes a candidate shall not choose what we ask DNS
//!   servers for.
//!
//! Book: the chapter on candidates.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ice::{Candidate, CandidateAddress};
use tracing::debug;

/// Most names of one peer. A browser has one for each address family of each interface it shows, which
/// are two at most without a granted permission; and they are asked for by multicast, which the whole
/// network hears.
const MAX_NAMES: usize = 16;

/// Most candidates that wait for one name: it has UDP and TCP ones.
const MAX_WAITING: usize = 8;

/// The longest label of a name (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// All names of one peer.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: VecDeque<Name>,
    /// To be asked for. As bounded as the names.
    unasked: VecDeque<String>,
}

#[derive(Debug)]
struct Name {
    name: String,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Pending { waiting: Vec<Candidate> },
    Known(Option<IpAddr>),
}

impl Names {
    /// The candidate, with its address: at once if it has none but an address or a name known by now.
    /// Else it waits, or is passed over.
    pub(super) fn settle(&mut self, candidate: Candidate) -> Option<Candidate> {
        let CandidateAddress::Name { name, .. } = &candidate.address else {
            return Some(candidate);
        };
        // Names are compared without regard to case (RFC 1035 §2.3.3).
        let name = name.to_ascii_lowercase();
        if !is_multicast_dns(&name) {
            debug!(name, "candidate with a name of DNS passed over");
            return None;
        }
        if let Some(known) = self.names.iter_mut().find(|known| known.name == name) {
            match &mut known.answer {
                Answer::Known(ip) => return ip.and_then(|ip| with_address(candidate, ip)),
                Answer::Pending { waiting } if waiting.len() < MAX_WAITING => {
                    waiting.push(candidate);
                }
                Answer::Pending { .. } => debug!(name, "too many candidates wait for a name"),
            }
            return None;
        }
        if self.names.len() >= MAX_NAMES && !self.forget_one() {
            debug!(name, "too many names");
            return None;
        }
        self.unasked.push_back(name.clone());
        self.names.push_back(Name { name, answer: Answer::Pending { waiting: vec![candidate] } });
        None
    }

    /// Makes room by forgetting the oldest answer.
    fn forget_one(&mut self) -> bool {
        let is_known = |name: &Name| matches!(name.answer, Answer::Known(_));
        let oldest = self.names.iter().position(is_known);
        oldest.and_then(|index| self.names.remove(index)).is_some()
    }

    // ANCHOR: resolved
    /// A name's address, or that there is none. The candidates that waited for it.
    pub(super) fn resolved(&mut self, name: &str, address: Option<IpAddr>) -> Vec<Candidate> {
        let name = self.names.iter_mut().find(|known| known.name.eq_ignore_ascii_case(name));
        let Some(name) = name else { return Vec::new() };
        match std::mem::replace(&mut name.answer, Answer::Known(address)) {
            Answer::Pending { waiting } => {
                debug!(name = name.name, ?address, waiting = waiting.len(), "name resolved");
                let Some(ip) = address else { return Vec::new() };
                waiting.into_iter().filter_map(|candidate| with_address(candidate, ip)).collect()
            }
            // The first answer counts: somebody else might give another.
            known @ Answer::Known(_) => {
                name.answer = known;
                Vec::new()
            }
        }
    }
    // ANCHOR_END: resolved

    /// The next name to look up.
    pub(super) fn poll(&mut self) -> Option<String> {
        self.unasked.pop_front()
    }

    /// Another ICE generation begins: what waited belongs to the old one.
    pub(super) fn forget_waiting(&mut self) {
        for name in &mut self.names {
            if let Answer::Pending { waiting } = &mut name.answer {
                waiting.clear();
            }
        }
    }
}

/// One label and `.local`: others may be names of a domain that happens to be called so
/// (draft-ietf-mmusic-mdns-ice-candidates §3.2).
fn is_multicast_dns(name: &str) -> bool {
    let label = name.strip_suffix(".local").unwrap_or_default();
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

fn with_address(mut candidate: Candidate, ip: IpAddr) -> Option<Candidate> {
    let CandidateAddress::Name { port, .. } = candidate.address else { return None };
    candidate.address = CandidateAddress::Socket(SocketAddr::new(ip, port));
    Some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str) -> Candidate {
        let line = format!("candidate:1 1 udp 2113937151 {name} 5000 typ host");
        Candidate::parse(&line).unwrap()
    }

    fn asked(names: &mut Names) -> Vec<String> {
        std::iter::from_fn(|| names.poll()).collect()
    }

    #[test]
    fn a_name_is_asked_for_once_and_its_candidates_wait() {
        let mut names = Names::default();
        assert!(names.settle(candidate("192.0.2.1")).is_some());
        assert!(names.settle(candidate("Abc-1.local")).is_none());
        assert!(names.settle(candidate("abc-1.LOCAL")).is_none());
        assert_eq!(asked(&mut names), ["abc-1.local"]);
        let ip = "192.0.2.7".parse().unwrap();
        let settled = names.resolved("abc-1.local", Some(ip));
        assert_eq!(settled.len(), 2);
        assert!(settled.iter().all(|it| it.address.socket() == Some(SocketAddr::new(ip, 5000))));
        // Known from now on; a second answer changes nothing.
        assert!(names.resolved("abc-1.local", None).is_empty());
        assert!(names.settle(candidate("abc-1.local")).is_some());
        assert!(asked(&mut names).is_empty());
    }

    #[test]
    fn row_26_names_of_dns_are_never_looked_up() {
        let mut names = Names::default();
        let long = "x".repeat(64) + ".local";
        for name in ["example.com", "evil.example.local", ".local", "local", "a_b.local", &long] {
            assert!(names.settle(candidate(name)).is_none(), "{name}");
        }
        assert!(asked(&mut names).is_empty());
    }

    #[test]
    fn row_26_names_are_bounded() {
        let mut names = Names::default();
        for index in 0..10_000 {
            assert!(names.settle(candidate(&format!("name-{index}.local"))).is_none());
            assert!(names.settle(candidate("name-0.local")).is_none());
        }
        assert_eq!(asked(&mut names).len(), MAX_NAMES);
        let ip = "192.0.2.7".parse().unwrap();
        assert_eq!(names.resolved("name-0.local", Some(ip)).len(), MAX_WAITING);
        // What is answered makes room for others.
        assert!(names.settle(candidate("late.local")).is_none());
        assert_eq!(asked(&mut names), ["late.local"]);
        assert!(names.resolved("never-asked.local", Some(ip)).is_empty());
    }

    #[test]
    fn an_unknown_name_is_no_candidate() {
        let mut names = Names::default();
        names.settle(candidate("gone.local"));
        assert!(names.resolved("gone.local", None).is_empty());
        assert!(names.settle(candidate("gone.local")).is_none());
        names.settle(candidate("old.local"));
        names.forget_waiting();
        assert!(names.resolved("old.local", "192.0.2.7".parse().ok()).is_empty());
    }
}
