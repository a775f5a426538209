//! ChangeCipherSpec: one octet that says the next record is sealed with the new keys (RFC 5246 §7.1).
//!
//! ```text
//! struct {
//!   enum { change_cipher_spec(1), (255) } type;   1 octet
//! } ChangeCipherSpec;
//! ```
//!
//! In DTLS the record's epoch already says so; the message remains because TLS has it. It is no
//! handshake message: no message_seq, not in the transcript. Book: "The handshake and keys".

use nom::combinator::verify;
use nom::number::complete::be_u8;

use super::field::{ParseError, Parsed, field};
use super::vector::whole;

/// The only message of its protocol (RFC 5246 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeCipherSpec;

impl ChangeCipherSpec {
    /// Parses the fragment of a record of type change_cipher_spec.
    ///
    /// # Errors
    /// Anything but the single octet 1.
    pub fn parse(fragment: &[u8]) -> Result<Self, ParseError> {
        whole(fragment, Self::parsed)
    }

    fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _) = field("type", verify(be_u8, |&value| value == 1))(input)?;
        Ok((input, Self))
    }

    /// Appends the octet.
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::codec_properties;

    codec_properties!(
        Just(ChangeCipherSpec),
        |message: &ChangeCipherSpec, out: &mut Vec<u8>| message.write(out),
        |octets: &[u8]| ChangeCipherSpec::parse(octets)
    );

    #[test]
    fn anything_but_a_single_one_is_refused() {
        for octets in [&[][..], &[0], &[2], &[1, 1]] {
            assert!(ChangeCipherSpec::parse(octets).is_err());
        }
    }
}
