//! What browsers sent (`fixtures/pcap`) through our parsers and, where keys allow, state machines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)] // tests

mod decrypt;
mod dtls;
mod files;
mod rtp;
mod sctp;
mod srtp;
mod stun;
