//! What a transceiver has received and the application has not taken yet.
//!
//! Live media does not wait: when the queue is full the oldest is dropped, and counted. A reader
//! that comes back finds the newest second, not the oldest.
//! Book: the chapter on feedback.

use std::collections::VecDeque;

use super::{ReceiveMode, Received};

/// Frames and packets of one transceiver: a second of audio frames and of HD video's packets.
const MAX_RECEIVED: usize = 512;

/// The queue of one transceiver.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) mode: ReceiveMode,
    queue: VecDeque<Received>,
    octets: usize,
    /// Whether there is news to tell: something came into an empty queue.
    is_news: bool,
    /// Whether it was told, and the queue not emptied since.
    is_told: bool,
    pub(crate) dropped: u64,
}

impl Delivery {
    /// Puts something into the queue; at most `room` octets may be in it then.
    pub(crate) fn push(&mut self, received: Received, room: usize) {
        self.octets += octets(&received);
        self.queue.push_back(received);
        while self.queue.len() > MAX_RECEIVED || self.octets > room {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.octets -= octets(&oldest);
            self.dropped += 1;
        }
        self.is_news = !self.is_told && !self.queue.is_empty();
    }

    /// The oldest. `None` lets the next one be told again.
    pub(crate) fn pop(&mut self) -> Option<Received> {
        let received = self.queue.pop_front();
        match &received {
            Some(received) => self.octets -= octets(received),
            None => (self.is_news, self.is_told) = (false, false),
        }
        received
    }

    /// Whether to tell that there is something; once.
    pub(crate) fn take_news(&mut self) -> bool {
        let is_news = std::mem::take(&mut self.is_news);
        self.is_told |= is_news;
        is_news
    }

    /// Octets that wait.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.octets = 0;
    }
}

/// What an item holds: its payload, and what belongs to it.
fn octets(received: &Received) -> usize {
    const ITEM: usize = 128;
    ITEM + match received {
        Received::Frame(frame) => frame.payload.len(),
        Received::Packet(packet) => packet.payload.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use srtp::{RtpTimestamp, Ssrc};

    use super::*;
    use crate::media::{Codec, MediaFrame};

    fn frame(timestamp: u32, octets: usize) -> Received {
        Received::Frame(MediaFrame {
            codec: Codec::Opus,
            rid: None,
            ssrc: Ssrc(1),
            timestamp: RtpTimestamp(timestamp),
            is_keyframe: true,
            after_loss: false,
            received_at: Instant::now(),
            payload: vec![0; octets].into(),
        })
    }

    #[test]
    fn told_once_until_it_is_empty() {
        let mut delivery = Delivery::default();
        delivery.push(frame(1, 10), 10_000);
        assert!(delivery.take_news());
        delivery.push(frame(2, 10), 10_000);
        assert!(!delivery.take_news());
        assert!(delivery.pop().is_some() && delivery.pop().is_some());
        delivery.push(frame(3, 10), 10_000);
        assert!(!delivery.take_news(), "the reader has not seen the end");
        assert!(delivery.pop().is_some() && delivery.pop().is_none());
        delivery.push(frame(4, 10), 10_000);
        assert!(delivery.take_news());
    }

    #[test]
    fn row_03_the_oldest_is_dropped() {
        let mut delivery = Delivery::default();
        for number in 0..10_000 {
            delivery.push(frame(number, 1000), 100_000);
            assert!(delivery.octets() <= 100_000 && delivery.queue.len() <= MAX_RECEIVED);
        }
        let Some(Received::Frame(newest)) = delivery.queue.back() else { panic!() };
        assert_eq!(newest.timestamp, RtpTimestamp(9999));
        assert_eq!(delivery.dropped + u64::try_from(delivery.queue.len()).unwrap(), 10_000);
    }
}
