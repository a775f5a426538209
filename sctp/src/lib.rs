//! SCTP over DTLS (RFC 9260, RFC 8261) and the data channels on top of it (RFC 8831, RFC 8832).
//!
//! ```text
//!             application
//!                  │ open, send, recv, close
//!        channel::DataChannels          RFC 8831, 8832: which stream, which type, DCEP
//!                  │ send, recv, reset_streams
//!            Association                RFC 9260, 3758, 6525, 7496: order, loss, congestion
//!                  │ packets
//!                wire                   octets, no state
//!                  │
//!                DTLS                   RFC 8261: one packet, one record
//! ```
//!
//! Nothing here knows a socket or a clock: the owner brings packets and the time, and takes packets
//! and events. See [`Association`] for the verbs, which every layer of this workspace shares.
//!
//! Book: part V, "Data".

pub mod association;
pub mod channel;
mod config;
mod error;
pub mod wire;

pub use association::{
    Association, CloseReason, Direction, Event, Message, Received, Reliability, Stats,
};
pub use config::{Config, Rto};
pub use error::{Error, ResetError, SendError};
pub use wire::{Ppid, StreamId};
