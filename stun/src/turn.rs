//! TURN: an address borrowed from a server that relays (RFC 8656).
//!
//! ```text
//!   application ─► Client ─► [Deframer] ─ one address, one transport ─ [Deframer] ─► Server ─► peers
//!                  one allocation            UDP, TCP or TLS                 relayed addresses
//! ```
//!
//! Both ends without sockets. What they say on the wire is in [`wire`](crate::wire); how a user is
//! proven, in `credentials`. Book: "Relay".

mod client;
mod deframer;
pub mod server;
mod user;

pub use client::{
    Client, CloseReason, Config, Error, Event, MAX_PAYLOAD_LENGTH, MAX_REDIRECTIONS, SendError,
};
pub use deframer::{DeframeError, Deframer, MAX_FRAME_LENGTH};
pub use server::Server;
pub use user::User;

pub use crate::wire::{ChannelData, ChannelNumber};
