//! How long an Opus packet is, and packets that stand for missing ones. RFC 6716 §3.
//!
//! ```text
//!   0 1 2 3 4 5 6 7
//!  +-+-+-+-+-+-+-+-+
//!  | config  |s| c |   the TOC octet: mode, bandwidth and frame size; stereo; frames in the packet
//!  +-+-+-+-+-+-+-+-+
//! ```
//!
//! Book: the chapter on RTP.

use bytes::Bytes;

/// Samples a second of every Opus stream, whatever was encoded.
pub(crate) const CLOCK_RATE: u32 = 48_000;

/// The longest packet, 120 ms in samples (RFC 6716 §3.2.5, R5).
pub(crate) const MAX_DURATION: u32 = 5760;

/// The shortest frame, 2.5 ms in samples: gaps of other sizes cannot be repaired.
pub(crate) const SHORTEST_FRAME: u32 = 120;

/// The duration of a packet in samples at 48 kHz; `None` if it is malformed.
pub(crate) fn duration(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frames = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let duration = frames * frame_duration(toc);
    (1..=MAX_DURATION).contains(&duration).then_some(duration)
}

/// The duration of each frame in samples, RFC 6716 table 2.
fn frame_duration(toc: u8) -> u32 {
    let config = toc >> 3;
    match (config, config & 0b11) {
        // SILK: 10, 20, 40, 60 ms.
        (0..=11, 0) => 480,
        (0..=11, 1) => 960,
        (0..=11, 2) => 1920,
        (0..=11, _) => 2880,
        // Hybrid: 10, 20 ms.
        (12 | 14, _) => 480,
        (13 | 15, _) => 960,
        // CELT: 2.5, 5, 10, 20 ms.
        (_, 0) => 120,
        (_, 1) => 240,
        (_, 2) => 480,
        (_, _) => 960,
    }
}

/// Packets of empty frames that ask the decoder to conceal `gap` samples, in the bandwidth of
/// `toc` (RFC 7845 §4.1). What remains below 2.5 ms is left out.
pub(crate) fn concealment(toc: u8, gap: u64) -> impl Iterator<Item = (Bytes, u32)> {
    // CELT frames of 2.5 ms exist in four bandwidths; narrow ones stand for SILK's.
    let config = match toc >> 3 {
        0..=3 => 16,
        4..=11 => 20,
        12 | 13 => 24,
        14 | 15 => 28,
        celt => celt & !0b11,
    };
    let stereo = toc & 0b100;
    let mut left = gap;
    std::iter::from_fn(move || {
        let frame = [(3, 960_u32), (2, 480), (1, 240), (0, SHORTEST_FRAME)];
        let (size, samples) = frame.into_iter().find(|&(_, samples)| left >= u64::from(samples))?;
        // Code 3, constant bit rate: a count, and no octets for the frames.
        let most = MAX_DURATION / samples;
        let count = u32::try_from(left / u64::from(samples)).map_or(most, |count| count.min(most));
        let duration = count * samples;
        left -= u64::from(duration);
        let count = u8::try_from(count).ok()?;
        Some((Bytes::copy_from_slice(&[(config | size) << 3 | stereo | 3, count]), duration))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_6716_section_3_1_durations() {
        assert_eq!(duration(&[0x78, 1, 2]), Some(960)); // hybrid, 20 ms
        assert_eq!(duration(&[0x19]), Some(2 * 2880)); // SILK, twice 60 ms
        assert_eq!(duration(&[0xfc]), Some(960)); // CELT, 20 ms, stereo
        assert_eq!(duration(&[0xe3, 48]), Some(5760)); // CELT, 48 of 2.5 ms
        assert_eq!(duration(&[0xe3, 49]), None);
        assert_eq!(duration(&[0xe3, 0]), None);
        assert_eq!(duration(&[0xe3]), None);
        assert_eq!(duration(&[]), None);
    }

    proptest! {
        #[test]
        fn concealment_lasts_as_long_as_the_gap(toc: u8, gap in 0_u64..1_000_000) {
            let mut concealed = 0;
            for (packet, samples) in concealment(toc, gap) {
                prop_assert_eq!(duration(&packet), Some(samples));
                concealed += u64::from(samples);
            }
            prop_assert_eq!(concealed, gap - gap % u64::from(SHORTEST_FRAME));
        }

        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = duration(&octets);
        }
    }
}
