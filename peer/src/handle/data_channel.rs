//! The handle of one data channel.
//!
//! Book: "Channels".

use std::sync::Arc;

use super::line::{ChannelState, Line, cost};
use crate::{ChannelInfo, Message};

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel is closing or closed, or the whole connection is.
    #[error("the channel is closed")]
    Closed,
    /// The message is larger than the peer accepts (`a=max-message-size`, RFC 8841 §6.1).
    #[error("the message has {length} octets and the peer accepts {limit}")]
    TooLarge {
        /// The message's length in octets.
        length: usize,
        /// The most octets that the peer accepts; 65,536 if it does not say.
        limit: usize,
    },
    /// As much as this side buffers is waiting already; the message is handed back.
    #[error("too much is waiting to be sent")]
    Full(Message),
}

/// A data channel, an `RTCDataChannel` in the W3C's words (RFC 8831).
///
/// Clones are the same channel; when the last one is dropped, the channel is closed as with
/// [`close`](DataChannel::close). A channel does not keep its connection alive: that is what the
/// [`PeerConnection`](super::PeerConnection) is for.
///
/// The buffers are bounded in both directions. [`send`](DataChannel::send) waits while the peer or
/// the network is slower than the application. An application that does not
/// [`recv`](DataChannel::recv) makes the peer wait: the window of the association closes, and since
/// that window is one for all channels (RFC 8831 §6.6), the others stop too in the end.
#[derive(Clone, Debug)]
pub struct DataChannel {
    owner: Arc<Owner>,
}

/// Closes the channel when the last handle goes.
#[derive(Debug)]
struct Owner {
    line: Arc<Line>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.line.begin_closing();
    }
}

impl DataChannel {
    pub(crate) fn new(line: Arc<Line>) -> DataChannel {
        DataChannel { owner: Arc::new(Owner { line }) }
    }

    fn line(&self) -> &Line {
        &self.owner.line
    }

    /// The name its creator gave it. Not unique.
    pub fn label(&self) -> &str {
        &self.line().info.label
    }

    /// The subprotocol its creator named, or "".
    pub fn protocol(&self) -> &str {
        &self.line().info.protocol
    }

    /// Whether messages arrive in the order in which they were sent.
    pub fn ordered(&self) -> bool {
        self.line().info.ordered
    }

    /// How often a message is sent again before it is given up; `None`: without limit.
    pub fn max_retransmits(&self) -> Option<u16> {
        self.line().info.max_retransmits
    }

    /// For how many milliseconds a message is sent again before it is given up; `None`: without
    /// limit.
    pub fn max_packet_life_time(&self) -> Option<u16> {
        self.line().info.max_packet_life_time
    }

    /// All of the above.
    pub fn info(&self) -> &ChannelInfo {
        &self.line().info
    }

    /// The state of the channel.
    pub fn state(&self) -> ChannelState {
        self.line().state()
    }

    /// Waits until messages can be sent.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Closed`] if the channel closes instead.
    pub async fn opened(&self) -> Result<(), ChannelError> {
        loop {
            let changed = self.line().changed.notified();
            match self.state() {
                ChannelState::Open => return Ok(()),
                ChannelState::Connecting => changed.await,
                ChannelState::Closing | ChannelState::Closed => return Err(ChannelError::Closed),
            }
        }
    }

    /// Waits until the channel is closed: by [`close`](DataChannel::close), by the peer or with
    /// the connection.
    pub async fn closed(&self) {
        loop {
            let changed = self.line().changed.notified();
            if self.state() == ChannelState::Closed {
                return;
            }
            changed.await;
        }
    }

    /// Sends a message, and waits first while too much is waiting already. Messages may be sent
    /// before the channel is open; they go when it is.
    ///
    /// When this returns the message is queued, neither sent nor received; see
    /// [`buffered_amount`](DataChannel::buffered_amount). Dropping the future before it completes
    /// sends nothing.
    ///
    /// # Errors
    ///
    /// [`ChannelError::TooLarge`], [`ChannelError::Closed`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), ChannelError> {
        let message = message.into();
        self.check_length(&message)?;
        let permits = u32::try_from(cost(&message)).unwrap_or(u32::MAX);
        let permits = self.line().shared.permits.acquire_many(permits).await;
        permits.map_err(|_| ChannelError::Closed)?.forget();
        self.push(message)
    }

    /// Sends a message if there is room for it.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Full`] with the message if there is none; otherwise as
    /// [`send`](DataChannel::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), ChannelError> {
        let message = message.into();
        self.check_length(&message)?;
        let permits = u32::try_from(cost(&message)).unwrap_or(u32::MAX);
        match self.line().shared.permits.try_acquire_many(permits) {
            Ok(permits) => permits.forget(),
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                return Err(ChannelError::Full(message));
            }
            Err(tokio::sync::TryAcquireError::Closed) => return Err(ChannelError::Closed),
        }
        self.push(message)
    }

    fn check_length(&self, message: &Message) -> Result<(), ChannelError> {
        let limit = self.line().shared.max_message_size();
        let length = message.len();
        if length > limit {
            return Err(ChannelError::TooLarge { length, limit });
        }
        Ok(())
    }

    fn push(&self, message: Message) -> Result<(), ChannelError> {
        self.line().push_outbound(message).map_err(|message| {
            self.line().shared.permits.add_permits(cost(&message));
            ChannelError::Closed
        })
    }

    /// The next message; `None` when the channel is closed and everything was read.
    ///
    /// Dropping the future before it completes loses nothing.
    pub async fn recv(&self) -> Option<Message> {
        loop {
            let readable = self.line().readable.notified();
            match self.line().pop_inbound() {
                Ok(Some(message)) => return Some(message),
                Ok(None) => readable.await,
                Err(Ended) => return None,
            }
        }
    }

    /// The next message, if one waits.
    pub fn try_recv(&self) -> Option<Message> {
        self.line().pop_inbound().unwrap_or_default()
    }

    /// Waits until [`recv`](DataChannel::recv) would not, without taking anything: a message is
    /// there, or the end.
    pub async fn readable(&self) {
        loop {
            let readable = self.line().readable.notified();
            if self.line().is_readable() {
                // The next call must not wait for another ring.
                self.line().readable.notify_one();
                return;
            }
            readable.await;
        }
    }

    /// The most octets a message may have: what the peer accepts (`a=max-message-size`, RFC 8841
    /// §6.1), or without limit while it has not said.
    pub fn max_message_size(&self) -> usize {
        self.line().shared.max_message_size()
    }

    /// The octets of all messages that were sent here and that the peer has not acknowledged.
    pub fn buffered_amount(&self) -> usize {
        self.line().buffered_amount()
    }

    /// Sets what [`buffered_amount_low`](DataChannel::buffered_amount_low) waits for. 0 at first.
    pub fn set_buffered_amount_low_threshold(&self, octets: usize) {
        self.line().set_low_threshold(octets);
    }

    /// Waits until the buffered amount is at or below the threshold, or the channel is closed.
    pub async fn buffered_amount_low(&self) {
        loop {
            let changed = self.line().changed.notified();
            if self.line().is_low() || self.state() == ChannelState::Closed {
                return;
            }
            changed.await;
        }
    }

    /// Closes the channel: what was sent before is delivered, nothing can be sent any more, and
    /// the peer is told (RFC 8831 §6.7). [`closed`](DataChannel::closed) waits for the end of it.
    pub fn close(&self) {
        self.line().begin_closing();
    }
}

/// Nothing more will be read from a channel.
pub(super) struct Ended;
