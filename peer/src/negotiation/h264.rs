//! The profile in H.264's `profile-level-id`: which decoders understand a stream.
//!
//! RFC 6184 §8.1 (table 5: the same profile may be written in several ways), §8.2.2 (offer and answer:
//! the profile must be the same, the level need not if both allow asymmetry).
//!
//! ```text
//!   profile-level-id = 42 e0 1f
//!                      │  │  └─ level_idc: 3.1
//!                      │  └──── profile-iop: constraint_set0_flag … constraint_set5_flag, 2 zero bits
//!                      └─────── profile_idc
//! ```
//! Book: the chapter on offer and answer.

/// What holds without the parameter: Baseline, level 1 (RFC 6184 §8.1).
const DEFAULT: u32 = 0x42_00_0a;

/// A profile of H.264, whichever way it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    High,
    ConstrainedHigh,
    /// Any other: equal only to itself.
    Other {
        idc: u8,
        iop: u8,
    },
}

impl Profile {
    /// The profile of a `profile-level-id`; `None` if it is no such thing.
    pub(crate) fn of(profile_level_id: Option<&str>) -> Option<Self> {
        let [_, idc, iop, _] = parse(profile_level_id)?.to_be_bytes();
        // RFC 6184 §8.1, table 5: `x` may be either.
        Some(match idc {
            0x42 if iop & 0b0100_1111 == 0b0100_0000 => Self::ConstrainedBaseline,
            0x4d if iop & 0b1000_1111 == 0b1000_0000 => Self::ConstrainedBaseline,
            0x58 if iop & 0b1100_1111 == 0b1100_0000 => Self::ConstrainedBaseline,
            0x42 if iop & 0b0100_1111 == 0 => Self::Baseline,
            0x58 if iop & 0b1100_1111 == 0b1000_0000 => Self::Baseline,
            0x4d if iop & 0b1010_1111 == 0 => Self::Main,
            0x58 if iop & 0b1100_1111 == 0 => Self::Extended,
            0x64 if iop == 0 => Self::High,
            0x64 if iop == 0b0000_1100 => Self::ConstrainedHigh,
            _ => Self::Other { idc, iop },
        })
    }
}

/// The parameter as six digits.
pub(crate) fn canonical(profile_level_id: Option<&str>) -> String {
    format!("{:06x}", parse(profile_level_id).unwrap_or(DEFAULT))
}

fn parse(profile_level_id: Option<&str>) -> Option<u32> {
    let Some(text) = profile_level_id else { return Some(DEFAULT) };
    let is_digits = text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(text, 16).ok().filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trap_one_profile_is_written_in_several_ways() {
        let cases = [
            (
                &["42e01f", "42E034", "42c00d", "4d800a", "58c00a", "58f01f"][..],
                Profile::ConstrainedBaseline,
            ),
            (&["42001f", "420034", "42801f", "58801f"], Profile::Baseline),
            (&["4d001f", "4d401f", "4d0028"], Profile::Main),
            (&["640c1f", "640c34"], Profile::ConstrainedHigh),
            (&["64001f", "640034"], Profile::High),
            (&["58001f"], Profile::Extended),
            (&["f4001f"], Profile::Other { idc: 0xf4, iop: 0 }),
        ];
        for (texts, profile) in cases {
            for text in texts {
                assert_eq!(Profile::of(Some(text)), Some(profile), "{text}");
            }
        }
        assert_eq!(Profile::of(None), Some(Profile::Baseline));
        assert_eq!(canonical(Some("42E01F")), "42e01f");
        for text in ["", "42e01", "42e01f0", "+2e01f", "xxxxxx", "42 01f"] {
            assert_eq!(Profile::of(Some(text)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,8}") {
            let _ = (Profile::of(Some(&text)), canonical(Some(&text)));
        }
    }
}
