//! One line, the lines of a section, and the small grammar rules that all lines share.
//!
//! RFC 8866 §5 (`<type>=<value>`, CRLF, tolerance for LF) and §9 (the ABNF of `token`,
//! `non-ws-string`, `byte-string`).
//!
//! [`Lines`] holds a section's lines as one string, each with its CRLF. Invariant: every line in it
//! is a letter, `=` and a value without NUL, CR and LF. So whatever can be built can be printed, and
//! no value can smuggle in a line of its own.
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::char;

use crate::attribute::Attribute;
use crate::error::{Error, Parsed, Reason, too_large};

/// Longest description, in octets. A browser's largest offers, with fifty media sections, are some
/// 300 KiB; a signalling server should set its own, smaller limit.
pub const MAX_OCTETS: usize = 1 << 20;

/// Most lines in a description. A video section of a browser has about 150.
pub const MAX_LINES: usize = 20_000;

/// Longest line, in octets, without its CRLF. The longest real ones are `a=identity` tokens (some
/// kilobytes) and a BUNDLE group with [`MAX_MEDIA`](crate::MAX_MEDIA) short mids.
pub const MAX_LINE_OCTETS: usize = 16 * 1024;

// ANCHOR: line
/// One line of a description, RFC 8866 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The letter before the `=`.
    pub kind: char,
    /// Everything behind it, without the line's end.
    pub value: &'a str,
}
// ANCHOR_END: line

// ANCHOR: lines
/// The lines of a session or of a media section, in order, with the unknown ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(String);
// ANCHOR_END: lines

impl Lines {
    /// No lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every line in order.
    pub fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        self.0.split_terminator("\r\n").filter_map(|line| {
            let mut characters = line.chars();
            let kind = characters.next()?;
            Some(Line { kind, value: characters.as_str().strip_prefix('=')? })
        })
    }

    /// The attributes (`a=` lines) in order, RFC 8866 §5.13.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.iter().filter(|line| line.kind == 'a').map(|line| Attribute::split(line.value))
    }

    /// The first attribute of this name. Names are case-sensitive (RFC 8866 §5.13).
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// Is there an attribute of this name?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Appends a line. `kind` must be an ASCII letter, and not `v`, `o`, `s` or `m`, which have their
    /// own places in the model; anything else is written as `x`. NUL, CR and LF in `value` are left
    /// out, so that the value stays one line.
    pub fn push(&mut self, kind: char, value: &str) {
        let has_its_own_place = matches!(kind, 'v' | 'o' | 's' | 'm');
        let is_letter = kind.is_ascii_alphabetic();
        self.0.push(if is_letter && !has_its_own_place { kind } else { 'x' });
        self.0.push('=');
        self.0.extend(value.split(is_forbidden));
        self.0.push_str("\r\n");
    }

    /// Appends a property attribute, `a=<name>` (RFC 8866 §5.13).
    pub fn push_flag(&mut self, name: &str) {
        self.push('a', name);
    }

    /// Appends a value attribute, `a=<name>:<value>` (RFC 8866 §5.13).
    pub fn push_attribute(&mut self, name: &str, value: impl fmt::Display) {
        self.push('a', &format!("{name}:{value}"));
    }

    /// No line at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a line the parser has checked.
    pub(crate) fn push_parsed(&mut self, line: Line<'_>) {
        self.0.push(line.kind);
        self.0.push('=');
        self.0.push_str(line.value);
        self.0.push_str("\r\n");
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prints a text without what would end its line.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(is_forbidden).try_for_each(|part| f.write_str(part))
    }
}

/// The lines of a text with their numbers from 1, checked one by one; blank lines are skipped.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = Result<(usize, Line<'_>), Error>> {
    let too_long = (text.len() > MAX_OCTETS).then(|| Err(Reason::TooLong.at(1)));
    let lines = text.split('\n').enumerate().filter_map(|(index, line)| {
        let number = index.saturating_add(1);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        if number > MAX_LINES {
            return Some(Err(Reason::TooManyLines.at(number)));
        }
        Some(parse(line).map(|line| (number, line)).map_err(|reason| reason.at(number)))
    });
    too_long.into_iter().chain(lines)
}

/// `<letter>=<value>`, without the line's end.
fn parse(line: &str) -> Result<Line<'_>, Reason> {
    if line.len() > MAX_LINE_OCTETS {
        return Err(Reason::LineTooLong);
    }
    if line.chars().any(is_forbidden) {
        return Err(Reason::ForbiddenOctet);
    }
    let letter = nom::character::complete::satisfy(|c| c.is_ascii_alphabetic());
    let (value, (kind, _)) =
        (letter, char('=')).parse_complete(line).map_err(|_: nom::Err<Reason>| Reason::NotALine)?;
    Ok(Line { kind, value })
}

/// Outside `byte-string` (RFC 8866 §9).
fn is_forbidden(c: char) -> bool {
    matches!(c, '\0' | '\r' | '\n')
}

/// `token-char` (RFC 8866 §9): visible ASCII without `"`, `(`, `)`, `,`, `/`, `:` to `@`, `[` to `]`.
pub(crate) fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '(' | ')' | ',' | '/' | ':'..='@' | '['..=']')
}

/// `token` (RFC 8866 §9).
pub(crate) fn token(input: &str) -> Parsed<'_, &str> {
    take_while1(is_token_char).parse_complete(input)
}

/// `non-ws-string` (RFC 8866 §9): everything up to the next space.
pub(crate) fn word(input: &str) -> Parsed<'_, &str> {
    take_while1(|c| c != ' ' && c != '\t').parse_complete(input)
}

/// `1*DIGIT`, as a string of any length.
pub(crate) fn digits(input: &str) -> Parsed<'_, &str> {
    take_while1(|c: char| c.is_ascii_digit()).parse_complete(input)
}

/// `1*DIGIT`, as a number that must fit `T`.
pub(crate) fn number<T: std::str::FromStr>(input: &str) -> Parsed<'_, T> {
    let (rest, digits) = digits(input)?;
    match digits.parse() {
        Ok(value) => Ok((rest, value)),
        Err(_) => too_large(),
    }
}

/// Spaces at the end of a value: tolerated, as every browser does.
pub(crate) fn trailing_space(input: &str) -> Parsed<'_, ()> {
    let (rest, _) = take_while_m_n(0, usize::MAX, |c| c == ' ').parse_complete(input)?;
    let (rest, _) = nom::combinator::eof.parse_complete(rest)?;
    Ok((rest, ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_cannot_add_a_line() {
        let mut lines = Lines::new();
        lines.push_attribute("x", "1\r\na=ice-lite\0");
        lines.push('ä', "");
        lines.push('m', "audio 9 RTP/AVP 0");
        assert_eq!(lines.to_string(), "a=x:1a=ice-lite\r\nx=\r\nx=audio 9 RTP/AVP 0\r\n");
        assert!(!lines.has("ice-lite"));
    }

    #[test]
    fn token_char_is_that_of_rfc_8866_section_9() {
        let abnf = |c: u32| {
            matches!(c, 0x21 | 0x23..=0x27 | 0x2a..=0x2b | 0x2d..=0x2e | 0x30..=0x39
                        | 0x41..=0x5a | 0x5e..=0x7e)
        };
        for code in 0..=0x100 {
            assert_eq!(char::from_u32(code).is_some_and(is_token_char), abnf(code), "{code:#x}");
        }
    }

    #[test]
    fn numbers_that_overflow_are_too_large() {
        assert_eq!(number::<u16>("65535 "), Ok((" ", 65535)));
        assert!(matches!(number::<u16>("65536"), Err(nom::Err::Failure(Reason::TooLarge("")))));
        assert!(matches!(number::<u16>("-1"), Err(nom::Err::Error(Reason::Malformed("")))));
    }
}
