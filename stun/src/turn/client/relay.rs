//! Packets to and from peers, through the server (RFC 8656 §11, §12.5, §12.6).
//!
//! ```text
//!   send ─┬─ peer let in, channel bound ──► ChannelData
//!         ├─ peer let in, no channel ─────► Send indication, and ChannelBind
//!         └─ peer not let in yet ─────────► waits, and CreatePermission
//!   recv ◄── ChannelData of a channel of ours, Data indication of a peer that we let in
//! ```
//!
//! Invariant: a packet from a peer that we did not ask for goes nowhere. Book: "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;

use super::channels::Way;
use super::event::{Error, SendError};
use super::permissions::Access;
use super::requests::Purpose;
use super::{Client, State};
use crate::turn::ChannelData;
use crate::{Attribute, Class, Message, Method, TransactionId};

/// Octets of the longest packet that can be relayed: what is left of a UDP datagram besides a Send
/// indication to an IPv6 peer, and some room.
pub const MAX_PAYLOAD_LENGTH: usize = 65_000;

/// Packets that wait to be transmitted. The owner takes them after every call; more pile up only if
/// it does not, and a network would have dropped them, too.
const MAX_OUTBOUND: usize = 1024;

/// Packets that wait to be read; likewise.
const MAX_INBOUND: usize = 1024;

impl Client {
    /// Lets the packets of a peer in, before any is sent to it: RFC 8656 §9.
    ///
    /// Without effect while there is no allocation that reaches the peer.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        match &mut self.state {
            State::Allocated(allocation) if allocation.reaches(peer) => {
                if allocation.permissions.access(now, peer) == Access::Ask {
                    self.start(Purpose::Permit(peer));
                }
            }
            _ => tracing::debug!(%peer, "nothing to let the peer in to"),
        }
    }

    /// Relays a packet to a peer. The server is asked to let the peer in if it was not yet; the packet
    /// waits for that. The peer then gets a channel, too.
    ///
    /// # Errors
    /// The packet was dropped.
    pub fn send(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let State::Allocated(allocation) = &mut self.state else {
            return Err(SendError::NotAllocated);
        };
        if !allocation.reaches(peer.ip()) {
            return Err(SendError::NoSuchFamily);
        }
        if payload.len() > MAX_PAYLOAD_LENGTH {
            return Err(SendError::TooLong);
        }
        let access = allocation.permissions.access(now, peer.ip());
        match access {
            Access::Open => self.relay(now, peer, payload),
            Access::Requested | Access::Ask => {
                let kept = allocation.waiting.push(peer, payload);
                if access == Access::Ask {
                    self.start(Purpose::Permit(peer.ip()));
                }
                kept.then_some(()).ok_or(SendError::Full)
            }
            Access::Refused(code) => Err(SendError::Refused(code)),
            Access::Full => Err(SendError::Full),
        }
    }

    /// The next packet of a peer.
    pub fn recv(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.inbound.pop_front()
    }

    /// Relays the packets that waited for a permission.
    pub(super) fn relay_all(&mut self, now: Instant, packets: Vec<(SocketAddr, Bytes)>) {
        for (peer, payload) in packets {
            if let Err(error) = self.relay(now, peer, &payload) {
                tracing::debug!(%peer, %error, "a packet that has waited is lost");
            }
        }
    }

    /// Relays a packet to a peer that is let in.
    fn relay(&mut self, now: Instant, peer: SocketAddr, payload: &[u8]) -> Result<(), SendError> {
        let State::Allocated(allocation) = &mut self.state else {
            return Err(SendError::NotAllocated);
        };
        if self.outbound.len() >= MAX_OUTBOUND {
            return Err(SendError::Full);
        }
        let packet = match allocation.channels.way(now, peer) {
            Way::Channel(number) => {
                let padded = self.config.transport.is_stream();
                ChannelData::encode_parts(number, payload, padded)
            }
            Way::Indication => self.send_indication(peer, payload),
            Way::IndicationAndBind(number) => {
                self.start(Purpose::Bind(peer, number));
                self.send_indication(peer, payload)
            }
        };
        self.outbound.push_back(packet);
        Ok(())
    }

    /// RFC 8656 §11.1.
    fn send_indication(&mut self, peer: SocketAddr, payload: &[u8]) -> Bytes {
        Message::indication(Method::SEND, TransactionId::random(&mut self.rng))
            .with(Attribute::XorPeerAddress(peer))
            .with(Attribute::Data(Bytes::copy_from_slice(payload)))
            .encode(None)
    }

    /// RFC 8656 §12.6.
    pub(super) fn handle_channel_data(&mut self, now: Instant, octets: &[u8]) -> Result<(), Error> {
        let ChannelData { channel, data } = ChannelData::parse(octets)?;
        let State::Allocated(allocation) = &mut self.state else {
            return Err(Error::UnknownChannel);
        };
        let peer = allocation.channels.peer_of(now, channel).ok_or(Error::UnknownChannel)?;
        // The channel's packets keep the permission in use, which it needs.
        if !allocation.permissions.is_known(now, peer.ip()) {
            return Err(Error::Stranger);
        }
        self.received(peer, data)
    }

    /// RFC 8656 §11.4.
    pub(super) fn handle_indication(
        &mut self,
        now: Instant,
        message: &Message,
    ) -> Result<(), Error> {
        if (message.class, message.method) != (Class::Indication, Method::DATA) {
            return Err(Error::Unexpected);
        }
        let unknown = !message.unknown_required().is_empty();
        let (Some(peer), false) = (message.xor_peer_address(), unknown) else {
            return Err(Error::Incomplete);
        };
        let State::Allocated(allocation) = &mut self.state else { return Err(Error::Stranger) };
        if !allocation.permissions.is_known(now, peer.ip()) {
            return Err(Error::Stranger);
        }
        if let Some(icmp) = message.icmp() {
            // Anybody on the way to the peer can make one up: no reason to give the peer up
            // (RFC 8656 §11.6).
            tracing::debug!(%peer, ?icmp, "a packet has met an error");
            return Ok(());
        }
        let data = message.data().cloned().ok_or(Error::Incomplete)?;
        self.received(peer, data)
    }

    fn received(&mut self, peer: SocketAddr, data: Bytes) -> Result<(), Error> {
        if self.inbound.len() >= MAX_INBOUND {
            return Err(Error::Full);
        }
        self.inbound.push_back((peer, data));
        Ok(())
    }
}
