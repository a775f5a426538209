//! What the tests of all payload formats do: cut, join, listen (only in tests).

use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;

use super::descriptor::PictureId;
use super::packetizer::Payloads;
use super::{Codec, Depacketizer, Frame, Packetizer};
use crate::rtp::{Extensions, Header, Packet};
use crate::wire::ParseError;
use crate::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// Octets of a string of hexadecimal digits; blanks do not count.
pub(super) fn hex(digits: &str) -> Bytes {
    let digits: Vec<u8> =
        digits.chars().filter_map(|c| c.to_digit(16)).map(|d| d.try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Arbitrary octets, `lengths` many.
pub(super) fn octets(lengths: Range<usize>) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), lengths).prop_map(Bytes::from)
}

/// A picture id of either length.
pub(super) fn picture_id() -> impl Strategy<Value = PictureId> {
    prop_oneof![
        (0..0x80_u8).prop_map(PictureId::SevenBits),
        (0..0x8000_u16).prop_map(PictureId::FifteenBits)
    ]
}

/// The payloads cut so far.
pub(super) fn taken(payloads: Payloads) -> Vec<Bytes> {
    payloads.into_finished()
}

pub(super) fn packet(timestamp: u32, marker: bool, payload: Bytes) -> Packet {
    Packet {
        header: Header {
            marker,
            payload_type: PayloadType(96),
            sequence_number: SequenceNumber(0),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(1),
            csrcs: Vec::new(),
            extensions: Extensions::default(),
        },
        payload,
        padding: 0,
    }
}

/// The frames of packets with one timestamp, each given as hexadecimal payload and marker; or the
/// first error.
pub(super) fn received(codec: Codec, packets: &[(&str, bool)]) -> Result<Vec<Bytes>, ParseError> {
    let mut depacketizer = Depacketizer::new(codec);
    for (payload, marker) in packets {
        depacketizer.push(&packet(1, *marker, hex(payload)))?;
    }
    Ok(frames(&mut depacketizer).into_iter().map(|frame| frame.payload).collect())
}

pub(super) fn frames(depacketizer: &mut Depacketizer) -> Vec<Frame> {
    std::iter::from_fn(|| depacketizer.poll_frame()).collect()
}

/// Cuts frames into payloads of `max` octets, checks what every payload must be, and puts them
/// together again.
pub(super) fn cut(codec: Codec, frames_in: &[Bytes], max: usize) -> Vec<Frame> {
    let mut packetizer = Packetizer::new(codec);
    let mut depacketizer = Depacketizer::new(codec);
    let mut frames_out = Vec::new();
    for (timestamp, frame) in (0..).zip(frames_in) {
        let fragments = packetizer.packetize(frame, max);
        let last = fragments.len() - 1;
        for (index, fragment) in fragments.into_iter().enumerate() {
            assert!(!fragment.payload.is_empty());
            assert!(codec.is_audio() || fragment.payload.len() <= max.max(16));
            assert_eq!(fragment.marker, index == last && !codec.is_audio());
            let packet = packet(timestamp, fragment.marker, fragment.payload);
            let explained = tap::explain(&packet.payload, || depacketizer.push(&packet));
            assert_eq!(explained.0, Ok(()));
            assert_eq!(tap::tile(&explained.1, packet.payload.len()), Ok(()));
            frames_out.extend(frames(&mut depacketizer));
        }
    }
    frames_out
}

/// Frames that are cut are put together again as they were.
pub(super) fn cut_and_joined(codec: Codec, frames: &[Bytes], max: usize) {
    let joined: Vec<Bytes> = cut(codec, frames, max).into_iter().map(|f| f.payload).collect();
    assert_eq!(joined, frames);
}

/// What `parse` reads of `buffer`, if it does, it names octet by octet.
pub(super) fn tiles(buffer: &Bytes, parse: impl FnOnce() -> bool) {
    let (parsed, fields) = tap::explain(buffer, parse);
    if parsed {
        assert_eq!(tap::tile(&fields, buffer.len()), Ok(()));
    }
}
