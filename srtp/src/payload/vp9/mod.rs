//! VP9, RFC 9628: a descriptor in front of each piece of a layer frame.
//!
//! ```text
//!  picture (one timestamp)      = layer frame, SID 0  +  layer frame, SID 1  +  …
//!  packets                        B─ ── ── ─E            B─ ── ─E
//!  marker                                                       1
//! ```
//!
//! We send one layer in non-flexible mode: each picture refers to the one before it, which the
//! scalability structure in keyframes says, too. We receive both modes and all layers: the layer
//! frames of a picture become a superframe (VP9 bitstream specification, annex B), the form in
//! which decoders and files take them.
//!
//! Book: the chapter on RTP.

mod descriptor;
mod header;

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::combinator::rest;
use smallvec::{SmallVec, smallvec};

use self::descriptor::{Descriptor, GroupPicture, ScalabilityStructure};
pub(super) use self::header::dimensions;
use self::header::is_keyframe;
use super::depacketizer::{Buffer, Join};
use super::descriptor::{PictureId, forbidden, innermost};
use super::packetizer::{Cut, Payloads, pieces};
use crate::wire::ParseError;
use crate::wire::field::field;

/// The most layer frames a superframe can hold; its index counts them in three bits.
const MAX_LAYER_FRAMES: usize = 8;

/// Descriptor, and the piece of the layer frame behind it, which is not empty.
fn parse(payload: &[u8]) -> Result<(Descriptor, &[u8]), ParseError> {
    let (octets, descriptor) = Descriptor::parse(payload).map_err(innermost)?;
    if octets.is_empty() {
        return Err(innermost(forbidden("VP9 payload", octets)));
    }
    let (_, piece) = field("VP9 payload", rest).parse_complete(octets).map_err(innermost)?;
    Ok((descriptor, piece))
}

/// Cuts pictures of one layer.
#[derive(Debug)]
pub(super) struct Cutter {
    picture_id: u16,
}

impl Cutter {
    pub(super) fn new(picture_id: u16) -> Self {
        Self { picture_id: picture_id & 0x7fff }
    }

    /// The descriptor of each packet, with B and E set as if there were but one.
    fn descriptor(&self, frame: &[u8]) -> Descriptor {
        let is_keyframe = is_keyframe(frame);
        Descriptor {
            inter_picture_predicted: !is_keyframe,
            begins: true,
            ends: true,
            not_for_upper_layers: true,
            picture_id: Some(PictureId::FifteenBits(self.picture_id)),
            structure: dimensions(frame).filter(|_| is_keyframe).map(|resolution| {
                ScalabilityStructure {
                    spatial_layers: 1,
                    resolutions: Some(smallvec![resolution]),
                    group: Some(vec![GroupPicture {
                        references: smallvec![1],
                        ..GroupPicture::default()
                    }]),
                }
            }),
            ..Descriptor::default()
        }
    }
}

impl Cut for Cutter {
    fn cut(&mut self, frame: &Bytes, max: usize, payloads: &mut Payloads) {
        let mut descriptor = self.descriptor(frame);
        let mut written = BytesMut::new();
        descriptor.write(&mut written);
        // The first packet alone has the structure; what does not fit behind it is cut evenly.
        let room = max.saturating_sub(written.len());
        let (first, others) = frame.split_at_checked(room).unwrap_or((frame, &[]));
        let others_room = max.saturating_sub(Descriptor::SENT);
        let others = pieces(others, others_room);
        descriptor.ends = others.len() == 0;
        descriptor.write(&mut payloads.current);
        payloads.current.extend_from_slice(first);
        payloads.end();
        descriptor.begins = false;
        descriptor.structure = None;
        let count = others.len();
        for (index, piece) in others.enumerate() {
            descriptor.ends = index + 1 == count;
            descriptor.write(&mut payloads.current);
            payloads.current.extend_from_slice(piece);
            payloads.end();
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }
}

/// Puts the layer frames of a picture together.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Where the layer frames end that are whole.
    ends: SmallVec<[usize; MAX_LAYER_FRAMES]>,
    /// Whether one is under way behind them.
    is_open: bool,
}

impl Join for Joiner {
    fn begins_frame(&self, payload: &Bytes) -> Result<bool, ParseError> {
        let (descriptor, _) = parse(payload)?;
        Ok(descriptor.begins && descriptor.layer.is_none_or(|layer| layer.spatial == 0))
    }

    fn append(&mut self, payload: &Bytes, frame: &mut Buffer) -> Result<(), ParseError> {
        let (descriptor, piece) = parse(payload)?;
        if descriptor.begins == self.is_open {
            return Err(innermost(forbidden("B", payload)));
        }
        if self.ends.len() == MAX_LAYER_FRAMES {
            return Err(innermost(forbidden("SID", payload)));
        }
        frame.extend(piece)?;
        self.is_open = !descriptor.ends;
        if descriptor.ends {
            self.ends.push(frame.len());
        }
        Ok(())
    }

    fn end(&mut self, mut frame: Buffer) -> Result<(Bytes, bool), ParseError> {
        let Self { ends, is_open } = std::mem::take(self);
        if is_open {
            return Err(innermost(forbidden("E", &[])));
        }
        let is_keyframe = is_keyframe(&frame);
        if ends.len() > 1 {
            frame.extend(&superframe_index(&ends))?;
        }
        Ok((frame.freeze(), is_keyframe))
    }

    fn give_up(&mut self) {
        *self = Self::default();
    }
}

/// What stands at the end of a superframe: between two equal octets the sizes of its frames, four
/// octets each here, the lowest first (VP9 bitstream specification, annex B).
fn superframe_index(ends: &[usize]) -> Vec<u8> {
    const SIZE_LENGTH: u8 = 4;
    let frames = u8::try_from(ends.len()).unwrap_or(1);
    let marker = 0b110 << 5 | (SIZE_LENGTH - 1) << 3 | frames.wrapping_sub(1) & 7;
    let mut index = vec![marker];
    let mut start = 0;
    for end in ends {
        let size = u32::try_from(end - start).unwrap_or(u32::MAX);
        index.extend_from_slice(&size.to_le_bytes());
        start = *end;
    }
    index.push(marker);
    index
}

pub(super) fn begins_keyframe(payload: &[u8]) -> bool {
    parse(payload).is_ok_and(|(descriptor, piece)| {
        descriptor.begins
            && !descriptor.inter_picture_predicted
            && descriptor.layer.is_none_or(|layer| layer.spatial == 0)
            && is_keyframe(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Codec, testing};
    use super::*;

    #[test]
    fn layers_of_a_picture_become_a_superframe() {
        // I, L, B, E; picture id 5; SID 0, TL0PICIDX 9. Then SID 1 in two packets.
        let packets =
            [("ac 05 00 09 82aaaa", false), ("a8 05 03 09 86bb", false), ("a4 05 03 09 bb", true)];
        let frames = testing::received(Codec::Vp9, &packets).unwrap();
        assert_eq!(frames, [testing::hex("82aaaa 86bbbb d9 03000000 03000000 d9")]);
    }

    #[test]
    fn a_layer_frame_without_its_end_is_an_error() {
        assert!(testing::received(Codec::Vp9, &[("88 05 82", true)]).is_err());
        assert!(testing::received(Codec::Vp9, &[("88 05 82", false), ("8c 05 82", true)]).is_err());
    }

    #[test]
    fn a_ninth_layer_frame_is_an_error() {
        let packets = [("8c 05 82", false); 9];
        assert!(testing::received(Codec::Vp9, &packets[..8]).is_ok());
        assert!(testing::received(Codec::Vp9, &packets).is_err());
    }

    #[test]
    fn a_keyframe_says_its_structure_once() {
        let keyframe = testing::hex("82 498342 00 13f0 0770 00 00000000000000000000");
        assert_eq!(dimensions(&keyframe), Some((320, 120)));
        let mut cutter = Cutter::new(0);
        let mut payloads = Payloads::default();
        cutter.cut(&keyframe, 16, &mut payloads);
        let payloads = testing::taken(payloads);
        let structures: Vec<bool> =
            payloads.iter().map(|payload| parse(payload).unwrap().0.structure.is_some()).collect();
        assert_eq!(structures.iter().position(|has| *has), Some(0));
        assert_eq!(structures.iter().filter(|has| **has).count(), 1);
        assert!(begins_keyframe(&payloads[0]) && !begins_keyframe(&payloads[1]));
    }

    proptest! {
        #[test]
        fn fields_tile_the_input(octets in testing::octets(1..60)) {
            testing::tiles(&octets, || parse(&octets).is_ok());
        }

        #[test]
        fn a_frame_cut_is_put_together(
            frames in vec(testing::octets(1..5000), 1..4), max in 0..1500_usize
        ) {
            testing::cut_and_joined(Codec::Vp9, &frames, max);
        }
    }
}
