//! RTCP packets, RFC 3550 §6, and the feedback packets of RFC 4585, 5104, 3611.

use bytes::Bytes;

use super::ParseError;
use super::identifier::Ssrc;

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
    let _ = octets;
    Err(ParseError { field: "version", kind: nom::error::ErrorKind::Verify, left: 0 })
}

/// Writes packets behind each other.
#[must_use]
pub fn write(packets: &[Packet]) -> Bytes {
    let _ = packets;
    Bytes::new()
}

/// Sender report, RFC 3550 §6.4.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderReport {
    /// Who reports.
    pub ssrc: Ssrc,
    /// Wall clock in NTP format, 32.32 fixed-point seconds since 1900.
    pub ntp_timestamp: u64,
    /// The same instant on the clock of the stream.
    pub rtp_timestamp: super::identifier::RtpTimestamp,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Octets of payload sent so far.
    pub octet_count: u32,
    /// What is received, at most 31.
    pub reports: Vec<ReportBlock>,
}

/// Receiver report, RFC 3550 §6.4.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverReport {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What is received, at most 31.
    pub reports: Vec<ReportBlock>,
}

/// How one source is received, RFC 3550 §6.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whom it is about.
    pub ssrc: Ssrc,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits, signed.
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

/// One source's items, RFC 3550 §6.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdesChunk {
    /// Whom it describes.
    pub ssrc: Ssrc,
    /// Item type (1: CNAME) and text, at most 255 octets.
    pub items: Vec<(u8, Bytes)>,
}

/// Goodbye, RFC 3550 §6.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Who leaves, at most 31.
    pub ssrcs: Vec<Ssrc>,
    /// Why, at most 255 octets.
    pub reason: Option<Bytes>,
}

/// Application-defined, RFC 3550 §6.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Five bits of the application's.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// Whole 32-bit words.
    pub data: Bytes,
}

/// Generic NACK, RFC 4585 §6.2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// Who misses them.
    pub sender: Ssrc,
    /// Whose packets.
    pub media: Ssrc,
    /// The packet identifier, and a bitmap of the 16 that follow it.
    pub entries: Vec<NackEntry>,
}

/// PID and BLP of a generic NACK, RFC 4585 §6.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NackEntry {
    /// A lost packet.
    pub packet_id: super::identifier::SequenceNumber,
    /// Bit i: packet_id + i + 1 is lost, too.
    pub bitmap: u16,
}

/// Picture loss indication, RFC 4585 §6.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLoss {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
}

/// Full intra request, RFC 5104 §4.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullIntraRequest {
    /// Who asks.
    pub sender: Ssrc,
    /// Whom, and the command's sequence number; a repeated number is the same command.
    pub entries: Vec<(Ssrc, u8)>,
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstimatedBitrate {
    /// Who estimates.
    pub sender: Ssrc,
    /// Bits per second, as far as 6 bits of exponent and 18 of mantissa can say.
    pub bitrate: u64,
    /// Of these sources together.
    pub ssrcs: Vec<Ssrc>,
}

/// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Who received.
    pub sender: Ssrc,
    /// Any source of the transport.
    pub media: Ssrc,
    /// The transport-wide number of the first status.
    pub base_sequence_number: u16,
    /// Reference time, 24 bits, signed, in units of 64 ms.
    pub reference_time: i32,
    /// Counts the feedback packets, modulo 256.
    pub feedback_count: u8,
    /// One for each number from the base on. Bounded by the packet: run lengths are expanded to at
    /// most 65,535.
    pub statuses: Vec<PacketStatus>,
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketStatus {
    /// Not received.
    Lost,
    /// Received so long after the packet before it (or the reference time), in units of 250 µs.
    Received(i16),
}

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

/// A packet of a type or format we do not know, or whose inside makes no sense here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Five bits: a count, a subtype or a format.
    pub count: u8,
    /// 192 to 223.
    pub packet_type: u8,
    /// What follows the first word, without padding.
    pub body: Bytes,
}
