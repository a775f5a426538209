//! The handles: what an application holds of a connection, with the W3C's names and `async`.
//!
//! ```text
//! PeerConnection ── requests ──► task        offer, answer, candidates, statistics, close
//! PeerConnection ◄── events ──── task        state, incoming channels, the end
//! DataChannel    ◄── messages ─► task        bounded in both directions
//! ```
//!
//! They are thin: the rules of WebRTC are the [`Connection`](crate::Connection)'s, which the task
//! of the [`driver`](crate::driver) owns.
//!
//! Book: "The pump".

mod data_channel;
mod events;
mod line;
mod peer_connection;
mod shared;

pub use data_channel::{ChannelError, DataChannel};
pub use events::PeerEvent;
pub use line::ChannelState;
pub use peer_connection::PeerConnection;

pub(crate) use line::{Line, Sent};
pub(crate) use shared::Shared;
