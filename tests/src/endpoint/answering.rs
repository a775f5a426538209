//! A server that is one function.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Instant;

use super::{Datagram, Endpoint};

/// Answers each datagram with what its function makes of it; it has no timers and tells nothing.
#[derive(Debug)]
pub struct Answering<F> {
    answer: F,
    outbox: VecDeque<Datagram>,
}

impl<F: FnMut(Instant, Datagram) -> Vec<Datagram>> Answering<F> {
    /// A server that answers so.
    pub fn new(answer: F) -> Self {
        Self { answer, outbox: VecDeque::new() }
    }
}

impl<F: FnMut(Instant, Datagram) -> Vec<Datagram>> Endpoint for Answering<F> {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        self.outbox.extend((self.answer)(now, datagram));
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
