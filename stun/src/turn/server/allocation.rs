//! An allocation: a relayed address, lent to a client for a while, and who may use it
//! (RFC 8656 §2, §6).
//!
//! ```text
//!   5-tuple ──► Allocation { user, relayed addresses,
//!                            permissions: IP address ──► until     300 s (§9)
//!                            channels:    number ◄──► peer, until  600 s (§12) }
//! ```
//!
//! Invariants: a channel number and a peer are bound to each other or to nothing; what has expired is
//! as good as gone, and is removed when room is needed; both tables are bounded. Book: "Relay".

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::authentication::UserId;
use crate::turn::ChannelNumber;
use crate::{ServerTransport, TransactionId};

/// How long an allocation lasts that nobody asked to last longer (RFC 8656 §2, §7.2).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// The longest an allocation may last without a refresh, as the RFC recommends (§7.2).
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// How long a permission lasts; always this (RFC 8656 §9).
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel lasts (RFC 8656 §12).
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// Permissions of one allocation: one for each address that a peer has; an ICE agent has a hundred
/// pairs at most (RFC 8445 §6.1.2.5), and one relayed address may serve several connections.
pub(super) const MAX_PERMISSIONS: usize = 512;

/// Channels of one allocation, for the same reason.
pub(super) const MAX_CHANNELS: usize = 512;

/// Over what, from where and to where a client speaks with the server (RFC 8656 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// What carries the messages.
    pub transport: ServerTransport,
    /// The server's address and port.
    pub local: SocketAddr,
    /// The client's, as the server sees it.
    pub remote: SocketAddr,
}

/// What one client has borrowed.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) user: UserId,
    /// One address, or one of each family; each has a time-to-expiry of its own.
    pub(super) relayed: Vec<SocketAddr>,
    /// The request that made it and our answer, for when the answer was lost (RFC 8656 §7.2).
    pub(super) answer: (TransactionId, Bytes),
    permissions: HashMap<IpAddr, Instant>,
    channels: HashMap<ChannelNumber, Channel>,
    numbers: HashMap<SocketAddr, ChannelNumber>,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel could not be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number is another peer's, or the peer has another number.
    Taken,
    /// There are [`MAX_CHANNELS`] already, or as many permissions.
    Full,
}

impl Allocation {
    pub(super) fn new(
        user: UserId,
        relayed: Vec<SocketAddr>,
        answer: (TransactionId, Bytes),
    ) -> Self {
        let (permissions, channels, numbers) = Default::default();
        Self { user, relayed, answer, permissions, channels, numbers }
    }

    /// The relayed address from which this peer is reached: the one of its family.
    pub(super) fn relayed_for(&self, peer: IpAddr) -> Option<SocketAddr> {
        self.relayed.iter().copied().find(|relayed| relayed.is_ipv4() == peer.is_ipv4())
    }

    /// Installs or refreshes permissions, all or none (RFC 8656 §10.2). `false`: there is no room.
    pub(super) fn permit(&mut self, now: Instant, peers: &[IpAddr]) -> bool {
        let new = |permissions: &HashMap<_, _>| {
            peers.iter().filter(|peer| !permissions.contains_key(*peer)).count()
        };
        if self.permissions.len() + new(&self.permissions) > MAX_PERMISSIONS {
            self.permissions.retain(|_, expires| *expires > now);
            if self.permissions.len() + new(&self.permissions) > MAX_PERMISSIONS {
                return false;
            }
        }
        let expires = now + PERMISSION_LIFETIME;
        self.permissions.extend(peers.iter().map(|peer| (*peer, expires)));
        true
    }

    /// Whether packets may pass between this peer and the client.
    pub(super) fn permits(&self, now: Instant, peer: IpAddr) -> bool {
        self.permissions.get(&peer).is_some_and(|expires| *expires > now)
    }

    /// Binds a channel or refreshes its binding, and the permission with it (RFC 8656 §12.2).
    pub(super) fn bind(
        &mut self,
        now: Instant,
        number: ChannelNumber,
        peer: SocketAddr,
    ) -> Result<(), BindError> {
        let other_peer = self.peer_of(now, number).is_some_and(|bound| bound != peer);
        let other_number = self.channel_of(now, peer).is_some_and(|bound| bound != number);
        if other_peer || other_number {
            return Err(BindError::Taken);
        }
        if self.peer_of(now, number).is_none() {
            // What either was bound to before has expired.
            let peers_before = self.channels.remove(&number).map(|channel| channel.peer);
            peers_before.and_then(|peer| self.numbers.remove(&peer));
            self.numbers.remove(&peer).and_then(|number| self.channels.remove(&number));
            if self.channels.len() >= MAX_CHANNELS {
                self.channels.retain(|_, channel| channel.expires > now);
                self.numbers.retain(|_, number| self.channels.contains_key(number));
            }
        }
        if self.channels.len() >= MAX_CHANNELS && !self.channels.contains_key(&number) {
            return Err(BindError::Full);
        }
        if !self.permit(now, &[peer.ip()]) {
            return Err(BindError::Full);
        }
        self.channels.insert(number, Channel { peer, expires: now + CHANNEL_LIFETIME });
        self.numbers.insert(peer, number);
        Ok(())
    }

    /// Who is at the other end of a channel.
    pub(super) fn peer_of(&self, now: Instant, number: ChannelNumber) -> Option<SocketAddr> {
        let channel = self.channels.get(&number)?;
        (channel.expires > now).then_some(channel.peer)
    }

    /// The channel on which packets of this peer travel to the client.
    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<ChannelNumber> {
        let number = *self.numbers.get(&peer)?;
        self.peer_of(now, number).map(|_| number)
    }
}

/// The lifetime to grant to one who asks for `requested` (RFC 8656 §7.2, §8.2).
pub(super) fn granted(requested: Option<Duration>) -> Duration {
    requested.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME)
}
