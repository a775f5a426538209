//! From the association to the application: its events, DCEP, resets, and messages when asked.

use std::time::Instant;

use bytes::Bytes;

use super::state::{Announcement, Channel, State};
use super::streams::{MAX_STREAM, Resets, Use};
use super::{
    ChannelError, ChannelId, ChannelOptions, DataChannels, Event, Payload, Phase, Text, Transport,
};
use crate::association::Event as AssociationEvent;
use crate::wire::{DcepMessage, Open, Ppid, Priority, StreamId};
use crate::{CloseReason, Direction, Received, Reliability};

/// Octets of label and protocol of all channels that the remote endpoint has open. A name may have
/// 64 KiB; more than four such names, beside short ones, nobody needs.
const MAX_REMOTE_NAMES: usize = 260 << 10;

impl DataChannels {
    /// The next message of a channel. Asking is what opens SCTP's window. Still works when the
    /// association is dead, for what had arrived.
    pub fn recv(&mut self, now: Instant, channel: ChannelId) -> Option<Payload> {
        let id = channel;
        loop {
            let channel = self.channels.get_mut(&id)?;
            let (State::Open { stream, .. }
            | State::Draining(stream)
            | State::Closed(Some(stream))) = channel.state
            else {
                return None;
            };
            let Transport::Running(running) = &mut self.transport else { return None };
            let Some(received) = running.association.recv(now, stream) else {
                channel.announced = false;
                return None;
            };
            let payload = self.assemble(id, received);
            self.process_stream(now, stream);
            match payload {
                Ok(None) => {}
                Ok(Some(payload)) => {
                    self.process(now);
                    return Some(payload);
                }
                Err(error) => {
                    self.fail(now, id, error);
                    self.process(now);
                    return None;
                }
            }
        }
    }

    /// Handles what the association has to tell, and asks it for what that leads to. Called after
    /// every input.
    pub(super) fn process(&mut self, now: Instant) {
        loop {
            self.announce(now);
            self.reset_streams(now);
            let Some(event) = self.association().and_then(|a| a.poll_event()) else { break };
            self.handle_event(now, event);
        }
        if self.streams.has_unclaimed() {
            self.relieve(now);
        }
    }

    fn handle_event(&mut self, now: Instant, event: AssociationEvent) {
        match event {
            AssociationEvent::Established { outbound_streams, .. } => {
                if let Transport::Running(running) = &mut self.transport {
                    running.phase = Phase::Established { outbound_streams };
                }
                self.events.push_back(Event::Established);
            }
            AssociationEvent::Readable(stream) => self.on_readable(now, stream),
            AssociationEvent::BufferedAmountLow(stream) => {
                if let Some(Use::Channel(id)) = self.streams.get(stream) {
                    self.events.push_back(Event::BufferedAmountLow(id));
                }
            }
            AssociationEvent::StreamsReset { direction, streams } if streams.is_empty() => {
                for (stream, _) in self.streams.all() {
                    self.on_reset(now, stream, direction);
                }
            }
            AssociationEvent::StreamsReset { direction, streams } => {
                for stream in streams {
                    self.on_reset(now, stream, direction);
                }
            }
            AssociationEvent::ResetRefused(streams) => {
                streams.into_iter().for_each(|stream| self.lose(stream));
            }
            AssociationEvent::MessageTooLarge(stream) => {
                if let Some(Use::Channel(id)) = self.streams.get(stream) {
                    self.fail(now, id, ChannelError::MessageTooLarge);
                }
            }
            AssociationEvent::Restarted => self.on_restart(now),
            AssociationEvent::Closed(reason) => self.on_death(reason),
        }
    }

    /// The association has a message where it had none: nothing of the stream is unread any more
    /// that was announced before.
    fn on_readable(&mut self, now: Instant, stream: StreamId) {
        if let Some(Use::Channel(id)) = self.streams.get(stream)
            && let Some(channel) = self.channels.get_mut(&id)
        {
            channel.announced = false;
            // "The DATA_CHANNEL_ACK message or any other message has been received" (RFC 8832 §6).
            if let State::Open { acknowledged, .. } = &mut channel.state {
                *acknowledged = true;
            }
        }
        self.process_stream(now, stream);
    }

    /// Looks at the head of a stream's unread messages, and takes away what is not for the
    /// application: DCEP, and messages of channels that are closing or never were.
    pub(super) fn process_stream(&mut self, now: Instant, stream: StreamId) {
        if !self.is_alive() {
            return;
        }
        while let Some(ppid) = self.association().and_then(|a| a.peek_ppid(stream)) {
            if ppid == Ppid::DCEP {
                let message = self.association().and_then(|a| a.recv(now, stream));
                if let Some(message) = message {
                    self.on_dcep(now, stream, &message.payload);
                }
                continue;
            }
            match self.streams.get(stream) {
                Some(Use::Channel(id)) => {
                    let Some(channel) = self.channels.get_mut(&id) else { return };
                    match channel.state {
                        State::Open { .. } | State::Draining(_) => {
                            if !channel.announced {
                                channel.announced = true;
                                self.events.push_back(Event::Readable(id));
                            }
                            return;
                        }
                        State::Closing { .. } => self.discard(now, stream),
                        State::Unassigned | State::Connecting(_) | State::Closed(_) => return,
                    }
                }
                Some(Use::Unclaimed) => return,
                // DEVIATION RFC 8832 §6: user data on an unused stream "indicates an error", the
                // channel "MUST be closed". It may belong to a negotiated channel that both pages
                // create and ours has not created yet, so it waits for a while.
                None if self.streams.may_wait() => {
                    self.streams.set(stream, Use::Unclaimed);
                    return;
                }
                None => {
                    self.refuse(stream, Resets::default());
                    self.discard(now, stream);
                }
                Some(Use::Refused(_) | Use::Lost) => self.discard(now, stream),
            }
        }
        // All is read.
        if let Some(Use::Channel(id)) = self.streams.get(stream)
            && self.channels.get(&id).is_some_and(|c| c.state == State::Draining(stream))
        {
            self.start_closing(now, id, stream, Resets::INCOMING);
        }
    }

    fn discard(&mut self, now: Instant, stream: StreamId) {
        if let Some(association) = self.association() {
            association.recv(now, stream);
        }
    }

    fn is_alive(&self) -> bool {
        matches!(&self.transport, Transport::Running(running) if running.phase != Phase::Down)
    }

    fn on_dcep(&mut self, now: Instant, stream: StreamId, message: &Bytes) {
        match DcepMessage::parse(message) {
            Ok(DcepMessage::Open(open)) => self.on_open(now, stream, &open),
            // That it came is what counts, see `on_readable`.
            Ok(DcepMessage::Ack(_)) => {}
            Ok(DcepMessage::Unknown { .. }) | Err(_) => match self.streams.get(stream) {
                Some(Use::Channel(id)) => self.fail(now, id, ChannelError::ProtocolViolation),
                Some(Use::Unclaimed) | None => self.refuse(stream, Resets::default()),
                Some(Use::Refused(_) | Use::Lost) => {}
            },
        }
    }

    /// RFC 8832 §6: the stream must be unused and of the remote endpoint's parity, and the
    /// parameters valid; else "the receiver MUST close the corresponding data channel".
    fn on_open(&mut self, now: Instant, stream: StreamId, open: &Open) {
        match self.streams.get(stream) {
            None | Some(Use::Unclaimed) => {}
            Some(Use::Channel(id)) => {
                self.fail(now, id, ChannelError::ProtocolViolation);
                return;
            }
            Some(Use::Refused(_) | Use::Lost) => return,
        }
        match self.acceptable(stream, open) {
            Some(options) => self.accept(stream, options),
            None => self.refuse(stream, Resets::default()),
        }
    }

    fn acceptable(&self, stream: StreamId, open: &Open) -> Option<ChannelOptions> {
        let Transport::Running(running) = &self.transport else { return None };
        let fits = running.role.is_remote(stream)
            && stream <= MAX_STREAM
            && self.channels.len() < self.limits.max_channels;
        let names = self.remote_names.saturating_add(open.label.len() + open.protocol.len());
        if !fits || names > MAX_REMOTE_NAMES {
            return None;
        }
        ChannelOptions::from_open(open)
    }

    fn accept(&mut self, stream: StreamId, options: ChannelOptions) {
        let priority = options.priority;
        // A message was received on the channel, so what we send need not wait for anything.
        let state = State::Open { stream, acknowledged: true };
        let id = self.insert(Channel::new(options, state, true));
        self.streams.set(stream, Use::Channel(id));
        self.announcements.push_back(Announcement::Acknowledge(id));
        if priority != Priority::NORMAL
            && let Some(association) = self.association()
        {
            association.set_priority(stream, priority.0);
        }
        tracing::debug!(channel = id.0, stream = stream.0, "data channel opened by the remote");
        self.events.push_back(Event::Incoming(id));
    }

    /// Closes a stream nobody uses, unless there are too many such already, or we cannot send on it
    /// anyway; `resets` is what was reset so far.
    fn refuse(&mut self, stream: StreamId, resets: Resets) {
        let Transport::Running(running) = &self.transport else { return };
        let Phase::Established { outbound_streams } = running.phase else { return };
        if stream.0 >= outbound_streams || !self.streams.may_refuse() {
            self.streams.free(stream);
            return;
        }
        tracing::debug!(stream = stream.0, "closing a stream that is no channel's");
        self.streams.set(stream, Use::Refused(resets));
        self.start_reset(stream);
    }

    /// One direction of a stream was reset (RFC 8831 §6.7).
    fn on_reset(&mut self, now: Instant, stream: StreamId, direction: Direction) {
        let mark = |resets: Resets| match direction {
            Direction::Incoming => Resets { incoming: true, ..resets },
            Direction::Outgoing => Resets { outgoing: true, ..resets },
        };
        match self.streams.get(stream) {
            Some(Use::Channel(id)) => {
                let Some(channel) = self.channels.get_mut(&id) else { return };
                match channel.state {
                    State::Open { .. } if direction == Direction::Incoming => {
                        channel.state = State::Draining(stream);
                        self.events.push_back(Event::Closing(id));
                        // Nobody would read what we have not sent yet.
                        if let Some(association) = self.association() {
                            association.discard_unsent(stream);
                        }
                        self.process_stream(now, stream);
                    }
                    State::Closing { resets, .. } if mark(resets).are_complete() => {
                        channel.state = State::Closed(None);
                        self.streams.free(stream);
                        tracing::debug!(channel = id.0, stream = stream.0, "data channel closed");
                        self.events.push_back(Event::Closed(id));
                    }
                    State::Closing { resets, .. } => {
                        channel.state = State::Closing { stream, resets: mark(resets) };
                    }
                    _ => {}
                }
            }
            Some(Use::Refused(resets)) if mark(resets).are_complete() => self.streams.free(stream),
            Some(Use::Refused(resets)) => self.streams.set(stream, Use::Refused(mark(resets))),
            // A channel came and went that only the remote endpoint knew; it awaits our reset.
            Some(Use::Unclaimed) | None if direction == Direction::Incoming => {
                self.refuse(stream, Resets::INCOMING);
                self.process_stream(now, stream);
            }
            Some(Use::Unclaimed | Use::Lost) | None => {}
        }
    }

    /// What waits for a negotiated channel must not stop the others: it is thrown away when it may
    /// be what holds half of the receive window.
    fn relieve(&mut self, now: Instant) {
        let Transport::Running(running) = &self.transport else { return };
        if running.association.stats().local_window >= self.limits.receive_window / 2 {
            return;
        }
        for (stream, used) in self.streams.all() {
            if used == Use::Unclaimed {
                self.refuse(stream, Resets::default());
                while self.association().and_then(|a| a.recv(now, stream)).is_some() {}
            }
        }
        self.reset_streams(now);
    }

    /// The remote endpoint knows of nothing any more. Channels that were not announced to it yet
    /// live on.
    fn on_restart(&mut self, now: Instant) {
        for (stream, used) in self.streams.all() {
            let Use::Channel(id) = used else {
                self.streams.free(stream);
                continue;
            };
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            match channel.state {
                State::Open { .. } => {
                    self.events.push_back(Event::Failed(id, ChannelError::Restarted));
                }
                State::Draining(_) | State::Closing { .. } => {}
                _ => continue,
            }
            channel.state = State::Closed(None);
            self.streams.free(stream);
            self.events.push_back(Event::Closed(id));
            while self.association().and_then(|a| a.recv(now, stream)).is_some() {}
        }
        self.to_reset.clear();
    }

    /// Every channel is closed; what has arrived can still be read.
    fn on_death(&mut self, reason: CloseReason) {
        let mut ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            channel.state = match channel.state {
                State::Open { stream, .. } | State::Draining(stream) => State::Closed(Some(stream)),
                State::Closed(_) => continue,
                _ => State::Closed(None),
            };
            self.events.push_back(Event::Closed(id));
        }
        self.streams = Default::default();
        self.announcements.clear();
        self.to_reset.clear();
        if let Transport::Running(running) = &mut self.transport {
            running.phase = Phase::Down;
        }
        self.events.push_back(Event::Down(reason));
    }

    /// An SCTP message as the application's. `None`: it is none, or not yet whole.
    fn assemble(
        &mut self,
        id: ChannelId,
        received: Received,
    ) -> Result<Option<Payload>, ChannelError> {
        let Received { ppid, payload, .. } = received;
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(None) };
        let is_partial = matches!(ppid, Ppid::STRING_PARTIAL | Ppid::BINARY_PARTIAL);
        let (ppid, payload) = if is_partial || channel.partial_length() > 0 {
            // RFC 8831 §6.6: for reliable and ordered channels only.
            if channel.options.reliability != Reliability::Reliable || !channel.options.ordered {
                return Err(ChannelError::ProtocolViolation);
            }
            let before = channel.partial_length();
            let room = self.limits.max_message_size.saturating_sub(self.partials);
            let partial = channel.partial.get_or_insert_default();
            let added = partial.add(ppid, payload, room);
            let after = partial.len();
            self.partials = self.partials.saturating_sub(before).saturating_add(after);
            match added {
                Ok(Some(whole)) => whole,
                Ok(None) => return Ok(None),
                Err(_) => return Err(ChannelError::ProtocolViolation),
            }
        } else {
            (ppid, payload)
        };
        let payload = match ppid {
            Ppid::STRING => Payload::Text(Text::from_utf8_lossy(payload)),
            Ppid::BINARY => Payload::Binary(payload),
            Ppid::STRING_EMPTY => Payload::Text(Text::default()),
            Ppid::BINARY_EMPTY => Payload::Binary(Bytes::new()),
            // DEVIATION RFC 8831 §6.6: the receiver "SHOULD close" the channel. Ignored, as
            // browsers do: a future extension of the peer's is no reason to lose the channel.
            _ => return Ok(None),
        };
        let length = payload.octets().len();
        if length > self.limits.max_message_size {
            return Err(ChannelError::MessageTooLarge);
        }
        let stats = &mut channel.stats;
        stats.messages_received = stats.messages_received.wrapping_add(1);
        stats.octets_received = stats.octets_received.wrapping_add(length as u64);
        Ok(Some(payload))
    }
}
