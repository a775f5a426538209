//! DTLS 1.2: everything that DTLS 1.3 does differently (RFC 6347 over RFC 5246).
//!
//! ```text
//! client, server ── the two handshakes: states, checks, what is sent when
//!    ├ suite          the cipher suites and what each decides
//!    ├ key_exchange   X25519, P-256, P-384
//!    ├ signature      the peer's certificate key and what it signs
//!    ├ transcript     the messages both sides must agree on
//!    ├ schedule       master secret, record keys, Finished; on prf
//!    ├ exporter       keys for SRTP
//!    └ cookie         HelloVerifyRequest
//! protection ── records sealed and opened
//! ```
//!
//! Records, fragments, flights and the replay window are the same in both versions and lie beside
//! this module. Book: "The handshake and keys".

pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod exporter;
pub(crate) mod handshake;
pub(crate) mod key_exchange;
pub(crate) mod prf;
pub(crate) mod protection;
pub(crate) mod schedule;
pub(crate) mod server;
pub(crate) mod signature;
pub(crate) mod suite;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transcript;
