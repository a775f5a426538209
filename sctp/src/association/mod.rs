//! The association (RFC 9260), with partial reliability (RFC 3758, RFC 7496) and stream reset
//! (RFC 6525), as it runs over DTLS (RFC 8261): one path, no addresses.
//!
//! ```text
//!        send                                                        recv
//!         │                                                            ▲
//!     SendQueue       which stream next, cut into fragments     InboundStreams   order
//!         │                                                            ▲
//!     Outstanding     TSNs, SACK, loss, retransmission          Reassembly       messages
//!         │           Congestion, RoundTrip, T3-rtx                    ▲
//!         │                                                     ReceivedTsns     SACK, window
//!         ▼                                                            ▲
//!   poll_transmit ── transmit.rs ── packets ── receive.rs ── handle_datagram
//! ```
//!
//! | file | what |
//! |---|---|
//! | `state` | the states and what exists in each |
//! | `handshake`, `establish`, `cookie` | INIT to COOKIE ACK; both sides call at once; restart |
//! | `receive`, `transmit`, `timers` | a packet in, a packet out, the clock |
//! | `send_queue`, `sent`, `outstanding`, `scoreboard`, `forward` | messages out |
//! | `received_tsns`, `reassembly`, `inbound_streams`, `inbound` | messages in |
//! | `congestion`, `rtt` | how much, how long |
//! | `reconfig`, `heartbeat`, `shutdown`, `out_of_the_blue`, `control` | the rest |
//!
//! Invariants: a packet that is discarded changes nothing; what the remote endpoint sends never
//! decides how much memory is used, only the configured windows do; no step takes time that grows
//! with what is queued.
//!
//! Book: part V, "Data".

mod congestion;
mod control;
mod cookie;
mod establish;
mod event;
mod forward;
mod handshake;
mod heartbeat;
mod inbound;
mod inbound_streams;
mod message;
mod out_of_the_blue;
mod outstanding;
mod reassembly;
mod receive;
mod received_tsns;
mod reconfig;
mod retry;
mod rtt;
mod scoreboard;
mod send_queue;
mod sent;
mod shutdown;
mod state;
mod stats;
pub(crate) mod stream_map;
mod tcb;
mod timers;
mod transmit;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;

pub use event::{CloseReason, Direction, Event};
pub use message::{Message, Received, Reliability};
pub use stats::Stats;

use crate::wire::{Ppid, StreamId};
use crate::{Config, ResetError, SendError};
use cookie::CookieJar;
use event::Events;
use send_queue::Queued;
use sent::Limit;
use state::State;
use tcb::{Identity, Tcb};

/// One end of an SCTP association.
///
/// The owner hands it packets and the time, and drains [`Self::poll_transmit`] and
/// [`Self::poll_event`] after each call; any order of calls is legal.
#[derive(Debug)]
pub struct Association {
    config: Config,
    rng: StdRng,
    cookies: CookieJar,
    /// What we are to the remote endpoint, from the first INIT or INIT ACK on.
    local: Identity,
    state: State,
    events: Events,
    /// Packets that stand alone: INIT, INIT ACK, ABORT, SHUTDOWN COMPLETE. Few, see `transmit`.
    alone: VecDeque<Bytes>,
    stats: Stats,
}

impl Association {
    /// A closed association that answers an INIT and sends none yet. `rng` must be seeded from the
    /// operating system's entropy outside of tests.
    #[must_use]
    pub fn new(now: Instant, mut config: Config, mut rng: StdRng) -> Self {
        let largest = usize::from(u16::MAX);
        config.max_packet_size = config.max_packet_size.clamp(Config::MIN_PACKET_SIZE, largest);
        let cookies = CookieJar::new(now, &mut rng);
        let local = handshake::new_identity(&mut rng);
        Self {
            config,
            rng,
            cookies,
            local,
            state: State::Closed,
            events: Events::default(),
            alone: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(tcb) = self.state.tcb_mut()
            && let Some(stream) = tcb.send_queue.take_low()
        {
            return Some(Event::BufferedAmountLow(stream));
        }
        self.events.pop()
    }

    /// Queues a message.
    ///
    /// # Errors
    /// The message was not queued; nothing changed.
    pub fn send(
        &mut self,
        now: Instant,
        stream: StreamId,
        message: Message,
    ) -> Result<(), SendError> {
        let State::Established(tcb) = &mut self.state else {
            return Err(SendError::NotEstablished);
        };
        let limit = self.config.remote_max_message_size;
        if message.payload.is_empty() {
            return Err(SendError::Empty);
        }
        if message.payload.len() > limit {
            return Err(SendError::TooLarge { limit });
        }
        let streams = tcb.remote.outbound_streams;
        if stream.0 >= streams {
            return Err(SendError::NoSuchStream { streams });
        }
        let limit = match message.reliability {
            // A remote endpoint that cannot be told to skip gets everything (RFC 3758 §3.3).
            _ if !tcb.remote.forward_tsn => Limit::Reliable,
            Reliability::Reliable => Limit::Reliable,
            Reliability::MaxRetransmits(most) => Limit::Retransmits(most),
            Reliability::MaxLifetime(lifetime) => {
                now.checked_add(lifetime).map_or(Limit::Reliable, Limit::Until)
            }
        };
        let Message { ppid, payload, ordered, .. } = message;
        let queued = Queued { payload, ppid, ordered, limit };
        let memory = tcb.send_memory();
        if memory > 0 && memory.saturating_add(queued.memory()) > self.config.send_buffer {
            return Err(SendError::BufferFull);
        }
        tcb.send_queue.push(stream, queued);
        tcb.burst.opportunity(tcb.outstanding.is_empty());
        self.stats.messages_sent = self.stats.messages_sent.saturating_add(1);
        Ok(())
    }

    /// The next message of a stream. Taking it opens the receive window. Works when closed, too.
    pub fn recv(&mut self, now: Instant, stream: StreamId) -> Option<Received> {
        // A window update needs no timer; the parameter is the shape that all layers share.
        let _ = now;
        match &mut self.state {
            State::Dead(streams) => streams.recv(stream),
            state => state.tcb_mut()?.inbound.recv(stream),
        }
    }

    /// What the next message of a stream is.
    #[must_use]
    pub fn peek_ppid(&self, stream: StreamId) -> Option<Ppid> {
        self.state.inbox()?.peek_ppid(stream)
    }

    /// Resets our sending direction of these streams once what was sent on them has a TSN
    /// (RFC 6525 §5.1.2). Messages sent afterwards wait for the answer, an event:
    /// [`Event::StreamsReset`] or [`Event::ResetRefused`].
    ///
    /// # Errors
    /// Nothing was done.
    pub fn reset_streams(&mut self, now: Instant, streams: &[StreamId]) -> Result<(), ResetError> {
        // The request's timer starts when it is sent.
        let _ = now;
        let State::Established(tcb) = &mut self.state else {
            return Err(ResetError::NotEstablished);
        };
        if !tcb.remote.re_config {
            return Err(ResetError::Unsupported);
        }
        let limit = tcb.remote.outbound_streams;
        if streams.iter().any(|stream| stream.0 >= limit) {
            return Err(ResetError::NoSuchStream { streams: limit });
        }
        for &stream in streams {
            tcb.send_queue.start_reset(stream);
        }
        Ok(())
    }

    /// Octets of the application queued on a stream and not yet sent for the first time: W3C's
    /// `bufferedAmount`. Neither DCEP messages nor the octets of empty ones count.
    #[must_use]
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        self.state.tcb().map_or(0, |tcb| tcb.send_queue.buffered(stream))
    }

    /// Throws away the messages of a stream of which nothing was sent yet: nobody wants them if the
    /// remote endpoint has closed the channel. Who waits for room hears of it as ever.
    pub fn discard_unsent(&mut self, stream: StreamId) {
        if let Some(tcb) = self.state.tcb_mut() {
            tcb.send_queue.discard_unsent(stream);
        }
    }

    /// From now on [`Event::BufferedAmountLow`] reports when the buffered amount falls from above
    /// `threshold` to it or below. Default 0. Without effect before the association is established.
    pub fn set_buffered_amount_low_threshold(&mut self, stream: StreamId, threshold: usize) {
        if let Some(tcb) = self.state.tcb_mut() {
            tcb.send_queue.set_low_threshold(stream, threshold);
        }
    }

    /// The stream's share of the sending capacity, relative to other streams (RFC 8831 §6.4:
    /// weighted fair queueing, RFC 8260 §3.6). Default 256; zero counts as one. Without effect
    /// before the association is established.
    pub fn set_priority(&mut self, stream: StreamId, priority: u16) {
        if let Some(tcb) = self.state.tcb_mut() {
            tcb.send_queue.set_weight(stream, priority);
        }
    }

    /// The largest message we may send, when a new description changed it; `usize::MAX`: any.
    pub fn set_remote_max_message_size(&mut self, octets: usize) {
        self.config.remote_max_message_size = octets;
    }

    /// Octets that the channels hold because of the remote endpoint: they are paid for from the
    /// receive window. Without effect before the association is established.
    pub(crate) fn set_charged(&mut self, octets: usize) {
        if let Some(tcb) = self.state.tcb_mut() {
            tcb.inbound.set_charged(octets);
        }
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Whether the association is dead: [`Event::Closed`] was or will be reported.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Dead(_))
    }

    /// Figures of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        if let Some(inbox) = self.state.inbox() {
            stats.messages_received = inbox.delivered();
        }
        if let Some(tcb) = self.state.tcb() {
            stats.smoothed_round_trip_time = tcb.round_trip.smoothed();
            stats.congestion_window = tcb.congestion.window();
            stats.remote_window = tcb.remote_room();
            stats.local_window = tcb.inbound.window();
            stats.held = tcb.inbound.held();
            stats.outstanding = tcb.outstanding.flight_payload();
            let queued = tcb.send_queue.total_buffered();
            stats.send_buffered = queued.saturating_add(stats.outstanding);
        }
        stats
    }

    /// The one place where the state changes.
    fn enter(&mut self, state: State) {
        tracing::debug!(from = self.state.name(), to = state.name(), "SCTP state");
        self.state = state;
    }

    /// The end: what has arrived stays readable, everything else is freed.
    fn die(&mut self, reason: CloseReason) {
        let streams = match std::mem::replace(&mut self.state, State::Closed) {
            State::Dead(streams) => return self.state = State::Dead(streams),
            State::Closed | State::CookieWait(_) => inbound_streams::InboundStreams::default(),
            State::CookieEchoed(tcb, _)
            | State::Established(tcb)
            | State::ShutdownPending(tcb)
            | State::ShutdownSent(tcb, _)
            | State::ShutdownReceived(tcb)
            | State::ShutdownAckSent(tcb, _) => {
                let Tcb { inbound, .. } = *tcb;
                inbound.streams
            }
        };
        self.enter(State::Dead(streams));
        tracing::info!(%reason, "SCTP association closed");
        self.events.push(Event::Closed(reason));
    }
}
