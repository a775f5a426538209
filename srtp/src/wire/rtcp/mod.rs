//! RTCP packets, RFC 3550 §6, and the feedback packets of RFC 4585, 5104, 3611.
//!
//! Several travel in one datagram, behind each other:
//!
//! ```text
//! compound, RFC 3550 §6.1                                reduced size, RFC 5506
//! +---------+--------------+------------+-----------+    +---------------------+
//! | SR / RR | SDES (CNAME) | NACK, PLI… | (padding) |    | one of them, or few |
//! +---------+--------------+------------+-----------+    +---------------------+
//! ```
//!
//! [`parse`] reads either; that a compound begins with a report is for its reader to ask for, where
//! reduced size was not agreed on. A compound is understood whole or not at all, in one pass, and
//! expands to no more than [`MAX_PACKETS`] packets and [`MAX_STATUSES`] packet statuses.
//!
//! Book: the chapter on RTP.

mod app;
mod estimated_bitrate;
mod extended_report;
mod feedback;
mod full_intra_request;
mod goodbye;
mod header;
mod nack;
mod picture_loss;
mod receiver_report;
mod report_block;
mod sender_report;
mod source_description;
mod transport_feedback;
mod unknown;

use bytes::{Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::number::complete::be_u8;

pub use app::App;
pub use estimated_bitrate::EstimatedBitrate;
pub use extended_report::{ExtendedReport, ReportExtension};
pub use full_intra_request::FullIntraRequest;
pub use goodbye::Goodbye;
pub use header::MAX_COUNT;
pub use nack::{Nack, NackEntry};
pub use picture_loss::PictureLoss;
pub use receiver_report::ReceiverReport;
pub use report_block::ReportBlock;
pub use sender_report::SenderReport;
pub use source_description::SdesChunk;
pub use transport_feedback::{MAX_STATUSES, PacketStatus, TransportFeedback};
pub use unknown::Unknown;

use super::ParseError;
use super::field::{Parsed, field};
use header::{Header, no_surplus, packet_type};

/// The most packets in a compound that is read. A datagram of 1,500 octets has room for 187 of the
/// smallest that say anything (8 octets).
pub const MAX_PACKETS: usize = 256;

/// One packet of a compound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet {
    /// Sender report, RFC 3550 §6.4.1.
    SenderReport(SenderReport),
    /// Receiver report, RFC 3550 §6.4.2.
    ReceiverReport(ReceiverReport),
    /// Source description, RFC 3550 §6.5.
    SourceDescription(Vec<SdesChunk>),
    /// Goodbye, RFC 3550 §6.6.
    Goodbye(Goodbye),
    /// Application-defined, RFC 3550 §6.7.
    App(App),
    /// Generic NACK, RFC 4585 §6.2.1.
    Nack(Nack),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback),
    /// Picture loss indication, RFC 4585 §6.3.1.
    PictureLoss(PictureLoss),
    /// Full intra request, RFC 5104 §4.3.1.
    FullIntraRequest(FullIntraRequest),
    /// Receiver estimated maximum bitrate.
    EstimatedBitrate(EstimatedBitrate),
    /// Extended report, RFC 3611.
    ExtendedReport(ExtendedReport),
    /// Anything else, as it came.
    Unknown(Unknown),
}

/// Reads a compound packet (RFC 3550 §6.1), or a reduced-size one (RFC 5506).
///
/// # Errors
/// The first packet that cannot be read; a compound is understood whole or not at all.
pub fn parse(octets: &Bytes) -> Result<Vec<Packet>, ParseError> {
    let mut packets = Vec::new();
    let mut rest = &octets[..];
    let mut statuses_left = MAX_STATUSES;
    loop {
        if packets.len() == MAX_PACKETS {
            return Err(ParseError::forbidden("compound", rest.len()));
        }
        let packet;
        (rest, packet) = Packet::parse(octets, rest, &mut statuses_left).map_err(innermost)?;
        packets.push(packet);
        if rest.is_empty() {
            return Ok(packets);
        }
    }
}

/// Writes packets behind each other.
#[must_use]
pub fn write(packets: &[Packet]) -> Bytes {
    let mut out = BytesMut::new();
    write_to(packets, &mut out);
    out.freeze()
}

/// Appends packets to `out`.
pub fn write_to(packets: &[Packet], out: &mut BytesMut) {
    if let Some((last, others)) = packets.split_last() {
        for packet in others {
            packet.write(false, out);
        }
        last.write(true, out);
    }
}

impl Packet {
    /// The packet's name in its RFC.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SenderReport(_) => "SR",
            Self::ReceiverReport(_) => "RR",
            Self::SourceDescription(_) => "SDES",
            Self::Goodbye(_) => "BYE",
            Self::App(_) => "APP",
            Self::Nack(_) => "NACK",
            Self::TransportFeedback(_) => "transport feedback",
            Self::PictureLoss(_) => "PLI",
            Self::FullIntraRequest(_) => "FIR",
            Self::EstimatedBitrate(_) => "REMB",
            Self::ExtendedReport(_) => "XR",
            Self::Unknown(_) => "unknown",
        }
    }

    /// One packet at the head of `input`, a part of `compound`.
    fn parse<'a>(compound: &Bytes, input: &'a [u8], statuses_left: &mut usize) -> Parsed<'a, Self> {
        let (rest, (header, body)) = Header::parse(input)?;
        let padding = match (header.padding, rest.is_empty(), body.last()) {
            (false, ..) => 0,
            // Only the last packet of a compound may be padded (RFC 3550 §6.4.1).
            (true, true, Some(&padding)) if padding > 0 => usize::from(padding),
            (true, ..) => return Err(forbidden("padding count", body)),
        };
        let Some(length) = body.len().checked_sub(padding) else {
            return Err(forbidden("padding count", body));
        };
        let (body, padding) = body.split_at_checked(length).unwrap_or((body, &[]));
        let (surplus, packet) = Self::parse_body(compound, header, body, statuses_left)?;
        no_surplus("length", surplus)?;
        if padding.len() > 1 {
            field("padding", take(padding.len() - 1)).parse_complete(padding)?;
        }
        if let Some(count) = padding.get(padding.len().saturating_sub(1)..)
            && !count.is_empty()
        {
            field("padding count", be_u8).parse_complete(count)?;
        }
        Ok((rest, packet))
    }

    fn parse_body<'a>(
        compound: &Bytes,
        header: Header,
        body: &'a [u8],
        statuses_left: &mut usize,
    ) -> Parsed<'a, Self> {
        let count = header.count;
        match (header.packet_type, count) {
            (packet_type::SENDER_REPORT, _) => {
                let parser = |input| SenderReport::parse(count, input);
                field("SR", map(parser, Self::SenderReport)).parse_complete(body)
            }
            (packet_type::RECEIVER_REPORT, _) => {
                let parser = |input| ReceiverReport::parse(count, input);
                field("RR", map(parser, Self::ReceiverReport)).parse_complete(body)
            }
            (packet_type::SOURCE_DESCRIPTION, _) => {
                let parser = |input| source_description::parse(compound, count, input);
                field("SDES", map(parser, Self::SourceDescription)).parse_complete(body)
            }
            (packet_type::GOODBYE, _) => {
                let parser = |input| Goodbye::parse(compound, count, input);
                field("BYE", map(parser, Self::Goodbye)).parse_complete(body)
            }
            (packet_type::APPLICATION_DEFINED, _) => {
                let parser = |input| App::parse(compound, count, input);
                field("APP", map(parser, Self::App)).parse_complete(body)
            }
            (packet_type::TRANSPORT_FEEDBACK, Nack::FORMAT) => {
                field("NACK", map(Nack::parse, Self::Nack)).parse_complete(body)
            }
            (packet_type::TRANSPORT_FEEDBACK, TransportFeedback::FORMAT) => {
                let parser = |input| TransportFeedback::parse(input, statuses_left);
                field("transport feedback", map(parser, Self::TransportFeedback))
                    .parse_complete(body)
            }
            (packet_type::PAYLOAD_FEEDBACK, PictureLoss::FORMAT) => {
                field("PLI", map(PictureLoss::parse, Self::PictureLoss)).parse_complete(body)
            }
            (packet_type::PAYLOAD_FEEDBACK, FullIntraRequest::FORMAT) => {
                field("FIR", map(FullIntraRequest::parse, Self::FullIntraRequest))
                    .parse_complete(body)
            }
            (packet_type::PAYLOAD_FEEDBACK, EstimatedBitrate::FORMAT)
                if EstimatedBitrate::is_at(body) =>
            {
                field("REMB", map(EstimatedBitrate::parse, Self::EstimatedBitrate))
                    .parse_complete(body)
            }
            (packet_type::EXTENDED_REPORT, _) => {
                let parser = |input| ExtendedReport::parse(compound, input);
                field("XR", map(parser, Self::ExtendedReport)).parse_complete(body)
            }
            (packet_type, _) => {
                let parser = |input| Unknown::parse(compound, count, packet_type, input);
                map(parser, Self::Unknown).parse_complete(body)
            }
        }
    }

    /// Appends the packet.
    fn write(&self, is_last: bool, out: &mut BytesMut) {
        let (packet_type, count) = match self {
            Self::SenderReport(body) => {
                (packet_type::SENDER_REPORT, header::counted(&body.reports).1)
            }
            Self::ReceiverReport(body) => {
                (packet_type::RECEIVER_REPORT, header::counted(&body.reports).1)
            }
            Self::SourceDescription(body) => {
                (packet_type::SOURCE_DESCRIPTION, header::counted(body).1)
            }
            Self::Goodbye(body) => (packet_type::GOODBYE, header::counted(&body.ssrcs).1),
            Self::App(body) => (packet_type::APPLICATION_DEFINED, body.subtype),
            Self::Nack(_) => (packet_type::TRANSPORT_FEEDBACK, Nack::FORMAT),
            Self::TransportFeedback(_) => {
                (packet_type::TRANSPORT_FEEDBACK, TransportFeedback::FORMAT)
            }
            Self::PictureLoss(_) => (packet_type::PAYLOAD_FEEDBACK, PictureLoss::FORMAT),
            Self::FullIntraRequest(_) => (packet_type::PAYLOAD_FEEDBACK, FullIntraRequest::FORMAT),
            Self::EstimatedBitrate(_) => (packet_type::PAYLOAD_FEEDBACK, EstimatedBitrate::FORMAT),
            Self::ExtendedReport(_) => (packet_type::EXTENDED_REPORT, 0),
            Self::Unknown(body) => (body.packet_type, body.count),
        };
        let header = Header { padding: false, count, packet_type };
        header.write(is_last, out, |out| match self {
            Self::SenderReport(body) => body.write(out),
            Self::ReceiverReport(body) => body.write(out),
            Self::SourceDescription(body) => source_description::write(body, out),
            Self::Goodbye(body) => body.write(out),
            Self::App(body) => body.write(out),
            Self::Nack(body) => body.write(out),
            Self::TransportFeedback(body) => body.write(out),
            Self::PictureLoss(body) => body.write(out),
            Self::FullIntraRequest(body) => body.write(out),
            Self::EstimatedBitrate(body) => body.write(out),
            Self::ExtendedReport(body) => body.write(out),
            Self::Unknown(body) => body.write(out),
        });
    }
}

fn forbidden(field: &'static str, octets: &[u8]) -> nom::Err<ParseError> {
    nom::Err::Error(ParseError::forbidden(field, octets.len()))
}

fn innermost(error: nom::Err<ParseError>) -> ParseError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => ParseError::forbidden("packet", 0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::identifier::Ssrc;
    use super::super::testing::{self, hex};
    use super::*;

    fn refused(octets: &str) -> &'static str {
        parse(&hex(octets)).unwrap_err().field
    }

    #[test]
    fn a_compound_is_read_and_written_rfc_3550_section_6_1() {
        let octets = hex("80c90001 00000001 81ca0003 00000001 01 03 614062 000000
             81ce0002 00000001 00000002");
        let packets = parse(&octets).unwrap();
        let names: Vec<_> = packets.iter().map(Packet::name).collect();
        assert_eq!(names, ["RR", "SDES", "PLI"]);
        assert_eq!(write(&packets), octets);
    }

    #[test]
    fn one_packet_alone_is_read_rfc_5506() {
        assert_eq!(parse(&hex("81ce0002 00000001 00000002")).unwrap().len(), 1);
    }

    #[test]
    fn row_64_a_compound_is_understood_whole_or_not_at_all() {
        assert_eq!(refused(""), "version");
        assert_eq!(refused("80c90001 00000001 81"), "packet type");
        assert_eq!(refused("80c90001 00000001 81ce0002 00000001"), "length");
        assert_eq!(refused("40c90001 00000001"), "version");
    }

    #[test]
    fn row_8_types_of_rtcp_are_192_to_223() {
        for packet_type in [0x00, 0x60, 0xbf, 0xe0, 0xff] {
            assert_eq!(refused(&format!("80{packet_type:02x}0000")), "packet type");
        }
        assert!(parse(&hex("80c00000")).is_ok() && parse(&hex("80df0000")).is_ok());
    }

    #[test]
    fn row_64_padding_is_counted_and_last() {
        let padded = parse(&hex("a0c90002 00000001 00000004")).unwrap();
        let report = ReceiverReport { ssrc: Ssrc(1), reports: vec![] };
        assert_eq!(padded, [Packet::ReceiverReport(report)]);
        for lie in [
            "a0c90002 00000001 00000000",
            "a0c90002 00000001 00000009",
            "a0c90002 00000001 000000ff",
            "a0c90000",
            "a0c90002 00000001 00000004 80c90001 00000001",
        ] {
            assert_eq!(refused(lie), "padding count", "{lie}");
        }
    }

    #[test]
    fn row_64_a_compound_of_a_thousand_packets_is_refused() {
        let octets = Bytes::from([0x80, 0xd0, 0, 0].repeat(MAX_PACKETS));
        assert_eq!(parse(&octets).unwrap().len(), MAX_PACKETS);
        let octets = Bytes::from([0x80, 0xd0, 0, 0].repeat(1_000));
        assert_eq!(parse(&octets).unwrap_err().field, "compound");
    }

    proptest! {
        #[test]
        fn never_panics(octets in testing::octets(200)) {
            let _ = parse(&octets);
        }
    }
}
