//! The codecs of a section: what a payload type means, and what may be told about its packets.
//!
//! RFC 8866 §6.6 (`rtpmap`), §6.15 (`fmtp`); RFC 4585 §4.2 (`rtcp-fb`); RFC 5761 §4 (payload types).
//!
//! ```text
//! m=video 9 UDP/TLS/RTP/SAVPF 96 97        the formats, the preferred one first
//! a=rtpmap:96 VP8/90000                    <payload type> <encoding>/<clock rate>[/<channels>]
//! a=rtcp-fb:96 nack pli                    <payload type or *> <kind>
//! a=rtpmap:97 rtx/90000
//! a=fmtp:97 apt=96                         <payload type> <key>=<value>;…
//! ```
//!
//! DEVIATION RFC 9429 §5.8: a line here that breaks its grammar reads as absent instead of failing the
//! description. It costs the codec it is about, and not the call: a payload type above 127 is one of
//! the things that are really sent.
//! Book: the chapter on SDP.

use std::collections::BTreeSet;
use std::fmt;

use nom::Parser;
use nom::branch::alt;
use nom::character::complete::char;
use nom::combinator::{map, opt, rest, verify};
use nom::sequence::{preceded, terminated};

use crate::error::{Parsed, field};
use crate::line::{number, token};
use crate::views::section::Section;

/// `payload-type`: seven bits in RTP (RFC 3550 §5.1).
pub(crate) fn payload_type(input: &str) -> Parsed<'_, u8> {
    field("payload type", verify(number::<u8>, |payload_type| *payload_type < 128))(input)
}

/// `payload-type SP encoding-name "/" clock-rate [ "/" encoding-params ]`, RFC 8866 §6.6.
pub(crate) fn rtpmap(input: &str) -> Parsed<'_, RtpMap<'_>> {
    let (rest, (payload_type, encoding, clock_rate, channels)) = (
        terminated(payload_type, field("rtpmap", char(' '))),
        terminated(field("encoding name", token), field("rtpmap", char('/'))),
        field("clock rate", number),
        opt(preceded(char('/'), field("channels", number))),
    )
        .parse_complete(input)?;
    Ok((rest, RtpMap { payload_type, encoding, clock_rate, channels }))
}

/// `fmt SP format-specific-params`, RFC 8866 §6.15.
pub(crate) fn fmtp(input: &str) -> Parsed<'_, FormatParameters<'_>> {
    let (rest, (payload_type, text)) =
        (terminated(payload_type, field("fmtp", char(' '))), rest).parse_complete(input)?;
    Ok((rest, FormatParameters { payload_type, text: text.trim() }))
}

/// `rtcp-fb-pt SP rtcp-fb-val`, RFC 4585 §4.2.
pub(crate) fn rtcp_fb(input: &str) -> Parsed<'_, RtcpFeedback<'_>> {
    let (rest, (payload_type, kind)) = (
        terminated(
            alt((map(char('*'), |_| None), map(payload_type, Some))),
            field("rtcp-fb", char(' ')),
        ),
        field("rtcp-fb", verify(rest, |kind: &str| !kind.trim().is_empty())),
    )
        .parse_complete(input)?;
    Ok((rest, RtcpFeedback { payload_type, kind: kind.trim() }))
}

/// What a payload type means, RFC 8866 §6.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The codec. Compare it without regard to case (RFC 4855 §3).
    pub encoding: &'a str,
    /// Ticks a second of its timestamps.
    pub clock_rate: u32,
    /// Channels of audio; one if it is not said.
    pub channels: Option<u8>,
}

impl fmt::Display for RtpMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        self.channels.map_or(Ok(()), |channels| write!(f, "/{channels}"))
    }
}

/// Parameters of a codec, RFC 8866 §6.15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatParameters<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// Everything behind it, as written.
    pub text: &'a str,
}

impl<'a> FormatParameters<'a> {
    /// The value of a parameter, as [`parameter`] reads it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        parameter(self.text, key)
    }
}

/// A parameter in a list `key=value;key=value`. Keys are compared without regard to case
/// (RFC 4855 §3), and spaces around them are tolerated.
#[must_use]
pub fn parameter<'a>(list: &'a str, key: &str) -> Option<&'a str> {
    list.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
    })
}

impl fmt::Display for FormatParameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type, self.text)
    }
}

/// Feedback the sender of the description can make use of, RFC 4585 §4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcpFeedback<'a> {
    /// For which packets; `None`, written `*`, for all of the section.
    pub payload_type: Option<u8>,
    /// `nack`, `nack pli`, `ccm fir`, `transport-cc`, …
    pub kind: &'a str,
}

impl fmt::Display for RtcpFeedback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.kind),
            None => write!(f, "* {}", self.kind),
        }
    }
}

impl<'a> Section<'a> {
    /// The payload types of the m= line in order, each once: the preferred one first (RFC 3264
    /// §5.1). What is no payload type is passed over.
    #[must_use]
    pub fn payload_types(&self) -> Vec<u8> {
        let mut seen = BTreeSet::new();
        self.media
            .formats()
            .filter_map(|format| format.parse().ok().filter(|number| *number < 128))
            .filter(|number| seen.insert(*number))
            .collect()
    }

    /// Every `a=rtpmap`.
    pub fn rtp_maps(&self) -> impl Iterator<Item = RtpMap<'a>> + use<'a> {
        self.own("rtpmap").filter_map(|attribute| attribute.parse(rtpmap).ok())
    }

    /// Every `a=fmtp` of a payload type.
    pub fn format_parameters(&self) -> impl Iterator<Item = FormatParameters<'a>> + use<'a> {
        self.own("fmtp").filter_map(|attribute| attribute.parse(fmtp).ok())
    }

    /// Every `a=rtcp-fb`.
    pub fn rtcp_feedback(&self) -> impl Iterator<Item = RtcpFeedback<'a>> + use<'a> {
        self.own("rtcp-fb").filter_map(|attribute| attribute.parse(rtcp_fb).ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attribute::Attribute;
    use crate::media::Media;
    use crate::{Lines, Session};

    fn value(text: &str) -> Attribute<'_> {
        Attribute { name: "x", value: Some(text) }
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in ["111 opus/48000/2", "96 VP8/90000", "0 PCMU/8000", "127 x-a.b/1"] {
            assert_eq!(value(text).parse(rtpmap).unwrap().to_string(), text);
        }
        for text in ["97 apt=96", "63 111/111", "96 a=b; C = d "] {
            let parsed = value(text).parse(fmtp).unwrap();
            assert_eq!(parsed.to_string(), text.trim_end());
        }
        for text in ["96 nack pli", "* transport-cc", "96 ccm fir"] {
            assert_eq!(value(text).parse(rtcp_fb).unwrap().to_string(), text);
        }
        let parameters = value("96 a=b; C = d ;e").parse(fmtp).unwrap();
        assert_eq!((parameters.get("A"), parameters.get("c")), (Some("b"), Some("d")));
        assert_eq!(parameters.get("e"), None);
    }

    #[test]
    fn trap_payload_types_above_127_read_as_absent() {
        for text in ["128 VP8/90000", "96 VP8", "96 VP8/", "VP8/90000", "96  VP8/90000", "300 x/1"]
        {
            assert!(value(text).parse(rtpmap).is_err(), "{text}");
        }
        let mut lines = Lines::new();
        lines.push_attribute("rtpmap", "200 VP8/90000");
        let media = Media { lines, ..Media::new("video", 9, "x", "200 96 96 x 127 -1 128") };
        let session = Lines::new();
        let section = Section::new(&session, &media);
        assert_eq!(section.payload_types(), [96, 127]);
        assert_eq!(section.rtp_maps().count(), 0);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", near in "[0-9*/ ;=a]{0,16}") {
            for text in [&text, &near] {
                let _ = (value(text).parse(rtpmap), value(text).parse(rtcp_fb));
                if let Ok(parameters) = value(text).parse(fmtp) {
                    let _ = parameters.get("a");
                }
            }
        }

        #[test]
        fn round_trip(
            payload_type in 0_u8..128, encoding in "[a-zA-Z0-9-]{1,12}", clock_rate: u32,
            channels: Option<u8>, kind in "[a-z-]{1,8}( [a-z-]{1,8})?",
        ) {
            let map = RtpMap { payload_type, encoding: &encoding, clock_rate, channels };
            let text = map.to_string();
            prop_assert_eq!(value(&text).parse(rtpmap), Ok(map));
            let payload_type = channels.map(|_| payload_type);
            let feedback = RtcpFeedback { payload_type, kind: &kind };
            let text = feedback.to_string();
            prop_assert_eq!(value(&text).parse(rtcp_fb), Ok(feedback));
        }
    }

    #[test]
    fn what_chromium_offers_for_opus() {
        let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n\
                    a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
                    a=rtcp-fb:111 transport-cc\r\n";
        let session = Session::parse(text).unwrap();
        let section = session.sections().next().unwrap();
        assert_eq!(section.payload_types(), [111, 0]);
        assert_eq!(section.rtp_maps().next().unwrap().channels, Some(2));
        assert_eq!(section.format_parameters().next().unwrap().get("minptime"), Some("10"));
        assert_eq!(section.rtcp_feedback().next().unwrap().kind, "transport-cc");
    }
}
