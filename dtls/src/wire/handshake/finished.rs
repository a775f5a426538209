//! Finished: the keyed hash of the whole handshake, the first message under the new keys (RFC 5246 §7.4.9).
//!
//! ```text
//! struct {
//!   opaque verify_data[12];   PRF(master_secret, finished_label, Hash(handshake_messages))
//! } Finished;
//! ```
//!
//! Every suite of this crate uses the default length of 12. Book: "The handshake and keys".

use std::fmt;

use nom::bytes::complete::take;

use crate::wire::field::{ParseError, Parsed, field};

/// Octets of verify_data (RFC 5246 §7.4.9).
pub const VERIFY_DATA_LENGTH: usize = 12;

/// Proof that both ends saw the same handshake (RFC 5246 §7.4.9).
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Compare it in constant time.
    pub verify_data: [u8; VERIFY_DATA_LENGTH],
}

impl Finished {
    pub(super) fn parsed(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = field("verify_data", take(VERIFY_DATA_LENGTH))(input)?;
        let verify_data = octets
            .try_into()
            .map_err(|_| nom::Err::Error(ParseError::forbidden("verify_data", input.len())))?;
        Ok((rest, Self { verify_data }))
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.verify_data);
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verify_data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::codec_properties;
    use crate::wire::vector::whole;

    codec_properties!(
        any::<[u8; VERIFY_DATA_LENGTH]>().prop_map(|verify_data| Finished { verify_data }),
        Finished::write,
        |octets: &[u8]| whole(octets, Finished::parsed)
    );

    #[test]
    fn rfc_5246_7_4_9_exactly_twelve_octets() {
        assert!(whole(&[0; 11], Finished::parsed).is_err());
        assert!(whole(&[0; 13], Finished::parsed).is_err());
    }
}
