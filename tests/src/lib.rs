//! What tests of more than one crate share: the one shape of every layer as a trait ([`Endpoint`]),
//! simulated networks ([`sim`]), hosts that gather and call on them ([`host`]), and judges of
//! recordings ([`judge`]).
//!
//! ```text
//!   tests/scenarios   pairs of each layer on the simulator, and whole connections
//!   tests/captures    what browsers sent, through the parsers and the state machines
//!   tests/browser     real browsers; tests/interop: other programs
//! ```
//!
//! Book: "Testing".
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test harness fails by panicking"
)]

pub mod coturn;
pub mod endpoint;
pub mod host;
pub mod judge;
pub mod matrix;
pub mod namespace;
pub mod sim;

pub use endpoint::{Answering, Datagram, Endpoint, Responder, TurnServer};
