//! A message on its way out and on its way in.

use std::time::Duration;

use bytes::Bytes;

use crate::wire::Ppid;

/// How hard to try to deliver a message (RFC 3758 §3.4; RFC 8831 §6.4 for data channels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reliability {
    /// Until the association dies.
    #[default]
    Reliable,
    /// At most this many retransmissions (RFC 7496 §3.1); zero: sent once.
    MaxRetransmits(u16),
    /// For this long after `send` (RFC 3758 §4.1). A message not sent by then is never sent.
    MaxLifetime(Duration),
}

/// A message for [`crate::Association::send`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the payload is.
    pub ppid: Ppid,
    /// At least one octet. Not copied until it goes into packets.
    pub payload: Bytes,
    /// Whether it waits at the receiver for the ordered messages before it in its stream.
    pub ordered: bool,
    /// How hard to try.
    pub reliability: Reliability,
}

/// A whole message from [`crate::Association::recv`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What the payload is.
    pub ppid: Ppid,
    /// At least one octet.
    pub payload: Bytes,
    /// Whether its sender wanted it ordered.
    pub ordered: bool,
}
