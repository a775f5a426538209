//! Offer and answer for data channels: who may say what when, and what both have agreed on.
//!
//! RFC 9429 (JSEP) §3.2, §5; RFC 3264; RFC 8842 §5 (DTLS roles); RFC 9143 §7 (BUNDLE).
//!
//! ```text
//!   offerer                                   answerer
//!   create_offer, set_local ── offer ───────► set_remote
//!                                             create_answer, set_local
//!   set_remote ◄─────────────── answer ──────
//!        │                                         │
//!        └──► Agreement ◄── on both sides ────────►┘  the Connection starts ICE and DTLS from it
//! ```
//!
//! - Nothing of an offer takes effect before its answer, so a rollback only forgets.
//! - The number and order of m= lines never change; audio and video are answered rejected, in their
//!   place, and are not in the BUNDLE group (but see `remote::carrier_section`).
//! - The DTLS role, once agreed, stays for the life of the connection: a change would need a new
//!   handshake, and browsers answer it with "Failed to set SSL role".
//! - This module knows no ICE agent, no DTLS connection and no clock: it maps texts to agreements.
//!
//! Book: the chapter on offer and answer.

mod description;
mod local;
mod remote;
mod state;
#[cfg(test)]
mod tests;

use dtls::Fingerprint;
use sdp::{Origin, Session, Setup};
use tracing::debug;

pub use description::{SdpType, SessionDescription};
pub(crate) use local::LocalTransport;
pub(crate) use remote::{MAX_CANDIDATES, RemoteTransport};
pub use state::SignalingState;

use crate::Error;
use local::{Purpose, Slot};
use state::Side;

/// Our end of the DTLS connection, as SDP says it (RFC 4145 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetupRole {
    /// We are DTLS client: we send the ClientHello.
    Active,
    /// We are DTLS server.
    Passive,
}

impl SetupRole {
    fn setup(self) -> Setup {
        match self {
            Self::Active => Setup::Active,
            Self::Passive => Setup::Passive,
        }
    }
}

/// What an answer settled: both sides now know how to reach each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The peer's side.
    pub(crate) remote: RemoteTransport,
    /// Our DTLS role.
    pub(crate) role: SetupRole,
    /// Whether the offer was ours: then our ICE role is controlling (RFC 8445 §6.1.1).
    pub(crate) offerer: bool,
}

/// What setting a description led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An offer is pending.
    Pending,
    /// The pending offer was taken back.
    RolledBack,
    /// An answer, with what it settled; `None` if there is no data section both accept.
    Agreed(Option<Box<Agreement>>),
}

/// A description and its type.
#[derive(Clone)]
struct Described {
    kind: SdpType,
    session: Session,
}

/// What cannot change while the DTLS connection lives (RFC 8842 §5.5).
#[derive(Debug, Clone)]
struct Agreed {
    /// Our role.
    role: SetupRole,
    /// The peer's certificates.
    fingerprints: Vec<Fingerprint>,
}

impl Agreed {
    fn new(role: SetupRole, remote: &RemoteTransport) -> Self {
        Self { role, fingerprints: remote.fingerprints.clone() }
    }
}

/// An exchange under way: exactly what its state needs.
enum State {
    Stable,
    HaveLocalOffer { offer: Session },
    HaveRemoteOffer { offer: Session, remote: Option<RemoteTransport> },
    HaveLocalPranswer { offer: Session, remote: Option<RemoteTransport>, answer: Session },
    HaveRemotePranswer { offer: Session, answer: Session },
}

/// The negotiation of one connection. It does not print: descriptions hold passwords.
pub(crate) struct Negotiation {
    /// `<sess-id>`: 63 random bits (RFC 9429 §5.2.1).
    session_id: u64,
    /// `<sess-version>` of the last description created. It never goes back, not even by rollback
    /// (RFC 9429 §5.2.2).
    version: u64,
    /// The last description created, to see whether the next one differs.
    last_created: Option<Session>,
    /// The last offer and answer created: only they can be set.
    created_offer: Option<Session>,
    created_answer: Option<(Session, SetupRole)>,
    /// The m= lines both know, from the last completed exchange.
    slots: Vec<Slot>,
    /// The descriptions in force.
    local: Option<Described>,
    remote: Option<Described>,
    /// What the DTLS connection stands on, once agreed.
    agreed: Option<Agreed>,
    /// What we answer if the offer leaves it to us.
    preferred_role: SetupRole,
    state: State,
}

impl Negotiation {
    /// A negotiation in which nothing has been said. `session_id`: random.
    pub(crate) fn new(session_id: u64, preferred_role: SetupRole) -> Self {
        Self {
            session_id: session_id & (u64::MAX >> 1),
            version: 1,
            last_created: None,
            created_offer: None,
            created_answer: None,
            slots: Vec::new(),
            local: None,
            remote: None,
            agreed: None,
            preferred_role,
            state: State::Stable,
        }
    }

    pub(crate) fn signaling_state(&self) -> SignalingState {
        match self.state {
            State::Stable => SignalingState::Stable,
            State::HaveLocalOffer { .. } => SignalingState::HaveLocalOffer,
            State::HaveRemoteOffer { .. } => SignalingState::HaveRemoteOffer,
            State::HaveLocalPranswer { .. } => SignalingState::HaveLocalPranswer,
            State::HaveRemotePranswer { .. } => SignalingState::HaveRemotePranswer,
        }
    }

    /// Our description that is pending or else in force, with the candidates known by now.
    pub(crate) fn local_description(&self, local: &LocalTransport) -> Option<SessionDescription> {
        let (kind, session) = match &self.state {
            State::HaveLocalOffer { offer } | State::HaveRemotePranswer { offer, .. } => {
                (SdpType::Offer, offer)
            }
            State::HaveLocalPranswer { answer, .. } => (SdpType::PrAnswer, answer),
            State::Stable | State::HaveRemoteOffer { .. } => {
                self.local.as_ref().map(|described| (described.kind, &described.session))?
            }
        };
        let sdp = local::with_candidates(session.clone(), local).to_string();
        Some(SessionDescription { kind, sdp })
    }

    /// Whether a description of ours is pending or in force.
    pub(crate) fn has_local_description(&self) -> bool {
        self.local.is_some() || !matches!(self.state, State::Stable | State::HaveRemoteOffer { .. })
    }

    /// The mid of the section that has our candidates, in our newest description.
    pub(crate) fn transport_mid(&self) -> Option<String> {
        let mut sections = self.last_created.as_ref()?.sections();
        sections.find(|section| section.ice_ufrag().is_some())?.mid().map(str::to_owned)
    }

    /// The peer's description that is pending or else in force.
    pub(crate) fn remote_description(&self) -> Option<SessionDescription> {
        let (kind, session) = match &self.state {
            State::HaveRemoteOffer { offer, .. } | State::HaveLocalPranswer { offer, .. } => {
                (SdpType::Offer, offer)
            }
            State::HaveRemotePranswer { answer, .. } => (SdpType::PrAnswer, answer),
            State::Stable | State::HaveLocalOffer { .. } => {
                self.remote.as_ref().map(|described| (described.kind, &described.session))?
            }
        };
        Some(SessionDescription { kind, sdp: session.to_string() })
    }

    /// The peer's side as its unanswered offer says it.
    pub(crate) fn pending_remote(&mut self) -> Option<&mut RemoteTransport> {
        match &mut self.state {
            State::HaveRemoteOffer { remote, .. } => remote.as_mut(),
            _ => None,
        }
    }

    /// An offer: all known sections in their places, and one for data (RFC 9429 §5.2).
    ///
    /// DEVIATION RFC 9429 §5.2.1: the data section is there even before a channel was created; a
    /// connection of ours is for data. And no `a=tls-id` (§5.2.1), which no browser sends: a changed
    /// fingerprint says the same.
    pub(crate) fn create_offer(&mut self, local: &LocalTransport) -> SessionDescription {
        let mut slots = self.slots.clone();
        if !slots.iter().any(|slot| slot.purpose == Purpose::Data) {
            slots.push(Slot::data(self.unused_mid()));
        }
        let session = self.create(&slots, true, Setup::ActPass, local);
        let sdp = session.to_string();
        self.created_offer = Some(session);
        SessionDescription { kind: SdpType::Offer, sdp }
    }

    /// An answer to the pending offer (RFC 9429 §5.3).
    ///
    /// Audio and video are rejected, but for a section that carries the transport of the data
    /// channels: that one is accepted `inactive`.
    ///
    /// DEVIATION RFC 9429 §5.3.1: a tagged section is rejected although the data section of its
    /// group is accepted, if that one can stand alone. Browsers take the first accepted section for
    /// the tagged one.
    pub(crate) fn create_answer(
        &mut self,
        local: &LocalTransport,
    ) -> Result<SessionDescription, Error> {
        let state = self.signaling_state();
        let (State::HaveRemoteOffer { offer, remote }
        | State::HaveLocalPranswer { offer, remote, .. }) = &self.state
        else {
            return Err(Error::WrongState { kind: SdpType::Answer, state });
        };
        let role = match remote {
            Some(remote) => self.role_for(remote)?,
            None => self.preferred_role,
        };
        let (slots, bundle) = (Slot::all_of_offer(offer), remote::is_data_bundled(offer));
        let session = self.create(&slots, bundle, role.setup(), local);
        let sdp = session.to_string();
        self.created_answer = Some((session, role));
        Ok(SessionDescription { kind: SdpType::Answer, sdp })
    }

    /// Sets our own description: the last one we created, unchanged, or an empty text for a new one.
    pub(crate) fn set_local(
        &mut self,
        description: &SessionDescription,
        local: &LocalTransport,
    ) -> Result<Outcome, Error> {
        let kind = description.kind;
        let next = self.signaling_state().after(Side::Local, kind)?;
        let outcome = match kind {
            SdpType::Rollback => self.roll_back(),
            SdpType::Offer => {
                if description.sdp.is_empty() {
                    self.create_offer(local);
                }
                let offer = self.created_offer.clone();
                let offer = offer.filter(|offer| is_unchanged(description, offer));
                self.state = State::HaveLocalOffer { offer: offer.ok_or(Error::Modified)? };
                Outcome::Pending
            }
            SdpType::Answer | SdpType::PrAnswer => {
                if description.sdp.is_empty() {
                    self.create_answer(local)?;
                }
                let answer = self.created_answer.clone();
                let answer = answer.filter(|(answer, _)| is_unchanged(description, answer));
                let (answer, role) = answer.ok_or(Error::Modified)?;
                self.answer(kind, answer, role)?
            }
        };
        debug!(state = %next, "local {kind} set");
        Ok(outcome)
    }

    /// Sets the peer's description.
    pub(crate) fn set_remote(
        &mut self,
        description: &SessionDescription,
    ) -> Result<Outcome, Error> {
        let kind = description.kind;
        let next = self.signaling_state().after(Side::Remote, kind)?;
        let outcome = match kind {
            SdpType::Rollback => self.roll_back(),
            SdpType::Offer => {
                let offer = Session::parse(&description.sdp)?;
                let remote = RemoteTransport::read(&offer)?;
                self.check_offer(&offer, remote.as_ref())?;
                self.roll_back();
                self.state = State::HaveRemoteOffer { offer, remote };
                Outcome::Pending
            }
            SdpType::Answer | SdpType::PrAnswer => {
                self.accept_answer(kind, Session::parse(&description.sdp)?)?
            }
        };
        debug!(state = %next, "remote {kind} set");
        Ok(outcome)
    }

    /// Our answer to the peer's offer takes effect (RFC 9429 §5.11).
    fn answer(
        &mut self,
        kind: SdpType,
        answer: Session,
        role: SetupRole,
    ) -> Result<Outcome, Error> {
        let (offer, remote) = match std::mem::replace(&mut self.state, State::Stable) {
            State::HaveRemoteOffer { offer, remote }
            | State::HaveLocalPranswer { offer, remote, .. } => (offer, remote),
            other => {
                self.state = other;
                return Err(Error::WrongState { kind, state: self.signaling_state() });
            }
        };
        let agreement = remote.clone().map(|remote| {
            self.agreed = Some(Agreed::new(role, &remote));
            Box::new(Agreement { remote, role, offerer: false })
        });
        if kind == SdpType::PrAnswer {
            self.state = State::HaveLocalPranswer { offer, remote, answer };
        } else {
            self.complete(
                Described { kind, session: answer },
                Described { kind: SdpType::Offer, session: offer },
            );
        }
        Ok(Outcome::Agreed(agreement))
    }

    /// The peer's answer to our offer takes effect (RFC 9429 §5.11).
    fn accept_answer(&mut self, kind: SdpType, answer: Session) -> Result<Outcome, Error> {
        let (State::HaveLocalOffer { offer } | State::HaveRemotePranswer { offer, .. }) =
            &self.state
        else {
            return Err(Error::WrongState { kind, state: self.signaling_state() });
        };
        check_answer(offer, &answer)?;
        let remote = RemoteTransport::read(&answer)?.ok_or(Error::DataRejected)?;
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
        self.agreed = Some(Agreed::new(role, &remote));
        let offer = offer.clone();
        if kind == SdpType::PrAnswer {
            self.state = State::HaveRemotePranswer { offer, answer };
        } else {
            self.complete(
                Described { kind: SdpType::Offer, session: offer },
                Described { kind, session: answer },
            );
        }
        Ok(Outcome::Agreed(Some(Box::new(Agreement { remote, role, offerer: true }))))
    }

    /// The exchange is over: both descriptions are in force.
    fn complete(&mut self, local: Described, remote: Described) {
        // The answer decides which sections live; it has the offer's order.
        let answer = if local.kind == SdpType::Offer { &remote } else { &local };
        self.slots = Slot::all_of_answer(&answer.session);
        self.local = Some(local);
        self.remote = Some(remote);
        self.created_offer = None;
        self.created_answer = None;
        self.state = State::Stable;
    }

    /// Forgets what is pending (RFC 9429 §5.7).
    fn roll_back(&mut self) -> Outcome {
        self.state = State::Stable;
        self.created_offer = None;
        self.created_answer = None;
        Outcome::RolledBack
    }

    /// Our role in the answer to an offer: the agreed one, else what the offer leaves us
    /// (RFC 8842 §5.3, RFC 9429 §5.3.1).
    fn role_for(&self, remote: &RemoteTransport) -> Result<SetupRole, Error> {
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

    /// An offer may add sections but not remove or reorder them (RFC 3264 §8).
    fn check_offer(&self, offer: &Session, remote: Option<&RemoteTransport>) -> Result<(), Error> {
        if offer.media.len() < self.slots.len() {
            return Err(Error::MediaRemoved);
        }
        for (slot, section) in self.slots.iter().zip(offer.sections()) {
            let is_data = slot.purpose == Purpose::Data;
            if is_data && !section.is_rejected() && !section.is_data_channel() {
                return Err(Error::MediaChanged);
            }
        }
        if let Some(remote) = remote {
            self.role_for(remote)?;
            self.check_fingerprints(remote)?;
        }
        Ok(())
    }

    /// The peer keeps its certificate (RFC 8842 §5.5: another one asks for a new DTLS connection,
    /// which we do not make).
    fn check_fingerprints(&self, remote: &RemoteTransport) -> Result<(), Error> {
        match &self.agreed {
            Some(agreed) if agreed.fingerprints != remote.fingerprints => {
                Err(Error::FingerprintChanged)
            }
            _ => Ok(()),
        }
    }

    /// Builds a description; its version goes up by one if it differs from the last one created
    /// (RFC 9429 §5.2.2, RFC 3264 §8).
    fn create(
        &mut self,
        slots: &[Slot],
        bundle: bool,
        setup: Setup,
        local: &LocalTransport,
    ) -> Session {
        let origin = Origin::new(self.session_id, self.version);
        let mut session = local::description(origin, slots, bundle, setup, local);
        if self.last_created.as_ref().is_some_and(|last| *last != session) {
            self.version = self.version.wrapping_add(1);
            session.origin.version = self.version;
        }
        self.last_created = Some(session.clone());
        session
    }

    fn unused_mid(&self) -> String {
        let is_used = |mid: &str| self.slots.iter().any(|slot| slot.mid.as_deref() == Some(mid));
        // One candidate more than there are slots: one of them is free.
        let mut mids = (0..=self.slots.len()).map(|mid| mid.to_string());
        mids.find(|mid| !is_used(mid)).unwrap_or_default()
    }
}

/// Is this the text we created, or no text at all?
fn is_unchanged(description: &SessionDescription, created: &Session) -> bool {
    description.sdp.is_empty() || description.sdp == created.to_string()
}

/// An answer has the sections of its offer, in order (RFC 3264 §6), under the same names
/// (RFC 5888 §9.1).
fn check_answer(offer: &Session, answer: &Session) -> Result<(), Error> {
    let matches = offer.media.len() == answer.media.len()
        && offer.sections().zip(answer.sections()).all(|(offered, answered)| {
            offered.media.kind == answered.media.kind
                && answered.mid().is_none_or(|mid| offered.mid() == Some(mid))
        });
    if matches { Ok(()) } else { Err(Error::AnswerMismatch) }
}
