//! OBUs, of which a temporal unit of AV1 consists (AV1 bitstream specification §5.3, §4.10.5).
//!
//! ```text
//!   0 1 2 3 4 5 6 7
//!  +-+-+-+-+-+-+-+-+
//!  |0| type  |X|S|-|   X: an extension octet follows; S: the size of what follows is told
//!  +-+-+-+-+-+-+-+-+
//!  | TID |SID|-|-|-|   (only if X)
//!  +-+-+-+-+-+-+-+-+
//!  |  size, leb128 |   (only if S)
//! ```
//!
//! In files each OBU tells its size; in RTP, which knows where elements end, none does.

use bytes::{BufMut, BytesMut};
use nom::error::ErrorKind;

use super::super::bits::Bits;
use crate::wire::ParseError;

/// obu_type, AV1 bitstream specification §6.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObuType(u8);

impl ObuType {
    pub(super) const SEQUENCE_HEADER: Self = Self(1);
    pub(super) const TEMPORAL_DELIMITER: Self = Self(2);
    pub(super) const FRAME_HEADER: Self = Self(3);
    pub(super) const FRAME: Self = Self(6);
    pub(super) const TILE_LIST: Self = Self(8);

    /// Whether it does not travel in RTP (AV1 RTP specification §5).
    pub(super) fn stays_behind(self) -> bool {
        self == Self::TEMPORAL_DELIMITER || self == Self::TILE_LIST
    }
}

const HAS_EXTENSION: u8 = 1 << 2;
const HAS_SIZE: u8 = 1 << 1;

/// One OBU, header and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Obu<'a> {
    header: u8,
    /// Temporal and spatial layer.
    pub(super) extension: Option<u8>,
    pub(super) payload: &'a [u8],
}

impl<'a> Obu<'a> {
    /// Reads the first of some OBUs; one without size reaches to the end.
    pub(super) fn parse(input: &'a [u8]) -> Result<(&'a [u8], Self), ParseError> {
        let missing =
            |field, input: &[u8]| ParseError { field, kind: ErrorKind::Eof, left: input.len() };
        let (header, mut rest) = input.split_first().ok_or_else(|| missing("obu_header", input))?;
        if header & 0x80 != 0 {
            return Err(ParseError::forbidden("obu_forbidden_bit", input.len()));
        }
        let mut extension = None;
        if header & HAS_EXTENSION != 0 {
            let (octet, behind) =
                rest.split_first().ok_or_else(|| missing("obu_extension_header", rest))?;
            (rest, extension) = (behind, Some(*octet));
        }
        let mut payload = rest;
        rest = &[];
        if header & HAS_SIZE != 0 {
            let (behind, size) =
                read_leb128(payload).ok_or_else(|| missing("obu_size", payload))?;
            (payload, rest) =
                behind.split_at_checked(size).ok_or_else(|| missing("obu_size", behind))?;
        }
        Ok((rest, Self { header: *header, extension, payload }))
    }

    /// What the first octets of an OBU say, of which the rest may come later.
    pub(super) fn parse_header(octets: &'a [u8]) -> Option<Self> {
        let (header, rest) = octets.split_first()?;
        let extension = (header & HAS_EXTENSION != 0).then(|| rest.first().copied()).flatten();
        Some(Self { header: *header, extension, payload: &[] })
    }

    pub(super) fn obu_type(&self) -> ObuType {
        ObuType(self.header >> 3 & 0xf)
    }

    /// The spatial layer; 0 if there is but one.
    pub(super) fn spatial_id(&self) -> u8 {
        self.extension.map_or(0, |octet| octet >> 3 & 3)
    }

    /// Header and extension as an element of RTP has them: without size.
    pub(super) fn element_header(&self, out: &mut BytesMut) {
        out.put_u8(self.header & !HAS_SIZE);
        out.extend(self.extension);
    }

    /// Header, extension and size as a file has them.
    pub(super) fn sized_header(&self, out: &mut BytesMut) {
        out.put_u8(self.header | HAS_SIZE);
        out.extend(self.extension);
        write_leb128(self.payload.len(), out);
    }
}

/// The OBUs of a temporal unit, up to the first that makes no sense.
pub(super) fn obus(mut unit: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let (rest, obu) = Obu::parse(unit).ok()?;
        unit = rest;
        Some(obu)
    })
}

/// A number in groups of seven bits, the lowest first; the eighth bit says that another follows.
/// At most 8 octets, and the value fits into 32 bits (§4.10.5).
pub(super) fn read_leb128(input: &[u8]) -> Option<(&[u8], usize)> {
    let mut value = 0_u64;
    for (index, octet) in input.iter().take(8).enumerate() {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((input.get(index + 1..)?, usize::try_from(value).ok()?));
        }
    }
    None
}

pub(super) fn write_leb128(mut value: usize, out: &mut BytesMut) {
    loop {
        let [lowest, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.put_u8(lowest & 0x7f);
        }
        out.put_u8(lowest | 0x80);
    }
}

/// How many octets [`write_leb128`] writes.
pub(super) fn leb128_length(value: usize) -> usize {
    (value.max(1).ilog2() / 7 + 1) as usize
}

/// Whether a temporal unit can be decoded without any other: it has a sequence header and its first
/// frame is a keyframe (§5.9.2).
pub(super) fn is_keyframe(unit: &[u8]) -> bool {
    let mut reduced_still_picture = None;
    for obu in obus(unit) {
        match obu.obu_type() {
            ObuType::SEQUENCE_HEADER => {
                // seq_profile (3), still_picture (1), reduced_still_picture_header (1)
                reduced_still_picture = obu.payload.first().map(|first| first >> 3 & 1 == 1);
            }
            ObuType::FRAME_HEADER | ObuType::FRAME => {
                // show_existing_frame (1), frame_type (2); 0 is a keyframe
                let is_key = obu.payload.first().is_some_and(|first| first >> 5 == 0);
                return reduced_still_picture.is_some_and(|reduced| reduced || is_key);
            }
            _ => {}
        }
    }
    false
}

/// Width and height as the sequence header says (§5.5.1).
pub(in super::super) fn dimensions(keyframe: &[u8]) -> Option<(u16, u16)> {
    let header = obus(keyframe).find(|obu| obu.obu_type() == ObuType::SEQUENCE_HEADER)?;
    let mut bits = Bits::new(header.payload.iter().copied());
    let _seq_profile = bits.number(3)?;
    let _still_picture = bits.flag()?;
    if bits.flag()? {
        let _seq_level_idx = bits.number(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let width_bits = bits.number(4)? + 1;
    let height_bits = bits.number(4)? + 1;
    let width = u16::try_from(bits.number(width_bits)? + 1).ok()?;
    let height = u16::try_from(bits.number(height_bits)? + 1).ok()?;
    Some((width, height))
}

/// From timing_info_present_flag to the last operating point (§5.5.1, §5.5.3 to §5.5.5).
fn skip_operating_points(bits: &mut Bits<impl Iterator<Item = u8>>) -> Option<()> {
    let mut buffer_delay_length = None;
    if bits.flag()? {
        let _num_units_in_display_tick = bits.number(32)?;
        let _time_scale = bits.number(32)?;
        let equal_picture_interval = bits.flag()?;
        if equal_picture_interval {
            let _num_ticks_per_picture_minus_1 = bits.unsigned()?;
        }
        if bits.flag()? {
            buffer_delay_length = Some(bits.number(5)? + 1);
            let _num_units_in_decoding_tick = bits.number(32)?;
            let _buffer_removal_time_length = bits.number(5)?;
            let _frame_presentation_time_length = bits.number(5)?;
        }
    }
    let initial_display_delay_present = bits.flag()?;
    let operating_points = bits.number(5)? + 1;
    for _ in 0..operating_points {
        let _operating_point_idc = bits.number(12)?;
        let seq_level_idx = bits.number(5)?;
        if seq_level_idx > 7 {
            let _seq_tier = bits.flag()?;
        }
        if let Some(length) = buffer_delay_length
            && bits.flag()?
        {
            // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
            bits.skip(2 * length + 1)?;
        }
        if initial_display_delay_present && bits.flag()? {
            let _initial_display_delay_minus_1 = bits.number(4)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::*;

    #[test]
    fn leb128_of_the_largest_value() {
        let octets = testing::hex("ffffffff0f aa");
        assert_eq!(read_leb128(&octets), Some((&[0xaa][..], 0xffff_ffff)));
        // One more, more than eight octets, none at all.
        assert_eq!(read_leb128(&testing::hex("8080808010")), None);
        assert_eq!(read_leb128(&testing::hex("808080808080808000")), None);
        assert_eq!(read_leb128(&testing::hex("80")), None);
        // Longer than need be is allowed.
        assert_eq!(read_leb128(&testing::hex("8500")), Some((&[][..], 5)));
    }

    #[test]
    fn sizes_that_lie_are_errors() {
        assert!(Obu::parse(&testing::hex("12 00")).is_ok());
        for lie in ["", "12", "12 01", "92 00", "16", "16 00", "16 00 80"] {
            assert!(Obu::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    proptest! {
        #[test]
        fn leb128_round_trip(value in 0..=0xffff_ffff_usize) {
            let mut out = BytesMut::new();
            write_leb128(value, &mut out);
            prop_assert_eq!(out.len(), leb128_length(value));
            prop_assert_eq!(read_leb128(&out), Some((&[][..], value)));
        }

        #[test]
        fn never_panics(octets in testing::octets(0..100)) {
            let _ = dimensions(&octets);
            let _ = is_keyframe(&octets);
        }
    }
}
