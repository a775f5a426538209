//! Error causes, the contents of ERROR and ABORT (RFC 9260 §3.3.10.1 to §3.3.10.13).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Cause Code           |         Cause Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                  Cause-Specific Information                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::{map, verify};
use nom::number::complete::be_u16;

use super::StreamId;
use super::field::{ParseError, Parsed, field, octets};
use super::parameter;

/// Why (RFC 9260 §3.3.10, table "Cause Code").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CauseCode(pub u16);

impl CauseCode {
    /// Invalid Stream Identifier.
    pub const INVALID_STREAM_IDENTIFIER: Self = Self(1);
    /// Missing Mandatory Parameter.
    pub const MISSING_MANDATORY_PARAMETER: Self = Self(2);
    /// Stale Cookie.
    pub const STALE_COOKIE: Self = Self(3);
    /// Out of Resource.
    pub const OUT_OF_RESOURCE: Self = Self(4);
    /// Unresolvable Address.
    pub const UNRESOLVABLE_ADDRESS: Self = Self(5);
    /// Unrecognized Chunk Type.
    pub const UNRECOGNIZED_CHUNK_TYPE: Self = Self(6);
    /// Invalid Mandatory Parameter.
    pub const INVALID_MANDATORY_PARAMETER: Self = Self(7);
    /// Unrecognized Parameters.
    pub const UNRECOGNIZED_PARAMETERS: Self = Self(8);
    /// No User Data.
    pub const NO_USER_DATA: Self = Self(9);
    /// Cookie Received While Shutting Down.
    pub const COOKIE_RECEIVED_WHILE_SHUTTING_DOWN: Self = Self(10);
    /// Restart of an Association with New Addresses.
    pub const RESTART_WITH_NEW_ADDRESSES: Self = Self(11);
    /// User-Initiated Abort.
    pub const USER_INITIATED_ABORT: Self = Self(12);
    /// Protocol Violation.
    pub const PROTOCOL_VIOLATION: Self = Self(13);
}

/// One error cause: its code and what the code's section puts behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Why.
    pub code: CauseCode,
    /// Cause-specific information, without padding.
    pub information: Bytes,
}

impl Cause {
    /// A stream that does not exist (RFC 9260 §3.3.10.1).
    #[must_use]
    pub fn invalid_stream_identifier(stream: StreamId) -> Self {
        let [high, low] = stream.0.to_be_bytes();
        let information = Bytes::copy_from_slice(&[high, low, 0, 0]);
        Self { code: CauseCode::INVALID_STREAM_IDENTIFIER, information }
    }

    /// A DATA chunk without user data (RFC 9260 §3.3.10.9).
    #[must_use]
    pub fn no_user_data(tsn: super::Tsn) -> Self {
        let information = Bytes::copy_from_slice(&tsn.0.to_be_bytes());
        Self { code: CauseCode::NO_USER_DATA, information }
    }

    /// A chunk of unknown type, whole (RFC 9260 §3.3.10.6).
    #[must_use]
    pub fn unrecognized_chunk_type(chunk: Bytes) -> Self {
        Self { code: CauseCode::UNRECOGNIZED_CHUNK_TYPE, information: chunk }
    }

    /// The upper layer ended the association (RFC 9260 §3.3.10.12).
    #[must_use]
    pub fn user_initiated_abort(reason: &'static str) -> Self {
        let information = Bytes::from_static(reason.as_bytes());
        Self { code: CauseCode::USER_INITIATED_ABORT, information }
    }

    /// The peer broke the rules (RFC 9260 §3.3.10.13).
    #[must_use]
    pub fn protocol_violation(reason: &'static str) -> Self {
        let information = Bytes::from_static(reason.as_bytes());
        Self { code: CauseCode::PROTOCOL_VIOLATION, information }
    }

    fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, code) = field("Cause Code", map(be_u16, CauseCode)).parse_complete(input)?;
        let (rest, length) =
            field("Cause Length", verify(be_u16, |&length| length >= 4)).parse_complete(rest)?;
        let count = usize::from(length.saturating_sub(4));
        if count > rest.len() {
            return Err(nom::Err::Error(ParseError::forbidden("Cause Length", rest.len())));
        }
        let (rest, information) =
            field("Cause-Specific Information", octets(packet, count)).parse_complete(rest)?;
        Ok((rest, Self { code, information }))
    }

    fn write(&self, out: &mut BytesMut) {
        parameter::write_with(self.code.0, out, |out| out.put_slice(&self.information));
    }
}

/// Causes up to the end of the chunk.
pub(crate) fn parse_all<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Vec<Cause>> {
    parameter::parse_each(input, |input| Cause::parse(packet, input))
}

/// Appends `causes`, the last one without padding.
pub(crate) fn write_all(causes: &[Cause], out: &mut BytesMut) {
    parameter::write_each(causes, out, Cause::write);
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    pub(in super::super) fn any_causes() -> impl Strategy<Value = Vec<Cause>> {
        let cause = (any::<u16>(), testing::octets(20))
            .prop_map(|(code, information)| Cause { code: CauseCode(code), information });
        prop::collection::vec(cause, 0..4)
    }

    fn parse(octets: &Bytes) -> Result<Vec<Cause>, nom::Err<ParseError>> {
        parse_all(octets, octets).map(|(_, causes)| causes)
    }

    #[test]
    fn row_69_cause_length_below_four_or_half_outside() {
        for lie in ["000c0000", "000c0003", "000c0008 41", "000c"] {
            assert!(parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn invalid_stream_identifier_has_two_reserved_octets_rfc_9260_section_3_3_10_1() {
        let mut out = BytesMut::new();
        write_all(&[Cause::invalid_stream_identifier(StreamId(0x1234))], &mut out);
        assert_eq!(out, testing::hex("00010008 1234 0000"));
    }

    proptest! {
        #[test]
        fn round_trip(causes in any_causes()) {
            let mut out = BytesMut::new();
            write_all(&causes, &mut out);
            prop_assert_eq!(parse(&out.freeze()), Ok(causes));
        }

        #[test]
        fn never_panics(octets in testing::octets(80)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(causes in any_causes()) {
            let mut out = BytesMut::new();
            write_all(&causes, &mut out);
            let octets = out.freeze();
            let (_, fields) = tap::explain(&octets, || parse(&octets));
            prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
        }
    }
}
