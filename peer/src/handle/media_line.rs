//! What a transceiver's handles and the task share: what was received, and what the peer wants.
//!
//! Media is not like data: nobody wants it late. A reader that falls behind loses the oldest, and
//! the network never waits for it.
//!
//! Book: "The pump".

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::shared::lock;
use crate::media::{MediaKind, Received, Rid, TransceiverId};

/// The most frames and packets that wait for the reader of one transceiver: two seconds of video
/// at some 4 Mbit/s.
const MAX_INBOUND: usize = 1024;

/// The most octets of them: a few large keyframes.
const MAX_INBOUND_OCTETS: usize = 4 << 20;

/// The most layers a keyframe is wanted of at once.
const MAX_KEYFRAME_REQUESTS: usize = 8;

/// One transceiver, as its handles and the task know it.
#[derive(Debug)]
pub(crate) struct MediaLine {
    pub(super) id: TransceiverId,
    pub(super) kind: MediaKind,
    inbound: Mutex<Inbound>,
    inbound_bell: Notify,
    wanted: Mutex<Vec<Option<Rid>>>,
    wanted_bell: Notify,
}

#[derive(Debug, Default)]
struct Inbound {
    queue: VecDeque<Received>,
    octets: usize,
    /// What the reader was too slow for.
    lost: u64,
    closed: bool,
}

impl MediaLine {
    pub(crate) fn new(id: TransceiverId, kind: MediaKind) -> MediaLine {
        MediaLine {
            id,
            kind,
            inbound: Mutex::default(),
            inbound_bell: Notify::new(),
            wanted: Mutex::default(),
            wanted_bell: Notify::new(),
        }
    }

    /// Gives the reader something; what is oldest makes room for it.
    pub(crate) fn push_inbound(&self, received: Received) {
        let mut inbound = lock(&self.inbound);
        if inbound.closed {
            return;
        }
        inbound.octets += received.len();
        inbound.queue.push_back(received);
        while inbound.queue.len() > MAX_INBOUND || inbound.octets > MAX_INBOUND_OCTETS {
            let Some(oldest) = inbound.queue.pop_front() else { break };
            inbound.octets -= oldest.len();
            inbound.lost += 1;
        }
        drop(inbound);
        self.inbound_bell.notify_one();
    }

    /// The next frame or packet; `None` once the transceiver is over and all was taken.
    pub(super) async fn recv(&self) -> Option<Received> {
        loop {
            {
                let mut inbound = lock(&self.inbound);
                if let Some(received) = inbound.queue.pop_front() {
                    inbound.octets -= received.len();
                    if !inbound.queue.is_empty() || inbound.closed {
                        // For whoever else waits.
                        self.inbound_bell.notify_one();
                    }
                    return Some(received);
                }
                if inbound.closed {
                    self.inbound_bell.notify_one();
                    return None;
                }
            }
            self.inbound_bell.notified().await;
        }
    }

    /// What the reader was too slow for, frames and packets.
    pub(super) fn lost(&self) -> u64 {
        lock(&self.inbound).lost
    }

    /// The peer wants a keyframe.
    pub(crate) fn want_keyframe(&self, rid: Option<Rid>) {
        let mut wanted = lock(&self.wanted);
        if wanted.len() < MAX_KEYFRAME_REQUESTS && !wanted.contains(&rid) {
            wanted.push(rid);
        }
        drop(wanted);
        self.wanted_bell.notify_one();
    }

    /// The layer of which the peer wants a keyframe; `None` once the transceiver is over.
    pub(super) async fn keyframe_wanted(&self) -> Option<Option<Rid>> {
        loop {
            {
                let mut wanted = lock(&self.wanted);
                if !wanted.is_empty() {
                    let rid = wanted.remove(0);
                    if !wanted.is_empty() {
                        self.wanted_bell.notify_one();
                    }
                    return Some(rid);
                }
            }
            if lock(&self.inbound).closed {
                self.wanted_bell.notify_one();
                return None;
            }
            self.wanted_bell.notified().await;
        }
    }

    /// The transceiver is over: its reader gets what is left.
    pub(crate) fn close(&self) {
        lock(&self.inbound).closed = true;
        self.inbound_bell.notify_one();
        self.wanted_bell.notify_one();
    }
}

impl Received {
    /// Octets of its payload.
    fn len(&self) -> usize {
        match self {
            Received::Frame(frame) => frame.payload.len(),
            Received::Packet(packet) => packet.payload.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use bytes::Bytes;
    use srtp::{RtpTimestamp, Ssrc};

    use super::*;
    use crate::media::{Codec, MediaPacket};

    fn line() -> MediaLine {
        MediaLine::new(TransceiverId(0), MediaKind::Video)
    }

    fn packet(sequence_number: u64, octets: usize) -> Received {
        Received::Packet(Arc::new(MediaPacket {
            codec: Codec::Vp8,
            rid: None,
            ssrc: Ssrc(1),
            sequence_number,
            timestamp: RtpTimestamp(0),
            marker: false,
            audio_level: None,
            begins_keyframe: false,
            received_at: Instant::now(),
            payload: Bytes::from(vec![0; octets]),
        }))
    }

    async fn number(line: &MediaLine) -> Option<u64> {
        match line.recv().await? {
            Received::Packet(packet) => Some(packet.sequence_number),
            Received::Frame(_) => None,
        }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest() {
        let line = line();
        for sequence_number in 0..MAX_INBOUND as u64 + 10 {
            line.push_inbound(packet(sequence_number, 1));
        }
        assert_eq!(line.lost(), 10);
        assert_eq!(number(&line).await, Some(10));
    }

    #[tokio::test]
    async fn octets_are_bounded_too() {
        let line = line();
        for sequence_number in 0..10 {
            line.push_inbound(packet(sequence_number, MAX_INBOUND_OCTETS / 4));
        }
        assert_eq!(number(&line).await, Some(6));
    }

    #[tokio::test]
    async fn after_the_end_what_is_left_is_delivered() {
        let line = line();
        line.push_inbound(packet(7, 1));
        line.close();
        line.push_inbound(packet(8, 1));
        assert_eq!(number(&line).await, Some(7));
        assert_eq!(number(&line).await, None);
        assert_eq!(line.keyframe_wanted().await, None);
    }

    #[tokio::test]
    async fn keyframe_requests_of_a_layer_are_one() {
        let line = line();
        let high = Some(Rid("h".into()));
        line.want_keyframe(None);
        line.want_keyframe(high.clone());
        line.want_keyframe(None);
        assert_eq!(line.keyframe_wanted().await, Some(None));
        assert_eq!(line.keyframe_wanted().await, Some(high));
        line.close();
        assert_eq!(line.keyframe_wanted().await, None);
    }
}
