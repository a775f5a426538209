//! The agent as its owner sees it: through the public API, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod interop;
mod net;
mod properties;
mod scenarios;
mod security;
