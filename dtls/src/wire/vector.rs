//! Variable-length vectors and 24-bit integers of the TLS presentation language (RFC 5246 §4.3–4.4).
//!
//! ```text
//! opaque cookie<0..2^8-1>;            one octet of length, then the octets
//! CipherSuite cipher_suites<2..2^16-2>;  two octets of length in octets, then the elements
//! ASN.1Cert certificate_list<0..2^24-1>; three octets of length
//! ```
//!
//! Lengths count octets, never elements. Invariant of writing: the result always parses; what does
//! not fit the length is cut off (our own values never reach that bound).

use std::fmt::Debug;

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u24};

use super::field::{ParseError, Parsed, field};

/// Length of a length: the ceiling of the vector decides how many octets count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// `<..2^8-1>`
    One,
    /// `<..2^16-1>`
    Two,
    /// `<..2^24-1>`
    Three,
}

impl Prefix {
    fn octets(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    fn max(self) -> usize {
        (1 << (8 * self.octets())) - 1
    }

    fn parse(self, input: &[u8]) -> Parsed<'_, u32> {
        match self {
            Self::One => be_u8.map(u32::from).parse_complete(input),
            Self::Two => be_u16.map(u32::from).parse_complete(input),
            Self::Three => be_u24.parse_complete(input),
        }
    }
}

/// A vector of opaque octets.
pub(crate) fn opaque<'a>(prefix: Prefix, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    let (input, length) = field("length", |i: &'a [u8]| prefix.parse(i))(input)?;
    field("opaque", take(length))(input)
}

/// A vector of opaque octets with `min..=max` of them, owned.
pub(crate) fn opaque_in<'a>(
    prefix: Prefix,
    name: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> impl Fn(&'a [u8]) -> Parsed<'a, Vec<u8>> {
    move |input| {
        let (rest, octets) = opaque(prefix, input)?;
        if !range.contains(&octets.len()) {
            return Err(nom::Err::Error(ParseError::forbidden(name, input.len())));
        }
        Ok((rest, octets.to_vec()))
    }
}

/// A vector of at least `min` elements, each parsed with `element` until the octets are used up.
pub(crate) fn elements<'a, T: Debug>(
    prefix: Prefix,
    min: usize,
    mut element: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, Vec<T>> {
    move |input| {
        let (input, length) = field("length", |i: &'a [u8]| prefix.parse(i))(input)?;
        let (rest, mut inner) = take(length).parse_complete(input)?;
        let mut all = Vec::new();
        // Each round consumes at least one octet or fails, so the loop is bounded by the length.
        while !inner.is_empty() {
            let (after, value) = element(inner)?;
            if after.len() >= inner.len() {
                return Err(nom::Err::Error(ParseError::forbidden("element", inner.len())));
            }
            all.push(value);
            inner = after;
        }
        if all.len() < min {
            return Err(nom::Err::Error(ParseError::forbidden("length", input.len())));
        }
        Ok((rest, all))
    }
}

/// Writes a vector: its length, then what `body` appends.
pub(crate) fn write_vector(out: &mut Vec<u8>, prefix: Prefix, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.resize(at + prefix.octets(), 0);
    let start = out.len();
    body(out);
    out.truncate(start + prefix.max());
    let length = (out.len() - start).to_be_bytes();
    let length = length.get(length.len() - prefix.octets()..).unwrap_or_default();
    if let Some(place) = out.get_mut(at..start) {
        place.copy_from_slice(length);
    }
}

/// Runs `parser` on the whole input: octets left over are an error, as for every handshake message.
pub(crate) fn whole<'a, T>(
    input: &'a [u8],
    mut parser: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, ParseError> {
    match parser(input) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => Err(ParseError::forbidden("octets after the end", rest.len())),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
        // Cannot come from `complete` parsers; an error all the same.
        Err(nom::Err::Incomplete(_)) => Err(ParseError::forbidden("incomplete", input.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5246_4_3_length_counts_octets_not_elements() {
        let mut out = Vec::new();
        write_vector(&mut out, Prefix::Two, |out| out.extend_from_slice(&[0, 29, 0, 23]));
        assert_eq!(out, [0, 4, 0, 29, 0, 23]);
        assert_eq!(whole(&out, elements(Prefix::Two, 1, be_u16)), Ok(vec![29, 23]));
    }

    #[test]
    fn an_element_cut_by_the_vectors_end_is_an_error() {
        let cut = [0, 3, 0, 29, 0, 23];
        assert!(whole(&cut, elements(Prefix::Two, 1, be_u16)).is_err());
    }

    #[test]
    fn a_length_beyond_the_input_is_an_error() {
        for input in [&[5, 1, 2][..], &[]] {
            assert!(whole(input, |input| opaque(Prefix::One, input)).is_err());
        }
        assert!(whole(&[0xff, 0xff, 0xff, 1], |input| opaque(Prefix::Three, input)).is_err());
    }

    #[test]
    fn what_does_not_fit_the_length_is_cut() {
        let mut out = Vec::new();
        write_vector(&mut out, Prefix::One, |out| out.resize(300, 7));
        let length = usize::from(out[0]);
        assert_eq!((length, out.len()), (255, 256));
    }

    #[test]
    fn octets_after_the_end_are_an_error() {
        let error = whole(&[1, 9, 0], |input| opaque(Prefix::One, input)).unwrap_err();
        assert_eq!((error.field, error.left), ("octets after the end", 1));
    }
}
