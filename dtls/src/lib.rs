//! DTLS 1.2 for WebRTC: client and server, without sockets, clock or threads. RFC 6347.
//!
//! ```text
//!                     ┌───────────────────────── Connection ─────────────────────────┐
//! handle_datagram ───►│ wire: records ─ fragments ─► reassembly ─► v12: client/server│───► poll_event
//!                     │                  │ epoch 1                     │ flights     │
//! recv ◄──────────────│ application ◄── opened                         ▼             │
//! send ──────────────►│ data ─────────► sealed ──────────────────► datagrams         │───► poll_transmit
//!                     └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Who authenticates whom: each side has a certificate that nobody has signed but itself, and knows the
//! fingerprint of the other's from the signalling (RFC 8827 §6.5). The peer is [`Authenticated`] once
//! its certificate has that fingerprint, its signature proves the key, and its Finished proves that
//! both saw the same handshake. Before that no application data passes and no key leaves.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//! use dtls::{Certificate, Config, Connection, Event, HashAlgorithm, Role};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Arc::new(Certificate::generate()?), Arc::new(Certificate::generate()?));
//! let expect = |peer: &Certificate| vec![peer.fingerprint(HashAlgorithm::Sha256)];
//! let now = Instant::now();
//! let client = Config::new(Role::Client, alice.clone(), expect(&bob));
//! let server = Config::new(Role::Server, bob, expect(&alice));
//! let mut client = Connection::new(now, client, StdRng::seed_from_u64(1));
//! let mut server = Connection::new(now, server, StdRng::seed_from_u64(2));
//!
//! // The network: every datagram of one side is handled by the other, until both are silent.
//! let mut quiet = false;
//! while !quiet {
//!     quiet = true;
//!     while let Some(datagram) = client.poll_transmit(now) {
//!         server.handle_datagram(now, datagram.into())?;
//!         quiet = false;
//!     }
//!     while let Some(datagram) = server.poll_transmit(now) {
//!         client.handle_datagram(now, datagram.into())?;
//!         quiet = false;
//!     }
//! }
//! assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
//! assert!(matches!(server.poll_event(), Some(Event::Connected(_))));
//!
//! client.send(now, b"hello")?;
//! let datagram = client.poll_transmit(now).ok_or("nothing to send")?;
//! server.handle_datagram(now, datagram.into())?;
//! assert_eq!(server.recv().as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! What is 1.2's own lies in `v12`; records, fragments, flights and the replay window lie beside it,
//! since DTLS 1.3 (RFC 9147) shares them. This crate uses no other crate of the workspace.
//! Book: "DTLS records and flights", "The handshake and keys".

mod authenticated;
mod certificate;
mod config;
mod connection;
mod early;
mod error;
mod fingerprint;
pub mod flight;
pub mod reassembly;
mod records;
pub mod replay;
mod v12;
pub mod wire;

pub use authenticated::Authenticated;
pub use certificate::Certificate;
pub use config::{Config, Role};
pub use connection::{Connection, Event, Info, Stats};
pub use error::{CloseReason, Error, SendError};
pub use fingerprint::{Fingerprint, HashAlgorithm};
pub use v12::exporter::SrtpKeyingMaterial;
pub use wire::extension::SrtpProtectionProfile as SrtpProfile;
