//! Outbound flights: messages into fragments, records and datagrams, again and again until answered
//! (RFC 6347 §4.2.4).
//!
//! (figure follows)

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::{ContentType, Epoch, HandshakeMessage};

/// What a flight is made of, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlightItem {
    /// A handshake message, in as many records of `epoch` as the datagrams need.
    Message {
        /// Epoch of its records: 1 for Finished.
        epoch: Epoch,
        /// The message.
        message: HandshakeMessage,
    },
    /// ChangeCipherSpec, in a record of this epoch.
    ChangeCipherSpec(Epoch),
}

/// Whoever numbers and seals records. Each call takes a new sequence number of the epoch, in a
/// retransmission too (RFC 6347 §4.2.4: the record layer sees no difference).
pub trait RecordWriter {
    /// Appends one record to `datagram`; nothing if the epoch's numbers are used up.
    fn write_record(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    );

    /// Octets of a record of `epoch` beyond its plaintext: header, explicit nonce, tag.
    fn overhead(&self, epoch: Epoch) -> usize;
}

/// When to repeat a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetransmitTimer {
    /// The first interval; each expiry doubles it.
    pub initial: Duration,
    /// The longest interval.
    pub max: Duration,
}

/// The last flight, and when it goes out again.
#[derive(Debug)]
pub struct Flights {
    mtu: usize,
    timer: RetransmitTimer,
}

impl Flights {
    /// No flight yet. `mtu`: octets of the largest datagram.
    #[must_use]
    pub fn new(mtu: usize, timer: RetransmitTimer) -> Self {
        Self { mtu, timer }
    }

    /// Queues a new flight in place of the one before it, which the peer has answered (PREPARING →
    /// SENDING → WAITING). It is repeated with doubling intervals until the next call.
    pub fn send(&mut self, now: Instant, items: Vec<FlightItem>) {
        let _ = (now, items);
    }

    /// Queues the last flight of the handshake, which has no answer (SENDING → FINISHED). It is
    /// repeated only when the peer repeats its own.
    pub fn send_last(&mut self, now: Instant, items: Vec<FlightItem>) {
        let _ = (now, items);
    }

    /// The flight has been answered and no other follows (WAITING → FINISHED): no timer any more.
    pub fn answered(&mut self) {}

    /// The peer repeated a flight that this one answers: it goes out again, but not more often than the timer's first
    /// interval, halved (row 55 of the checklist: a repeated ClientHello is no amplifier).
    pub fn peer_repeats(&mut self, now: Instant) {
        let _ = now;
    }

    /// Forgets the flight: the connection is over.
    pub fn clear(&mut self) {}

    /// The flight goes out again if its timer has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next datagram. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant, records: &mut impl RecordWriter) -> Option<Bytes> {
        let _ = (now, records, self.mtu, self.timer);
        None
    }

    /// How often the current flight was repeated.
    #[must_use]
    pub fn retransmissions(&self) -> u32 {
        0
    }
}
