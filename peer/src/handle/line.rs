//! One channel's part of what handles and task share: its two queues and its state.
//!
//! ```text
//!              opened            close(), or the last handle dropped
//! Connecting ──────────► Open ──────────────────────► ClosingHere ─────► Closed
//!       │                 │   the peer closes                ▲ close()     ▲
//!       │                 └──────────────────────► ClosingThere ───────────┤ all was read
//!       └─────────────────┴────── closed with the connection ──────────────┘
//! ```
//!
//! They are the states of an `RTCDataChannel` (W3C WebRTC §6.2), which does not say who closes. What
//! was received before the channel closed is still read; then the reader is told the end.
//!
//! Book: "The pump".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::data_channel::Ended;
use super::shared::{MAX_INBOUND_OF_CHANNEL, MAX_OUTBOUND, MESSAGE_OVERHEAD, Shared, lock};
use crate::{ChannelId, ChannelInfo, Message};

/// The state of a data channel, `RTCDataChannelState` in the W3C's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// The association is not established yet, or the peer has not been told.
    Connecting,
    /// Messages can be sent.
    Open,
    /// What was sent is being delivered; then the channel closes.
    Closing,
    /// Nothing more goes in or out.
    Closed,
}

/// The state as the queues need it: who closes makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Open,
    /// What the application has sent goes first; what it has not read it does not want.
    ClosingHere,
    /// Nothing can be sent any more; what came is still to be read.
    ClosingThere,
    Closed,
}

impl From<ChannelState> for Phase {
    fn from(state: ChannelState) -> Phase {
        match state {
            ChannelState::Connecting => Phase::Connecting,
            ChannelState::Open => Phase::Open,
            ChannelState::Closing => Phase::ClosingThere,
            ChannelState::Closed => Phase::Closed,
        }
    }
}

impl From<Phase> for ChannelState {
    fn from(phase: Phase) -> ChannelState {
        match phase {
            Phase::Connecting => ChannelState::Connecting,
            Phase::Open => ChannelState::Open,
            Phase::ClosingHere | Phase::ClosingThere => ChannelState::Closing,
            Phase::Closed => ChannelState::Closed,
        }
    }
}

/// One channel, between its handles and the task.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: ChannelId,
    pub(crate) info: ChannelInfo,
    pub(super) shared: Arc<Shared>,
    queues: Mutex<Queues>,
    /// Rings when a message arrived, or none will.
    pub(super) readable: Notify,
    /// Rings when the state or the buffered amount changed.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct Queues {
    phase: Phase,
    outbound: VecDeque<Message>,
    outbound_octets: usize,
    /// What SCTP holds of this channel, as of the task's last look.
    accepted: usize,
    low_threshold: usize,
    inbound: VecDeque<Message>,
    inbound_cost: usize,
    /// The task has stopped pulling because the reader is behind.
    held_back: bool,
}

/// What a message counts for, never more than all permits together: the largest message must be
/// able to go.
pub(super) fn cost(message: &Message) -> usize {
    (message.len() + MESSAGE_OVERHEAD).min(MAX_OUTBOUND)
}

/// What of a channel's queue went to SCTP in one go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    octets: usize,
    cost: usize,
}

impl Sent {
    /// Counts one message.
    pub(crate) fn add(&mut self, message: &Message) {
        self.octets += message.len();
        self.cost += cost(message);
    }
}

impl Line {
    /// For a new channel.
    pub(crate) fn new(
        id: ChannelId,
        info: ChannelInfo,
        state: ChannelState,
        shared: Arc<Shared>,
    ) -> Line {
        let queues = Queues {
            phase: state.into(),
            outbound: VecDeque::new(),
            outbound_octets: 0,
            accepted: 0,
            low_threshold: 0,
            inbound: VecDeque::new(),
            inbound_cost: 0,
            held_back: false,
        };
        Line {
            id,
            info,
            shared,
            queues: Mutex::new(queues),
            readable: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// The state of the channel.
    pub(crate) fn state(&self) -> ChannelState {
        lock(&self.queues).phase.into()
    }

    /// Octets of messages given and not yet acknowledged, or as W3C says: buffered.
    pub(super) fn buffered_amount(&self) -> usize {
        let queues = lock(&self.queues);
        queues.outbound_octets + queues.accepted
    }

    /// Whether the buffered amount is at or below the threshold.
    pub(super) fn is_low(&self) -> bool {
        let queues = lock(&self.queues);
        queues.outbound_octets + queues.accepted <= queues.low_threshold
    }

    pub(super) fn set_low_threshold(&self, threshold: usize) {
        lock(&self.queues).low_threshold = threshold;
        self.changed.notify_waiters();
    }

    // The handle's side.

    /// Gives a message to the task; its permits have been taken. Hands it back when the channel
    /// does not take messages (any more).
    pub(super) fn push_outbound(&self, message: Message) -> Result<(), Message> {
        let mut queues = lock(&self.queues);
        if !matches!(queues.phase, Phase::Connecting | Phase::Open) {
            return Err(message);
        }
        queues.outbound_octets += message.len();
        queues.outbound.push_back(message);
        // Otherwise the task knows already.
        let first = queues.outbound.len() == 1;
        drop(queues);
        if first {
            self.shared.ring(self.id);
        }
        Ok(())
    }

    /// The next message for the reader. `Err` when none will come.
    pub(super) fn pop_inbound(&self) -> Result<Option<Message>, Ended> {
        let mut queues = lock(&self.queues);
        let Some(message) = queues.inbound.pop_front() else {
            return match queues.phase {
                Phase::Closed => Err(Ended),
                _ => Ok(None),
            };
        };
        let cost = message.len() + MESSAGE_OVERHEAD;
        queues.inbound_cost -= cost;
        let pull = queues.held_back && queues.inbound_cost <= MAX_INBOUND_OF_CHANNEL / 2;
        if pull {
            queues.held_back = false;
        }
        let more = !queues.inbound.is_empty();
        drop(queues);
        self.shared.inbound_taken(cost);
        if pull {
            self.shared.ring(self.id);
        }
        if more {
            // For whoever else reads this channel.
            self.readable.notify_one();
        }
        Ok(Some(message))
    }

    /// Whether a reader would find a message, or the end.
    pub(super) fn is_readable(&self) -> bool {
        let queues = lock(&self.queues);
        !queues.inbound.is_empty() || queues.phase == Phase::Closed
    }

    /// The application wants no more of this channel.
    pub(super) fn begin_closing(&self) {
        let mut queues = lock(&self.queues);
        if !matches!(queues.phase, Phase::ClosingHere | Phase::Closed) {
            queues.phase = Phase::ClosingHere;
            drop(queues);
            self.changed.notify_waiters();
            self.shared.ring(self.id);
        }
    }

    // The task's side.

    /// The channel is open.
    pub(crate) fn set_open(&self) {
        let mut queues = lock(&self.queues);
        if queues.phase == Phase::Connecting {
            queues.phase = Phase::Open;
            drop(queues);
            self.changed.notify_waiters();
        }
    }

    /// The peer is closing the channel: nobody there would read what was not sent yet.
    pub(crate) fn set_closing(&self) {
        let mut queues = lock(&self.queues);
        if matches!(queues.phase, Phase::Connecting | Phase::Open) {
            queues.phase = Phase::ClosingThere;
        }
        self.forget_unsent(queues);
    }

    /// The channel is closed: what was not sent is gone, what was received can still be read.
    pub(crate) fn set_closed(&self) {
        let mut queues = lock(&self.queues);
        queues.phase = Phase::Closed;
        self.forget_unsent(queues);
        self.readable.notify_waiters();
        self.readable.notify_one();
    }

    fn forget_unsent(&self, mut queues: MutexGuard<'_, Queues>) {
        let unsent: usize = queues.outbound.drain(..).map(|message| cost(&message)).sum();
        queues.outbound_octets = 0;
        queues.accepted = 0;
        drop(queues);
        self.shared.permits.add_permits(unsent);
        self.changed.notify_waiters();
    }

    /// Takes the messages that wait to be sent, in exchange for an empty queue.
    pub(crate) fn take_outbound(&self, empty: &mut VecDeque<Message>) {
        std::mem::swap(&mut lock(&self.queues).outbound, empty);
    }

    /// After [`take_outbound`](Line::take_outbound): gives back the messages that SCTP has no room
    /// for, and notes what of this channel SCTP holds now. `sent` have been handed over (or
    /// refused for good). Answers whether the channel needs another look when packets arrive.
    pub(crate) fn settle(&self, left: &mut VecDeque<Message>, sent: Sent, accepted: usize) -> bool {
        let mut queues = lock(&self.queues);
        let before = queues.outbound_octets + queues.accepted;
        if queues.outbound.is_empty() {
            std::mem::swap(&mut queues.outbound, left);
        } else {
            while let Some(message) = left.pop_back() {
                queues.outbound.push_front(message);
            }
        }
        queues.outbound_octets = queues.outbound_octets.saturating_sub(sent.octets);
        queues.accepted = accepted;
        let after = queues.outbound_octets + queues.accepted;
        let became_low = before > queues.low_threshold && after <= queues.low_threshold;
        let more = after > 0 || !queues.outbound.is_empty();
        drop(queues);
        if sent.cost > 0 {
            self.shared.permits.add_permits(sent.cost);
        }
        if became_low {
            self.changed.notify_waiters();
        }
        more
    }

    /// Whether the application has closed the channel and all its messages are taken.
    pub(crate) fn wants_close(&self) -> bool {
        let queues = lock(&self.queues);
        queues.phase == Phase::ClosingHere && queues.outbound.is_empty()
    }

    /// Whether the reader can be given more. If not, it will ring when it can.
    pub(crate) fn takes_more(&self) -> bool {
        let mut queues = lock(&self.queues);
        queues.held_back = queues.inbound_cost >= MAX_INBOUND_OF_CHANNEL;
        !queues.held_back
    }

    /// Gives a message to the reader.
    pub(crate) fn push_inbound(&self, message: Message) {
        let cost = message.len() + MESSAGE_OVERHEAD;
        let mut queues = lock(&self.queues);
        queues.inbound_cost += cost;
        queues.inbound.push_back(message);
        drop(queues);
        self.shared.inbound_added(cost);
        self.readable.notify_one();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let queues = self.queues.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.shared.inbound_taken(queues.inbound_cost);
    }
}
