//! TURN: an address borrowed from a server that relays (RFC 8656).
//!
//! Book: "Relay".

mod deframer;
pub mod server;
mod user;

pub use deframer::{DeframeError, Deframer, MAX_FRAME_LENGTH};
pub use server::Server;
pub use user::User;

pub use crate::wire::{ChannelData, ChannelNumber};
