//! Channels: two octets that stand for a peer, so that its packets cost four octets more and not 36.
//!
//! RFC 8656 §12. A binding is for an IP address and port and lasts 600 s:
//!
//! ```text
//!            ChannelBind        success           540 s: ChannelBind
//!   unknown ────────────► Binding ──► Bound ◄──────────┐
//!      ▲                     │  ▲        │ └───────────┘
//!      │          no answer, │  │ sent   │ 600 s, or not used: lapsed
//!      │          refused    ▼  │ to     ▼
//!      └──────────────────── Unbound ◄───┘
//!       300 s after it has surely ended
//! ```
//!
//! Invariants: all packets to a peer use its channel once it is bound; a number is never bound to
//! another peer, nor a peer to another number, until five minutes after the server has forgotten the
//! binding (§12). Book: "Relay".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::lease::Lease;
use crate::turn::ChannelNumber;

/// How long a binding lasts (RFC 8656 §12).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How long before its end it is asked for again: more than a transaction takes to give up.
const MARGIN: Duration = Duration::from_secs(60);
/// How long after a binding its number and its peer belong together (RFC 8656 §12).
pub(super) const QUARANTINE: Duration = Duration::from_secs(300);
/// The wait before a binding that nobody has answered is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Channels of one allocation, of 4096 numbers. Further peers get Send indications.
const MAX_CHANNELS: usize = 1024;

/// The channels of an allocation.
#[derive(Debug)]
pub(super) struct Channels {
    by_peer: BTreeMap<SocketAddr, (ChannelNumber, Channel)>,
    by_number: BTreeMap<ChannelNumber, SocketAddr>,
    /// Where to look for a free number.
    next: ChannelNumber,
}

#[derive(Debug)]
enum Channel {
    /// Asked for the first time.
    Binding,
    /// The server knows it.
    Bound { lease: Lease, used: Instant },
    /// The server does not know it, or may have forgotten it.
    Unbound { again: Instant, free: Instant },
}

/// How a packet goes to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As ChannelData.
    Channel(ChannelNumber),
    /// In a Send indication.
    Indication,
    /// In a Send indication, and this number is to be bound now.
    IndicationAndBind(ChannelNumber),
}

impl Channels {
    /// None yet.
    pub(super) fn new() -> Self {
        let next = ChannelNumber::FIRST;
        Self { by_peer: BTreeMap::new(), by_number: BTreeMap::new(), next }
    }

    /// How a packet goes to `peer`, which counts as a use.
    pub(super) fn way(&mut self, now: Instant, peer: SocketAddr) -> Way {
        match self.by_peer.get_mut(&peer) {
            Some((number, Channel::Bound { used, .. })) => {
                *used = now;
                Way::Channel(*number)
            }
            Some((number, channel @ Channel::Unbound { .. })) if channel.may_be_tried(now) => {
                *channel = Channel::Binding;
                Way::IndicationAndBind(*number)
            }
            Some(_) => Way::Indication,
            None => match self.free_number() {
                Some(number) => {
                    self.by_peer.insert(peer, (number, Channel::Binding));
                    self.by_number.insert(number, peer);
                    Way::IndicationAndBind(number)
                }
                None => Way::Indication,
            },
        }
    }

    /// The peer of a channel on which a packet came, which counts as a use.
    ///
    /// One that is being bound counts too: the packet may have overtaken the server's response.
    pub(super) fn peer_of(&mut self, now: Instant, number: ChannelNumber) -> Option<SocketAddr> {
        let peer = *self.by_number.get(&number)?;
        match self.by_peer.get_mut(&peer) {
            Some((_, Channel::Bound { used, .. })) => *used = now,
            Some((_, Channel::Binding)) => {}
            Some((_, Channel::Unbound { .. })) | None => return None,
        }
        Some(peer)
    }

    /// The server has agreed.
    pub(super) fn bound(&mut self, now: Instant, peer: SocketAddr) {
        if let Some((_, channel)) = self.by_peer.get_mut(&peer) {
            let used = match channel {
                Channel::Bound { used, .. } => *used,
                Channel::Binding | Channel::Unbound { .. } => now,
            };
            *channel = Channel::Bound { lease: Lease::new(now, LIFETIME, MARGIN), used };
        }
    }

    /// The server has refused: for some minutes it is not asked again, and then with another number.
    pub(super) fn refused(&mut self, now: Instant, peer: SocketAddr) {
        self.failed(now, peer, QUARANTINE, QUARANTINE);
    }

    /// Nobody has answered, so the server may have bound it.
    pub(super) fn unanswered(&mut self, now: Instant, peer: SocketAddr) {
        self.failed(now, peer, RETRY, LIFETIME + QUARANTINE);
    }

    fn failed(&mut self, now: Instant, peer: SocketAddr, again: Duration, free: Duration) {
        match self.by_peer.get_mut(&peer) {
            Some((_, Channel::Bound { lease, .. })) => lease.not_renewed(now),
            Some((_, channel)) => {
                *channel = Channel::Unbound { again: now + again, free: now + free };
            }
            None => {}
        }
    }

    /// Lets time pass; returns those to bind again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<(SocketAddr, ChannelNumber)> {
        let Self { by_peer, by_number, .. } = self;
        by_peer.retain(|_, (number, channel)| {
            let keep = !matches!(channel, Channel::Unbound { free, .. } if now >= *free);
            if !keep {
                by_number.remove(number);
            }
            keep
        });
        let mut due = Vec::new();
        for (peer, (number, channel)) in by_peer {
            match channel {
                Channel::Bound { lease, .. } if lease.is_over(now) => {
                    *channel = Channel::Unbound { again: now, free: now + QUARANTINE };
                }
                Channel::Bound { lease, used } if lease.is_due(now) => {
                    if now < *used + LIFETIME {
                        lease.renewal_started();
                        due.push((*peer, *number));
                    } else {
                        lease.not_renewed(now);
                    }
                }
                _ => {}
            }
        }
        due
    }

    /// When something is to be done.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timeout = |(_, channel): &(ChannelNumber, Channel)| match channel {
            Channel::Binding => None,
            Channel::Bound { lease, .. } => Some(lease.poll_timeout()),
            Channel::Unbound { free, .. } => Some(*free),
        };
        self.by_peer.values().filter_map(timeout).min()
    }

    /// A number that belongs to no peer.
    fn free_number(&mut self) -> Option<ChannelNumber> {
        if self.by_number.len() >= MAX_CHANNELS {
            return None;
        }
        while self.by_number.contains_key(&self.next) {
            self.next = following(self.next);
        }
        let number = self.next;
        self.next = following(number);
        Some(number)
    }
}

impl Channel {
    fn may_be_tried(&self, now: Instant) -> bool {
        matches!(self, Self::Unbound { again, .. } if now >= *again)
    }
}

/// The next number, and after the last the first.
fn following(number: ChannelNumber) -> ChannelNumber {
    if number >= ChannelNumber::LAST { ChannelNumber::FIRST } else { ChannelNumber(number.0 + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn number_of(way: Way) -> ChannelNumber {
        match way {
            Way::Channel(number) | Way::IndicationAndBind(number) => number,
            Way::Indication => panic!("no channel"),
        }
    }

    #[test]
    fn trap_only_numbers_that_may_be_bound_and_no_more_than_there_are() {
        let (now, mut channels) = (Instant::now(), Channels::new());
        channels.next = ChannelNumber(0x4FFE);
        for port in 1..=u16::try_from(MAX_CHANNELS).unwrap() {
            assert!(number_of(channels.way(now, peer(port))).may_be_bound());
        }
        assert_eq!(channels.by_number.len(), MAX_CHANNELS);
        assert_eq!(channels.way(now, peer(9999)), Way::Indication);
    }

    /// RFC 8656 §12: five minutes between the end of a binding and another use of its number.
    #[test]
    fn trap_a_number_and_a_peer_belong_together_for_five_more_minutes() {
        let (start, mut channels) = (Instant::now(), Channels::new());
        let number = number_of(channels.way(start, peer(1)));
        channels.bound(start, peer(1));
        // Nobody uses it: it is not bound again when it is due.
        let due = channels.poll_timeout().unwrap();
        let idle = start + LIFETIME;
        assert!(due < idle);
        channels.by_peer.values_mut().for_each(|(_, channel)| {
            if let Channel::Bound { used, .. } = channel {
                *used = start.checked_sub(LIFETIME).unwrap_or(start);
            }
        });
        let _ = channels.handle_timeout(due);
        let _ = channels.handle_timeout(idle);
        assert_eq!(channels.peer_of(idle, number), None, "nothing comes on it any more");
        // Another peer gets another number, the same peer the same.
        channels.next = number;
        assert_ne!(number_of(channels.way(idle, peer(2))), number);
        assert_eq!(channels.way(idle, peer(1)), Way::IndicationAndBind(number));
        channels.refused(idle, peer(1));
        assert_eq!(channels.way(idle, peer(1)), Way::Indication);
        let free = idle + QUARANTINE;
        let _ = channels.handle_timeout(free);
        channels.next = number;
        assert_eq!(number_of(channels.way(free, peer(3))), number);
    }

    #[test]
    fn a_binding_that_nobody_answers_may_exist_nevertheless() {
        let (start, mut channels) = (Instant::now(), Channels::new());
        let number = number_of(channels.way(start, peer(1)));
        channels.unanswered(start, peer(1));
        assert_eq!(channels.way(start, peer(1)), Way::Indication);
        let _ = channels.handle_timeout(start + LIFETIME);
        channels.next = number;
        assert_ne!(number_of(channels.way(start + LIFETIME, peer(2))), number);
        assert_eq!(channels.way(start + RETRY, peer(1)), Way::IndicationAndBind(number));
    }
}
