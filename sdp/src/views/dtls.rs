//! What DTLS reads from a description.
//!
//! RFC 8122 §5 (`fingerprint`); RFC 4145 §4 and RFC 8842 §5 (`setup`); RFC 8842 §4 (`tls-id`).
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;
use nom::bytes::complete::take_while_m_n;
use nom::character::complete::char;
use nom::multi::separated_list1;
use nom::sequence::separated_pair;

use crate::error::{Parsed, Reason, field};
use crate::line::{Lines, token};
use crate::views::section::Section;

/// `hash-func SP fingerprint`, RFC 8122 §5. Lower-case digits, which the RFC forbids, are tolerated.
pub(crate) fn fingerprint(input: &str) -> Parsed<'_, (&str, Vec<&str>)> {
    let octet = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
    separated_pair(
        field("hash function", token),
        field("fingerprint", char(' ')),
        field("fingerprint", separated_list1(char(':'), octet)),
    )
    .parse_complete(input)
}

// ANCHOR: setup
/// `role`, RFC 4145 §4.
pub(crate) fn setup(input: &str) -> Parsed<'_, Setup> {
    let (rest, role) = field("setup", token)(input)?;
    let setup = match role {
        "active" => Setup::Active,
        "passive" => Setup::Passive,
        "actpass" => Setup::ActPass,
        "holdconn" => Setup::HoldConn,
        _ => return Err(nom::Err::Failure(Reason::Malformed("setup"))),
    };
    Ok((rest, setup))
}
// ANCHOR_END: setup

/// Who starts the DTLS handshake, RFC 4145 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The sender of this description is DTLS client: it sends the ClientHello.
    Active,
    /// The sender of this description is DTLS server.
    Passive,
    /// Either: an offer says this, and the answer decides.
    ActPass,
    /// No connection for now. RFC 8842 §5.1 does not allow it.
    HoldConn,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        })
    }
}

impl<'a> Section<'a> {
    /// The certificate fingerprints, each as `sha-256 AB:CD:…`: those of the section, or those of
    /// the session if it has none (RFC 8122 §5).
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let of = |lines: &'a Lines| {
            lines
                .attributes()
                .filter(|attribute| attribute.name == "fingerprint")
                .map(|attribute| attribute.text())
        };
        let has_own = self.media.lines.has("fingerprint");
        of(if has_own { &self.media.lines } else { self.session })
    }

    /// The DTLS role of the description's sender: of the section, else of the session.
    /// `None` if neither says, which means `active` in an offer and `passive` in an answer
    /// by RFC 4145 §4.1, and is not allowed by RFC 8842 §5.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        self.attribute("setup")?.parse(setup).ok()
    }

    /// The identity of the DTLS association; a new one asks for a new handshake (RFC 8842 §4).
    #[must_use]
    pub fn tls_id(&self) -> Option<&'a str> {
        self.attribute("tls-id").map(|attribute| attribute.text())
    }

    /// Keys in clear text (`a=crypto`, RFC 4568), which WebRTC must not use (RFC 8827 §6.5).
    #[must_use]
    pub fn has_sdes(&self) -> bool {
        self.attribute("crypto").is_some()
    }
}
