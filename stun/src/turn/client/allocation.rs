//! What the server lends: the addresses, for how long, and which peers may use them.
//!
//! RFC 8656 §3.2, §8. Book: "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::channels::Channels;
use super::event::CloseReason;
use super::lease::Lease;
use super::permissions::Permissions;
use super::waiting::Waiting;
use crate::{Code, ErrorCode};

/// How long an allocation lasts if nothing is said (RFC 8656 §3.2).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// How long before its end it is asked for again: more than a transaction takes to give up.
const MARGIN: Duration = Duration::from_secs(60);
/// We look after an allocation at least this often, whatever the server grants.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);
/// And no more often than for this, whatever the server grants.
const MIN_LIFETIME: Duration = Duration::from_secs(10);
/// How long nothing may be sent to the server over UDP before a NAT may forget our address, and the
/// server with it the allocation (RFC 8445 §11: Tr, 15 s).
const KEEPALIVE: Duration = Duration::from_secs(15);

/// An allocation.
#[derive(Debug)]
pub(super) struct Allocation {
    relayed: Vec<SocketAddr>,
    lease: Lease,
    /// What to say if the lease ends.
    reason: CloseReason,
    keepalive: Instant,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// Packets whose peer is not let in yet.
    pub(super) waiting: Waiting,
}

impl Allocation {
    /// One that the server has just agreed to.
    pub(super) fn new(now: Instant, relayed: Vec<SocketAddr>, lifetime: Duration) -> Self {
        Self {
            relayed,
            lease: lease(now, lifetime),
            reason: CloseReason::Lost,
            keepalive: now + KEEPALIVE,
            permissions: Permissions::default(),
            channels: Channels::new(),
            waiting: Waiting::default(),
        }
    }

    /// Whether there is a relayed address from which `ip` can be reached.
    pub(super) fn reaches(&self, ip: IpAddr) -> bool {
        self.relayed.iter().any(|relayed| relayed.is_ipv4() == ip.is_ipv4())
    }

    /// The server goes on.
    pub(super) fn refreshed(&mut self, now: Instant, lifetime: Duration) {
        self.lease = lease(now, lifetime);
        self.reason = CloseReason::Lost;
    }

    /// The server does not want to go on, for a reason other than that there is nothing to go on with:
    /// what it has promised lasts, and until then it may think otherwise.
    pub(super) fn refresh_refused(&mut self, now: Instant, error: &ErrorCode) {
        self.lease.not_renewed(now);
        self.reason = CloseReason::Refused(error.clone());
    }

    /// Nobody has answered the refresh.
    pub(super) fn refresh_unanswered(&mut self, now: Instant) {
        self.lease.not_renewed(now);
    }

    /// After 400 the allocation may be gone: a refresh will tell.
    pub(super) fn doubt(&mut self, now: Instant, error: &ErrorCode) {
        if error.code == Code::BAD_REQUEST {
            self.lease.hurry(now);
        }
    }

    /// The owner wants to know whether it is still there.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.lease.hurry(now);
    }

    /// Something was sent to the server.
    pub(super) fn sent(&mut self, now: Instant) {
        self.keepalive = now + KEEPALIVE;
    }

    /// Whether the NATs on the way to the server should be reminded of us; then not again for a while.
    pub(super) fn take_keepalive(&mut self, now: Instant) -> bool {
        let due = now >= self.keepalive;
        if due {
            self.sent(now);
        }
        due
    }

    /// Why it is over, if it is.
    pub(super) fn end(&self, now: Instant) -> Option<CloseReason> {
        self.lease.is_over(now).then(|| self.reason.clone())
    }

    /// Whether the server is to be asked to go on; then not again until that has failed.
    pub(super) fn take_refresh(&mut self, now: Instant) -> bool {
        let due = self.lease.is_due(now);
        if due {
            self.lease.renewal_started();
        }
        due
    }

    /// When something is to be done; `with_keepalive` where there is something to keep alive.
    pub(super) fn poll_timeout(&self, with_keepalive: bool) -> Option<Instant> {
        let keepalive = with_keepalive.then_some(self.keepalive);
        [
            Some(self.lease.poll_timeout()),
            self.permissions.poll_timeout(),
            self.channels.poll_timeout(),
            keepalive,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn lease(now: Instant, lifetime: Duration) -> Lease {
    Lease::new(now, lifetime.clamp(MIN_LIFETIME, MAX_LIFETIME), MARGIN)
}
