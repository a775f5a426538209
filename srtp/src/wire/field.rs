//! `field`: the one way a value leaves a buffer, and the error when it cannot.
//!
//! Each field of each structure is parsed through [`field`]. On failure the error names the field;
//! on success, when somebody listens, a `tracing` event (level trace, target `wire`) carries the
//! field's name, the address of its first octet, its length and its value. The parser that runs in
//! production thereby explains every packet; the book's byte figures are made of these events.

use std::fmt::Debug;

use bytes::Bytes;
use nom::bytes::complete::take;
use nom::combinator::{map, rest};
use nom::error::ErrorKind;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

/// Why octets could not be parsed: the field that failed, how, and how many octets were left there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse {field}: {kind:?} with {left} octets left")]
pub struct ParseError {
    /// The RFC's name of the innermost field that failed.
    pub field: &'static str,
    /// What nom reported: `Eof` for missing octets, `Verify` for a forbidden value.
    pub kind: ErrorKind,
    /// Octets from the start of the failed field to the end of the input.
    pub left: usize,
}

impl ParseError {
    /// An error that nom itself did not raise: `field` had a forbidden value.
    pub(crate) fn forbidden(field: &'static str, left: usize) -> Self {
        Self { field, kind: ErrorKind::Verify, left }
    }
}

/// The name an error carries until the enclosing [`field`] puts its own there.
const UNNAMED: &str = "";

impl nom::error::ParseError<&[u8]> for ParseError {
    fn from_error_kind(input: &[u8], kind: ErrorKind) -> Self {
        Self { field: UNNAMED, kind, left: input.len() }
    }

    fn append(_: &[u8], _: ErrorKind, inner: Self) -> Self {
        inner
    }
}

/// What every parser in `wire/` returns.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, ParseError>;

/// Parses one field with `parser`, names it in errors and reports it to whoever listens to `wire`.
pub(crate) fn field<'a, O: Debug>(
    name: &'static str,
    mut parser: impl Parser<&'a [u8], Output = O, Error = ParseError>,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, O> {
    move |input| {
        let (rest, value) = parser.parse_complete(input).map_err(|error| {
            error.map(|inner| match inner.field {
                UNNAMED => ParseError { field: name, left: input.len(), ..inner },
                _ => inner,
            })
        })?;
        if tracing::level_enabled!(tracing::Level::TRACE) {
            report(name, input, input.len() - rest.len(), &value);
        }
        Ok((rest, value))
    }
}

/// Tells who listens. Apart, so that the parser of a field, when nobody does, stays small enough to
/// be part of the code around it.
#[cold]
#[inline(never)]
fn report(name: &'static str, input: &[u8], length: usize, value: &dyn Debug) {
    tracing::event!(
        target: "wire",
        tracing::Level::TRACE,
        name,
        address = input.as_ptr().addr() as u64,
        length = length as u64,
        value = ?value,
    );
}

/// All the octets that are left, as a slice of `packet`, of which the input must be a part.
pub(crate) fn remainder<'a>(
    packet: &Bytes,
) -> impl Parser<&'a [u8], Output = Bytes, Error = ParseError> {
    map(rest, |octets| packet.slice_ref(octets))
}

/// `count` octets, as a slice of `packet`, of which the input must be a part.
pub(crate) fn octets<'a>(
    packet: &Bytes,
    count: usize,
) -> impl Parser<&'a [u8], Output = Bytes, Error = ParseError> {
    map(take(count), |octets| packet.slice_ref(octets))
}

/// Bit `number` (0 is the lowest) of the flag octet in `flags`. The octet stays where it is: each
/// of its bits is a field on the same octet.
pub(crate) fn bit(name: &'static str, number: u8, flags: &[u8]) -> bool {
    field(name, map(be_u8, |flags: u8| flags >> number & 1 == 1))
        .parse_complete(flags)
        .is_ok_and(|(_, set)| set)
}
