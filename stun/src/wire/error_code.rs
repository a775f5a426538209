//! ERROR-CODE: why a request was refused, as a number and a phrase.
//!
//! RFC 8489 §14.8:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Reserved, should be 0         |Class|     Number    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Reason Phrase (variable)                                ..
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The hundreds are the class (3 to 6), the rest is the number (0 to 99). Book: "STUN".

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::{rest, verify};
use nom::number::complete::{be_u8, be_u16};

use super::field::{Parsed, field};
use super::text::Text;

/// The number of an error: 300 to 699, registered by IANA (RFC 8489 §18.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// Use the server in ALTERNATE-SERVER (RFC 8489 §14.8).
    pub const TRY_ALTERNATE: Self = Self(300);
    /// The request was malformed (RFC 8489 §14.8).
    pub const BAD_REQUEST: Self = Self(400);
    /// The request lacked the right credentials (RFC 8489 §14.8).
    pub const UNAUTHENTICATED: Self = Self(401);
    /// A comprehension-required attribute was not understood (RFC 8489 §14.8).
    pub const UNKNOWN_ATTRIBUTE: Self = Self(420);
    /// The server does not do that for this user or peer (RFC 8656 §19).
    pub const FORBIDDEN: Self = Self(403);
    /// There is no allocation where one is needed, or one where there must be none (RFC 8656 §19).
    pub const ALLOCATION_MISMATCH: Self = Self(437);
    /// The NONCE is no longer valid (RFC 8489 §14.8).
    pub const STALE_NONCE: Self = Self(438);
    /// No relayed address of that family is to be had (RFC 8656 §19).
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self(440);
    /// Not the credentials that made the allocation (RFC 8656 §19).
    pub const WRONG_CREDENTIALS: Self = Self(441);
    /// The server does not relay that protocol (RFC 8656 §19).
    pub const UNSUPPORTED_TRANSPORT_PROTOCOL: Self = Self(442);
    /// The peer's address is of another family than the relayed address (RFC 8656 §19).
    pub const PEER_ADDRESS_FAMILY_MISMATCH: Self = Self(443);
    /// The user has as many allocations as he may (RFC 8656 §19).
    pub const ALLOCATION_QUOTA_REACHED: Self = Self(486);
    /// Both agents believe they have the same role (RFC 8445 §7.3.1.1).
    pub const ROLE_CONFLICT: Self = Self(487);
    /// The server cannot help now (RFC 8489 §14.8).
    pub const SERVER_ERROR: Self = Self(500);
    /// The server has no relayed address left (RFC 8656 §19).
    pub const INSUFFICIENT_CAPACITY: Self = Self(508);

    /// The code with this number, if it is one: 300 to 699.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 300 && number < 700 { Some(Self(number)) } else { None }
    }

    /// The number, 300 to 699.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The phrase that goes with it in the RFC.
    fn phrase(self) -> &'static str {
        match self {
            Self::TRY_ALTERNATE => "Try Alternate",
            Self::BAD_REQUEST => "Bad Request",
            Self::UNAUTHENTICATED => "Unauthenticated",
            Self::UNKNOWN_ATTRIBUTE => "Unknown Attribute",
            Self::FORBIDDEN => "Forbidden",
            Self::ALLOCATION_MISMATCH => "Allocation Mismatch",
            Self::STALE_NONCE => "Stale Nonce",
            Self::ADDRESS_FAMILY_NOT_SUPPORTED => "Address Family not Supported",
            Self::WRONG_CREDENTIALS => "Wrong Credentials",
            Self::UNSUPPORTED_TRANSPORT_PROTOCOL => "Unsupported Transport Protocol",
            Self::PEER_ADDRESS_FAMILY_MISMATCH => "Peer Address Family Mismatch",
            Self::ALLOCATION_QUOTA_REACHED => "Allocation Quota Reached",
            Self::ROLE_CONFLICT => "Role Conflict",
            Self::SERVER_ERROR => "Server Error",
            Self::INSUFFICIENT_CAPACITY => "Insufficient Capacity",
            Self(_) => "",
        }
    }
}

/// The value of ERROR-CODE (RFC 8489 §14.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorCode {
    /// What software reads.
    pub code: Code,
    /// What people read.
    pub reason: Text,
}

impl From<Code> for ErrorCode {
    /// The code with the phrase the RFC gives it.
    fn from(code: Code) -> Self {
        Self { code, reason: Text::from_static(code.phrase()) }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // coturn counts its phrase's padding as part of it.
        write!(f, "{} {}", self.code.0, self.reason.to_string().trim_end_matches('\0'))
    }
}

impl ErrorCode {
    /// Parses a whole attribute value; `keep` makes its octets last.
    pub(crate) fn parse(input: &[u8], keep: impl Fn(&[u8]) -> Bytes) -> Parsed<'_, Self> {
        let (input, _) = field("reserved", be_u16)(input)?;
        Self::parse_after_reserved(input, keep)
    }

    /// Parses what follows the two reserved octets.
    pub(crate) fn parse_after_reserved(
        input: &[u8],
        keep: impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'_, Self> {
        // Only the low three bits are the class, the other five belong to the reserved ones.
        let class = be_u8.map(|octet| octet & 0b111);
        let (input, class) = field("class", verify(class, |class| (3..=6).contains(class)))(input)?;
        let (input, number) = field("number", verify(be_u8, |number| *number < 100))(input)?;
        let (input, reason) =
            field("reason phrase", rest.map(|octets| Text::parse(keep(octets))))(input)?;
        Ok((input, Self { code: Code(u16::from(class) * 100 + u16::from(number)), reason }))
    }

    /// Writes the value, without padding.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16(0);
        self.write_after_reserved(out);
    }

    /// Writes what [`Self::parse_after_reserved`] parses.
    pub(crate) fn write_after_reserved(&self, out: &mut BytesMut) {
        let [class, number] =
            [self.code.0 / 100, self.code.0 % 100].map(|part| u8::try_from(part).unwrap_or(0));
        out.put_u8(class);
        out.put_u8(number);
        self.reason.write(out);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(error: &ErrorCode) -> BytesMut {
        let mut out = BytesMut::new();
        error.write(&mut out);
        out
    }

    #[test]
    fn role_conflict_is_4_87_role_conflict() {
        let octets = written(&Code::ROLE_CONFLICT.into());
        assert_eq!(octets, [&hex("00000457")[..], b"Role Conflict"].concat());
    }

    #[test]
    fn trap_coturn_ends_phrases_with_a_nul() {
        let reason = Text::from_static("Mismatched allocation\0");
        let error = ErrorCode { code: Code::ALLOCATION_MISMATCH, reason };
        assert_eq!(error.to_string(), "437 Mismatched allocation");
        assert_eq!(ErrorCode::from(Code::FORBIDDEN).to_string(), "403 Forbidden");
    }

    #[test]
    fn row_11_classes_and_numbers_outside_the_range_are_refused() {
        for octets in ["00000200", "00000700", "00000464", "000004", ""] {
            assert!(ErrorCode::parse(&hex(octets), Bytes::copy_from_slice).is_err());
        }
        let (_, reserved_bits_set) =
            ErrorCode::parse(&hex("fffffc01"), Bytes::copy_from_slice).unwrap();
        assert_eq!(reserved_bits_set.code, Code::UNAUTHENTICATED);
    }

    pub(crate) fn any_error() -> impl Strategy<Value = ErrorCode> {
        (300..700u16, ".*")
            .prop_map(|(code, reason)| ErrorCode { code: Code(code), reason: Text::new(&reason) })
    }

    proptest! {
        #[test]
        fn round_trip(error in any_error()) {
            let octets = written(&error);
            let parsed = ErrorCode::parse(&octets, Bytes::copy_from_slice).unwrap().1;
            prop_assert_eq!(parsed, error);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = ErrorCode::parse(&octets, Bytes::copy_from_slice);
        }

        #[test]
        fn fields_tile_the_input(error in any_error()) {
            assert_tiles(&written(&error), |input| {
                let parsed = ErrorCode::parse(input, Bytes::copy_from_slice);
                parsed.ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
