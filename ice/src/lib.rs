//! ICE: finding a path to a peer, proving it works, and keeping proof (RFC 8445, 8838, 8839, 7675, 8863;
//! over TCP: RFC 6544).
//!
//! ```text
//!    sockets, servers      candidates of the peer     STUN datagrams ◄──► network
//!          │ Gathered           │ text, from signalling      │
//!          ▼                    ▼                            ▼
//!   ┌──────────────────────────────── Agent ────────────────────────────────┐
//!   │  local_candidates    remote_candidates                                │
//!   │          └─────────┬─────────┘                                        │
//!   │                    ▼         agent/inbound     the peer's checks      │
//!   │       pairing ► checklist ◄─ agent/outbound    our checks, timers     │
//!   │               pacer, check   agent/response    their answers          │
//!   │                    │         agent/nomination  which pair             │
//!   │                    ▼         consent           for how long           │
//!   └───────────── selected pair ───────────────────────────────────────────┘
//!                        ▼
//!           data may go on this `Path`
//! ```
//!
//! The agent has no socket and no clock: it is told the time and handed datagrams, and asked what to
//! send. It gathers nothing itself: its owner knows the sockets, asks servers with a [`Gatherer`], and
//! tells the agent each way to be reached ([`Gathered`]). What an address is to packets, a *base*, may
//! be a socket, a relayed address or the end of a TCP connection; only the owner knows which. There
//! is one component (RTCP is multiplexed, RFC 5761) and one checklist (everything is bundled,
//! RFC 9143).
//!
//! Invariants:
//! - a datagram without valid credentials is not answered and changes nothing;
//! - data may be sent only where the peer consented within the last 30 seconds;
//! - every table is bounded, and checks go out no faster than one per Ta over time.
//!
//! Book: chapters "Candidates", "Checks", "Nomination and consent".
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! use ice::{Agent, Config, Datagram, Role};
//! use rand::SeedableRng;
//! use rand::rngs::StdRng;
//!
//! let now = Instant::now();
//! let mut left = Agent::new(Config::new(Role::Controlling), StdRng::seed_from_u64(1));
//! let mut right = Agent::new(Config::new(Role::Controlled), StdRng::seed_from_u64(2));
//! let at_left = left.add_local_candidate(now, "192.0.2.1:1000".parse::<SocketAddr>()?).unwrap();
//! right.add_local_candidate(now, "192.0.2.2:2000".parse::<SocketAddr>()?).unwrap();
//!
//! // Signalling carries the credentials and, here, one candidate.
//! left.set_remote_credentials(now, right.local_credentials().clone())?;
//! right.set_remote_credentials(now, left.local_credentials().clone())?;
//! right.add_remote_candidate(now, at_left)?;
//!
//! // The network: a loop that carries datagrams until nobody sends any more.
//! loop {
//!     let (packet, receiver) = match (left.poll_transmit(now), right.poll_transmit(now)) {
//!         (None, None) => break,
//!         (Some(packet), other) => {
//!             if let Some(other) = other {
//!                 let datagram = Datagram::udp(other.remote, other.local, &other.payload);
//!                 left.handle_datagram(now, datagram)?;
//!             }
//!             (packet, &mut right)
//!         }
//!         (None, Some(packet)) => (packet, &mut left),
//!     };
//!     let datagram = Datagram::udp(packet.remote, packet.local, &packet.payload);
//!     receiver.handle_datagram(now, datagram)?;
//! }
//! assert_eq!(left.selected_pair().unwrap().remote, "192.0.2.2:2000".parse()?);
//! assert!(right.may_send());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod agent;
mod candidate;
mod check;
mod checklist;
mod config;
mod consent;
mod credentials;
mod error;
mod event;
mod gathered;
mod gathering;
mod pacer;
mod packet;
mod pair;
mod priority;
mod protocol;
mod role;
mod stats;

pub use agent::Agent;
pub use candidate::{
    Candidate, CandidateAddress, CandidateError, CandidateKind, Foundation, Related, Transport,
};
pub use config::{Config, Mode, Timing};
pub use consent::Consent;
pub use credentials::Credentials;
pub use error::Error;
pub use event::{CloseReason, ConnectionState, Event};
pub use gathered::Gathered;
pub use gathering::{
    FromServer, Gatherer, GatheringError, GatheringEvent, Relayed, Server, ToServer,
};
pub use packet::{Datagram, Transmit};
pub use pair::{Counters, PairState};
pub use priority::{PairPriority, Priority};
pub use protocol::{Path, Protocol};
pub use role::Role;
pub use stats::{PairStats, SelectedPair};
pub use stun::{ServerTransport, turn::User};
