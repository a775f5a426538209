//! The record layer's frame, and the cutting of a datagram into records (RFC 6347 §4.1).
//!
//! ```text
//! struct {
//!   ContentType type;          1 octet
//!   ProtocolVersion version;   2 octets
//!   uint16 epoch;              2 octets      counts cipher changes
//!   uint48 sequence_number;    6 octets      starts at 0 in each epoch, never goes back
//!   uint16 length;             2 octets      of the fragment
//!   opaque fragment[length];                 plain in epoch 0, sealed after it
//! } DTLSPlaintext;
//! ```
//!
//! A record never spans datagrams, a datagram may carry several (§4.1.1). A length that says more than
//! is there discards the rest of the datagram and nothing else (§4.1.2.7). Book: "DTLS records and flights".

use bytes::BytesMut;
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16};

use super::field::{ParseError, Parsed, field};
use super::registry::registry;

registry! {
    /// What a record carries (RFC 5246 §6.2.1).
    pub struct ContentType(u8);
    /// The peer's keys are in use from the next epoch on (RFC 5246 §7.1).
    CHANGE_CIPHER_SPEC = 20, "change_cipher_spec";
    /// RFC 5246 §7.2.
    ALERT = 21, "alert";
    /// RFC 5246 §7.4.
    HANDSHAKE = 22, "handshake";
    /// The application's octets; here SCTP packets (RFC 8261).
    APPLICATION_DATA = 23, "application_data";
}

registry! {
    /// A protocol version: the one's complement of the dotted number (RFC 6347 §4.1), so a later
    /// version is a smaller number.
    pub struct ProtocolVersion(u16);
    /// DTLS 1.0; also in the record header of a first ClientHello (RFC 6347 §4.2.1).
    DTLS_1_0 = 0xfeff, "DTLS 1.0";
    /// RFC 6347.
    DTLS_1_2 = 0xfefd, "DTLS 1.2";
    /// RFC 9147; appears in supported_versions only.
    DTLS_1_3 = 0xfefc, "DTLS 1.3";
}

/// How many times the keys of one direction have changed: 0 in the clear, 1 after ChangeCipherSpec
/// (RFC 6347 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u16);

/// The 48-bit number of a record within its epoch (RFC 6347 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SequenceNumber(u64);

impl SequenceNumber {
    /// The last number an epoch has; nothing may be sealed beyond it.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// `number`, if 48 bits hold it.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number as an integer, at most 2^48 - 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one; `None` once the epoch is used up.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

/// The 13 octets before each fragment (RFC 6347 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the fragment is.
    pub content_type: ContentType,
    /// The negotiated version; [`ProtocolVersion::DTLS_1_0`] is accepted before negotiation.
    pub version: ProtocolVersion,
    /// The keys in use.
    pub epoch: Epoch,
    /// The number within the epoch.
    pub sequence_number: SequenceNumber,
    /// Octets of the fragment that follows.
    pub length: u16,
}

impl RecordHeader {
    /// Octets of a header.
    pub const LENGTH: usize = 13;

    /// Parses one header from the front of `input`.
    ///
    /// # Errors
    /// Fewer than 13 octets.
    pub fn parse(input: &[u8]) -> Result<(&[u8], Self), ParseError> {
        complete(Self::parsed(input))
    }

    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, content_type) = field("type", be_u8.map(ContentType))(input)?;
        let (input, version) = field("version", be_u16.map(ProtocolVersion))(input)?;
        let (input, epoch) = field("epoch", be_u16.map(Epoch))(input)?;
        let (input, sequence_number) = field("sequence_number", be_u48)(input)?;
        let (input, length) = field("length", be_u16)(input)?;
        Ok((input, Self { content_type, version, epoch, sequence_number, length }))
    }

    /// Appends the 13 octets.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.content_type.0);
        out.extend_from_slice(&self.version.0.to_be_bytes());
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        let [_, _, sequence_number @ ..] = self.sequence_number.0.to_be_bytes();
        out.extend_from_slice(&sequence_number);
        out.extend_from_slice(&self.length.to_be_bytes());
    }
}

/// One record of a datagram; the fragment is the datagram's own memory and can be opened in place.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The header as it arrived: the additional data of the seal is made of it.
    pub header: RecordHeader,
    /// The fragment, `header.length` octets.
    pub fragment: BytesMut,
}

impl Record {
    /// Parses the header and names the fragment of the record at the front of `input`.
    fn frame(input: &[u8]) -> Parsed<'_, RecordHeader> {
        let (input, header) = RecordHeader::parsed(input)?;
        let (rest, _fragment) = field("fragment", take(header.length))(input)?;
        Ok((rest, header))
    }

    /// Appends header and fragment.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.header.write(out);
        out.extend_from_slice(&self.fragment);
    }
}

/// Most records taken from one datagram. A flight is about six records; 64 leaves room for a flight
/// cut small and keeps a 65,507-octet datagram of 5,000 empty records from costing 5,000 openings.
pub const MAX_RECORDS_PER_DATAGRAM: usize = 64;

/// Cuts a datagram into its records, without copying (RFC 6347 §4.1.1).
#[must_use]
pub fn split(datagram: BytesMut) -> Records {
    Records { rest: datagram, left: MAX_RECORDS_PER_DATAGRAM }
}

/// The records of one datagram. Yields one `Err` and ends where the octets are no record; what was
/// yielded before it stands.
#[derive(Debug)]
pub struct Records {
    rest: BytesMut,
    left: usize,
}

impl Iterator for Records {
    type Item = Result<Record, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if self.left == 0 {
            let dropped = self.rest.len();
            self.rest.clear();
            return Some(Err(ParseError::forbidden("records in one datagram", dropped)));
        }
        self.left -= 1;
        match complete(Record::frame(&self.rest)) {
            Ok((after, header)) => {
                let size = self.rest.len() - after.len();
                let mut fragment = self.rest.split_to(size);
                let _header = fragment.split_to(RecordHeader::LENGTH);
                Some(Ok(Record { header, fragment }))
            }
            Err(error) => {
                self.rest.clear();
                Some(Err(error))
            }
        }
    }
}

/// The error of a parser that takes only the front of its input.
fn complete<T>(parsed: Parsed<'_, T>) -> Result<(&[u8], T), ParseError> {
    match parsed {
        Ok(done) => Ok(done),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
        Err(nom::Err::Incomplete(_)) => Err(ParseError::forbidden("incomplete", 0)),
    }
}

fn be_u48(input: &[u8]) -> Parsed<'_, SequenceNumber> {
    let (rest, octets) = take(6_usize).parse_complete(input)?;
    let number = octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet));
    Ok((rest, SequenceNumber(number)))
}
