//! The beginning of a VP9 frame: its uncompressed header, as far as we need it.
//!
//! VP9 bitstream specification §6.2: is this a keyframe, and how large is its picture?

use super::super::bits::Bits;

/// Behind these octets in a keyframe stand its colours and size.
const SYNC_CODE: u32 = 0x49_83_42;

/// The colour space that has no range and is never subsampled.
const SRGB: u32 = 7;

/// Whether the frame refers to no other one.
pub(super) fn is_keyframe(frame: &[u8]) -> bool {
    keyframe(&mut Bits::new(frame.iter().copied())).is_some()
}

/// Width and height of a keyframe.
pub(in super::super) fn dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(frame.iter().copied());
    let profile = keyframe(&mut bits)?;
    let _show_frame = bits.flag()?;
    let _error_resilient_mode = bits.flag()?;
    if bits.number(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        let _ten_or_twelve_bit = bits.flag()?;
    }
    let has_subsampling = profile == 1 || profile == 3;
    if bits.number(3)? != SRGB {
        let _color_range = bits.flag()?;
        if has_subsampling {
            bits.skip(3)?;
        }
    } else if has_subsampling {
        let _reserved_zero = bits.flag()?;
    }
    let width = u16::try_from(bits.number(16)? + 1).ok()?;
    let height = u16::try_from(bits.number(16)? + 1).ok()?;
    Some((width, height))
}

/// Reads up to frame_type and answers the profile, if it is a keyframe.
fn keyframe(bits: &mut Bits<impl Iterator<Item = u8>>) -> Option<u32> {
    if bits.number(2)? != 0b10 {
        return None;
    }
    let profile = bits.number(1)? | bits.number(1)? << 1;
    if profile == 3 {
        let _reserved_zero = bits.flag()?;
    }
    let show_existing_frame = bits.flag()?;
    let is_inter_frame = bits.flag()?;
    (!show_existing_frame && !is_inter_frame).then_some(profile)
}
