//! A WebRTC peer: offer and answer, the layers put together, data channels and media for applications.
//!
//! ```text
//!  handle        async: PeerConnection, DataChannel, Transceiver
//!  driver        tokio: one socket, one task for each connection
//!  Connection    sans-IO: descriptions, datagrams and messages in, the same out
//!    negotiation   JSEP (RFC 9429)            demux   RFC 7983
//!    connection    ICE, DTLS, SCTP, SRTP      pump    what comes out of one goes into the next
//!    media         RTP: repair, congestion    stats   W3C's getStats
//! ```
//!
//! The layers are crates of their own: `sdp`, `ice` (on `stun`), `dtls`, `srtp`, `sctp`. This one knows them
//! all and none of them knows another; see [`Connection`] for how they meet.
//!
//! Book: the chapters on offer and answer, and on the pump.

mod config;
mod connection;
mod demux;
pub mod driver;
mod error;
pub mod handle;
pub mod media;
mod negotiation;
mod pump;
pub mod stats;

pub use config::{Config, IceServer, IceTransportPolicy};
pub use connection::{
    ChannelInfo, CloseReason, Connection, ConnectionState, DataChannelInit, Datagram, Event,
    IceCandidate, IceConnectionState, IceGatheringState, Message, SendError, Transmit,
};
pub use demux::Protocol;
pub use driver::{Endpoint, EndpointOptions};
pub use dtls::Certificate;
pub use error::Error;
pub use handle::{ChannelError, ChannelState, DataChannel, PeerConnection, PeerEvent, Transceiver};
pub use ice::Protocol as IceProtocol;
pub use negotiation::{SdpType, SessionDescription, SetupRole, SignalingState};
pub use sctp::channel::ChannelId;
pub use sdp::Direction;
pub use stats::Stats;

/// The example in README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
