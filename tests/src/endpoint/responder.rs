//! A STUN server of a dozen lines: it answers Binding requests, with or without a key.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Instant;

use stun::{Attribute, Class, Key, Message};

use super::{Datagram, Endpoint};

/// Requests whose answers wait to be fetched; of more, the newest are dropped.
const MAX_OUTBOX: usize = 64;

/// Answers Binding requests with the address they came from (RFC 8489 §6.3.1).
#[derive(Debug, Default)]
pub struct Responder {
    key: Option<Key>,
    outbox: VecDeque<Datagram>,
    /// Requests answered so far.
    pub answered: usize,
}

impl Responder {
    /// With a key it answers only requests that this key protects.
    #[must_use]
    pub fn new(key: Option<Key>) -> Self {
        Self { key, ..Self::default() }
    }
}

impl Endpoint for Responder {
    type Event = ();

    fn handle_datagram(&mut self, _: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let request = Message::parse(&datagram.payload)?;
        if request.class != Class::Request {
            return Err("not a request".into());
        }
        if let Some(key) = &self.key {
            request.verify(key)?;
        }
        let response = Message::refuse_unknown(&request).unwrap_or_else(|| {
            Message::success(&request).with(Attribute::XorMappedAddress(datagram.source))
        });
        if self.outbox.len() < MAX_OUTBOX {
            self.answered += 1;
            self.outbox.push_back(Datagram {
                protocol: datagram.protocol,
                source: datagram.destination,
                destination: datagram.source,
                payload: response.encode(self.key.as_ref()),
            });
        }
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
