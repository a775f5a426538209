//! PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS: how a long-term key is made of the password.
//!
//! RFC 8489 §14.12 (one algorithm) and §14.11 (a list of them, each padded to four octets):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Algorithm           |  Algorithm Parameters Length   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Algorithm Parameters (variable)
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Book: "STUN".

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::be_u16;

use super::attribute::{padding_of, write_padding};
use super::field::{Parsed, field};

/// A password algorithm and its parameters (RFC 8489 §14.12, §18.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasswordAlgorithm {
    /// The algorithm's number: [`Self::MD5`], [`Self::SHA_256`] or one registered later.
    pub algorithm: u16,
    /// Its parameters; both algorithms of the RFC have none.
    pub parameters: Bytes,
}

impl PasswordAlgorithm {
    /// MD5(username ":" realm ":" password) (RFC 8489 §18.5.1.1).
    pub const MD5: u16 = 0x0001;
    /// SHA-256 of the same (RFC 8489 §18.5.1.2).
    pub const SHA_256: u16 = 0x0002;

    /// An algorithm without parameters.
    #[must_use]
    pub const fn new(algorithm: u16) -> Self {
        Self { algorithm, parameters: Bytes::new() }
    }

    /// MD5, which everybody knows.
    #[must_use]
    pub const fn md5() -> Self {
        Self::new(Self::MD5)
    }

    /// SHA-256.
    #[must_use]
    pub const fn sha_256() -> Self {
        Self::new(Self::SHA_256)
    }

    /// Parses one algorithm with its padding; `keep` makes its octets last.
    ///
    /// The last parameters of an attribute may lack their padding: whether the attribute's own length
    /// counts it is left open by the RFC's figure.
    pub(crate) fn parse(input: &[u8], keep: impl Fn(&[u8]) -> Bytes) -> Parsed<'_, Self> {
        let (rest, algorithm) = field("algorithm", be_u16)(input)?;
        let (rest, length) = field("algorithm parameters length", be_u16)(rest)?;
        let (rest, parameters) = field("algorithm parameters", take(length).map(keep))(rest)?;
        let padding = padding_of(usize::from(length)).min(rest.len());
        let (rest, _) = field("padding", take(padding))(rest)?;
        Ok((rest, Self { algorithm, parameters }))
    }

    /// Writes one algorithm with its padding.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let length = u16::try_from(self.parameters.len()).unwrap_or(u16::MAX);
        out.put_u16(self.algorithm);
        out.put_u16(length);
        out.put_slice(self.parameters.get(..usize::from(length)).unwrap_or_default());
        write_padding(usize::from(length), out);
    }

    /// Parses a list that fills the input.
    pub(crate) fn parse_list(
        mut input: &[u8],
        keep: impl Fn(&[u8]) -> Bytes,
    ) -> Parsed<'_, Vec<Self>> {
        let mut list = Vec::new();
        while !input.is_empty() {
            let (rest, algorithm) = Self::parse(input, &keep)?;
            list.push(algorithm);
            input = rest;
        }
        Ok((input, list))
    }

    /// Writes a list.
    pub(crate) fn write_list(list: &[Self], out: &mut BytesMut) {
        for algorithm in list {
            algorithm.write(out);
        }
    }
}

/// Algorithms for the properties of this file and of whole messages.
#[cfg(test)]
pub(crate) fn any_algorithm() -> impl proptest::strategy::Strategy<Value = PasswordAlgorithm> {
    use proptest::prelude::*;
    (any::<u16>(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(algorithm, parameters)| {
        PasswordAlgorithm { algorithm, parameters: Bytes::from(parameters) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::testing::{assert_tiles, hex};
    use super::*;

    fn written(list: &[PasswordAlgorithm]) -> BytesMut {
        let mut out = BytesMut::new();
        PasswordAlgorithm::write_list(list, &mut out);
        out
    }

    #[test]
    fn rfc_8489_appendix_b_1_value_sha_256_without_parameters() {
        let octets = hex("00020000");
        let (rest, algorithm) = PasswordAlgorithm::parse(&octets, Bytes::copy_from_slice).unwrap();
        assert!(rest.is_empty());
        assert_eq!(algorithm.algorithm, PasswordAlgorithm::SHA_256);
        assert!(algorithm.parameters.is_empty());
    }

    #[test]
    fn row_11_parameters_longer_than_the_value_are_refused() {
        assert!(PasswordAlgorithm::parse_list(&hex("00020001"), Bytes::copy_from_slice).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(list in prop::collection::vec(any_algorithm(), 0..5)) {
            let octets = written(&list);
            let parsed = PasswordAlgorithm::parse_list(&octets, Bytes::copy_from_slice);
            prop_assert_eq!(parsed.unwrap().1, list);
        }

        #[test]
        fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = PasswordAlgorithm::parse_list(&octets, Bytes::copy_from_slice);
        }

        #[test]
        fn fields_tile_the_input(list in prop::collection::vec(any_algorithm(), 0..5)) {
            assert_tiles(&written(&list), |input| {
                let parsed = PasswordAlgorithm::parse_list(input, Bytes::copy_from_slice);
                parsed.ok().map(|(rest, _)| input.len() - rest.len())
            });
        }
    }
}
