//! The header extensions of a section: which small number stands for which meaning.
//!
//! RFC 8285 §5 (`extmap`), §6 (offer and answer, `extmap-allow-mixed`).
//!
//! ```text
//! a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid              <id> <URI> [attributes]
//! a=extmap:9/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::character::complete::char;
use nom::combinator::{map_opt, opt, rest, verify};
use nom::sequence::preceded;

use crate::error::{Parsed, field};
use crate::line::{number, token, word};
use crate::views::media::Direction;
use crate::views::section::Section;

/// `mapentry SP extensionname [SP extensionattributes]`, RFC 8285 §8.
pub(crate) fn extmap(input: &str) -> Parsed<'_, ExtensionMap<'_>> {
    let direction = map_opt(token, Direction::from_name);
    let (_, (id, direction, _, uri, _)) = (
        field("extension id", verify(number::<u16>, |id| *id > 0)),
        opt(preceded(char('/'), field("extension direction", direction))),
        field("extmap", char(' ')),
        field("extension URI", word),
        rest,
    )
        .parse_complete(input)?;
    Ok(("", ExtensionMap { id, direction, uri }))
}

/// The meaning of a header extension's id, RFC 8285 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionMap<'a> {
    /// 1 to 14 fit both forms of the header, up to 255 the two-byte form only.
    pub id: u16,
    /// Which way, seen from the description's sender; that of the section if it is not said.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: &'a str,
}

impl fmt::Display for ExtensionMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.direction {
            Some(direction) => write!(f, "{}/{direction} {}", self.id, self.uri),
            None => write!(f, "{} {}", self.id, self.uri),
        }
    }
}

impl<'a> Section<'a> {
    /// Every `a=extmap`: of the section, then of the session (RFC 8285 §5).
    pub fn extension_maps(&self) -> impl Iterator<Item = ExtensionMap<'a>> + use<'a> {
        let session = self.session.attributes().filter(|attribute| attribute.name == "extmap");
        self.own("extmap").chain(session).filter_map(|attribute| attribute.parse(extmap).ok())
    }

    /// One- and two-byte extension headers may alternate: said for the section or the session
    /// (RFC 8285 §6).
    #[must_use]
    pub fn extmap_allow_mixed(&self) -> bool {
        self.attribute("extmap-allow-mixed").is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attribute::Attribute;

    fn value(text: &str) -> Attribute<'_> {
        Attribute { name: "extmap", value: Some(text) }
    }

    #[test]
    fn the_forms_of_rfc_8285_section_5() {
        let parsed = value("2/sendonly http://example.com/082005/ext.htm#xmeta short");
        let parsed = parsed.parse(extmap).unwrap();
        assert_eq!((parsed.id, parsed.direction), (2, Some(Direction::SendOnly)));
        assert_eq!(parsed.to_string(), "2/sendonly http://example.com/082005/ext.htm#xmeta");
        assert_eq!(value("4096 urn:x").parse(extmap).unwrap().id, 4096);
        for text in ["", "0 urn:x", "1", "1 ", "1/sideways urn:x", "70000 urn:x", "x urn:x"] {
            assert!(value(text).parse(extmap).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", near in "[0-9/ a-z]{0,16}") {
            let _ = (value(&text).parse(extmap), value(&near).parse(extmap));
        }

        #[test]
        fn round_trip(id in 1_u16.., sends: Option<(bool, bool)>, uri in "[!-~]{1,40}") {
            let direction = sends.map(|(sends, receives)| Direction::new(sends, receives));
            let map = ExtensionMap { id, direction, uri: &uri };
            let text = map.to_string();
            prop_assert_eq!(value(&text).parse(extmap), Ok(map));
        }
    }
}
