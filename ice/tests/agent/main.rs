//! The agent as its owner sees it: through the public API, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod candidates;
mod interop;
mod net;
mod properties;
mod relays;
mod scenarios;
mod security;
