//! `field`: the one way a value leaves a buffer, and the error when it cannot.
//!
//! Each field of each structure (RFC 8489 §5, §14) is parsed through [`field`]. On failure the error
//! names the field; on success, when somebody listens, a `tracing` event (level trace, target `wire`)
//! carries the field's name, the address of its first octet, its length and its value. The parser
//! that runs in production thereby explains every packet; the book's byte figures are made of these
//! events. Invariant: the fields of a message tile it, so no octet goes unexplained.
//!
//! Book: "Octets".

use std::fmt::Debug;

use nom::error::ErrorKind;
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

impl From<nom::Err<ParseError>> for ParseError {
    fn from(error: nom::Err<ParseError>) -> Self {
        match error {
            nom::Err::Error(inner) | nom::Err::Failure(inner) => inner,
            // `parse_complete` never answers Incomplete; were it to, the datagram was too short.
            nom::Err::Incomplete(_) => Self { field: UNNAMED, kind: ErrorKind::Eof, left: 0 },
        }
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

// ANCHOR: field
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
        tracing::event!(
            target: "wire",
            tracing::Level::TRACE,
            name,
            address = input.as_ptr().addr() as u64,
            length = (input.len() - rest.len()) as u64,
            value = ?value,
        );
        Ok((rest, value))
    }
}
// ANCHOR_END: field

/// What the tests of every `wire/` file share: hex, and the two properties of all parsers.
#[cfg(test)]
pub(crate) mod testing {
    /// Octets from a hex dump; white space is free.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// Runs `parse` on `input` and checks that the fields it reported name each octet it consumed
    /// exactly once. `parse` returns the octets consumed, `None` when it refused the input.
    pub(crate) fn assert_tiles(input: &[u8], parse: impl FnOnce(&[u8]) -> Option<usize>) {
        let (consumed, fields) = tap::explain(input, || parse(input));
        if let Some(consumed) = consumed {
            tap::tile(&fields, consumed).unwrap();
        }
    }
}
