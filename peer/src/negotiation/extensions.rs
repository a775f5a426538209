//! The header extensions we know, and the ids they have on a connection.
//!
//! RFC 8285 §5, §6; RFC 9143 §13 (an id means the same in all sections of a bundle); RFC 9429 §5.2.1.
//!
//! The offerer chooses the ids and the answerer keeps them. What an id once meant it means for good,
//! so an offer of ours after one of the peer's has the ids of the peer.
//! Book: the chapter on offer and answer.

use std::collections::{BTreeMap, BTreeSet};

use sdp::{Direction, ExtensionMap, Lines, Section};

use crate::media::MediaKind;
use crate::media::parameters::Extension;

/// Ids that the one-byte form can carry (RFC 8285 §4.2); 15 is reserved there.
const ONE_BYTE_IDS: std::ops::RangeInclusive<u8> = 1..=14;

/// An extension, its URI, and the id we offer it under if that is free.
const KNOWN: [(Extension, &str, u8); 6] = [
    (Extension::AudioLevel, "urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
    (Extension::AbsoluteSendTime, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", 2),
    (
        Extension::TransportSequenceNumber,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        3,
    ),
    (Extension::Mid, "urn:ietf:params:rtp-hdrext:sdes:mid", 4),
    (Extension::Rid, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", 10),
    (Extension::RepairedRid, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", 11),
];

/// An extension in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) extension: Extension,
    pub(crate) id: u8,
    /// Seen from the section's writer; `None`: as the section.
    pub(crate) direction: Option<Direction>,
}

impl Mapped {
    pub(crate) fn write(&self, lines: &mut Lines) {
        if let Some((_, uri, _)) = KNOWN.iter().find(|(known, ..)| *known == self.extension) {
            let map = ExtensionMap { id: u16::from(self.id), direction: self.direction, uri };
            lines.push_attribute("extmap", map);
        }
    }
}

/// The ids of the connection: those in use, and those that stand for something of the peer's.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionIds {
    known: BTreeMap<Extension, u8>,
    taken: BTreeSet<u8>,
}

impl ExtensionIds {
    /// Notes the ids of a section. The first meaning stays.
    pub(crate) fn register(&mut self, section: &Section<'_>) {
        for Mapped { extension, id, .. } in read(section) {
            self.known.entry(extension).or_insert(id);
        }
        let ids = section.extension_maps().filter_map(|map| u8::try_from(map.id).ok());
        self.taken.extend(ids);
    }

    /// The id to offer an extension under.
    fn id(&mut self, extension: Extension, wanted: u8) -> Option<u8> {
        if let Some(id) = self.known.get(&extension) {
            return Some(*id);
        }
        let mut candidates = std::iter::once(wanted).chain(ONE_BYTE_IDS);
        let id = candidates.find(|id| !self.taken.contains(id))?;
        self.taken.insert(id);
        self.known.insert(extension, id);
        Some(id)
    }
}

fn suits(extension: Extension, kind: MediaKind) -> bool {
    match extension {
        Extension::AudioLevel => kind == MediaKind::Audio,
        Extension::Rid | Extension::RepairedRid => kind == MediaKind::Video,
        Extension::Mid | Extension::AbsoluteSendTime | Extension::TransportSequenceNumber => true,
    }
}

/// What we offer in a section.
pub(crate) fn offer(kind: MediaKind, ids: &mut ExtensionIds) -> Vec<Mapped> {
    let suiting = KNOWN.into_iter().filter(|(extension, ..)| suits(*extension, kind));
    suiting
        .filter_map(|(extension, _, wanted)| {
            let id = ids.id(extension, wanted)?;
            Some(Mapped { extension, id, direction: None })
        })
        .collect()
}

/// What we answer to a section: what of it we know, under its ids (RFC 8285 §6).
pub(crate) fn answer(section: &Section<'_>, kind: MediaKind) -> Vec<Mapped> {
    let offered = read(section).into_iter().filter(|mapped| suits(mapped.extension, kind));
    offered
        .map(|mapped| Mapped { direction: mapped.direction.map(Direction::reversed), ..mapped })
        .collect()
}

/// The extensions of a section that we know, each once. Of an id that is said to mean two things
/// the first one counts, whether we know it or not.
fn read(section: &Section<'_>) -> Vec<Mapped> {
    let is_mixed = section.extmap_allow_mixed();
    let mut ids = BTreeSet::new();
    let mut mapped: Vec<Mapped> = Vec::new();
    for ExtensionMap { id, direction, uri } in section.extension_maps() {
        let is_first = ids.insert(id);
        let Some((extension, ..)) = KNOWN.into_iter().find(|(_, known, _)| *known == uri) else {
            continue;
        };
        let Ok(id) = u8::try_from(id) else { continue };
        // Beyond 14 only the two-byte form can say it, which both must allow (RFC 8285 §6).
        let fits = ONE_BYTE_IDS.contains(&id) || (is_mixed && id > 15);
        let is_new = is_first && mapped.iter().all(|other| other.extension != extension);
        if fits && is_new && direction != Some(Direction::Inactive) {
            mapped.push(Mapped { extension, id, direction });
        }
    }
    mapped
}

/// What both sides have: the ids in packets, both ways.
pub(crate) fn agreed(ours: &Section<'_>, theirs: &Section<'_>) -> BTreeMap<Extension, u8> {
    let theirs = read(theirs);
    let same = |mapped: &Mapped| {
        theirs.iter().any(|other| (other.extension, other.id) == (mapped.extension, mapped.id))
    };
    read(ours).into_iter().filter(same).map(|mapped| (mapped.extension, mapped.id)).collect()
}
