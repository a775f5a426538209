//! Messages that wait to be sent, and which of them goes next (RFC 9260 §6.9, RFC 8260 §3).
//!
//! The fragments of a message have consecutive TSNs (RFC 9260 §6.9), so once a message has begun,
//! no other goes before it has ended. Between messages, the stream goes next that has had least
//! for its weight: weighted fair queueing (RFC 8260 §3.6), as start-time fair queueing. Each
//! stream with something to send has a start tag, a virtual time; the lowest goes, and its
//! stream's next tag lies its message's length divided by its weight later. A heap of the streams
//! that have something to send makes that logarithmic in their number, and nothing at all for one.
//!
//! Numbers are given as late as possible: a message gets its SSN when its first fragment is sent.
//! One that is given up before leaves no hole for the receiver to be forwarded over.
//!
//! Book: the chapter on messages.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::sent::{Fate, Limit, Sent};
use super::stream_map::StreamMap;
use crate::wire::{Ppid, Ssn, StreamId};

/// "Normal" of RFC 8831 §6.4; also for streams nobody gave a priority.
const DEFAULT_WEIGHT: u16 = 256;

/// What stays allocated for a stream with nothing to send.
const IDLE_CAPACITY: usize = 16;

/// A message, whole.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) payload: Bytes,
    pub(crate) ppid: Ppid,
    pub(crate) ordered: bool,
    pub(crate) limit: Limit,
}

impl Queued {
    /// Octets of memory, for the send buffer.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>().saturating_add(self.payload.len())
    }

    /// Octets of the application, for its `bufferedAmount`.
    fn buffered(&self) -> usize {
        if self.ppid.is_payload() { self.payload.len() } else { 0 }
    }
}

/// Our direction of a stream.
#[derive(Debug)]
struct OutboundStream {
    queue: VecDeque<Queued>,
    /// Messages sent after a reset was asked for; they wait until it is performed.
    held: VecDeque<Queued>,
    reset: Reset,
    /// Octets of the application not yet sent for the first time.
    buffered: usize,
    low_threshold: usize,
    low_announced: bool,
    next_ssn: Ssn,
    /// Virtual time at which the stream may send next.
    tag: u64,
    weight: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    None,
    /// What was queued before goes out first.
    Draining,
    /// A request is on its way or ready to go.
    Requested,
}

impl Default for OutboundStream {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            held: VecDeque::new(),
            reset: Reset::None,
            buffered: 0,
            low_threshold: 0,
            low_announced: false,
            next_ssn: Ssn(0),
            tag: 0,
            weight: DEFAULT_WEIGHT,
        }
    }
}

/// The message whose fragments are being sent.
#[derive(Debug)]
struct Current {
    stream: StreamId,
    message: Queued,
    /// The SSN, once the first fragment was sent.
    begun: Option<Ssn>,
}

/// What is next to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// This many octets of a message.
    Octets(usize),
    /// The message being sent is not worth ending any more: [`SendQueue::give_up`] it.
    Expired,
}

/// All outbound streams.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    streams: StreamMap<OutboundStream>,
    /// Streams with something in `queue`, by tag; the one of `current` is not among them.
    ready: BinaryHeap<Reverse<(u64, StreamId)>>,
    current: Option<Current>,
    virtual_time: u64,
    /// Octets of memory of all messages, the sent part of the current one included.
    memory: usize,
    /// Octets of payload not yet sent.
    buffered: usize,
    /// Streams whose reset can be requested now.
    drained: Vec<StreamId>,
    /// Streams whose buffered amount fell to their threshold.
    low: Vec<StreamId>,
    /// Messages that expired before their first fragment was sent.
    expired: u64,
}

impl SendQueue {
    /// Whether nothing waits to be sent, not even for a reset.
    pub(crate) fn is_drained(&self) -> bool {
        self.buffered == 0
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Octets of payload not yet sent, of all streams.
    pub(crate) fn total_buffered(&self) -> usize {
        self.buffered
    }

    /// Octets of payload not yet sent.
    pub(crate) fn buffered(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.buffered)
    }

    pub(crate) fn set_low_threshold(&mut self, stream: StreamId, threshold: usize) {
        self.streams.entry(stream).or_default().low_threshold = threshold;
    }

    pub(crate) fn set_weight(&mut self, stream: StreamId, weight: u16) {
        self.streams.entry(stream).or_default().weight = weight.max(1);
    }

    /// The next stream whose buffered amount fell to its threshold.
    pub(crate) fn take_low(&mut self) -> Option<StreamId> {
        let stream = self.low.pop()?;
        if let Some(state) = self.streams.get_mut(&stream) {
            state.low_announced = false;
        }
        Some(stream)
    }

    /// How many messages were given up before their first fragment, since this was asked last.
    pub(crate) fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// Queues a message.
    pub(crate) fn push(&mut self, stream: StreamId, message: Queued) {
        self.memory = self.memory.saturating_add(message.memory());
        self.buffered = self.buffered.saturating_add(message.payload.len());
        let state = self.streams.entry(stream).or_default();
        state.buffered = state.buffered.saturating_add(message.buffered());
        if state.reset != Reset::None {
            state.held.push_back(message);
            return;
        }
        let idle = state.queue.is_empty();
        if state.queue.capacity() == 0 {
            // Most of many streams send one message at a time; room for four would double them.
            state.queue.reserve_exact(1);
        }
        state.queue.push_back(message);
        let sending = self.current.as_ref().is_some_and(|current| current.stream == stream);
        if idle && !sending {
            self.schedule(stream);
        }
    }

    /// Puts a stream with a message in line. A stream that was idle has saved up nothing.
    fn schedule(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream) {
            state.tag = state.tag.max(self.virtual_time);
            self.ready.push(Reverse((state.tag, stream)));
        }
    }

    /// What would be sent next. Throws messages away that expired before they began.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        loop {
            match &self.current {
                Some(Current { begun, message, .. }) => {
                    let expired = message.limit.is_exceeded(now, 0)
                        && !matches!(message.limit, Limit::Retransmits(_));
                    match (expired, begun) {
                        (false, _) => return Next::Octets(message.payload.len()),
                        (true, Some(_)) => return Next::Expired,
                        (true, None) => {
                            self.expired = self.expired.saturating_add(1);
                            self.finish_current();
                        }
                    }
                }
                None => {
                    let Some(Reverse((tag, stream))) = self.ready.pop() else {
                        return Next::Nothing;
                    };
                    self.virtual_time = self.virtual_time.max(tag);
                    let Some(state) = self.streams.get_mut(&stream) else { continue };
                    let Some(message) = state.queue.pop_front() else { continue };
                    let share = (message.payload.len() as u64).saturating_add(16) << 16;
                    state.tag = tag.saturating_add(share / u64::from(state.weight));
                    self.current = Some(Current { stream, message, begun: None });
                }
            }
        }
    }

    /// Cuts the next fragment off the current message, `max_payload` octets at most.
    pub(crate) fn take(&mut self, max_payload: usize) -> Option<Sent> {
        let current = self.current.as_mut()?;
        let state = self.streams.get_mut(&current.stream)?;
        let beginning = current.begun.is_none();
        let ssn = *current.begun.get_or_insert_with(|| {
            let ssn = state.next_ssn;
            if current.message.ordered {
                state.next_ssn = ssn.next();
            }
            ssn
        });
        let length = current.message.payload.len().min(max_payload);
        let ending = length == current.message.payload.len();
        let sent = Sent {
            payload: current.message.payload.split_to(length),
            ppid: current.message.ppid,
            stream: current.stream,
            ssn,
            unordered: !current.message.ordered,
            beginning,
            ending,
            fate: Fate::InFlight,
            retransmits: 0,
            limit: current.message.limit,
        };
        self.memory = self.memory.saturating_sub(length);
        self.unbuffer(sent.stream, sent.ppid, length);
        if ending {
            self.finish_current();
        }
        Some(sent)
    }

    /// Drops the unsent rest of the message being sent; answers its last fragment, to be given a
    /// TSN and abandoned.
    pub(crate) fn give_up(&mut self) -> Option<Sent> {
        let current = self.current.as_ref()?;
        let end = Sent {
            payload: Bytes::new(),
            ppid: current.message.ppid,
            stream: current.stream,
            ssn: current.begun?,
            unordered: !current.message.ordered,
            beginning: false,
            ending: true,
            fate: Fate::Abandoned,
            retransmits: 0,
            limit: current.message.limit,
        };
        self.finish_current();
        Some(end)
    }

    /// The current message is over, whatever is left of it; its stream gets in line again.
    fn finish_current(&mut self) {
        let Some(Current { stream, message, .. }) = self.current.take() else { return };
        self.memory = self.memory.saturating_sub(message.memory());
        self.unbuffer(stream, message.ppid, message.payload.len());
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if !state.queue.is_empty() {
            self.schedule(stream);
            return;
        }
        if state.queue.capacity() > IDLE_CAPACITY {
            state.queue.shrink_to(IDLE_CAPACITY);
        }
        if state.reset == Reset::Draining {
            state.reset = Reset::Requested;
            self.drained.push(stream);
        }
    }

    fn unbuffer(&mut self, stream: StreamId, ppid: Ppid, octets: usize) {
        self.buffered = self.buffered.saturating_sub(octets);
        if !ppid.is_payload() {
            return;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let before = state.buffered;
        state.buffered = before.saturating_sub(octets);
        let fell = before > state.low_threshold && state.buffered <= state.low_threshold;
        if fell && !state.low_announced {
            state.low_announced = true;
            self.low.push(stream);
        }
    }

    /// Throws away the messages of a stream of which no fragment was sent yet.
    pub(crate) fn discard_unsent(&mut self, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let messages = state.queue.drain(..).chain(state.held.drain(..)).collect::<Vec<_>>();
        for message in messages {
            self.memory = self.memory.saturating_sub(message.memory());
            self.unbuffer(stream, message.ppid, message.payload.len());
        }
    }

    /// Holds back what is sent on the stream from now on, until its reset was performed.
    pub(crate) fn start_reset(&mut self, stream: StreamId) {
        let sending = self.current.as_ref().is_some_and(|current| current.stream == stream);
        let state = self.streams.entry(stream).or_default();
        if state.reset != Reset::None {
            return;
        }
        if state.queue.is_empty() && !sending {
            state.reset = Reset::Requested;
            self.drained.push(stream);
        } else {
            state.reset = Reset::Draining;
        }
    }

    /// Whether streams wait for their reset to be requested.
    pub(crate) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// Up to `most` streams whose reset is to be requested.
    pub(crate) fn take_drained(&mut self, most: usize) -> Vec<StreamId> {
        let keep = self.drained.len().saturating_sub(most);
        self.drained.split_off(keep)
    }

    /// The answer to a reset: what was held back goes out, numbered from zero if it was performed.
    pub(crate) fn finish_reset(&mut self, stream: StreamId, performed: bool) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.reset = Reset::None;
        state.queue = std::mem::take(&mut state.held);
        if performed {
            state.next_ssn = Ssn(0);
        }
        if !state.queue.is_empty() {
            self.schedule(stream);
        } else if performed && state.low_threshold == 0 && state.weight == DEFAULT_WEIGHT {
            // Nothing left to remember. (A waiting entry of `low` does without.)
            self.streams.remove(&stream);
        }
    }
}
