//! VP8, RFC 7741: a descriptor in front of each piece of a frame.
//!
//! ```text
//!      0 1 2 3 4 5 6 7
//!     +-+-+-+-+-+-+-+-+
//!     |X|R|N|S|R| PID | (REQUIRED)         S: a partition begins here; with PID 0 the frame
//!     +-+-+-+-+-+-+-+-+
//! X:  |I|L|T|K| RSV   | (OPTIONAL)         §4.2
//!     +-+-+-+-+-+-+-+-+
//! I:  |M| PictureID   | (OPTIONAL)         M: 15 bits instead of 7
//!     +-+-+-+-+-+-+-+-+
//!     |   PictureID   |
//!     +-+-+-+-+-+-+-+-+
//! L:  |   TL0PICIDX   | (OPTIONAL)
//!     +-+-+-+-+-+-+-+-+
//! T/K:|TID|Y| KEYIDX  | (OPTIONAL)
//!     +-+-+-+-+-+-+-+-+
//! ```
//!
//! Behind the descriptor of a frame's first packet the frame begins, and the lowest bit of its
//! first octet, P, is 0 in a keyframe (§4.3; RFC 6386 §9.1).
//!
//! Book: the chapter on RTP.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u8;

use super::depacketizer::{Buffer, Join};
use super::descriptor::{PictureId, bits, flags, forbidden, innermost};
use super::packetizer::{Cut, Payloads, pieces};
use crate::wire::ParseError;
use crate::wire::field::{Parsed, bit, field};

/// The payload descriptor, RFC 7741 §4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Descriptor {
    /// N: no other frame refers to this one.
    non_reference: bool,
    /// S: a partition begins with this packet.
    start_of_partition: bool,
    /// PID: the partition's number.
    partition: u8,
    picture_id: Option<PictureId>,
    /// TL0PICIDX: counts the frames of the lowest temporal layer.
    temporal_level_zero_index: Option<u8>,
    /// TID and Y: the temporal layer, and whether it needs the lowest one only.
    temporal_layer: Option<(u8, bool)>,
    /// KEYIDX: counts keyframes of temporal layers.
    key_index: Option<u8>,
}

impl Descriptor {
    /// Octets of the longest descriptor that is sent: with a picture id of 15 bits.
    const SENT: usize = 4;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut input, first) = flags("VP8 payload descriptor", input)?;
        let extended = bit("X", 7, first);
        bit("R", 6, first);
        let mut descriptor = Self {
            non_reference: bit("N", 5, first),
            start_of_partition: bit("S", 4, first),
            partition: bits("PID", 0, 3, first),
            ..Self::default()
        };
        bit("R", 3, first);
        if extended {
            input = descriptor.parse_extension(input)?.0;
        }
        Ok((input, descriptor))
    }

    fn parse_extension<'a>(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let (mut input, present) = flags("Extended control bits", input)?;
        let picture_id = bit("I", 7, present);
        let temporal_level_zero_index = bit("L", 6, present);
        let temporal_layer = bit("T", 5, present);
        let key_index = bit("K", 4, present);
        bits("RSV", 0, 4, present);
        if picture_id {
            let (rest, id) = PictureId::parse(input)?;
            (input, self.picture_id) = (rest, Some(id));
        }
        if temporal_level_zero_index {
            let (rest, index) = field("TL0PICIDX", be_u8).parse_complete(input)?;
            (input, self.temporal_level_zero_index) = (rest, Some(index));
        }
        if temporal_layer || key_index {
            let (rest, octet) = flags("TID/Y/KEYIDX", input)?;
            let layer = (bits("TID", 6, 2, octet), bit("Y", 5, octet));
            let index = bits("KEYIDX", 0, 5, octet);
            self.temporal_layer = temporal_layer.then_some(layer);
            self.key_index = key_index.then_some(index);
            input = rest;
        }
        Ok((input, ()))
    }

    fn write(&self, out: &mut BytesMut) {
        let present = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.temporal_level_zero_index.is_some()) << 6
            | u8::from(self.temporal_layer.is_some()) << 5
            | u8::from(self.key_index.is_some()) << 4;
        out.put_u8(
            u8::from(present != 0) << 7
                | u8::from(self.non_reference) << 5
                | u8::from(self.start_of_partition) << 4
                | self.partition & 7,
        );
        if present == 0 {
            return;
        }
        out.put_u8(present);
        if let Some(id) = self.picture_id {
            id.write(out);
        }
        if let Some(index) = self.temporal_level_zero_index {
            out.put_u8(index);
        }
        if self.temporal_layer.is_some() || self.key_index.is_some() {
            let (layer, sync) = self.temporal_layer.unwrap_or_default();
            out.put_u8(
                (layer & 3) << 6 | u8::from(sync) << 5 | self.key_index.unwrap_or_default() & 0x1f,
            );
        }
    }

    /// Whether a frame begins with the octets behind this descriptor.
    fn begins_frame(&self) -> bool {
        self.start_of_partition && self.partition == 0
    }
}

/// Descriptor, and the piece of the frame behind it, which is not empty.
fn parse(payload: &[u8]) -> Result<(Descriptor, &[u8]), ParseError> {
    let (octets, descriptor) = Descriptor::parse(payload).map_err(innermost)?;
    if octets.is_empty() {
        return Err(innermost(forbidden("VP8 payload", octets)));
    }
    let (_, piece) = field("VP8 payload", rest).parse_complete(octets).map_err(innermost)?;
    Ok((descriptor, piece))
}

/// Cuts frames. The descriptor says where a frame begins and which one it is.
#[derive(Debug)]
pub(super) struct Cutter {
    picture_id: u16,
}

impl Cutter {
    pub(super) fn new(picture_id: u16) -> Self {
        Self { picture_id: picture_id & 0x7fff }
    }
}

impl Cut for Cutter {
    // ANCHOR: cutter
    fn cut(&mut self, frame: &Bytes, max: usize, payloads: &mut Payloads) {
        for (index, piece) in pieces(frame, max - Descriptor::SENT).enumerate() {
            let descriptor = Descriptor {
                start_of_partition: index == 0,
                picture_id: Some(PictureId::FifteenBits(self.picture_id)),
                ..Descriptor::default()
            };
            descriptor.write(&mut payloads.current);
            payloads.current.extend_from_slice(piece);
            payloads.end();
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }
    // ANCHOR_END: cutter
}

/// Puts frames together.
#[derive(Debug)]
pub(super) struct Joiner;

impl Join for Joiner {
    fn begins_frame(&self, payload: &Bytes) -> Result<bool, ParseError> {
        Ok(parse(payload)?.0.begins_frame())
    }

    fn append(&mut self, payload: &Bytes, frame: &mut Buffer) -> Result<(), ParseError> {
        let (descriptor, piece) = parse(payload)?;
        // Exactly the first packet begins the frame.
        if descriptor.begins_frame() != frame.is_empty() {
            return Err(innermost(forbidden("S", payload)));
        }
        frame.extend(piece)
    }

    fn end(&mut self, frame: Buffer) -> Result<(Bytes, bool), ParseError> {
        let is_keyframe = is_keyframe(&frame);
        Ok((frame.freeze(), is_keyframe))
    }
}

pub(super) fn begins_keyframe(payload: &[u8]) -> bool {
    parse(payload).is_ok_and(|(descriptor, piece)| descriptor.begins_frame() && is_keyframe(piece))
}

/// P, the lowest bit of the frame tag, is 0 (RFC 6386 §9.1).
fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|tag| tag & 1 == 0)
}

/// Behind the frame tag of a keyframe: a start code, then width and height, 14 bits each, below two
/// bits of scale; the lower octet first (RFC 6386 §9.1).
pub(super) fn dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    match frame {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 1 == 0 => {
            Some((u16::from_le_bytes([*w0, *w1]) & 0x3fff, u16::from_le_bytes([*h0, *h1]) & 0x3fff))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::super::{Codec, testing};
    use super::*;

    fn any_descriptor() -> impl Strategy<Value = Descriptor> {
        (
            any::<(bool, bool)>(),
            0..8_u8,
            option::of(testing::picture_id()),
            any::<Option<u8>>(),
            option::of((0..4_u8, any::<bool>())),
            option::of(0..32_u8),
        )
            .prop_map(|((n, s), partition, picture_id, tl0, temporal_layer, key_index)| {
                Descriptor {
                    non_reference: n,
                    start_of_partition: s,
                    partition,
                    picture_id,
                    temporal_level_zero_index: tl0,
                    temporal_layer,
                    key_index,
                }
            })
    }

    #[test]
    fn the_keyframe_of_section_4_5_1() {
        // First packet of a keyframe with a picture id of 17: X, S, PID 0; I; 17.
        let payload = testing::hex("90 80 11 1000009d012a40013000");
        let (descriptor, piece) = parse(&payload).unwrap();
        assert!(descriptor.begins_frame());
        assert_eq!(descriptor.picture_id, Some(PictureId::SevenBits(17)));
        assert!(begins_keyframe(&payload));
        assert_eq!(dimensions(piece), Some((320, 48)));
    }

    #[test]
    fn picture_ids_wrap_at_15_bits() {
        let mut packetizer = Cutter::new(0x7fff);
        let mut payloads = Payloads::default();
        let frame = Bytes::from_static(b"frame");
        packetizer.cut(&frame, 100, &mut payloads);
        packetizer.cut(&frame, 100, &mut payloads);
        let [last, first] = testing::taken(payloads).try_into().unwrap();
        assert_eq!(parse(&last).unwrap().0.picture_id, Some(PictureId::FifteenBits(0x7fff)));
        assert_eq!(parse(&first).unwrap().0.picture_id, Some(PictureId::FifteenBits(0)));
    }

    #[test]
    fn a_descriptor_cut_anywhere_is_an_error() {
        let whole = testing::hex("90 f0 ffff 01 e1 00");
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&whole).is_ok());
    }

    #[test]
    fn trap_partitions_of_one_frame_are_one_frame() {
        // S with PID 1 begins a partition, not a frame.
        let packets = [("10 00aa", false), ("11 bb", false), ("02 cc", true)];
        let frames = testing::received(Codec::Vp8, &packets).unwrap();
        assert_eq!(frames, [testing::hex("00aabbcc")]);
    }

    #[test]
    fn a_frame_within_a_frame_is_an_error() {
        assert!(testing::received(Codec::Vp8, &[("10 00", false), ("10 00", true)]).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(descriptor in any_descriptor()) {
            let mut out = BytesMut::new();
            descriptor.write(&mut out);
            out.put_u8(0);
            prop_assert_eq!(parse(&out), Ok((descriptor, &[0][..])));
        }

        #[test]
        fn fields_tile_the_input(octets in testing::octets(1..40)) {
            testing::tiles(&octets, || parse(&octets).is_ok());
        }

        #[test]
        fn a_frame_cut_is_put_together(frame in testing::octets(1..5000), max in 0..1500_usize) {
            testing::cut_and_joined(Codec::Vp8, &[frame], max);
        }
    }
}
