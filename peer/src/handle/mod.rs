//! The handles: what an application holds of a connection, with the W3C's names and `async`.
//!
//! ```text
//! PeerConnection ── requests ──► task        offer, answer, candidates, statistics, close
//! PeerConnection ◄── events ──── task        state, incoming channels, the end
//! DataChannel    ◄── messages ─► task        bounded in both directions
//! Transceiver    ◄──── media ──► task        bounded too, but nobody waits: what is late is lost
//! ```
//!
//! They are thin: the rules of WebRTC are the [`Connection`](crate::Connection)'s, which the task
//! of the [`driver`](crate::driver) owns.
//!
//! Book: "The pump".

mod data_channel;
mod events;
mod line;
mod media_line;
mod peer_connection;
mod requests;
mod shared;
mod transceiver;

pub use data_channel::{ChannelError, DataChannel};
pub use events::PeerEvent;
pub use line::ChannelState;
pub use peer_connection::PeerConnection;
pub use transceiver::Transceiver;

pub(crate) use line::{Line, Sent};
pub(crate) use media_line::MediaLine;
pub(crate) use requests::Requests;
pub(crate) use shared::{MediaCommand, Shared};
