//! Offer and answer of a connection, and what follows when both are there.
//!
//! RFC 9429 §4.1.8 to §4.1.12, §5.11; RFC 8839 §4.4 (ICE restart in re-offers).
//! Book: the chapter on offer and answer.

use std::time::Instant;

use sdp::MaxMessageSize;
use tracing::debug;

use super::handshake::Terms;
use super::{CloseReason, Connection, SctpTerms};
use crate::Error;
use crate::negotiation::{
    Agreement, LocalTransport, Outcome, RemoteData, SdpType, SessionDescription, SetupRole,
    SignalingState,
};

impl Connection {
    /// An offer with all candidates known by now (RFC 9429 §4.1.8).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn create_offer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        self.must_run()?;
        self.prepare_restart(now);
        let local = self.local_transport();
        Ok(self.negotiation.create_offer(&local))
    }

    /// An answer to the peer's pending offer (RFC 9429 §4.1.9).
    ///
    /// # Errors
    /// There is no offer to answer, or [`Error::Closed`].
    pub fn create_answer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        let _ = now;
        self.must_run()?;
        let local = self.local_transport();
        self.negotiation.create_answer(&local)
    }

    /// Sets a description of ours: the last one created, as it is. An empty text creates one; a
    /// rollback takes the pending offer back, ours or the peer's (RFC 9429 §4.1.11).
    ///
    /// # Errors
    /// It does not fit the signalling state, or is not the one created last.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.must_run()?;
        if description.kind == SdpType::Offer && description.sdp.is_empty() {
            self.prepare_restart(now);
        }
        let local = self.local_transport();
        let outcome = self.negotiation.set_local(&description, &local)?;
        if description.kind != SdpType::Rollback && !description.sdp.is_empty() {
            self.announce_missing(&description.sdp);
        }
        self.follow(now, outcome);
        Ok(())
    }

    /// Sets a description of the peer. An offer that crosses ours takes ours back: the polite side
    /// of a glare calls this, the impolite one ignores the offer (RFC 9429 §4.1.12).
    ///
    /// # Errors
    /// It does not fit the signalling state, lacks what WebRTC cannot go without, or changes what
    /// cannot be changed. The state is as before.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.must_run()?;
        let outcome = self.negotiation.set_remote(&description)?;
        if description.kind == SdpType::Offer {
            // An offer that crosses ours has taken ours back, with the restart it asked for.
            self.paths.abandon_restart();
            let pending = self.negotiation.pending_remote();
            let restarts = pending.is_some_and(|pending| self.paths.is_restart(pending));
            if restarts {
                self.paths.prepare_restart(now);
            }
        }
        self.follow(now, outcome);
        self.release_early_candidates(now);
        Ok(())
    }

    /// The next offer asks for new paths: new credentials, while data goes on over the old path
    /// (W3C webrtc-pc `restartIce`, RFC 8445 §9). The wish holds until an exchange has fulfilled it,
    /// also over a rollback or an offer of the peer that crosses ours.
    pub fn restart_ice(&mut self, now: Instant) {
        if self.must_run().is_ok() && self.paths.remote_ufrag().is_some() {
            self.wants_restart = true;
            self.check_negotiation_needed();
            self.pump(now);
        }
    }

    /// An offer of ours is made: if a restart is wanted it has new credentials.
    fn prepare_restart(&mut self, now: Instant) {
        let is_ours = matches!(
            self.signaling_state(),
            SignalingState::Stable | SignalingState::HaveLocalOffer
        );
        if self.wants_restart && is_ours {
            self.paths.prepare_restart(now);
        }
    }

    /// Our description that is pending, else in force, with all candidates known by now.
    #[must_use]
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.negotiation.local_description(&self.local_transport())
    }

    /// The peer's description that is pending, else in force.
    #[must_use]
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.negotiation.remote_description()
    }

    /// Where offer and answer stand (RFC 9429 §3.2).
    #[must_use]
    pub fn signaling_state(&self) -> SignalingState {
        self.negotiation.signaling_state()
    }

    /// Our side of the transport, as it goes into a description (RFC 8122 §5, RFC 8839 §5.4).
    fn local_transport(&self) -> LocalTransport {
        let credentials = self.paths.credentials();
        let fingerprint = self.handshake.certificate().fingerprint(dtls::HashAlgorithm::Sha256);
        LocalTransport {
            ice_ufrag: credentials.ufrag.clone(),
            ice_pwd: credentials.pwd.clone(),
            fingerprint: fingerprint.to_string(),
            candidates: self.paths.candidates(),
            ice_lite: self.paths.is_lite(),
            end_of_candidates: self.local_candidates_complete,
            max_message_size: self.max_message_size,
        }
    }

    /// What a description leads to in the layers below.
    fn follow(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Pending => {}
            Outcome::RolledBack => self.paths.abandon_restart(),
            Outcome::Agreed(Some(agreement)) => self.agree(now, *agreement),
            // RFC 8841 §10.2: without its section the association ends.
            Outcome::Agreed(None) if self.sctp_terms.is_some() => {
                self.begin_closing(now, CloseReason::Remote);
            }
            Outcome::Agreed(None) => debug!("nothing is agreed on"),
        }
        self.configure_media(now);
        self.renew_negotiation_needed();
        self.pump(now);
    }

    fn agree(&mut self, now: Instant, agreement: Agreement) {
        let Agreement { remote, role, offerer } = agreement;
        if self.paths.is_restarting() {
            self.wants_restart = false;
        }
        self.paths.agree(now, &remote, offerer);
        self.role = Some(role);
        if let Some(data) = remote.data {
            self.agree_on_data(now, role, data);
        }
        self.handshake.agree(Terms { role, fingerprints: remote.fingerprints });
    }

    /// Data channels are agreed on, at once or in a call that began without them.
    fn agree_on_data(&mut self, now: Instant, role: SetupRole, data: RemoteData) {
        let is_new = self.sctp_terms.is_none();
        let remote_max_message_size = max_message_size(data.max_message_size);
        let remote_port = data.sctp_port;
        self.sctp_terms = Some(SctpTerms { role, remote_port, remote_max_message_size });
        self.channels.set_remote_max_message_size(remote_max_message_size);
        if is_new && let Some(proof) = self.handshake.proof().copied() {
            self.start_channels(now, &proof);
        }
    }
}

/// The attribute as SCTP reads it: 0 is "any size" (RFC 8841 §6.1).
fn max_message_size(size: MaxMessageSize) -> Option<u64> {
    match size {
        MaxMessageSize::Octets(octets) => Some(octets),
        MaxMessageSize::Unlimited => Some(0),
    }
}
