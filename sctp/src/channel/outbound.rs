//! From the application to the association: streams for channels, OPEN and ACK, messages, resets.

use std::time::Instant;

use super::state::{Announcement, State};
use super::streams::{Resets, Use};
use super::{
    ChannelError, ChannelId, DataChannels, Event, Payload, Phase, Role, SendError, Transport,
};
use crate::wire::{Ack, DcepMessage, Ppid, Priority, StreamId};
use crate::{Message, Reliability, ResetError};

impl DataChannels {
    /// Sends a message.
    ///
    /// # Errors
    /// The message was not queued.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        payload: Payload,
    ) -> Result<(), SendError> {
        // ANCHOR: send
        let limit = self.max_message_size();
        let channel = self.channels.get_mut(&channel).ok_or(SendError::NotOpen)?;
        let State::Open { stream, acknowledged } = channel.state else {
            return Err(SendError::NotOpen);
        };
        let Transport::Running(running) = &mut self.transport else {
            return Err(SendError::NotOpen);
        };
        let length = payload.octets().len();
        if length > limit {
            return Err(SendError::TooLarge { limit });
        }
        let (ppid, payload) = payload.into_message();
        let message = Message {
            ppid,
            payload,
            // RFC 8832 §6: in order, so that nothing overtakes the OPEN.
            ordered: channel.options.ordered || !acknowledged,
            reliability: channel.options.reliability,
            // ANCHOR_END: send
        };
        running.association.send(now, stream, message).map_err(|error| match error {
            crate::SendError::BufferFull => SendError::BufferFull,
            crate::SendError::TooLarge { limit } => SendError::TooLarge { limit },
            crate::SendError::NotEstablished
            | crate::SendError::Empty
            | crate::SendError::NoSuchStream { .. } => SendError::NotOpen,
        })?;
        channel.stats.messages_sent = channel.stats.messages_sent.wrapping_add(1);
        channel.stats.octets_sent = channel.stats.octets_sent.wrapping_add(length as u64);
        Ok(())
    }

    /// Octets of the channel's messages that wait to be sent for the first time: W3C's
    /// `bufferedAmount`.
    #[must_use]
    pub fn buffered_amount(&self, channel: ChannelId) -> usize {
        let (Some(channel), Transport::Running(running)) =
            (self.channels.get(&channel), &self.transport)
        else {
            return 0;
        };
        match channel.state {
            State::Open { stream, .. }
            | State::Draining(stream)
            | State::Closing { stream, .. } => running.association.buffered_amount(stream),
            State::Unassigned | State::Connecting(_) | State::Closed(_) => 0,
        }
    }

    /// From now on [`Event::BufferedAmountLow`] tells when the buffered amount falls from above
    /// `threshold` octets to it or below. It is zero at first.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: ChannelId, threshold: usize) {
        let Some(channel) = self.channels.get_mut(&channel) else { return };
        channel.low_threshold = threshold;
        if let (State::Open { stream, .. }, Transport::Running(running)) =
            (channel.state, &mut self.transport)
        {
            running.association.set_buffered_amount_low_threshold(stream, threshold);
        }
    }

    /// Gives the channels opened so far their streams, in the order they were opened.
    pub(super) fn assign_streams(&mut self, role: Role) {
        for index in 0..self.announcements.len() {
            let Some(Announcement::Open(id)) = self.announcements.get(index).copied() else {
                continue;
            };
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            if channel.state != State::Unassigned {
                continue;
            }
            if let Some(stream) = self.streams.lowest_free(role) {
                channel.state = State::Connecting(stream);
                self.streams.set(stream, Use::Channel(id));
            } else {
                channel.state = State::Closed(None);
                self.events.push_back(Event::Failed(id, ChannelError::NoSuchStream));
                self.events.push_back(Event::Closed(id));
            }
        }
    }

    /// Says what DCEP has to say, as far as the association takes it.
    pub(super) fn announce(&mut self, now: Instant) {
        while let Some(&announcement) = self.announcements.front() {
            let said = match announcement {
                Announcement::Open(id) => self.announce_open(now, id),
                Announcement::Acknowledge(id) => self.announce_ack(now, id),
            };
            match said {
                Said::Done => {
                    self.announcements.pop_front();
                }
                Said::Later => return,
            }
        }
    }

    fn announce_open(&mut self, now: Instant, id: ChannelId) -> Said {
        let Transport::Running(running) = &mut self.transport else { return Said::Later };
        let Phase::Established { outbound_streams } = running.phase else { return Said::Later };
        let Some(channel) = self.channels.get_mut(&id) else { return Said::Done };
        let State::Connecting(stream) = channel.state else { return Said::Done };
        if stream.0 >= outbound_streams {
            self.fail(now, id, ChannelError::NoSuchStream);
            return Said::Done;
        }
        let options = &channel.options;
        if options.negotiated.is_none() {
            let open = dcep(&DcepMessage::Open(options.to_open()));
            if running.association.send(now, stream, open).is_err() {
                return Said::Later;
            }
        }
        if options.priority != Priority::NORMAL {
            running.association.set_priority(stream, options.priority.0);
        }
        if channel.low_threshold != 0 {
            let threshold = channel.low_threshold;
            running.association.set_buffered_amount_low_threshold(stream, threshold);
        }
        // Nobody acknowledges a negotiated channel: both ends know it already.
        let acknowledged = options.negotiated.is_some();
        channel.state = State::Open { stream, acknowledged };
        tracing::debug!(channel = id.0, stream = stream.0, "data channel open");
        self.events.push_back(Event::Opened(id));
        self.process_stream(now, stream);
        Said::Done
    }

    fn announce_ack(&mut self, now: Instant, id: ChannelId) -> Said {
        let Transport::Running(running) = &mut self.transport else { return Said::Later };
        let Some(channel) = self.channels.get(&id) else { return Said::Done };
        let State::Open { stream, .. } = channel.state else { return Said::Done };
        let ack = dcep(&DcepMessage::Ack(Ack));
        match running.association.send(now, stream, ack) {
            Err(crate::SendError::BufferFull) => Said::Later,
            _ => Said::Done,
        }
    }

    /// The application, or [`Self::fail`] for it, closes a channel.
    pub(super) fn close_locally(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match channel.state {
            State::Unassigned => {
                channel.state = State::Closed(None);
                self.events.push_back(Event::Closed(id));
            }
            State::Connecting(stream) => {
                channel.state = State::Closed(None);
                self.streams.free(stream);
                self.events.push_back(Event::Closed(id));
                self.process_stream(now, stream);
            }
            State::Open { stream, .. } => self.start_closing(now, id, stream, Resets::default()),
            State::Draining(stream) => self.start_closing(now, id, stream, Resets::INCOMING),
            State::Closing { .. } | State::Closed(_) => {}
        }
    }

    /// Resets our direction of a channel's stream, and throws away what is not read.
    pub(super) fn start_closing(
        &mut self,
        now: Instant,
        id: ChannelId,
        stream: StreamId,
        resets: Resets,
    ) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.state = State::Closing { stream, resets };
        self.start_reset(stream);
        self.process_stream(now, stream);
    }

    /// Ends a channel before its time.
    pub(super) fn fail(&mut self, now: Instant, id: ChannelId, error: ChannelError) {
        let Some(channel) = self.channels.get(&id) else { return };
        if matches!(channel.state, State::Closing { .. } | State::Closed(_)) {
            return;
        }
        tracing::debug!(channel = id.0, %error, "data channel failed");
        self.events.push_back(Event::Failed(id, error));
        self.close_locally(now, id);
    }

    /// Has our direction of the stream reset at the end of this round, behind what was sent. The
    /// next channel on it shall not inherit priority and threshold.
    pub(super) fn start_reset(&mut self, stream: StreamId) {
        if let Some(association) = self.association() {
            association.set_priority(stream, Priority::NORMAL.0);
            association.set_buffered_amount_low_threshold(stream, 0);
        }
        self.to_reset.push(stream);
    }

    /// Asks the association for the resets collected.
    pub(super) fn reset_streams(&mut self, now: Instant) {
        if self.to_reset.is_empty() {
            return;
        }
        let streams = std::mem::take(&mut self.to_reset);
        let Some(association) = self.association() else { return };
        match association.reset_streams(now, &streams) {
            // Shutting down or dead: the end of the association is the end of the channels.
            Ok(()) | Err(ResetError::NotEstablished) => {}
            Err(ResetError::Unsupported | ResetError::NoSuchStream { .. }) => {
                streams.into_iter().for_each(|stream| self.lose(stream));
            }
        }
    }

    /// The stream cannot be reset: whatever used it is over, and nothing will ever use it again.
    pub(super) fn lose(&mut self, stream: StreamId) {
        let Some(used) = self.streams.get(stream) else { return };
        self.streams.set(stream, Use::Lost);
        if let Use::Channel(id) = used
            && let Some(channel) = self.channels.get_mut(&id)
        {
            channel.state = State::Closed(None);
            self.events.push_back(Event::Failed(id, ChannelError::ResetRefused));
            self.events.push_back(Event::Closed(id));
        }
    }
}

/// Whether an announcement is off the list.
enum Said {
    Done,
    Later,
}

/// DCEP messages are ordered and reliable, on the stream of their channel (RFC 8832 §6).
fn dcep(message: &DcepMessage) -> Message {
    Message {
        ppid: Ppid::DCEP,
        payload: message.to_octets(),
        ordered: true,
        reliability: Reliability::Reliable,
    }
}
