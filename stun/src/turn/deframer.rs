//! Finding messages in a stream: TCP and TLS to a server have no datagrams.
//!
//! RFC 8656 §12.5, RFC 8489 §6.2.2: STUN messages and ChannelData stand one behind the other, and
//! each says its own length. The first octet tells which it is:
//!
//! ```text
//! 0x00 to 0x03  STUN           20 octets of header, and the length it says: a multiple of four
//! 0x40 to 0x4F  ChannelData     4 octets of header, the length it says, and padding to four
//! others        the stream is lost: nobody can say where the next message begins
//! ```
//!
//! Invariants: a message that [`Deframer::next`] gives is whole, with its padding; what is kept is at
//! most one message and what was pushed behind it; after an error nothing comes any more.
//! Book: "Relay".

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::{ChannelData, HEADER_LENGTH, is_stun};

/// Octets of the longest message in a stream: ChannelData with as many octets as its length can say,
/// and their padding. A STUN message is not longer: 20 octets and at most 65,532.
pub const MAX_FRAME_LENGTH: usize = ChannelData::HEADER_LENGTH + 0x1_0000;

/// Why a stream from or to a server is of no use any more: close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream holds neither STUN nor ChannelData, so no message can be found in it any more")]
pub struct DeframeError;

/// Finds messages in a stream.
#[derive(Debug, Default)]
pub struct Deframer {
    octets: BytesMut,
    lost: bool,
}

impl Deframer {
    /// A deframer at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read from the stream. Then call [`Deframer::next`] until it has nothing: only
    /// that keeps what is waiting bounded.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.lost {
            self.octets.extend_from_slice(octets);
        }
    }

    /// The next message, if the whole of it is here.
    ///
    /// # Errors
    /// The stream is lost.
    #[allow(clippy::should_implement_trait, reason = "an end of messages is not the stream's end")]
    pub fn next(&mut self) -> Result<Option<Bytes>, DeframeError> {
        match self.frame_length() {
            Ok(Some(length)) if length <= self.octets.len() => {
                Ok(Some(self.octets.split_to(length).freeze()))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                self.lost = true;
                self.octets = BytesMut::new();
                Err(error)
            }
        }
    }

    // ANCHOR: frame_length
    /// The length of the message that begins here, once its header says it.
    fn frame_length(&self) -> Result<Option<usize>, DeframeError> {
        if self.lost {
            return Err(DeframeError);
        }
        let length_at = |offset: usize| {
            let mut field = self.octets.get(offset..offset + 2)?;
            Some(usize::from(field.get_u16()))
        };
        match self.octets.first() {
            None => Ok(None),
            Some(_) if ChannelData::is_channel_data(&self.octets) => {
                let padded =
                    |length: usize| ChannelData::HEADER_LENGTH + length.next_multiple_of(4);
                Ok(length_at(2).map(padded))
            }
            // The cookie, too: four octets more that a lost stream would have to hit.
            Some(0..=3) => match self.octets.get(..HEADER_LENGTH) {
                Some(header) if is_stun(header) => match length_at(2) {
                    Some(length) if length.is_multiple_of(4) => Ok(Some(HEADER_LENGTH + length)),
                    _ => Err(DeframeError),
                },
                Some(_) => Err(DeframeError),
                None => Ok(None),
            },
            Some(_) => Err(DeframeError),
        }
    }
    // ANCHOR_END: frame_length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ChannelNumber;
    use crate::{Attribute, Message, Method, TransactionId};

    fn stun(data: usize) -> Bytes {
        Message::indication(Method::DATA, TransactionId([3; 12]))
            .with(Attribute::Data(vec![7; data].into()))
            .encode(None)
    }

    fn channel_data(data: usize) -> Bytes {
        let data = vec![9; data].into();
        ChannelData { channel: ChannelNumber::FIRST, data }.encode_padded()
    }

    #[test]
    fn trap_channel_data_in_a_stream_is_padded() {
        let mut deframer = Deframer::new();
        let messages = [channel_data(1), stun(5), channel_data(0), channel_data(4), stun(0)];
        deframer.push(&messages.concat());
        for message in messages {
            assert_eq!(deframer.next(), Ok(Some(message)));
        }
        assert_eq!(deframer.next(), Ok(None));
    }

    #[test]
    fn the_longest_messages_fit() {
        for message in [channel_data(65_535), stun(65_000)] {
            assert!(message.len() <= MAX_FRAME_LENGTH);
            let mut deframer = Deframer::new();
            deframer.push(&message);
            assert_eq!(deframer.next(), Ok(Some(message)));
        }
    }

    #[test]
    fn row_1_a_stream_of_something_else_is_lost_and_stays_lost() {
        let ssh: &[u8] = b"SSH-2.0-OpenSSH\r\n";
        let another_cookie = [0; HEADER_LENGTH];
        let mut odd_length = stun(0).to_vec();
        odd_length[3] = 2;
        for octets in [ssh, &another_cookie, &odd_length, &[0x50, 0, 0, 0], &[0x16, 3, 1]] {
            let mut deframer = Deframer::new();
            deframer.push(octets);
            assert_eq!(deframer.next(), Err(DeframeError));
            deframer.push(&stun(0));
            assert_eq!(deframer.next(), Err(DeframeError));
            assert!(deframer.octets.is_empty());
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_the_stream_is_cut(
            messages in prop::collection::vec((any::<bool>(), 0..40usize), 1..10),
            piece in 1..50usize,
        ) {
            let messages: Vec<Bytes> = messages
                .into_iter()
                .map(|(is_stun, data)| if is_stun { stun(data) } else { channel_data(data) })
                .collect();
            let (mut deframer, mut found) = (Deframer::new(), Vec::new());
            for octets in messages.concat().chunks(piece) {
                deframer.push(octets);
                while let Some(message) = deframer.next().unwrap() {
                    found.push(message);
                }
                prop_assert!(deframer.octets.len() < MAX_FRAME_LENGTH);
            }
            prop_assert_eq!(found, messages);
        }

        #[test]
        fn never_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5)) {
            let mut deframer = Deframer::new();
            for piece in pieces {
                deframer.push(&piece);
                while let Ok(Some(_)) = deframer.next() {}
            }
        }
    }
}
