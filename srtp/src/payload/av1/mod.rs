//! AV1, RTP payload specification 1.0 of the Alliance for Open Media: OBUs and parts of them.
//!
//! ```text
//!  temporal unit    TD  SH        FRAME                            TD stays behind
//!                      ┌──┐┌────────────────────────┐
//!  packets        |agg| SH | FRAME… |agg| …FRAME… |agg| …FRAME |
//!  Z Y              0 1               1 1           1 0
//!  N                1                 0             0              1 in keyframes
//!  marker           0                 0             1
//! ```
//!
//! OBUs travel without their size, as the elements tell it; the receiver puts it back (§4.5). The
//! OBUs of a packet are of one layer (§5).
//!
//! Book: the chapter on RTP.

mod obu;
mod packet;

use bytes::{Bytes, BytesMut};

pub(super) use self::obu::dimensions;
use self::obu::{Obu, ObuType, is_keyframe, leb128_length, obus, write_leb128};
use self::packet::AggregationHeader;
use super::depacketizer::{Buffer, Join};
use super::descriptor::{forbidden, innermost};
use super::packetizer::{Cut, Payloads};
use crate::wire::ParseError;

/// The elements of a packet we send: as many as W can count, so that the last needs no length.
const MAX_ELEMENTS: usize = 3;

/// The least piece of an OBU that is worth its place behind others in a packet, in octets.
const MIN_PIECE: usize = 4;

/// Cuts temporal units.
#[derive(Debug)]
pub(super) struct Cutter;

impl Cut for Cutter {
    fn cut(&mut self, unit: &Bytes, max: usize, payloads: &mut Payloads) {
        let mut packet = Packet { max, begins_sequence: is_keyframe(unit), ..Packet::default() };
        for obu in obus(unit).filter(|obu| !obu.obu_type().stays_behind()) {
            let layer = obu.extension.map(|octet| octet & 0xf8);
            if packet.layer.is_some() && layer.is_some() && packet.layer != layer {
                packet.send(false, payloads);
            }
            let mut element = BytesMut::with_capacity(2 + obu.payload.len());
            obu.element_header(&mut element);
            element.extend_from_slice(obu.payload);
            let mut element = element.freeze();
            while packet.room() < element.len() {
                if packet.room() < MIN_PIECE {
                    packet.send(false, payloads);
                    continue;
                }
                packet.push(element.split_to(packet.room()), layer);
                packet.send(true, payloads);
            }
            packet.push(element, layer);
        }
        packet.send(false, payloads);
    }
}

/// A packet while it is filled.
#[derive(Debug, Default)]
struct Packet {
    max: usize,
    elements: Vec<Bytes>,
    /// Octets of the payload if another element follows, which gives the last one its length.
    length: usize,
    /// Of the OBUs in it that have one.
    layer: Option<u8>,
    continues: bool,
    begins_sequence: bool,
}

impl Packet {
    /// How long an element may be that is added as the last one.
    fn room(&self) -> usize {
        if self.elements.len() == MAX_ELEMENTS {
            return 0;
        }
        self.max.saturating_sub(AggregationHeader::LENGTH + self.length)
    }

    fn push(&mut self, element: Bytes, layer: Option<u8>) {
        self.length += leb128_length(element.len()) + element.len();
        self.layer = self.layer.or(layer);
        self.elements.push(element);
    }

    /// Ends the packet, if there is anything in it, and begins the next.
    fn send(&mut self, is_continued: bool, payloads: &mut Payloads) {
        let Some((last, others)) = self.elements.split_last() else { return };
        let header = AggregationHeader {
            continues: self.continues,
            is_continued,
            count: u8::try_from(self.elements.len()).unwrap_or(0),
            begins_sequence: self.begins_sequence,
        };
        header.write(&mut payloads.current);
        for element in others {
            write_leb128(element.len(), &mut payloads.current);
            payloads.current.extend_from_slice(element);
        }
        payloads.current.extend_from_slice(last);
        payloads.end();
        *self = Self { max: self.max, continues: is_continued, ..Self::default() };
    }
}

/// Puts temporal units together.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// The OBU under way, if the last packet ended within one.
    open: Option<Buffer>,
}

impl Joiner {
    fn whole(element: &[u8], unit: &mut Buffer) -> Result<(), ParseError> {
        let (surplus, obu) = Obu::parse(element)?;
        if !surplus.is_empty() {
            return Err(ParseError::forbidden("obu_size", surplus.len()));
        }
        if obu.obu_type().stays_behind() {
            return Ok(());
        }
        let mut header = BytesMut::new();
        obu.sized_header(&mut header);
        unit.extend(&header)?;
        unit.extend(obu.payload)
    }
}

impl Join for Joiner {
    fn begins_frame(&self, payload: &Bytes) -> Result<bool, ParseError> {
        let (header, elements) = packet::parse(payload)?;
        // A temporal unit begins with a sequence header or the header of its first frame.
        let shows = |element: &&[u8]| {
            Obu::parse_header(element).is_some_and(|obu| match obu.obu_type() {
                ObuType::SEQUENCE_HEADER | ObuType::TEMPORAL_DELIMITER => true,
                ObuType::FRAME_HEADER | ObuType::FRAME => obu.spatial_id() == 0,
                _ => false,
            })
        };
        Ok(!header.continues && (header.begins_sequence || elements.iter().any(shows)))
    }

    fn append(&mut self, payload: &Bytes, unit: &mut Buffer) -> Result<(), ParseError> {
        let (header, elements) = packet::parse(payload)?;
        if header.continues != self.open.is_some() {
            return Err(innermost(forbidden("Z", payload)));
        }
        let last = elements.len().saturating_sub(1);
        for (index, element) in elements.into_iter().enumerate() {
            let stays_open = header.is_continued && index == last;
            match self.open.take() {
                Some(mut open) => {
                    open.extend(element)?;
                    if stays_open {
                        self.open = Some(open);
                    } else {
                        Self::whole(&open, unit)?;
                    }
                }
                None if stays_open => self.open.insert(Buffer::default()).extend(element)?,
                None if element.is_empty() => {}
                None => Self::whole(element, unit)?,
            }
        }
        Ok(())
    }

    fn end(&mut self, unit: Buffer) -> Result<(Bytes, bool), ParseError> {
        if self.open.take().is_some() {
            return Err(innermost(forbidden("Y", &[])));
        }
        if unit.is_empty() {
            return Err(innermost(forbidden("OBU element", &[])));
        }
        let is_keyframe = is_keyframe(&unit);
        Ok((unit.freeze(), is_keyframe))
    }

    fn give_up(&mut self) {
        self.open = None;
    }
}

pub(super) fn begins_keyframe(payload: &[u8]) -> bool {
    packet::parse(payload).is_ok_and(|(header, _)| header.begins_sequence && !header.continues)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Codec, Packetizer, testing};
    use super::*;

    /// OBUs as files have them, but for those that stay behind.
    fn any_unit() -> impl Strategy<Value = Bytes> {
        let payload = prop_oneof![
            4 => testing::octets(0..40),
            1 => testing::octets(0..3000),
        ];
        let obu = (
            prop_oneof![Just(1_u8), 3..8_u8, 9..16_u8],
            proptest::option::of(prop_oneof![Just(0_u8), Just(0x08), Just(0x28)]),
            payload,
        );
        vec(obu, 1..8).prop_map(|obus| {
            let mut unit = BytesMut::new();
            // A frame header in front, so that the unit can be seen to begin.
            unit.extend_from_slice(&[0x1a, 1, 0]);
            for (obu_type, extension, payload) in obus {
                unit.extend([obu_type << 3 | u8::from(extension.is_some()) << 2 | 2]);
                unit.extend(extension);
                write_leb128(payload.len(), &mut unit);
                unit.extend(payload);
            }
            unit.freeze()
        })
    }

    #[test]
    fn delimiters_stay_behind_and_sizes_are_left_out() {
        let unit = testing::hex("1200 0a03000000 320410aabbcc");
        let fragments = Packetizer::new(Codec::Av1).packetize(&unit, 100);
        let payloads: Vec<Bytes> = fragments.into_iter().map(|fragment| fragment.payload).collect();
        // W 2, N: sequence header (4 octets), frame.
        assert_eq!(payloads, [testing::hex("28 04 08000000 3010aabbcc")]);
        let frames = testing::cut(Codec::Av1, &[unit], 100);
        assert_eq!(frames[0].payload, testing::hex("0a03000000 320410aabbcc"));
        assert!(frames[0].is_keyframe);
    }

    #[test]
    fn layers_do_not_share_a_packet() {
        let unit = testing::hex("0a03000000 36000110 36080110");
        let fragments = Packetizer::new(Codec::Av1).packetize(&unit, 100);
        assert_eq!(fragments[0].payload, testing::hex("28 04 08000000 340010"));
        assert_eq!(fragments[1].payload, testing::hex("10 340810"));
    }

    #[test]
    fn trap_obus_that_come_with_size_or_delimiter() {
        let frames = testing::received(Codec::Av1, &[("00 02 1200 04 32020011", true)]).unwrap();
        assert_eq!(frames, [testing::hex("32020011")]);
    }

    #[test]
    fn parts_out_of_place_are_errors() {
        let received = |packets: &[_]| testing::received(Codec::Av1, packets);
        let (first, middle, last) = (("58 3010", false), ("d0 11", false), ("90 12", true));
        assert_eq!(received(&[first, middle, last]), Ok(vec![testing::hex("3203101112")]));
        assert_eq!(received(&[middle, last]), Ok(vec![]));
        assert!(received(&[first, ("10 3010", true)]).is_err());
        assert!(received(&[("10 3010", false), last]).is_err());
        assert!(received(&[first, ("d0 11", true)]).is_err());
        assert!(received(&[("18 b010", true)]).is_err());
        // An OBU that says to be longer, or shorter, than its element.
        assert!(received(&[("18 320410", true)]).is_err());
        assert!(received(&[("18 3200 10", true)]).is_err());
    }

    proptest! {
        #[test]
        fn a_frame_cut_is_put_together(units in vec(any_unit(), 1..3), max in 0..1500_usize) {
            testing::cut_and_joined(Codec::Av1, &units, max);
        }

        #[test]
        fn never_panics(octets in testing::octets(0..200)) {
            let _ = Packetizer::new(Codec::Av1).packetize(&octets, 20);
        }
    }
}
