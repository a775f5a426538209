//! What every RTCP packet begins with, RFC 3550 §6.4.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  count  |  packet type  | length, in words, less one    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The five bits of the count are a number of blocks (RC, SC), a subtype (APP) or a format of
//! feedback (FMT), as the packet type has it.

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::{map, verify};
use nom::number::complete::{be_u8, be_u16};

use super::super::field::{ParseError, Parsed, bit, field};

/// The only version there is.
const VERSION: u8 = 2;
/// Octets of the header.
const LENGTH: usize = 4;

/// The most blocks or sources one packet can count: five bits.
pub const MAX_COUNT: usize = 31;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
pub(super) mod packet_type {
    pub(in super::super) const SENDER_REPORT: u8 = 200;
    pub(in super::super) const RECEIVER_REPORT: u8 = 201;
    pub(in super::super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(in super::super) const GOODBYE: u8 = 203;
    pub(in super::super) const APPLICATION_DEFINED: u8 = 204;
    pub(in super::super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(in super::super) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(in super::super) const EXTENDED_REPORT: u8 = 207;
}

/// The first word of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) padding: bool,
    /// Five bits.
    pub(super) count: u8,
    pub(super) packet_type: u8,
}

impl Header {
    /// The header at the head of `input`, and the octets of the packet it begins.
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, (Self, &[u8])> {
        let version = verify(map(be_u8, |octet| octet >> 6), |&version| version == VERSION);
        let (rest, _) = field("version", version).parse_complete(input)?;
        let padding = bit("padding", 5, input);
        let count_name = match rest.first() {
            Some(&(packet_type::SENDER_REPORT | packet_type::RECEIVER_REPORT)) => "RC",
            Some(&(packet_type::SOURCE_DESCRIPTION | packet_type::GOODBYE)) => "SC",
            Some(&packet_type::APPLICATION_DEFINED) => "subtype",
            Some(&(packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK)) => "FMT",
            _ => "count",
        };
        let count = map(be_u8, |octet| octet & 0x1f);
        let (rest, count) = field(count_name, count).parse_complete(input)?;
        // Other numbers are payload types of RTP, with and without marker (RFC 5761 §4).
        let rtcp = verify(be_u8, |packet_type| (192..=223).contains(packet_type));
        let (rest, packet_type) = field("packet type", rtcp).parse_complete(rest)?;
        let (rest, words) = field("length", be_u16).parse_complete(rest)?;
        match rest.split_at_checked(usize::from(words) * 4) {
            Some((body, rest)) => Ok((rest, (Self { padding, count, packet_type }, body))),
            None => Err(nom::Err::Error(ParseError::forbidden("length", rest.len()))),
        }
    }

    /// Appends the header, what `body` appends, and zeros up to a whole word. These are called
    /// padding only at the end of a compound, `is_last` (RFC 3550 §6.4.1).
    pub(super) fn write(self, is_last: bool, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
        let start = out.len();
        out.put_bytes(0, LENGTH);
        body(out);
        let length = out.len().saturating_sub(start);
        let padding = length.next_multiple_of(4) - length;
        out.put_bytes(0, padding);
        let padding_bit = is_last && padding > 0;
        if padding_bit && let Some(last) = out.last_mut() {
            *last = u8::try_from(padding).unwrap_or(0);
        }
        // The bounds on counts keep every packet we make far below 65,536 words.
        let words = u16::try_from(length.div_ceil(4).saturating_sub(1)).unwrap_or(u16::MAX);
        let [high, low] = words.to_be_bytes();
        let first = VERSION << 6 | u8::from(padding_bit) << 5 | self.count & 0x1f;
        if let Some(place) = out.get_mut(start..start + LENGTH) {
            place.copy_from_slice(&[first, self.packet_type, high, low]);
        }
    }
}

/// An error naming `field` if a packet has octets beyond its structure.
pub(super) fn no_surplus(field: &'static str, surplus: &[u8]) -> Result<(), nom::Err<ParseError>> {
    match surplus.len() {
        0 => Ok(()),
        left => Err(nom::Err::Error(ParseError::forbidden(field, left))),
    }
}

/// As many of `items` as the five bits can count, and their number.
pub(super) fn counted<T>(items: &[T]) -> (&[T], u8) {
    let items = items.get(..MAX_COUNT).unwrap_or(items);
    (items, u8::try_from(items.len()).unwrap_or(0))
}
