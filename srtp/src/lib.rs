//! RTP and RTCP (RFC 3550), their encryption SRTP (RFC 3711, RFC 7714), and how frames of a codec
//! travel in RTP packets.
//!
//! ```text
//!   frame ─► payload::Packetizer ─► rtp::Packet ─► Outbound::protect_rtp  ─► datagram
//!   frame ◄─ payload::Depacketizer ◄─ rtp::Packet ◄─ Inbound::unprotect_rtp ◄─ datagram
//! ```
//!
//! Nothing here knows a socket, a clock or a timer: packets are parsed, written, sealed and opened.
//!
//! Book: the chapters on RTP and SRTP.

mod derive;
mod error;
mod header;
mod inbound;
mod key;
mod outbound;
mod packet_index;
pub mod payload;
mod profile;
mod protection;
mod replay;
mod sources;
#[cfg(test)]
mod testing;
pub mod wire;

pub use error::Error;
pub use inbound::Inbound;
pub use key::MasterKey;
pub use outbound::Outbound;
pub use profile::Profile;
pub use replay::WINDOW;
pub use sources::MAX_SOURCES;
pub use wire::identifier::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
pub use wire::{rtcp, rtp};
