//! The transceivers of a connection, in W3C's words.
//!
//! W3C webrtc-pc §5.4; RFC 9429 §4.2. The work is done in `negotiation`.
//! Book: the chapter on offer and answer.

use std::time::Instant;

use sdp::Direction;

use super::Connection;
use crate::Error;
use crate::media::{Codec, MediaKind, TransceiverId, TransceiverInfo, TransceiverInit};

impl Connection {
    /// Adds a transceiver: the next offer has a section for it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn add_transceiver(
        &mut self,
        now: Instant,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        let _ = (now, kind, init);
        Err(Error::Closed)
    }

    /// All transceivers that are not over.
    pub fn transceivers(&self) -> impl Iterator<Item = TransceiverInfo> + '_ {
        std::iter::empty()
    }

    /// One of them.
    #[must_use]
    pub fn transceiver(&self, id: TransceiverId) -> Option<TransceiverInfo> {
        self.transceivers().find(|info| info.id == id)
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
        let _ = (now, id, direction);
        Err(Error::Closed)
    }

    /// Sets the codecs to offer or accept, the preferred one first.
    ///
    /// # Errors
    /// [`Error::Closed`], or the transceiver is over.
    pub fn set_codec_preferences(
        &mut self,
        now: Instant,
        id: TransceiverId,
        codecs: Vec<Codec>,
    ) -> Result<(), Error> {
        let _ = (now, id, codecs);
        Err(Error::Closed)
    }

    /// Ends a transceiver: the next description rejects its section.
    ///
    /// # Errors
    /// [`Error::Closed`], or the transceiver is over.
    pub fn stop_transceiver(&mut self, now: Instant, id: TransceiverId) -> Result<(), Error> {
        let _ = (now, id);
        Err(Error::Closed)
    }
}
