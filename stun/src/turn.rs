//! TURN: an address borrowed from a server that relays (RFC 8656).
//!
//! Book: "Relay".

mod user;

pub use user::User;

pub use crate::wire::{ChannelData, ChannelNumber};
