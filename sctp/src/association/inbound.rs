//! Everything that arrives as DATA or FORWARD-TSN (RFC 9260 §6.2, RFC 3758 §3.6).
//!
//! ```text
//!   DATA ──► ReceivedTsns ──► Reassembly ──► InboundStreams ──► recv
//!            seen before?     whole?         its turn?
//!            SACK             └──────── held octets ────────┘
//!                                          │
//!                        a_rwnd = receive_window - held
//! ```
//!
//! What is held for the application shrinks the window; when it is zero, a sender that keeps to
//! the rules stops. What breaks them is dropped and not acknowledged, so it comes again.
//!
//! Book: the chapters on reliability and on messages.

use std::time::{Duration, Instant};

use super::event::Events;
use super::inbound_streams::InboundStreams;
use super::message::Received;
use super::reassembly::{Assembled, Outcome, Reassembly};
use super::received_tsns::{Arrival, ReceivedTsns};
use crate::wire::{Data, ForwardTsn, Sack, StreamId, Tsn};
use crate::{Config, Direction, Event};

/// The receiving half of an association.
#[derive(Debug)]
pub(crate) struct Inbound {
    tsns: ReceivedTsns,
    reassembly: Reassembly,
    pub(crate) streams: InboundStreams,
    /// A reset that waits for the TSNs before it.
    deferred: Option<Deferred>,
    /// Octets we are willing to hold.
    window: usize,
    /// Octets that the upper layer holds because of the remote endpoint.
    charged: usize,
    /// Octets we hold beyond the window for what is awaited.
    reserve: usize,
    /// The window that the remote endpoint was told last.
    told: usize,
    /// Octets of the largest packet.
    packet: usize,
    sack_delay: Duration,
    /// A DATA chunk was in the packet being handled.
    data_arrived: bool,
}

/// A reset whose Sender's Last Assigned TSN has not arrived (RFC 6525 §5.2.2 E2).
#[derive(Debug)]
struct Deferred {
    last: u64,
    streams: Vec<StreamId>,
    /// Messages from after the reset. They are paid for from the receive window.
    held: Vec<Assembled>,
    cost: usize,
}

impl Inbound {
    pub(crate) fn new(config: &Config, initial_tsn: Tsn) -> Self {
        let window = usize::try_from(config.receive_window).unwrap_or(usize::MAX);
        let max_message_size = config.max_message_size.min(window);
        Self {
            tsns: ReceivedTsns::new(initial_tsn),
            reassembly: Reassembly::new(max_message_size),
            streams: InboundStreams::default(),
            deferred: None,
            window,
            charged: 0,
            // A quarter more, for bookkeeping.
            reserve: max_message_size.saturating_add(max_message_size / 4).min(window),
            told: window,
            packet: config.max_packet_size,
            sack_delay: config.sack_delay,
            data_arrived: false,
        }
    }

    pub(crate) fn cumulative_tsn(&self) -> Tsn {
        self.tsns.cumulative_tsn()
    }

    /// Octets held, bookkeeping included.
    pub(crate) fn held(&self) -> usize {
        let deferred = self.deferred.as_ref().map_or(0, |deferred| deferred.cost);
        self.reassembly
            .cost()
            .saturating_add(self.streams.cost())
            .saturating_add(deferred)
            .saturating_add(self.charged)
    }

    /// What the upper layer holds is paid for from the window, too, up to three eighths of it: most
    /// of it remains for messages.
    pub(crate) fn set_charged(&mut self, octets: usize) {
        self.charged = octets.min(self.window / 8 * 3);
    }

    /// a_rwnd, octets.
    pub(crate) fn window(&self) -> usize {
        self.window.saturating_sub(self.held())
    }

    /// Whether a chunk may be taken though the window may be full. One that fills a hole, or that
    /// a message waits for, may: what waits for it could never be read otherwise. That goes up to
    /// the length of a message beyond the window, half of which is for the TSN that is awaited
    /// next, and not while the application could make room by reading.
    fn has_room_for(&self, position: u64) -> bool {
        let held = self.held();
        if held < self.window {
            return true;
        }
        let is_next = position == self.tsns.cumulative().saturating_add(1);
        let is_awaited = is_next || !self.tsns.is_highest(position) || self.reassembly.cost() > 0;
        let reserve = if is_next { self.reserve } else { self.reserve / 2 };
        is_awaited
            && self.streams.readable() < self.window
            && held < self.window.saturating_add(reserve)
    }

    /// Takes in a DATA chunk; `packet` is its packet's length. `stream_exists`: otherwise it is
    /// acknowledged and thrown away (RFC 9260 §6.5).
    pub(crate) fn data(
        &mut self,
        data: Data,
        packet: usize,
        stream_exists: bool,
        events: &mut Events,
    ) {
        self.data_arrived = true;
        if data.immediate {
            self.tsns.sack_now();
        }
        let position = match self.tsns.arrival(data.tsn) {
            Arrival::Duplicate => return,
            Arrival::Unmanageable => return self.tsns.sack_now(),
            Arrival::Next(position) | Arrival::Early(position) if self.has_room_for(position) => {
                position
            }
            Arrival::Next(_) | Arrival::Early(_) => return self.tsns.sack_now(),
        };
        self.tsns.record(position);
        if stream_exists
            && let Outcome::Whole(message) = self.reassembly.add(position, data, packet)
        {
            self.deliver(message, events);
        }
        if let Some(stream) = self.reassembly.take_too_large()
            && events.has_room()
        {
            events.push(Event::MessageTooLarge(stream));
        }
    }

    fn deliver(&mut self, message: Assembled, events: &mut Events) {
        if let Some(deferred) = &mut self.deferred
            && message.first > deferred.last
            && deferred.concerns(message.stream)
        {
            deferred.cost = deferred.cost.saturating_add(message.cost);
            deferred.held.push(message);
            return;
        }
        self.streams.deliver(message, events);
    }

    /// A FORWARD-TSN chunk.
    pub(crate) fn forward(
        &mut self,
        forward: &ForwardTsn,
        inbound_streams: u16,
        events: &mut Events,
    ) {
        self.tsns.sack_now();
        let Some(position) = self.tsns.position(forward.new_cumulative_tsn) else { return };
        if position <= self.tsns.cumulative() {
            return;
        }
        self.tsns.forward(position);
        self.reassembly.forward(position, &forward.streams);
        for &skipped in &forward.streams {
            if skipped.stream.0 < inbound_streams {
                self.streams.skip(skipped, events);
            }
        }
    }

    /// The packet has been handled; answers whether there was DATA in it.
    pub(crate) fn packet_handled(&mut self, now: Instant) -> bool {
        let data_arrived = std::mem::take(&mut self.data_arrived);
        if data_arrived {
            self.tsns.packet_arrived(now, self.sack_delay);
        }
        data_arrived
    }

    /// The next message of a stream. Says so to the remote endpoint if that opens the window
    /// enough to matter: a SACK for each little reading would be silly (RFC 1122 §4.2.3.3 has the
    /// same rule for TCP).
    pub(crate) fn recv(&mut self, stream: StreamId) -> Option<Received> {
        let received = self.streams.recv(stream)?;
        let window = self.window();
        let was_shut = self.told < self.packet.saturating_mul(2);
        let matters = if was_shut {
            window >= self.packet.saturating_mul(2).min(self.window)
        } else {
            window.saturating_sub(self.told) >= self.window / 2
        };
        if matters {
            self.tsns.sack_now();
        }
        Some(received)
    }

    /// Whether a SACK must be sent now.
    pub(crate) fn sack_is_due(&self, now: Instant) -> bool {
        self.tsns.is_due(now)
    }

    /// Whether a SACK would be welcome in a packet that goes out anyway.
    pub(crate) fn sack_is_pending(&self) -> bool {
        self.tsns.is_pending()
    }

    pub(crate) fn sack_deadline(&self) -> Option<Instant> {
        self.tsns.deadline()
    }

    /// The SACK; `room`: octets for gap blocks and duplicates.
    pub(crate) fn sack(&mut self, room: usize) -> Sack {
        self.told = self.window();
        self.tsns.sack(u32::try_from(self.told).unwrap_or(u32::MAX), room)
    }

    /// The remote endpoint starts streams anew after `last_tsn`; none listed: all of them
    /// (RFC 6525 §5.2.2). `false`: not everything before has arrived yet; it is remembered.
    pub(crate) fn reset(
        &mut self,
        last_tsn: Tsn,
        streams: &[StreamId],
        events: &mut Events,
    ) -> bool {
        let last = self.tsns.position(last_tsn).unwrap_or(0);
        if last > self.tsns.cumulative() {
            if self.deferred.is_none() {
                let streams = streams.to_vec();
                self.deferred = Some(Deferred { last, streams, held: Vec::new(), cost: 0 });
            }
            return false;
        }
        let held = self.deferred.take().map(|deferred| deferred.held).unwrap_or_default();
        match streams {
            [] => self.streams.reset_all(),
            streams => streams.iter().for_each(|&stream| self.streams.reset(stream)),
        }
        let streams = streams.to_vec();
        events.push(Event::StreamsReset { direction: Direction::Incoming, streams });
        for message in held {
            self.streams.deliver(message, events);
        }
        true
    }

    /// Whether a deferred reset can be performed now.
    pub(crate) fn deferred_is_ripe(&self) -> bool {
        self.deferred.as_ref().is_some_and(|deferred| deferred.last <= self.tsns.cumulative())
    }
}

impl Deferred {
    fn concerns(&self, stream: StreamId) -> bool {
        self.streams.is_empty() || self.streams.contains(&stream)
    }
}
