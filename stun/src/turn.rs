//! TURN: an address borrowed from a server that relays (RFC 8656).
//!
//! Book: "Relay".

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
