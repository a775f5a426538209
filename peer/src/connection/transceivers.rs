//! The transceivers of a connection, in W3C's words.
//!
//! W3C webrtc-pc §5.4; RFC 9429 §4.2. The work is done in `negotiation`.
//! Book: the chapter on offer and answer.

use std::time::Instant;

use sdp::Direction;

use super::{Connection, Event};
use crate::media::{Codec, MediaKind, TransceiverId, TransceiverInfo, TransceiverInit};
use crate::{Error, SignalingState};

/// Whether the application knows that an offer is needed (W3C webrtc-pc §4.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NegotiationNeed {
    /// It is not.
    #[default]
    None,
    /// It is to be told.
    Untold,
    /// It was told, and is not told again before the next exchange.
    Told,
}

impl Connection {
    /// Adds a transceiver: the next offer has a section for it, or the peer's next offer finds it.
    ///
    /// # Errors
    /// The connection is closed, there are too many transceivers, or the wishes make no sense.
    pub fn add_transceiver(
        &mut self,
        now: Instant,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        let _ = now;
        self.must_run()?;
        let id = self.negotiation.add_transceiver(kind, init)?;
        self.check_negotiation_needed();
        Ok(id)
    }

    /// All transceivers that are not over.
    pub fn transceivers(&self) -> impl Iterator<Item = TransceiverInfo> + '_ {
        self.negotiation.transceivers().filter(|info| !info.stopped)
    }

    /// One of them; also one that is over, until an exchange after its end is complete.
    #[must_use]
    pub fn transceiver(&self, id: TransceiverId) -> Option<TransceiverInfo> {
        self.negotiation.transceiver(id)
    }

    /// Sets what we want; the next offer or answer says it.
    ///
    /// # Errors
    /// [`Error::Closed`], or the transceiver is over.
    pub fn set_direction(
        &mut self,
        now: Instant,
        id: TransceiverId,
        direction: Direction,
    ) -> Result<(), Error> {
        let _ = now;
        self.must_run()?;
        self.negotiation.set_direction(id, direction)?;
        self.check_negotiation_needed();
        Ok(())
    }

    /// Sets the codecs to offer or accept, the preferred one first; none means all. The next offer or
    /// answer says it.
    ///
    /// # Errors
    /// [`Error::Closed`], the transceiver is over, or a codec is of the other kind.
    pub fn set_codec_preferences(
        &mut self,
        now: Instant,
        id: TransceiverId,
        codecs: Vec<Codec>,
    ) -> Result<(), Error> {
        let _ = now;
        self.must_run()?;
        self.negotiation.set_codec_preferences(id, codecs)
    }

    /// Ends a transceiver: nothing flows on it any more, and the next description rejects its
    /// section. Its place can be used again by a later one.
    ///
    /// # Errors
    /// [`Error::Closed`], or the transceiver is over.
    pub fn stop_transceiver(&mut self, now: Instant, id: TransceiverId) -> Result<(), Error> {
        self.must_run()?;
        self.negotiation.stop_transceiver(id)?;
        self.configure_media(now);
        self.check_negotiation_needed();
        Ok(())
    }

    /// Looks whether only an offer could tell the peer what we want by now.
    pub(super) fn check_negotiation_needed(&mut self) {
        if self.signaling_state() != SignalingState::Stable {
            return;
        }
        let needed = self.wants_restart || self.negotiation.needs_negotiation();
        self.negotiation_need = match (needed, self.negotiation_need) {
            (false, _) => NegotiationNeed::None,
            (true, NegotiationNeed::None) => NegotiationNeed::Untold,
            (true, known) => known,
        };
    }

    /// An exchange is over: what it left open is told anew.
    pub(super) fn renew_negotiation_needed(&mut self) {
        if self.signaling_state() == SignalingState::Stable {
            self.negotiation_need = NegotiationNeed::None;
            self.check_negotiation_needed();
        }
    }

    /// The next news of the transceivers.
    pub(super) fn poll_transceiver_event(&mut self) -> Option<Event> {
        if let Some(id) = self.negotiation.poll_track() {
            return Some(Event::Track(id));
        }
        let is_stable = self.signaling_state() == SignalingState::Stable;
        if is_stable && self.negotiation_need == NegotiationNeed::Untold {
            self.negotiation_need = NegotiationNeed::Told;
            return Some(Event::NegotiationNeeded);
        }
        None
    }
}
