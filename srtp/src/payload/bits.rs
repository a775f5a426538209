//! Reading bits, the highest of an octet first, as the headers of video frames are written.
//!
//! Fixed widths and the Exp-Golomb codes of H.264 (ITU-T H.264 §9.1). Reading past the end answers
//! `None`, so a header is read with `?` and a truncated one has no dimensions.

/// The bits of some octets, from the first on.
#[derive(Debug)]
pub(super) struct Bits<I> {
    octets: I,
    /// The octet under way, what is left of it at the top.
    current: u8,
    /// How many bits are left of it.
    left: u8,
}

impl<I: Iterator<Item = u8>> Bits<I> {
    pub(super) fn new(octets: impl IntoIterator<IntoIter = I>) -> Self {
        Self { octets: octets.into_iter(), current: 0, left: 0 }
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.current = self.octets.next()?;
            self.left = 8;
        }
        let bit = self.current & 0x80 != 0;
        self.current <<= 1;
        self.left -= 1;
        Some(bit)
    }

    /// The next `width` (at most 32) bits as a number.
    pub(super) fn number(&mut self, width: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..width {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    pub(super) fn skip(&mut self, width: u32) -> Option<()> {
        for _ in 0..width {
            self.flag()?;
        }
        Some(())
    }

    /// An unsigned Exp-Golomb code, ue(v): n zeros, a one, n bits.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        let suffix = self.number(zeros)?;
        ((1 << zeros) - 1_u32).checked_add(suffix)
    }

    /// A signed Exp-Golomb code, se(v): 0, 1, -1, 2, -2, …
    pub(super) fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_of_the_table() {
        // ITU-T H.264 table 9-2: 1, 010, 011, 00100 are 0, 1, 2, 3.
        let mut bits = Bits::new([0b1010_0110, 0b0100_0000]);
        for value in 0..4 {
            assert_eq!(bits.unsigned(), Some(value));
        }
        let mut bits = Bits::new([0b1010_0110, 0b0100_0000]);
        for value in [0, 1, -1, 2] {
            assert_eq!(bits.signed(), Some(value));
        }
    }

    #[test]
    fn past_the_end_there_is_nothing() {
        let mut bits = Bits::new([0xff]);
        assert_eq!(bits.number(8), Some(0xff));
        assert_eq!(bits.flag(), None);
        assert_eq!(Bits::new([0; 9]).unsigned(), None);
    }
}
