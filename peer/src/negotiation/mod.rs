//! Offer and answer: who may say what when, and what both have agreed on.
//!
//! RFC 9429 (JSEP) §3.2, §5; RFC 3264; RFC 8842 §5 (DTLS roles); RFC 9143 §7 (BUNDLE).
//!
//! ```text
//!   offerer                                   answerer
//!   create_offer, set_local ── offer ───────► set_remote      transceivers for its sections
//!                                             create_answer, set_local
//!   set_remote ◄─────────────── answer ──────
//!        │                                         │
//!        └──► Agreement ◄── on both sides ────────►┘  the Connection starts ICE and DTLS from it,
//!             and the sections                        and media flows as they say
//! ```
//!
//! - Nothing of an offer takes effect before its answer, so a rollback only forgets.
//! - The number and order of m= lines never change; what cannot be accepted is answered rejected, in
//!   its place, and is not in the BUNDLE group (but see `remote::lead_section`).
//! - There is one transport. Sections that would have another are rejected.
//! - The DTLS role, once agreed, stays for the life of the connection: a change would need a new
//!   handshake, and browsers answer it with "Failed to set SSL role".
//! - This module knows no ICE agent, no DTLS connection and no clock: it maps texts to agreements.
//!
//! ```text
//!   transceiver   what we want            create         offers and answers ─► local, media_section
//!   slot          the m= lines            incoming       the peer's offer   ─► remote
//!                                         exchange       descriptions take effect
//!   codecs, h264, extensions: numbers     sections       what both say about media
//! ```
//!
//! Book: the chapter on offer and answer.

mod codecs;
mod create;
mod description;
mod exchange;
mod extensions;
mod h264;
mod incoming;
mod local;
mod media_section;
mod remote;
mod sections;
mod slot;
mod state;
#[cfg(test)]
mod tests;
mod transceiver;
mod transceivers;

use dtls::Fingerprint;
use rand::RngExt;
use rand::rngs::StdRng;
use sdp::{Session, Setup};
use tracing::debug;

pub use description::{SdpType, SessionDescription};
pub(crate) use local::LocalTransport;
pub(crate) use remote::{MAX_CANDIDATES, RemoteData, RemoteTransport};
pub use state::SignalingState;

use crate::Error;
use crate::media::parameters::SectionParameters;
use codecs::PayloadTypes;
use extensions::ExtensionIds;
use incoming::Incoming;
use slot::Slot;
use state::Side;
use transceiver::Transceivers;

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
    /// An answer, with what it settled; `None` if there is no section both accept.
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

/// A description of ours that was created, with what its m= lines are for.
#[derive(Clone)]
struct Created {
    session: Session,
    slots: Vec<Slot>,
}

/// An exchange under way: exactly what its state needs.
enum State {
    Stable,
    HaveLocalOffer { offer: Created },
    HaveRemoteOffer { incoming: Incoming },
    HaveLocalPranswer { incoming: Incoming, answer: Session },
    HaveRemotePranswer { offer: Created, answer: Session },
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
    created_offer: Option<Created>,
    created_answer: Option<(Created, SetupRole)>,
    /// The m= lines both know, from the last completed exchange.
    slots: Vec<Slot>,
    /// The highest number that is or was a mid.
    last_mid: Option<u16>,
    /// The descriptions in force.
    local: Option<Described>,
    remote: Option<Described>,
    /// What the DTLS connection stands on, once agreed.
    agreed: Option<Agreed>,
    /// What we answer if the offer leaves it to us.
    preferred_role: SetupRole,
    transceivers: Transceivers,
    /// A channel was created, and the peer has not rejected its section.
    wants_data: bool,
    /// Our name in RTCP: 96 random bits (RFC 7022 §4.2).
    cname: String,
    /// What numbers and ids mean, for good.
    payload_types: PayloadTypes,
    extension_ids: ExtensionIds,
    /// What the last answer settled for media.
    sections: Vec<SectionParameters>,
    state: State,
}

impl Negotiation {
    /// A negotiation in which nothing has been said. `session_id`: random, as `rng`.
    pub(crate) fn new(session_id: u64, preferred_role: SetupRole, mut rng: StdRng) -> Self {
        let cname = format!("{:024x}", rng.random::<u128>() >> 32);
        Self {
            session_id: session_id & (u64::MAX >> 1),
            version: 1,
            last_created: None,
            created_offer: None,
            created_answer: None,
            slots: Vec::new(),
            last_mid: None,
            local: None,
            remote: None,
            agreed: None,
            preferred_role,
            transceivers: Transceivers::new(rng),
            wants_data: false,
            cname,
            payload_types: PayloadTypes::new(),
            extension_ids: ExtensionIds::default(),
            sections: Vec::new(),
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
                (SdpType::Offer, &offer.session)
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
        let session = self.last_created.as_ref()?;
        let index = local::transport_section(session)?;
        session.sections().nth(index)?.mid().map(str::to_owned)
    }

    /// The peer's description that is pending or else in force.
    pub(crate) fn remote_description(&self) -> Option<SessionDescription> {
        let (kind, session) = match &self.state {
            State::HaveRemoteOffer { incoming } | State::HaveLocalPranswer { incoming, .. } => {
                (SdpType::Offer, &incoming.offer)
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
            State::HaveRemoteOffer { incoming } => incoming.lead.as_mut().map(|(_, remote)| remote),
            _ => None,
        }
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
                let offer = offer.filter(|offer| is_unchanged(description, &offer.session));
                self.offer(offer.ok_or(Error::Modified)?);
                Outcome::Pending
            }
            SdpType::Answer | SdpType::PrAnswer => {
                if description.sdp.is_empty() {
                    self.create_answer(local)?;
                }
                let answer = self.created_answer.clone();
                let answer =
                    answer.filter(|(answer, _)| is_unchanged(description, &answer.session));
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
                let mut incoming = Incoming::read(Session::parse(&description.sdp)?, &self.slots)?;
                if let Some(remote) = incoming.remote() {
                    self.role_for(remote)?;
                    self.check_fingerprints(remote)?;
                }
                self.roll_back();
                self.transceivers.remember();
                incoming.apply(&self.slots, &mut self.transceivers);
                self.state = State::HaveRemoteOffer { incoming };
                Outcome::Pending
            }
            SdpType::Answer | SdpType::PrAnswer => {
                self.accept_answer(kind, Session::parse(&description.sdp)?)?
            }
        };
        debug!(state = %next, "remote {kind} set");
        Ok(outcome)
    }
}

/// Is this the text we created, or no text at all?
fn is_unchanged(description: &SessionDescription, created: &Session) -> bool {
    description.sdp.is_empty() || description.sdp == created.to_string()
}
