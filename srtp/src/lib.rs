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

pub mod payload;
pub mod wire;

pub use wire::identifier::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
pub use wire::{rtcp, rtp};
