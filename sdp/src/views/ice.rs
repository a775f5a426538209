//! What ICE reads from a description.
//!
//! RFC 8839 §5.1 (`candidate`), §5.3 (`ice-lite`), §5.4 (`ice-ufrag`, `ice-pwd`), §5.6
//! (`ice-options`); RFC 8838 and RFC 8840 §8.1 (`end-of-candidates`). Candidates stay text here:
//! their grammar is ICE's affair.
//! Book: the chapter on SDP.

use nom::Parser;
use nom::bytes::complete::take_while;

use crate::error::{Parsed, bad_length, field};
use crate::line::Lines;
use crate::views::section::Section;

/// `ice-ufrag = 4*256ice-char`, RFC 8839 §5.4.
pub(crate) fn ufrag(input: &str) -> Parsed<'_, &str> {
    field("ice-ufrag", |input| ice_chars(input, 4))(input)
}

/// `ice-pwd = 22*256ice-char`, RFC 8839 §5.4.
pub(crate) fn pwd(input: &str) -> Parsed<'_, &str> {
    field("ice-pwd", |input| ice_chars(input, 22))(input)
}

/// `ice-char = ALPHA / DIGIT / "+" / "/"`, RFC 8839 §5.1.
///
/// DEVIATION RFC 8839 §5.1: `-` and `_` too, since some stacks write base64url.
fn ice_chars(input: &str, least: usize) -> Parsed<'_, &str> {
    const MOST: usize = 256;
    let is_ice_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let (rest, chars) = take_while(is_ice_char).parse_complete(input)?;
    if (least..=MOST).contains(&chars.len()) { Ok((rest, chars)) } else { bad_length() }
}

/// The candidates among `lines`, without `a=`.
pub(crate) fn candidates(lines: &Lines) -> impl Iterator<Item = &str> {
    lines
        .iter()
        .filter(|line| line.kind == 'a' && line.value.starts_with("candidate:"))
        .map(|line| line.value)
}

impl<'a> Section<'a> {
    /// The user name fragment: of the section, else of the session (RFC 8839 §5.4).
    #[must_use]
    pub fn ice_ufrag(&self) -> Option<&'a str> {
        self.attribute("ice-ufrag").map(|attribute| attribute.text())
    }

    /// The password: of the section, else of the session (RFC 8839 §5.4).
    #[must_use]
    pub fn ice_pwd(&self) -> Option<&'a str> {
        self.attribute("ice-pwd").map(|attribute| attribute.text())
    }

    /// A lite agent on the other side: it sends no checks (RFC 8839 §5.3, session level).
    #[must_use]
    pub fn is_ice_lite(&self) -> bool {
        self.session.has("ice-lite")
    }

    /// The options of the section and of the session, such as `trickle` and `ice2` (RFC 8839 §5.6).
    pub fn ice_options(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let of = |lines: &'a Lines| {
            lines
                .attributes()
                .filter(|attribute| attribute.name == "ice-options")
                .flat_map(|attribute| attribute.value.unwrap_or_default().split(' '))
                .filter(|option| !option.is_empty())
        };
        of(&self.media.lines).chain(of(self.session))
    }

    /// The candidates in order, each as `candidate:…`, the form in which they trickle
    /// (RFC 8839 §5.1).
    pub fn candidates(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        candidates(&self.media.lines)
    }

    /// No candidate will follow: said for the section or for the session (RFC 8840 §8.1).
    #[must_use]
    pub fn end_of_candidates(&self) -> bool {
        self.attribute("end-of-candidates").is_some()
    }
}
