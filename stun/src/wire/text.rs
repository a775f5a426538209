//! `Text`: the value of USERNAME, REALM, NONCE, SOFTWARE and ALTERNATE-DOMAIN.
//!
//! RFC 8489 §14.3, §14.9, §14.10, §14.14, §14.16: a sequence of UTF-8 octets without terminator that
//! fills the attribute; the padding after it belongs to the attribute, not to the text.
//!
//! Invariant: the octets are kept as they came. They are covered by MESSAGE-INTEGRITY and may have to
//! be sent back (NONCE), so text that is not UTF-8 is neither repaired nor a reason to drop the
//! message: it is text nobody can read. Book: "STUN".

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

/// The octets a sender may put into one text: 127 characters of up to six octets as the RFC reckons,
/// and one (RFC 8489 §14.9). [`Text::new`] cuts what is longer.
pub const MAX_TEXT_LENGTH: usize = 763;

/// Text as it stands in an attribute.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// Text to send; cut at the last character that ends within [`MAX_TEXT_LENGTH`] octets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let cut = (0..=MAX_TEXT_LENGTH).rev().find_map(|end| text.get(..end));
        let fits = if text.len() <= MAX_TEXT_LENGTH { text } else { cut.unwrap_or_default() };
        Self(Bytes::copy_from_slice(fits.as_bytes()))
    }

    /// Text known when the program is written.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The value of a received attribute.
    pub(crate) fn parse(octets: Bytes) -> Self {
        Self(octets)
    }

    /// Writes the octets, without padding.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The octets, whatever they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn row_17_long_text_is_cut_at_a_character() {
        let text = Text::new(&"é".repeat(400));
        assert_eq!(text.as_bytes().len(), 762);
        assert_eq!(text.as_str().unwrap().chars().count(), 381);
    }

    #[test]
    fn row_17_bad_utf_8_is_kept_and_unreadable() {
        let text = Text::parse(Bytes::from_static(&[0x66, 0xFF]));
        assert_eq!(text.as_str(), None);
        assert_eq!(text.as_bytes(), [0x66, 0xFF]);
        assert_eq!(text.to_string(), "f\u{FFFD}");
    }

    proptest! {
        #[test]
        fn round_trip(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = Text::parse(Bytes::from(octets.clone()));
            let mut out = BytesMut::new();
            text.write(&mut out);
            prop_assert_eq!(&out[..], &octets[..]);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..100), text in ".*") {
            let _ = format!("{:?}", Text::parse(Bytes::from(octets)));
            let _ = Text::new(&text);
        }
    }
}
