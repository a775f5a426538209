//! Packets on their way between clients and peers (RFC 8656 §11, §12.5 to §12.7).
//!
//! ```text
//!   client                       server                           peer
//!     ── ChannelData (channel) ──►  ├── the payload, from the relayed address ──►
//!     ── Send (peer, DATA) ──────►  │
//!     ◄─ ChannelData ─────────────  ◄── a datagram to the relayed address ───────
//!     ◄─ Data (peer, DATA) ───────  │   if the peer has no channel
//! ```
//!
//! Invariants: nothing passes without a permission or a channel, in either direction; out come as many
//! packets as went in; no packet goes to where this server itself listens, or a client could make it
//! talk to itself for ever (RFC 8656 §21.4). Book: "Relay".

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::allocation::FiveTuple;
use super::leases::Owner;
use super::policy::PeerPolicy;
use super::{Error, Outgoing, Server};
use crate::turn::ChannelData;
use crate::{Attribute, Message, Method, ServerTransport, TransactionId};

/// Octets of a payload that still fit into a datagram to the client with header, peer address and
/// fingerprint around them.
const MAX_PAYLOAD: usize = 65_507 - 80;

impl Server {
    /// A Send indication (RFC 8656 §11.2). It is not authenticated; the 5-tuple is what it has.
    pub(super) fn handle_send(
        &mut self,
        now: Instant,
        client: FiveTuple,
        indication: &Message,
    ) -> Result<(), Error> {
        let allocation = self.allocations.get(&client).ok_or(Error::NoAllocation)?;
        if !indication.unknown_required().is_empty() || indication.dont_fragment() {
            return Err(Error::UnknownAttribute);
        }
        let (Some(peer), Some(data)) = (indication.xor_peer_address(), indication.data()) else {
            return Err(Error::Incomplete);
        };
        let relayed = allocation
            .relayed_for(peer.ip())
            .filter(|_| allocation.permits(now, peer.ip()))
            .ok_or(Error::NoPermission)?;
        self.pass_to_peer(now, relayed, peer, data.clone())
    }

    /// ChannelData of a client (RFC 8656 §12.6).
    pub(super) fn handle_channel_data(
        &mut self,
        now: Instant,
        client: FiveTuple,
        message: ChannelData,
    ) -> Result<(), Error> {
        let allocation = self.allocations.get(&client).ok_or(Error::NoAllocation)?;
        let peer = allocation.peer_of(now, message.channel).ok_or(Error::NoChannel)?;
        let relayed = allocation.relayed_for(peer.ip()).ok_or(Error::NoPermission)?;
        self.pass_to_peer(now, relayed, peer, message.data)
    }

    fn pass_to_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Bytes,
    ) -> Result<(), Error> {
        if let Some(Owner::Client(_)) = self.leases.owner(peer) {
            // Both ends are relayed here: the packet need not leave the house, and where the relay
            // stands behind a NAT it would not find back.
            return self.handle_relayed(now, peer, relayed, &payload);
        }
        // What else listens at our addresses trusts us more than it trusts the client.
        let is_own = self.leases.is_ours(peer.ip()) && self.config.peers == PeerPolicy::Public;
        if peer.port() == 0 || is_own || self.config.listening.contains(&peer) {
            return Err(Error::Forbidden);
        }
        self.push(Outgoing::ToPeer { relayed, peer, payload });
        Ok(())
    }

    /// Takes a datagram that came to a relayed address (RFC 8656 §11.3, §12.7).
    ///
    /// # Errors
    /// It was discarded: the address is not lent, the peer has no permission, or it is too large.
    pub fn handle_relayed(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.handle_timeout(now);
        let Some(Owner::Client(client)) = self.leases.owner(relayed) else {
            return Err(Error::NoAllocation);
        };
        let allocation = self.allocations.get(&client).ok_or(Error::NoAllocation)?;
        if !allocation.permits(now, peer.ip()) {
            return Err(Error::NoPermission);
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge);
        }
        let message = match allocation.channel_of(now, peer) {
            Some(channel) => {
                let is_padded = client.transport != ServerTransport::Udp;
                ChannelData::encode_parts(channel, payload, is_padded)
            }
            None => Message::indication(Method::DATA, TransactionId::random(&mut self.rng))
                .with(Attribute::XorPeerAddress(peer))
                .with(Attribute::Data(Bytes::copy_from_slice(payload)))
                .encode(None),
        };
        self.send_to_client(client, message);
        Ok(())
    }
}
