//! One picture in several sizes: the names of the encodings, and who sends which.
//!
//! RFC 8851 §4 (`rid`), §10 (grammar); RFC 8853 §5.1 (`simulcast`).
//!
//! ```text
//! a=rid:h send                              <rid> send|recv [<restriction>;…]
//! a=simulcast:send l;m;h                    streams: `;` between, `,` between alternatives,
//! a=simulcast:send l,L;~h recv x            `~` before one that is paused
//! a=simulcast: recv rid=l;m                 an old draft's form, of old Firefox
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::char;
use nom::combinator::{rest, value};
use nom::sequence::terminated;

use crate::error::{Parsed, field};
use crate::views::section::Section;

/// Most streams read from one list: simulcast has three or four in practice.
const MAX_STREAMS: usize = 32;

/// Longest name taken for one: RFC 8852 leaves the length open; one-byte header extensions carry 16.
const MAX_RID_OCTETS: usize = 64;

/// `rid-id = 1*(alpha-numeric / "-" / "_")`, RFC 8851 §10.
fn name(input: &str) -> Parsed<'_, &str> {
    let is_rid_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    take_while_m_n(1, MAX_RID_OCTETS, is_rid_char).parse_complete(input)
}

fn direction(input: &str) -> Parsed<'_, RidDirection> {
    alt((value(RidDirection::Send, tag("send")), value(RidDirection::Recv, tag("recv"))))
        .parse_complete(input)
}

/// `rid-id SP rid-dir [ rid-pt-param-list / rid-param-list ]`, RFC 8851 §10.
pub(crate) fn rid(input: &str) -> Parsed<'_, RidLine<'_>> {
    let (rest, (rid, direction, restrictions)) =
        (terminated(field("rid", name), char(' ')), field("rid direction", direction), rest)
            .parse_complete(input)?;
    Ok((rest, RidLine { rid, direction, restrictions: restrictions.trim() }))
}

/// Which way the encodings of a name go, seen from the description's sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RidDirection {
    /// The sender of the description sends it.
    Send,
    /// The sender of the description would receive it.
    Recv,
}

impl fmt::Display for RidDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Recv => "recv",
        })
    }
}

/// The name of an encoding and its limits, RFC 8851 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RidLine<'a> {
    /// The name.
    pub rid: &'a str,
    /// Which way.
    pub direction: RidDirection,
    /// `pt=96,97;max-width=1280;…`, as written; empty for none.
    pub restrictions: &'a str,
}

impl fmt::Display for RidLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rid, self.direction)?;
        if self.restrictions.is_empty() { Ok(()) } else { write!(f, " {}", self.restrictions) }
    }
}

/// One stream of a simulcast: of several alternatives the first, which its sender likes best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulcastStream<'a> {
    /// The name of its encoding.
    pub rid: &'a str,
    /// It may exist, but nothing is sent for now.
    pub is_paused: bool,
}

/// The streams of a simulcast, RFC 8853 §5.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simulcast<'a> {
    /// What the description's sender sends, in its order of preference.
    pub send: Vec<SimulcastStream<'a>>,
    /// What it would receive.
    pub recv: Vec<SimulcastStream<'a>>,
}

impl<'a> Simulcast<'a> {
    /// `sc-send [SP sc-recv] / sc-recv [SP sc-send]`, RFC 8853 §5.1, and the form of the drafts.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut simulcast = Self::default();
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        while let (Some(direction), Some(list)) = (words.next(), words.next()) {
            let streams = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.recv,
                _ => break,
            };
            if streams.is_empty() {
                let list = list.strip_prefix("rid=").unwrap_or(list);
                *streams = list.split(';').filter_map(stream).take(MAX_STREAMS).collect();
            }
        }
        simulcast
    }
}

/// The first alternative, RFC 8853 §5.1.
fn stream(alternatives: &str) -> Option<SimulcastStream<'_>> {
    let first = alternatives.split(',').next()?;
    let (is_paused, rid) = match first.strip_prefix('~') {
        Some(rid) => (true, rid),
        None => (false, first),
    };
    name(rid).ok().filter(|(rest, _)| rest.is_empty())?;
    Some(SimulcastStream { rid, is_paused })
}

impl fmt::Display for Simulcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for (direction, streams) in [("send", &self.send), ("recv", &self.recv)] {
            if streams.is_empty() {
                continue;
            }
            write!(f, "{space}{direction}")?;
            let mut before = " ";
            for SimulcastStream { rid, is_paused } in streams {
                write!(f, "{before}{}{rid}", if *is_paused { "~" } else { "" })?;
                before = ";";
            }
            space = " ";
        }
        Ok(())
    }
}

impl<'a> Section<'a> {
    /// Every `a=rid`.
    pub fn rids(&self) -> impl Iterator<Item = RidLine<'a>> + use<'a> {
        self.own("rid").filter_map(|attribute| attribute.parse(rid).ok())
    }

    /// The simulcast of the section; nothing either way if there is none.
    #[must_use]
    pub fn simulcast(&self) -> Simulcast<'a> {
        self.own("simulcast")
            .next()
            .map(|attribute| Simulcast::parse(attribute.text()))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attribute::Attribute;

    fn names<'a>(streams: &[SimulcastStream<'a>]) -> Vec<(&'a str, bool)> {
        streams.iter().map(|stream| (stream.rid, stream.is_paused)).collect()
    }

    #[test]
    fn the_lists_of_rfc_8853_section_5_1() {
        let parsed = Simulcast::parse("send 1,2,3;~4,~5 recv 6;~7,~8");
        assert_eq!(names(&parsed.send), [("1", false), ("4", true)]);
        assert_eq!(names(&parsed.recv), [("6", false), ("7", true)]);
        assert_eq!(parsed.to_string(), "send 1;~4 recv 6;~7");
        assert_eq!(Simulcast::parse("recv x").to_string(), "recv x");
        for text in ["", "send", "sideways 1", "send ;;,", "send a?b"] {
            assert_eq!(Simulcast::parse(text), Simulcast::default(), "{text}");
        }
    }

    #[test]
    fn trap_old_firefox_writes_rid_in_front_of_the_list() {
        for text in ["recv rid=l;m;h", " recv rid=l;m;h", "recv  l;m;h "] {
            let parsed = Simulcast::parse(text);
            assert_eq!(names(&parsed.recv), [("l", false), ("m", false), ("h", false)], "{text}");
        }
    }

    #[test]
    fn rid_lines() {
        for text in ["l send", "1 recv pt=97;max-width=1280", "a-b_c send max-fps=30"] {
            let attribute = Attribute { name: "rid", value: Some(text) };
            assert_eq!(attribute.parse(rid).unwrap().to_string(), text);
        }
        for text in ["", "l", "l both", " send", "l! send"] {
            let attribute = Attribute { name: "rid", value: Some(text) };
            assert!(attribute.parse(rid).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", near in "(send|recv|rid=|[~,; a-c]){0,16}") {
            for text in [&text, &near] {
                let _ = Attribute { name: "rid", value: Some(text) }.parse(rid);
                let printed = Simulcast::parse(text).to_string();
                prop_assert_eq!(Simulcast::parse(&printed).to_string(), printed);
            }
        }
    }
}
