//! How the frames of each codec travel in RTP packets: one short file per payload format, the
//! packetizer beside the depacketizer.
//!
//! Book: the chapter on RTP.

use bytes::Bytes;

use crate::{RtpTimestamp, rtp};

/// A codec with the clock of its RTP timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// RFC 7587; 48,000 Hz, always said to be stereo.
    Opus,
    /// G.711 µ-law, RFC 3551 §4.5.14; 8,000 Hz.
    Pcmu,
    /// G.711 A-law, RFC 3551 §4.5.14; 8,000 Hz.
    Pcma,
    /// RFC 3551 §4.5.2; 8,000 Hz on the wire although it samples at 16,000.
    G722,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184. Frames are in Annex B form: start codes between NAL units.
    H264,
    /// AV1 RTP payload specification 1.0. Frames are temporal units in the low-overhead format,
    /// every OBU with its size, without temporal delimiters.
    Av1,
}

/// What one packet carries of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The payload: payload descriptor and a piece of the frame.
    pub payload: Bytes,
    /// The marker bit of its packet.
    pub marker: bool,
}

/// Cuts frames into payloads.
#[derive(Debug)]
pub struct Packetizer {}

impl Packetizer {
    /// For one stream of `codec`.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let _ = codec;
        Self {}
    }

    /// Cuts one encoded frame into payloads of at most `max_payload` octets, in order.
    pub fn packetize(&mut self, frame: &Bytes, max_payload: usize) -> Vec<Fragment> {
        let _ = (frame, max_payload);
        Vec::new()
    }
}

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
pub struct Depacketizer {}

impl Depacketizer {
    /// For one stream of `codec`.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let _ = codec;
        Self {}
    }

    /// Takes the next packet in order; [`Self::poll_frame`] may then have frames.
    ///
    /// # Errors
    /// The payload makes no sense; the frame it belongs to is given up.
    pub fn push(&mut self, packet: &rtp::Packet) -> Result<(), crate::wire::ParseError> {
        let _ = packet;
        Ok(())
    }

    /// Packets are missing before the next one: the frame under way is given up.
    pub fn lost(&mut self) {}

    /// The next complete frame.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        None
    }
}

/// Whether a frame that can be decoded alone begins in this payload: where a forwarder may begin.
#[must_use]
pub fn begins_keyframe(codec: Codec, payload: &[u8]) -> bool {
    let _ = (codec, payload);
    false
}

/// Width and height of a keyframe, in pixels, as its bitstream says.
#[must_use]
pub fn dimensions(codec: Codec, keyframe: &[u8]) -> Option<(u16, u16)> {
    let _ = (codec, keyframe);
    None
}
