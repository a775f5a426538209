//! Permissions: which peers the server lets in.
//!
//! RFC 8656 §9, §10. A permission is for an IP address, whatever the port, and lasts exactly 300 s:
//!
//! ```text
//!            CreatePermission        success              240 s: CreatePermission
//!   unknown ─────────────────► Requested ──► Installed ◄──────────┐
//!      ▲                          │             │  └──────────────┘
//!      │         refused: 403 ... ▼             │ 300 s, or not used: lapsed
//!      └───────────────────── Refused ◄─────────┴──► unknown
//!               300 s
//! ```
//!
//! A permission that nobody has used for its whole lifetime is not renewed: candidates that led
//! nowhere do not cost a request every four minutes for ever. Book: "Relay".

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::lease::Lease;
use crate::Code;

/// How long a permission lasts (RFC 8656 §9: "MUST be 300 seconds").
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// How long before its end it is asked for again: more than a transaction takes to give up.
const MARGIN: Duration = Duration::from_secs(60);
/// After how long a refused peer may be asked for again.
const REFUSED_FOR: Duration = LIFETIME;

/// Peers of one allocation. ICE tries at most 100 pairs for each connection; more IP addresses than
/// this behind one relayed address are not a call.
pub(super) const MAX_PEERS: usize = 1024;

/// The peers of an allocation.
#[derive(Debug, Default)]
pub(super) struct Permissions(BTreeMap<IpAddr, Permission>);

#[derive(Debug)]
enum Permission {
    /// Asked for; packets wait.
    Requested,
    /// The server lets the peer in.
    Installed { lease: Lease, used: Instant },
    /// The server does not.
    Refused { code: Code, until: Instant },
}

/// Whether a packet may go to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It may go.
    Open,
    /// The permission has been asked for.
    Requested,
    /// The permission is to be asked for now.
    Ask,
    /// The server has refused.
    Refused(Code),
    /// Too many peers.
    Full,
}

impl Permissions {
    /// Whether a packet may go to `ip`, which counts as a use.
    pub(super) fn access(&mut self, now: Instant, ip: IpAddr) -> Access {
        let full = self.0.len() >= MAX_PEERS;
        match self.0.get_mut(&ip) {
            Some(Permission::Requested) => Access::Requested,
            Some(Permission::Installed { used, .. }) => {
                *used = now;
                Access::Open
            }
            Some(Permission::Refused { code, until }) if now < *until => Access::Refused(*code),
            None if full => Access::Full,
            Some(Permission::Refused { .. }) | None => {
                self.0.insert(ip, Permission::Requested);
                Access::Ask
            }
        }
    }

    /// Whether a packet from `ip` is one we have asked for, which counts as a use.
    ///
    /// A peer whose permission is only asked for is no stranger: its packet may have overtaken the
    /// server's response.
    pub(super) fn is_known(&mut self, now: Instant, ip: IpAddr) -> bool {
        matches!(self.0.get(&ip), Some(Permission::Requested | Permission::Installed { .. }))
            && matches!(self.access(now, ip), Access::Open | Access::Requested)
    }

    /// The server has agreed.
    pub(super) fn installed(&mut self, now: Instant, ip: IpAddr) {
        let used = match self.0.get(&ip) {
            Some(Permission::Installed { used, .. }) => *used,
            _ => now,
        };
        let lease = Lease::new(now, LIFETIME, MARGIN);
        self.0.insert(ip, Permission::Installed { lease, used });
    }

    /// The server has refused; whether that ends the permission. A refusal that has nothing to do
    /// with the peer does not end one that is installed: it is asked for again while it lasts.
    pub(super) fn refused(&mut self, now: Instant, ip: IpAddr, code: Code) -> bool {
        let final_code = matches!(code, Code::FORBIDDEN | Code::PEER_ADDRESS_FAMILY_MISMATCH);
        if let Some(Permission::Installed { lease, .. }) = self.0.get_mut(&ip)
            && !final_code
        {
            lease.not_renewed(now);
            return false;
        }
        self.0.insert(ip, Permission::Refused { code, until: now + REFUSED_FOR });
        true
    }

    /// Nobody has answered: one that is installed is asked for again, others are unknown again.
    pub(super) fn unanswered(&mut self, now: Instant, ip: IpAddr) {
        match self.0.get_mut(&ip) {
            Some(Permission::Installed { lease, .. }) => lease.not_renewed(now),
            Some(Permission::Requested) => {
                self.0.remove(&ip);
            }
            Some(Permission::Refused { .. }) | None => {}
        }
    }

    /// Lets time pass; returns those to ask for again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<IpAddr> {
        self.0.retain(|_, permission| match permission {
            Permission::Requested => true,
            Permission::Installed { lease, .. } => !lease.is_over(now),
            Permission::Refused { until, .. } => now < *until,
        });
        let mut due = Vec::new();
        for (ip, permission) in &mut self.0 {
            if let Permission::Installed { lease, used } = permission
                && lease.is_due(now)
            {
                if now < *used + LIFETIME {
                    lease.renewal_started();
                    due.push(*ip);
                } else {
                    lease.not_renewed(now);
                }
            }
        }
        due
    }

    /// When something is to be done.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timeout = |permission: &Permission| match permission {
            Permission::Requested => None,
            Permission::Installed { lease, .. } => Some(lease.poll_timeout()),
            Permission::Refused { until, .. } => Some(*until),
        };
        self.0.values().filter_map(timeout).min()
    }
}
