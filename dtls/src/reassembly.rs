//! Handshake messages out of fragments, in order (RFC 6347 §4.2.2–4.2.3).
//!
//! ```text
//!   fragments ──► slot[message_seq - next] ──► whole and next? ──► message
//!                 ├ length, type, epoch: of the first fragment
//!                 ├ body: octets at their offsets
//!                 └ held: which of them are here
//! ```
//!
//! Fragments come reordered, repeated, and cut anew in each retransmission, so they may overlap; the
//! octets they share must agree, or the later fragment is refused. Nothing tells a good fragment from a
//! forged one before Finished, so the one held may be the forgery: after
//! [`MAX_CONTRADICTIONS`] it is given up for the next one.
//!
//! Invariants: at most [`MAX_MESSAGE`] octets for the next message and [`MAX_AHEAD`] for the
//! [`MAX_MESSAGES_AHEAD`] after it are held, so messages ahead can never keep the next one out; work
//! per fragment is linear in its octets. Book: "DTLS records and flights".

use std::collections::VecDeque;
use std::fmt;

use crate::wire::{Epoch, HandshakeFragment, HandshakeMessage, HandshakeType, MessageSeq};

/// Longest message taken. A browser's longest is 1.5 kB, a long certificate chain 10 kB.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Octets held for all messages after the next one.
pub const MAX_AHEAD: usize = 64 * 1024;

/// Messages held beyond the next one; a flight has at most six.
pub const MAX_MESSAGES_AHEAD: u16 = 16;

/// Fragments refused because they contradict what is held of a message; the next one takes its place.
/// An honest sender never contradicts itself, but contradicts a forgery with each retransmission.
pub const MAX_CONTRADICTIONS: u8 = 3;

/// What a fragment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It brought octets that were missing.
    New,
    /// All its octets were here already.
    Duplicate,
    /// Its message was delivered earlier: the peer repeats its flight.
    Delivered,
}

/// Why a fragment was refused (RFC 6347 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// Offset and length reach beyond the message.
    #[error("fragment reaches beyond its message")]
    OutOfBounds,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("message longer than {MAX_MESSAGE} octets")]
    TooLong,
    /// The message is more than [`MAX_MESSAGES_AHEAD`] after the next one.
    #[error("message too far ahead")]
    TooFarAhead,
    /// The messages after the next one would hold more than [`MAX_AHEAD`] octets.
    #[error("messages ahead hold too much")]
    NoRoom,
    /// Another type, length or epoch than the message's other fragments.
    #[error("fragment disagrees with its message on type, length or epoch")]
    OtherMessage,
    /// Octets that overlap with earlier ones and differ from them.
    #[error("overlapping fragments differ")]
    OtherOctets,
}

/// A whole message and the epoch all its fragments came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassembled {
    /// The epoch of the records.
    pub epoch: Epoch,
    /// The message as the transcript takes it.
    pub message: HandshakeMessage,
}

/// The messages of one peer, being put together.
#[derive(Debug, Default)]
pub struct Reassembly {
    /// Number of the next message to deliver.
    next: MessageSeq,
    /// Slot n holds what is here of message `next + n`; at most [`MAX_MESSAGES_AHEAD`] + 1 slots.
    slots: VecDeque<Option<Partial>>,
}

impl Reassembly {
    /// Expects message 0 first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the next message to deliver.
    #[must_use]
    pub fn next_seq(&self) -> MessageSeq {
        self.next
    }

    /// Takes one fragment from a record of `epoch`.
    ///
    /// # Errors
    /// The fragment was refused and left no trace.
    pub fn insert(
        &mut self,
        epoch: Epoch,
        fragment: &HandshakeFragment<'_>,
    ) -> Result<Inserted, ReassemblyError> {
        let header = &fragment.header;
        let start = usize::try_from(header.fragment_offset).unwrap_or(usize::MAX);
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let end = start.checked_add(fragment.body.len()).ok_or(ReassemblyError::OutOfBounds)?;
        if end > length {
            return Err(ReassemblyError::OutOfBounds);
        }
        if length > MAX_MESSAGE {
            return Err(ReassemblyError::TooLong);
        }
        let ahead = header.message_seq.0.wrapping_sub(self.next.0);
        if ahead > u16::MAX / 2 {
            return Ok(Inserted::Delivered);
        }
        if ahead > MAX_MESSAGES_AHEAD {
            return Err(ReassemblyError::TooFarAhead);
        }
        let slot = usize::from(ahead);
        if let Some(place) = self.slots.get_mut(slot)
            && let Some(partial) = place
        {
            let same = (partial.epoch, partial.msg_type, partial.body.len())
                == (epoch, header.msg_type, length);
            let inserted = match same {
                true => partial.insert(start, fragment.body),
                false => Err(ReassemblyError::OtherMessage),
            };
            match inserted {
                // What is held is given up; this fragment is the first of what comes now.
                Err(_) if partial.contradictions >= MAX_CONTRADICTIONS => *place = None,
                Err(error) => {
                    partial.contradictions += 1;
                    return Err(error);
                }
                Ok(inserted) => return Ok(inserted),
            }
        }
        if slot > 0 && self.held_ahead() + length > MAX_AHEAD {
            return Err(ReassemblyError::NoRoom);
        }
        let mut partial = Partial::new(epoch, header.msg_type, length);
        partial.insert(start, fragment.body)?;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(partial);
        }
        Ok(Inserted::New)
    }

    /// The next message, if it is whole. Call until `None`.
    pub fn pop(&mut self) -> Option<Reassembled> {
        let partial = self.slots.front_mut()?.take_if(|partial| partial.missing == 0)?;
        self.slots.pop_front();
        let message = HandshakeMessage::from_body(partial.msg_type, self.next, &partial.body);
        self.next = self.next.next();
        Some(Reassembled { epoch: partial.epoch, message })
    }

    /// The message popped last was not the one the handshake awaits: its number is awaited again, as
    /// if its fragments had never come.
    pub fn refuse(&mut self) {
        self.next = MessageSeq(self.next.0.wrapping_sub(1));
        self.slots.push_front(None);
    }

    /// Octets reserved for the messages after the next one.
    fn held_ahead(&self) -> usize {
        self.slots.iter().skip(1).flatten().map(|partial| partial.body.len()).sum()
    }
}

/// A message of which some octets are here.
struct Partial {
    epoch: Epoch,
    msg_type: HandshakeType,
    /// The whole body; octets that are missing are 0.
    body: Vec<u8>,
    /// One bit for each octet of `body`: whether it is here.
    held: Vec<u64>,
    /// Octets that are not here.
    missing: usize,
    /// Fragments that contradicted it.
    contradictions: u8,
}

impl Partial {
    fn new(epoch: Epoch, msg_type: HandshakeType, length: usize) -> Self {
        let (body, held) = (vec![0; length], vec![0; length.div_ceil(64)]);
        Self { epoch, msg_type, body, held, missing: length, contradictions: 0 }
    }

    // ANCHOR: insert
    /// Takes the octets from `start` on; they lie within the body.
    fn insert(&mut self, start: usize, octets: &[u8]) -> Result<Inserted, ReassemblyError> {
        let place = self.body.get_mut(start..).and_then(|tail| tail.get_mut(..octets.len()));
        let place = place.ok_or(ReassemblyError::OutOfBounds)?;
        let is_held = |at: usize| self.held.get(at / 64).is_some_and(|w| w >> (at % 64) & 1 == 1);
        let mut both = place.iter().zip(octets).zip(start..);
        if both.any(|((held, octet), at)| held != octet && is_held(at)) {
            return Err(ReassemblyError::OtherOctets);
        }
        place.copy_from_slice(octets);
        let missing = self.missing;
        for at in start..start + octets.len() {
            if let Some(word) = self.held.get_mut(at / 64) {
                self.missing -= usize::from(*word >> (at % 64) & 1 == 0);
                *word |= 1 << (at % 64);
            }
        }
        // An empty message is new when its slot is; later copies are told apart by the slot.
        Ok(if self.missing < missing { Inserted::New } else { Inserted::Duplicate })
    }
    // ANCHOR_END: insert
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of {} octets missing)", self.msg_type, self.missing, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::HandshakeHeader;
    use crate::wire::testing::captured_message;

    const CLIENT_HELLO: HandshakeType = HandshakeType::CLIENT_HELLO;

    /// A fragment of message `seq`, whose body is `body`.
    fn fragment(
        seq: u16,
        msg_type: HandshakeType,
        body: &[u8],
        start: usize,
        length: usize,
    ) -> HandshakeFragment<'_> {
        let u32_of = |value: usize| u32::try_from(value).unwrap();
        HandshakeFragment {
            header: HandshakeHeader {
                msg_type,
                length: u32_of(body.len()),
                message_seq: MessageSeq(seq),
                fragment_offset: u32_of(start),
                fragment_length: u32_of(length),
            },
            body: &body[start..start + length],
        }
    }

    fn insert(
        reassembly: &mut Reassembly,
        seq: u16,
        body: &[u8],
        start: usize,
        length: usize,
    ) -> Result<Inserted, ReassemblyError> {
        reassembly.insert(Epoch(0), &fragment(seq, CLIENT_HELLO, body, start, length))
    }

    fn body(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    fn popped(reassembly: &mut Reassembly) -> Vec<u8> {
        reassembly.pop().unwrap().message.body().to_vec()
    }

    #[test]
    fn trap_fragmented_client_hello_of_chromium_and_firefox() {
        for (capture, length) in
            [("firefox-chromium-data.pcap", 1413), ("chromium-firefox-data.pcap", 1461)]
        {
            let hello = captured_message(capture, CLIENT_HELLO);
            // The handshake body and its 12-octet header: 1413 and 1461 are without the header.
            assert!(hello.body().len() + 12 >= length, "{} {capture}", hello.body().len());
            assert!(hello.parse().is_ok());
        }
    }

    #[test]
    fn the_transcript_takes_the_message_as_if_unfragmented() {
        let (mut reassembly, body) = (Reassembly::new(), body(300));
        insert(&mut reassembly, 0, &body, 0, 200).unwrap();
        assert_eq!(reassembly.pop(), None);
        insert(&mut reassembly, 0, &body, 200, 100).unwrap();
        let message = reassembly.pop().unwrap().message;
        assert_eq!(message.transcript()[..12], [1, 0, 1, 44, 0, 0, 0, 0, 0, 0, 1, 44]);
        assert_eq!(message.transcript()[12..], body);
    }

    #[test]
    fn row_44_fragments_reversed_overlapping_one_byte_each() {
        let body = body(500);
        let mut reassembly = Reassembly::new();
        for at in (0..500).rev() {
            assert_eq!(insert(&mut reassembly, 0, &body, at, 1), Ok(Inserted::New));
        }
        assert_eq!(popped(&mut reassembly), body);
        for at in (0..500).step_by(100).rev() {
            insert(&mut reassembly, 1, &body, at, 100).unwrap();
            insert(&mut reassembly, 1, &body, at.saturating_sub(30), 60).unwrap();
        }
        assert_eq!(popped(&mut reassembly), body);
    }

    #[test]
    fn row_44_firefox_cuts_the_same_message_differently_from_the_third_resend() {
        let body = body(1461);
        let mut reassembly = Reassembly::new();
        insert(&mut reassembly, 0, &body, 1383, 78).unwrap(); // the first datagram was lost
        insert(&mut reassembly, 0, &body, 0, 1163).unwrap();
        assert_eq!(insert(&mut reassembly, 0, &body, 1163, 298), Ok(Inserted::New));
        assert_eq!(popped(&mut reassembly), body);
    }

    #[test]
    fn row_43_overlap_with_other_octets_is_refused() {
        let (mut reassembly, good) = (Reassembly::new(), body(100));
        insert(&mut reassembly, 0, &good, 0, 60).unwrap();
        let mut bad = good.clone();
        bad[59] ^= 1;
        let refused = insert(&mut reassembly, 0, &bad, 50, 50);
        assert_eq!(refused, Err(ReassemblyError::OtherOctets));
        // Nothing of the refused fragment is held.
        insert(&mut reassembly, 0, &good, 60, 40).unwrap();
        assert_eq!(popped(&mut reassembly), good);
    }

    #[test]
    fn row_43_changing_total_type_or_epoch_is_refused() {
        let (mut reassembly, good) = (Reassembly::new(), body(100));
        insert(&mut reassembly, 0, &good, 0, 60).unwrap();
        let longer = body(101);
        let other = Err(ReassemblyError::OtherMessage);
        assert_eq!(insert(&mut reassembly, 0, &longer, 60, 41), other);
        let finished = fragment(0, HandshakeType::FINISHED, &good, 60, 40);
        assert_eq!(reassembly.insert(Epoch(0), &finished), other);
        let sealed = fragment(0, CLIENT_HELLO, &good, 60, 40);
        assert_eq!(reassembly.insert(Epoch(1), &sealed), other);
        insert(&mut reassembly, 0, &good, 60, 40).unwrap();
        assert_eq!(popped(&mut reassembly), good);
    }

    #[test]
    fn row_39_a_forged_fragment_that_came_first_is_given_up_after_contradictions() {
        let (mut reassembly, good) = (Reassembly::new(), body(100));
        insert(&mut reassembly, 0, &body(99), 0, 10).unwrap();
        let refused = (0..MAX_CONTRADICTIONS)
            .map(|_| insert(&mut reassembly, 0, &good, 0, 100))
            .filter(|result| *result == Err(ReassemblyError::OtherMessage));
        assert_eq!(refused.count(), usize::from(MAX_CONTRADICTIONS));
        insert(&mut reassembly, 0, &good, 0, 100).unwrap();
        assert_eq!(popped(&mut reassembly), good);
    }

    #[test]
    fn row_43_same_type_with_other_message_seq_is_another_message() {
        let (mut reassembly, good) = (Reassembly::new(), body(100));
        insert(&mut reassembly, 0, &good, 0, 60).unwrap();
        insert(&mut reassembly, 1, &good, 60, 40).unwrap();
        assert_eq!(reassembly.pop(), None);
    }

    #[test]
    fn row_42_zero_length_fragments_do_not_loop() {
        let (mut reassembly, good) = (Reassembly::new(), body(100));
        for _ in 0..1000 {
            insert(&mut reassembly, 0, &good, 0, 0).unwrap();
            insert(&mut reassembly, 0, &good, 100, 0).unwrap();
        }
        assert_eq!(reassembly.pop(), None);
        insert(&mut reassembly, 0, &good, 0, 100).unwrap();
        assert_eq!(popped(&mut reassembly), good);
        // An empty message is whole with its first fragment.
        assert_eq!(insert(&mut reassembly, 1, &[], 0, 0), Ok(Inserted::New));
        assert_eq!(popped(&mut reassembly), []);
    }

    #[test]
    fn row_41_bounds_of_length_distance_and_total() {
        let (mut reassembly, small) = (Reassembly::new(), body(10));
        let long = vec![0; MAX_MESSAGE + 1];
        assert_eq!(insert(&mut reassembly, 0, &long, 0, 1), Err(ReassemblyError::TooLong));
        let far = insert(&mut reassembly, MAX_MESSAGES_AHEAD + 1, &small, 0, 1);
        assert_eq!(far, Err(ReassemblyError::TooFarAhead));
        // One message ahead may claim all the room there is for messages ahead, but not more…
        insert(&mut reassembly, 1, &long[1..], 0, 1).unwrap();
        let full = insert(&mut reassembly, MAX_MESSAGES_AHEAD, &small, 0, 1);
        assert_eq!(full, Err(ReassemblyError::NoRoom));
        // …and never keeps the next message out.
        insert(&mut reassembly, 0, &long[1..], 0, MAX_MESSAGE).unwrap();
        assert!(reassembly.pop().is_some());
        insert(&mut reassembly, MAX_MESSAGES_AHEAD, &small, 0, 1).unwrap();
    }

    #[test]
    fn row_41_a_fragment_beyond_its_message_is_refused() {
        let mut reassembly = Reassembly::new();
        let mut lie = fragment(0, CLIENT_HELLO, &[0; 100], 50, 50);
        lie.header.length = 99;
        assert_eq!(reassembly.insert(Epoch(0), &lie), Err(ReassemblyError::OutOfBounds));
        lie.header.fragment_offset = (1 << 24) - 1;
        assert_eq!(reassembly.insert(Epoch(0), &lie), Err(ReassemblyError::OutOfBounds));
    }

    #[test]
    fn messages_come_out_in_order_and_old_ones_are_told() {
        let (mut reassembly, good) = (Reassembly::new(), body(5));
        insert(&mut reassembly, 2, &good, 0, 5).unwrap();
        insert(&mut reassembly, 1, &good, 0, 5).unwrap();
        assert_eq!(reassembly.pop(), None);
        insert(&mut reassembly, 0, &good, 0, 5).unwrap();
        for seq in 0..3 {
            assert_eq!(reassembly.pop().unwrap().message.message_seq(), MessageSeq(seq));
        }
        assert_eq!(insert(&mut reassembly, 0, &good, 0, 5), Ok(Inserted::Delivered));
        assert_eq!(reassembly.next_seq(), MessageSeq(3));
    }

    proptest! {
        #[test]
        fn any_cut_in_any_order_gives_the_message(
            length in 1..400_usize,
            cuts in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..60),
        ) {
            let (mut reassembly, body) = (Reassembly::new(), body(length));
            for (start, size) in cuts {
                let start = start.index(length);
                let size = size.index(length - start + 1);
                prop_assert!(insert(&mut reassembly, 0, &body, start, size).is_ok());
            }
            insert(&mut reassembly, 0, &body, 0, length).unwrap();
            prop_assert_eq!(popped(&mut reassembly), body);
        }

        #[test]
        fn never_panics_and_stays_bounded(
            fragments in prop::collection::vec(
                (0..40_u16, 0..4_u8, 0..70_000_u32, 0..70_000_u32, 0..600_usize), 0..60),
        ) {
            let mut reassembly = Reassembly::new();
            for (seq, ty, length, offset, size) in fragments {
                let octets = vec![ty; size];
                let header = HandshakeHeader {
                    msg_type: HandshakeType(ty),
                    length,
                    message_seq: MessageSeq(seq),
                    fragment_offset: offset,
                    fragment_length: u32::try_from(size).unwrap(),
                };
                let _ = reassembly.insert(Epoch(0), &HandshakeFragment { header, body: &octets });
                let _ = reassembly.pop();
                prop_assert!(reassembly.held_ahead() <= MAX_AHEAD);
                prop_assert!(reassembly.slots.len() <= usize::from(MAX_MESSAGES_AHEAD) + 1);
            }
        }
    }
}
