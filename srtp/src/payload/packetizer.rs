//! Sending: a frame is cut into payloads.
//!
//! Each payload format implements [`Cut`]; what they share is here: which format, the limits, and
//! the marker bit, which for video is set on the last packet of a frame (RFC 3551 §5) and for audio
//! on none, as nothing is left out in silence (RFC 3551 §4.1).
//!
//! Invariants: no payload is empty; none is longer than it may be, unless it is audio (which cannot
//! be cut) or H.264 in mode 0.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};

use super::whole::Whole;
use super::{Codec, MAX_FRAME, av1, h264, vp8, vp9};

/// What one packet carries of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The payload: payload descriptor and a piece of the frame.
    pub payload: Bytes,
    /// The marker bit of its packet.
    pub marker: bool,
}

/// The least a payload may hold. A smaller `max_payload` counts as this: the longest descriptor
/// must leave room for the frame. (No path carries so little: IPv4 alone promises 68 octets.)
const MIN_PAYLOAD: usize = 16;

/// The most a payload may hold: more does not fit into a UDP datagram.
const MAX_PAYLOAD: usize = 65_000;

/// Cuts frames into payloads.
#[derive(Debug)]
pub struct Packetizer {
    format: Box<dyn Cut>,
    is_audio: bool,
}

impl Packetizer {
    /// For one stream of `codec`; H.264 in packetization mode 1.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self::with_picture_id(codec, 0)
    }

    /// The same with the number of the first picture, which VP8 and VP9 carry. It should be random
    /// (RFC 7741 §4.2, RFC 9628 §4.2), as the sequence number is.
    #[must_use]
    pub fn with_picture_id(codec: Codec, first: u16) -> Self {
        let format: Box<dyn Cut> = match codec {
            Codec::Opus => Box::new(Whole("Opus payload")),
            Codec::Pcmu | Codec::Pcma => Box::new(Whole("G.711 samples")),
            Codec::G722 => Box::new(Whole("G.722 samples")),
            Codec::Vp8 => Box::new(vp8::Cutter::new(first)),
            Codec::Vp9 => Box::new(vp9::Cutter::new(first)),
            Codec::H264 => Box::new(h264::Cutter::non_interleaved()),
            Codec::Av1 => Box::new(av1::Cutter),
        };
        Self { format, is_audio: codec.is_audio() }
    }

    /// For one stream of H.264 in packetization mode 0 (RFC 6184 §6.2): each packet is one NAL
    /// unit. One longer than `max_payload` cannot be cut and goes out as it is, for IP to fragment.
    #[must_use]
    pub fn single_nal_units() -> Self {
        Self { format: Box::new(h264::Cutter::single_nal_units()), is_audio: false }
    }

    /// Cuts one encoded frame into payloads of at most `max_payload` octets, in order.
    ///
    /// An audio frame is one payload, however long it is. A frame that is empty, longer than
    /// [`MAX_FRAME`] or not of the form that [`Codec`] asks for gives no payloads.
    pub fn packetize(&mut self, frame: &Bytes, max_payload: usize) -> Vec<Fragment> {
        if frame.is_empty() || frame.len() > MAX_FRAME {
            return Vec::new();
        }
        let mut payloads = Payloads::default();
        self.format.cut(frame, max_payload.clamp(MIN_PAYLOAD, MAX_PAYLOAD), &mut payloads);
        let last = payloads.finished.len().saturating_sub(1);
        let marker = |index| !self.is_audio && index == last;
        payloads
            .finished
            .into_iter()
            .enumerate()
            .map(|(index, payload)| Fragment { payload, marker: marker(index) })
            .collect()
    }
}

/// One payload format, sending.
pub(super) trait Cut: Debug + Send + Sync {
    /// Cuts `frame`, which is not empty, into payloads of at most `max` octets.
    fn cut(&mut self, frame: &Bytes, max: usize, payloads: &mut Payloads);
}

/// The payloads of a frame while it is cut. They share one buffer.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    /// What the payload under way holds so far.
    pub(super) current: BytesMut,
    finished: Vec<Bytes>,
}

impl Payloads {
    /// The payload under way is complete.
    pub(super) fn end(&mut self) {
        self.finished.push(self.current.split().freeze());
    }

    /// All that are complete.
    #[cfg(test)]
    pub(super) fn into_finished(self) -> Vec<Bytes> {
        self.finished
    }

    /// One that needs no copy.
    pub(super) fn push(&mut self, payload: Bytes) {
        self.finished.push(payload);
    }
}

/// Pieces of at most `room` octets, all about as long: a short last one would waste a packet's
/// headers, and the longest is what is most likely lost.
pub(super) fn pieces(octets: &[u8], room: usize) -> impl ExactSizeIterator<Item = &[u8]> {
    let count = octets.len().div_ceil(room.max(1)).max(1);
    octets.chunks(octets.len().div_ceil(count).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_about_as_long() {
        let lengths =
            |octets: &[u8], room| pieces(octets, room).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[0; 10], 4), [4, 4, 2]);
        assert_eq!(lengths(&[0; 9], 4), [3, 3, 3]);
        assert_eq!(lengths(&[0; 4], 4), [4]);
        assert_eq!(lengths(&[0; 3], 0), [1, 1, 1]);
        assert!(lengths(&[], 4).is_empty());
    }

    #[test]
    fn no_frame_no_payloads() {
        for codec in Codec::ALL {
            let mut packetizer = Packetizer::new(codec);
            assert!(packetizer.packetize(&Bytes::new(), 1200).is_empty());
            let huge = Bytes::from(vec![0; MAX_FRAME + 1]);
            assert!(packetizer.packetize(&huge, 1200).is_empty());
        }
    }
}
