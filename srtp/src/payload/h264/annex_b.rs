//! NAL units and their byte stream format, ITU-T H.264 §7.3.1 and annex B.
//!
//! ```text
//!  00 00 00 01 │ NAL unit │ 00 00 01 │ NAL unit │ 00 00 00 01 │ …
//! ```
//!
//! A start code is `00 00 01`; zeros in front of it belong to no NAL unit, as none ends with a zero.

/// What is written between NAL units: four octets, as is customary in front of parameter sets and
/// first slices, in front of all of them.
pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// nal_unit_type, ITU-T H.264 table 7-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitType(pub(super) u8);

impl UnitType {
    /// A slice of a picture that is no IDR picture.
    pub(super) const SLICE: Self = Self(1);
    /// A slice of an IDR picture, before which nothing is referred to.
    pub(super) const IDR_SLICE: Self = Self(5);
    /// Supplemental enhancement information.
    pub(super) const SEI: Self = Self(6);
    /// Sequence parameter set.
    pub(super) const SPS: Self = Self(7);
    /// Picture parameter set.
    pub(super) const PPS: Self = Self(8);
    /// Access unit delimiter.
    pub(super) const DELIMITER: Self = Self(9);

    /// In the header octet of a NAL unit.
    pub(super) const fn of(header: u8) -> Self {
        Self(header & 0x1f)
    }

    /// Whether it is a NAL unit of the codec. RFC 6184 has taken the other numbers for its own.
    pub(super) const fn is_codecs(self) -> bool {
        matches!(self.0, 1..=23)
    }
}

/// The NAL units of a byte stream, none of them empty. Octets before the first start code are
/// skipped.
pub(super) fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = split_at_start_code(stream).and_then(|(_, behind)| behind);
    std::iter::from_fn(move || {
        let (unit, behind) = split_at_start_code(rest?)?;
        rest = behind;
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// What stands before the next start code, without zeros at its end, and what stands behind the
/// start code, if there is one.
fn split_at_start_code(stream: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let found = stream.windows(3).position(|window| window == [0, 0, 1]);
    let (before, behind) = match found {
        Some(position) => (stream.get(..position)?, Some(stream.get(position + 3..)?)),
        None => (stream, None),
    };
    let length = before.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    Some((before.get(..length)?, behind))
}

/// The octets of a NAL unit without those put in to avoid start codes: 3 in 00 00 03 (§7.4.1).
pub(super) fn without_emulation_prevention(unit: &[u8]) -> impl Iterator<Item = u8> {
    let mut zeros = 0_u32;
    unit.iter().copied().filter(move |octet| {
        let prevents = zeros >= 2 && *octet == 3;
        zeros = if *octet == 0 { zeros + 1 } else { 0 };
        !prevents
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::hex;
    use super::*;

    fn split(stream: &str) -> Vec<Vec<u8>> {
        units(&hex(stream)).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_octets() {
        let expected = [vec![0x67, 1], vec![0x68, 2], vec![0x65, 3, 0, 4]];
        assert_eq!(split("00000001 6701 000001 6802 00000001 65030004"), expected);
        assert_eq!(split("000001 6701 00 000001 6802 0000000001 65030004 0000"), expected);
    }

    #[test]
    fn without_a_start_code_there_is_nothing() {
        assert!(split("").is_empty());
        assert!(split("650304").is_empty());
        assert!(split("00000001").is_empty());
        assert_eq!(split("ffff 000001 65"), [[0x65]]);
        assert_eq!(split("000001 000001 000001 65"), [[0x65]]);
    }

    #[test]
    fn emulation_prevention_is_undone() {
        let clean: Vec<u8> =
            without_emulation_prevention(&hex("67 000003 00 000003 01 0003")).collect();
        assert_eq!(clean, hex("67 0000 00 0000 01 0003"));
    }
}
