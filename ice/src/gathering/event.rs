//! What gathering tells. Book: chapter "Candidates".

use std::net::SocketAddr;

use crate::gathered::Gathered;

// ANCHOR: events
/// News of a [`Gatherer`](super::Gatherer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatheringEvent {
    /// A way to be reached.
    Found(Gathered),
    /// One that is no more: its socket is gone, the NAT has another mapping, the allocation is lost.
    Lost(Gathered),
    /// A server was of no use. The others go on.
    Failed(GatheringError),
    /// All servers have answered or failed. Told again when sockets or servers were added since.
    Complete,
}
// ANCHOR_END: events

/// Why a server was of no use: W3C `RTCPeerConnectionIceErrorEvent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {reason} ({code})")]
pub struct GatheringError {
    /// The server's URL as configured.
    pub url: String,
    /// The address it was asked from, if it came to that.
    pub local: Option<SocketAddr>,
    /// The error code of STUN (RFC 8489 §14.8, RFC 8656 §19), or 701: the server was not reached.
    pub code: u16,
    /// What happened, in words for people.
    pub reason: String,
}

impl GatheringError {
    /// The code when the server did not answer or could not be found (W3C webrtc-pc §4.8.2).
    pub const UNREACHABLE: u16 = 701;
}
