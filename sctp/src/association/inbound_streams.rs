//! From messages to streams: order within each, none between them (RFC 9260 §6.5, §6.6).
//!
//! A message waits in its stream until the application takes it; nothing is dropped, and what
//! waits shrinks the window that the remote endpoint may fill.
//!
//! SSNs are kept as positions: 64-bit counts that do not wrap. An ordered message is always ahead
//! of the one awaited, by up to 65,535: the TSN has already told that it is not a repetition.
//!
//! Book: the chapter on messages.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::event::Events;
use super::message::Received;
use super::reassembly::{Assembled, Body};
use super::stream_map::StreamMap;
use crate::Event;
use crate::wire::{Ppid, SkippedStream, Ssn, StreamId};

/// What stays allocated for a stream with nothing to read.
const IDLE_CAPACITY: usize = 16;

/// The remote endpoint's direction of all streams. One entry per stream that was used, at most
/// 65,536; their messages are paid for from the receive window.
#[derive(Debug, Default)]
pub(crate) struct InboundStreams {
    streams: StreamMap<InboundStream>,
    /// Octets charged to the receive window.
    cost: usize,
    /// Octets of these that the application could free by reading.
    readable: usize,
    /// Messages delivered so far.
    delivered: u64,
}

#[derive(Debug, Default)]
struct InboundStream {
    /// Position of the SSN awaited; its low 16 bits are the SSN.
    next: u64,
    /// Ordered messages behind a hole, by position.
    waiting: BTreeMap<u64, Waiting>,
    ready: VecDeque<Waiting>,
    /// The application was told, and has not emptied `ready` since.
    announced: bool,
}

#[derive(Debug)]
struct Waiting {
    ppid: Ppid,
    ordered: bool,
    body: Body,
    cost: usize,
}

impl InboundStreams {
    /// Octets charged to the receive window.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Octets of [`Self::cost`] that the application could free by reading.
    pub(crate) fn readable(&self) -> usize {
        self.readable
    }

    /// Messages delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Takes in a message.
    pub(crate) fn deliver(&mut self, message: Assembled, events: &mut Events) {
        let Assembled { stream, ssn, ppid, unordered, body, cost, .. } = message;
        let state = self.streams.entry(stream).or_default();
        let waiting = Waiting { ppid, ordered: !unordered, body, cost };
        self.cost = self.cost.saturating_add(cost);
        if unordered {
            return self.make_ready(stream, waiting, events);
        }
        let position = state.position(ssn);
        if position == state.next && state.waiting.is_empty() {
            state.next = state.next.saturating_add(1);
            return self.make_ready(stream, waiting, events);
        }
        // Two messages with one SSN: a broken sender; the first one counts.
        match state.waiting.entry(position) {
            Entry::Vacant(vacant) => {
                vacant.insert(waiting);
            }
            Entry::Occupied(_) => self.cost = self.cost.saturating_sub(cost),
        }
        self.release(stream, events);
    }

    /// Makes those waiting messages ready that wait for nothing any more.
    fn release(&mut self, stream: StreamId, events: &mut Events) {
        while let Some(state) = self.streams.get_mut(&stream)
            && let Some(entry) = state.waiting.first_entry()
            && *entry.key() <= state.next
        {
            state.next = state.next.max(entry.key().saturating_add(1));
            let waiting = entry.remove();
            self.make_ready(stream, waiting, events);
        }
    }

    /// Queues a message for the application. Of one that was too large, only the place is left.
    fn make_ready(&mut self, stream: StreamId, waiting: Waiting, events: &mut Events) {
        self.delivered = self.delivered.saturating_add(1);
        if matches!(waiting.body, Body::TooLarge) {
            self.cost = self.cost.saturating_sub(waiting.cost);
            return;
        }
        self.readable = self.readable.saturating_add(waiting.cost);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if state.ready.capacity() == 0 {
            // Most of many streams hold one message at a time; room for four would double them.
            state.ready.reserve_exact(1);
        }
        state.ready.push_back(waiting);
        if !state.announced {
            state.announced = true;
            events.push(Event::Readable(stream));
        }
    }

    /// A FORWARD-TSN gives up ordered messages (RFC 3758 §3.6): those behind them wait no longer.
    pub(crate) fn skip(&mut self, skipped: SkippedStream, events: &mut Events) {
        let state = self.streams.entry(skipped.stream).or_default();
        let position = state.position(skipped.ssn);
        // More than half the circle ahead is behind: it was skipped or delivered already.
        if position.saturating_sub(state.next) >= 1 << 15 {
            return;
        }
        // What is complete among the skipped is delivered nevertheless.
        state.next = position.saturating_add(1);
        self.release(skipped.stream, events);
    }

    /// The remote endpoint starts the stream anew (RFC 6525 §5.2.2). What waited for messages
    /// before it waits in vain: every TSN before the reset has arrived.
    pub(crate) fn reset(&mut self, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        for waiting in std::mem::take(&mut state.waiting).into_values() {
            self.cost = self.cost.saturating_sub(waiting.cost);
        }
        state.next = 0;
        if state.ready.is_empty() {
            self.streams.remove(&stream);
        }
    }

    /// All streams start anew.
    pub(crate) fn reset_all(&mut self) {
        let streams: Vec<StreamId> = self.streams.keys().copied().collect();
        for stream in streams {
            self.reset(stream);
        }
    }

    /// The next message of a stream.
    pub(crate) fn recv(&mut self, stream: StreamId) -> Option<Received> {
        let state = self.streams.get_mut(&stream)?;
        let Some(waiting) = state.ready.pop_front() else {
            state.announced = false;
            return None;
        };
        self.cost = self.cost.saturating_sub(waiting.cost);
        self.readable = self.readable.saturating_sub(waiting.cost);
        if state.ready.is_empty() {
            state.announced = false;
            if state.ready.capacity() > IDLE_CAPACITY {
                state.ready.shrink_to(IDLE_CAPACITY);
            }
        }
        let payload = waiting.body.join()?;
        Some(Received { ppid: waiting.ppid, payload, ordered: waiting.ordered })
    }

    /// What the next message of a stream is.
    pub(crate) fn peek_ppid(&self, stream: StreamId) -> Option<Ppid> {
        Some(self.streams.get(&stream)?.ready.front()?.ppid)
    }
}

impl InboundStream {
    fn position(&self, ssn: Ssn) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "SSNs are positions modulo 2^16")]
        let next = Ssn(self.next as u16);
        self.next.saturating_add(ssn.since(next).into())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(stream: u16, ssn: u16, unordered: bool) -> Assembled {
        Assembled {
            first: 0,
            stream: StreamId(stream),
            ssn: Ssn(ssn),
            ppid: Ppid::BINARY,
            unordered,
            body: Body::One(Bytes::from(vec![ssn.to_be_bytes()[1]])),
            cost: 100,
        }
    }

    fn read(streams: &mut InboundStreams, stream: u16) -> Vec<u8> {
        std::iter::from_fn(|| streams.recv(StreamId(stream)))
            .map(|received| received.payload[0])
            .collect()
    }

    #[test]
    fn order_within_a_stream_and_none_between() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        streams.deliver(message(0, 1, false), &mut events);
        streams.deliver(message(1, 0, false), &mut events);
        streams.deliver(message(0, 9, true), &mut events);
        assert_eq!(read(&mut streams, 1), [0], "no head-of-line blocking across streams");
        assert_eq!(read(&mut streams, 0), [9], "unordered waits for nothing");
        streams.deliver(message(0, 0, false), &mut events);
        assert_eq!(read(&mut streams, 0), [0, 1]);
        assert_eq!(streams.cost(), 0);
    }

    #[test]
    fn ssn_wraps() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        for ssn in (0..=u16::MAX).chain(0..10) {
            streams.deliver(message(0, ssn, false), &mut events);
            assert_eq!(read(&mut streams, 0), [ssn.to_be_bytes()[1]]);
        }
    }

    #[test]
    fn trap_forward_tsn_releases_the_ordered_messages_behind() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        streams.deliver(message(0, 2, false), &mut events);
        streams.deliver(message(0, 4, false), &mut events);
        streams.skip(SkippedStream { stream: StreamId(0), ssn: Ssn(1) }, &mut events);
        assert_eq!(read(&mut streams, 0), [2]);
        streams.skip(SkippedStream { stream: StreamId(0), ssn: Ssn(0) }, &mut events);
        streams.deliver(message(0, 3, false), &mut events);
        assert_eq!(read(&mut streams, 0), [3, 4], "an old skip changes nothing");
        assert_eq!(streams.cost(), 0);
    }

    #[test]
    fn readable_is_announced_once_until_emptied() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        streams.deliver(message(0, 0, false), &mut events);
        streams.deliver(message(0, 1, false), &mut events);
        assert_eq!(events.pop(), Some(Event::Readable(StreamId(0))));
        assert_eq!(events.pop(), None);
        streams.recv(StreamId(0));
        streams.deliver(message(0, 2, false), &mut events);
        assert_eq!(events.pop(), None);
        assert_eq!(read(&mut streams, 0), [1, 2]);
        streams.deliver(message(0, 3, false), &mut events);
        assert_eq!(events.pop(), Some(Event::Readable(StreamId(0))));
    }
}
