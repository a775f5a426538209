//! Whose packets they are: streams and tracks, sources, and which source repeats which.
//!
//! RFC 8830 §2 (`msid`); RFC 5576 §4.1 (`ssrc`), §4.2 (`ssrc-group`); RFC 4588 §8.8 (`FID`).
//!
//! ```text
//! a=msid:<stream> [<track>]
//! a=ssrc:<source> <attribute>[:<value>]
//! a=ssrc-group:FID <source> <source of its retransmissions>
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::character::complete::char;
use nom::combinator::{rest, verify};
use nom::sequence::terminated;

use crate::attribute::Attribute;
use crate::error::{Parsed, field};
use crate::line::{number, token, word};
use crate::views::section::Section;

/// `identifier [ SP appdata ]`, RFC 8830 §2.
///
/// DEVIATION RFC 8830 §2: any word, not only a token: Firefox writes braces.
pub(crate) fn msid(input: &str) -> Parsed<'_, MediaStreamId<'_>> {
    let (tail, stream) = field("msid", word)(input)?;
    let (rest, track) = rest.parse_complete(tail)?;
    let track = Some(track.trim()).filter(|track| !track.is_empty());
    Ok((rest, MediaStreamId { stream, track }))
}

/// `ssrc-id SP attribute`, RFC 5576 §4.1.
pub(crate) fn ssrc(input: &str) -> Parsed<'_, SourceAttribute<'_>> {
    let (rest, (ssrc, text)) = (
        terminated(field("ssrc", number), field("ssrc", char(' '))),
        field("source attribute", verify(rest, |text: &str| !text.trim().is_empty())),
    )
        .parse_complete(input)?;
    Ok((rest, SourceAttribute { ssrc, attribute: Attribute::split(text) }))
}

/// `semantics *(SP ssrc-id)`, RFC 5576 §4.2.
pub(crate) fn ssrc_group(input: &str) -> Parsed<'_, SourceGroup<'_>> {
    let (tail, semantics) = field("group semantics", token)(input)?;
    let (rest, ssrcs) = rest.parse_complete(tail)?;
    Ok((rest, SourceGroup { semantics, ssrcs }))
}

/// The stream a section's track belongs to, RFC 8830 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaStreamId<'a> {
    /// The stream; `-` for none.
    pub stream: &'a str,
    /// The track, if it is said.
    pub track: Option<&'a str>,
}

impl fmt::Display for MediaStreamId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stream)?;
        self.track.map_or(Ok(()), |track| write!(f, " {track}"))
    }
}

/// Something said about one source, RFC 5576 §4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceAttribute<'a> {
    /// The source.
    pub ssrc: u32,
    /// What is said: `cname:…`, `msid:…`.
    pub attribute: Attribute<'a>,
}

impl fmt::Display for SourceAttribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.attribute)
    }
}

/// Sources that belong together, RFC 5576 §4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceGroup<'a> {
    /// Why they do: `FID` is a source and its retransmissions.
    pub semantics: &'a str,
    ssrcs: &'a str,
}

impl<'a> SourceGroup<'a> {
    /// The sources in order; what is no number is passed over.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.split(' ').filter_map(|ssrc| ssrc.parse().ok())
    }
}

impl<'a> Section<'a> {
    /// Every `a=msid`: a track may be in several streams (RFC 8830 §2).
    pub fn msids(&self) -> impl Iterator<Item = MediaStreamId<'a>> + use<'a> {
        self.own("msid").filter_map(|attribute| attribute.parse(msid).ok())
    }

    /// Every `a=ssrc`; a source has one line for each of its attributes.
    pub fn source_attributes(&self) -> impl Iterator<Item = SourceAttribute<'a>> + use<'a> {
        self.own("ssrc").filter_map(|attribute| attribute.parse(ssrc).ok())
    }

    /// Every `a=ssrc-group`.
    pub fn source_groups(&self) -> impl Iterator<Item = SourceGroup<'a>> + use<'a> {
        self.own("ssrc-group").filter_map(|attribute| attribute.parse(ssrc_group).ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Attribute<'_> {
        Attribute { name: "x", value: Some(text) }
    }

    #[test]
    fn trap_firefox_writes_braces_in_msid() {
        let text = "{33997c44-7320-4886-a114-36525874e6b5} {42664e21-37ae-42b4-909d-e463da172e15}";
        let parsed = value(text).parse(msid).unwrap();
        assert_eq!(parsed.stream, "{33997c44-7320-4886-a114-36525874e6b5}");
        assert_eq!(parsed.to_string(), text);
        assert_eq!(value("-").parse(msid).unwrap(), MediaStreamId { stream: "-", track: None });
        assert!(value("").parse(msid).is_err());
    }

    #[test]
    fn sources_and_groups() {
        let parsed = value("4294967295 cname:a b").parse(ssrc).unwrap();
        assert_eq!((parsed.ssrc, parsed.attribute.name), (u32::MAX, "cname"));
        assert_eq!(parsed.to_string(), "4294967295 cname:a b");
        for text in ["4294967296 cname:x", "1", "1 ", "x cname:y"] {
            assert!(value(text).parse(ssrc).is_err(), "{text}");
        }
        let parsed = value("FID 1 2 x").parse(ssrc_group).unwrap();
        assert_eq!((parsed.semantics, parsed.ssrcs().collect()), ("FID", vec![1, 2]));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", near in "[0-9: a-z]{0,16}") {
            for text in [&text, &near] {
                let _ = (value(text).parse(msid), value(text).parse(ssrc));
                let _ = value(text).parse(ssrc_group).map(|group| group.ssrcs().count());
            }
        }
    }
}
