//! Messages and channels as the application sees them, in W3C's words.
//!
//! W3C webrtc-pc `RTCDataChannelInit`, `RTCDataChannel`; RFC 8831 §6.4 (options), §6.6 (messages).
//! Book: the chapter on channels.

use std::time::Duration;

use bytes::Bytes;
use sctp::channel::{ChannelOptions, Payload, Text};
use sctp::wire::Priority;
use sctp::{Reliability, StreamId};
use serde::Serialize;

use crate::Error;

/// A message, text or binary; both may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Text),
    /// Octets.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::from(text.into()))
    }

    /// A binary message.
    #[must_use]
    pub fn binary(octets: impl Into<Bytes>) -> Self {
        Self::Binary(octets.into())
    }

    /// The octets of the message; UTF-8 if it is text.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.octets(),
            Self::Binary(octets) => octets,
        }
    }

    /// The number of octets: what counts against `max-message-size` (RFC 8841 §6).
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets().len()
    }

    /// Has it no octets?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets().is_empty()
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(octets: Bytes) -> Self {
        Self::Binary(octets)
    }
}

impl From<Vec<u8>> for Message {
    fn from(octets: Vec<u8>) -> Self {
        Self::binary(octets)
    }
}

impl From<Payload> for Message {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Binary(octets) => Self::Binary(octets),
        }
    }
}

impl From<Message> for Payload {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(octets) => Self::Binary(octets),
        }
    }
}

/// How a channel shall be, `RTCDataChannelInit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChannelInit {
    /// Messages arrive in the order they were sent. Default true.
    pub ordered: bool,
    /// Milliseconds after which a message is given up. Not together with `max_retransmits`.
    pub max_packet_life_time: Option<u16>,
    /// How often a message is sent again at most.
    pub max_retransmits: Option<u16>,
    /// A name for what is spoken on the channel.
    pub protocol: String,
    /// Both ends agreed on the channel by other means: nothing is announced, and `id` must be given.
    pub negotiated: bool,
    /// The stream of a negotiated channel. Of others, the DTLS role decides.
    pub id: Option<u16>,
    /// The share of the sending capacity (RFC 8831 §6.4).
    pub priority: Priority,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_packet_life_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: false,
            id: None,
            priority: Priority::NORMAL,
        }
    }
}

impl DataChannelInit {
    pub(crate) fn into_options(self, label: &str) -> Result<ChannelOptions, Error> {
        let reliability = match (self.max_retransmits, self.max_packet_life_time) {
            (None, None) => Reliability::Reliable,
            (Some(count), None) => Reliability::MaxRetransmits(count),
            (None, Some(milliseconds)) => {
                Reliability::MaxLifetime(Duration::from_millis(milliseconds.into()))
            }
            (Some(_), Some(_)) => return Err(Error::BothReliabilities),
        };
        let negotiated = match (self.negotiated, self.id) {
            (true, Some(id)) => Some(StreamId(id)),
            (true, None) => return Err(Error::NegotiatedWithoutId),
            (false, _) => None,
        };
        Ok(ChannelOptions {
            label: label.to_owned(),
            protocol: self.protocol,
            ordered: self.ordered,
            reliability,
            negotiated,
            priority: self.priority,
        })
    }
}

/// What a channel is, whoever opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelInfo {
    /// The name its creator gave it.
    pub label: String,
    /// The sub-protocol its creator named, or "".
    pub protocol: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// How often a message is sent again at most; `None`: without limit.
    pub max_retransmits: Option<u16>,
    /// Milliseconds after which a message is given up; `None`: never.
    pub max_packet_life_time: Option<u16>,
    /// Whether it was agreed on by other means.
    pub negotiated: bool,
    /// Its stream, once the DTLS role has decided it.
    pub id: Option<u16>,
}

impl ChannelInfo {
    pub(crate) fn new(options: &ChannelOptions, stream: Option<StreamId>) -> Self {
        let (max_retransmits, max_packet_life_time) = match options.reliability {
            Reliability::Reliable => (None, None),
            Reliability::MaxRetransmits(count) => (Some(count), None),
            Reliability::MaxLifetime(lifetime) => {
                (None, Some(u16::try_from(lifetime.as_millis()).unwrap_or(u16::MAX)))
            }
        };
        Self {
            label: options.label.clone(),
            protocol: options.protocol.clone(),
            ordered: options.ordered,
            max_retransmits,
            max_packet_life_time,
            negotiated: options.negotiated.is_some(),
            id: stream.map(|stream| stream.0),
        }
    }
}

/// Why a message was not sent. It was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel is not open.
    #[error("the channel is not open")]
    NotOpen,
    /// Too much is waiting to be sent: try again at [`Event::BufferedAmountLow`](crate::Event).
    #[error("too much is waiting to be sent")]
    Full,
    /// The message is larger than the peer accepts (RFC 8841 §6).
    #[error("the message is larger than the {limit} octets that the peer accepts")]
    TooLarge {
        /// The most octets it accepts; 65,536 if its description does not say.
        limit: usize,
    },
}

impl From<sctp::channel::SendError> for SendError {
    fn from(error: sctp::channel::SendError) -> Self {
        match error {
            sctp::channel::SendError::TooLarge { limit } => Self::TooLarge { limit },
            sctp::channel::SendError::BufferFull => Self::Full,
            _ => Self::NotOpen,
        }
    }
}
