//! The peer's offer, read and checked, and what each of its sections is to us.
//!
//! RFC 9429 §5.8 (parsing), §5.10 (applying a remote description); RFC 3264 §8 (what may change).
//!
//! ```text
//!   text ─► Session ─► Incoming { lead, remote }  ─ checked; nothing has changed so far
//!                          │ apply: transceivers for its sections, tracks told
//!                          ▼
//!                      slots: Data, Media(transceiver), Carrier, Rejected
//! ```
//! Book: the chapter on offer and answer.

use sdp::{Section, Session};

use super::remote::{self, Bundles, RemoteTransport};
use super::slot::{self, Purpose, Slot};
use super::transceiver::Transceivers;
use super::{codecs, sections};
use crate::Error;
use crate::media::MediaKind;

/// An offer of the peer that awaits our answer.
pub(crate) struct Incoming {
    pub(crate) offer: Session,
    /// The section whose transport it is, and the transport; `None`: there is nothing to accept.
    pub(crate) lead: Option<(usize, RemoteTransport)>,
    /// What each section could be. The answer decides.
    pub(crate) slots: Vec<Slot>,
}

impl Incoming {
    /// Reads an offer. `slots`: the m= lines so far.
    ///
    /// # Errors
    /// It lacks what WebRTC cannot go without, or changes what cannot be changed.
    pub(crate) fn read(offer: Session, slots: &[Slot]) -> Result<Self, Error> {
        remote::check_encryption(&offer)?;
        check_places(&offer, slots)?;
        let bundles = Bundles::of(&offer);
        let lead = remote::lead_section(&offer, |section| is_media(&bundles, section).is_some());
        let lead = match lead.and_then(|index| Some((index, offer.sections().nth(index)?))) {
            Some((index, section)) => Some((index, RemoteTransport::read(&offer, section)?)),
            None => None,
        };
        Ok(Self { offer, lead, slots: Vec::new() })
    }

    pub(crate) fn remote(&self) -> Option<&RemoteTransport> {
        self.lead.as_ref().map(|(_, remote)| remote)
    }

    pub(crate) fn lead_section(&self) -> Option<Section<'_>> {
        let (index, _) = self.lead.as_ref()?;
        self.offer.sections().nth(*index)
    }

    /// Finds the transceivers of its sections and tells them what the peer sends (RFC 9429 §5.10).
    pub(crate) fn apply(&mut self, known: &[Slot], transceivers: &mut Transceivers) {
        let bundles = Bundles::of(&self.offer);
        let lead = self.lead_section();
        let data = remote::data_section(&self.offer).map(|(index, _)| index);
        let mut slots = Vec::with_capacity(self.offer.media.len());
        for (index, section) in self.offer.sections().enumerate() {
            let is_shared = lead.is_some_and(|lead| bundles.shares(&lead, &section));
            let kind = is_media(&bundles, &section).filter(|_| is_shared);
            let purpose = if data == Some(index) && is_shared {
                Purpose::Data
            } else if let Some(kind) = kind.filter(|_| !section.is_rejected()) {
                media_purpose(&section, kind, known.get(index), transceivers)
            } else {
                Purpose::Rejected
            };
            slots.push(Slot::of_section(&section, purpose));
        }
        self.slots = slots;
    }

    /// The lead section, and its purpose where it is not accepted for itself: to carry the others.
    pub(crate) fn carrier(&self) -> Option<(usize, Purpose)> {
        let (index, _) = self.lead.as_ref()?;
        let section = self.lead_section().filter(Section::is_dtls_srtp)?;
        Some((*index, slot::carrier(&section)))
    }
}

/// The kind of a section of media that we could take part in.
fn is_media<'a>(bundles: &Bundles<'a>, section: &Section<'a>) -> Option<MediaKind> {
    let kind = slot::media_kind(section)?;
    let has_codec = || !codecs::answer(section, kind, &[]).is_empty();
    (bundles.has_rtcp_mux(*section) && has_codec()).then_some(kind)
}

fn media_purpose(
    section: &Section<'_>,
    kind: MediaKind,
    known: Option<&Slot>,
    transceivers: &mut Transceivers,
) -> Purpose {
    let direction = section.direction().reversed();
    let known = known.filter(|slot| slot.mid.as_deref() == section.mid());
    let id = match known.and_then(Slot::transceiver) {
        Some(id) => Some(id),
        None => transceivers.for_section(kind, direction),
    };
    let Some(transceiver) = id.and_then(|id| transceivers.get_mut(id)) else {
        return Purpose::Rejected;
    };
    if transceiver.stopped {
        return Purpose::Rejected;
    }
    // A section without a name (RFC 9429 §5.10 tolerates it) is known by its place.
    transceiver.mid = Some(section.mid().unwrap_or_default().to_owned());
    transceiver.remote_sends(direction.receives());
    transceiver.remote_streams = sections::streams(section);
    Purpose::Media(transceiver.id)
}

/// An offer may add sections but not remove or reorder them, nor use a living one for something else
/// (RFC 3264 §8, RFC 9429 §5.2.2).
fn check_places(offer: &Session, slots: &[Slot]) -> Result<(), Error> {
    if offer.media.len() < slots.len() {
        return Err(Error::MediaRemoved);
    }
    for (slot, section) in slots.iter().zip(offer.sections()) {
        let is_same = match slot.purpose {
            Purpose::Data => section.is_data_channel(),
            Purpose::Media(_) => {
                section.media.kind == slot.kind && section.mid() == slot.mid.as_deref()
            }
            Purpose::Carrier(_) | Purpose::Rejected => true,
        };
        if !is_same && !section.is_rejected() {
            return Err(Error::MediaChanged);
        }
    }
    Ok(())
}

/// An answer has the sections of its offer, in order (RFC 3264 §6), under the same names
/// (RFC 5888 §9.1), and accepts nothing that was rejected.
pub(crate) fn check_answer(offer: &Session, answer: &Session) -> Result<(), Error> {
    let matches = offer.media.len() == answer.media.len()
        && offer.sections().zip(answer.sections()).all(|(offered, answered)| {
            offered.media.kind == answered.media.kind
                && answered.mid().is_none_or(|mid| offered.mid() == Some(mid))
                && (answered.is_rejected() || !offered.is_rejected())
        });
    if matches { Ok(()) } else { Err(Error::AnswerMismatch) }
}
