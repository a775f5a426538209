//! What an agent tells its owner: the state of the connection and the pair to send on.

use std::net::{IpAddr, SocketAddr};

use crate::protocol::Path;

/// The state of the connection, in the words of the W3C's `RTCIceTransportState`.
///
/// ```text
///        remote credentials     a pair is valid      a pair is nominated
///   New ───────────────► Checking ─────────► Connected ─────────► Completed
///                            │                   │ ▲                 │ ▲
///                            │ 39.5 s,           │ │ 7 s silence or  │ │
///                            │ no pair left      ▼ │ pair gone /     ▼ │
///                            │                  ┌─ heard, or another ─┐
///                            ▼                  │     Disconnected    │
///                         Failed ◄──────────────┴─────────────────────┘
///                                   consent expired (30 s), or 39.5 s without a pair
///
///   every state ──close──► Closed
/// ```
///
/// A failed or closed agent sends nothing and answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// The peer's credentials are not known. Its checks are answered already.
    New,
    /// Checks are sent; no pair is valid yet (RFC 8445 §6.1.3 `Running`).
    Checking,
    /// There is a valid pair, on which data may be sent (RFC 8445 §12.1).
    Connected,
    /// The nominated pair is selected (RFC 8445 §8.1.2 `Completed`).
    Completed,
    /// Nothing was heard on the selected pair for a while. Consent has not expired: data may be
    /// sent, and the next packet heard leads back. Or the selected pair is gone with our address, and
    /// no other is valid: data has to wait, and what candidates are left are checked for as long as
    /// at the start.
    Disconnected,
    /// No connectivity was reached (RFC 8863), or consent expired (RFC 7675 §5.1).
    Failed,
    /// The owner closed the agent.
    Closed,
}

impl ConnectionState {
    /// Whether there is or was a valid pair.
    pub(crate) fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::Completed | Self::Disconnected)
    }

    /// Whether the agent is silent for good, or until an ICE restart.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Failed | Self::Closed)
    }
}

/// News for the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The state of the connection changed.
    StateChanged(ConnectionState),
    /// From now on data goes this way: the first valid pair, then the nominated one, then whatever
    /// replaces it.
    Selected(Path),
    /// The peer may send to this relayed address of ours from this address: the relay must let it in
    /// (RFC 8656 §9), before its first check comes.
    Permit {
        /// The relayed address.
        relayed: SocketAddr,
        /// The peer's address.
        peer: IpAddr,
    },
    /// The agent has ended; nothing follows.
    Closed(CloseReason),
}

/// Why an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// [`Agent::close`](crate::Agent::close) was called.
    Requested,
}
