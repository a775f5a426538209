//! Packets that wait for a permission (RFC 8656 §9: the server drops what has none). Book: "Relay".

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// Packets that wait. A permission takes one round trip; ICE and DTLS send a few packets in that time
/// and send them again when they are lost.
const MAX_PACKETS: usize = 128;

/// Packets that wait for permissions, in the order they were sent.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(SocketAddr, Bytes)>);

impl Waiting {
    /// Keeps a packet; whether there was room.
    pub(super) fn push(&mut self, peer: SocketAddr, payload: &[u8]) -> bool {
        let has_room = self.0.len() < MAX_PACKETS;
        if has_room {
            self.0.push_back((peer, Bytes::copy_from_slice(payload)));
        }
        has_room
    }

    /// Takes the packets for one IP address out.
    pub(super) fn take(&mut self, ip: IpAddr) -> Vec<(SocketAddr, Bytes)> {
        let (taken, kept) = self.0.drain(..).partition(|(peer, _)| peer.ip() == ip);
        self.0 = kept;
        Vec::from_iter::<VecDeque<_>>(taken)
    }
}
