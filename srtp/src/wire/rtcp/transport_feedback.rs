//! Transport-wide congestion control feedback (205, FMT 15): when each packet came,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  FMT=15 |    PT=205     |           length              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     SSRC of packet sender                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      SSRC of media source                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      base sequence number     |      packet status count      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 reference time                | fb pkt. count |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \  packet chunks, 16 bits each; receive deltas, 8 or 16 bits    \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! packet chunk: a symbol for each packet
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0| S |       run length        |   the same symbol so many times
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |1|0| 14 symbols of one bit     |   0: not received, 1: small delta
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |1|1| 7 symbols of two bits     |   as S
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! S: 0 not received; 1 received, small delta (8 bits, unsigned);
//!    2 received, large or negative delta (16 bits, signed); 3 reserved
//! ```
//!
//! 20 octets can speak of 65,535 packets: what one compound expands to is bounded, see
//! [`MAX_STATUSES`].

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::number::complete::{be_i16, be_i24, be_u8, be_u16};
use smallvec::SmallVec;

use super::super::field::{ParseError, Parsed, field};
use super::super::identifier::Ssrc;
use super::feedback;

/// The most packet statuses in a compound, and the most one packet can count.
pub const MAX_STATUSES: usize = 65_535;
/// The longest run that 13 bits can count.
const MAX_RUN: usize = (1 << 13) - 1;
/// Units of a receive delta in one of the reference time: 64 ms / 250 µs.
const DELTAS_PER_REFERENCE: i64 = 256;

/// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Who received.
    pub sender: Ssrc,
    /// Any source of the transport.
    pub media: Ssrc,
    /// The transport-wide number of the first status.
    pub base_sequence_number: u16,
    /// Reference time, 24 bits, signed, in units of 64 ms. The low 24 bits are written.
    pub reference_time: i32,
    /// Counts the feedback packets, modulo 256.
    pub feedback_count: u8,
    /// One for each number from the base on; at most [`MAX_STATUSES`] are read or written.
    pub statuses: Vec<PacketStatus>,
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketStatus {
    /// Not received.
    Lost,
    /// Received so long after the packet before it (or the reference time), in units of 250 µs.
    Received(i16),
}

impl TransportFeedback {
    pub(super) const FORMAT: u8 = 15;

    /// Each packet's transport-wide number and, if it came, when: in units of 250 µs on the
    /// receiver's clock, of which only differences mean anything. The reference time wraps after
    /// 2^24 units of 64 ms, and this with it.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<i64>)> {
        let mut number = self.base_sequence_number;
        let mut time = i64::from(self.reference_time) * DELTAS_PER_REFERENCE;
        self.statuses.iter().map(move |status| {
            let this = number;
            number = number.wrapping_add(1);
            match status {
                PacketStatus::Lost => (this, None),
                PacketStatus::Received(delta) => {
                    time += i64::from(*delta);
                    (this, Some(time))
                }
            }
        })
    }

    /// `statuses_left` is what the rest of the compound may still expand to.
    pub(super) fn parse<'a>(input: &'a [u8], statuses_left: &mut usize) -> Parsed<'a, Self> {
        let (rest, (sender, media)) = feedback::parse_ssrcs(input)?;
        let (rest, base_sequence_number) =
            field("base sequence number", be_u16).parse_complete(rest)?;
        let count_at = rest;
        let (rest, count) =
            field("packet status count", map(be_u16, usize::from)).parse_complete(rest)?;
        *statuses_left = statuses_left.checked_sub(count).ok_or_else(|| {
            nom::Err::Error(ParseError::forbidden("packet status count", count_at.len()))
        })?;
        let (rest, reference_time) = field("reference time", be_i24).parse_complete(rest)?;
        let (mut rest, feedback_count) = field("fb pkt. count", be_u8).parse_complete(rest)?;

        let mut chunks: SmallVec<[Chunk; 16]> = SmallVec::new();
        let mut covered = 0;
        while covered < count {
            let chunk;
            (rest, chunk) = field("packet chunk", Chunk::parse).parse_complete(rest)?;
            covered += chunk.length();
            chunks.push(chunk);
        }
        // Only now is there proof that the packet speaks of so many.
        let mut statuses = Vec::with_capacity(count);
        for symbol in chunks.iter().flat_map(|chunk| chunk.symbols()).take(count) {
            let status;
            (rest, status) = match symbol {
                Symbol::NotReceived => (rest, PacketStatus::Lost),
                Symbol::Small => {
                    map(field("recv delta", be_u8), |delta| PacketStatus::Received(delta.into()))
                        .parse_complete(rest)?
                }
                Symbol::Large => {
                    map(field("recv delta", be_i16), PacketStatus::Received).parse_complete(rest)?
                }
                Symbol::Reserved => {
                    return Err(nom::Err::Error(ParseError::forbidden("packet chunk", rest.len())));
                }
            };
            statuses.push(status);
        }
        // Zeros up to a whole word, where they are not the padding of the RTCP packet.
        let zeros = rest.len().min(3);
        if zeros > 0 {
            (rest, _) = field("zero padding", take(zeros)).parse_complete(rest)?;
        }
        let feedback =
            Self { sender, media, base_sequence_number, reference_time, feedback_count, statuses };
        Ok((rest, feedback))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        let statuses = self.statuses.get(..MAX_STATUSES).unwrap_or(&self.statuses);
        feedback::write_ssrcs(self.sender, self.media, out);
        out.put_u16(self.base_sequence_number);
        out.put_u16(u16::try_from(statuses.len()).unwrap_or(u16::MAX));
        let [_, reference_time @ ..] = self.reference_time.to_be_bytes();
        out.put_slice(&reference_time);
        out.put_u8(self.feedback_count);
        let mut rest = statuses;
        while !rest.is_empty() {
            let chunk = Chunk::longest(rest);
            out.put_u16(chunk.to_bits());
            rest = rest.get(chunk.length()..).unwrap_or_default();
        }
        for status in statuses {
            match (Symbol::of(*status), status) {
                (Symbol::Small, PacketStatus::Received(delta)) => {
                    out.put_u8(u8::try_from(*delta).unwrap_or(0));
                }
                (_, PacketStatus::Received(delta)) => out.put_i16(*delta),
                (_, PacketStatus::Lost) => {}
            }
        }
    }
}

/// What a chunk says about one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    NotReceived,
    Small,
    Large,
    Reserved,
}

impl Symbol {
    /// From the two lowest bits.
    fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::NotReceived,
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Reserved,
        }
    }

    fn to_bits(self) -> u16 {
        match self {
            Self::NotReceived => 0,
            Self::Small => 1,
            Self::Large => 2,
            Self::Reserved => 3,
        }
    }

    fn of(status: PacketStatus) -> Self {
        match status {
            PacketStatus::Lost => Self::NotReceived,
            PacketStatus::Received(0..=255) => Self::Small,
            PacketStatus::Received(_) => Self::Large,
        }
    }
}

/// Symbols for consecutive packets, in 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// One symbol, up to 8,191 times.
    Run(Symbol, u16),
    /// 14 symbols of one bit, the first in the highest bit.
    OneBit(u16),
    /// 7 symbols of two bits, the first in the highest bits.
    TwoBit(u16),
}

impl Chunk {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        map(be_u16, |bits: u16| match bits >> 14 {
            2 => Self::OneBit(bits & 0x3fff),
            3 => Self::TwoBit(bits & 0x3fff),
            _ => Self::Run(Symbol::from_bits(bits >> 13), bits & 0x1fff),
        })
        .parse_complete(input)
    }

    fn to_bits(self) -> u16 {
        match self {
            Self::Run(symbol, length) => symbol.to_bits() << 13 | length,
            Self::OneBit(bits) => 2 << 14 | bits,
            Self::TwoBit(bits) => 3 << 14 | bits,
        }
    }

    /// How many packets it speaks of. The last chunk may reach beyond the packet status count.
    fn length(self) -> usize {
        match self {
            Self::Run(_, length) => length.into(),
            Self::OneBit(_) => 14,
            Self::TwoBit(_) => 7,
        }
    }

    fn symbols(self) -> impl Iterator<Item = Symbol> {
        (0..self.length()).map(move |index| match self {
            Self::Run(symbol, _) => symbol,
            Self::OneBit(bits) => Symbol::from_bits(bits >> (13 - index) & 1),
            Self::TwoBit(bits) => Symbol::from_bits(bits >> (12 - 2 * index)),
        })
    }

    /// The chunk that says most about the head of `statuses`, of which there is one at least.
    ///
    /// Taking the longest each time is not always the shortest in all, but nearly: of what one chunk
    /// could have covered, the longest ones need two at most.
    fn longest(statuses: &[PacketStatus]) -> Self {
        let symbols = || statuses.iter().copied().map(Symbol::of);
        let first = symbols().next().unwrap_or(Symbol::NotReceived);
        let run = symbols().take(MAX_RUN).take_while(|&symbol| symbol == first).count();
        let one_bit = symbols().take(14).take_while(|&symbol| symbol != Symbol::Large).count();
        let one_bit_fits = one_bit == statuses.len().min(14);
        let vector = |symbols: usize, bits: usize| {
            let mut vector = 0;
            for index in 0..symbols {
                let symbol = statuses.get(index).map_or(0, |&status| Symbol::of(status).to_bits());
                vector = vector << bits | symbol;
            }
            vector
        };
        if run >= 14 || run == statuses.len() || run >= 7 && !one_bit_fits {
            Self::Run(first, u16::try_from(run).unwrap_or(0))
        } else if one_bit_fits && statuses.len() > 7 {
            Self::OneBit(vector(14, 1))
        } else {
            Self::TwoBit(vector(7, 2))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::super::{parse, write};
    use super::*;

    fn any_statuses() -> impl Strategy<Value = Vec<PacketStatus>> {
        let status = prop_oneof![
            Just(PacketStatus::Lost),
            (0i16..256).prop_map(PacketStatus::Received),
            any::<i16>().prop_map(PacketStatus::Received),
        ];
        let run = (status, prop_oneof![4 => 1usize..4, 1 => 1usize..40])
            .prop_map(|(status, length)| vec![status; length]);
        prop::collection::vec(run, 0..12).prop_map(|runs| runs.concat())
    }

    fn any_feedback() -> impl Strategy<Value = Packet> {
        let reference_time = -0x80_0000..=0x7f_ffff;
        (
            testing::any_ssrc(),
            testing::any_ssrc(),
            any::<(u16, u8)>(),
            reference_time,
            any_statuses(),
        )
            .prop_map(
                |(sender, media, (base, feedback_count), reference_time, statuses)| {
                    Packet::TransportFeedback(TransportFeedback {
                        sender,
                        media,
                        base_sequence_number: base,
                        reference_time,
                        feedback_count,
                        statuses,
                    })
                },
            )
    }

    fn feedback(statuses: Vec<PacketStatus>) -> TransportFeedback {
        TransportFeedback {
            sender: Ssrc(1),
            media: Ssrc(2),
            base_sequence_number: 10,
            reference_time: -2,
            feedback_count: 7,
            statuses,
        }
    }

    use PacketStatus::{Lost, Received};

    #[test]
    fn a_run_of_what_is_the_same() {
        testing::vector(
            "8fcd0005 00000001 00000002 000a0002 fffffe07 2002 0404",
            &Packet::TransportFeedback(feedback(vec![Received(4); 2])),
        );
    }

    #[test]
    fn a_vector_of_one_bit_and_small_deltas() {
        let statuses = vec![Received(1), Lost, Received(255), Lost, Lost, Lost, Lost, Received(2)];
        testing::vector(
            "afcd0006 00000001 00000002 000a0008 fffffe07 a840 01 ff 02 000003",
            &Packet::TransportFeedback(feedback(statuses)),
        );
    }

    #[test]
    fn a_vector_of_two_bits_and_large_deltas() {
        let statuses = vec![Received(1), Received(-1), Received(255), Received(256), Lost];
        testing::vector(
            "8fcd0006 00000001 00000002 000a0005 fffffe07 d980 01 ffff ff 0100",
            &Packet::TransportFeedback(feedback(statuses)),
        );
    }

    #[test]
    fn arrivals_add_up() {
        let feedback = feedback(vec![Received(1), Lost, Received(-3)]);
        let arrivals: Vec<_> = feedback.arrivals().collect();
        assert_eq!(arrivals, [(10, Some(-511)), (11, None), (12, Some(-514))]);
    }

    #[test]
    fn the_reserved_symbol_is_refused() {
        let octets = testing::hex("8fcd0005 00000001 00000002 000a0001 fffffe07 6001 0000");
        assert_eq!(parse(&octets).unwrap_err().field, "packet chunk");
    }

    #[test]
    fn row_65_a_count_that_no_chunk_covers_reserves_nothing() {
        let octets = testing::hex("8fcd0005 00000001 00000002 000affff fffffe07 0000 0000");
        assert_eq!(parse(&octets).unwrap_err().field, "packet chunk");
    }

    #[test]
    fn row_65_deltas_that_are_not_there() {
        let octets = testing::hex("8fcd0005 00000001 00000002 000a1000 fffffe07 3fff 0000");
        assert_eq!(parse(&octets).unwrap_err().field, "recv delta");
    }

    #[test]
    fn row_65_a_compound_expands_to_65_535_statuses() {
        let most = feedback(vec![Lost; MAX_STATUSES]);
        let octets = write(&[Packet::TransportFeedback(most.clone())]);
        // Nine runs of at most 8,191.
        assert_eq!(octets.len(), 20 + 18 + 2);
        assert_eq!(parse(&octets).unwrap(), [Packet::TransportFeedback(most.clone())]);
        let one_more = Packet::TransportFeedback(feedback(vec![Lost]));
        let bomb = write(&[Packet::TransportFeedback(most), one_more]);
        assert_eq!(parse(&bomb).unwrap_err().field, "packet status count");
    }

    /// The fewest chunks there can be, tried from the end.
    fn fewest_chunks(statuses: &[PacketStatus]) -> usize {
        let mut fewest = vec![0; statuses.len() + 1];
        for at in (0..statuses.len()).rev() {
            let rest = &statuses[at..];
            let symbols: Vec<Symbol> = rest.iter().copied().map(Symbol::of).collect();
            let after = |covered: usize| fewest[(at + covered).min(statuses.len())];
            let run = symbols.iter().take_while(|&&symbol| symbol == symbols[0]).count();
            let runs = (1..=run).map(after).min();
            let one_bit = symbols.iter().take(14).all(|&symbol| symbol != Symbol::Large);
            let vectors = [Some(after(7)), one_bit.then(|| after(14))];
            fewest[at] = 1 + vectors.into_iter().flatten().chain(runs).min().unwrap();
        }
        fewest[0]
    }

    proptest! {
        #[test]
        fn written_in_few_chunks(statuses in any_statuses()) {
            let (mut rest, mut chunks) = (&statuses[..], 0);
            while !rest.is_empty() {
                rest = rest.get(Chunk::longest(rest).length()..).unwrap_or_default();
                chunks += 1;
            }
            prop_assert!(chunks <= 2 * fewest_chunks(&statuses));
        }

        #[test]
        fn never_panics_behind_the_sources(body in testing::octets(60), count in 0u16..200) {
            let mut octets = BytesMut::from(&testing::hex("00000001 00000002 0000")[..]);
            octets.put_u16(count);
            octets.put_slice(&body);
            testing::never_panics(packet_type::TRANSPORT_FEEDBACK, 15, octets.freeze());
        }
    }

    testing::properties!(any_feedback(), packet_type::TRANSPORT_FEEDBACK, 15u8..=15);
}
