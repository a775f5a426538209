//! Numbers that wrap: TSN, SSN and re-configuration request number, with the order of RFC 1982.
//!
//! A TSN counts DATA chunks modulo 2^32, an SSN counts ordered messages of a stream modulo 2^16;
//! both are compared by RFC 1982 (RFC 9260 §1.6).
//! `a < b` means: from `a`, fewer than half the circle's steps lead forward to `b`. Two numbers
//! exactly half a circle apart are in no order at all, and the order is not transitive around the
//! circle; so these types are [`PartialOrd`] but not [`Ord`] and cannot be keys of a sorted map.

use std::cmp::Ordering;

macro_rules! serial_number {
    ($(#[$doc:meta])* $name:ident($bare:ty), half the circle is $half:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub $bare);

        impl $name {
            /// The number that follows this one (wraps).
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }

            /// The number before this one (wraps).
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.wrapping_sub(1))
            }

            /// The number `steps` further on (wraps).
            #[must_use]
            pub const fn advance(self, steps: $bare) -> Self {
                Self(self.0.wrapping_add(steps))
            }

            /// How many steps lead forward from `earlier` to this number, around the circle.
            #[must_use]
            pub const fn since(self, earlier: Self) -> $bare {
                self.0.wrapping_sub(earlier.0)
            }
        }

        // ANCHOR: serial
        impl PartialOrd for $name {
            /// RFC 1982 §3.2; `None` where that section leaves the order undefined.
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                match other.since(*self) {
                    0 => Some(Ordering::Equal),
                    forward if forward < $half => Some(Ordering::Less),
                    forward if forward > $half => Some(Ordering::Greater),
                    _ => None,
                }
            }
        }
        // ANCHOR_END: serial
    };
}

serial_number!(
    /// Transmission Sequence Number: the number of a DATA chunk (RFC 9260 §1.6).
    Tsn(u32), half the circle is 1 << 31
);
serial_number!(
    /// Stream Sequence Number: the number of an ordered message in its stream (RFC 9260 §1.6).
    Ssn(u16), half the circle is 1 << 15
);
serial_number!(
    /// Re-configuration Request (or Response) Sequence Number (RFC 6525 §4.1).
    RequestNumber(u32), half the circle is 1 << 31
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_wraps() {
        assert!(Tsn(u32::MAX) < Tsn(0));
        assert!(Tsn(0) > Tsn(u32::MAX));
        assert!(Ssn(65_535) < Ssn(0));
        assert!(Ssn(0) < Ssn(32_767));
        assert_eq!(Tsn(3).since(Tsn(u32::MAX)), 4);
        assert_eq!(Tsn(u32::MAX).next(), Tsn(0));
        assert_eq!(Ssn(0).previous(), Ssn(65_535));
    }

    #[test]
    fn half_a_circle_apart_is_no_order_rfc_1982_section_3_2() {
        assert_eq!(Tsn(0).partial_cmp(&Tsn(1 << 31)), None);
        assert_eq!(Tsn(1 << 31).partial_cmp(&Tsn(0)), None);
        assert_eq!(Ssn(0).partial_cmp(&Ssn(1 << 15)), None);
    }

    proptest! {
        #[test]
        fn advance_leads_forward(start: u32, steps in 1u32..1 << 31) {
            let end = Tsn(start).advance(steps);
            prop_assert!(Tsn(start) < end);
            prop_assert!(end > Tsn(start));
            prop_assert_eq!(end.since(Tsn(start)), steps);
        }
    }
}
