//! Parameter sets: what a decoder must know before the first slice, kept for keyframes without.
//!
//! Some encoders say the parameter sets once and never again, and some senders send them in packets
//! of their own. A viewer who joins later, or a recording that begins at a keyframe, needs them
//! there; so both sides put those seen last in front of a keyframe that has none. RFC 6184 §8.4.
//!
//! The sequence parameter set is read as far as the size of the picture (ITU-T H.264 §7.3.2.1.1).

use bytes::Bytes;

use super::super::bits::Bits;
use super::annex_b::{UnitType, without_emulation_prevention};

/// Sequence and picture parameter sets that are kept. Encoders use one or two of each.
const MAX_PARAMETER_SETS: usize = 16;

/// The longest one that is kept, in octets. They have tens; scaling matrices make it hundreds.
const MAX_PARAMETER_SET: usize = 4096;

/// The parameter sets seen last, sequence parameter sets first.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    units: Vec<(Key, Bytes)>,
}

/// A later parameter set replaces the earlier one of the same type and number.
type Key = (UnitType, u32);

impl ParameterSets {
    /// Keeps the NAL unit if it is a parameter set.
    pub(super) fn note(&mut self, unit: &[u8]) {
        let Some(key) = key(unit) else { return };
        if unit.len() > MAX_PARAMETER_SET {
            return;
        }
        match self.units.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                if let Some((_, kept)) = self.units.get_mut(at)
                    && kept != unit
                {
                    *kept = Bytes::copy_from_slice(unit);
                }
            }
            Err(at) if self.units.len() < MAX_PARAMETER_SETS => {
                self.units.insert(at, (key, Bytes::copy_from_slice(unit)));
            }
            Err(_) => {}
        }
    }

    /// In the order in which a decoder needs them.
    pub(super) fn units(&self) -> impl Iterator<Item = &Bytes> {
        self.units.iter().map(|(_, unit)| unit)
    }

    /// Whether there is one of the type.
    pub(super) fn has(&self, unit_type: UnitType) -> bool {
        self.units.iter().any(|((of, _), _)| *of == unit_type)
    }
}

fn key(unit: &[u8]) -> Option<Key> {
    let unit_type = UnitType::of(*unit.first()?);
    let mut bits = Bits::new(without_emulation_prevention(unit));
    match unit_type {
        UnitType::SPS => bits.skip(32)?,
        UnitType::PPS => bits.skip(8)?,
        _ => return None,
    }
    Some((unit_type, bits.unsigned()?))
}

/// profile_idc of the profiles whose parameter sets tell the colour format.
const PROFILES_WITH_CHROMA: [u32; 13] =
    [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Width and height of the pictures of a sequence parameter set, cropped.
pub(super) fn dimensions(sps: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(without_emulation_prevention(sps));
    let _header = bits.number(8)?;
    let profile = bits.number(8)?;
    let _constraints_and_level = bits.number(16)?;
    let _id = bits.unsigned()?;
    let chroma =
        if PROFILES_WITH_CHROMA.contains(&profile) { chroma(&mut bits)? } else { Chroma::HALVED };
    let _log2_max_frame_num = bits.unsigned()?;
    skip_picture_order(&mut bits)?;
    let _max_num_ref_frames = bits.unsigned()?;
    let _gaps_in_frame_num_allowed = bits.flag()?;
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned()?.checked_add(1)?;
    let frame_mbs_only = bits.flag()?;
    // A field has half of a frame's lines.
    let fields = if frame_mbs_only { 1 } else { 2 };
    let height = map_units.checked_mul(16 * fields)?;
    if !frame_mbs_only {
        let _mb_adaptive_frame_field = bits.flag()?;
    }
    let _direct_8x8_inference = bits.flag()?;
    let (mut crop_width, mut crop_height) = (0_u32, 0_u32);
    if bits.flag()? {
        let (left, right) = (bits.unsigned()?, bits.unsigned()?);
        let (top, bottom) = (bits.unsigned()?, bits.unsigned()?);
        crop_width = left.checked_add(right)?.checked_mul(chroma.width)?;
        crop_height = top.checked_add(bottom)?.checked_mul(chroma.height * fields)?;
    }
    let width = u16::try_from(width.checked_sub(crop_width)?).ok()?;
    let height = u16::try_from(height.checked_sub(crop_height)?).ok()?;
    Some((width, height))
}

/// How many samples of brightness there are to one of colour: the units of cropping.
struct Chroma {
    width: u32,
    height: u32,
}

impl Chroma {
    /// 4:2:0, which all other profiles have.
    const HALVED: Self = Self { width: 2, height: 2 };
}

fn chroma(bits: &mut Bits<impl Iterator<Item = u8>>) -> Option<Chroma> {
    let format = bits.unsigned()?;
    let separate_colour_planes = format == 3 && bits.flag()?;
    let _bit_depth_luma = bits.unsigned()?;
    let _bit_depth_chroma = bits.unsigned()?;
    let _transform_bypass = bits.flag()?;
    if bits.flag()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(match format {
        1 => Chroma::HALVED,
        2 => Chroma { width: 2, height: 1 },
        3 if !separate_colour_planes => Chroma { width: 1, height: 1 },
        0 | 3 => Chroma { width: 1, height: 1 },
        _ => return None,
    })
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<impl Iterator<Item = u8>>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<impl Iterator<Item = u8>>) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            let _log2_max_pic_order_cnt_lsb = bits.unsigned()?;
        }
        1 => {
            let _delta_pic_order_always_zero = bits.flag()?;
            let _offset_for_non_ref_pic = bits.signed()?;
            let _offset_for_top_to_bottom_field = bits.signed()?;
            // At most 255; and no more than there are bits.
            let count = bits.unsigned()?.min(255);
            for _ in 0..count {
                let _offset_for_ref_frame = bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{self, hex};
    use super::*;

    #[test]
    fn sizes_of_parameter_sets_seen() {
        // x264: constrained baseline; high, cropped; high 4:2:2 of fields with scaling lists, cropped.
        let baseline = hex("6742c00ad9047b011000000300100000030140f1226480");
        assert_eq!(dimensions(&baseline), Some((64, 48)));
        let high = hex("6764000aacd945278888c044000003000400000300503c489658");
        assert_eq!(dimensions(&high), Some((66, 50)));
        let fields = hex("677a0015bcd941433f3e022000000300200000030283e28532c0");
        assert_eq!(dimensions(&fields), Some((320, 180)));
        assert_eq!(dimensions(&baseline[..6]), None);
    }

    #[test]
    fn a_later_set_replaces_the_earlier_one() {
        let mut sets = ParameterSets::default();
        sets.note(&hex("68 c0"));
        sets.note(&hex("67 42c01e a0"));
        sets.note(&hex("67 42c01f a0"));
        sets.note(&hex("65 88"));
        let kept: Vec<&Bytes> = sets.units().collect();
        assert_eq!(kept, [&hex("67 42c01f a0"), &hex("68 c0")]);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut sets = ParameterSets::default();
        for id in 0..200_u8 {
            sets.note(&[0x68, 0x01, id | 0x80, id]);
            sets.note(&[0x68, id | 1]);
        }
        sets.note(&[0x68; 5000]);
        assert!(sets.units().count() <= MAX_PARAMETER_SETS);
    }

    proptest! {
        #[test]
        fn never_panics(octets in testing::octets(0..100)) {
            let _ = dimensions(&octets);
            ParameterSets::default().note(&octets);
        }
    }
}
