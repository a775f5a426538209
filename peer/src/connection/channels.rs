//! The data channels of a connection, in W3C's words.
//!
//! W3C webrtc-pc §6; RFC 8831. The work is done in `sctp::channel`.
//! Book: the chapter on channels.

use std::time::Instant;

use sctp::channel::ChannelId;

use super::{ChannelInfo, Connection, DataChannelInit, Event, Life, Message, SendError};
use crate::Error;

impl Connection {
    /// Opens a channel, at any time: it waits for the connection if need be.
    ///
    /// # Errors
    /// The options contradict each other, the stream is taken, or the connection is closed.
    pub fn create_data_channel(
        &mut self,
        now: Instant,
        label: &str,
        init: DataChannelInit,
    ) -> Result<ChannelId, Error> {
        self.must_run()?;
        let id = self.channels.open(now, init.into_options(label)?)?;
        self.open_channels.insert(id);
        self.negotiation.want_data();
        self.check_negotiation_needed();
        self.pump(now);
        Ok(id)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The message was not queued.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        message: Message,
    ) -> Result<(), SendError> {
        if self.life != Life::Running {
            return Err(SendError::NotOpen);
        }
        Ok(self.channels.send(now, channel, message.into())?)
    }

    /// The next message of a channel. Taking it makes room for others: who stops reading makes the
    /// peer stop sending. Works after the end, too, for what is left.
    pub fn recv(&mut self, now: Instant, channel: ChannelId) -> Option<Message> {
        self.channels.recv(now, channel).map(Message::from)
    }

    /// Closes a channel: what was sent is delivered first (RFC 8831 §6.7).
    pub fn close_data_channel(&mut self, now: Instant, channel: ChannelId) {
        self.channels.close(now, channel);
    }

    /// What a channel is; `None` if it is closed and everything was told.
    #[must_use]
    pub fn channel(&self, channel: ChannelId) -> Option<ChannelInfo> {
        let options = self.channels.options(channel)?;
        Some(ChannelInfo::new(options, self.channels.stream(channel)))
    }

    /// Octets that were sent on a channel and have not left for the first time (`bufferedAmount`).
    #[must_use]
    pub fn buffered_amount(&self, channel: ChannelId) -> usize {
        self.channels.buffered_amount(channel)
    }

    /// From now on [`Event::BufferedAmountLow`] tells when the buffered amount falls to
    /// `threshold` (`bufferedAmountLowThreshold`). Default 0.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: ChannelId, threshold: usize) {
        self.channels.set_buffered_amount_low_threshold(channel, threshold);
    }

    /// Octets of the largest message that [`Self::send`] takes (RFC 8841 §6).
    #[must_use]
    pub fn max_message_size(&self) -> usize {
        self.channels.max_message_size()
    }

    /// The channels that are not closed, in order of opening.
    pub fn channel_ids(&self) -> impl Iterator<Item = ChannelId> {
        self.open_channels.iter().copied()
    }

    /// The channels' next event, in our words. The end of the association is the pump's affair.
    pub(super) fn poll_channel_event(&mut self) -> Option<Event> {
        use sctp::channel::Event as Channel;
        loop {
            return Some(match self.channels.poll_event()? {
                Channel::Opened(id) => Event::ChannelOpened(id),
                Channel::Incoming(id) => {
                    self.open_channels.insert(id);
                    Event::DataChannel(id)
                }
                Channel::Readable(id) => Event::Readable(id),
                Channel::BufferedAmountLow(id) => Event::BufferedAmountLow(id),
                Channel::Closing(id) => Event::ChannelClosing(id),
                Channel::Failed(id, error) => Event::ChannelFailed(id, error),
                Channel::Closed(id) => {
                    self.open_channels.remove(&id);
                    Event::ChannelClosed(id)
                }
                Channel::Down(reason) => {
                    self.association_ended = Some(reason);
                    continue;
                }
                _ => continue,
            });
        }
    }

    pub(super) fn must_run(&self) -> Result<(), Error> {
        if self.life == Life::Running { Ok(()) } else { Err(Error::Closed) }
    }
}
