//! How long a picture of H.264 is shown, as its sequence parameter set says: ITU-T H.264 §7.3.2.1
//! and, for the timing, §E.1.1.
//!
//! The times stand behind everything else, so everything else is stepped over. All of it is written
//! in bits: fixed lengths `u(n)`, and Exp-Golomb codes `ue(v)` and `se(v)` (§9.1).
//!
//! Book: the chapter on RTP.

/// Pictures per second as a fraction, from a sequence parameter set without its start code. `None`:
/// it does not say, or makes no sense.
pub(super) fn frame_rate(nal: &[u8]) -> Option<(u32, u32)> {
    let octets = without_emulation_prevention(nal.get(1..)?);
    let mut bits = Bits { octets: &octets, position: 0 };
    let profile = bits.u(8)?;
    bits.u(16)?; // constraint flags, level
    bits.ue()?; // seq_parameter_set_id
    // The profiles that say how colours are sampled.
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        chroma(&mut bits)?;
    }
    bits.ue()?; // log2_max_frame_num_minus4
    picture_order_count(&mut bits)?;
    bits.ue()?; // max_num_ref_frames
    bits.u(1)?; // gaps_in_frame_num_value_allowed_flag
    bits.ue()?; // pic_width_in_mbs_minus1
    bits.ue()?; // pic_height_in_map_units_minus1
    if bits.u(1)? == 0 {
        bits.u(1)?; // not only frames: mb_adaptive_frame_field_flag
    }
    bits.u(1)?; // direct_8x8_inference_flag
    if bits.u(1)? == 1 {
        // frame_cropping: left, right, top, bottom
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    // vui_parameters_present_flag
    if bits.u(1)? == 1 { timing(&mut bits) } else { None }
}

/// Steps over what says how colours are sampled.
fn chroma(bits: &mut Bits<'_>) -> Option<()> {
    let chroma_format = bits.ue()?;
    if chroma_format == 3 {
        bits.u(1)?; // separate_colour_plane_flag
    }
    bits.ue()?; // bit_depth_luma_minus8
    bits.ue()?; // bit_depth_chroma_minus8
    bits.u(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.u(1)? == 1 {
        // seq_scaling_matrix_present_flag
        for list in 0..if chroma_format == 3 { 12 } else { 8 } {
            if bits.u(1)? == 1 {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

/// Steps over a scaling list, §7.3.2.1.1.1.
fn scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Steps over how pictures are ordered.
fn picture_order_count(bits: &mut Bits<'_>) -> Option<()> {
    match bits.ue()? {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.u(1)?; // delta_pic_order_always_zero_flag
            bits.ue()?; // offset_for_non_ref_pic
            bits.ue()?; // offset_for_top_to_bottom_field
            // num_ref_frames_in_pic_order_cnt_cycle is at most 255.
            for _ in 0..bits.ue()?.min(255) {
                bits.ue()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// The timing in the usability information, §E.1.1. A picture lasts two ticks (§E.2.1).
fn timing(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    const EXTENDED_SAR: u32 = 255;
    if bits.u(1)? == 1 && bits.u(8)? == EXTENDED_SAR {
        bits.u(32)?; // sar_width, sar_height
    }
    if bits.u(1)? == 1 {
        bits.u(1)?; // overscan_appropriate_flag
    }
    if bits.u(1)? == 1 {
        bits.u(4)?; // video_format, video_full_range_flag
        if bits.u(1)? == 1 {
            bits.u(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
        }
    }
    if bits.u(1)? == 1 {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if bits.u(1)? == 0 {
        return None; // timing_info_present_flag
    }
    let (num_units_in_tick, time_scale) = (bits.u(32)?, bits.u(32)?);
    let rate = (time_scale, num_units_in_tick.checked_mul(2)?);
    (rate.0 > 0 && rate.1 > 0).then_some(rate)
}

/// The octets without those that keep start codes from appearing: `00 00 03` is `00 00` (§7.4.1).
fn without_emulation_prevention(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut zeros = 0;
    for &octet in octets {
        if zeros >= 2 && octet == 3 {
            zeros = 0;
            continue;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        out.push(octet);
    }
    out
}

/// Reads bits, the most significant first.
struct Bits<'a> {
    octets: &'a [u8],
    /// In bits.
    position: usize,
}

impl Bits<'_> {
    /// `u(count)`, at most 32.
    fn u(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let octet = self.octets.get(self.position / 8)?;
            value = value << 1 | u32::from(octet >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// `ue(v)`: as many zeros as there are bits after the one.
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.u(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.u(zeros)?)
    }

    /// `se(v)`: 0, 1, -1, 2, -2, …
    fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rate_that_x264_writes() {
        // High profile, 320×240, 25 pictures a second: num_units_in_tick 1, time_scale 50.
        let nal = [
            0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03,
            0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
        ];
        assert_eq!(frame_rate(&nal), Some((50, 2)));
        assert_eq!(frame_rate(&nal[..12]), None);
    }

    #[test]
    fn exp_golomb_codes_of_table_9_2() {
        // 1, 010, 011, 00100, 00101
        let mut bits = Bits { octets: &[0b1010_0110, 0b0100_0010, 0b1000_0000], position: 0 };
        assert_eq!([(); 5].map(|()| bits.ue().unwrap()), [0, 1, 2, 3, 4]);
        bits.position = 0;
        assert_eq!([(); 5].map(|()| bits.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = frame_rate(&octets);
        }
    }
}
