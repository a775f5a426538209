//! Parameters of INIT and INIT ACK: type, length, value (RFC 9260 §3.2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Parameter Type         |       Parameter Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                        Parameter Value                        \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The length counts the four header octets and the value, not the padding. The padding of the
//! last parameter is not in the chunk's length either; a chunk that counts it is accepted (§3.2).

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::{map, verify};
use nom::number::complete::be_u16;

use super::chunk::{self, padding_after};
use super::field::{ParseError, Parsed, field, octets};
use super::{ChunkType, OnUnknown};

/// Octets of type and length.
const HEADER_LENGTH: u16 = 4;

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParameterType(pub u16);

impl ParameterType {
    /// IPv4 Address (RFC 9260 §3.3.2); meaningless over DTLS.
    pub const IPV4_ADDRESS: Self = Self(5);
    /// IPv6 Address (RFC 9260 §3.3.2); meaningless over DTLS.
    pub const IPV6_ADDRESS: Self = Self(6);
    /// State Cookie (RFC 9260 §3.3.3).
    pub const STATE_COOKIE: Self = Self(7);
    /// Unrecognized Parameter (RFC 9260 §3.3.3).
    pub const UNRECOGNIZED_PARAMETER: Self = Self(8);
    /// Supported Extensions (RFC 5061 §4.2.7).
    pub const SUPPORTED_EXTENSIONS: Self = Self(0x8008);
    /// Forward-TSN-Supported (RFC 3758 §3.1).
    pub const FORWARD_TSN_SUPPORTED: Self = Self(0xc000);

    /// What a receiver that does not know this type does: the two highest bits say it.
    #[must_use]
    pub const fn on_unknown(self) -> OnUnknown {
        OnUnknown::from_highest_bits((self.0 >> 14) as u8)
    }
}

/// A parameter of INIT or INIT ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// The cookie, opaque to everyone but its maker.
    StateCookie(Bytes),
    /// A parameter of the INIT, whole, that the sender of this INIT ACK did not know.
    Unrecognized(Bytes),
    /// The chunk types of extensions the sender understands.
    SupportedExtensions(Vec<ChunkType>),
    /// The sender understands FORWARD-TSN.
    ForwardTsnSupported,
    /// Any other, addresses included, as it came.
    Unknown {
        /// Its type.
        parameter_type: ParameterType,
        /// Its value, without padding.
        value: Bytes,
    },
}

impl Parameter {
    /// The parameter's type.
    #[must_use]
    pub fn parameter_type(&self) -> ParameterType {
        match self {
            Self::StateCookie(_) => ParameterType::STATE_COOKIE,
            Self::Unrecognized(_) => ParameterType::UNRECOGNIZED_PARAMETER,
            Self::SupportedExtensions(_) => ParameterType::SUPPORTED_EXTENSIONS,
            Self::ForwardTsnSupported => ParameterType::FORWARD_TSN_SUPPORTED,
            Self::Unknown { parameter_type, .. } => *parameter_type,
        }
    }

    fn parse<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, (parameter_type, value)) = parse_header(input)?;
        let take_all = || octets(packet, value.len());
        let (surplus, parameter) = match parameter_type {
            ParameterType::STATE_COOKIE => {
                map(field("Cookie", take_all()), Self::StateCookie).parse_complete(value)?
            }
            ParameterType::UNRECOGNIZED_PARAMETER => {
                map(field("Unrecognized Parameter", take_all()), Self::Unrecognized)
                    .parse_complete(value)?
            }
            ParameterType::SUPPORTED_EXTENSIONS => {
                let chunk_types = map(take(value.len()), |types: &[u8]| {
                    types.iter().copied().map(ChunkType).collect()
                });
                map(field("Chunk Types", chunk_types), Self::SupportedExtensions)
                    .parse_complete(value)?
            }
            ParameterType::FORWARD_TSN_SUPPORTED => (value, Self::ForwardTsnSupported),
            parameter_type => map(field("Parameter Value", take_all()), |value| Self::Unknown {
                parameter_type,
                value,
            })
            .parse_complete(value)?,
        };
        no_surplus("Parameter Length", surplus)?;
        Ok((rest, parameter))
    }

    /// Appends the parameter with its padding, as parameters other than the last have it.
    pub fn write(&self, out: &mut BytesMut) {
        write_with(self.parameter_type().0, out, |out| match self {
            Self::StateCookie(value) | Self::Unrecognized(value) => out.extend_from_slice(value),
            Self::SupportedExtensions(types) => {
                out.extend(types.iter().map(|chunk_type| chunk_type.0));
            }
            Self::ForwardTsnSupported => {}
            Self::Unknown { value, .. } => out.extend_from_slice(value),
        });
    }
}

/// Parameters up to the end of the chunk.
pub(crate) fn parse_all<'a>(packet: &Bytes, input: &'a [u8]) -> Parsed<'a, Vec<Parameter>> {
    parse_each(input, |input| Parameter::parse(packet, input))
}

/// Appends `parameters`; the last one without padding, which the chunk's length does not count.
pub(crate) fn write_all(parameters: &[Parameter], out: &mut BytesMut) {
    write_each(parameters, out, Parameter::write);
}

/// Items with a type and a length up to the end of the chunk, each with its padding.
pub(crate) fn parse_each<'a, T>(
    input: &'a [u8],
    item: impl Fn(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    let mut items = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let before = rest.len();
        let parsed;
        (rest, parsed) = item(rest)?;
        items.push(parsed);
        let padding = padding_after(before.saturating_sub(rest.len())).min(rest.len());
        if padding > 0 {
            (rest, _) = field("padding", take(padding)).parse_complete(rest)?;
        }
    }
    Ok((rest, items))
}

/// Appends `items` with `write`, which pads; the last item's padding is cut off again.
pub(crate) fn write_each<T>(items: &[T], out: &mut BytesMut, write: fn(&T, &mut BytesMut)) {
    let mut end = out.len();
    for item in items {
        let start = out.len();
        write(item, out);
        let length = out.get(start + 2..start + 4).map_or(0, |octets| {
            octets.iter().fold(0, |length, &octet| length << 8 | usize::from(octet))
        });
        end = start.saturating_add(length);
    }
    out.truncate(end);
}

/// Type, length and value (without padding) of the parameter or cause at the head of `input`.
pub(crate) fn parse_header(input: &[u8]) -> Parsed<'_, (ParameterType, &[u8])> {
    let (rest, parameter_type) =
        field("Parameter Type", map(be_u16, ParameterType)).parse_complete(input)?;
    let (rest, length) =
        field("Parameter Length", verify(be_u16, |&length| length >= HEADER_LENGTH))
            .parse_complete(rest)?;
    match rest.split_at_checked(usize::from(length.saturating_sub(HEADER_LENGTH))) {
        Some((value, rest)) => Ok((rest, (parameter_type, value))),
        None => Err(nom::Err::Error(ParseError::forbidden("Parameter Length", rest.len()))),
    }
}

/// Appends type, length, the value that `value` appends, and padding.
pub(crate) fn write_with(code: u16, out: &mut BytesMut, value: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u16(code);
    out.put_u16(0);
    value(out);
    chunk::finish_length(start, out);
}

/// An error naming `field` if a value had octets beyond its structure.
pub(crate) fn no_surplus(field: &'static str, surplus: &[u8]) -> Result<(), nom::Err<ParseError>> {
    match surplus.len() {
        0 => Ok(()),
        left => Err(nom::Err::Error(ParseError::forbidden(field, left))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    pub(in super::super) fn any_parameters() -> impl Strategy<Value = Vec<Parameter>> {
        let parameter = prop_oneof![
            testing::octets(60).prop_map(Parameter::StateCookie),
            testing::octets(20).prop_map(Parameter::Unrecognized),
            testing::octets(7).prop_map(|octets| {
                Parameter::SupportedExtensions(octets.into_iter().map(ChunkType).collect())
            }),
            Just(Parameter::ForwardTsnSupported),
            (testing::octets(20), 9u16..0x8000).prop_map(|(value, number)| Parameter::Unknown {
                parameter_type: ParameterType(number),
                value
            }),
        ];
        prop::collection::vec(parameter, 0..5)
    }

    fn parse(octets: &Bytes) -> Result<Vec<Parameter>, nom::Err<ParseError>> {
        parse_all(octets, octets).map(|(_, parameters)| parameters)
    }

    #[test]
    fn only_the_last_parameter_goes_without_padding_rfc_9260_section_3_2() {
        let extensions = Parameter::SupportedExtensions(vec![ChunkType(0x82)]);
        let mut out = BytesMut::new();
        write_all(&[extensions.clone(), extensions.clone()], &mut out);
        assert_eq!(out, testing::hex("80080005 82000000 80080005 82"));
        // And a chunk length that counts the last padding is accepted.
        let counted = testing::hex("80080005 82000000 80080005 82000000");
        assert_eq!(parse(&counted), Ok(vec![extensions.clone(), extensions]));
    }

    #[test]
    fn row_69_parameter_length_below_four_or_half_outside() {
        for lie in ["80080000", "80080003 82", "80080008 82", "c000"] {
            assert!(parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn row_69_eight_thousand_parameters_are_read_in_one_pass() {
        let octets: Bytes = [0xc0, 0, 0, 4].repeat(8_000).into();
        assert_eq!(parse(&octets).unwrap().len(), 8_000);
    }

    #[test]
    fn the_highest_bits_say_what_to_do_rfc_9260_section_3_2_1() {
        let on_unknown = |number| ParameterType(number).on_unknown();
        assert_eq!(on_unknown(0x0005), OnUnknown::Stop);
        assert_eq!(on_unknown(0x4005), OnUnknown::StopAndReport);
        assert_eq!(on_unknown(0x8001), OnUnknown::Skip);
        assert_eq!(on_unknown(0xc006), OnUnknown::SkipAndReport);
    }

    proptest! {
        #[test]
        fn round_trip(parameters in any_parameters()) {
            let mut out = BytesMut::new();
            write_all(&parameters, &mut out);
            prop_assert_eq!(parse(&out.freeze()), Ok(parameters));
        }

        #[test]
        fn never_panics(octets in testing::octets(80)) {
            let _ = parse(&octets);
        }

        #[test]
        fn fields_tile_the_input(parameters in any_parameters()) {
            let mut out = BytesMut::new();
            write_all(&parameters, &mut out);
            let octets = out.freeze();
            let (_, fields) = tap::explain(&octets, || parse(&octets));
            prop_assert_eq!(tap::tile(&fields, octets.len()), Ok(()));
        }
    }
}
