//! The association: RFC 9260 with RFC 3758, RFC 6525 and RFC 7496.

mod event;
mod message;
mod stats;

use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;

pub use event::{CloseReason, Direction, Event};
pub use message::{Message, Received, Reliability};
pub use stats::Stats;

use crate::wire::{Ppid, StreamId};
use crate::{Config, Error, ResetError, SendError};

/// One end of an SCTP association.
#[derive(Debug)]
pub struct Association {
    config: Config,
}

impl Association {
    /// A closed association that answers an INIT and sends none yet. `rng` must be seeded from the
    /// operating system's entropy outside of tests.
    #[must_use]
    pub fn new(now: Instant, config: Config, rng: StdRng) -> Self {
        let _ = (now, rng);
        Self { config }
    }

    /// Sends INIT. In WebRTC both ends call it (RFC 8831 §6.1 does not say who begins).
    pub fn connect(&mut self, now: Instant) {
        let _ = now;
    }

    /// Takes a packet from DTLS.
    ///
    /// # Errors
    /// The packet was discarded and left no trace.
    pub fn handle_datagram(&mut self, now: Instant, packet: Bytes) -> Result<(), Error> {
        let _ = (now, packet);
        Ok(())
    }

    /// Lets expired timers act.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next packet for DTLS. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let _ = now;
        None
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`Self::handle_timeout`]; `None`: nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Queues a message.
    ///
    /// # Errors
    /// The message was not queued.
    pub fn send(&mut self, now: Instant, stream: StreamId, message: Message) -> Result<(), SendError> {
        let _ = (now, stream, message);
        Ok(())
    }

    /// The next message of a stream. Taking it opens the receive window. Also works when closed.
    pub fn recv(&mut self, now: Instant, stream: StreamId) -> Option<Received> {
        let _ = (now, stream);
        None
    }

    /// What the next message of a stream is.
    #[must_use]
    pub fn peek_ppid(&self, stream: StreamId) -> Option<Ppid> {
        let _ = stream;
        None
    }

    /// Resets our sending direction of these streams once what was sent on them has a TSN
    /// (RFC 6525 §5.1.2). Messages sent afterwards wait for the answer.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn reset_streams(&mut self, now: Instant, streams: &[StreamId]) -> Result<(), ResetError> {
        let _ = (now, streams);
        Ok(())
    }

    /// Octets of payload queued on a stream and not yet sent for the first time: W3C's
    /// `bufferedAmount`.
    #[must_use]
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        let _ = stream;
        0
    }

    /// From now on [`Event::BufferedAmountLow`] reports when the buffered amount falls from above
    /// `threshold` to it or below. Default 0.
    pub fn set_buffered_amount_low_threshold(&mut self, stream: StreamId, threshold: usize) {
        let _ = (stream, threshold);
    }

    /// The stream's share of the sending capacity, relative to other streams (RFC 8831 §6.4,
    /// weighted fair queueing of RFC 8260 §3.6). Default 256; zero counts as one.
    pub fn set_priority(&mut self, stream: StreamId, priority: u16) {
        let _ = (stream, priority);
    }

    /// The largest message we may send, when a new description changed it; `usize::MAX`: any.
    pub fn set_remote_max_message_size(&mut self, octets: usize) {
        self.config.remote_max_message_size = octets;
    }

    /// Closes in good order: what was sent is delivered first (RFC 9260 §9.2).
    pub fn shutdown(&mut self, now: Instant) {
        let _ = now;
    }

    /// Closes at once, with an ABORT that carries `reason` (RFC 9260 §9.1, §3.3.10.12).
    pub fn abort(&mut self, now: Instant, reason: &[u8]) {
        let _ = (now, reason);
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_established(&self) -> bool {
        false
    }

    /// Figures of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}
