//! A message as the application sees it, and as SCTP carries it (RFC 8831 §6.6).
//!
//! ```text
//!                     PPID                      octets
//!   text              51  WebRTC String         UTF-8
//!   text, empty       56  WebRTC String Empty   one zero octet
//!   binary            53  WebRTC Binary         as they are
//!   binary, empty     57  WebRTC Binary Empty   one zero octet
//! ```
//!
//! SCTP cannot carry an empty message, hence the zero octet that means nothing.

use std::fmt;

use bytes::Bytes;

use crate::wire::Ppid;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Text; may be empty.
    Text(Text),
    /// Octets; may be none.
    Binary(Bytes),
}

impl Payload {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(octets: impl Into<Bytes>) -> Self {
        Self::Binary(octets.into())
    }

    /// The octets of the message, UTF-8 if it is text.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.octets(),
            Self::Binary(octets) => octets,
        }
    }

    /// What goes to SCTP.
    pub(super) fn into_message(self) -> (Ppid, Bytes) {
        const NOTHING: Bytes = Bytes::from_static(&[0]);
        match self {
            Self::Text(Text(octets)) if octets.is_empty() => (Ppid::STRING_EMPTY, NOTHING),
            Self::Text(Text(octets)) => (Ppid::STRING, octets),
            Self::Binary(octets) if octets.is_empty() => (Ppid::BINARY_EMPTY, NOTHING),
            Self::Binary(octets) => (Ppid::BINARY, octets),
        }
    }
}

/// Octets known to be UTF-8. Cloning does not copy them.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The octets if they are UTF-8, else the octets with U+FFFD in place of what is not: what
    /// W3C's API does with a received text message.
    #[must_use]
    pub fn from_utf8_lossy(octets: Bytes) -> Self {
        match std::str::from_utf8(&octets) {
            Ok(_) => Self(octets),
            Err(_) => Self::from(String::from_utf8_lossy(&octets).into_owned()),
        }
    }

    /// The text. Reads through it once: safe Rust has no other way from [`Bytes`] to [`str`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as octets.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_empty_messages_are_one_zero_octet() {
        let zero = Bytes::from_static(&[0]);
        assert_eq!(Payload::text("").into_message(), (Ppid::STRING_EMPTY, zero.clone()));
        assert_eq!(Payload::binary(vec![]).into_message(), (Ppid::BINARY_EMPTY, zero));
        let (ppid, octets) = Payload::text("é").into_message();
        assert_eq!((ppid, &octets[..]), (Ppid::STRING, "é".as_bytes()));
    }

    #[test]
    fn text_that_is_no_utf_8_is_repaired() {
        let text = Text::from_utf8_lossy(Bytes::from_static(b"a\xffb"));
        assert_eq!(text.as_str(), "a\u{fffd}b");
        let octets = Bytes::from_static("grün".as_bytes());
        let text = Text::from_utf8_lossy(octets.clone());
        assert_eq!(text.octets().as_ptr(), octets.as_ptr(), "not copied");
    }
}
