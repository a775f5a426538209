//! Skipping what was given up: the Advanced Peer Ack Point and FORWARD-TSN (RFC 3758 §3.5).
//!
//! ```text
//!   cumulative      point
//!       │ Abandoned Acked Acked Abandoned │ Acked │ InFlight ...
//!       └─────── FORWARD-TSN skips ───────┘
//! ```
//!
//! The point moves over abandoned chunks, and over acknowledged ones if an abandoned one follows:
//! between two abandoned messages lie only whole messages, so nothing half received is skipped.
//! How far was looked is remembered; each chunk is looked at once.

use std::collections::VecDeque;

use super::sent::{Fate, Sent};
use crate::wire::{SkippedStream, StreamId};

/// The point and the ordered messages it skips.
#[derive(Debug)]
pub(crate) struct Forward {
    /// Position up to which the remote endpoint shall wait for nothing.
    point: u64,
    /// Position up to which the chunks were looked at.
    seen: u64,
    /// Position of the last chunk that was abandoned.
    last_abandoned: u64,
    /// The point may be able to move.
    stale: bool,
    due: bool,
    streams: Vec<SkippedStream>,
    max_streams: usize,
}

impl Forward {
    pub(crate) fn new(max_streams: usize) -> Self {
        Self {
            point: 0,
            seen: 0,
            last_abandoned: 0,
            stale: false,
            due: false,
            streams: Vec::new(),
            max_streams,
        }
    }

    /// The chunks from behind position `before` to `last` were abandoned.
    pub(crate) fn abandoned(&mut self, before: u64, last: u64) {
        self.seen = self.seen.min(before);
        self.last_abandoned = self.last_abandoned.max(last);
        self.stale = true;
    }

    /// Rule C3: each SACK that has not caught up is answered with a FORWARD-TSN.
    pub(crate) fn sack_arrived(&mut self, cumulative: u64) {
        // What was acknowledged may let the point move on.
        self.stale |= self.last_abandoned > self.point.max(cumulative);
        self.due |= self.point > cumulative;
    }

    /// The FORWARD-TSN may have been lost, and what was acknowledged may be doubted.
    pub(crate) fn timed_out(&mut self, cumulative: u64) {
        self.seen = self.point.max(cumulative);
        self.stale = true;
        self.due |= self.point > cumulative;
    }

    pub(crate) fn may_be_due(&self) -> bool {
        self.stale || self.due
    }

    pub(crate) fn streams(&self) -> &[SkippedStream] {
        &self.streams
    }

    /// The point, if a FORWARD-TSN is to be sent now.
    pub(crate) fn take_due(&mut self, cumulative: u64) -> Option<u64> {
        let due = std::mem::take(&mut self.due);
        (due && self.point > cumulative).then_some(self.point)
    }

    /// The FORWARD-TSN did not fit into its packet.
    pub(crate) fn again(&mut self) {
        self.due = true;
    }

    /// Rules C1 and C2: moves the point as far as it goes.
    pub(crate) fn advance(&mut self, cumulative: u64, chunks: &VecDeque<Sent>) {
        self.stale = false;
        if self.point <= cumulative {
            self.point = cumulative;
            self.streams.clear();
        }
        self.seen = self.seen.max(self.point);
        let skip = usize::try_from(self.seen.saturating_sub(cumulative)).unwrap_or(usize::MAX);
        for sent in chunks.range(skip.min(chunks.len())..) {
            match sent.fate {
                Fate::Abandoned if self.skip(sent) => {
                    self.seen = self.seen.saturating_add(1);
                    self.point = self.seen;
                    self.due = true;
                }
                Fate::Acked => self.seen = self.seen.saturating_add(1),
                _ => break,
            }
        }
    }

    /// Lists the ordered message to be skipped; `false`: no room for one more stream.
    fn skip(&mut self, sent: &Sent) -> bool {
        if sent.unordered {
            return true;
        }
        let listed =
            |stream: StreamId| move |skipped: &&mut SkippedStream| skipped.stream == stream;
        if let Some(skipped) = self.streams.iter_mut().find(listed(sent.stream)) {
            skipped.ssn = sent.ssn;
            return true;
        }
        if self.streams.len() >= self.max_streams {
            return false;
        }
        self.streams.push(SkippedStream { stream: sent.stream, ssn: sent.ssn });
        true
    }
}
