//! The three packet structures of RFC 6184 modes 0 and 1: single NAL unit (§5.6), STAP-A (§5.7.1),
//! FU-A (§5.8). The figure is in the module above.

use bytes::BufMut;
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::rest as rest_of_input;
use nom::number::complete::be_u16;

use super::super::descriptor::{bits, flags, forbidden, innermost};
use super::super::packetizer::{Payloads, pieces};
use super::UnitType;
use crate::wire::ParseError;
use crate::wire::field::{Parsed, bit, field};

/// Octets of the NAL unit header.
pub(super) const HEADER: usize = 1;

/// Octets in front of each NAL unit in a STAP-A.
pub(super) const AGGREGATED_SIZE: usize = 2;

/// Octets in front of the part in a FU-A: FU indicator and FU header.
const FRAGMENT_HEADERS: usize = 2;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// What a packet holds. NAL units are not empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Structure<'a> {
    Single(&'a [u8]),
    /// At least one.
    Aggregation(Vec<&'a [u8]>),
    /// A part of a NAL unit, without its header.
    Fragment(FragmentHeader, &'a [u8]),
}

/// What FU indicator and FU header say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FragmentHeader {
    /// S: the NAL unit begins here.
    pub(super) start: bool,
    /// E: it ends here.
    pub(super) end: bool,
    /// The header of the NAL unit.
    pub(super) unit_header: u8,
}

/// Reads a payload.
pub(super) fn parse(payload: &[u8]) -> Result<Structure<'_>, ParseError> {
    let (_, structure) = parse_structure(payload).map_err(innermost)?;
    Ok(structure)
}

fn parse_structure(payload: &[u8]) -> Parsed<'_, Structure<'_>> {
    let (rest, header) = flags("NAL unit header", payload)?;
    let forbidden_zero_bit = bit("F", 7, header);
    let importance = bits("NRI", 5, 2, header);
    match bits("Type", 0, 5, header) {
        1..=23 => {
            let (rest, _) = field("NAL unit payload", rest_of_input).parse_complete(rest)?;
            Ok((rest, Structure::Single(payload)))
        }
        STAP_A => parse_aggregation(rest),
        FU_A => parse_fragment(u8::from(forbidden_zero_bit) << 7 | importance << 5, rest),
        _ => Err(forbidden("Type", payload)),
    }
}

fn parse_aggregation(mut input: &[u8]) -> Parsed<'_, Structure<'_>> {
    let mut units = Vec::new();
    while !input.is_empty() || units.is_empty() {
        let (rest, size) = field("NALU size", be_u16).parse_complete(input)?;
        let (rest, unit) = field("NAL unit", take(size)).parse_complete(rest)?;
        let unit_type = unit.first().map(|header| UnitType::of(*header));
        if !unit_type.is_some_and(UnitType::is_codecs) {
            return Err(forbidden("NAL unit", input));
        }
        units.push(unit);
        input = rest;
    }
    Ok((input, Structure::Aggregation(units)))
}

/// `indicator`: F and NRI of the first octet, which are those of the NAL unit.
fn parse_fragment(indicator: u8, input: &[u8]) -> Parsed<'_, Structure<'_>> {
    let (rest, octet) = flags("FU header", input)?;
    let start = bit("S", 7, octet);
    let end = bit("E", 6, octet);
    bit("R", 5, octet);
    let unit_type = bits("Type", 0, 5, octet);
    if !UnitType(unit_type).is_codecs() {
        return Err(forbidden("Type", input));
    }
    let (rest, part) = nonempty("FU payload", rest)?;
    let header = FragmentHeader { start, end, unit_header: indicator | unit_type };
    Ok((rest, Structure::Fragment(header, part)))
}

/// All that is left, which must not be nothing.
fn nonempty<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    if input.is_empty() {
        return Err(forbidden(name, input));
    }
    field(name, rest_of_input).parse_complete(input)
}

/// One packet for one NAL unit.
pub(super) fn write_single(unit: &[u8], payloads: &mut Payloads) {
    payloads.current.extend_from_slice(unit);
    payloads.end();
}

/// One packet for several NAL units, which must fit; a single one goes as it is.
pub(super) fn write_together(units: &[&[u8]], payloads: &mut Payloads) {
    match units {
        [] => {}
        [unit] => write_single(unit, payloads),
        units => {
            // F if any has it, and the highest NRI (§5.7).
            let headers = || units.iter().filter_map(|unit| unit.first());
            let forbidden = headers().fold(0, |any, header| any | header & 0x80);
            let importance = headers().map(|header| header & 0x60).max().unwrap_or(0);
            payloads.current.put_u8(forbidden | importance | STAP_A);
            for unit in units {
                payloads.current.put_u16(u16::try_from(unit.len()).unwrap_or(u16::MAX));
                payloads.current.extend_from_slice(unit);
            }
            payloads.end();
        }
    }
}

/// As many packets as needed for a NAL unit that is longer than `max`.
pub(super) fn write_fragments(unit: &[u8], max: usize, payloads: &mut Payloads) {
    let Some((header, body)) = unit.split_first() else { return };
    let parts = pieces(body, max.saturating_sub(FRAGMENT_HEADERS));
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.enumerate() {
        payloads.current.put_u8(header & 0xe0 | FU_A);
        payloads.current.put_u8(
            u8::from(index == 0) << 7 | u8::from(index == last) << 6 | UnitType::of(*header).0,
        );
        payloads.current.extend_from_slice(part);
        payloads.end();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::{self, hex};
    use super::*;

    #[test]
    fn sizes_that_lie_are_errors() {
        assert!(parse(&hex("78 0002 6742 0002 68ce")).is_ok());
        for lie in
            ["78", "78 00", "78 0002 67", "78 0000", "78 0002 6742 00", "78 0002 6742 ffff 68"]
        {
            assert!(parse(&hex(lie)).is_err(), "{lie}");
        }
    }

    #[test]
    fn structures_of_mode_2_and_reserved_ones_are_errors() {
        for unit_type in [0, 25, 26, 27, 29, 30, 31] {
            assert!(parse(&[0x60 | unit_type, 0x85, 0, 1, 2]).is_err());
            assert!(parse(&[0x7c, 0x80 | unit_type, 0]).is_err());
        }
        assert!(parse(&hex("7c 85")).is_err());
        assert!(parse(&hex("7c")).is_err());
        assert!(parse(&hex("78 0002 7801")).is_err());
    }

    proptest! {
        #[test]
        fn fields_tile_the_input(octets in testing::octets(1..60)) {
            testing::tiles(&octets, || parse(&octets).is_ok());
        }
    }
}
