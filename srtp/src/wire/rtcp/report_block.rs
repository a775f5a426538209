//! The report block of SR and RR: how one source is received, RFC 3550 §6.4.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |                 SSRC_n (SSRC of the source)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | fraction lost |       cumulative number of packets lost       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           extended highest sequence number received           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      interarrival jitter                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         last SR (LSR)                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   delay since last SR (DLSR)                  |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::{map, rest as rest_of_input};
use nom::multi::count;
use nom::number::complete::{be_i24, be_u8, be_u32};

use super::super::field::{Parsed, field};
use super::super::identifier::Ssrc;
use super::header::counted;

/// How one source is received, RFC 3550 §6.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whom it is about.
    pub ssrc: Ssrc,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits, signed: duplicates may make it negative. What
    /// exceeds the bits is written as the nearest number that does not.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with the count of its wraps in the upper 16 bits.
    pub highest_sequence_number: u32,
    /// Interarrival jitter, in ticks of the stream's clock (RFC 3550 §A.8).
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP timestamp; 0: none yet.
    pub last_sender_report: u32,
    /// Time since then, in 1/65,536 seconds.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, ssrc) = field("SSRC of the source", map(be_u32, Ssrc)).parse_complete(input)?;
        let (rest, fraction_lost) = field("fraction lost", be_u8).parse_complete(rest)?;
        let (rest, cumulative_lost) =
            field("cumulative number of packets lost", be_i24).parse_complete(rest)?;
        let (rest, highest_sequence_number) =
            field("extended highest sequence number received", be_u32).parse_complete(rest)?;
        let (rest, jitter) = field("interarrival jitter", be_u32).parse_complete(rest)?;
        let (rest, last_sender_report) = field("last SR", be_u32).parse_complete(rest)?;
        let (rest, delay_since_last_sender_report) =
            field("delay since last SR", be_u32).parse_complete(rest)?;
        let block = Self {
            ssrc,
            fraction_lost,
            cumulative_lost,
            highest_sequence_number,
            jitter,
            last_sender_report,
            delay_since_last_sender_report,
        };
        Ok((rest, block))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.ssrc.0);
        out.put_u8(self.fraction_lost);
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff);
        let [_, lost @ ..] = lost.to_be_bytes();
        out.put_slice(&lost);
        out.put_u32(self.highest_sequence_number);
        out.put_u32(self.jitter);
        out.put_u32(self.last_sender_report);
        out.put_u32(self.delay_since_last_sender_report);
    }
}

/// `rc` blocks, and behind them the profile's extension, of which none is known to us (§6.4.3).
pub(super) fn parse_all(rc: u8, input: &[u8]) -> Parsed<'_, Vec<ReportBlock>> {
    let block = field("report block", ReportBlock::parse);
    let (rest, reports) = count(block, rc.into()).parse_complete(input)?;
    if rest.is_empty() {
        return Ok((rest, reports));
    }
    let (rest, _) = field("profile-specific extensions", rest_of_input).parse_complete(rest)?;
    Ok((rest, reports))
}

/// Appends as many blocks as a packet can count.
pub(super) fn write_all(reports: &[ReportBlock], out: &mut BytesMut) {
    for report in counted(reports).0 {
        report.write(out);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::{Packet, ReceiverReport, parse, write};
    use super::*;

    pub(in super::super) fn any_reports() -> impl Strategy<Value = Vec<ReportBlock>> {
        let block = (any::<[u32; 5]>(), any::<u8>(), -0x80_0000..=0x7f_ffff).prop_map(
            |([ssrc, highest_sequence_number, jitter, last, delay], fraction_lost, lost)| {
                ReportBlock {
                    ssrc: Ssrc(ssrc),
                    fraction_lost,
                    cumulative_lost: lost,
                    highest_sequence_number,
                    jitter,
                    last_sender_report: last,
                    delay_since_last_sender_report: delay,
                }
            },
        );
        prop::collection::vec(block, 0..4)
    }

    fn block(cumulative_lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(1),
            fraction_lost: 0,
            cumulative_lost,
            highest_sequence_number: 0,
            jitter: 0,
            last_sender_report: 0,
            delay_since_last_sender_report: 0,
        }
    }

    fn report(reports: Vec<ReportBlock>) -> Bytes {
        write(&[Packet::ReceiverReport(ReceiverReport { ssrc: Ssrc(1), reports })])
    }

    fn reports(octets: &Bytes) -> Vec<ReportBlock> {
        match &parse(octets).unwrap()[..] {
            [Packet::ReceiverReport(report)] => report.reports.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_loss_is_a_signed_number_of_24_bits_rfc_3550_section_6_4_1() {
        for (lost, octets, read) in [
            (-1, [0xff, 0xff, 0xff], -1),
            (0x7f_ffff, [0x7f, 0xff, 0xff], 0x7f_ffff),
            (i32::MAX, [0x7f, 0xff, 0xff], 0x7f_ffff),
            (i32::MIN, [0x80, 0, 0], -0x80_0000),
        ] {
            let packet = report(vec![block(lost)]);
            assert_eq!(packet[13..16], octets);
            assert_eq!(reports(&packet)[0].cumulative_lost, read);
        }
    }

    #[test]
    fn a_packet_counts_no_more_than_31_blocks() {
        let packet = report(vec![block(0); 40]);
        assert_eq!(reports(&packet).len(), 31);
    }
}
