//! The number of a packet: 48 bits for RTP, guessed; 31 bits for RTCP, written. RFC 3711 §3.3.1, §3.4.
//!
//! ```text
//! RTP    index = ROC (32 bits) ‖ SEQ (16 bits)        ROC, the rollover counter, is never sent
//!
//!        highest = ROC ‖ s_l, so far                   which ROC does an arriving SEQ belong to?
//!            │                                         to the one that puts it closest to highest
//!   ─────────●───────────┬──────────────►
//!        ROC ‖ 65,530    │  SEQ 3: ROC + 1, nine on, rather than ROC, 65,527 back
//!
//! RTCP  |E|                 SRTCP index                 |   appended to every packet
//! ```
//!
//! The guess is right as long as fewer than 2^15 packets in a row are lost or late. Book: the chapter on SRTP.

use crate::wire::identifier::SequenceNumber;

/// Half of the circle of sequence numbers.
const HALF: u16 = 1 << 15;

/// How many packets of a source one key may protect (RFC 3711 §3.3.1, §9.2).
pub(crate) const MAX_RTP_PACKETS: u64 = 1 << 48;

/// How many RTCP packets one key may protect (RFC 3711 §9.2).
pub(crate) const MAX_RTCP_PACKETS: u64 = 1 << 31;

/// The place of an RTP packet among all of its source: `2^16 * ROC + SEQ`, below 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PacketIndex(u64);

impl PacketIndex {
    // ANCHOR: closest
    /// The index of a packet, given the highest index of its source so far: RFC 3711 appendix A.
    /// The first packet of a source has ROC 0. `None`: 2^48 packets have been.
    pub(crate) fn closest(sequence_number: SequenceNumber, highest: Option<u64>) -> Option<Self> {
        let SequenceNumber(seq) = sequence_number;
        let Some(highest) = highest else { return Some(Self::new(0, seq)) };
        let [_, _, a, b, c, d, e, f] = highest.to_be_bytes();
        let roc = u32::from_be_bytes([a, b, c, d]);
        let s_l = u16::from_be_bytes([e, f]);
        let roc = if s_l < HALF {
            match seq.checked_sub(s_l) {
                // Before ROC 0 there was nothing: a number far ahead is all that is left.
                Some(ahead) if ahead > HALF => roc.saturating_sub(1),
                _ => roc,
            }
        } else if s_l - HALF > seq {
            roc.checked_add(1)?
        } else {
            roc
        };
        Some(Self::new(roc, seq))
    }
    // ANCHOR_END: closest

    fn new(roc: u32, seq: u16) -> Self {
        Self(u64::from(roc) << 16 | u64::from(seq))
    }

    /// The number.
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// How often the sequence number had wrapped.
    pub(crate) fn rollover_counter(self) -> u32 {
        let [_, _, a, b, c, d, _, _] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The word that an RTCP packet carries behind its content: E flag and index (RFC 3711 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SrtcpIndex {
    /// Whether the content is encrypted; authenticated it is in any case.
    pub(crate) encrypted: bool,
    /// Counts the packets of the source, below 2^31.
    pub(crate) index: u32,
}

impl SrtcpIndex {
    /// Octets of the word.
    pub(crate) const LENGTH: usize = 4;

    const E_FLAG: u32 = 1 << 31;

    /// Reads the word.
    pub(crate) fn parse(octets: [u8; Self::LENGTH]) -> Self {
        let word = u32::from_be_bytes(octets);
        Self { encrypted: word & Self::E_FLAG != 0, index: word & !Self::E_FLAG }
    }

    /// Writes the word.
    pub(crate) fn write(self) -> [u8; Self::LENGTH] {
        let flag = if self.encrypted { Self::E_FLAG } else { 0 };
        (flag | self.index).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn closest(seq: u16, highest: u64) -> Option<u64> {
        PacketIndex::closest(SequenceNumber(seq), Some(highest)).map(PacketIndex::get)
    }

    #[test]
    fn the_first_packet_has_rollover_counter_0() {
        let index = PacketIndex::closest(SequenceNumber(65_535), None).unwrap();
        assert_eq!((index.get(), index.rollover_counter()), (65_535, 0));
    }

    #[test]
    fn rfc_3711_appendix_a_each_branch() {
        let highest = |roc: u64, s_l: u64| roc << 16 | s_l;
        assert_eq!(closest(3, highest(6, 65_530)), Some(highest(7, 3)), "wrapped");
        assert_eq!(
            closest(65_530, highest(7, 3)),
            Some(highest(6, 65_530)),
            "late, before the wrap"
        );
        assert_eq!(closest(4, highest(7, 3)), Some(highest(7, 4)), "the next");
        assert_eq!(closest(2, highest(7, 3)), Some(highest(7, 2)), "late");
        assert_eq!(closest(65_531, highest(7, 65_530)), Some(highest(7, 65_531)), "the next, high");
        // Exactly half a circle away either way: the appendix stays in the same round.
        assert_eq!(closest(32_768, highest(7, 0)), Some(highest(7, 32_768)));
        assert_eq!(closest(0, highest(7, 32_768)), Some(highest(7, 0)));
    }

    #[test]
    fn row_59_nothing_was_before_the_first_round() {
        assert_eq!(closest(65_530, 3), Some(65_530));
    }

    #[test]
    fn row_62_after_2_to_the_48_there_is_no_index() {
        let last = MAX_RTP_PACKETS - 1;
        assert_eq!(closest(65_535, last), Some(last));
        assert_eq!(closest(0, last), None);
    }

    proptest! {
        #[test]
        fn the_guess_is_right_within_half_a_circle(
            highest in 1_u64 << 16..MAX_RTP_PACKETS - (1 << 16),
            distance in -32_767_i64..32_767,
        ) {
            let truth = highest.strict_add_signed(distance);
            let seq = u16::try_from(truth & 0xffff).unwrap();
            prop_assert_eq!(closest(seq, highest), Some(truth));
        }

        #[test]
        fn round_trip(encrypted: bool, index in 0_u32..1 << 31) {
            let word = SrtcpIndex { encrypted, index };
            prop_assert_eq!(SrtcpIndex::parse(word.write()), word);
        }
    }
}
