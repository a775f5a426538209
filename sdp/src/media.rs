//! The `m=` line and the section behind it.
//!
//! RFC 8866 §5.14. The formats are payload types for RTP and `webrtc-datachannel` for data
//! (RFC 8841 §4).
//!
//! ```text
//! m=<media> <port>[/<number of ports>] <proto> <fmt> ...
//! m=application 9 UDP/DTLS/SCTP webrtc-datachannel
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::character::complete::char;
use nom::combinator::{opt, rest};
use nom::sequence::{preceded, terminated};

use crate::error::{Parsed, Reason, field, reason};
use crate::line::{Lines, OneLine, number, token, word};

/// Most `m=` lines in a description: far more than any conference has, and few enough that their
/// parsed form stays under a mebibyte.
pub const MAX_MEDIA: usize = 1_500;

/// One media section: its `m=` line and the lines behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `application`, …
    pub kind: String,
    /// Where to send; 0 rejects or disables the section (but see `bundle-only`), 9 means that ICE
    /// will find out (RFC 8840 §4.1.1, RFC 9429 §5.2.1).
    pub port: u16,
    /// How many ports, if the line says so; WebRTC never does.
    pub port_count: Option<u32>,
    /// The transport, `UDP/DTLS/SCTP` or `UDP/TLS/RTP/SAVPF`, …
    pub protocol: String,
    /// Everything behind the transport, as written; [`formats`](Self::formats) splits it.
    pub format_list: String,
    /// The lines of this section, in order.
    pub lines: Lines,
}

impl Media {
    /// A section without lines. The texts are cleaned so that they cannot break the `m=` line:
    /// whatever is not a visible character becomes `-` (in `format_list`, spaces stay).
    #[must_use]
    pub fn new(kind: &str, port: u16, protocol: &str, format_list: &str) -> Self {
        let clean = |text: &str| match text {
            "" => "-".to_owned(),
            text => text.chars().map(|c| if is_visible(c) { c } else { '-' }).collect(),
        };
        Self {
            kind: kind
                .chars()
                .map(|c| if crate::line::is_token_char(c) { c } else { '-' })
                .collect(),
            port,
            port_count: None,
            protocol: clean(protocol),
            format_list: match format_list.trim() {
                "" => "-".to_owned(),
                list => {
                    list.chars().map(|c| if is_visible(c) || c == ' ' { c } else { '-' }).collect()
                }
            },
            lines: Lines::new(),
        }
    }

    /// The formats one by one: payload types, or `webrtc-datachannel`.
    pub fn formats(&self) -> impl Iterator<Item = &str> {
        self.format_list.split(' ').filter(|format| !format.is_empty())
    }

    pub(crate) fn parse(value: &str) -> Result<Self, Reason> {
        let space = || field("m= line", char(' '));
        let (_, (kind, port, port_count, _, protocol, format_list)) = (
            terminated(field("media", token), space()),
            field("port", number),
            opt(preceded(char('/'), field("number of ports", number))),
            space(),
            terminated(field("proto", word), space()),
            field("fmt", formats),
        )
            .parse_complete(value)
            .map_err(reason)?;
        Ok(Self {
            kind: kind.to_owned(),
            port,
            port_count,
            protocol: protocol.to_owned(),
            format_list: format_list.to_owned(),
            lines: Lines::new(),
        })
    }
}

/// At least one format.
fn formats(input: &str) -> Parsed<'_, &str> {
    nom::combinator::verify(rest, |list: &str| list.bytes().any(|b| b != b' '))
        .parse_complete(input)
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control()
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", OneLine(&self.kind), self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {} {}\r\n{}", OneLine(&self.protocol), OneLine(&self.format_list), self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_8866_section_5_14() {
        for line in ["video 49170/2 RTP/AVP 31", "audio 49170 RTP/AVP 97 98", "text 0 RTP/AVP 98 "]
        {
            assert_eq!(Media::parse(line).unwrap().to_string(), format!("m={line}\r\n"));
        }
        let media = Media::parse("video 49170/2 RTP/AVP 31").unwrap();
        assert_eq!((media.port, media.port_count), (49170, Some(2)));
    }

    #[test]
    fn each_field_is_named_when_it_is_wrong() {
        let cases = [
            ("", Reason::Malformed("media")),
            ("audio", Reason::Malformed("m= line")),
            ("audio x RTP/AVP 0", Reason::Malformed("port")),
            ("audio 65536 RTP/AVP 0", Reason::TooLarge("port")),
            ("audio 9/4294967296 RTP/AVP 0", Reason::TooLarge("number of ports")),
            ("audio 9/ RTP/AVP 0", Reason::Malformed("m= line")),
            ("audio 9 RTP/AVP", Reason::Malformed("m= line")),
            ("audio 9 RTP/AVP  ", Reason::Malformed("fmt")),
        ];
        for (value, expected) in cases {
            assert_eq!(Media::parse(value), Err(expected), "{value}");
        }
    }

    #[test]
    fn what_is_built_can_be_parsed() {
        let media = Media::new("a b\r\n", 1, "", "x\r\ny z");
        let line = media.to_string();
        assert_eq!(Media::parse(line.trim_start_matches("m=").trim_end()), Ok(media));
    }
}
