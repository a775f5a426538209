//! A fragment: candidates that arrive after the description, as an HTTP or SIP body.
//!
//! RFC 8840 §9 (`application/trickle-ice-sdpfrag`); WHIP sends it in a PATCH (RFC 9725).
//!
//! ```text
//! a=ice-ufrag:EsAw                                  ┐ session level, or below each m= line
//! a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1                ┘
//! m=application 9 UDP/DTLS/SCTP webrtc-datachannel  ─ only names the section …
//! a=mid:0                                           ─ … together with its mid
//! a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host
//! a=end-of-candidates
//! ```
//! Book: the chapter on SDP.

use std::fmt;

use crate::error::Error;
use crate::line::{Lines, numbered};
use crate::media::Media;
use crate::session::Body;
use crate::views::ice;
use crate::views::section::Section;

/// The body of a trickle message, RFC 8840 §9.2: a description without its head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    /// The lines above the first `m=`.
    pub lines: Lines,
    /// The (pseudo) media sections.
    pub media: Vec<Media>,
}

impl Fragment {
    /// Reads a fragment. A fragment without any `m=` line is accepted: some senders leave it out
    /// when there is only one section.
    ///
    /// # Errors
    /// The first line that breaks the grammar or a bound of this crate, with the reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Body { lines, media } = Body::parse(numbered(text))?;
        Ok(Self { lines, media })
    }

    /// The media sections, each with the fragment's session level behind it.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        self.media.iter().map(|media| Section::new(&self.lines, media))
    }

    /// The candidates above the first `m=` line, as `candidate:…`.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        ice::candidates(&self.lines)
    }

    /// Does the session level say that no candidate will follow (RFC 8840 §8.1)?
    #[must_use]
    pub fn end_of_candidates(&self) -> bool {
        self.lines.has("end-of-candidates")
    }

    /// The user name fragment of the session level, RFC 8839 §5.4.
    #[must_use]
    pub fn ice_ufrag(&self) -> Option<&str> {
        self.lines.attribute("ice-ufrag").map(|attribute| attribute.text())
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.fmt(f)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHIP: &str = "a=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\n\
        a=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n\
        a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn the_shape_of_a_whip_patch() {
        let fragment = Fragment::parse(WHIP).unwrap();
        let section = fragment.sections().next().unwrap();
        assert_eq!((section.mid(), section.ice_ufrag()), (Some("0"), Some("EsAw")));
        assert_eq!(section.candidates().count(), 2);
        assert!(section.end_of_candidates());
        assert_eq!(fragment.to_string(), WHIP);
    }

    #[test]
    fn no_media_line_at_all() {
        let fragment =
            Fragment::parse("a=ice-ufrag:abcd\na=candidate:1 1 udp 1 ::1 9 typ host\n").unwrap();
        assert_eq!(fragment.ice_ufrag(), Some("abcd"));
        assert_eq!(fragment.candidates().next(), Some("candidate:1 1 udp 1 ::1 9 typ host"));
        assert_eq!(Fragment::parse(""), Ok(Fragment::default()));
    }

    #[test]
    fn a_description_is_no_fragment() {
        assert_eq!(Fragment::parse("v=0\r\n").unwrap_err().to_string(), "line 1: a second line v=");
    }
}
