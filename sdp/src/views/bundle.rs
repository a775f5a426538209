//! Sections by name, and groups of sections on one transport.
//!
//! RFC 5888 §4 (`mid`), §5 (`group`); RFC 9143 §5 (`BUNDLE`), §6 (`bundle-only`), §7.3.3 (rejection).
//! Book: the chapter on SDP.

use nom::Parser;
use nom::bytes::complete::take_while;
use nom::character::complete::char;
use nom::multi::many0_count;
use nom::sequence::preceded;

use crate::attribute::Attribute;
use crate::error::{Parsed, field};
use crate::line::{Lines, token};
use crate::session::Session;
use crate::views::section::Section;

/// `identification-tag = token`, RFC 5888 §4.
pub(crate) fn mid(input: &str) -> Parsed<'_, &str> {
    field("mid", token)(input)
}

/// `semantics *(SP identification-tag)`, RFC 5888 §5.
pub(crate) fn group(input: &str) -> Parsed<'_, Group<'_>> {
    let (rest, semantics) = field("group semantics", token)(input)?;
    let (end, _) = many0_count(preceded(char(' '), token)).parse_complete(rest)?;
    let (end, _) = take_while(|c| c == ' ').parse_complete(end)?;
    let (end, _) = field("group", nom::combinator::eof)(end)?;
    Ok((end, Group { semantics, mids: rest }))
}

/// Sections that belong together, RFC 5888 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group<'a> {
    /// Why they do: `BUNDLE`, `LS`, …
    pub semantics: &'a str,
    mids: &'a str,
}

impl<'a> Group<'a> {
    /// The mids in order. In a BUNDLE the first is the tagged one: its transport is everybody's.
    pub fn mids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.mids.split(' ').filter(|mid| !mid.is_empty())
    }
}

impl Session {
    /// Every `a=group`, in order.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        groups(&self.lines)
    }

    /// The groups that share a transport, RFC 9143 §5.
    pub fn bundle_groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.groups().filter(|group| group.semantics == "BUNDLE")
    }
}

fn groups(lines: &Lines) -> impl Iterator<Item = Group<'_>> {
    lines
        .attributes()
        .filter(|attribute| attribute.name == "group")
        .filter_map(|attribute| Attribute::parse(&attribute, group).ok())
}

impl<'a> Section<'a> {
    /// The section's name: an opaque token (RFC 5888 §4).
    #[must_use]
    pub fn mid(&self) -> Option<&'a str> {
        self.media.lines.attribute("mid").map(|attribute| attribute.text())
    }

    /// Only usable inside its BUNDLE group: then port 0 is no rejection (RFC 9143 §6).
    #[must_use]
    pub fn is_bundle_only(&self) -> bool {
        self.media.lines.has("bundle-only")
    }

    /// Rejected or stopped: port 0 without `bundle-only` (RFC 9143 §7.3.3, RFC 3264 §6).
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.media.port == 0 && !self.is_bundle_only()
    }
}
