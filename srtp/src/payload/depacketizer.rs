//! Receiving: frames are put together from packets in order.
//!
//! ```text
//!                        first packet of a frame
//!          ┌─────────┐ ──────────────────────────► ┌────────┐ ──┐ next packet of
//!     ┌──► │ Between │                             │ Within │   │ the same frame
//!     │    └─────────┘ ◄────────────────────────── └────────┘ ◄─┘
//!     │         │        marker: the frame is whole     │
//!     │         │                                       │ lost, or a payload
//!     │         │ not the first packet of a frame       │ without sense
//!     │         ▼                                       │
//!     │    ┌──────────┐ ◄───────────────────────────────┘
//!     └─── │ Skipping │
//!  marker  └──────────┘
//! ```
//!
//! A packet with another timestamp ends the frame before it as a marker does (the marker may have
//! been forgotten); a frame that has been given up lasts as long.
//!
//! After a loss it is uncertain whether the next packet is the first of its frame. VP8 and VP9 say
//! so in each payload; H.264 and AV1 only show it (a parameter set, the first slice of a picture),
//! and what does not show it is skipped. Frames after a loss are delivered as they come, although
//! the decoder may need the lost one: the owner knows about the loss and tells the application.
//!
//! Invariants: what is delivered is whole; at most [`MAX_FRAME`] octets are held of a frame under
//! way and [`MAX_READY`] frames of those that are whole.

use std::collections::VecDeque;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use nom::error::ErrorKind;

use super::whole::Whole;
use super::{Codec, MAX_FRAME, av1, h264, vp8, vp9};
use crate::wire::ParseError;
use crate::{RtpTimestamp, rtp};

/// Frames that wait to be polled. A packet completes two at most; who does not poll loses the
/// oldest.
const MAX_READY: usize = 16;

/// One encoded frame, put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The encoded frame; see [`Codec`] for the form.
    pub payload: Bytes,
    /// Of its packets.
    pub timestamp: RtpTimestamp,
    /// Whether it can be decoded without any other. Always so for audio.
    pub is_keyframe: bool,
}

/// Puts frames together from packets in order of their sequence numbers.
#[derive(Debug)]
pub struct Depacketizer {
    format: Box<dyn Join>,
    buffer: Buffer,
    state: State,
    ready: VecDeque<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No frame is under way. `certain`: nothing is missing, so the next packet is the first of its
    /// frame.
    Between { certain: bool },
    /// All packets of this frame have come, up to here.
    Within { timestamp: RtpTimestamp },
    /// This frame has been given up. `certain`: nothing is missing since its last packet.
    Skipping { timestamp: RtpTimestamp, certain: bool },
}

impl Depacketizer {
    /// For one stream of `codec`, which may be joined in the middle of a frame.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let format: Box<dyn Join> = match codec {
            Codec::Opus => Box::new(Whole("Opus payload")),
            Codec::Pcmu | Codec::Pcma => Box::new(Whole("G.711 samples")),
            Codec::G722 => Box::new(Whole("G.722 samples")),
            Codec::Vp8 => Box::new(vp8::Joiner),
            Codec::Vp9 => Box::new(vp9::Joiner::default()),
            Codec::H264 => Box::new(h264::Joiner::default()),
            Codec::Av1 => Box::new(av1::Joiner::default()),
        };
        let buffer = Buffer::default();
        Self { format, buffer, state: State::Between { certain: false }, ready: VecDeque::new() }
    }

    /// Takes the next packet in order; [`Self::poll_frame`] may then have frames. One without
    /// payload (padding, sent to probe the path) changes nothing.
    ///
    /// # Errors
    /// The payload makes no sense, or the frame became too long; the frame it belongs to is given
    /// up. One that ended before this packet has been delivered all the same.
    // ANCHOR: push
    pub fn push(&mut self, packet: &rtp::Packet) -> Result<(), ParseError> {
        if packet.payload.is_empty() {
            return Ok(());
        }
        let timestamp = packet.header.timestamp;
        let ended = self.end_by_timestamp(timestamp);
        let result = self.take(timestamp, &packet.payload);
        let result = if packet.header.marker { result.and(self.end()) } else { result };
        ended.and(result)
    }
    // ANCHOR_END: push

    // ANCHOR: lost
    /// Packets are missing before the next one: the frame under way is given up.
    pub fn lost(&mut self) {
        self.state = match self.state {
            State::Between { .. } => State::Between { certain: false },
            State::Within { timestamp } => {
                self.give_up();
                State::Skipping { timestamp, certain: false }
            }
            State::Skipping { timestamp, .. } => State::Skipping { timestamp, certain: false },
        };
    }
    // ANCHOR_END: lost

    /// The next complete frame.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    /// Ends what is under way if it is of another frame than a packet with `timestamp`.
    fn end_by_timestamp(&mut self, timestamp: RtpTimestamp) -> Result<(), ParseError> {
        match self.state {
            State::Within { timestamp: under_way } if under_way != timestamp => self.end(),
            State::Skipping { timestamp: skipped, certain } if skipped != timestamp => {
                self.state = State::Between { certain };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, timestamp: RtpTimestamp, payload: &Bytes) -> Result<(), ParseError> {
        let appended = match self.state {
            State::Skipping { timestamp, .. } => {
                self.state = State::Skipping { timestamp, certain: true };
                return Ok(());
            }
            State::Between { certain: false } => match self.format.begins_frame(payload) {
                Ok(false) => {
                    self.state = State::Skipping { timestamp, certain: true };
                    return Ok(());
                }
                Ok(true) => self.format.append(payload, &mut self.buffer),
                Err(error) => Err(error),
            },
            State::Between { certain: true } | State::Within { .. } => {
                self.format.append(payload, &mut self.buffer)
            }
        };
        self.state = State::Within { timestamp };
        if appended.is_err() {
            self.give_up();
            self.state = State::Skipping { timestamp, certain: true };
        } else if self.format.packet_is_frame() {
            return self.end();
        }
        appended
    }

    /// The packet taken last was the last one of its frame.
    fn end(&mut self) -> Result<(), ParseError> {
        let state = std::mem::replace(&mut self.state, State::Between { certain: true });
        let State::Within { timestamp } = state else { return Ok(()) };
        let (payload, is_keyframe) = self.format.end(std::mem::take(&mut self.buffer))?;
        if self.ready.len() == MAX_READY {
            self.ready.pop_front();
        }
        self.ready.push_back(Frame { payload, timestamp, is_keyframe });
        Ok(())
    }

    fn give_up(&mut self) {
        self.buffer = Buffer::default();
        self.format.give_up();
    }
}

/// One payload format, receiving. Frames do not overlap: what is appended is of one frame until it
/// ends or is given up.
pub(super) trait Join: Debug + Send + Sync {
    /// Whether this payload shows that it is the first of its frame.
    fn begins_frame(&self, payload: &Bytes) -> Result<bool, ParseError>;

    /// Appends what the payload has of the frame.
    fn append(&mut self, payload: &Bytes, frame: &mut Buffer) -> Result<(), ParseError>;

    /// The frame, if it is whole, and whether it can be decoded alone.
    fn end(&mut self, frame: Buffer) -> Result<(Bytes, bool), ParseError>;

    /// Forgets what it knows of the frame under way.
    fn give_up(&mut self) {}

    /// Whether each packet is a frame of its own.
    fn packet_is_frame(&self) -> bool {
        false
    }
}

/// The octets of a frame under way, at most [`MAX_FRAME`].
#[derive(Debug, Default)]
pub(super) struct Buffer {
    octets: BytesMut,
}

impl Buffer {
    pub(super) fn extend(&mut self, octets: &[u8]) -> Result<(), ParseError> {
        if octets.len() > MAX_FRAME - self.octets.len() {
            let left = octets.len();
            return Err(ParseError { field: "frame", kind: ErrorKind::TooLarge, left });
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    pub(super) fn freeze(self) -> Bytes {
        self.octets.freeze()
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::testing::{frames, hex, octets, packet};
    use super::*;

    /// VP8 in one letter: a packet that begins a frame, one that goes on, with or without marker.
    fn push(depacketizer: &mut Depacketizer, timestamp: u32, kind: &str) {
        let (payload, marker) = match kind {
            "first" => ("10 00", false),
            "next" => ("00 01", false),
            "last" => ("00 02", true),
            _ => ("10 03", true),
        };
        depacketizer.push(&packet(timestamp, marker, hex(payload))).unwrap();
    }

    fn timestamps(depacketizer: &mut Depacketizer) -> Vec<u32> {
        frames(depacketizer).into_iter().map(|frame| frame.timestamp.0).collect()
    }

    #[test]
    fn a_marker_or_a_timestamp_ends_a_frame() {
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        push(&mut depacketizer, 1, "first");
        push(&mut depacketizer, 1, "last");
        assert_eq!(timestamps(&mut depacketizer), [1]);
        push(&mut depacketizer, 2, "first");
        push(&mut depacketizer, 2, "next");
        push(&mut depacketizer, 3, "whole");
        assert_eq!(timestamps(&mut depacketizer), [2, 3]);
    }

    #[test]
    fn a_loss_gives_up_the_frame_under_way_and_no_other() {
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        push(&mut depacketizer, 1, "first");
        depacketizer.lost();
        push(&mut depacketizer, 1, "last");
        push(&mut depacketizer, 2, "whole");
        assert_eq!(timestamps(&mut depacketizer), [2]);
        // The end of one and the beginning of another are missing.
        push(&mut depacketizer, 3, "first");
        depacketizer.lost();
        push(&mut depacketizer, 4, "next");
        push(&mut depacketizer, 4, "last");
        push(&mut depacketizer, 5, "whole");
        assert_eq!(timestamps(&mut depacketizer), [5]);
        // Only the end of one is missing, or a whole frame.
        push(&mut depacketizer, 6, "first");
        depacketizer.lost();
        push(&mut depacketizer, 7, "whole");
        depacketizer.lost();
        push(&mut depacketizer, 9, "whole");
        assert_eq!(timestamps(&mut depacketizer), [7, 9]);
    }

    #[test]
    fn a_stream_is_joined_in_the_middle_of_a_frame() {
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        push(&mut depacketizer, 1, "next");
        push(&mut depacketizer, 1, "last");
        push(&mut depacketizer, 2, "whole");
        assert_eq!(timestamps(&mut depacketizer), [2]);
    }

    #[test]
    fn trap_padding_only_packets_do_no_harm() {
        for codec in Codec::ALL {
            let mut depacketizer = Depacketizer::new(codec);
            assert_eq!(depacketizer.push(&packet(1, true, Bytes::new())), Ok(()));
            assert_eq!(depacketizer.poll_frame(), None);
        }
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        push(&mut depacketizer, 1, "first");
        depacketizer.push(&packet(0, false, Bytes::new())).unwrap();
        push(&mut depacketizer, 1, "last");
        assert_eq!(timestamps(&mut depacketizer), [1]);
    }

    #[test]
    fn a_frame_without_end_is_given_up() {
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        push(&mut depacketizer, 1, "first");
        let huge = Bytes::from(vec![0; 60_000]);
        let mut errors = 0;
        for _ in 0..MAX_FRAME / huge.len() + 10 {
            errors += u32::from(depacketizer.push(&packet(1, false, huge.clone())).is_err());
            assert!(depacketizer.buffer.len() <= MAX_FRAME);
        }
        assert_eq!(errors, 1);
        push(&mut depacketizer, 1, "last");
        push(&mut depacketizer, 2, "whole");
        assert_eq!(timestamps(&mut depacketizer), [2]);
    }

    #[test]
    fn frames_nobody_polls_are_bounded() {
        let mut depacketizer = Depacketizer::new(Codec::Opus);
        for timestamp in 0..100 {
            depacketizer.push(&packet(timestamp, false, hex("aa"))).unwrap();
        }
        let kept = timestamps(&mut depacketizer);
        assert_eq!((kept.len(), kept.last()), (MAX_READY, Some(&99)));
    }

    proptest! {
        #[test]
        fn never_panics(
            codec in 0..Codec::ALL.len(),
            packets in vec((0..4_u32, any::<bool>(), any::<bool>(), octets(0..60)), 0..40),
        ) {
            let codec = Codec::ALL[codec];
            let mut depacketizer = Depacketizer::new(codec);
            for (timestamp, marker, lost, payload) in packets {
                if lost {
                    depacketizer.lost();
                }
                let _ = super::super::begins_keyframe(codec, &payload);
                let _ = depacketizer.push(&packet(timestamp, marker, payload));
                for frame in frames(&mut depacketizer) {
                    let _ = super::super::dimensions(codec, &frame.payload);
                }
            }
        }

        #[test]
        fn audio_is_taken_as_it_comes(codec in 0..4_usize, all in vec(octets(1..300), 1..5)) {
            super::super::testing::cut_and_joined(Codec::ALL[codec], &all, 100);
        }
    }
}
