//! A DATA chunk that was sent, and how long it is worth keeping (RFC 3758 §3.4, §3.5).

use std::time::Instant;

use bytes::Bytes;

use crate::wire::{Data, Ppid, Ssn, StreamId, Tsn};

/// Until when a message is worth sending again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Reliable,
    Retransmits(u16),
    Until(Instant),
}

impl Limit {
    pub(crate) fn is_exceeded(self, now: Instant, retransmits: u16) -> bool {
        match self {
            Self::Reliable => false,
            Self::Retransmits(most) => retransmits >= most,
            Self::Until(end) => now >= end,
        }
    }
}

/// What became of a chunk that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// On its way, as far as we know.
    InFlight,
    /// A gap block named it.
    Acked,
    /// To be sent again.
    Lost,
    /// Given up with its message (RFC 3758 §3.5).
    Abandoned,
}

/// A chunk that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) payload: Bytes,
    pub(crate) ppid: Ppid,
    pub(crate) stream: StreamId,
    pub(crate) ssn: Ssn,
    pub(crate) unordered: bool,
    pub(crate) beginning: bool,
    pub(crate) ending: bool,
    pub(crate) fate: Fate,
    pub(crate) retransmits: u16,
    pub(crate) limit: Limit,
}

impl Sent {
    /// Octets on the wire, padding aside.
    pub(crate) fn wire_length(&self) -> usize {
        Data::OVERHEAD.saturating_add(self.payload.len())
    }

    /// Octets of memory, for the send buffer.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>().saturating_add(self.payload.len())
    }

    pub(crate) fn to_data(&self, tsn: Tsn, immediate: bool) -> Data {
        Data {
            immediate,
            unordered: self.unordered,
            beginning: self.beginning,
            ending: self.ending,
            tsn,
            stream: self.stream,
            ssn: self.ssn,
            ppid: self.ppid,
            payload: self.payload.clone(),
        }
    }
}
