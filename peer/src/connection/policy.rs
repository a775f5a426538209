//! Which ways to reach us are used, and what the peer is told of them.
//!
//! ```text
//!                         host       srflx, relayed          raddr, rport
//!   All                   used       used, told              the base, or what the server saw
//!   Relay                 –          relayed: used, told     hidden
//!   hide_addresses        by name    used, told              hidden
//!   ice_lite              used       –                       –
//! ```
//!
//! W3C webrtc-pc §4.2.4 (`iceTransportPolicy`); RFC 8828 (what addresses give away); RFC 8839 §5.1
//! (hidden related addresses); RFC 8445 §2.5 (a lite agent has host candidates alone).
//!
//! Invariant: what is not admitted is no base of any agent, so nothing is sent from there, and a check
//! that arrives there is not answered.
//! Book: the chapter on candidates.

use ice::{Candidate, CandidateAddress, CandidateKind, Gathered, Protocol, Related};

use crate::{Config, IceTransportPolicy};

/// What the configuration says about candidates of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    transport: IceTransportPolicy,
    is_lite: bool,
    hides_addresses: bool,
}

impl Policy {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            transport: config.ice_transport_policy,
            is_lite: config.ice_lite,
            hides_addresses: config.hide_addresses,
        }
    }

    pub(super) fn is_lite(self) -> bool {
        self.is_lite
    }

    /// Whether names of the peer may be looked up: the question is heard by the whole network, the
    /// peer included, and tells it our address.
    pub(super) fn looks_up_names(self) -> bool {
        self.transport == IceTransportPolicy::All
    }

    /// Whether a way may be used at all.
    pub(super) fn admits(self, way: &Gathered) -> bool {
        match way {
            Gathered::Relayed { .. } => !self.is_lite,
            Gathered::Host { protocol, .. } => {
                self.transport == IceTransportPolicy::All
                    && (!self.is_lite || *protocol == Protocol::Udp)
            }
            Gathered::TcpActive { .. } | Gathered::ServerReflexive { .. } => {
                self.transport == IceTransportPolicy::All && !self.is_lite
            }
        }
    }

    /// A candidate as the peer may see it; `None`: it must not.
    pub(super) fn told(self, candidate: &Candidate) -> Option<String> {
        if self.hides(candidate) {
            return None;
        }
        let hides_related = self.hides_addresses || self.transport == IceTransportPolicy::Relay;
        if !hides_related || candidate.related.is_none() {
            return Some(candidate.to_string());
        }
        let mut candidate = candidate.clone();
        candidate.related = Some(hidden(&candidate.address));
        Some(candidate.to_string())
    }

    /// Whether a candidate has an address of this machine that is to be hidden.
    pub(super) fn hides(self, candidate: &Candidate) -> bool {
        self.hides_addresses
            && candidate.kind == CandidateKind::Host
            && matches!(candidate.address, CandidateAddress::Socket(_))
    }
}

/// The related address of an agent that does not tell it (RFC 8839 §5.1).
fn hidden(address: &CandidateAddress) -> Related {
    let is_v6 = address.socket().is_some_and(|address| address.is_ipv6());
    let address = if is_v6 { "::" } else { "0.0.0.0" };
    Related { address: address.to_owned(), port: Some(9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(config: Config) -> Policy {
        Policy::of(&config)
    }

    fn ways() -> [Gathered; 5] {
        let address = |text: &str| text.parse().unwrap();
        let (base, mapped) = (address("10.0.0.2:1000"), address("203.0.113.1:4000"));
        [
            Gathered::from(base),
            Gathered::Host { protocol: Protocol::Tcp, address: base, name: None },
            Gathered::TcpActive { ip: base.ip() },
            Gathered::ServerReflexive { base, mapped },
            Gathered::Relayed {
                relayed: address("198.51.100.1:5000"),
                mapped,
                transport: stun::ServerTransport::Udp,
            },
        ]
    }

    fn admitted(config: Config) -> [bool; 5] {
        let policy = policy(config);
        ways().map(|way| policy.admits(&way))
    }

    #[test]
    fn what_is_used() {
        assert_eq!(admitted(Config::default()), [true; 5]);
        let relay = IceTransportPolicy::Relay;
        let config = || Config { ice_transport_policy: relay, ..Config::default() };
        assert_eq!(admitted(config()), [false, false, false, false, true]);
        assert!(!policy(config()).looks_up_names());
        let lite = Config { ice_lite: true, ..Config::default() };
        assert_eq!(admitted(lite), [true, false, false, false, false]);
    }

    #[test]
    fn what_is_told() {
        let hides = policy(Config { hide_addresses: true, ..Config::default() });
        let relay = IceTransportPolicy::Relay;
        let relay = policy(Config { ice_transport_policy: relay, ..Config::default() });
        let told = |policy: Policy, line: &str| policy.told(&Candidate::parse(line).unwrap());
        let all = policy(Config::default());
        let host = "candidate:1 1 udp 2130706431 10.0.0.2 1000 typ host";
        assert_eq!(told(all, host).as_deref(), Some(host));
        assert_eq!(told(hides, host), None);
        let named = "candidate:1 1 udp 2130706431 abc.local 1000 typ host";
        assert_eq!(told(hides, named).as_deref(), Some(named));
        let reflexive = "candidate:2 1 udp 1694498815 203.0.113.1 4000 typ srflx";
        let related = format!("{reflexive} raddr 10.0.0.2 rport 1000");
        assert_eq!(told(all, &related), Some(related.clone()));
        assert_eq!(told(hides, &related), Some(format!("{reflexive} raddr 0.0.0.0 rport 9")));
        let relayed = "candidate:3 1 udp 16777215 2001:db8::5 5000 typ relay";
        let related = format!("{relayed} raddr 203.0.113.1 rport 4000");
        assert_eq!(told(relay, &related), Some(format!("{relayed} raddr :: rport 9")));
    }
}
