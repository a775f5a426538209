//! Packets in a TCP connection: each is preceded by its length (RFC 4571 §2, RFC 6544 §3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            LENGTH             |  STUN, DTLS, SRTP packet ...  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The length has two octets, so what waits for the end of a packet is never more than 64 KiB.
//!
//! Book: "Candidates".

use bytes::{Buf, BufMut, BytesMut};

/// Octets of the length.
const LENGTH: usize = 2;

// ANCHOR: frame
/// Appends a packet with its length. Answers false, and appends nothing, if it is too long.
pub(super) fn write_frame(packet: &[u8], stream: &mut BytesMut) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else { return false };
    stream.reserve(LENGTH + packet.len());
    stream.put_u16(length);
    stream.put_slice(packet);
    true
}

/// Takes the first packet out of what was received, once all of it is there.
pub(super) fn next_frame(stream: &mut BytesMut) -> Option<BytesMut> {
    let length = usize::from(u16::from_be_bytes(*stream.first_chunk::<LENGTH>()?));
    if stream.len() < LENGTH + length {
        return None;
    }
    stream.advance(LENGTH);
    Some(stream.split_to(length))
}
// ANCHOR_END: frame

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in vec(vec(any::<u8>(), 0..2000), 0..8),
            cut in 1usize..1000,
        ) {
            let mut stream = BytesMut::new();
            for packet in &packets {
                prop_assert!(write_frame(packet, &mut stream));
            }
            let (mut received, mut out) = (BytesMut::new(), Vec::new());
            for piece in stream.chunks(cut) {
                received.extend_from_slice(piece);
                while let Some(packet) = next_frame(&mut received) {
                    out.push(packet.to_vec());
                }
            }
            prop_assert_eq!(out, packets);
            prop_assert!(received.is_empty());
        }
    }

    const MAX_PACKET: usize = u16::MAX as usize;

    #[test]
    fn a_packet_that_is_too_long_is_not_cut() {
        let mut stream = BytesMut::new();
        assert!(!write_frame(&vec![0; MAX_PACKET + 1], &mut stream));
        assert!(stream.is_empty());
        assert!(write_frame(&vec![0; MAX_PACKET], &mut stream));
        assert_eq!(next_frame(&mut stream).map(|packet| packet.len()), Some(MAX_PACKET));
    }
}
