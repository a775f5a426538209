//! One channel: its options, its state, its figures.
//!
//! ```text
//!    open                                open (negotiated)      OPEN arrives
//!     │                                        │                     │ ACK
//!     ▼             role known                 ▼                     │
//!  Unassigned ─────────────────────────► Connecting                  │
//!     │                                        │ association up,     │
//!     │                                        │ OPEN queued         │
//!     │                                        ▼                     │
//!     │                                      Open ◄──────────────────┘
//!     │                                        │  │ the remote endpoint reset its direction
//!     │                                        │  ▼
//!     │                                  close │ Draining
//!     │                                        │  │ all is read, or close
//!     │                                        ▼  ▼
//!     │                                      Closing: reset our direction
//!     │                                        │ both directions are reset
//!     ▼ close                                  ▼
//!  Closed ◄────────────────────────────────────┘   (and from everywhere when the association dies)
//! ```

use super::partial::Partial;
use super::streams::Resets;
use super::{ChannelId, ChannelOptions};
use crate::wire::StreamId;

// ANCHOR: states
/// Where a channel is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The DTLS role is not known yet, so neither is the stream.
    Unassigned,
    /// Waits for the association, or for room in its send buffer, to send OPEN.
    Connecting(StreamId),
    /// Messages flow.
    Open {
        stream: StreamId,
        /// ACK or any other message was received. Until then everything is sent in order,
        /// whatever the options say (RFC 8832 §6).
        acknowledged: bool,
    },
    /// The remote endpoint closed the channel, and what arrived before is not all read. Our own
    /// direction is reset afterwards: until then the stream cannot be used again, so the messages
    /// of two channels are never in one queue.
    Draining(StreamId),
    /// Our direction is being reset, the remote endpoint's was or will be; what arrives is thrown
    /// away.
    Closing { stream: StreamId, resets: Resets },
    /// Over. Messages may be left on the stream if the association died.
    Closed(Option<StreamId>),
}
// ANCHOR_END: states

impl State {
    pub(super) fn stream(self) -> Option<StreamId> {
        match self {
            Self::Unassigned => None,
            Self::Connecting(stream)
            | Self::Open { stream, .. }
            | Self::Draining(stream)
            | Self::Closing { stream, .. } => Some(stream),
            Self::Closed(stream) => stream,
        }
    }
}

/// The state of a channel as W3C's API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Cannot be sent on yet.
    Connecting,
    /// Messages flow.
    Open,
    /// No more messages can be sent.
    Closing,
    /// Over.
    Closed,
}

/// Figures of a channel, as `getStats` reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelStats {
    /// Messages taken by `send`.
    pub messages_sent: u64,
    /// Their octets.
    pub octets_sent: u64,
    /// Messages given out by `recv`.
    pub messages_received: u64,
    /// Their octets.
    pub octets_received: u64,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) options: ChannelOptions,
    pub(super) state: State,
    /// Whether the remote endpoint opened it.
    pub(super) is_remote: bool,
    /// [`super::Event::Readable`] was given and not everything was read since.
    pub(super) announced: bool,
    pub(super) low_threshold: usize,
    pub(super) partial: Option<Box<Partial>>,
    pub(super) stats: ChannelStats,
}

impl Channel {
    pub(super) fn new(options: ChannelOptions, state: State, is_remote: bool) -> Self {
        Self {
            options,
            state,
            is_remote,
            announced: false,
            low_threshold: 0,
            partial: None,
            stats: ChannelStats::default(),
        }
    }

    pub(super) fn partial_length(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.len())
    }
}

/// Something DCEP has to say as soon as the association takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement {
    /// OPEN, or nothing if the channel is negotiated; then the channel is open.
    Open(ChannelId),
    /// ACK.
    Acknowledge(ChannelId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_75_a_channel_takes_less_than_a_kilobyte() {
        let size = size_of::<(ChannelId, Channel)>();
        assert!(size <= 256, "{size} octets, without the names");
    }
}
