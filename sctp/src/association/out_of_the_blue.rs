//! Packets that belong to no association (RFC 9260 §8.4).
//!
//! The answer carries the tag that the packet carried and says so with the T bit: its sender knows
//! then that it was answered by someone who knew no better.

use super::Association;
use super::state::State;
use crate::Error;
use crate::wire::{Abort, Cause, CauseCode, Chunk, Packet, ShutdownComplete};

impl Association {
    /// Whether no association exists that a packet with this first chunk could belong to.
    pub(super) fn is_out_of_the_blue(&self, first: &Chunk) -> bool {
        match self.state {
            State::Closed | State::Dead(_) => true,
            // RFC 9260 §8.5.1 (E): of an association before this one.
            State::CookieWait(_) | State::CookieEchoed(..) => {
                matches!(first, Chunk::ShutdownAck(_))
            }
            _ => false,
        }
    }

    /// A packet arrived and no association exists: before the handshake, or after the end. INIT
    /// and COOKIE ECHO were handled before.
    pub(super) fn handle_out_of_the_blue(&mut self, packet: &Packet) -> Error {
        let tag = packet.header.verification_tag;
        let silence = packet.chunks.is_empty()
            || packet.chunks.iter().any(|chunk| match chunk {
                Chunk::Abort(_)
                | Chunk::ShutdownComplete(_)
                | Chunk::CookieAck(_)
                | Chunk::Init(_)
                | Chunk::InitAck(_)
                | Chunk::CookieEcho(_) => true,
                Chunk::Error(error) => {
                    error.causes.iter().any(|cause| cause.code == CauseCode::STALE_COOKIE)
                }
                _ => false,
            });
        if silence {
            return Error::OutOfTheBlue;
        }
        // RFC 9260 §8.4 (5): the remote endpoint did not hear that we are done.
        if matches!(packet.chunks.first(), Some(Chunk::ShutdownAck(_))) {
            self.send_alone(tag, &ShutdownComplete { tag_reflected: true });
        } else {
            self.send_alone(tag, &Abort { tag_reflected: true, causes: Vec::<Cause>::new() });
        }
        Error::OutOfTheBlue
    }
}
