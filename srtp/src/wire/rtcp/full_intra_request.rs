//! Full intra request (206, FMT 4): send a keyframe, as a command, RFC 5104 §4.3.1.
//!
//! The FCI, behind what [`super::feedback`] shows (there the media source is 0), is one or more of
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              SSRC                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Seq nr.       |    Reserved                                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::many0;
use nom::number::complete::{be_u8, be_u24, be_u32};

use super::super::field::{Parsed, field};
use super::super::identifier::Ssrc;
use super::feedback;

/// Full intra request, RFC 5104 §4.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullIntraRequest {
    /// Who asks.
    pub sender: Ssrc,
    /// Whom, and the command's sequence number; a repeated number is the same command.
    pub entries: Vec<(Ssrc, u8)>,
}

impl FullIntraRequest {
    pub(super) const FORMAT: u8 = 4;

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, (sender, _)) = feedback::parse_ssrcs(input)?;
        let (rest, entries) = many0(parse_entry).parse_complete(rest)?;
        Ok((rest, Self { sender, entries }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        feedback::write_ssrcs(self.sender, feedback::NO_MEDIA, out);
        for (ssrc, number) in &self.entries {
            out.put_u32(ssrc.0);
            out.put_u8(*number);
            out.put_bytes(0, 3);
        }
    }
}

fn parse_entry(input: &[u8]) -> Parsed<'_, (Ssrc, u8)> {
    let (rest, ssrc) = field("SSRC", map(be_u32, Ssrc)).parse_complete(input)?;
    let (rest, number) = field("Seq nr.", be_u8).parse_complete(rest)?;
    let (rest, _) = field("Reserved", be_u24).parse_complete(rest)?;
    Ok((rest, (ssrc, number)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_full_intra_request() -> impl Strategy<Value = Packet> {
        let entries = prop::collection::vec((testing::any_ssrc(), any::<u8>()), 0..4);
        (testing::any_ssrc(), entries).prop_map(|(sender, entries)| {
            Packet::FullIntraRequest(FullIntraRequest { sender, entries })
        })
    }

    #[test]
    fn the_figure_of_rfc_5104_section_4_3_1() {
        let request = FullIntraRequest { sender: Ssrc(1), entries: vec![(Ssrc(2), 3)] };
        testing::vector(
            "84ce0004 00000001 00000000 00000002 03 000000",
            &Packet::FullIntraRequest(request),
        );
        let half = testing::hex("84ce0003 00000001 00000000 00000002");
        assert!(super::super::parse(&half).is_err());
    }

    #[test]
    fn row_65_eight_thousand_requests_are_read_in_one_pass() {
        let mut octets = BytesMut::from(&testing::hex("84ce3e82 00000001 00000000")[..]);
        octets.extend_from_slice(&[0, 0, 0, 2, 3, 0, 0, 0].repeat(8_000));
        let packets = super::super::parse(&octets.freeze()).unwrap();
        let Packet::FullIntraRequest(request) = &packets[0] else { panic!("{packets:?}") };
        assert_eq!(request.entries.len(), 8_000);
    }

    testing::properties!(any_full_intra_request(), packet_type::PAYLOAD_FEEDBACK, 4u8..=4);
}
