//! An attribute: `a=<name>` or `a=<name>:<value>`.
//!
//! RFC 8866 §5.13. The attributes with a typed view are checked here when they are parsed, by one
//! table from name to grammar; all others pass as they are.
//! Book: the chapter on SDP.

use std::fmt;

use nom::Parser;

use crate::error::{Reason, reason};
use crate::views::{bundle, dtls, ice, sctp};

/// An attribute, as it stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The name, before the first colon.
    pub name: &'a str,
    /// The value behind the colon; `None` for a property attribute (RFC 8866 §5.13).
    pub value: Option<&'a str>,
}

impl<'a> Attribute<'a> {
    pub(crate) fn split(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((name, value)) => Self { name, value: Some(value) },
            None => Self { name: text.trim_end_matches(' '), value: None },
        }
    }

    /// The value without spaces at its end; empty for a property attribute.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.value.unwrap_or_default().trim_end_matches(' ')
    }

    /// Checks a parsed attribute against its grammar, if it has a view here.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        if self.name.is_empty() {
            return Err(Reason::Malformed("attribute name"));
        }
        match self.name {
            "group" => self.against(bundle::group),
            "mid" => self.against(bundle::mid),
            "ice-ufrag" => self.against(ice::ufrag),
            "ice-pwd" => self.against(ice::pwd),
            "fingerprint" => self.against(dtls::fingerprint),
            "setup" => self.against(dtls::setup),
            "sctp-port" => self.against(sctp::port),
            "max-message-size" => self.against(sctp::max_message_size),
            _ => Ok(()),
        }
    }

    /// The attributes that may stand only once in a section; their name if this is one.
    pub(crate) fn once(&self) -> Option<&'static str> {
        const ONCE: [&str; 6] =
            ["mid", "ice-ufrag", "ice-pwd", "setup", "sctp-port", "max-message-size"];
        ONCE.into_iter().find(|name| *name == self.name)
    }

    fn against<O>(
        &self,
        rule: impl Fn(&'a str) -> crate::error::Parsed<'a, O>,
    ) -> Result<(), Reason> {
        self.parse(rule).map(drop)
    }

    /// The value as `rule` reads it, whole.
    pub(crate) fn parse<O>(
        &self,
        rule: impl Fn(&'a str) -> crate::error::Parsed<'a, O>,
    ) -> Result<O, Reason> {
        let name = "attribute value";
        let (_, (value, ())) = (rule, crate::error::field(name, crate::line::trailing_space))
            .parse_complete(self.value.unwrap_or_default())
            .map_err(reason)?;
        Ok(value)
    }
}

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(self.name),
        }
    }
}
