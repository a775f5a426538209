//! What the owner of an allocation may ask: Refresh, CreatePermission, ChannelBind
//! (RFC 8656 §8.2, §10.2, §12.2).
//!
//! Invariant: a request that is refused has changed nothing. Book: "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::Server;
use super::allocation::{Allocation, BindError, FiveTuple, granted};
use super::authentication::Proof;
use super::leases::Owner;
use crate::{Attribute, Code, Family, Message};

impl Server {
    /// The allocation that a request is about: there has to be one, and of this user
    /// (RFC 8656 §5).
    fn allocation_of(&mut self, client: FiveTuple, proof: &Proof) -> Result<&mut Allocation, Code> {
        let allocation = self.allocations.get_mut(&client).ok_or(Code::ALLOCATION_MISMATCH)?;
        if allocation.user != proof.user {
            return Err(Code::WRONG_CREDENTIALS);
        }
        Ok(allocation)
    }

    /// Refresh: the allocation, or the part of it that has this family, lasts longer; or ends, if the
    /// lifetime asked for is zero (RFC 8656 §8.2).
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
    ) -> Result<Message, Code> {
        let allocation = self.allocation_of(client, proof)?;
        let family = request.requested_address_family();
        let is_meant =
            |relayed: &&SocketAddr| family.is_none_or(|family| Family::of(relayed.ip()) == family);
        let meant: Vec<SocketAddr> = allocation.relayed.iter().filter(is_meant).copied().collect();
        if meant.is_empty() {
            return Err(Code::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        let lifetime = match request.lifetime() {
            Some(Duration::ZERO) => Duration::ZERO,
            requested => granted(requested),
        };
        for relayed in meant {
            if lifetime.is_zero() {
                self.take_back(relayed);
            } else {
                self.leases.hand_over(relayed, Owner::Client(client), now + lifetime);
            }
        }
        Ok(Message::success(request).with(Attribute::Lifetime(lifetime)))
    }

    /// CreatePermission: these peers may send and be sent to; all of them or none
    /// (RFC 8656 §10.2).
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
    ) -> Result<Message, Code> {
        let policy = self.config.peers;
        let allocation = self.allocation_of(client, proof)?;
        // The port is of no importance (RFC 8656 §9).
        let mut peers: Vec<IpAddr> = request.xor_peer_addresses().map(|peer| peer.ip()).collect();
        peers.sort_unstable();
        peers.dedup();
        if peers.is_empty() {
            return Err(Code::BAD_REQUEST);
        }
        if !peers.iter().all(|peer| policy.allows(*peer)) {
            return Err(Code::FORBIDDEN);
        }
        if !peers.iter().all(|peer| allocation.relayed_for(*peer).is_some()) {
            return Err(Code::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if !allocation.permit(now, &peers) {
            return Err(Code::INSUFFICIENT_CAPACITY);
        }
        Ok(Message::success(request))
    }

    /// ChannelBind: a number for a peer, and the permission with it (RFC 8656 §12.2).
    pub(super) fn channel_bind(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
    ) -> Result<Message, Code> {
        let number = request.channel_number();
        let peer = request.xor_peer_address();
        let is_forbidden = peer.is_some_and(|peer| !self.may_be_bound(peer));
        let allocation = self.allocation_of(client, proof)?;
        let (Some(number), Some(peer)) = (number, peer) else { return Err(Code::BAD_REQUEST) };
        if !number.may_be_bound() || peer.port() == 0 {
            return Err(Code::BAD_REQUEST);
        }
        if is_forbidden {
            return Err(Code::FORBIDDEN);
        }
        if allocation.relayed_for(peer.ip()).is_none() {
            return Err(Code::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        match allocation.bind(now, number, peer) {
            Ok(()) => Ok(Message::success(request)),
            Err(BindError::Taken) => Err(Code::BAD_REQUEST),
            Err(BindError::Full) => Err(Code::INSUFFICIENT_CAPACITY),
        }
    }

    fn may_be_bound(&self, peer: SocketAddr) -> bool {
        self.config.peers.allows(peer.ip()) && !self.config.listening.contains(&peer)
    }
}
