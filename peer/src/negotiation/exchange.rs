//! Descriptions take effect: what an offer, an answer and a rollback change.
//!
//! RFC 9429 §5.5 to §5.7, §5.9 to §5.11; RFC 8842 §5.3, §5.5 (roles and certificates stay).
//!
//! What can be refused is refused before anything changes.
//! Book: the chapter on offer and answer.

use std::collections::BTreeSet;

use sdp::{Section, Session, Setup};
use srtp::Ssrc;

use super::incoming;
use super::remote::{self, Bundles};
use super::slot::{self, Purpose, Slot};
use super::{
    Agreed, Agreement, Created, Described, Negotiation, Outcome, RemoteTransport, SdpType,
    SetupRole, State, codecs, sections,
};
use crate::Error;
use crate::media::parameters::SectionParameters;

impl Negotiation {
    /// Our offer is on its way: its new sections have transceivers from now on (RFC 9429 §5.9).
    pub(super) fn offer(&mut self, offer: Created) {
        self.transceivers.roll_back();
        self.transceivers.remember();
        for slot in &offer.slots {
            if let Some(id) = slot.transceiver()
                && let Some(transceiver) = self.transceivers.get_mut(id)
            {
                transceiver.mid.clone_from(&slot.mid);
            }
        }
        self.state = State::HaveLocalOffer { offer };
    }

    /// Our answer to the peer's offer takes effect (RFC 9429 §5.11).
    pub(super) fn answer(
        &mut self,
        kind: SdpType,
        answer: Created,
        role: SetupRole,
    ) -> Result<Outcome, Error> {
        let incoming = match std::mem::replace(&mut self.state, State::Stable) {
            State::HaveRemoteOffer { incoming } | State::HaveLocalPranswer { incoming, .. } => {
                incoming
            }
            other => {
                self.state = other;
                return Err(Error::WrongState { kind, state: self.signaling_state() });
            }
        };
        let Created { session, slots } = answer;
        let is_alive = slots.iter().any(Slot::is_alive);
        let agreement = incoming.remote().cloned().filter(|_| is_alive).map(|remote| {
            self.agreed = Some(Agreed::new(role, &remote));
            Box::new(Agreement { remote, role, offerer: false })
        });
        self.settle(&slots, &session, &incoming.offer, incoming.lead_section());
        for section in &self.sections {
            if let Some(transceiver) = self.transceivers.get_mut(section.transceiver) {
                transceiver.receives(section.receive.is_some());
            }
        }
        if kind == SdpType::PrAnswer {
            self.state = State::HaveLocalPranswer { incoming, answer: session };
        } else {
            let offer = incoming.offer;
            self.complete(
                slots,
                Described { kind, session },
                Described { kind: SdpType::Offer, session: offer },
            );
        }
        Ok(Outcome::Agreed(agreement))
    }

    /// The peer's answer to our offer takes effect (RFC 9429 §5.11).
    pub(super) fn accept_answer(
        &mut self,
        kind: SdpType,
        answer: Session,
    ) -> Result<Outcome, Error> {
        let (State::HaveLocalOffer { offer } | State::HaveRemotePranswer { offer, .. }) =
            &self.state
        else {
            return Err(Error::WrongState { kind, state: self.signaling_state() });
        };
        let offer = offer.clone();
        incoming::check_answer(&offer.session, &answer)?;
        remote::check_encryption(&answer)?;
        let lead = remote::lead_section(&answer, Section::is_dtls_srtp);
        let lead = lead.and_then(|index| answer.sections().nth(index));
        let agreement = self.read_answer(&offer, &answer, lead)?;
        let slots = slot::answered(offer.slots.clone(), &answer);
        if let Some(Agreement { remote, role, .. }) = agreement.as_deref() {
            self.agreed = Some(Agreed::new(*role, remote));
        }
        self.settle(&slots, &offer.session, &answer, lead);
        self.tell_tracks(&slots, &answer);
        if kind == SdpType::PrAnswer {
            self.state = State::HaveRemotePranswer { offer, answer };
        } else {
            // Asked for once and refused: to ask again after each exchange would never end.
            let refuses = |(before, after): (&Slot, &Slot)| {
                before.purpose == Purpose::Data && !after.is_alive()
            };
            self.wants_data &= !offer.slots.iter().zip(&slots).any(refuses);
            self.complete(
                slots,
                Described { kind: SdpType::Offer, session: offer.session },
                Described { kind, session: answer },
            );
        }
        Ok(Outcome::Agreed(agreement))
    }

    /// What the peer's answer settles for the transport; `None` if it accepts nothing.
    fn read_answer(
        &self,
        offer: &Created,
        answer: &Session,
        lead: Option<Section<'_>>,
    ) -> Result<Option<Box<Agreement>>, Error> {
        let Some(section) = lead else {
            let is_data_only = offer.slots.iter().all(|slot| slot.purpose == Purpose::Data);
            return if is_data_only { Err(Error::DataRejected) } else { Ok(None) };
        };
        let remote = RemoteTransport::read(answer, section)?;
        let role = match remote.setup {
            Some(Setup::Active) => SetupRole::Passive,
            // RFC 4145 §4.1: an answer that does not say is passive.
            Some(Setup::Passive) | None => SetupRole::Active,
            Some(Setup::ActPass | Setup::HoldConn) => return Err(Error::UndecidedRole),
        };
        if self.agreed.as_ref().is_some_and(|agreed| agreed.role != role) {
            return Err(Error::RoleChanged);
        }
        self.check_fingerprints(&remote)?;
        Ok(Some(Box::new(Agreement { remote, role, offerer: true })))
    }

    /// The peer's answer says on which transceivers it sends.
    fn tell_tracks(&mut self, slots: &[Slot], answer: &Session) {
        for (slot, section) in slots.iter().zip(answer.sections()) {
            if let Some(id) = slot.transceiver()
                && let Some(transceiver) = self.transceivers.get_mut(id)
            {
                let current = transceiver.current_direction;
                transceiver.remote_sends(current.is_some_and(sdp::Direction::receives));
                transceiver.remote_streams = sections::streams(&section);
            }
        }
    }

    /// What both descriptions say about media takes effect (RFC 9429 §5.10, §5.11), where it has the
    /// transport of `lead`.
    fn settle(
        &mut self,
        slots: &[Slot],
        local: &Session,
        remote: &Session,
        lead: Option<Section<'_>>,
    ) {
        let bundles = Bundles::of(remote);
        let before = std::mem::take(&mut self.sections);
        for (slot, (ours, theirs)) in slots.iter().zip(local.sections().zip(remote.sections())) {
            let Some(transceiver) = slot.transceiver().and_then(|id| self.transceivers.get_mut(id))
            else {
                continue;
            };
            let shares = |lead| bundles.shares(&lead, &theirs);
            if transceiver.stopped || !lead.is_some_and(shares) {
                continue;
            }
            transceiver.current_direction = Some(sections::direction(&ours, &theirs));
            self.sections.push(sections::settle(transceiver, &ours, &theirs));
        }
        let sent = |sections: &[SectionParameters]| -> BTreeSet<Ssrc> {
            let sends = sections.iter().filter_map(|section| section.send.as_ref());
            sends.flat_map(|send| &send.sources).map(|source| source.ssrc).collect()
        };
        for ssrc in sent(&before).difference(&sent(&self.sections)) {
            self.transceivers.renew_source(*ssrc);
        }
    }

    /// The exchange is over: both descriptions are in force.
    fn complete(&mut self, slots: Vec<Slot>, local: Described, remote: Described) {
        for session in [&local.session, &remote.session] {
            for section in session.sections().filter(|section| section.is_dtls_srtp()) {
                codecs::register(&mut self.payload_types, &section);
                self.extension_ids.register(&section);
            }
        }
        // Larger numbers are names that somebody else made up.
        let mids = slots.iter().filter_map(|slot| slot.mid.as_ref()?.parse::<u16>().ok());
        self.last_mid = mids.filter(|mid| *mid < 10_000).chain(self.last_mid).max();
        let living: BTreeSet<_> = slots.iter().filter_map(Slot::transceiver).collect();
        self.transceivers.complete(&living);
        self.slots = slots;
        self.local = Some(local);
        self.remote = Some(remote);
        self.created_offer = None;
        self.created_answer = None;
        self.state = State::Stable;
    }

    /// Forgets what is pending (RFC 9429 §5.7).
    pub(super) fn roll_back(&mut self) -> Outcome {
        self.state = State::Stable;
        self.created_offer = None;
        self.created_answer = None;
        self.transceivers.roll_back();
        Outcome::RolledBack
    }

    /// Our role in the answer to an offer: the agreed one, else what the offer leaves us
    /// (RFC 8842 §5.3, RFC 9429 §5.3.1).
    pub(super) fn role_for(&self, remote: &RemoteTransport) -> Result<SetupRole, Error> {
        let wanted = match remote.setup {
            Some(Setup::ActPass) => None,
            Some(Setup::Passive) => Some(SetupRole::Active),
            // RFC 4145 §4.1: an offer that does not say is active.
            Some(Setup::Active) | None => Some(SetupRole::Passive),
            Some(Setup::HoldConn) => return Err(Error::HoldConnection),
        };
        match (self.agreed.as_ref().map(|agreed| agreed.role), wanted) {
            (Some(agreed), Some(wanted)) if agreed != wanted => Err(Error::RoleChanged),
            (Some(agreed), _) => Ok(agreed),
            (None, wanted) => Ok(wanted.unwrap_or(self.preferred_role)),
        }
    }

    /// The peer keeps its certificate (RFC 8842 §5.5: another one asks for a new DTLS connection,
    /// which we do not make).
    pub(super) fn check_fingerprints(&self, remote: &RemoteTransport) -> Result<(), Error> {
        match &self.agreed {
            Some(agreed) if agreed.fingerprints != remote.fingerprints => {
                Err(Error::FingerprintChanged)
            }
            _ => Ok(()),
        }
    }
}
