//! What an association tells its owner.

use std::collections::VecDeque;

use crate::wire::StreamId;

/// News for the owner, from [`crate::Association::poll_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is done; messages may be sent.
    Established {
        /// Streams we may send on: 0 to one less.
        outbound_streams: u16,
        /// Streams the remote endpoint may send on.
        inbound_streams: u16,
    },
    /// A stream that had nothing to read has a message. Not repeated until
    /// [`crate::Association::recv`] has emptied the stream.
    Readable(StreamId),
    /// A stream's buffered amount fell to its threshold or below
    /// ([`crate::Association::set_buffered_amount_low_threshold`]).
    BufferedAmountLow(StreamId),
    /// Streams were reset (RFC 6525): their sequence numbers start again at zero.
    StreamsReset {
        /// Whose sending direction it was.
        direction: Direction,
        /// Which streams. Empty, and [`Direction::Incoming`]: all of them (RFC 6525 §4.1).
        streams: Vec<StreamId>,
    },
    /// The remote endpoint refused to reset our outgoing streams; they go on as they were.
    ResetRefused(Vec<StreamId>),
    /// A message larger than [`crate::Config::max_message_size`] arrived on this stream and was
    /// thrown away.
    MessageTooLarge(StreamId),
    /// The remote endpoint lost its state and began anew (RFC 9260 §5.2.4.1): unacknowledged
    /// messages are lost, all streams are as new.
    Restarted,
    /// The association is dead. The last event.
    Closed(CloseReason),
}

/// A direction of a stream, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The remote endpoint's messages to us.
    Incoming,
    /// Our messages to the remote endpoint.
    Outgoing,
}

/// Why the association died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides shut down, all messages delivered (RFC 9260 §9.2).
    #[error("shut down")]
    Shutdown,
    /// We called [`crate::Association::abort`].
    #[error("aborted by us")]
    LocalAbort,
    /// The remote endpoint sent an ABORT (RFC 9260 §9.1).
    #[error("aborted by the remote endpoint")]
    RemoteAbort,
    /// The remote endpoint broke the protocol; we sent an ABORT.
    #[error("the remote endpoint broke the protocol")]
    ProtocolViolation,
    /// INIT or COOKIE ECHO stayed without answer (RFC 9260 §5.1).
    #[error("no answer to the handshake")]
    HandshakeTimeout,
    /// [`crate::Config::max_retransmits`] was exceeded (RFC 9260 §8.1), or the remote endpoint did
    /// not answer our shutdown.
    #[error("the remote endpoint no longer answers")]
    Timeout,
}

/// Events that were not taken yet. `Readable` and `BufferedAmountLow` occur at most once per
/// stream, the others are limited here or happen once.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<Event>);

/// Events that the network can cause at will, before such causes are refused.
const MAX_CAUSED: usize = 256;

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.0.push_back(event);
    }

    /// Established comes before what arrived early.
    pub(crate) fn push_front(&mut self, event: Event) {
        self.0.push_front(event);
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.0.pop_front();
        if self.0.is_empty() && self.0.capacity() > MAX_CAUSED {
            self.0.shrink_to(MAX_CAUSED);
        }
        event
    }

    /// Whether there is room for an event that the network can cause at will.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < MAX_CAUSED
    }
}
