//! Offers and answers, made from the slots and the transceivers.
//!
//! RFC 9429 §5.2 (offers), §5.3 (answers); RFC 3264 §8; RFC 9143 §7.2, §7.3.
//! Book: the chapter on offer and answer.

use std::collections::BTreeSet;

use sdp::{Origin, Session, Setup};

use super::local::Draft;
use super::media_section::MediaSection;
use super::remote::Bundles;
use super::slot::{Purpose, Slot};
use super::{
    Created, LocalTransport, Negotiation, SdpType, SessionDescription, SetupRole, State, codecs,
};
use crate::Error;

impl Negotiation {
    /// An offer: all known sections in their places, those of new transceivers, and one for data if
    /// there is a channel, or nothing else to offer (RFC 9429 §5.2).
    ///
    /// DEVIATION RFC 9429 §5.2.1: no `a=tls-id`, which no browser sends: a changed fingerprint says
    /// the same.
    pub(crate) fn create_offer(&mut self, local: &LocalTransport) -> SessionDescription {
        let slots = self.offered_slots();
        let slots = self.with_media(slots);
        let alive = || slots.iter().filter(|(slot, _)| slot.is_alive());
        let bundle = alive().filter_map(|(slot, _)| slot.mid.clone()).collect();
        let is_mixed = alive().any(|(slot, _)| slot.transceiver().is_some());
        let draft = Draft { slots, bundle, setup: Setup::ActPass, is_mixed };
        let session = self.create(&draft, local);
        let sdp = session.to_string();
        let slots = draft.slots.into_iter().map(|(slot, _)| slot).collect();
        self.created_offer = Some(Created { session, slots });
        SessionDescription { kind: SdpType::Offer, sdp }
    }

    /// The m= lines of an offer (RFC 9429 §5.2.2): stopped ones are rejected, and new transceivers take
    /// the places that are free by now, then new ones.
    fn offered_slots(&self) -> Vec<Slot> {
        let mut slots = self.slots.clone();
        for slot in &mut slots {
            let transceiver = slot.transceiver().and_then(|id| self.transceivers.get(id));
            if transceiver.is_some_and(|transceiver| transceiver.stopped) {
                slot.purpose = Purpose::Rejected;
            }
        }
        let is_free = |slot: &Slot| slot.purpose == Purpose::Rejected;
        // Not those that are only now being stopped: the peer must see port 0 first.
        let mut free: Vec<usize> = (0..self.slots.len())
            .filter(|index| self.slots.get(*index).is_some_and(is_free))
            .collect();
        free.reverse();
        let placed: Vec<_> = slots.iter().filter_map(Slot::transceiver).collect();
        let waits = |id| !placed.contains(&id);
        for transceiver in self.transceivers.iter() {
            if transceiver.stopped || !waits(transceiver.id) {
                continue;
            }
            let slot = Slot::media(transceiver.id, transceiver.kind, self.unused_mid(&slots));
            match free.pop().and_then(|index| slots.get_mut(index)) {
                Some(place) => *place = slot,
                None => slots.push(slot),
            }
        }
        let has_data = slots.iter().any(|slot| slot.purpose == Purpose::Data);
        let has_media = slots.iter().any(|slot| slot.transceiver().is_some());
        if !has_data && (self.wants_data || !has_media) {
            slots.push(Slot::data(self.unused_mid(&slots)));
        }
        slots
    }

    /// What each section of media offers. Numbers that are new here are settled by the answer.
    fn with_media(&self, slots: Vec<Slot>) -> Vec<(Slot, Option<MediaSection>)> {
        let (mut payload_types, mut ids) = (self.payload_types.clone(), self.extension_ids.clone());
        let ours = self.local.as_ref().map(|described| &described.session);
        let section = |(index, slot): (usize, Slot)| {
            let transceiver = slot.transceiver().and_then(|id| self.transceivers.get(id));
            let media = transceiver.map(|transceiver| {
                let known = ours.and_then(|session| session.sections().nth(index));
                let known = known.filter(|section| section.mid() == slot.mid.as_deref());
                let agreed = known.map(|section| codecs::read(&section)).unwrap_or_default();
                let cname = &self.cname;
                MediaSection::offer(transceiver, agreed, &mut payload_types, &mut ids, cname)
            });
            (slot, media)
        };
        slots.into_iter().enumerate().map(section).collect()
    }

    /// An answer to the pending offer (RFC 9429 §5.3): data is accepted, and media as far as there is
    /// a codec in common and the transceiver is not stopped.
    ///
    /// DEVIATION RFC 9429 §5.3.1: a tagged section is rejected although others of its group are
    /// accepted, if those can stand alone. Browsers take the first accepted section for the tagged one.
    pub(crate) fn create_answer(
        &mut self,
        local: &LocalTransport,
    ) -> Result<SessionDescription, Error> {
        let state = self.signaling_state();
        let (State::HaveRemoteOffer { incoming } | State::HaveLocalPranswer { incoming, .. }) =
            &self.state
        else {
            return Err(Error::WrongState { kind: SdpType::Answer, state });
        };
        let role = match incoming.remote() {
            Some(remote) => self.role_for(remote)?,
            None => self.preferred_role,
        };
        let draft = self.draft_answer(incoming, role);
        let session = self.create(&draft, local);
        let sdp = session.to_string();
        let slots = draft.slots.into_iter().map(|(slot, _)| slot).collect();
        self.created_answer = Some((Created { session, slots }, role));
        Ok(SessionDescription { kind: SdpType::Answer, sdp })
    }

    fn draft_answer(&self, incoming: &super::incoming::Incoming, role: SetupRole) -> Draft {
        let offer = &incoming.offer;
        let section = |(slot, offered): (&Slot, sdp::Section<'_>)| {
            let mut slot = slot.clone();
            let transceiver = slot.transceiver().and_then(|id| self.transceivers.get(id));
            let media = transceiver
                .filter(|transceiver| !transceiver.stopped)
                .and_then(|transceiver| MediaSection::answer(transceiver, &offered, &self.cname));
            if slot.purpose != Purpose::Data && media.is_none() {
                slot.purpose = Purpose::Rejected;
            }
            (slot, media)
        };
        let mut slots: Vec<_> = incoming.slots.iter().zip(offer.sections()).map(section).collect();
        let is_anything_accepted = slots.iter().any(|(slot, _)| slot.is_alive());
        if let Some((lead, carrier)) = incoming.carrier()
            && let Some((slot, _)) = slots.get_mut(lead).filter(|(slot, _)| !slot.is_alive())
        {
            // A transport that exists already needs nobody to carry it.
            let known = self.slots.get(lead).map(|slot| &slot.purpose);
            let was_carrier = matches!(known, Some(Purpose::Carrier(_)));
            if is_anything_accepted && (self.agreed.is_none() || was_carrier) {
                slot.purpose = carrier;
            }
        }
        let alive: BTreeSet<&str> = slots
            .iter()
            .filter(|(slot, _)| slot.is_alive())
            .filter_map(|(slot, _)| slot.mid.as_deref())
            .collect();
        // RFC 9143 §7.3.1: the offerer's order, so that the tagged section stays the tagged one.
        let lead = incoming.lead_section();
        let group = lead.and_then(|lead| Bundles::of(offer).group(&lead));
        let bundle = group
            .into_iter()
            .flat_map(|group| group.mids().filter(|mid| alive.contains(mid)).collect::<Vec<_>>())
            .map(str::to_owned)
            .collect();
        let is_mixed =
            offer.lines.has("extmap-allow-mixed") && slots.iter().any(|(_, media)| media.is_some());
        Draft { slots, bundle, setup: role.setup(), is_mixed }
    }

    /// Writes a description; its version goes up by one if it differs from the last one created
    /// (RFC 9429 §5.2.2, RFC 3264 §8).
    fn create(&mut self, draft: &Draft, local: &LocalTransport) -> Session {
        let mut session = draft.write(Origin::new(self.session_id, self.version), local);
        if self.last_created.as_ref().is_some_and(|last| *last != session) {
            self.version = self.version.wrapping_add(1);
            session.origin.version = self.version;
        }
        self.last_created = Some(session.clone());
        session
    }

    /// A mid that no section has, nor had in a place that is used again: browsers count up, too.
    fn unused_mid(&self, slots: &[Slot]) -> String {
        let all = || self.slots.iter().chain(slots);
        let is_used = |mid: &str| all().any(|slot| slot.mid.as_deref() == Some(mid));
        let first = self.last_mid.map_or(0, |last| last.saturating_add(1));
        // One candidate more than there are slots: one of them is free.
        let mut mids = (first..).take(all().count().saturating_add(1)).map(|mid| mid.to_string());
        mids.find(|mid| !is_used(mid)).unwrap_or_default()
    }
}
