//! What the payload descriptors share: octets made of bit-fields, the picture id of VP8 and VP9, and
//! errors without nom's wrapping.
//!
//! A descriptor's first octets are flags that say which octets follow. [`flags`] takes such an
//! octet from the input; [`bits`] and `bit` then name the fields in it, each of which lies on that
//! same octet.

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::error::ErrorKind;
use nom::number::complete::{be_u8, be_u16};

use crate::wire::ParseError;
use crate::wire::field::{Parsed, bit, field};

/// Takes the octet called `name`, to be named bit by bit.
pub(super) fn flags<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    let (octet, rest) = input.split_at_checked(1).ok_or(nom::Err::Error(ParseError {
        field: name,
        kind: ErrorKind::Eof,
        left: input.len(),
    }))?;
    Ok((rest, octet))
}

/// `width` bits of the octet `flags`, the lowest of which is bit `lowest` (0 is the octet's lowest).
pub(super) fn bits(name: &'static str, lowest: u8, width: u8, flags: &[u8]) -> u8 {
    let mask = 0xff_u8.checked_shr(u32::from(8 - width)).unwrap_or(0);
    field(name, map(be_u8, |flags: u8| flags >> lowest & mask))
        .parse_complete(flags)
        .map_or(0, |(_, value)| value)
}

/// A value that is not allowed, found where `left` is still to be read.
pub(super) fn forbidden(field: &'static str, left: &[u8]) -> nom::Err<ParseError> {
    nom::Err::Error(ParseError::forbidden(field, left.len()))
}

/// The error inside of nom's.
pub(super) fn innermost(error: nom::Err<ParseError>) -> ParseError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => ParseError::forbidden("payload", 0),
    }
}

/// Counts the pictures of a stream: PictureID of RFC 7741 §4.2 and RFC 9628 §4.2. The bit M in front
/// of it tells its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureId {
    SevenBits(u8),
    FifteenBits(u16),
}

impl PictureId {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let is_long = input.first().is_some_and(|first| first & 0x80 != 0);
        if is_long {
            field("M", map(be_u16, |octets| octets >> 15 == 1)).parse_complete(input)?;
            let (rest, id) =
                field("PictureID", map(be_u16, |octets| octets & 0x7fff)).parse_complete(input)?;
            return Ok((rest, Self::FifteenBits(id)));
        }
        let (rest, octet) = flags("PictureID", input)?;
        bit("M", 7, octet);
        Ok((rest, Self::SevenBits(bits("PictureID", 0, 7, octet))))
    }

    pub(super) fn write(self, out: &mut BytesMut) {
        match self {
            Self::SevenBits(id) => out.put_u8(id & 0x7f),
            Self::FifteenBits(id) => out.put_u16(0x8000 | id),
        }
    }
}
