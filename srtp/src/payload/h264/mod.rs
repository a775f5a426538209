//! H.264, RFC 6184, packetization modes 0 and 1: NAL units in packets.
//!
//! ```text
//!  +---------------+      a packet's first octet, §5.3, is that of a NAL unit; Type says which
//!  |0|1|2|3|4|5|6|7|      structure it is:
//!  +-+-+-+-+-+-+-+-+
//!  |F|NRI|  Type   |       1-23  one NAL unit, §5.6
//!  +---------------+         24  STAP-A: several small ones, each behind its size, §5.7.1
//!                            28  FU-A: a part of a large one, §5.8
//!
//!  STAP-A  | F NRI 24 | size | NAL unit | size | NAL unit | …
//!  FU-A    | F NRI 28 |S|E|R| Type | a part of the NAL unit behind its header
//! ```
//!
//! Mode 0 knows whole NAL units only. The structures of mode 2 (interleaving) are errors.
//!
//! Frames go in and come out in Annex B form, see [`annex_b`]; the start codes that come out have
//! four octets. A keyframe without parameter sets gets those seen last, see [`parameter_sets`].
//!
//! Book: the chapter on RTP.

mod annex_b;
mod packet;
mod parameter_sets;

use bytes::Bytes;

use self::annex_b::{START_CODE, UnitType, units};
use self::packet::{FragmentHeader, Structure};
use self::parameter_sets::ParameterSets;
use super::depacketizer::{Buffer, Join};
use super::descriptor::{forbidden, innermost};
use super::packetizer::{Cut, Payloads};
use crate::wire::ParseError;

/// Cuts access units.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Packetization mode 1: STAP-A and FU-A.
    aggregates_and_fragments: bool,
    parameter_sets: ParameterSets,
}

impl Cutter {
    /// Mode 1.
    pub(super) fn non_interleaved() -> Self {
        Self { aggregates_and_fragments: true, parameter_sets: ParameterSets::default() }
    }

    /// Mode 0.
    pub(super) fn single_nal_units() -> Self {
        Self { aggregates_and_fragments: false, parameter_sets: ParameterSets::default() }
    }

    fn cut_units<'a>(
        &self,
        units: impl Iterator<Item = &'a [u8]>,
        max: usize,
        payloads: &mut Payloads,
    ) {
        let mut small = Vec::new();
        let mut small_length = packet::HEADER;
        for unit in units {
            if !self.aggregates_and_fragments {
                packet::write_single(unit, payloads);
                continue;
            }
            let length = packet::AGGREGATED_SIZE + unit.len();
            if small_length + length > max {
                packet::write_together(&std::mem::take(&mut small), payloads);
                small_length = packet::HEADER;
            }
            if unit.len() > max {
                packet::write_fragments(unit, max, payloads);
            } else {
                small.push(unit);
                small_length += length;
            }
        }
        packet::write_together(&small, payloads);
    }
}

impl Cut for Cutter {
    fn cut(&mut self, frame: &Bytes, max: usize, payloads: &mut Payloads) {
        let units: Vec<&[u8]> = units(frame)
            .filter(|unit| unit.first().is_some_and(|h| UnitType::of(*h).is_codecs()))
            .collect();
        let mut contents = Contents::default();
        for unit in &units {
            contents.note(unit);
            self.parameter_sets.note(unit);
        }
        let missing = self.parameter_sets.units().filter(|_| contents.lacks_parameter_sets());
        self.cut_units(missing.map(AsRef::as_ref).chain(units.iter().copied()), max, payloads);
    }
}

/// What an access unit has of what makes it a keyframe.
#[derive(Debug, Clone, Copy, Default)]
struct Contents {
    idr_slice: bool,
    sps: bool,
}

impl Contents {
    fn note(&mut self, unit: &[u8]) {
        match unit.first().map(|header| UnitType::of(*header)) {
            Some(UnitType::IDR_SLICE) => self.idr_slice = true,
            Some(UnitType::SPS) => self.sps = true,
            _ => {}
        }
    }

    fn lacks_parameter_sets(self) -> bool {
        self.idr_slice && !self.sps
    }
}

/// Puts access units together.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    contents: Contents,
    /// Whether a fragmented NAL unit is under way.
    is_open: bool,
    parameter_sets: ParameterSets,
}

impl Joiner {
    fn whole(&mut self, unit: &[u8], frame: &mut Buffer) -> Result<(), ParseError> {
        if self.is_open {
            return Err(innermost(forbidden("Type", unit)));
        }
        self.contents.note(unit);
        self.parameter_sets.note(unit);
        frame.extend(&START_CODE)?;
        frame.extend(unit)
    }

    fn fragment(
        &mut self,
        header: FragmentHeader,
        part: &[u8],
        frame: &mut Buffer,
    ) -> Result<(), ParseError> {
        // S and E in one packet are forbidden to senders (§5.8) but clear enough.
        if header.start == self.is_open {
            return Err(innermost(forbidden("S", part)));
        }
        if header.start {
            let header = [header.unit_header];
            self.contents.note(&header);
            frame.extend(&START_CODE)?;
            frame.extend(&header)?;
        }
        self.is_open = !header.end;
        frame.extend(part)
    }
}

impl Join for Joiner {
    fn begins_frame(&self, payload: &Bytes) -> Result<bool, ParseError> {
        Ok(match packet::parse(payload)? {
            Structure::Single(unit) => shows_beginning(unit),
            Structure::Aggregation(units) => {
                units.first().is_some_and(|unit| shows_beginning(unit))
            }
            Structure::Fragment(header, part) => {
                header.start && is_first_slice(UnitType::of(header.unit_header), part)
            }
        })
    }

    fn append(&mut self, payload: &Bytes, frame: &mut Buffer) -> Result<(), ParseError> {
        match packet::parse(payload)? {
            Structure::Single(unit) => self.whole(unit, frame),
            Structure::Aggregation(units) => {
                units.into_iter().try_for_each(|unit| self.whole(unit, frame))
            }
            Structure::Fragment(header, part) => self.fragment(header, part, frame),
        }
    }

    fn end(&mut self, mut frame: Buffer) -> Result<(Bytes, bool), ParseError> {
        let contents = std::mem::take(&mut self.contents);
        if std::mem::take(&mut self.is_open) {
            return Err(innermost(forbidden("E", &[])));
        }
        if contents.lacks_parameter_sets() && self.parameter_sets.has(UnitType::SPS) {
            let mut complete = Buffer::default();
            for unit in self.parameter_sets.units() {
                complete.extend(&START_CODE)?;
                complete.extend(unit)?;
            }
            complete.extend(&frame)?;
            frame = complete;
        }
        let is_keyframe =
            contents.idr_slice && (contents.sps || self.parameter_sets.has(UnitType::SPS));
        Ok((frame.freeze(), is_keyframe))
    }

    fn give_up(&mut self) {
        self.contents = Contents::default();
        self.is_open = false;
    }
}

/// Whether an access unit visibly begins with this NAL unit (ITU-T H.264 §7.4.1.2.3).
fn shows_beginning(unit: &[u8]) -> bool {
    let Some((header, body)) = unit.split_first() else { return false };
    match UnitType::of(*header) {
        UnitType::DELIMITER | UnitType::SPS | UnitType::PPS | UnitType::SEI => true,
        unit_type => is_first_slice(unit_type, body),
    }
}

/// Whether it is a slice with first_mb_in_slice 0, which as ue(v) is a single one.
fn is_first_slice(unit_type: UnitType, body: &[u8]) -> bool {
    matches!(unit_type, UnitType::SLICE | UnitType::IDR_SLICE)
        && body.first().is_some_and(|first| first & 0x80 != 0)
}

/// A keyframe begins with its sequence parameter set: an IDR slice alone does not tell the decoder
/// enough.
pub(super) fn begins_keyframe(payload: &[u8]) -> bool {
    let is_sps =
        |unit: &[u8]| unit.first().is_some_and(|header| UnitType::of(*header) == UnitType::SPS);
    match packet::parse(payload) {
        Ok(Structure::Single(unit)) => is_sps(unit),
        Ok(Structure::Aggregation(units)) => units.into_iter().any(is_sps),
        Ok(Structure::Fragment(header, _)) => header.start && is_sps(&[header.unit_header]),
        Err(_) => false,
    }
}

/// As the first sequence parameter set says.
pub(super) fn dimensions(keyframe: &[u8]) -> Option<(u16, u16)> {
    let is_sps = |unit: &&[u8]| unit.first().is_some_and(|h| UnitType::of(*h) == UnitType::SPS);
    units(keyframe).find(is_sps).and_then(parameter_sets::dimensions)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Codec, Depacketizer, Packetizer, testing};
    use super::*;

    fn annex_b(units: &[Bytes]) -> Bytes {
        units.iter().flat_map(|unit| START_CODE.iter().chain(unit)).copied().collect()
    }

    /// NAL units as an encoder writes them: no three octets look like a start code, the last octet
    /// is not 0. Without IDR slices, which would get parameter sets.
    fn any_unit(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
        (prop_oneof![1..5_u8, 6..24_u8], 0..4_u8, vec(1..=255_u8, lengths)).prop_map(
            |(unit_type, nri, body)| std::iter::once(nri << 5 | unit_type).chain(body).collect(),
        )
    }

    #[test]
    fn small_units_travel_together_and_a_large_one_in_parts() {
        let units = [
            testing::hex("6742c01ea0"),
            testing::hex("68ce"),
            Bytes::from([&[0x65][..], &[0xaa; 30]].concat()),
        ];
        let fragments = Packetizer::new(Codec::H264).packetize(&annex_b(&units), 20);
        let types: Vec<u8> = fragments.iter().map(|fragment| fragment.payload[0] & 0x1f).collect();
        assert_eq!(types, [24, 28, 28]);
        assert_eq!(fragments[0].payload, testing::hex("78 0005 6742c01ea0 0002 68ce"));
        assert_eq!(fragments[1].payload[..2], [0x7c, 0x85]);
        assert_eq!(fragments[2].payload[..2], [0x7c, 0x45]);
        assert!(begins_keyframe(&fragments[0].payload));
        assert!(!begins_keyframe(&fragments[1].payload));
    }

    #[test]
    fn mode_0_has_whole_units_only() {
        let units = [testing::hex("68ce"), Bytes::from(vec![0x61; 100])];
        let fragments = Packetizer::single_nal_units().packetize(&annex_b(&units), 20);
        let payloads: Vec<Bytes> = fragments.into_iter().map(|fragment| fragment.payload).collect();
        assert_eq!(payloads, units);
    }

    #[test]
    fn trap_a_keyframe_without_parameter_sets_gets_those_seen_last() {
        let sets = [testing::hex("6742c01ea0"), testing::hex("68ce")];
        let slice = [testing::hex("658801")];
        let with = [annex_b(&sets), annex_b(&slice)].concat();
        let mut packetizer = Packetizer::new(Codec::H264);
        packetizer.packetize(&annex_b(&sets), 100);
        let sent = packetizer.packetize(&annex_b(&slice), 100);
        assert_eq!(sent[0].payload, testing::hex("78 0005 6742c01ea0 0002 68ce 0003 658801"));
        // The receiver does as much, for parameter sets in packets of another timestamp.
        let mut depacketizer = Depacketizer::new(Codec::H264);
        for (timestamp, payload) in [(1, "6742c01ea0"), (1, "68ce"), (2, "658801")] {
            let packet = testing::packet(timestamp, timestamp == 2, testing::hex(payload));
            depacketizer.push(&packet).unwrap();
        }
        let frames = testing::frames(&mut depacketizer);
        assert_eq!(frames[0].payload, annex_b(&sets));
        assert!(!frames[0].is_keyframe);
        assert_eq!(frames[1].payload, with);
        assert!(frames[1].is_keyframe);
    }

    #[test]
    fn fragments_out_of_place_are_errors() {
        let first = ("7c 85 aa", false);
        let middle = ("7c 05 bb", false);
        let last = ("7c 45 cc", true);
        let received = |packets: &[_]| testing::received(Codec::H264, packets);
        assert_eq!(received(&[first, middle, last]), Ok(vec![testing::hex("00000001 65aabbcc")]));
        // The first of them lacks the picture's first slice, so it is skipped, not refused.
        assert_eq!(received(&[middle, last]), Ok(vec![]));
        assert!(received(&[("67 42c01ea0", false), middle]).is_err());
        assert!(received(&[first, first]).is_err());
        assert!(received(&[first, ("61 80", true)]).is_err());
        assert!(received(&[first, ("7c 05 bb", true)]).is_err());
    }

    #[test]
    fn a_picture_is_joined_at_its_first_slice() {
        // first_mb_in_slice is 0 where the slice's first bit is set.
        let received = |payload| testing::received(Codec::H264, &[(payload, true)]).unwrap().len();
        assert_eq!(received("61 9a00"), 1);
        assert_eq!(received("61 4a00"), 0);
    }

    proptest! {
        #[test]
        fn a_frame_cut_is_put_together(
            small in vec(any_unit(1..40), 0..6),
            large in any_unit(1..5000),
            max in 0..1500_usize,
        ) {
            // A delimiter in front, so that the frame can be seen to begin.
            let delimiter = testing::hex("09f0");
            let frame = annex_b(&[&[delimiter][..], &small, &[large]].concat());
            testing::cut_and_joined(Codec::H264, &[frame.clone(), frame], max);
        }

        #[test]
        fn never_panics(octets in testing::octets(0..200)) {
            let _ = dimensions(&octets);
            let _ = Packetizer::new(Codec::H264).packetize(&octets, 20);
        }
    }
}
