//! What a connection tells its owner, and the states it goes through.
//!
//! W3C webrtc-pc `RTCPeerConnectionState` and the events of `RTCPeerConnection`.
//! Book: the chapter on the pump.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use sctp::channel::ChannelId;
use serde::{Deserialize, Serialize};

use crate::media::{Rid, TransceiverId};

/// The state of a connection, `RTCPeerConnectionState`.
///
/// ```text
///        answer set        path found, peer proven
///   New ───────────► Connecting ──────────► Connected ◄──heard again── Disconnected
///                        │                     │  └────7 s of silence────► │
///                        │ no path, or         │                           │ 30 s without
///                        ▼ handshake failed    ▼ end of DTLS               ▼ consent
///                      Failed               Closed                       Failed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// No offer has been answered yet.
    New,
    /// ICE looks for a path, or the DTLS handshake is under way.
    Connecting,
    /// Data can flow, and the peer is who its description says.
    Connected,
    /// The peer was not heard for a while; it may come back.
    Disconnected,
    /// ICE found no path or lost it, or the peer's certificate is not the one in its description.
    /// After a lost path, an ICE restart can bring the connection back.
    Failed,
    /// Over.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// How far gathering is, `RTCIceGatheringState`.
///
/// ```text
///        our first description      end_of_local_candidates
///   New ───────────────────► Gathering ───────────────────► Complete
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IceGatheringState {
    /// No description of ours was set: nobody has been told a candidate.
    New,
    /// More candidates may be found, and are told as they are.
    Gathering,
    /// All were told. A network that appears later makes new ones all the same.
    Complete,
}

impl fmt::Display for IceGatheringState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Gathering => "gathering",
            Self::Complete => "complete",
        })
    }
}

/// The state of ICE alone, `RTCIceConnectionState`: [`ice::ConnectionState`] has the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IceConnectionState {
    /// The peer's description is not known.
    New,
    /// Pairs are checked, none works so far.
    Checking,
    /// A pair works, better ones may be found.
    Connected,
    /// The pair to stay with is found.
    Completed,
    /// The peer was not heard for a while; it may come back.
    Disconnected,
    /// No pair works, or not any more. An ICE restart may find one.
    Failed,
    /// Over.
    Closed,
}

impl IceConnectionState {
    /// As the W3C writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for IceConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ice::ConnectionState> for IceConnectionState {
    fn from(state: ice::ConnectionState) -> Self {
        match state {
            ice::ConnectionState::New => Self::New,
            ice::ConnectionState::Checking => Self::Checking,
            ice::ConnectionState::Connected => Self::Connected,
            ice::ConnectionState::Completed => Self::Completed,
            ice::ConnectionState::Disconnected => Self::Disconnected,
            ice::ConnectionState::Failed => Self::Failed,
            ice::ConnectionState::Closed => Self::Closed,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`close`](crate::Connection::close) was called.
    #[error("closed by us")]
    Local,
    /// The peer ended the association or the DTLS connection.
    #[error("closed by the peer")]
    Remote,
    /// The DTLS handshake failed.
    #[error("the DTLS handshake failed: {0}")]
    Dtls(dtls::CloseReason),
    /// The association ended in disorder.
    #[error("the SCTP association failed: {0}")]
    Sctp(sctp::CloseReason),
}

impl CloseReason {
    /// Whether the end was nobody's wish.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Dtls(_) | Self::Sctp(_))
    }
}

/// A candidate as signalling carries it, W3C `RTCIceCandidateInit`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// `candidate:…` (RFC 8839 §5.1). Empty: there will be no more (RFC 8838 §13).
    pub candidate: String,
    /// The `a=mid` of the section it belongs to. With one transport it makes no difference.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The index of that section.
    #[serde(default)]
    pub sdp_m_line_index: Option<u16>,
    /// Whose candidate it is: the fragment tells ICE generations apart.
    #[serde(default)]
    pub username_fragment: Option<String>,
}

impl<T: Into<String>> From<T> for IceCandidate {
    fn from(candidate: T) -> Self {
        Self { candidate: candidate.into(), ..Self::default() }
    }
}

/// News of a connection, from [`Connection::poll_event`](crate::Connection::poll_event).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The state changed (`connectionstatechange`). States that passed between two calls are not
    /// told.
    ConnectionStateChange(ConnectionState),
    /// A candidate of ours that is in no description yet, or `None` when there will be no more
    /// (`icecandidate`).
    IceCandidate(Option<IceCandidate>),
    /// Gathering got further (`icegatheringstatechange`).
    IceGatheringStateChange(IceGatheringState),
    /// The state of ICE changed (`iceconnectionstatechange`). States that passed between two calls
    /// are not told.
    IceConnectionStateChange(IceConnectionState),
    /// The relay with this address has to let the peer's packets in (RFC 8656 §9): for the owner of
    /// the relay, `ice::Gatherer::permit`.
    RelayPermission {
        /// The relayed address of ours.
        relayed: SocketAddr,
        /// The peer's address.
        peer: IpAddr,
    },
    /// A candidate of the peer has this name in place of its address, one of multicast DNS (`.local`,
    /// RFC 6762): the owner looks it up and answers with
    /// [`name_resolved`](crate::Connection::name_resolved). Asked once for each name.
    ResolveName(String),
    /// From now on everything goes this way (`selectedcandidatepairchange`).
    SelectedPair {
        /// What carries it.
        protocol: ice::Protocol,
        /// Our address.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
    /// The peer opened a channel (`datachannel`). It can be sent on.
    DataChannel(ChannelId),
    /// A channel of ours can be sent on (`open`).
    ChannelOpened(ChannelId),
    /// A channel that had nothing to read has a message. Not repeated until
    /// [`recv`](crate::Connection::recv) has answered `None`.
    Readable(ChannelId),
    /// The buffered amount fell to its threshold (`bufferedamountlow`).
    BufferedAmountLow(ChannelId),
    /// Something ended a channel before its time; [`Event::ChannelClosed`] follows.
    ChannelFailed(ChannelId, sctp::channel::ChannelError),
    /// The peer is closing a channel (`closing`): nothing more can be sent, what waited to be sent is
    /// gone, and [`Event::ChannelClosed`] follows when everything that came was read.
    ChannelClosing(ChannelId),
    /// A channel is closed (`close`).
    ChannelClosed(ChannelId),
    /// The peer sends on this transceiver from now on (`track`).
    Track(TransceiverId),
    /// Something has changed that only a new offer can tell the peer (`negotiationneeded`).
    NegotiationNeeded,
    /// A transceiver that had nothing to deliver has something. Not repeated until
    /// [`recv_media`](crate::Connection::recv_media) has answered `None`.
    MediaReadable(TransceiverId),
    /// The peer needs a keyframe of what we send here, of one layer with simulcast.
    KeyframeRequested(TransceiverId, Option<Rid>),
    /// What the path carries has changed: bits per second for all media together.
    TargetBitrate(u64),
    /// The connection is over, and its farewell has been given to `poll_transmit`. Nothing follows.
    Closed(CloseReason),
}
