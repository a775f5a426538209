//! From messages to streams: order within each, none between them (RFC 9260 §6.5, §6.6).
//!
//! A message waits in its stream until the application takes it; nothing is dropped, and what
//! waits shrinks the window that the remote endpoint may fill.
//!
//! A remote endpoint may use all 65,536 streams, so what is kept of each is little: messages behind
//! holes are in one table, and of most streams with nothing to read only the SSN awaited is left.
//!
//! An ordered message is always ahead of the one awaited, by up to 65,535: the TSN has already told
//! that it is not a repetition.
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

/// Streams with nothing to read that keep their queue, so that messages that come one by one do not
/// allocate: many more than applications use at once.
const MAX_KEPT: usize = 1_024;

/// Streams by which the list of SSNs of streams at rest grows.
const STEP: usize = 4_096;

/// The remote endpoint's direction of all streams. Messages are paid for from the receive window.
#[derive(Debug, Default)]
pub(crate) struct InboundStreams {
    /// Those with something to read, and up to [`MAX_KEPT`] others.
    streams: StreamMap<InboundStream>,
    /// The SSNs awaited on the other streams, by stream, as far as one of them is not 0: at most
    /// 128 KiB, and nothing until more than [`MAX_KEPT`] streams are used.
    dormant: Vec<Ssn>,
    /// Ordered messages behind a hole, by stream and SSN.
    waiting: BTreeMap<(u16, u16), Waiting>,
    /// Octets charged to the receive window.
    cost: usize,
    /// Octets of these that the application could free by reading.
    readable: usize,
    /// Messages delivered so far.
    delivered: u64,
}

#[derive(Debug, Default)]
struct InboundStream {
    /// The SSN awaited.
    next: Ssn,
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
        let waiting = Waiting { ppid, ordered: !unordered, body, cost };
        self.cost = self.cost.saturating_add(cost);
        let state = self.wake(stream);
        if unordered {
            self.make_ready(stream, waiting, events);
        } else if ssn == state.next {
            state.next = ssn.next();
            self.make_ready(stream, waiting, events);
            self.release(stream, events);
        } else {
            // Two messages with one SSN: a broken sender; the first one counts.
            match self.waiting.entry((stream.0, ssn.0)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(waiting);
                }
                Entry::Occupied(_) => self.cost = self.cost.saturating_sub(cost),
            }
        }
        self.rest(stream);
    }

    /// All that is known of a stream.
    fn wake(&mut self, stream: StreamId) -> &mut InboundStream {
        let dormant = &mut self.dormant;
        self.streams.entry(stream).or_insert_with(|| {
            let next = dormant.get_mut(usize::from(stream.0)).map(std::mem::take);
            let next = next.unwrap_or_default();
            InboundStream { next, ..InboundStream::default() }
        })
    }

    /// Of one stream too many with nothing to read, keeps only the SSN awaited.
    fn rest(&mut self, stream: StreamId) {
        if self.streams.len() <= MAX_KEPT {
            return;
        }
        if let Some(state) = self.streams.get(&stream)
            && state.ready.is_empty()
            && !state.announced
        {
            let index = usize::from(stream.0);
            if self.dormant.len() <= index && state.next != Ssn(0) {
                // In steps, so that growing stream by stream does not copy it each time.
                let length = (index + 1).next_multiple_of(STEP);
                self.dormant.reserve_exact(length - self.dormant.len());
                self.dormant.resize(length, Ssn(0));
            }
            if let Some(next) = self.dormant.get_mut(index) {
                *next = state.next;
            }
            self.streams.remove(&stream);
        }
    }

    /// Makes those waiting messages ready that wait for nothing any more.
    fn release(&mut self, stream: StreamId, events: &mut Events) {
        while !self.waiting.is_empty()
            && let Some(state) = self.streams.get_mut(&stream)
            && let Some(waiting) = self.waiting.remove(&(stream.0, state.next.0))
        {
            state.next = state.next.next();
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
        let SkippedStream { stream, ssn } = skipped;
        let state = self.wake(stream);
        let next = state.next;
        // More than half the circle ahead is behind: it was skipped or delivered already.
        if ssn.since(next) < 1 << 15 {
            state.next = ssn.next();
            // What is complete among the skipped is delivered nevertheless.
            for ssn in self.waiting_between(stream, next, ssn) {
                if let Some(waiting) = self.waiting.remove(&(stream.0, ssn)) {
                    self.make_ready(stream, waiting, events);
                }
            }
            self.release(stream, events);
        }
        self.rest(stream);
    }

    /// The SSNs of the messages that wait from `first` to `last`, in the order of the circle.
    fn waiting_between(&self, stream: StreamId, first: Ssn, last: Ssn) -> Vec<u16> {
        let key = |ssn: u16| (stream.0, ssn);
        let range = |first, last| self.waiting.range(key(first)..=key(last)).map(|(key, _)| key.1);
        if first.0 <= last.0 {
            range(first.0, last.0).collect()
        } else {
            range(first.0, u16::MAX).chain(range(0, last.0)).collect()
        }
    }

    /// The remote endpoint starts the stream anew (RFC 6525 §5.2.2). What waited for messages
    /// before it waits in vain: every TSN before the reset has arrived.
    pub(crate) fn reset(&mut self, stream: StreamId) {
        for ssn in self.waiting_between(stream, Ssn(0), Ssn(u16::MAX)) {
            if let Some(waiting) = self.waiting.remove(&(stream.0, ssn)) {
                self.cost = self.cost.saturating_sub(waiting.cost);
            }
        }
        if let Some(next) = self.dormant.get_mut(usize::from(stream.0)) {
            *next = Ssn(0);
        }
        if let Some(state) = self.streams.get_mut(&stream) {
            state.next = Ssn(0);
            if state.ready.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// All streams start anew.
    pub(crate) fn reset_all(&mut self) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            self.cost = self.cost.saturating_sub(waiting.cost);
        }
        self.dormant = Vec::new();
        self.streams.retain(|_, state| {
            state.next = Ssn(0);
            !state.ready.is_empty()
        });
    }

    /// The next message of a stream.
    pub(crate) fn recv(&mut self, stream: StreamId) -> Option<Received> {
        let state = self.streams.get_mut(&stream)?;
        let Some(waiting) = state.ready.pop_front() else {
            state.announced = false;
            self.rest(stream);
            return None;
        };
        self.cost = self.cost.saturating_sub(waiting.cost);
        self.readable = self.readable.saturating_sub(waiting.cost);
        if state.ready.is_empty() {
            state.announced = false;
            if state.ready.capacity() > IDLE_CAPACITY {
                state.ready.shrink_to(IDLE_CAPACITY);
            }
            self.rest(stream);
        }
        let payload = waiting.body.join()?;
        Some(Received { ppid: waiting.ppid, payload, ordered: waiting.ordered })
    }

    /// What the next message of a stream is.
    pub(crate) fn peek_ppid(&self, stream: StreamId) -> Option<Ppid> {
        Some(self.streams.get(&stream)?.ready.front()?.ppid)
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
    fn row_72_all_streams_at_once_leave_an_ssn_each() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        for round in 0..3 {
            for stream in 0..=u16::MAX {
                streams.deliver(message(stream, 2 * round, false), &mut events);
                assert_eq!(read(&mut streams, stream).len(), 1);
                let ssn = Ssn(2 * round + 1);
                streams.skip(SkippedStream { stream: StreamId(stream), ssn }, &mut events);
            }
        }
        assert_eq!(streams.streams.len(), MAX_KEPT);
        assert_eq!(streams.dormant.capacity() * size_of::<Ssn>(), 128 << 10);
        for stream in [0, 1, 40_000, u16::MAX] {
            streams.reset(StreamId(stream));
            streams.deliver(message(stream, 0, false), &mut events);
            assert_eq!(read(&mut streams, stream), [0]);
        }
    }

    #[test]
    fn skipped_messages_are_delivered_in_order_around_the_circle() {
        let (mut streams, mut events) = (InboundStreams::default(), Events::default());
        streams.skip(SkippedStream { stream: StreamId(7), ssn: Ssn(30_000) }, &mut events);
        streams.skip(SkippedStream { stream: StreamId(7), ssn: Ssn(60_000) }, &mut events);
        for ssn in [3, 1, 65_535, 5, 65_000] {
            streams.deliver(message(7, ssn, false), &mut events);
            streams.deliver(message(8, ssn, false), &mut events);
        }
        streams.skip(SkippedStream { stream: StreamId(7), ssn: Ssn(2) }, &mut events);
        let expected = [65_000_u16, 65_535, 1, 3].map(|ssn| ssn.to_be_bytes()[1]);
        assert_eq!(read(&mut streams, 7), expected);
        assert_eq!(read(&mut streams, 8), []);
        streams.reset(StreamId(7));
        assert_eq!(streams.cost(), 500, "what waits on the other stream");
        streams.reset_all();
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
