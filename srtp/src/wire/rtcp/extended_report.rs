//! XR (207): extended report, RFC 3611 §2.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|reserved |   PT=XR=207   |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              SSRC                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      BT       | type-specific |  block length, in words       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                type-specific block contents                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Two blocks let one that sends nothing measure the round-trip time: it tells its clock (§4.4,
//! BT=4, two words: NTP timestamp), and the other echoes it (§4.5, BT=5, three words for each: SSRC,
//! last RR, delay since last RR).

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::many0;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::super::field::{ParseError, Parsed, field, remainder};
use super::super::identifier::Ssrc;
use super::header::no_surplus;

const REFERENCE_TIME: u8 = 4;
const DELAY: u8 = 5;

/// Extended report, RFC 3611.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedReport {
    /// Who reports.
    pub ssrc: Ssrc,
    /// The blocks.
    pub blocks: Vec<ReportExtension>,
}

/// A block of an extended report, RFC 3611 §4.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportExtension {
    /// Receiver reference time, RFC 3611 §4.4: NTP timestamp of a receiver that sends nothing.
    ReferenceTime(u64),
    /// DLRR, RFC 3611 §4.5: whom, last RRTR (middle 32 bits), delay since then (1/65,536 s).
    Delay(Vec<(Ssrc, u32, u32)>),
    /// Any other: block type, type-specific octet, whole words.
    Unknown(u8, u8, Bytes),
}

impl ExtendedReport {
    pub(super) fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (mut rest, ssrc) = field("SSRC", map(be_u32, Ssrc)).parse_complete(input)?;
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let block;
            (rest, block) = ReportExtension::parse(packet, rest)?;
            blocks.push(block);
        }
        Ok((rest, Self { ssrc, blocks }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.ssrc.0);
        for block in &self.blocks {
            block.write(out);
        }
    }
}

impl ReportExtension {
    fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, block_type) = field("BT", be_u8).parse_complete(input)?;
        let (rest, specific) = field("type-specific", be_u8).parse_complete(rest)?;
        let (rest, words) = field("block length", be_u16).parse_complete(rest)?;
        let Some((contents, rest)) = rest.split_at_checked(usize::from(words) * 4) else {
            return Err(nom::Err::Error(ParseError::forbidden("block length", rest.len())));
        };
        let (surplus, block) = match block_type {
            REFERENCE_TIME => {
                map(field("NTP timestamp", be_u64), Self::ReferenceTime).parse_complete(contents)?
            }
            DELAY => map(many0(parse_delay), Self::Delay).parse_complete(contents)?,
            _ => map(field("block contents", remainder(packet)), |contents| {
                Self::Unknown(block_type, specific, contents)
            })
            .parse_complete(contents)?,
        };
        no_surplus("block length", surplus)?;
        Ok((rest, block))
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::ReferenceTime(ntp_timestamp) => {
                out.put_slice(&[REFERENCE_TIME, 0, 0, 2]);
                out.put_u64(*ntp_timestamp);
            }
            Self::Delay(delays) => {
                let delays = delays.get(..MAX_DELAYS).unwrap_or(delays);
                out.put_slice(&[DELAY, 0]);
                out.put_u16(u16::try_from(delays.len() * 3).unwrap_or(0));
                for (ssrc, last, delay) in delays {
                    out.put_u32(ssrc.0);
                    out.put_u32(*last);
                    out.put_u32(*delay);
                }
            }
            Self::Unknown(block_type, specific, contents) => {
                out.put_slice(&[*block_type, *specific]);
                out.put_u16(u16::try_from(contents.len().div_ceil(4)).unwrap_or(0));
                out.put_slice(contents);
                out.put_bytes(0, contents.len().next_multiple_of(4) - contents.len());
            }
        }
    }
}

/// Sub-blocks of three words that the 16 bits of a block's length can count.
const MAX_DELAYS: usize = 65_535 / 3;

fn parse_delay(input: &[u8]) -> Parsed<'_, (Ssrc, u32, u32)> {
    let (rest, ssrc) = field("SSRC", map(be_u32, Ssrc)).parse_complete(input)?;
    let (rest, last) = field("last RR", be_u32).parse_complete(rest)?;
    let (rest, delay) = field("delay since last RR", be_u32).parse_complete(rest)?;
    Ok((rest, (ssrc, last, delay)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_extended_report() -> impl Strategy<Value = Packet> {
        let delays = prop::collection::vec(any::<[u32; 3]>(), 0..4);
        let block = prop_oneof![
            any::<u64>().prop_map(ReportExtension::ReferenceTime),
            delays.prop_map(|delays| {
                let delay = |[ssrc, last, delay]: [u32; 3]| (Ssrc(ssrc), last, delay);
                ReportExtension::Delay(delays.into_iter().map(delay).collect())
            }),
            (6u8.., any::<u8>(), testing::words(4)).prop_map(|(block_type, specific, contents)| {
                ReportExtension::Unknown(block_type, specific, contents)
            }),
        ];
        (testing::any_ssrc(), prop::collection::vec(block, 0..4))
            .prop_map(|(ssrc, blocks)| Packet::ExtendedReport(ExtendedReport { ssrc, blocks }))
    }

    #[test]
    fn reference_time_and_delay_rfc_3611_sections_4_4_and_4_5() {
        let report = ExtendedReport {
            ssrc: Ssrc(1),
            blocks: vec![
                ReportExtension::ReferenceTime(0x83aa_7e80_4000_0000),
                ReportExtension::Delay(vec![(Ssrc(2), 0x7e80_4000, 65_536)]),
                ReportExtension::Unknown(7, 9, Bytes::from_static(&[0; 4])),
            ],
        };
        testing::vector(
            "80cf000a 00000001 04 00 0002 83aa7e80 40000000
             05 00 0003 00000002 7e804000 00010000 07 09 0001 00000000",
            &Packet::ExtendedReport(report),
        );
    }

    #[test]
    fn row_64_blocks_that_lie() {
        for lie in [
            // Longer than the packet; a time of one word, of three; half a sub-block; no room.
            "80cf0002 00000001 04 00 0002",
            "80cf0003 00000001 04 00 0001 00000000",
            "80cf0005 00000001 04 00 0003 00000000 00000000 00000000",
            "80cf0004 00000001 05 00 0002 00000000 00000000",
            "80cf0002 00000001 ff ff ffff",
        ] {
            assert!(super::super::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn row_64_sixteen_thousand_empty_blocks_are_read_in_one_pass() {
        let mut octets = BytesMut::from(&testing::hex("80cf3e81 00000001")[..]);
        octets.extend_from_slice(&[200, 0, 0, 0].repeat(16_000));
        let packets = super::super::parse(&octets.freeze()).unwrap();
        let Packet::ExtendedReport(report) = &packets[0] else { panic!("{packets:?}") };
        assert_eq!(report.blocks.len(), 16_000);
    }

    testing::properties!(any_extended_report(), packet_type::EXTENDED_REPORT, 0u8..1);
}
