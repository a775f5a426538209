//! HEARTBEAT: is the path alive, and how long is it (RFC 9260 §8.3).
//!
//! Sent when nothing else was for a while, and not while DATA is outstanding, which tells more.
//! In WebRTC the answer keeps no one alive (ICE consent does, RFC 7675), but it measures the round
//! trip of an idle association, so that the first loss afterwards is noticed in time.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::Heartbeat;

/// When the next one is due, and which one is unanswered.
#[derive(Debug)]
pub(crate) struct HeartbeatTimer {
    interval: Option<Duration>,
    deadline: Option<Instant>,
    /// The last one's number and when it left.
    unanswered: Option<(u64, Instant)>,
}

impl HeartbeatTimer {
    pub(crate) fn new(now: Instant, interval: Option<Duration>) -> Self {
        let deadline = interval.map(|interval| now + interval);
        Self { interval, deadline, unanswered: None }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// DATA was sent or acknowledged: no need to ask for a while.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.deadline = self.interval.map(|interval| now + interval);
    }

    /// Whether one is due; the next is then due an interval later.
    pub(crate) fn expired(&mut self, now: Instant) -> bool {
        let expired = self.deadline.is_some_and(|deadline| now >= deadline);
        if expired {
            self.postpone(now);
        }
        expired
    }

    /// Whether the last one was answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.unanswered.is_none()
    }

    /// The chunk to send; `number` must not be guessable (RFC 9260 §8.3: "a random nonce").
    pub(crate) fn chunk(&mut self, now: Instant, number: u64) -> Heartbeat {
        self.unanswered = Some((number, now));
        Heartbeat { information: Bytes::copy_from_slice(&number.to_be_bytes()) }
    }

    /// The time since the heartbeat that this acknowledges, if it is the last one.
    pub(crate) fn acknowledged(&mut self, now: Instant, information: &[u8]) -> Option<Duration> {
        let (number, sent) = self.unanswered?;
        if information != number.to_be_bytes() {
            return None;
        }
        self.unanswered = None;
        Some(now.saturating_duration_since(sent))
    }
}
