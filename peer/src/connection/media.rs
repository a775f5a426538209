//! Frames and packets of a connection's transceivers.
//!
//! The work is done in `media`.
//! Book: the chapter on RTP.

use std::time::Instant;

use super::Connection;
use crate::media::{
    EncodedFrame, MediaError, MediaPacket, ReceiveMode, Received, Rid, TransceiverId,
};

impl Connection {
    /// Sends a frame.
    ///
    /// # Errors
    /// Nothing can be sent on this transceiver now.
    pub fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        frame: EncodedFrame,
    ) -> Result<(), MediaError> {
        let _ = (now, id, frame);
        Err(MediaError::NotSending)
    }

    /// Forwards a packet that came on another transceiver, maybe of another connection.
    ///
    /// # Errors
    /// Nothing can be sent on this transceiver now, or nothing of this codec.
    pub fn send_packet(
        &mut self,
        now: Instant,
        id: TransceiverId,
        packet: &MediaPacket,
    ) -> Result<(), MediaError> {
        let _ = (now, id, packet);
        Err(MediaError::NotSending)
    }

    /// The next frame or packet of a transceiver.
    pub fn recv_media(&mut self, now: Instant, id: TransceiverId) -> Option<Received> {
        let _ = (now, id);
        None
    }

    /// In what form a transceiver delivers what it receives. Nothing is delivered unless asked for.
    pub fn set_receive_mode(&mut self, now: Instant, id: TransceiverId, mode: ReceiveMode) {
        let _ = (now, id, mode);
    }

    /// Asks the peer for a keyframe (RFC 4585 §6.3.1), not more often than makes sense.
    pub fn request_keyframe(&mut self, now: Instant, id: TransceiverId, rid: Option<&Rid>) {
        let _ = (now, id, rid);
    }
}
