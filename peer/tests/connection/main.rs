//! Whole connections, two at a time, in memory and on a virtual clock.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod calls;
mod candidates;
mod closing;
mod flow;
mod hostile;
mod liveness;
mod media;
mod net;
mod restart;
mod traps;
mod trickle;
