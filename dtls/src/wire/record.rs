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

use bytes::{Buf, BytesMut};
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

    // ANCHOR: records
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
                // Mostly a datagram is one record; taking it whole costs no reference count.
                let mut fragment = match after.is_empty() {
                    true => std::mem::take(&mut self.rest),
                    false => self.rest.split_to(size),
                };
                fragment.advance(RecordHeader::LENGTH);
                Some(Ok(Record { header, fragment }))
            }
            Err(error) => {
                self.rest.clear();
                Some(Err(error))
            }
        }
    }
    // ANCHOR_END: records
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{captured, codec_properties};

    prop_compose! {
        fn any_record()(
            ty: u8, version: u16, epoch: u16,
            sequence_number in 0..=SequenceNumber::MAX.get(),
            fragment in prop::collection::vec(any::<u8>(), 0..80),
        ) -> Record {
            Record {
                header: RecordHeader {
                    content_type: ContentType(ty),
                    version: ProtocolVersion(version),
                    epoch: Epoch(epoch),
                    sequence_number: SequenceNumber(sequence_number),
                    length: u16::try_from(fragment.len()).unwrap(),
                },
                fragment: BytesMut::from(&fragment[..]),
            }
        }
    }

    /// The record that is the whole of `octets`, parsed in their place.
    fn one(octets: &[u8]) -> Result<Record, ParseError> {
        let header = super::super::vector::whole(octets, Record::frame)?;
        let fragment = BytesMut::from(octets.get(RecordHeader::LENGTH..).unwrap_or_default());
        Ok(Record { header, fragment })
    }

    codec_properties!(any_record(), Record::write, |octets: &[u8]| one(octets));

    proptest! {
        #[test]
        fn split_gives_back_what_was_joined(records in prop::collection::vec(any_record(), 0..9)) {
            let mut datagram = Vec::new();
            records.iter().for_each(|record| record.write(&mut datagram));
            let parsed: Result<Vec<_>, _> = split(BytesMut::from(&datagram[..])).collect();
            prop_assert_eq!(parsed, Ok(records));
        }

        #[test]
        fn split_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(split(BytesMut::from(&noise[..])).count() <= noise.len());
        }
    }

    #[test]
    fn a_browsers_server_flight_is_one_datagram_of_five_records() {
        let datagrams = captured("chromium-firefox-dtls12-data.pcap");
        let records: Result<Vec<_>, _> = split(BytesMut::from(&datagrams[1].1[..])).collect();
        let records = records.unwrap();
        assert_eq!(records.len(), 5);
        for (number, record) in (0..).zip(&records) {
            assert_eq!(record.header.content_type, ContentType::HANDSHAKE);
            assert_eq!(record.header.version, ProtocolVersion::DTLS_1_2);
            assert_eq!(
                (record.header.epoch, record.header.sequence_number.get()),
                (Epoch(0), number)
            );
        }
    }

    #[test]
    fn every_record_of_the_dtls_1_2_captures_is_read() {
        for name in [
            "chromium-firefox-dtls12-data.pcap",
            "firefox-chromium-dtls12-data.pcap",
            "chromium-firefox-dtls12-avd.pcap",
            "firefox-chromium-dtls12-avd.pcap",
        ] {
            let datagrams = captured(name);
            assert!(datagrams.len() > 10);
            for (_, datagram) in datagrams {
                let records: Result<Vec<_>, _> = split(BytesMut::from(&datagram[..])).collect();
                for record in records.unwrap() {
                    assert!(record.header.content_type.name().is_some());
                    assert_eq!(record.header.length as usize, record.fragment.len());
                }
            }
        }
    }

    #[test]
    fn row_35_a_lying_length_drops_the_rest_of_the_datagram_only() {
        let mut datagram = Vec::new();
        let good = one(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]).unwrap();
        good.write(&mut datagram);
        let lie = RecordHeader { length: 5, ..good.header };
        lie.write(&mut datagram);
        datagram.extend_from_slice(&[0; 4]);
        let mut records = split(BytesMut::from(&datagram[..]));
        assert_eq!(records.next(), Some(Ok(good)));
        let error = records.next().unwrap().unwrap_err();
        assert_eq!((error.field, error.left), ("fragment", 4));
        assert_eq!(records.next(), None);
    }

    #[test]
    fn row_35_five_thousand_empty_records_cost_sixty_four() {
        let empty = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let datagram = BytesMut::from(&empty.repeat(5000)[..]);
        let records: Vec<_> = split(datagram).collect();
        assert_eq!(records.len(), MAX_RECORDS_PER_DATAGRAM + 1);
        assert!(records.last().unwrap().is_err());
    }

    #[test]
    fn fragments_are_the_datagrams_own_memory() {
        let datagram = BytesMut::from(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7][..]);
        let start = datagram.as_ptr().addr();
        let record = split(datagram).next().unwrap().unwrap();
        assert_eq!(record.fragment.as_ptr().addr(), start + RecordHeader::LENGTH);
    }

    #[test]
    fn sequence_numbers_have_48_bits() {
        assert_eq!(SequenceNumber::new(1 << 48), None);
        assert_eq!(SequenceNumber::MAX.next(), None);
        let mut out = Vec::new();
        let header = RecordHeader {
            content_type: ContentType::ALERT,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch(1),
            sequence_number: SequenceNumber::MAX,
            length: 0,
        };
        header.write(&mut out);
        assert_eq!(out, [21, 0xfe, 0xfd, 0, 1, 255, 255, 255, 255, 255, 255, 0, 0]);
        assert_eq!(RecordHeader::parse(&out), Ok((&[][..], header)));
    }
}
