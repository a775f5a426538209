//! Scenarios: pairs of every layer on the simulated network, through public APIs only.
//!
//! Repeat a failure with the line it prints; `SIM_SEEDS=500` tries more seeds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)] // tests

mod call;
mod channel;
mod dtls;
mod ice;
mod media;
mod nat;
mod network;
mod peer;
mod relay;
mod restart;
mod sctp;
mod security;
mod shape;
mod stun;
mod traps;
