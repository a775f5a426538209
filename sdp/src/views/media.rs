//! What holds for any media section: its direction, and RTCP on the same port.
//!
//! RFC 8866 §6.7 (`sendrecv`, …); RFC 5761 §5.1.1 (`rtcp-mux`); RFC 5506 §5
//! (`rtcp-rsize`).
//! Book: the chapter on SDP.

use std::fmt;

use crate::line::Lines;
use crate::views::section::Section;

/// Which way media flows, seen from the sender of the description, RFC 8866 §6.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways; holds if nothing is said.
    #[default]
    SendRecv,
    /// The sender only sends.
    SendOnly,
    /// The sender only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction of someone who sends, or receives, or both, or neither.
    #[must_use]
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the sender of the description sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the sender of the description receives.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What both allow (RFC 3264 §6.1; `other` seen from the same end).
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The same flow seen from the other end (RFC 3264 §6.1).
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            same => same,
        }
    }

    fn of(lines: &Lines) -> Option<Self> {
        lines.attributes().find_map(|attribute| Self::from_name(attribute.name))
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}

impl Section<'_> {
    /// The direction: of the section, else of the session, else both ways (RFC 8866 §6.7).
    #[must_use]
    pub fn direction(&self) -> Direction {
        let own = Direction::of(&self.media.lines);
        own.or_else(|| Direction::of(self.session)).unwrap_or_default()
    }

    /// RTP and RTCP on one port (RFC 5761 §5.1.1).
    #[must_use]
    pub fn rtcp_mux(&self) -> bool {
        self.media.lines.has("rtcp-mux")
    }

    /// RTCP packets may leave alone, without a report in front (RFC 5506 §5).
    #[must_use]
    pub fn rtcp_rsize(&self) -> bool {
        self.media.lines.has("rtcp-rsize")
    }

    /// RTP keyed by DTLS, the only RTP that WebRTC speaks (RFC 8827 §6.5, RFC 5764 §8).
    #[must_use]
    pub fn is_dtls_srtp(&self) -> bool {
        matches!(
            self.media.protocol.as_str(),
            "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "TCP/DTLS/RTP/SAVPF" | "TCP/DTLS/RTP/SAVP"
        )
    }
}
