//! The task's side of the data channels: messages go from their handles to SCTP and back, each way
//! only as far as there is room.
//!
//! ```text
//!   rung, opened ──► fresh ──► looked after ──► watched ──┐   while SCTP holds something of it,
//!                                  ▲                      │   or has no room for more
//!                                  └──────────────────────┘
//!   readable ──► pulled ──► starved                           while the readers of all channels
//!                  ▲           │                              together are behind
//!                  └───────────┘
//! ```
//!
//! Whatever the number of channels, a turn of the task looks after a bounded number of them.
//!
//! Book: "The pump".

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use crate::handle::{ChannelState, DataChannel, Line, Sent, Shared};
use crate::{ChannelId, Connection, Message, SendError};

/// Channels looked after in one turn. With more than that busy at once, each waits some turns.
const CHANNELS_PER_TURN: usize = 64;

/// The channels of a connection.
#[derive(Debug)]
pub(super) struct Channels {
    shared: Arc<Shared>,
    table: HashMap<ChannelId, Channel>,
    /// Channels to look after soon: something is new.
    fresh: VecDeque<ChannelId>,
    /// Channels to look after from time to time: SCTP has made progress, or not.
    watched: VecDeque<ChannelId>,
    /// Channels with messages left in SCTP because the readers of all together are behind.
    starved: Vec<ChannelId>,
}

/// One channel, as the task knows it. A flag for each of the queues above keeps it from standing
/// there twice.
#[derive(Debug)]
struct Channel {
    line: Arc<Line>,
    is_fresh: bool,
    is_watched: bool,
    is_starved: bool,
    /// The connection has been told to close it.
    is_closing: bool,
}

impl Channels {
    /// No channels yet.
    pub(super) fn new(shared: Arc<Shared>) -> Channels {
        Channels {
            shared,
            table: HashMap::new(),
            fresh: VecDeque::new(),
            watched: VecDeque::new(),
            starved: Vec::new(),
        }
    }

    /// A place in the table for a channel of the connection, and a handle on it.
    pub(super) fn adopt(
        &mut self,
        connection: &Connection,
        id: ChannelId,
        state: ChannelState,
    ) -> Option<DataChannel> {
        let info = connection.channel(id)?;
        let line = Arc::new(Line::new(id, info, state, Arc::clone(&self.shared)));
        let channel = Channel {
            line: Arc::clone(&line),
            is_fresh: false,
            is_watched: false,
            is_starved: false,
            is_closing: false,
        };
        self.table.insert(id, channel);
        Some(DataChannel::new(line))
    }

    /// A channel of ours is open: what was sent on it before can go.
    pub(super) fn opened(&mut self, id: ChannelId) {
        if let Some(channel) = self.table.get(&id) {
            channel.line.set_open();
            self.refresh(id);
        }
    }

    /// The peer is closing a channel: its handle sends no more, and reads what is left.
    pub(super) fn closing(&mut self, connection: &mut Connection, now: Instant, id: ChannelId) {
        if let Some(channel) = self.table.get(&id) {
            channel.line.set_closing();
            self.pull(connection, now, id);
        }
    }

    /// A channel is closed: its reader gets what is left.
    pub(super) fn closed(&mut self, connection: &mut Connection, now: Instant, id: ChannelId) {
        if let Some(Channel { line, .. }) = self.table.remove(&id) {
            while let Some(message) = connection.recv(now, id) {
                line.push_inbound(message);
            }
            line.set_closed();
        }
    }

    /// Handles rang.
    pub(super) fn rung(&mut self, connection: &mut Connection, now: Instant) {
        let mut rung = Vec::new();
        self.shared.take_rung(&mut rung);
        for id in rung {
            self.refresh(id);
            self.pull(connection, now, id);
        }
    }

    /// The connection is gone, and so are they.
    pub(super) fn end(&self) {
        self.shared.close(self.table.values().map(|channel| &*channel.line));
    }

    fn refresh(&mut self, id: ChannelId) {
        if let Some(channel) = self.table.get_mut(&id)
            && !std::mem::replace(&mut channel.is_fresh, true)
        {
            self.fresh.push_back(id);
        }
    }

    /// Does what can be done in this turn. Answers false if channels with news are left.
    pub(super) fn settle(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let mut queue = VecDeque::new();
        for _ in 0..self.fresh.len().min(CHANNELS_PER_TURN) {
            let Some(id) = self.fresh.pop_front() else { break };
            if let Some(channel) = self.table.get_mut(&id) {
                channel.is_fresh = false;
                self.look_after(connection, now, id, &mut queue);
            }
        }
        for _ in 0..self.watched.len().min(CHANNELS_PER_TURN) {
            let Some(id) = self.watched.pop_front() else { break };
            if let Some(channel) = self.table.get_mut(&id) {
                channel.is_watched = false;
                self.look_after(connection, now, id, &mut queue);
            }
        }
        if !self.starved.is_empty() && self.shared.has_room() {
            for id in std::mem::take(&mut self.starved) {
                if let Some(channel) = self.table.get_mut(&id) {
                    channel.is_starved = false;
                    self.pull(connection, now, id);
                }
            }
        }
        self.fresh.is_empty()
    }

    /// Hands a channel's messages to SCTP as far as it has room, and tells the handle what SCTP
    /// still holds. `queue` is empty, and is again afterwards.
    fn look_after(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        id: ChannelId,
        queue: &mut VecDeque<Message>,
    ) {
        let Some(channel) = self.table.get_mut(&id) else { return };
        if channel.line.state() == ChannelState::Connecting {
            return;
        }
        channel.line.take_outbound(queue);
        let sent = hand_over(connection, now, id, queue);
        let accepted = connection.buffered_amount(id);
        let more = channel.line.settle(queue, sent, accepted);
        if channel.line.wants_close() && !std::mem::replace(&mut channel.is_closing, true) {
            connection.close_data_channel(now, id);
        }
        if more && !std::mem::replace(&mut channel.is_watched, true) {
            self.watched.push_back(id);
        }
    }

    /// Gives a channel's messages to its reader as far as there is room.
    pub(super) fn pull(&mut self, connection: &mut Connection, now: Instant, id: ChannelId) {
        let Some(channel) = self.table.get_mut(&id) else { return };
        loop {
            if !self.shared.has_room() {
                if !std::mem::replace(&mut channel.is_starved, true) {
                    self.starved.push(id);
                }
                return;
            }
            if !channel.line.takes_more() {
                return;
            }
            match connection.recv(now, id) {
                Some(message) => channel.line.push_inbound(message),
                None => return,
            }
        }
    }
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
            // The channel is closing, which its handle is about to be told.
            Err(error) => debug!(%error, "message not sent"),
        }
        sent.add(&message);
    }
    sent
}
