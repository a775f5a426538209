//! Candidates and pairs: `RTCIceCandidateStats` and `RTCIceCandidatePairStats` of W3C webrtc-stats.
//!
//! A pair is checked between a base of ours and an address of the peer. What its local candidate is,
//! as the W3C has it, is known when the peer has said where it saw us (RFC 8445 §7.2.5.3.1): the host
//! candidate itself, what a server saw as well (`srflx`), something else (`prflx`), or a relay's.
//! Book: the chapter on candidates.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ice::{
    Candidate, CandidateAddress, CandidateKind, Gathered, PairState, PairStats, Protocol, Transport,
};
use serde::Serialize;

use crate::connection::Paths;

/// One candidate, ours or the peer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStats {
    /// What pairs call it.
    pub id: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub candidate_type: &'static str,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// Where it is; `None` if it is told by a name instead.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Its priority, if it was signalled.
    pub priority: Option<u32>,
    /// Of ours: the same for those that tend to share their fate.
    pub foundation: Option<String>,
    /// What is said of how it came about.
    pub related_address: Option<String>,
    /// The port that goes with it.
    pub related_port: Option<u16>,
    /// Of a relay of ours: how its server is reached, `udp`, `tcp` or `tls`.
    pub relay_protocol: Option<&'static str>,
    /// Of TCP: `active` or `passive`.
    pub tcp_type: Option<String>,
    /// Whose it is.
    pub username_fragment: Option<String>,
}

/// One pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidatePairStats {
    /// Its name.
    pub id: String,
    /// The [`CandidateStats`] of ours.
    pub local_candidate_id: String,
    /// The [`CandidateStats`] of the peer.
    pub remote_candidate_id: String,
    /// `frozen`, `waiting`, `in-progress`, `failed` or `succeeded`.
    pub state: &'static str,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// Our base: the address that is sent from. Unspecified, if a name stands in its place.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// What our candidate is: `host`, `srflx`, `prflx` or `relay`.
    pub local_candidate_type: &'static str,
    /// How the peer's candidate was learnt: `host`, `srflx`, `prflx` or `relay`.
    pub remote_candidate_type: &'static str,
    /// Whether it is nominated.
    pub nominated: bool,
    /// The last round trip of a check, seconds.
    pub current_round_trip_time: f64,
    /// All of them, seconds.
    pub total_round_trip_time: f64,
    /// Checks sent, with repetitions, without consent checks.
    pub requests_sent: u64,
    /// Checks received.
    pub requests_received: u64,
    /// Responses sent.
    pub responses_sent: u64,
    /// Responses received.
    pub responses_received: u64,
    /// Consent checks sent (RFC 7675).
    pub consent_requests_sent: u64,
}

/// All of them at one moment.
pub(super) struct IceStats {
    pub(super) selected: Option<CandidatePairStats>,
    pub(super) pairs: Vec<CandidatePairStats>,
    pub(super) local: Vec<CandidateStats>,
    pub(super) remote: Vec<CandidateStats>,
}

impl IceStats {
    pub(super) fn new(paths: &Paths) -> Self {
        let mut local = Locals::new(paths);
        let mut remote = BTreeMap::new();
        let mut selected = None;
        let mut pairs = Vec::new();
        for pair in paths.agent().pair_stats() {
            let ours = local.of_pair(&pair);
            let candidate = remote_candidate(&pair, paths.remote_ufrag());
            let stats = CandidatePairStats {
                id: format!("{}-{}", ours.id, candidate.id),
                local_candidate_id: ours.id,
                remote_candidate_id: candidate.id.clone(),
                local: if ours.is_hidden { without_ip(pair.local) } else { pair.local },
                local_candidate_type: ours.candidate_type,
                ..CandidatePairStats::from(&pair)
            };
            remote.entry(candidate.id.clone()).or_insert(candidate);
            if pair.selected {
                selected = Some(stats.clone());
            }
            pairs.push(stats);
        }
        let local = local.candidates.into_iter().map(|(_, candidate)| candidate).collect();
        Self { selected, pairs, local, remote: remote.into_values().collect() }
    }
}

/// Our candidates, and those that pairs turn out to have, each with its true address.
struct Locals<'a> {
    paths: &'a Paths,
    candidates: Vec<(Option<SocketAddr>, CandidateStats)>,
}

/// What a pair says of its local candidate.
struct Local {
    id: String,
    candidate_type: &'static str,
    is_hidden: bool,
}

impl<'a> Locals<'a> {
    fn new(paths: &'a Paths) -> Self {
        let ufrag = &paths.agent().local_credentials().ufrag;
        let stats = |candidate: &Candidate| {
            let address = true_address(paths, candidate);
            let is_hidden = candidate.address.socket().is_none() || paths.hides(candidate);
            let related = candidate.related.as_ref();
            let stats = CandidateStats {
                id: id('L', &candidate.to_string()),
                candidate_type: kind(&candidate.kind),
                protocol: transport(&candidate.transport),
                address: address.filter(|_| !is_hidden).map(|address| address.ip()),
                port: port(&candidate.address),
                priority: Some(candidate.priority.value()),
                foundation: Some(candidate.foundation.as_str().to_owned()),
                related_address: related.map(|related| related.address.clone()),
                related_port: related.and_then(|related| related.port),
                relay_protocol: address.and_then(|address| relay_protocol(paths, address)),
                tcp_type: candidate.tcp_type.clone(),
                username_fragment: Some(ufrag.clone()),
            };
            (address, stats)
        };
        let candidates = paths.agent().local_candidates().map(stats).collect();
        Self { paths, candidates }
    }

    /// The candidate of ours that a pair has.
    fn of_pair(&mut self, pair: &PairStats) -> Local {
        let mapped = match pair.state {
            PairState::Succeeded { mapped, .. } if pair.local_kind == CandidateKind::Host => mapped,
            _ => pair.local,
        };
        // Of a TCP connection that we open the port means nothing.
        let is_base = mapped == pair.local
            || (pair.protocol == Protocol::Tcp && mapped.ip() == pair.local.ip());
        let sought = if is_base { pair.local } else { mapped };
        let is_it = |(address, candidate): &&(Option<SocketAddr>, CandidateStats)| {
            *address == Some(sought) && candidate.protocol == protocol(pair.protocol)
        };
        let known = self.candidates.iter().find(is_it).map(|(_, candidate)| candidate);
        let local = |candidate: &CandidateStats| Local {
            id: candidate.id.clone(),
            candidate_type: candidate.candidate_type,
            is_hidden: candidate.address.is_none(),
        };
        if let Some(known) = known {
            let is_hidden = known.address.is_none() || (!is_base && self.hides(pair.local));
            return Local { is_hidden, ..local(known) };
        }
        let candidate = self.discovered(pair, sought, is_base);
        let is_hidden = self.hides(pair.local);
        let discovered = Local { is_hidden, ..local(&candidate) };
        self.candidates.push((Some(sought), candidate));
        discovered
    }

    /// Whether this base's address is told by a name, or not at all.
    fn hides(&self, base: SocketAddr) -> bool {
        let is_base = |address: &Option<SocketAddr>| *address == Some(base);
        self.candidates
            .iter()
            .any(|(address, candidate)| is_base(address) && candidate.address.is_none())
    }

    /// One that was never signalled: that of a NAT, which no server has shown us.
    fn discovered(&self, pair: &PairStats, address: SocketAddr, is_base: bool) -> CandidateStats {
        CandidateStats {
            id: id('L', &(protocol(pair.protocol), address)),
            candidate_type: if is_base { kind(&pair.local_kind) } else { "prflx" },
            protocol: protocol(pair.protocol),
            address: Some(address.ip()),
            port: address.port(),
            priority: None,
            foundation: None,
            related_address: None,
            related_port: None,
            relay_protocol: relay_protocol(self.paths, address),
            tcp_type: None,
            username_fragment: None,
        }
    }
}

fn remote_candidate(pair: &PairStats, ufrag: Option<&str>) -> CandidateStats {
    let candidate_type = kind(&pair.remote_kind);
    CandidateStats {
        id: id('R', &(protocol(pair.protocol), pair.remote)),
        candidate_type,
        protocol: protocol(pair.protocol),
        address: Some(pair.remote.ip()),
        port: pair.remote.port(),
        priority: None,
        foundation: None,
        related_address: None,
        related_port: None,
        relay_protocol: None,
        tcp_type: None,
        username_fragment: ufrag.map(str::to_owned),
    }
}

impl From<&PairStats> for CandidatePairStats {
    fn from(pair: &PairStats) -> Self {
        Self {
            id: String::new(),
            local_candidate_id: String::new(),
            remote_candidate_id: String::new(),
            state: match pair.state {
                PairState::Frozen => "frozen",
                PairState::Waiting => "waiting",
                PairState::InProgress => "in-progress",
                PairState::Succeeded { .. } => "succeeded",
                PairState::Failed => "failed",
            },
            protocol: protocol(pair.protocol),
            local: pair.local,
            remote: pair.remote,
            local_candidate_type: kind(&pair.local_kind),
            remote_candidate_type: kind(&pair.remote_kind),
            nominated: pair.nominated,
            current_round_trip_time: pair.counters.current_round_trip_time.as_secs_f64(),
            total_round_trip_time: pair.counters.total_round_trip_time.as_secs_f64(),
            requests_sent: pair.counters.requests_sent,
            requests_received: pair.counters.requests_received,
            responses_sent: pair.counters.responses_sent,
            responses_received: pair.counters.responses_received,
            consent_requests_sent: pair.counters.consent_requests_sent,
        }
    }
}

/// A name that says nothing and stays the same.
fn id(side: char, what: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    format!("{side}{:016x}", hasher.finish())
}

fn kind(kind: &CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
        CandidateKind::Other(_) => "unknown",
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
    }
}

fn transport(transport: &Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Other(_) => "unknown",
    }
}

fn port(address: &CandidateAddress) -> u16 {
    match address {
        CandidateAddress::Socket(address) => address.port(),
        CandidateAddress::Name { port, .. } => *port,
    }
}

/// The address behind the name, if a candidate of ours has one.
fn true_address(paths: &Paths, candidate: &Candidate) -> Option<SocketAddr> {
    let CandidateAddress::Name { name: sought, port } = &candidate.address else {
        return candidate.address.socket();
    };
    paths.locals().find_map(|way| match way {
        Gathered::Host { address, name: Some(name), .. } if name == sought => {
            Some(SocketAddr::new(address.ip(), *port))
        }
        _ => None,
    })
}

fn relay_protocol(paths: &Paths, address: SocketAddr) -> Option<&'static str> {
    paths.locals().find_map(|way| match way {
        Gathered::Relayed { relayed, transport, .. } if *relayed == address => {
            Some(match transport {
                stun::ServerTransport::Udp => "udp",
                stun::ServerTransport::Tcp => "tcp",
                stun::ServerTransport::Tls => "tls",
            })
        }
        _ => None,
    })
}

fn without_ip(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, address.port())
}
