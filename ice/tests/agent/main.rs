//! The agent as its owner sees it: through the public API, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod candidates;
mod interop;
mod lite;
mod net;
mod properties;
mod relays;
mod renomination;
mod scenarios;
mod security;
mod tcp;
