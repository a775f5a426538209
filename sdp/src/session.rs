//! A whole description: the session and its media sections.
//!
//! RFC 8866 §5: `v=`, `o=`, `s=` in this order, further session lines, then the media sections.
//! RFC 9429 §5.8 says how WebRTC reads it.
//!
//! ```text
//! v=0                          ┐
//! o=- 2065635547366742505 2 …  │ session: fixed head,
//! s=-                          │ then Lines
//! t=0 0, a=group:BUNDLE 0, …   ┘
//! m=application 9 …            ┐ media section 0
//! c=…, a=…                     ┘
//! ```
//! Book: the chapter on SDP.

use std::collections::HashSet;
use std::fmt;

use nom::Parser;
use nom::character::complete::char;
use nom::sequence::terminated;

use crate::attribute::Attribute;
use crate::error::{Error, Reason, field, reason};
use crate::line::{Line, Lines, OneLine, number, numbered, token, trailing_space, word};
use crate::media::{MAX_MEDIA, Media};
use crate::origin::Origin;
use crate::views::section::Section;

/// A session description, RFC 8866.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `o=` line.
    pub origin: Origin,
    /// The `s=` line; `-` where nobody named the session. Some peers write a real name.
    pub name: String,
    /// The other lines of the session, in order.
    pub lines: Lines,
    /// The media sections, in order.
    pub media: Vec<Media>,
}

impl Session {
    /// A description with the given origin, named `-`, valid for ever (`t=0 0`), and no media.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        let mut lines = Lines::new();
        lines.push('t', "0 0");
        Self { origin, name: "-".to_owned(), lines, media: Vec::new() }
    }

    /// Reads a description.
    ///
    /// # Errors
    /// The first line that breaks the grammar or a bound of this crate, with the reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = numbered(text);
        let mut last = 0;
        let mut head = |kind: char| match lines.next() {
            Some(Ok((number, line))) if line.kind == kind => {
                last = number;
                Ok((number, line.value))
            }
            Some(Ok((number, _))) => Err(Reason::Expected(kind).at(number)),
            Some(Err(error)) => Err(error),
            None => Err(Reason::Expected(kind).at(last.saturating_add(1))),
        };
        let (number, version) = head('v')?;
        if version.trim_end_matches(' ') != "0" {
            return Err(Reason::Version.at(number));
        }
        let (number, origin) = head('o')?;
        let origin = Origin::parse(origin).map_err(|reason| reason.at(number))?;
        let name = head('s')?.1.to_owned();
        let body = Body::parse(lines)?;
        Ok(Self { origin, name, lines: body.lines, media: body.media })
    }

    /// The media sections, each with the session's defaults behind it.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        self.media.iter().map(|media| Section::new(&self.lines, media))
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no={}\r\ns={}\r\n{}", self.origin, OneLine(&self.name), self.lines)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

/// What follows the head: shared by descriptions and fragments (RFC 8840 §9.2).
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) lines: Lines,
    pub(crate) media: Vec<Media>,
}

impl Body {
    pub(crate) fn parse<'a>(
        lines: impl Iterator<Item = Result<(usize, Line<'a>), Error>>,
    ) -> Result<Self, Error> {
        let mut body = Self::default();
        let mut rules = Rules::default();
        for line in lines {
            let (number, line) = line?;
            rules.check(line).map_err(|reason| reason.at(number))?;
            if line.kind == 'm' {
                if body.media.len() >= MAX_MEDIA {
                    return Err(Reason::TooManyMedia.at(number));
                }
                body.media.push(Media::parse(line.value).map_err(|reason| reason.at(number))?);
            } else {
                body.media
                    .last_mut()
                    .map_or(&mut body.lines, |media| &mut media.lines)
                    .push_parsed(line);
            }
        }
        Ok(body)
    }
}

/// What must hold across lines: some attributes once per section, mids unique.
#[derive(Default)]
struct Rules<'a> {
    seen: Vec<&'static str>,
    mids: HashSet<&'a str>,
    bundled: HashSet<&'a str>,
}

impl<'a> Rules<'a> {
    fn check(&mut self, line: Line<'a>) -> Result<(), Reason> {
        match line.kind {
            'm' => self.seen.clear(),
            'a' => self.check_attribute(Attribute::split(line.value))?,
            'v' | 'o' | 's' => return Err(Reason::Repeated(line.kind)),
            'c' => check_connection(line.value)?,
            'b' => check_bandwidth(line.value)?,
            't' => check_timing(line.value)?,
            // DEVIATION RFC 8866 §5: a description with an unknown letter should be ignored as a
            // whole. We keep the line, as browsers skip it: it can do no harm, and it comes back out.
            _ => {}
        }
        Ok(())
    }

    fn check_attribute(&mut self, attribute: Attribute<'a>) -> Result<(), Reason> {
        attribute.check()?;
        if let Some(name) = attribute.once() {
            if self.seen.contains(&name) {
                return Err(Reason::DuplicateAttribute(name));
            }
            self.seen.push(name);
        }
        if attribute.name == "mid" && !self.mids.insert(attribute.text()) {
            return Err(Reason::DuplicateMid);
        }
        if let Some(mut mids) = attribute.text().strip_prefix("BUNDLE").map(str::split_whitespace)
            && attribute.name == "group"
            && mids.any(|mid| !self.bundled.insert(mid))
        {
            return Err(Reason::BundledTwice);
        }
        Ok(())
    }
}

/// `c=<nettype> <addrtype> <connection-address>`, RFC 8866 §5.7. WebRTC checks the form and does
/// not use it (RFC 9429 §5.8.1).
fn check_connection(value: &str) -> Result<(), Reason> {
    let space = || field("c= line", char(' '));
    (
        terminated(field("nettype", token), space()),
        terminated(field("addrtype", token), space()),
        field("connection-address", word),
        field("c= line", trailing_space),
    )
        .parse_complete(value)
        .map(drop)
        .map_err(reason)
}

/// `b=<bwtype>:<bandwidth>`, RFC 8866 §5.8.
fn check_bandwidth(value: &str) -> Result<(), Reason> {
    (
        terminated(field("bwtype", token), field("b= line", char(':'))),
        field("bandwidth", number::<u64>),
        field("b= line", trailing_space),
    )
        .parse_complete(value)
        .map(drop)
        .map_err(reason)
}

/// `t=<start-time> <stop-time>`, RFC 8866 §5.9.
fn check_timing(value: &str) -> Result<(), Reason> {
    (
        terminated(field("start-time", number::<u64>), field("t= line", char(' '))),
        field("stop-time", number::<u64>),
        field("t= line", trailing_space),
    )
        .parse_complete(value)
        .map(drop)
        .map_err(reason)
}
