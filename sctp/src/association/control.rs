//! Chunks to be sent once: HEARTBEAT ACK, ERROR, COOKIE ACK.
//!
//! Most are answers, so the network decides how many there could be. All that wait fit into one
//! packet; what does not is not answered. A sender that needed the answer asks again.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::wire::{Body, Chunk};

/// The chunks that wait.
#[derive(Debug)]
pub(crate) struct Control {
    chunks: VecDeque<Chunk>,
    octets: usize,
    /// Octets of chunks that a packet holds.
    room: usize,
}

impl Control {
    pub(crate) fn new(room: usize) -> Self {
        Self { chunks: VecDeque::new(), octets: 0, room }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Queues a chunk, if there is room.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        let octets = self.octets.saturating_add(wire_length(&chunk));
        if octets <= self.room {
            self.octets = octets;
            self.chunks.push_back(chunk);
        }
    }

    /// Queues a chunk before all others.
    pub(crate) fn push_front(&mut self, chunk: Chunk) {
        self.octets = self.octets.saturating_add(wire_length(&chunk));
        self.chunks.push_front(chunk);
    }

    pub(crate) fn front(&self) -> Option<&Chunk> {
        self.chunks.front()
    }

    pub(crate) fn pop(&mut self) {
        self.chunks.pop_front();
        if self.chunks.is_empty() {
            self.octets = 0;
        }
    }
}

/// Octets of a chunk with header and padding.
fn wire_length(chunk: &Chunk) -> usize {
    let mut value = BytesMut::new();
    chunk.write(&mut value);
    value.len().saturating_add(4).next_multiple_of(4)
}
