//! One end of the simulated network. Book: "Testing".

use std::ops::{Deref, DerefMut};

use crate::{Datagram, Endpoint};

/// One end: the endpoint, what it told, what became of its datagrams.
#[derive(Debug)]
pub struct Side<E: Endpoint> {
    pub(super) endpoint: E,
    /// All its news so far, the oldest first.
    pub events: Vec<E::Event>,
    /// Datagrams it sent.
    pub sent: usize,
    /// Octets it sent.
    pub sent_octets: usize,
    /// Datagrams it took.
    pub accepted: usize,
    /// Datagrams it discarded with an error.
    pub refused: usize,
    /// The longest datagram it sent.
    pub longest: usize,
}

impl<E: Endpoint> Side<E> {
    pub(super) fn new(endpoint: E) -> Self {
        let events = Vec::new();
        Self { endpoint, events, sent: 0, sent_octets: 0, accepted: 0, refused: 0, longest: 0 }
    }

    /// The endpoint alone.
    pub fn into_inner(self) -> E {
        self.endpoint
    }

    pub(super) fn count(&mut self, datagram: &Datagram) {
        self.sent += 1;
        self.sent_octets += datagram.payload.len();
        self.longest = self.longest.max(datagram.payload.len());
    }
}

impl<E: Endpoint> Deref for Side<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.endpoint
    }
}

impl<E: Endpoint> DerefMut for Side<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.endpoint
    }
}
