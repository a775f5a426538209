//! What data channels tell their owner, and why they refuse.

use super::ChannelId;
use crate::CloseReason;

/// News for the owner, from [`super::DataChannels::poll_event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The association is up.
    Established,
    /// A channel we opened can be sent on. As browsers do, this does not wait for the remote
    /// endpoint's ACK, which takes a round trip and would gain nothing: what is sent before it is
    /// sent in order, behind the OPEN (RFC 8832 §6). Should the remote endpoint refuse the channel,
    /// [`Event::Closed`] follows.
    Opened(ChannelId),
    /// The remote endpoint opened a channel; it can be sent on at once.
    Incoming(ChannelId),
    /// A channel that had nothing to read has a message. Not repeated until
    /// [`super::DataChannels::recv`] has answered `None`.
    Readable(ChannelId),
    /// The buffered amount fell to the threshold set by
    /// [`super::DataChannels::set_buffered_amount_low_threshold`] or below.
    BufferedAmountLow(ChannelId),
    /// The remote endpoint is closing the channel: no more can be sent, and what waited to be sent
    /// was thrown away. [`Event::Closed`] follows when everything that arrived was read, or at
    /// [`super::DataChannels::close`].
    Closing(ChannelId),
    /// Something ended the channel before its time; [`Event::Closed`] follows.
    Failed(ChannelId, ChannelError),
    /// The channel is closed in both directions, and everything that arrived was read, unless the
    /// association died: then `recv` still gives what is left. The last event of the channel.
    Closed(ChannelId),
    /// The association is dead. The last event; each channel had its own before.
    Down(CloseReason),
}

/// Why a channel was closed that nobody asked to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A message is larger than our `max-message-size` (RFC 8841 §6).
    #[error("the remote endpoint sent a message larger than our limit")]
    MessageTooLarge,
    /// The remote endpoint broke the data channel protocols: an OPEN for a channel that exists, a
    /// DCEP message that cannot be read (RFC 8832 §6), fragments that do not fit (RFC 8831 §6.6).
    #[error("the remote endpoint broke the data channel protocol")]
    ProtocolViolation,
    /// The channel's stream is beyond those the association negotiated.
    #[error("the association has no such stream")]
    NoSuchStream,
    /// The remote endpoint does not support resetting streams or refused it (RFC 6525): the
    /// channel is closed here without its knowledge, and its stream cannot be used again.
    #[error("the remote endpoint would not reset the channel's stream")]
    ResetRefused,
    /// The remote endpoint began its association anew (RFC 9260 §5.2); its channels are gone.
    #[error("the remote endpoint began anew")]
    Restarted,
}

/// Why a channel cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Label or protocol have more than 65,535 octets.
    #[error("label or protocol is longer than 65,535 octets")]
    NameTooLong,
    /// The stream is used by another channel, or by one that is not closed in both directions yet.
    #[error("the stream is in use")]
    StreamInUse,
    /// 65,535 is no stream of a data channel (RFC 8831 §6.2: 65,535 streams, from 0).
    #[error("65,535 is not a stream")]
    NoSuchStream,
    /// All streams are used, or there are as many channels as
    /// [`super::Config::max_channels`] allows.
    #[error("there are too many channels")]
    TooManyChannels,
    /// The association is dead or shutting down.
    #[error("the association is closed")]
    Down,
}

/// Why a message was not sent. It was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel is not open yet, or is closing, or closed, or never was.
    #[error("the channel is not open")]
    NotOpen,
    /// The message has more octets than the remote endpoint accepts, or than our send buffer has.
    /// Without a `max-message-size` attribute the remote endpoint's limit is 65,536 octets.
    #[error("the message is larger than the limit of {limit} octets")]
    TooLarge {
        /// The largest message that can be sent.
        limit: usize,
    },
    /// Too much is waiting to be sent: try again later.
    #[error("the send buffer is full")]
    BufferFull,
}
