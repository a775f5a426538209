//! BYE (203): these sources are over, RFC 3550 §6.6.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|    SC   |   PT=BYE=203  |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                           SSRC/CSRC                           \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     length    |               reason for leaving            ...   (optional)
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::multi::count;
use nom::number::complete::{be_u8, be_u32};

use super::super::field::{Parsed, field, octets};
use super::super::identifier::Ssrc;
use super::header::counted;

/// Goodbye, RFC 3550 §6.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Who leaves, at most 31.
    pub ssrcs: Vec<Ssrc>,
    /// Why, at most 255 octets.
    pub reason: Option<Bytes>,
}

impl Goodbye {
    pub(super) fn parse<'a>(packet: &Bytes, sc: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        let ssrc = field("SSRC/CSRC", map(be_u32, Ssrc));
        let (rest, ssrcs) = count(ssrc, sc.into()).parse_complete(input)?;
        if rest.is_empty() {
            return Ok((rest, Self { ssrcs, reason: None }));
        }
        let (rest, length) = field("length", be_u8).parse_complete(rest)?;
        let (mut rest, reason) =
            field("reason for leaving", octets(packet, length.into())).parse_complete(rest)?;
        // Zeros up to a whole word; more than that is no padding, and the caller refuses it.
        let padding = rest.len().min(3);
        if padding > 0 {
            (rest, _) = field("padding", take(padding)).parse_complete(rest)?;
        }
        Ok((rest, Self { ssrcs, reason: Some(reason) }))
    }

    /// Appends as many sources as a packet can count; of a longer reason, the first 255 octets.
    pub(super) fn write(&self, out: &mut BytesMut) {
        for ssrc in counted(&self.ssrcs).0 {
            out.put_u32(ssrc.0);
        }
        if let Some(reason) = &self.reason {
            let reason = reason.get(..255).unwrap_or(reason);
            out.put_u8(u8::try_from(reason.len()).unwrap_or(u8::MAX));
            out.put_slice(reason);
            let length = reason.len() + 1;
            out.put_bytes(0, length.next_multiple_of(4) - length);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_goodbye() -> impl Strategy<Value = Packet> {
        let ssrcs = prop::collection::vec(testing::any_ssrc(), 0..4);
        (ssrcs, prop::option::of(testing::octets(20)))
            .prop_map(|(ssrcs, reason)| Packet::Goodbye(Goodbye { ssrcs, reason }))
    }

    #[test]
    fn with_and_without_a_reason_rfc_3550_section_6_6() {
        let silent = Goodbye { ssrcs: vec![Ssrc(1), Ssrc(2)], reason: None };
        testing::vector("82cb0002 00000001 00000002", &Packet::Goodbye(silent));
        let reason = Some(Bytes::from_static(b"done"));
        let polite = Goodbye { ssrcs: vec![Ssrc(1)], reason };
        testing::vector("81cb0003 00000001 04 646f6e65 000000", &Packet::Goodbye(polite));
    }

    #[test]
    fn row_64_a_goodbye_that_lies() {
        // Sources that are not there; a reason longer than the packet; words behind the reason.
        for lie in
            ["82cb0001 00000001", "81cb0002 00000001 04 646f6e", "80cb0002 01610000 00000000"]
        {
            assert!(super::super::parse(&testing::hex(lie)).is_err(), "{lie}");
        }
    }

    testing::properties!(any_goodbye(), packet_type::GOODBYE, 0u8..4);
}
