//! The task that drives one connection: the only place where its state machine meets a socket,
//! a clock and an application.
//!
//! ```text
//!            datagrams (lane)   requests   doorbell   timer   socket writable
//!                    └──────────────┴─────────┴─────────┴────────────┘
//!                                       │ one of them
//!                                       ▼
//!                                  Connection
//!                                       │ drained after each
//!                    ┌──────────────────┼──────────────────┐
//!                    ▼                  ▼                  ▼
//!             events ► handles   messages ► readers   transmits ► bursts ► socket
//! ```
//!
//! - The task owns the connection: no lock, and nothing else calls it. What handles want done is
//!   sent here as a [`Request`]; messages pass through the [`Line`] of their channel.
//! - Datagrams that the kernel does not take wait, and no others are made meanwhile: the next
//!   `poll_transmit` comes when the socket is writable again.
//! - A connection that closes is driven on until its farewell has left, but not for longer than
//!   [`LINGER`].
//!
//! Book: "The pump".

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tracing::{debug, warn};

use super::burst::{Burst, Outbox};
use super::router::{Batch, Registration};
use super::socket::Socket;
use crate::handle::{ChannelState, DataChannel, Line, PeerEvent, Sent, Shared};
use crate::{
    ChannelId, CloseReason, Connection, ConnectionState, Datagram, Event, Message, SendError,
};

/// How long a closing connection may take to send its farewell.
const LINGER: Duration = Duration::from_secs(1);

/// Batches of datagrams handled before what came of them is drained: enough to answer a burst
/// with one acknowledgement, little enough to answer soon.
const BATCHES_PER_TURN: usize = 4;

/// Bursts sent before other tasks of this thread have their turn.
const BURSTS_PER_TURN: usize = 8;

/// Channels looked after in one turn. With more than that busy at once each waits some turns.
const CHANNELS_PER_TURN: usize = 64;

/// Something a handle wants done with the connection.
pub(crate) type Request = Box<dyn FnOnce(&mut Task, Instant) + Send>;

/// A connection and all it needs to run.
pub(crate) struct Task {
    pub(crate) connection: Connection,
    socket: Arc<Socket>,
    registration: Registration,
    requests: mpsc::Receiver<Request>,
    /// Becomes true when the endpoint closes.
    shutdown: watch::Receiver<bool>,
    shared: Arc<Shared>,
    channels: HashMap<ChannelId, Channel>,
    /// Channels with messages to hand over, or octets in SCTP.
    unsettled: VecDeque<ChannelId>,
    /// Channels with messages left in SCTP because the readers of all together are behind.
    starved: Vec<ChannelId>,
    outbox: Outbox,
    /// What the kernel did not take.
    blocked: Option<Burst>,
    life: Life,
}

/// How far the connection is on its way.
#[derive(Debug)]
enum Life {
    Running,
    /// It has been told to close, and is given until then.
    Closing(Instant),
    /// Its state machine has reported the end; what it still has to send is sent.
    Over(CloseReason),
}

/// One channel, as the task knows it.
struct Channel {
    line: Arc<Line>,
    unsettled: bool,
    starved: bool,
    /// The connection has been told to close it.
    closing: bool,
}

impl Task {
    /// A task for `connection`. Dropping every sender of `requests` closes it.
    pub(crate) fn new(
        connection: Connection,
        socket: Arc<Socket>,
        registration: Registration,
        requests: mpsc::Receiver<Request>,
        shutdown: watch::Receiver<bool>,
        shared: Arc<Shared>,
    ) -> Task {
        Task {
            connection,
            socket,
            registration,
            requests,
            shutdown,
            shared,
            channels: HashMap::new(),
            unsettled: VecDeque::new(),
            starved: Vec::new(),
            outbox: Outbox::default(),
            blocked: None,
            life: Life::Running,
        }
    }

    /// Drives the connection to its end. Boxed, because a future holds what it is called with more
    /// than once, and this is several kilobytes.
    // ANCHOR: task
    pub(crate) async fn run(mut self: Box<Self>) {
        let mut alarm = Alarm::new();
        loop {
            let sent_all = self.drain(Instant::now());
            if sent_all && self.is_over() {
                break;
            }
            alarm.set(self.deadline());
            tokio::select! {
                batch = self.registration.receive() => self.handle_batch(batch),
                request = self.requests.recv(), if self.is_running() => self.handle_request(request),
                () = self.shared.rung() => self.handle_rung(),
                () = alarm.rings() => self.handle_timeout(),
                _ = self.socket.writable(), if self.blocked.is_some() => {}
                () = becomes_true(&mut self.shutdown), if self.is_running() => self.close(Instant::now()),
                () = tokio::task::yield_now(), if !sent_all => {}
            }
        }
        self.end();
    }
    // ANCHOR_END: task

    /// Hands datagrams to the connection, and those that wait behind them.
    fn handle_batch(&mut self, first: Option<Batch>) {
        let now = Instant::now();
        let mut next = first;
        let mut taken = 0;
        while let Some(Batch { local, remote, datagrams }) = next {
            for payload in datagrams {
                let datagram = Datagram { local, remote, payload };
                if let Err(error) = self.connection.handle_datagram(now, datagram) {
                    debug!(%remote, %error, "datagram discarded");
                }
            }
            taken += 1;
            next = if taken < BATCHES_PER_TURN { self.registration.try_receive() } else { None };
        }
    }

    /// Does what a handle asks; without any handle left, closes.
    fn handle_request(&mut self, request: Option<Request>) {
        let now = Instant::now();
        match request {
            Some(request) => request(self, now),
            None => self.close(now),
        }
        // A description may have changed these.
        self.registration.set_fragments(self.connection.local_ufrags());
        self.shared.set_max_message_size(self.connection.max_message_size());
    }

    /// Looks after the channels whose handles rang.
    fn handle_rung(&mut self) {
        let now = Instant::now();
        let mut rung = Vec::new();
        self.shared.take_rung(&mut rung);
        for id in rung {
            self.unsettle(id);
            self.pull(now, id);
        }
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        if matches!(self.life, Life::Closing(until) if now >= until) {
            debug!("closing takes too long");
            self.life = Life::Over(CloseReason::Local);
            self.blocked = None;
        }
        self.connection.handle_timeout(now);
    }

    /// Closes the connection: its farewell is queued.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.is_running() {
            self.connection.close(now);
            self.life = Life::Closing(now + LINGER);
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    fn is_over(&self) -> bool {
        matches!(self.life, Life::Over(_)) && self.blocked.is_none()
    }

    /// When the task must wake even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let closing = match self.life {
            Life::Closing(until) => Some(until),
            Life::Running | Life::Over(_) => None,
        };
        self.connection.poll_timeout().into_iter().chain(closing).min()
    }

    /// Takes all that the connection has to give: events to the handles, messages to their
    /// readers, datagrams to the socket. Answers false if there is more to send at once.
    fn drain(&mut self, now: Instant) -> bool {
        loop {
            while let Some(event) = self.connection.poll_event() {
                self.handle_event(now, event);
            }
            self.settle(now);
            self.pull_starved(now);
            let sent_all = self.transmit(now);
            match self.connection.poll_event() {
                Some(event) => self.handle_event(now, event),
                None => return sent_all,
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::ConnectionStateChange(state) => {
                if state == ConnectionState::Connected {
                    self.registration.peer_is_authenticated();
                }
                self.shared.state().send_replace(state);
                self.shared.push_event(PeerEvent::ConnectionState(state));
            }
            Event::IceCandidate(candidate) => {
                self.shared.push_event(PeerEvent::IceCandidate(candidate));
            }
            Event::SelectedPair { local, remote } => {
                self.shared.push_event(PeerEvent::SelectedPair { local, remote });
            }
            Event::DataChannel(id) => {
                if let Some(channel) = self.adopt(id, ChannelState::Open) {
                    // If nobody takes it, it is dropped here, and so closed.
                    self.shared.push_event(PeerEvent::DataChannel(channel));
                }
            }
            Event::ChannelOpened(id) => {
                if let Some(channel) = self.channels.get(&id) {
                    channel.line.set_open();
                    self.unsettle(id);
                }
            }
            Event::Readable(id) => self.pull(now, id),
            Event::ChannelClosed(id) => self.forget(now, id),
            Event::Closed(reason) => self.life = Life::Over(reason),
            _ => {}
        }
    }

    /// A handle, and a place in the tables, for a channel of the connection.
    pub(crate) fn adopt(&mut self, id: ChannelId, state: ChannelState) -> Option<DataChannel> {
        let info = self.connection.channel(id)?;
        let line = Arc::new(Line::new(id, info, state, Arc::clone(&self.shared)));
        let channel =
            Channel { line: Arc::clone(&line), unsettled: false, starved: false, closing: false };
        self.channels.insert(id, channel);
        Some(DataChannel::new(line))
    }

    /// A channel is closed: its reader gets what is left.
    fn forget(&mut self, now: Instant, id: ChannelId) {
        if let Some(Channel { line, .. }) = self.channels.remove(&id) {
            while let Some(message) = self.connection.recv(now, id) {
                line.push_inbound(message);
            }
            line.set_closed();
        }
    }

    /// Notes that a channel needs attention.
    fn unsettle(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id)
            && !std::mem::replace(&mut channel.unsettled, true)
        {
            self.unsettled.push_back(id);
        }
    }

    /// Hands the handles' messages to SCTP as far as it has room, and tells the handles what it
    /// still holds.
    fn settle(&mut self, now: Instant) {
        let mut messages = VecDeque::new();
        for _ in 0..self.unsettled.len().min(CHANNELS_PER_TURN) {
            let Some(id) = self.unsettled.pop_front() else { break };
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            channel.unsettled = false;
            if channel.line.state() == ChannelState::Connecting {
                continue;
            }
            channel.line.take_outbound(&mut messages);
            let sent = hand_over(&mut self.connection, now, id, &mut messages);
            let accepted = self.connection.buffered_amount(id);
            let more = channel.line.settle(&mut messages, sent, accepted);
            if channel.line.wants_close() && !std::mem::replace(&mut channel.closing, true) {
                self.connection.close_data_channel(now, id);
            }
            if more {
                channel.unsettled = true;
                self.unsettled.push_back(id);
            }
        }
    }

    /// Gives a channel's messages to its reader as far as there is room.
    fn pull(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        loop {
            if !self.shared.has_room() {
                if !std::mem::replace(&mut channel.starved, true) {
                    self.starved.push(id);
                }
                return;
            }
            if !channel.line.takes_more() {
                return;
            }
            match self.connection.recv(now, id) {
                Some(message) => channel.line.push_inbound(message),
                None => return,
            }
        }
    }

    fn pull_starved(&mut self, now: Instant) {
        if self.starved.is_empty() || !self.shared.has_room() {
            return;
        }
        for id in std::mem::take(&mut self.starved) {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.starved = false;
                self.pull(now, id);
            }
        }
    }

    /// Sends what the connection has, in bursts. Answers false if there is more, after a share of
    /// time that is fair to other tasks.
    fn transmit(&mut self, now: Instant) -> bool {
        let limit = self.socket.burst_limit();
        for _ in 0..BURSTS_PER_TURN {
            let connection = &mut self.connection;
            let burst = self
                .blocked
                .take()
                .or_else(|| self.outbox.next_burst(limit, || connection.poll_transmit(now)));
            let Some(burst) = burst else { return true };
            self.registration.add_path(burst.local, burst.remote);
            if self.socket.try_send(&burst).is_err() {
                self.blocked = Some(burst);
                return true;
            }
        }
        false
    }

    /// Tells the handles that it is over.
    fn end(self) {
        let reason = match self.life {
            Life::Over(reason) => reason,
            Life::Running | Life::Closing(_) => CloseReason::Local,
        };
        // A connection that failed stays failed.
        self.shared.state().send_if_modified(|state| {
            let closes = !matches!(state, ConnectionState::Failed | ConnectionState::Closed);
            if closes {
                *state = ConnectionState::Closed;
            }
            closes
        });
        self.shared.push_event(PeerEvent::Closed(reason));
        self.shared.close(self.channels.values().map(|channel| &*channel.line));
    }
}

async fn becomes_true(flag: &mut watch::Receiver<bool>) {
    // The sender lives as long as the endpoint, and that as long as its tasks.
    let _ = flag.wait_for(|flag| *flag).await;
}

/// Hands messages to SCTP, in order, until it has no room; those it has no room for stay.
fn hand_over(
    connection: &mut Connection,
    now: Instant,
    id: ChannelId,
    messages: &mut VecDeque<Message>,
) -> Sent {
    let mut sent = Sent::default();
    while let Some(message) = messages.pop_front() {
        match connection.send(now, id, message.clone()) {
            Ok(()) => {}
            Err(SendError::Full) => {
                messages.push_front(message);
                break;
            }
            Err(error) => warn!(%error, "message not sent"),
        }
        sent.add(&message);
    }
    sent
}

/// A timer that is set again for every datagram without costing much.
///
/// Deadlines mostly move into the future, and waking early is harmless (every state machine here
/// says so), so a later deadline leaves the timer as it is and an earlier one alone sets it.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` ends; `None` when nobody waits for that.
    armed: Option<Instant>,
}

impl Alarm {
    fn new() -> Alarm {
        Alarm { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), armed: None }
    }

    fn set(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.sleep.as_mut().reset(deadline.into());
            self.armed = Some(deadline);
        }
    }

    /// Completes at the deadline or earlier; never, without one.
    async fn rings(&mut self) {
        if self.armed.is_none() {
            std::future::pending::<()>().await;
        }
        self.sleep.as_mut().await;
        self.armed = None;
    }
}
