//! G.711: the codec. Its payload format (RFC 3551 §4.5.14) is that of all audio here: in `whole`.
//!
//! A sample of 13 or 14 bits becomes 8 by a floating-point trick: one bit of sign, three of
//! exponent (the *segment*), four of mantissa (the *interval* within the segment). Each segment is
//! twice as wide as the one below it and has 16 intervals, too: quiet samples are kept finely, loud
//! ones coarsely, as ears hear them.
//!
//! ```text
//!   7   6   5   4   3   2   1   0
//! +---+---+---+---+---+---+---+---+      µ-law: all but P inverted (0x7f);
//! | P |  segment  |   interval    |             magnitudes are raised by a bias of 33
//! +---+---+---+---+---+---+---+---+      A-law: every other bit inverted (0x55);
//!  P: 1 for positive                            segments 0 and 1 are equally wide
//! ```
//!
//! Samples here are 16-bit. µ-law uses the upper 14 of them, A-law the upper 13. Negative samples
//! are mirrored by inverting their bits, so that -1 is as far from the middle as 0. This is the
//! behaviour of ITU-T's reference (G.191).
//!
//! Book: the chapter on a codec you can read.

/// Encodes samples (8,000 a second) in µ-law.
#[must_use]
pub fn encode_ulaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| ulaw_from_linear(*sample)).collect()
}

/// Decodes µ-law.
#[must_use]
pub fn decode_ulaw(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| linear_from_ulaw(*code)).collect()
}

/// Encodes samples (8,000 a second) in A-law.
#[must_use]
pub fn encode_alaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| alaw_from_linear(*sample)).collect()
}

/// Decodes A-law.
#[must_use]
pub fn decode_alaw(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| linear_from_alaw(*code)).collect()
}

/// Added to magnitudes in µ-law, so that each segment begins at a power of two: 32, 64, … 4096.
const BIAS: u16 = 33;

/// The largest biased magnitude that µ-law can say: louder ones are clipped.
const CLIP: u16 = 0x1fff;

// ANCHOR: ulaw_from_linear
/// One sample in µ-law.
#[must_use]
pub fn ulaw_from_linear(sample: i16) -> u8 {
    let biased = CLIP.min((magnitude(sample) >> 2) + BIAS);
    let segment = biased.ilog2() - 5;
    // Below the leading one, which the segment tells, are the four bits to keep.
    let interval = biased >> (segment + 1);
    code(sample >= 0, segment, interval) ^ 0x7f
}
// ANCHOR_END: ulaw_from_linear

// ANCHOR: linear_from_ulaw
/// The middle of the interval that a µ-law code stands for.
#[must_use]
pub fn linear_from_ulaw(code: u8) -> i16 {
    let (positive, segment, interval) = parts(code ^ 0x7f);
    let middle = (2 * interval + 33) << segment;
    signed(positive, (middle - 33) << 2)
}
// ANCHOR_END: linear_from_ulaw

// ANCHOR: alaw_from_linear
/// One sample in A-law.
#[must_use]
pub fn alaw_from_linear(sample: i16) -> u8 {
    let magnitude = magnitude(sample) >> 4;
    // Segment 0 has no leading one and is as wide as segment 1.
    let (segment, interval) = match magnitude {
        0..16 => (0, magnitude),
        _ => {
            let segment = magnitude.ilog2() - 3;
            (segment, magnitude >> (segment - 1))
        }
    };
    code(sample >= 0, segment, interval) ^ 0x55
}
// ANCHOR_END: alaw_from_linear

/// The middle of the interval that an A-law code stands for.
#[must_use]
pub fn linear_from_alaw(code: u8) -> i16 {
    let (positive, segment, interval) = parts(code ^ 0x55);
    let middle = 16 * interval + 8;
    signed(positive, if segment == 0 { middle } else { (middle + 256) << (segment - 1) })
}

/// How far a sample is from the middle, which lies between -1 and 0.
fn magnitude(sample: i16) -> u16 {
    if sample < 0 { (!sample).unsigned_abs() } else { sample.unsigned_abs() }
}

fn signed(positive: bool, magnitude: i16) -> i16 {
    if positive { magnitude } else { -magnitude }
}

/// Sign, segment (0 to 7) and the lower four bits of `interval` as one octet, nothing inverted.
fn code(positive: bool, segment: u32, interval: u16) -> u8 {
    u8::from(positive) << 7 | ((segment & 7) as u8) << 4 | (interval & 15) as u8
}

/// Sign, segment and interval of a code, nothing inverted.
fn parts(code: u8) -> (bool, u8, i16) {
    (code & 0x80 != 0, code >> 4 & 7, i16::from(code & 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positive decision values x(1) to x(128) of ITU-T G.711 tables 1a and 2a, at 16 bits: 16
    /// intervals a segment. The last one is the virtual one at full scale.
    fn decision_values(first: i32, steps: [i32; 8]) -> Vec<i32> {
        let mut values = vec![first];
        for step in steps {
            for _ in 0..16 {
                values.push(values.last().unwrap() + step);
            }
        }
        values
    }

    /// The number of the interval (0 to 127) a magnitude lies in.
    fn interval(values: &[i32], sample: i16) -> u8 {
        let magnitude = if sample < 0 { -1 - i32::from(sample) } else { i32::from(sample) };
        let below = values[1..128].iter().filter(|value| **value <= magnitude).count();
        u8::try_from(below).unwrap()
    }

    #[test]
    fn every_sample_gets_the_alaw_code_of_its_interval() {
        let values = decision_values(0, [16, 16, 32, 64, 128, 256, 512, 1024]);
        assert_eq!(values[128], 32_768);
        for sample in i16::MIN..=i16::MAX {
            let sign = u8::from(sample >= 0) << 7;
            assert_eq!(alaw_from_linear(sample), (sign | interval(&values, sample)) ^ 0x55);
        }
    }

    #[test]
    fn every_sample_gets_the_ulaw_code_of_its_interval() {
        // Table 2a's first interval is half as wide: the first value would lie at -4.
        let values = decision_values(-4, [8, 16, 32, 64, 128, 256, 512, 1024]);
        assert_eq!(values[128], 8159 * 4);
        for sample in i16::MIN..=i16::MAX {
            let sign = u8::from(sample >= 0) << 7;
            assert_eq!(ulaw_from_linear(sample), (sign | interval(&values, sample)) ^ 0x7f);
        }
    }

    #[test]
    fn every_code_stands_for_the_middle_of_its_interval() {
        let alaw = decision_values(0, [16, 16, 32, 64, 128, 256, 512, 1024]);
        let ulaw = decision_values(-4, [8, 16, 32, 64, 128, 256, 512, 1024]);
        for number in 0..128_u8 {
            let middle = |values: &[i32]| {
                (values[usize::from(number)] + values[usize::from(number) + 1]) / 2
            };
            assert_eq!(i32::from(linear_from_alaw((0x80 | number) ^ 0x55)), middle(&alaw));
            assert_eq!(i32::from(linear_from_alaw(number ^ 0x55)), -middle(&alaw));
            assert_eq!(i32::from(linear_from_ulaw((0x80 | number) ^ 0x7f)), middle(&ulaw));
            assert_eq!(i32::from(linear_from_ulaw(number ^ 0x7f)), -middle(&ulaw));
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        let codes: Vec<u8> = (0..=255).collect();
        assert_eq!(encode_alaw(&decode_alaw(&codes)), codes);
        // µ-law has two codes for silence, and 0 is the positive one.
        let expected: Vec<u8> =
            codes.iter().map(|code| if *code == 0x7f { 0xff } else { *code }).collect();
        assert_eq!(encode_ulaw(&decode_ulaw(&codes)), expected);
    }

    /// FNV-1a, to compare 65,536 codes with those of ITU-T's reference without a table of them.
    fn fnv(octets: &[u8]) -> u64 {
        octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn every_code_is_that_of_g191() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        assert_eq!(fnv(&encode_ulaw(&samples)), 0x04ec_1f08_3fd7_8c2d);
        assert_eq!(fnv(&encode_alaw(&samples)), 0xf030_666e_b780_cf25);
        let codes: Vec<u8> = (0..=255).collect();
        let octets =
            |samples: Vec<i16>| samples.into_iter().flat_map(i16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(fnv(&octets(decode_ulaw(&codes))), 0xb91e_65d6_8481_a1a8);
        assert_eq!(fnv(&octets(decode_alaw(&codes))), 0x693a_40ca_62a3_d2a5);
    }

    #[test]
    fn the_codes_everybody_knows() {
        assert_eq!(encode_ulaw(&[0, -1, i16::MAX, i16::MIN]), [0xff, 0x7f, 0x80, 0x00]);
        assert_eq!(encode_alaw(&[0, -1, i16::MAX, i16::MIN]), [0xd5, 0x55, 0xaa, 0x2a]);
        assert_eq!(decode_ulaw(&[0xff, 0x7f, 0x80, 0x00]), [0, 0, 32_124, -32_124]);
        assert_eq!(decode_alaw(&[0xd5, 0x55, 0xaa, 0x2a]), [8, -8, 32_256, -32_256]);
    }
}
