//! Generic NACK (205, FMT 1): these packets are missing, RFC 4585 §6.2.1.
//!
//! The FCI, behind what [`super::feedback`] shows, is one or more of
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        packet ID (PID)        | bitmask of following (BLP)    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Four octets ask for up to 17 packets. They are not expanded in reading: whoever walks through
//! [`Nack::lost`] says how far.

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::many0;
use nom::number::complete::be_u16;

use super::super::field::{Parsed, field};
use super::super::identifier::{SequenceNumber, Ssrc};
use super::feedback;

/// Generic NACK, RFC 4585 §6.2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// Who misses them.
    pub sender: Ssrc,
    /// Whose packets.
    pub media: Ssrc,
    /// The packet identifier, and a bitmap of the 16 that follow it.
    pub entries: Vec<NackEntry>,
}

/// PID and BLP of a generic NACK, RFC 4585 §6.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NackEntry {
    /// A lost packet.
    pub packet_id: SequenceNumber,
    /// Bit i: packet_id + i + 1 is lost, too.
    pub bitmap: u16,
}

impl Nack {
    pub(super) const FORMAT: u8 = 1;

    /// Asks for `lost`, which come in order; as few entries as can say it.
    #[must_use]
    pub fn new(sender: Ssrc, media: Ssrc, lost: impl IntoIterator<Item = SequenceNumber>) -> Self {
        let mut entries: Vec<NackEntry> = Vec::new();
        for number in lost {
            match entries.last_mut().map(|last| (number.since(last.packet_id), last)) {
                Some((0, _)) => {}
                Some((steps @ 1..=16, last)) => last.bitmap |= 1 << (steps - 1),
                _ => entries.push(NackEntry { packet_id: number, bitmap: 0 }),
            }
        }
        Self { sender, media, entries }
    }

    /// The packets asked for, in the order of the entries. A peer may name one often.
    pub fn lost(&self) -> impl Iterator<Item = SequenceNumber> {
        self.entries.iter().flat_map(|entry| entry.lost())
    }

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, (sender, media)) = feedback::parse_ssrcs(input)?;
        let (rest, entries) = many0(NackEntry::parse).parse_complete(rest)?;
        Ok((rest, Self { sender, media, entries }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        feedback::write_ssrcs(self.sender, self.media, out);
        for entry in &self.entries {
            entry.write(out);
        }
    }
}

impl NackEntry {
    /// The packets of this entry: 1 to 17.
    pub fn lost(self) -> impl Iterator<Item = SequenceNumber> {
        let following = (0..16).filter(move |bit| self.bitmap >> bit & 1 == 1);
        std::iter::once(self.packet_id)
            .chain(following.map(move |bit| self.packet_id.advance(bit + 1)))
    }

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, packet_id) = field("PID", map(be_u16, SequenceNumber)).parse_complete(input)?;
        let (rest, bitmap) = field("BLP", be_u16).parse_complete(rest)?;
        Ok((rest, Self { packet_id, bitmap }))
    }

    fn write(self, out: &mut BytesMut) {
        out.put_u16(self.packet_id.0);
        out.put_u16(self.bitmap);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_nack() -> impl Strategy<Value = Packet> {
        let entries = prop::collection::vec(any::<(u16, u16)>(), 0..6);
        (testing::any_ssrc(), testing::any_ssrc(), entries).prop_map(|(sender, media, entries)| {
            let entry =
                |(packet_id, bitmap)| NackEntry { packet_id: SequenceNumber(packet_id), bitmap };
            Packet::Nack(Nack { sender, media, entries: entries.into_iter().map(entry).collect() })
        })
    }

    fn nack(lost: &[u16]) -> Nack {
        Nack::new(Ssrc(1), Ssrc(2), lost.iter().copied().map(SequenceNumber))
    }

    #[test]
    fn bits_name_the_packets_that_follow_rfc_4585_section_6_2_1() {
        let nack = nack(&[100, 101, 116, 117]);
        testing::vector("81cd0004 00000001 00000002 0064 8001 0075 0000", &Packet::Nack(nack));
        testing::refused_when_cut("81cd0002 00000001 00000002");
    }

    #[test]
    fn trap_packet_id_and_bitmap_wrap() {
        let lost = [65_530, 65_535, 0, 3];
        let nack = nack(&lost);
        assert_eq!(nack.entries.len(), 1);
        assert_eq!(nack.lost().map(|number| number.0).collect::<Vec<_>>(), lost);
    }

    #[test]
    fn row_65_a_nack_for_272_000_packets_is_not_expanded() {
        let mut octets = BytesMut::from(&testing::hex("81cd3e82 00000001 00000002")[..]);
        octets.extend_from_slice(&[0xff; 4].repeat(16_000));
        let packets = super::super::parse(&octets.freeze()).unwrap();
        let Packet::Nack(nack) = &packets[0] else { panic!("{packets:?}") };
        assert_eq!(nack.entries.len(), 16_000);
        assert_eq!(nack.lost().take(1_000).count(), 1_000);
        assert_eq!(nack.lost().count(), 272_000);
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_what_was_lost(
            first: u16,
            steps in prop::collection::vec(1u16..40, 0..50),
        ) {
            let mut lost = vec![SequenceNumber(first)];
            for step in steps {
                lost.push(lost.last().unwrap().advance(step));
            }
            let nack = Nack::new(Ssrc(1), Ssrc(2), lost.iter().copied());
            prop_assert_eq!(nack.lost().collect::<Vec<_>>(), lost);
        }
    }

    testing::properties!(any_nack(), packet_type::TRANSPORT_FEEDBACK, 1u8..=1);
}
