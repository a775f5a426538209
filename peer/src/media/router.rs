//! Whose packet is this? The section of a bundle that an unknown source belongs to.
//!
//! RFC 9143 §9.2, RFC 8852 (rid), RFC 4588 §8.8 (repair of which source).
//!
//! ```text
//!   header extension mid ──► section of that mid, or dropped
//!        │ none
//!   a=ssrc of a description ──► that section
//!        │ not announced
//!   payload type ──► the one section that has it
//!        │ none or several
//!     dropped
//! ```
//!
//! - This table is made of descriptions only. What packets teach (a source's section) is kept with
//!   the source, among a bounded number of them.
//! - The payload type then says codec, or repair of one; a type the section does not have is dropped.
//!
//! Book: the chapter on RTP.

use std::collections::BTreeMap;

use srtp::rtp::{Extensions, Header};
use srtp::{PayloadType, Ssrc};

use super::parameters::{AgreedCodec, Extension, ReceiveParameters, SectionParameters};
use super::{Rid, TransceiverId};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A stream of media.
    Media,
    /// Retransmissions (RFC 4588), of this source if it was said.
    Repair(Option<Ssrc>),
}

/// The sections in force, by what their packets are recognised by.
#[derive(Debug, Default)]
pub(crate) struct Router {
    mid: Option<u8>,
    rid: Option<u8>,
    repaired_rid: Option<u8>,
    by_mid: BTreeMap<String, TransceiverId>,
    by_ssrc: BTreeMap<Ssrc, TransceiverId>,
    repairs: BTreeMap<Ssrc, Ssrc>,
    /// `None`: more than one section has it.
    by_payload_type: BTreeMap<u8, Option<TransceiverId>>,
}

impl Router {
    /// The table of these sections.
    pub(crate) fn new<'a>(sections: impl Iterator<Item = &'a SectionParameters>) -> Self {
        let mut router = Self::default();
        for section in sections {
            let Some(receive) = &section.receive else { continue };
            let id = |extension| section.extensions.get(&extension).copied();
            router.mid = router.mid.or(id(Extension::Mid));
            router.rid = router.rid.or(id(Extension::Rid));
            router.repaired_rid = router.repaired_rid.or(id(Extension::RepairedRid));
            router.by_mid.insert(section.mid.clone(), section.transceiver);
            for ssrc in &receive.ssrcs {
                router.by_ssrc.insert(*ssrc, section.transceiver);
            }
            for (media, repair) in &receive.rtx_of {
                router.repairs.insert(*repair, *media);
                router.by_ssrc.insert(*repair, section.transceiver);
            }
            for payload_type in receive.codecs.iter().flat_map(payload_types) {
                let sole = router.by_payload_type.entry(payload_type.0);
                sole.and_modify(|other| *other = other.filter(|id| *id == section.transceiver))
                    .or_insert(Some(section.transceiver));
            }
        }
        router
    }

    /// The section that a packet names, if it names one.
    pub(crate) fn named<'a>(&self, extensions: &'a Extensions) -> Option<&'a [u8]> {
        extensions.get(self.mid?)
    }

    /// The section of a source that is not known yet.
    pub(crate) fn section(&self, header: &Header) -> Option<TransceiverId> {
        if let Some(mid) = self.named(&header.extensions) {
            return self.by_mid.get(std::str::from_utf8(mid).ok()?).copied();
        }
        let by_payload_type = || *self.by_payload_type.get(&header.payload_type.0)?;
        self.by_ssrc.get(&header.ssrc).copied().or_else(by_payload_type)
    }

    /// What a source of a section is; `None` if the section does not have it.
    pub(crate) fn route(
        &self,
        receive: &ReceiveParameters,
        header: &Header,
    ) -> Option<(Role, Option<Rid>)> {
        let (_, is_repair) = codec_of(receive, header.payload_type)?;
        let (role, id) = if is_repair {
            (Role::Repair(self.repairs.get(&header.ssrc).copied()), self.repaired_rid)
        } else {
            (Role::Media, self.rid)
        };
        let Some(value) = id.and_then(|id| header.extensions.get(id)) else {
            return Some((role, None));
        };
        if receive.rids.is_empty() {
            return Some((role, None));
        }
        let rid = receive.rids.iter().find(|rid| rid.0.as_bytes() == value)?;
        Some((role, Some(rid.clone())))
    }
}

fn payload_types(codec: &AgreedCodec) -> impl Iterator<Item = PayloadType> {
    [codec.parameters.payload_type].into_iter().chain(codec.rtx)
}

/// The codec of a payload type, and whether it is its repair.
pub(crate) fn codec_of(
    receive: &ReceiveParameters,
    payload_type: PayloadType,
) -> Option<(&AgreedCodec, bool)> {
    receive.codecs.iter().find_map(|codec| {
        let is_repair = codec.rtx == Some(payload_type);
        let is_of = is_repair || codec.parameters.payload_type == payload_type;
        is_of.then_some((codec, is_repair))
    })
}
