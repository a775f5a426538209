//! Why a description was refused: the line and the reason.
//!
//! RFC 8866 §5: a parser must ignore what it does not know, and refuse what breaks the grammar.
//! Book: the chapter on SDP.

use nom::error::ErrorKind;

/// A description could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Error {
    /// The line, counted from 1 as an editor does.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The whole text is longer than [`MAX_OCTETS`](crate::MAX_OCTETS).
    #[error("the description is longer than {} octets", crate::MAX_OCTETS)]
    TooLong,
    /// There are more lines than [`MAX_LINES`](crate::MAX_LINES).
    #[error("the description has more than {} lines", crate::MAX_LINES)]
    TooManyLines,
    /// The line is longer than [`MAX_LINE_OCTETS`](crate::MAX_LINE_OCTETS).
    #[error("the line is longer than {} octets", crate::MAX_LINE_OCTETS)]
    LineTooLong,
    /// There are more `m=` lines than [`MAX_MEDIA`](crate::MAX_MEDIA).
    #[error("the description has more than {} m= lines", crate::MAX_MEDIA)]
    TooManyMedia,
    /// The line is not `<letter>=<value>` (RFC 8866 §5).
    #[error("not a line of the form <letter>=<value>")]
    NotALine,
    /// The line holds a NUL, or a CR that does not end it (RFC 8866 §9, `byte-string`).
    #[error("a NUL or a lone CR inside the line")]
    ForbiddenOctet,
    /// A description starts with `v=`, `o=`, `s=` in this order (RFC 8866 §5).
    #[error("expected a line {0}=")]
    Expected(char),
    /// A line that may appear only once appears again.
    #[error("a second line {0}=")]
    Repeated(char),
    /// `v=` is not 0 (RFC 8866 §5.1).
    #[error("the protocol version is not 0")]
    Version,
    /// The named field does not have the form its RFC gives it.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The named number does not fit its field.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// The named field is shorter or longer than its RFC allows.
    #[error("{0} has a forbidden length")]
    Length(&'static str),
    /// The named attribute may stand once in a section and stands there again.
    #[error("a second attribute {0} in this section")]
    DuplicateAttribute(&'static str),
    /// Two sections have the same `a=mid` (RFC 5888 §4: it is unique in the description).
    #[error("the mid of this section is already taken")]
    DuplicateMid,
    /// A mid stands twice in one BUNDLE group, or in two of them (RFC 9143 §7.2).
    #[error("a mid is bundled twice")]
    BundledTwice,
}

impl Reason {
    /// This reason, at a line.
    pub(crate) fn at(self, line: usize) -> Error {
        Error { line, reason: self }
    }
}

/// The name a reason carries until the enclosing `field` puts its own there.
const UNNAMED: &str = "";

impl nom::error::ParseError<&str> for Reason {
    fn from_error_kind(_: &str, _: ErrorKind) -> Self {
        Self::Malformed(UNNAMED)
    }

    fn append(_: &str, _: ErrorKind, inner: Self) -> Self {
        inner
    }
}

/// What every grammar rule of this crate returns.
pub(crate) type Parsed<'a, T> = nom::IResult<&'a str, T, Reason>;

/// Parses one field with `parser` and names it in the error.
pub(crate) fn field<'a, O>(
    name: &'static str,
    mut parser: impl nom::Parser<&'a str, Output = O, Error = Reason>,
) -> impl FnMut(&'a str) -> Parsed<'a, O> {
    move |input| {
        parser.parse_complete(input).map_err(|error| {
            error.map(|reason| match reason {
                Reason::Malformed(UNNAMED) => Reason::Malformed(name),
                Reason::TooLarge(UNNAMED) => Reason::TooLarge(name),
                Reason::Length(UNNAMED) => Reason::Length(name),
                named => named,
            })
        })
    }
}

/// The reason inside a nom error. Complete parsers never answer `Incomplete`.
pub(crate) fn reason(error: nom::Err<Reason>) -> Reason {
    match error {
        nom::Err::Error(reason) | nom::Err::Failure(reason) => reason,
        nom::Err::Incomplete(_) => Reason::Malformed(UNNAMED),
    }
}

/// Fails a rule for good: the number is too large for its field.
pub(crate) fn too_large<T>() -> Result<T, nom::Err<Reason>> {
    Err(nom::Err::Failure(Reason::TooLarge(UNNAMED)))
}

/// Fails a rule for good: the text is shorter or longer than its RFC allows.
pub(crate) fn bad_length<T>() -> Result<T, nom::Err<Reason>> {
    Err(nom::Err::Failure(Reason::Length(UNNAMED)))
}
