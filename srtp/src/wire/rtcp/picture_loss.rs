//! Picture loss indication (206, FMT 1): please send a keyframe, RFC 4585 §6.3.1.
//!
//! The packet ends with what [`super::feedback`] shows: there is no FCI.

use bytes::BytesMut;

use super::super::field::Parsed;
use super::super::identifier::Ssrc;
use super::feedback;

/// Picture loss indication, RFC 4585 §6.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLoss {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
}

impl PictureLoss {
    pub(super) const FORMAT: u8 = 1;

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, (sender, media)) = feedback::parse_ssrcs(input)?;
        Ok((rest, Self { sender, media }))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        feedback::write_ssrcs(self.sender, self.media, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::super::{Packet, header::packet_type};
    use super::*;

    fn any_picture_loss() -> impl Strategy<Value = Packet> {
        (testing::any_ssrc(), testing::any_ssrc())
            .prop_map(|(sender, media)| Packet::PictureLoss(PictureLoss { sender, media }))
    }

    #[test]
    fn it_has_no_control_information_rfc_4585_section_6_3_1() {
        let loss = PictureLoss { sender: Ssrc(1), media: Ssrc(2) };
        testing::vector("81ce0002 00000001 00000002", &Packet::PictureLoss(loss));
        testing::refused_when_cut("81ce0002 00000001 00000002");
        let surplus = testing::hex("81ce0003 00000001 00000002 00000003");
        assert_eq!(super::super::parse(&surplus).unwrap_err().field, "length");
    }

    testing::properties!(any_picture_loss(), packet_type::PAYLOAD_FEEDBACK, 1u8..=1);
}
