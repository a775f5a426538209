//! Names and numbers of RTP: synchronisation source, payload type, sequence number, timestamp.
//!
//! They are newtypes so that one cannot be passed where another is meant; each holds the bare
//! number in host order. RFC 3550 §5.1.

use std::fmt;

/// A synchronisation source: one stream of packets with its own numbering (RFC 3550 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Seven bits that say, by agreement, which codec a payload is of (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(pub u8);

/// Counts the packets of a source, modulo 2^16; compared on the circle (RFC 1982).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number that follows this one (wraps).
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number `steps` further on (wraps).
    #[must_use]
    pub const fn advance(self, steps: u16) -> Self {
        Self(self.0.wrapping_add(steps))
    }

    /// How many steps lead forward from `earlier` to this number, around the circle.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }

    // ANCHOR: is_after
    /// Whether this number comes after `other`: fewer than 2^15 steps lead forward to it.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        let steps = self.since(other);
        steps != 0 && steps < 1 << 15
    }
    // ANCHOR_END: is_after
}

/// When the first sample of a payload was taken, in ticks of the codec's clock, from a random
/// origin; wraps (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTimestamp(pub u32);
