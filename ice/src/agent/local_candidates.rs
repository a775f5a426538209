//! Our candidates: each way to be reached becomes one (RFC 8445 §5.1, RFC 6544 §4, RFC 8839 §5.1).
//!
//! ```text
//!   Gathered            candidate                       base, which makes pairs
//!   Host, UDP           udp … typ host                  the socket
//!   Host, TCP           tcp … typ host tcptype passive  the listener: only when a check comes
//!   TcpActive           tcp … 9 typ host tcptype active the address, with port 9
//!   ServerReflexive     udp … typ srflx raddr base      none: its base has a candidate already
//!   Relayed             udp … typ relay raddr mapped    the relayed address
//! ```
//!
//! A reflexive candidate is signalled and makes no pair, for packets leave from its base and take the
//! same path as those of the host candidate there (RFC 8445 §6.1.2.4). Book: chapter "Candidates".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use tracing::debug;

use super::Agent;
use crate::address::is_usable;
use crate::candidate::{
    Candidate, CandidateAddress, CandidateKind, Foundation, Related, Transport,
};
use crate::gathered::Gathered;
use crate::pair::{Base, LocalEnd};
use crate::priority::{COMPONENT, Priority, local_preference};
use crate::protocol::Protocol;

/// Addresses of one machine and what servers make of them: more than any has, and few enough to look
/// through.
const MAX_LOCAL_CANDIDATES: usize = 64;

/// The `rport` of a concealed address (RFC 8839 §5.1).
const CONCEALED_PORT: u16 = 9;

/// A candidate of ours.
#[derive(Debug)]
pub(super) struct LocalCandidate {
    way: Gathered,
    pub(super) foundation: u32,
    pub(super) candidate: Candidate,
    /// What makes pairs; `None` for a reflexive candidate, whose base has a candidate of its own.
    pub(super) end: Option<LocalEnd>,
}

impl Agent {
    pub(super) fn add_local(&mut self, way: Gathered) -> Option<Candidate> {
        let way = way.canonical();
        if let Some(reason) = self.why_not(&way) {
            debug!(?way, reason, "no candidate");
            return None;
        }
        let kind = kind(&way);
        let preference = local_preference(&way, |preference| {
            let priority = Priority::compute(&kind, preference);
            self.locals.iter().any(|local| local.candidate.priority == priority)
        });
        let priority = Priority::compute(&kind, preference);
        let foundation = self.local_foundation(&way);
        let candidate = Candidate {
            foundation: Foundation::numbered(usize::try_from(foundation).unwrap_or(usize::MAX)),
            component: COMPONENT,
            transport: match way.protocol() {
                Protocol::Udp => Transport::Udp,
                Protocol::Tcp => Transport::Tcp,
            },
            priority,
            address: self.signalled_address(&way),
            kind,
            related: self.related(&way),
            tcp_type: tcp_type(&way).map(ToOwned::to_owned),
            extensions: Vec::new(),
        };
        let end = base(&way).map(|base| LocalEnd {
            base,
            address: way.base(),
            priority,
            reflexive_priority: Priority::compute(&CandidateKind::PeerReflexive, preference),
        });
        self.locals.push(LocalCandidate { way, foundation, candidate: candidate.clone(), end });
        if end.is_some() {
            // All pairs again, not only those of the new candidate: its address being ours may make
            // pairs of loopback candidates sensible that were not. What exists is left as it is.
            self.form_pairs();
        }
        Some(candidate)
    }

    fn why_not(&self, way: &Gathered) -> Option<&'static str> {
        if self.locals.iter().any(|local| local.way.is_same(way)) {
            return Some("known");
        }
        if !is_usable(way.address()) {
            return Some("nobody can send there");
        }
        if let Gathered::ServerReflexive { base, mapped } = way {
            // Behind a name the reflexive address is the only one that is told.
            if base == mapped && self.name_of(base.ip()).is_none() {
                return Some("redundant: no NAT in between");
            }
            if self.base_of(Protocol::Udp, *base).is_none() {
                return Some("its base is no candidate");
            }
        }
        (self.locals.len() >= MAX_LOCAL_CANDIDATES).then_some("too many")
    }

    /// The candidate that sends from, and receives at, this address.
    pub(super) fn base_of(&self, protocol: Protocol, address: SocketAddr) -> Option<LocalEnd> {
        self.bases()
            .map(|(end, _)| end)
            .find(|end| end.address == address && end.base.protocol() == protocol)
    }

    /// All bases with their foundations.
    pub(super) fn bases(&self) -> impl Iterator<Item = (LocalEnd, u32)> {
        self.locals.iter().filter_map(|local| Some((local.end?, local.foundation)))
    }

    /// RFC 8445 §5.1.1.3: one foundation for one type, IP address of the base, protocol and server.
    /// The server is told by what it gave: each sees or lends another address. No number is given
    /// twice: the peer knows candidates that are no more, and would wait for what becomes of them.
    fn local_foundation(&mut self, way: &Gathered) -> u32 {
        let key = |way: &Gathered| {
            let seen = matches!(way, Gathered::ServerReflexive { .. }).then(|| way.address());
            (kind(way), tcp_type(way), way.base().ip(), seen)
        };
        let kin = self.locals.iter().find(|local| key(&local.way) == key(way));
        if let Some(kin) = kin {
            return kin.foundation;
        }
        self.local_foundations = self.local_foundations.wrapping_add(1);
        self.local_foundations
    }

    /// The name that conceals an IP address of ours.
    fn name_of(&self, ip: IpAddr) -> Option<&str> {
        self.locals.iter().find_map(|local| match &local.way {
            Gathered::Host { name: Some(name), address, .. } if address.ip() == ip => {
                Some(name.as_str())
            }
            _ => None,
        })
    }

    fn signalled_address(&self, way: &Gathered) -> CandidateAddress {
        let name = match way {
            Gathered::Host { name, .. } => name.as_deref(),
            Gathered::TcpActive { ip } => self.name_of(*ip),
            Gathered::ServerReflexive { .. } | Gathered::Relayed { .. } => None,
        };
        let address = way.address();
        match name {
            Some(name) => CandidateAddress::Name { name: name.to_owned(), port: address.port() },
            None => CandidateAddress::Socket(address),
        }
    }

    /// `raddr` and `rport`, for diagnosis (RFC 8839 §5.1). They must not tell the address that a name
    /// conceals: then it is the unspecified one.
    fn related(&self, way: &Gathered) -> Option<Related> {
        let address = match *way {
            Gathered::Host { .. } | Gathered::TcpActive { .. } => return None,
            Gathered::ServerReflexive { base, .. } => base,
            Gathered::Relayed { mapped, .. } => mapped,
        };
        let shown = match (self.name_of(address.ip()).is_some(), address) {
            (false, address) => address,
            (true, SocketAddr::V4(_)) => (Ipv4Addr::UNSPECIFIED, CONCEALED_PORT).into(),
            (true, SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, CONCEALED_PORT).into(),
        };
        Some(Related { address: shown.ip().to_string(), port: Some(shown.port()) })
    }

    /// With a base go its pairs and what servers said of it.
    pub(super) fn remove_local(&mut self, now: Instant, way: &Gathered) {
        let way = way.clone().canonical();
        let is_base = base(&way).is_some();
        let known = self.locals.len();
        self.locals.retain(|local| {
            let reflexive_of_it = is_base
                && local.end.is_none()
                && (local.way.protocol(), local.way.base()) == (way.protocol(), way.base());
            !local.way.is_same(&way) && !reflexive_of_it
        });
        if is_base && self.locals.len() < known {
            self.remove_pairs_of(now, way.protocol(), way.base());
        }
    }
}

fn kind(way: &Gathered) -> CandidateKind {
    match way {
        Gathered::Host { .. } | Gathered::TcpActive { .. } => CandidateKind::Host,
        Gathered::ServerReflexive { .. } => CandidateKind::ServerReflexive,
        Gathered::Relayed { .. } => CandidateKind::Relayed,
    }
}

fn base(way: &Gathered) -> Option<Base> {
    match way {
        Gathered::Host { protocol: Protocol::Udp, .. } => Some(Base::Socket),
        Gathered::Host { protocol: Protocol::Tcp, .. } => Some(Base::Listener),
        Gathered::TcpActive { .. } => Some(Base::Dialer),
        Gathered::ServerReflexive { .. } => None,
        Gathered::Relayed { .. } => Some(Base::Relay),
    }
}

/// RFC 6544 §4.5.
fn tcp_type(way: &Gathered) -> Option<&'static str> {
    match base(way)? {
        Base::Dialer => Some("active"),
        Base::Listener => Some("passive"),
        Base::Socket | Base::Relay => None,
    }
}
