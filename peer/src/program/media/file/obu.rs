//! AV1's units in a file and in a call: the temporal delimiter that files want and RTP does not.
//!
//! ```text
//!   0 1 2 3 4 5 6 7
//!  +-+-+-+-+-+-+-+-+
//!  |F| type  |X|S|-|  the header of an OBU; X: an extension octet follows; S: then its size
//!  +-+-+-+-+-+-+-+-+
//! ```
//!
//! In both, every unit has its size (the low-overhead format, AV1 specification §5.2). A file has a
//! temporal delimiter in front of each temporal unit (§7.5); the RTP payload format leaves it out.
//!
//! Book: the chapter on RTP.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::Misdeed;

/// `OBU_TEMPORAL_DELIMITER`, AV1 specification §6.2.2.
const TEMPORAL_DELIMITER: u8 = 2;

/// A temporal delimiter: its header, and a size of 0.
const DELIMITER: [u8; 2] = [TEMPORAL_DELIMITER << 3 | 0b10, 0];

/// The temporal unit without its delimiter, and with a size in every unit.
pub(super) fn without_delimiter(unit: &Bytes) -> Result<Bytes, Misdeed> {
    let mut out = BytesMut::with_capacity(unit.len() + 4);
    let mut rest: &[u8] = unit;
    while let Some((obu, after)) = split(rest) {
        rest = after;
        if obu.kind() == TEMPORAL_DELIMITER {
            continue;
        }
        out.put_u8(obu.header | 0b10);
        out.extend(obu.extension);
        put_leb128(&mut out, obu.payload.len());
        out.put_slice(obu.payload);
    }
    if rest.is_empty() { Ok(out.freeze()) } else { Err(Misdeed::TemporalUnit) }
}

/// The temporal unit as a file wants it.
pub(super) fn with_delimiter(unit: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(DELIMITER.len() + unit.len());
    out.put_slice(&DELIMITER);
    out.put_slice(unit);
    out.freeze()
}

/// One unit.
struct Obu<'a> {
    header: u8,
    extension: Option<u8>,
    payload: &'a [u8],
}

impl Obu<'_> {
    fn kind(&self) -> u8 {
        self.header >> 3 & 0b1111
    }
}

/// The first unit and what follows; `None` at the end, or if it makes no sense.
fn split(octets: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    let (&header, mut rest) = octets.split_first()?;
    if header & 0x80 != 0 {
        return None;
    }
    let mut extension = None;
    if header & 0b100 != 0 {
        let (&octet, after) = rest.split_first()?;
        (extension, rest) = (Some(octet), after);
    }
    let mut size = rest.len();
    if header & 0b10 != 0 {
        (size, rest) = leb128(rest)?;
    }
    let (payload, after) = rest.split_at_checked(size)?;
    Some((Obu { header, extension, payload }, after))
}

/// A number of at most eight octets, the low seven bits first; AV1 specification §4.10.5.
fn leb128(octets: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &octet) in octets.iter().enumerate().take(8) {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, octets.get(index + 1..)?));
        }
    }
    None
}

fn put_leb128(out: &mut BytesMut, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_delimiter_goes_and_the_last_unit_gets_its_size() {
        // Delimiter, a sequence header with size, a frame without.
        let unit = Bytes::from_static(&[0x12, 0, 0x0a, 2, 7, 8, 0x30, 1, 2, 3]);
        let bare = without_delimiter(&unit).unwrap();
        assert_eq!(*bare, [0x0a, 2, 7, 8, 0x32, 3, 1, 2, 3]);
        assert_eq!(*with_delimiter(&bare), [0x12, 0, 0x0a, 2, 7, 8, 0x32, 3, 1, 2, 3]);
    }

    #[test]
    fn a_size_that_lies_is_refused() {
        for unit in [&[0x0a, 9, 1][..], &[0x0a, 0xff], &[0x80, 0], &[0x0e]] {
            assert!(without_delimiter(&Bytes::from_static(unit)).is_err(), "{unit:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(payloads in proptest::collection::vec(any::<Vec<u8>>(), 1..5)) {
            let mut unit = BytesMut::new();
            for payload in &payloads {
                unit.put_u8(0x32);
                put_leb128(&mut unit, payload.len());
                unit.put_slice(payload);
            }
            let unit = unit.freeze();
            prop_assert_eq!(without_delimiter(&with_delimiter(&unit)).unwrap(), unit);
        }

        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = without_delimiter(&octets.into());
        }
    }
}
