//! RR (201): how the others are received, from one that sends nothing, RFC 3550 §6.4.2.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|    RC   |   PT=RR=201   |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     SSRC of packet sender                     |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! \                         report blocks                         \
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::be_u32;

use super::super::field::{Parsed, field};
use super::super::identifier::Ssrc;
use super::report_block::{self, ReportBlock};

/// Receiver report, RFC 3550 §6.4.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What is received, at most 31.
    pub reports: Vec<ReportBlock>,
}

impl ReceiverReport {
    pub(super) fn parse(rc: u8, input: &[u8]) -> Parsed<'_, Self> {
        let (rest, ssrc) =
            field("SSRC of packet sender", map(be_u32, Ssrc)).parse_complete(input)?;
        let (rest, reports) = report_block::parse_all(rc, rest)?;
        Ok((rest, Self { ssrc, reports }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.ssrc.0);
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

    fn any_receiver_report() -> impl Strategy<Value = Packet> {
        (testing::any_ssrc(), any_reports())
            .prop_map(|(ssrc, reports)| Packet::ReceiverReport(ReceiverReport { ssrc, reports }))
    }

    #[test]
    fn an_empty_report_rfc_3550_section_6_4_2() {
        let report = ReceiverReport { ssrc: Ssrc(1), reports: vec![] };
        testing::vector("80c90001 00000001", &Packet::ReceiverReport(report));
    }

    #[test]
    fn row_64_more_blocks_counted_than_there_are() {
        for lie in ["81c90001 00000001", "9fc90001 00000001", "80c90000", "80c9ffff 00000001"] {
            assert!(super::super::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    testing::properties!(any_receiver_report(), packet_type::RECEIVER_REPORT, 0u8..4);
}
