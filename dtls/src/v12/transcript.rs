//! The transcript: every handshake message in order, as both sides must have seen them. RFC 6347 §4.2.6.
//!
//! ```text
//! ClientHello [HelloVerifyRequest ClientHello] ServerHello … ClientKeyExchange CertificateVerify Finished Finished
//! └──────── not these ───────┘                                              ▲                 ▲         ▲
//!                                   extended master secret: up to here ─────┘                 │         │
//!                                   CertificateVerify: all before it    client Finished: all before it  │
//!                                                                       server Finished: also the client's
//! ```
//!
//! Each message counts with its 12-octet header as if it had not been fragmented; ChangeCipherSpec,
//! alerts, HelloRequest and retransmissions do not count. The octets are kept, not hashed on the way:
//! which hash it will be is known only with the suite, and a signature hashes with its own.
//!
//! Invariant: at most [`MAX_TRANSCRIPT`] octets. Book: "The handshake and keys".

use crate::Error;
use crate::flight::FlightItem;
use crate::wire::{Epoch, Handshake, HandshakeMessage, MessageSeq};

/// Octets of all messages of a handshake: a browser's come to 3 kB, a long RSA chain on each side to
/// 30 kB. With what the reassembly may hold it stays under the 256 kB of an unauthenticated peer.
pub(crate) const MAX_TRANSCRIPT: usize = 96 * 1024;

/// The messages so far, and the number of our next one.
#[derive(Default)]
pub(crate) struct Transcript {
    octets: Vec<u8>,
    next: MessageSeq,
}

impl Transcript {
    /// Nothing yet; our next message gets the number `next`, which is not 0 after a
    /// HelloVerifyRequest (RFC 6347 §4.2.2).
    pub(crate) fn starting_at(next: MessageSeq) -> Self {
        Self { octets: Vec::new(), next }
    }

    /// The number of our next message.
    pub(crate) fn next_seq(&self) -> MessageSeq {
        self.next
    }

    /// Numbers and appends a message of ours, to be sent in a record of `epoch`.
    pub(crate) fn send(&mut self, epoch: Epoch, message: &Handshake) -> Result<FlightItem, Error> {
        let message = HandshakeMessage::new(self.next, message);
        self.push(&message)?;
        self.next = self.next.next();
        Ok(FlightItem::Message { epoch, message })
    }

    /// Appends a message of the peer.
    pub(crate) fn push(&mut self, message: &HandshakeMessage) -> Result<(), Error> {
        let octets = message.transcript();
        if self.octets.len() + octets.len() > MAX_TRANSCRIPT {
            return Err(Error::HandshakeTooLong);
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// All messages so far.
    pub(crate) fn messages(&self) -> &[u8] {
        &self.octets
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript({} octets)", self.octets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::HandshakeType;

    #[test]
    fn trap_headers_in_the_transcript_are_as_if_unfragmented() {
        let mut transcript = Transcript::default();
        let message =
            HandshakeMessage::from_body(HandshakeType::CLIENT_KEY_EXCHANGE, MessageSeq(5), b"abc");
        transcript.push(&message).unwrap();
        let expected = [16, 0, 0, 3, 0, 5, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c'];
        assert_eq!(transcript.messages(), expected);
    }

    #[test]
    fn row_3_a_transcript_is_bounded() {
        let mut transcript = Transcript::default();
        let message =
            HandshakeMessage::from_body(HandshakeType::CERTIFICATE, MessageSeq(1), &[0; 40_000]);
        transcript.push(&message).unwrap();
        transcript.push(&message).unwrap();
        assert_eq!(transcript.push(&message).unwrap_err(), Error::HandshakeTooLong);
        assert!(transcript.messages().len() <= MAX_TRANSCRIPT);
    }
}
