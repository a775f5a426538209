//! Receiver estimated maximum bitrate, "REMB" (206, FMT 15), draft-alvestrand-rmcat-remb-03 §2.2.
//!
//! An application layer feedback (RFC 4585 §6.4), told from others by four letters; the media source
//! in what [`super::feedback`] shows is 0. The FCI is
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Unique identifier 'R' 'E' 'M' 'B'                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Num SSRC     | BR Exp    |  BR Mantissa                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   SSRC feedback                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                              ...                              \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::tag;
use nom::combinator::map;
use nom::multi::count;
use nom::number::complete::{be_u8, be_u24, be_u32};

use super::super::field::{Parsed, field};
use super::super::identifier::Ssrc;
use super::feedback;

const IDENTIFIER: &[u8; 4] = b"REMB";
/// Bits of the mantissa.
const MANTISSA_BITS: u32 = 18;
/// The largest bitrate of 64 bits that mantissa and exponent can say.
const LARGEST: u64 = 0x3_ffff << 46;

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstimatedBitrate {
    /// Who estimates.
    pub sender: Ssrc,
    /// Bits per second, as far as 6 bits of exponent and 18 of mantissa can say: rounded down in
    /// writing; in reading, what exceeds 64 bits is the most that can be written.
    pub bitrate: u64,
    /// Of these sources together, at most 255.
    pub ssrcs: Vec<Ssrc>,
}

impl EstimatedBitrate {
    pub(super) const FORMAT: u8 = 15;

    /// Whether the body of an application layer feedback is one of these.
    pub(super) fn is_at(body: &[u8]) -> bool {
        body.get(8..).is_some_and(|fci| fci.starts_with(IDENTIFIER))
    }

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, (sender, _)) = feedback::parse_ssrcs(input)?;
        let (rest, _) =
            field("Unique identifier", tag(IDENTIFIER.as_slice())).parse_complete(rest)?;
        let (rest, ssrc_count) = field("Num SSRC", be_u8).parse_complete(rest)?;
        let (rest, bitrate) =
            field("BR Exp, BR Mantissa", map(be_u24, expand)).parse_complete(rest)?;
        let ssrc = field("SSRC feedback", map(be_u32, Ssrc));
        let (rest, ssrcs) = count(ssrc, ssrc_count.into()).parse_complete(rest)?;
        Ok((rest, Self { sender, bitrate, ssrcs }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        feedback::write_ssrcs(self.sender, feedback::NO_MEDIA, out);
        out.put_slice(IDENTIFIER);
        let ssrcs = self.ssrcs.get(..255).unwrap_or(&self.ssrcs);
        out.put_u8(u8::try_from(ssrcs.len()).unwrap_or(u8::MAX));
        let [_, octets @ ..] = compress(self.bitrate).to_be_bytes();
        out.put_slice(&octets);
        for ssrc in ssrcs {
            out.put_u32(ssrc.0);
        }
    }
}

/// Mantissa times two to the power of the exponent.
fn expand(octets: u32) -> u64 {
    let exponent = octets >> MANTISSA_BITS;
    let mantissa = u64::from(octets & ((1 << MANTISSA_BITS) - 1));
    match mantissa.leading_zeros() >= exponent {
        true => mantissa << exponent,
        false => LARGEST,
    }
}

/// The smallest exponent with which the mantissa has room, rounded down.
fn compress(bitrate: u64) -> u32 {
    let bits = u64::BITS - bitrate.leading_zeros();
    let exponent = bits.saturating_sub(MANTISSA_BITS);
    exponent << MANTISSA_BITS | u32::try_from(bitrate >> exponent).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_estimated_bitrate() -> impl Strategy<Value = Packet> {
        let ssrcs = prop::collection::vec(testing::any_ssrc(), 0..4);
        (testing::any_ssrc(), 0u64..1 << 18, 0..47, ssrcs).prop_map(
            |(sender, mantissa, exponent, ssrcs)| {
                let bitrate = mantissa << exponent;
                Packet::EstimatedBitrate(EstimatedBitrate { sender, bitrate, ssrcs })
            },
        )
    }

    #[test]
    fn a_megabit_for_one_source() {
        let estimate =
            EstimatedBitrate { sender: Ssrc(1), bitrate: 1_000_000, ssrcs: vec![Ssrc(2)] };
        // 250,000 · 2²
        testing::vector(
            "8fce0005 00000001 00000000 52454d42 01 0bd090 00000002",
            &Packet::EstimatedBitrate(estimate),
        );
    }

    #[test]
    fn row_65_the_largest_bitrate_saturates() {
        assert_eq!(expand(0xff_ffff), LARGEST);
        assert_eq!(expand(63 << 18), 0);
        assert_eq!(expand(63 << 18 | 1), 1 << 63);
        assert_eq!(expand(compress(u64::MAX)), LARGEST);
    }

    #[test]
    fn row_65_sources_that_are_not_there() {
        for lie in [
            "8fce0004 00000001 00000000 52454d42 01 0bd090",
            "8fce0005 00000001 00000000 52454d42 ff 0bd090 00000002",
            "8fce0005 00000001 00000000 52454d42 00 0bd090 00000002",
            "8fce0003 00000001 00000000 52454d42",
        ] {
            assert!(super::super::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    proptest! {
        #[test]
        fn writing_rounds_down_by_less_than_one_part_in_131_072(bitrate: u64) {
            let written = expand(compress(bitrate));
            prop_assert!(written <= bitrate);
            prop_assert!(bitrate - written <= bitrate >> 17);
        }

        #[test]
        fn never_panics_behind_the_identifier(body in testing::octets(40)) {
            let body = [&testing::hex("00000001 00000000 52454d42")[..], &body].concat();
            testing::never_panics(packet_type::PAYLOAD_FEEDBACK, 15, body.into());
        }
    }

    testing::properties!(any_estimated_bitrate(), packet_type::PAYLOAD_FEEDBACK, 15u8..=15);
}
