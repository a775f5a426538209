//! SR (200): what was sent, and how the others are received, RFC 3550 §6.4.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|    RC   |   PT=SR=200   |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         SSRC of sender                        |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |              NTP timestamp, most significant word             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             NTP timestamp, least significant word             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         RTP timestamp                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     sender's packet count                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      sender's octet count                     |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! \                         report blocks                         \
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u32, be_u64};

use super::super::field::{Parsed, field};
use super::super::identifier::{RtpTimestamp, Ssrc};
use super::report_block::{self, ReportBlock};

/// Sender report, RFC 3550 §6.4.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderReport {
    /// Who reports.
    pub ssrc: Ssrc,
    /// Wall clock in NTP format, 32.32 fixed-point seconds since 1900.
    pub ntp_timestamp: u64,
    /// The same instant on the clock of the stream.
    pub rtp_timestamp: RtpTimestamp,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Octets of payload sent so far.
    pub octet_count: u32,
    /// What is received, at most 31.
    pub reports: Vec<ReportBlock>,
}

impl SenderReport {
    pub(super) fn parse(rc: u8, input: &[u8]) -> Parsed<'_, Self> {
        let (rest, ssrc) = field("SSRC of sender", map(be_u32, Ssrc)).parse_complete(input)?;
        let (rest, ntp_timestamp) = field("NTP timestamp", be_u64).parse_complete(rest)?;
        let (rest, rtp_timestamp) =
            field("RTP timestamp", map(be_u32, RtpTimestamp)).parse_complete(rest)?;
        let (rest, packet_count) = field("sender's packet count", be_u32).parse_complete(rest)?;
        let (rest, octet_count) = field("sender's octet count", be_u32).parse_complete(rest)?;
        let (rest, reports) = report_block::parse_all(rc, rest)?;
        let report =
            Self { ssrc, ntp_timestamp, rtp_timestamp, packet_count, octet_count, reports };
        Ok((rest, report))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.ssrc.0);
        out.put_u64(self.ntp_timestamp);
        out.put_u32(self.rtp_timestamp.0);
        out.put_u32(self.packet_count);
        out.put_u32(self.octet_count);
        report_block::write_all(&self.reports, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::report_block::tests::any_reports;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_sender_report() -> impl Strategy<Value = Packet> {
        (testing::any_ssrc(), any::<u64>(), any::<[u32; 3]>(), any_reports()).prop_map(
            |(ssrc, ntp_timestamp, [rtp_timestamp, packet_count, octet_count], reports)| {
                Packet::SenderReport(SenderReport {
                    ssrc,
                    ntp_timestamp,
                    rtp_timestamp: RtpTimestamp(rtp_timestamp),
                    packet_count,
                    octet_count,
                    reports,
                })
            },
        )
    }

    const WITH_ONE_BLOCK: &str = "81c8000c 11111111 83aa7e80 40000000 00015f90 0000000a 00002710
        22222222 40 000003 0001000b 00000011 7e804000 00010000";

    #[test]
    fn the_figure_of_rfc_3550_section_6_4_1() {
        let report = SenderReport {
            ssrc: Ssrc(0x1111_1111),
            // A quarter of a second into 1970.
            ntp_timestamp: 2_208_988_800 << 32 | 1 << 30,
            rtp_timestamp: RtpTimestamp(90_000),
            packet_count: 10,
            octet_count: 10_000,
            reports: vec![ReportBlock {
                ssrc: Ssrc(0x2222_2222),
                fraction_lost: 64,
                cumulative_lost: 3,
                highest_sequence_number: 0x1_000b,
                jitter: 17,
                last_sender_report: 0x7e80_4000,
                delay_since_last_sender_report: 65_536,
            }],
        };
        testing::vector(WITH_ONE_BLOCK, &Packet::SenderReport(report));
    }

    #[test]
    fn row_64_a_report_cut_at_any_octet_is_refused() {
        testing::refused_when_cut(WITH_ONE_BLOCK);
    }

    #[test]
    fn an_extension_of_a_profile_is_passed_over_rfc_3550_section_6_4_3() {
        let octets =
            testing::hex("80c80007 11111111 83aa7e80 40000000 00015f90 0000000a 00002710 deadbeef");
        let Packet::SenderReport(report) = &super::super::parse(&octets).unwrap()[0] else {
            panic!("not a sender report")
        };
        assert_eq!(report.octet_count, 10_000);
        assert!(report.reports.is_empty());
    }

    testing::properties!(any_sender_report(), packet_type::SENDER_REPORT, 0u8..3);
}
