//! The client's side of a request over UDP: retransmit until answered or given up.
//!
//! RFC 8489 §6.2.1, §6.3.3, §6.3.4, §9.1.4. The request goes out Rc times, the wait doubling from
//! RTO; after the last one comes a wait of Rm times RTO. With the defaults at 0, 500, 1500, 3500,
//! 7500, 15500 and 31500 ms, given up at 39500 ms:
//!
//! ```text
//!             poll_transmit                  handle_response
//!  +---------+ -----------> +----------+ -------------------------> +--------+
//!  | Sending |              | Awaiting |                            | Closed |
//!  +---------+ <----------- +----------+ -------------------------> +--------+
//!             handle_timeout                 handle_timeout after Rc
//! ```
//!
//! Invariants: every transmission is the same octets, so the same transaction ID; a response that
//! does not prove itself with the key leaves no trace; there is exactly one [`Event`].
//! Book: "STUN".

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Error, Key, Message, Method, TransactionId};

/// How long and how often to ask (RFC 8489 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The first wait for a response; it doubles with each retransmission.
    pub rto: Duration,
    /// How often the request is sent in all; 0 counts as 1.
    pub rc: u32,
    /// The wait after the last transmission, in units of `rto`.
    pub rm: u32,
}

impl Timing {
    /// The same patience where nothing is lost, over TCP and TLS: sent once, and given up when it
    /// would have been over UDP (RFC 8489 §6.2.2: Ti, 39.5 s by default).
    #[must_use]
    pub fn over_a_stream(self) -> Self {
        let doublings = 1u32.checked_shl(self.rc.max(1) - 1).unwrap_or(u32::MAX);
        let waits = (doublings - 1).saturating_add(self.rm);
        Self { rto: self.rto.saturating_mul(waits), rc: 1, rm: 1 }
    }
}

impl Default for Timing {
    /// RTO 500 ms, Rc 7, Rm 16 (RFC 8489 §6.2.1).
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), rc: 7, rm: 16 }
    }
}

/// News from a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is over.
    Closed(Outcome),
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The success response.
    Success(Message),
    /// The error response; it carries ERROR-CODE.
    Refused(Message),
    /// A response with comprehension-required attributes unknown here, or an error response without
    /// ERROR-CODE: the transaction failed (RFC 8489 §6.3.3, §6.3.4).
    Unintelligible(Message),
    /// Nobody answered (RFC 8489 §6.2.1).
    TimedOut,
}

/// One request and the wait for its response (RFC 8489 §6.2.1).
#[derive(Debug)]
pub struct ClientTransaction {
    method: Method,
    transaction_id: TransactionId,
    request: Bytes,
    key: Option<Key>,
    timing: Timing,
    state: State,
}

// ANCHOR: states
#[derive(Debug)]
enum State {
    /// A transmission is due and waits for [`ClientTransaction::poll_transmit`].
    Sending { sent: u32 },
    /// Sent that often; the next step comes with the timer.
    Awaiting { sent: u32, until: Instant },
    /// Over; the event waits for [`ClientTransaction::poll_event`].
    Closed { news: Option<Event> },
}
// ANCHOR_END: states

impl ClientTransaction {
    /// Starts a transaction: the request is due at once.
    ///
    /// With a key the request is protected by it and so must be the response (RFC 8489 §9.1.2,
    /// §9.1.4); without one any response with the right transaction ID is believed.
    #[must_use]
    pub fn new(request: &Message, key: Option<Key>, timing: Timing) -> Self {
        let octets = request.encode(key.as_ref());
        Self { key, ..Self::encoded(request, octets, timing) }
    }

    /// Starts a transaction whose request is written already; whether a response is to be believed is
    /// then the caller's decision (RFC 8489 §9.2.5 has more to it than a key).
    pub(crate) fn encoded(request: &Message, octets: Bytes, timing: Timing) -> Self {
        Self {
            method: request.method,
            transaction_id: request.transaction_id,
            request: octets,
            key: None,
            timing,
            state: State::Sending { sent: 0 },
        }
    }

    /// The transaction ID, the same in all transmissions.
    #[must_use]
    pub fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// Takes a datagram from the server.
    ///
    /// The caller has checked that it came from the address the request went to.
    ///
    /// # Errors
    /// The datagram was discarded: not STUN, or as [`ClientTransaction::handle_response`] says.
    pub fn handle_datagram(&mut self, _now: Instant, datagram: &[u8]) -> Result<(), Error> {
        let message = Message::parse(datagram)?;
        self.handle_response(message)
    }

    /// Takes a message that was already parsed.
    ///
    /// # Errors
    /// The message was discarded: no response, not to this request, or without the integrity that
    /// proves it (RFC 8489 §9.1.4: "as if the response was never received").
    pub fn handle_response(&mut self, message: Message) -> Result<(), Error> {
        if !message.class.is_response() {
            return Err(Error::NotAResponse);
        }
        if (message.transaction_id, message.method) != (self.transaction_id, self.method) {
            return Err(Error::UnknownTransaction);
        }
        if let Some(key) = &self.key {
            message.verify(key)?;
        }
        if matches!(self.state, State::Closed { .. }) {
            return Ok(()); // the answer to a retransmission
        }
        let intelligible = message.unknown_required().is_empty();
        self.close(match (message.class, message.error_code()) {
            (crate::Class::Success, _) if intelligible => Outcome::Success(message),
            (crate::Class::Error, Some(_)) if intelligible => Outcome::Refused(message),
            _ => Outcome::Unintelligible(message),
        });
        Ok(())
    }

    // ANCHOR: timeout
    /// Moves on if the timer has run out; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Awaiting { sent, until } if now >= until => {
                if sent >= self.timing.rc {
                    self.close(Outcome::TimedOut);
                } else {
                    self.state = State::Sending { sent };
                }
            }
            _ => {}
        }
    }
    // ANCHOR_END: timeout

    /// The request, when it is due; the wait for the response begins here.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let State::Sending { sent } = self.state else { return None };
        let sent = sent.saturating_add(1);
        let until = now.checked_add(self.wait(sent)).unwrap_or(now);
        self.state = State::Awaiting { sent, until };
        Some(self.request.clone())
    }

    /// The outcome, once.
    pub fn poll_event(&mut self) -> Option<Event> {
        match &mut self.state {
            State::Closed { news } => news.take(),
            State::Sending { .. } | State::Awaiting { .. } => None,
        }
    }

    /// When to call [`ClientTransaction::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Awaiting { until, .. } => Some(until),
            State::Sending { .. } | State::Closed { .. } => None,
        }
    }

    /// How long to wait after the `sent`-th transmission (RFC 8489 §6.2.1).
    fn wait(&self, sent: u32) -> Duration {
        let Timing { rto, rc, rm } = self.timing;
        let factor = if sent >= rc {
            rm
        } else {
            1u32.checked_shl(sent.saturating_sub(1)).unwrap_or(u32::MAX)
        };
        rto.saturating_mul(factor)
    }

    fn close(&mut self, outcome: Outcome) {
        tracing::debug!(id = ?self.transaction_id, ?outcome, "transaction over");
        self.state = State::Closed { news: Some(Event::Closed(outcome)) };
    }
}

#[cfg(test)]
mod tests;
