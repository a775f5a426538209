//! What the answers to requests mean: methods down, codes across.
//!
//! RFC 8489 §9.2.5, §10, RFC 8656 §7.4, §8.3, §10.3, §12.3, §19. 401 and 438 are answered with
//! another proof and 500 with another try, on every method; then:
//!
//! ```text
//!                  success    300        403, 443       437       others         nobody answers
//! Allocate         allocated  elsewhere  closed         Clear     closed         closed
//! Clear (0 s)      cleared    closed     closed         cleared   closed         closed
//! Refresh          goes on    elsewhere  asked again    lost      asked again    asked again
//! CreatePermission peer open  peer shut  peer shut      lost      peer shut (1)  asked again
//! ChannelBind      bound      no channel no channel     lost      no channel (1) no channel
//! Release (0 s)    closed     closed     closed         closed    closed         closed
//! ```
//!
//! Clear ends the allocation that somebody has left on our addresses; after it comes Allocate again.
//! (1) A renewal is asked for again instead, while the old one lasts. Asking again ends with the
//! lease of what is asked for. After 400 the allocation is refreshed at once: coturn says 400 to a
//! CreatePermission or ChannelBind whose allocation is gone, where RFC 8656 §5 has 437. Book: "Relay".

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::allocation::{Allocation, DEFAULT_LIFETIME};
use super::event::{CloseReason, Event};
use super::permissions::MAX_PEERS;
use super::requests::{MAX_TRIES, Purpose, Request};
use super::{Client, State};
use crate::{Code, ErrorCode, Message, Outcome};

/// How often an allocation that somebody has left on our addresses is cleared away.
const MAX_CLEARINGS: u32 = 2;

/// How long a server may take to see that an allocation is cleared away: coturn looks once a second.
const CLEARING: Duration = Duration::from_millis(1500);

impl Client {
    /// A request has been answered, or given up.
    pub(super) fn conclude(&mut self, now: Instant, request: Request, outcome: Outcome) {
        let purpose = request.purpose;
        match outcome {
            Outcome::Success(response) => self.succeeded(now, purpose, &response),
            Outcome::Refused(response) => self.refused(now, &request, &response),
            Outcome::Unintelligible(_) => {
                self.unanswered(now, purpose, CloseReason::Unintelligible);
            }
            Outcome::TimedOut if request.doubted => {
                self.unanswered(now, purpose, CloseReason::Unproven);
            }
            Outcome::TimedOut => self.unanswered(now, purpose, CloseReason::TimedOut),
        }
    }

    fn succeeded(&mut self, now: Instant, purpose: Purpose, response: &Message) {
        match (purpose, &mut self.state) {
            (Purpose::Allocate, _) => self.allocated(now, response),
            (Purpose::Clear, _) => self.cleared(now),
            (Purpose::Release, _) => self.finish(CloseReason::Requested),
            (Purpose::Refresh, State::Allocated(allocation)) => {
                let lifetime = response.lifetime().unwrap_or(DEFAULT_LIFETIME);
                if lifetime.is_zero() {
                    self.finish(CloseReason::Lost);
                } else {
                    allocation.refreshed(now, lifetime);
                }
            }
            (Purpose::Permit(peer), State::Allocated(allocation)) => {
                allocation.permissions.installed(now, peer);
                let waiting = allocation.waiting.take(peer);
                self.relay_all(now, waiting);
            }
            (Purpose::Bind(peer, _), State::Allocated(allocation)) => {
                allocation.channels.bound(now, peer);
            }
            _ => {}
        }
    }

    /// RFC 8656 §7.3.
    fn allocated(&mut self, now: Instant, response: &Message) {
        let relayed = relayed_addresses(response);
        let lifetime = response.lifetime().unwrap_or(DEFAULT_LIFETIME);
        let Some(mapped) = response.xor_mapped_address().filter(|_| !relayed.is_empty()) else {
            return self.finish(CloseReason::Unintelligible);
        };
        if let Some(refused) = response.address_error_code() {
            tracing::debug!(family = ?refused.family, error = %refused.error, "only one family");
        }
        tracing::debug!(?relayed, %mapped, ?lifetime, "allocated");
        self.state = State::Allocated(Box::new(Allocation::new(now, relayed.clone(), lifetime)));
        self.events.push_back(Event::Allocated { relayed, mapped, lifetime });
    }

    fn cleared(&mut self, now: Instant) {
        if let State::Allocating { clearings } = self.state {
            self.state = State::Cleared { clearings, again: now + CLEARING };
        }
    }

    fn refused(&mut self, now: Instant, request: &Request, response: &Message) {
        let Some(error) = response.error_code() else { return };
        let &Request { purpose, tries, .. } = request;
        tracing::debug!(?purpose, tries, %error, "refused");
        let may_try_again = tries < MAX_TRIES;
        match error.code {
            Code::UNAUTHENTICATED | Code::STALE_NONCE if may_try_again => {
                let seal = request.seal.as_ref();
                if self.authentication.answer(&self.config.user, seal, response) {
                    self.start_again(purpose, tries + 1);
                } else {
                    self.refused_for_good(now, purpose, error);
                }
            }
            Code::SERVER_ERROR if may_try_again => self.start_again(purpose, tries + 1),
            Code::TRY_ALTERNATE if matches!(purpose, Purpose::Allocate | Purpose::Refresh) => {
                match response.alternate_server().filter(may_be_followed) {
                    Some(server) => self.redirected(server),
                    None => self.refused_for_good(now, purpose, error),
                }
            }
            _ => self.refused_for_good(now, purpose, error),
        }
    }

    fn refused_for_good(&mut self, now: Instant, purpose: Purpose, error: &ErrorCode) {
        let is_mismatch = error.code == Code::ALLOCATION_MISMATCH;
        match (purpose, &mut self.state) {
            // RFC 8656 §7.4 would have us try another port, but the port is shared.
            (Purpose::Allocate, State::Allocating { clearings })
                if is_mismatch && *clearings < MAX_CLEARINGS =>
            {
                *clearings += 1;
                self.start(Purpose::Clear);
            }
            (Purpose::Clear, _) if is_mismatch => self.cleared(now),
            (Purpose::Allocate | Purpose::Clear, _) => {
                self.finish(CloseReason::Refused(error.clone()));
            }
            (Purpose::Release, _) => self.finish(CloseReason::Requested),
            (_, State::Allocated(_)) if is_mismatch => self.finish(CloseReason::Lost),
            (Purpose::Refresh, State::Allocated(allocation)) => {
                allocation.refresh_refused(now, error);
            }
            (Purpose::Permit(peer), State::Allocated(allocation)) => {
                allocation.doubt(now, error);
                if allocation.permissions.refused(now, peer, error.code) {
                    drop(allocation.waiting.take(peer));
                    self.tell_refused(peer, error.code);
                }
            }
            (Purpose::Bind(peer, _), State::Allocated(allocation)) => {
                allocation.doubt(now, error);
                allocation.channels.refused(now, peer);
            }
            _ => {}
        }
    }

    /// Nobody has answered, or nothing that can be understood.
    pub(super) fn unanswered(&mut self, now: Instant, purpose: Purpose, reason: CloseReason) {
        match (purpose, &mut self.state) {
            (Purpose::Allocate | Purpose::Clear, _) => self.finish(reason),
            (Purpose::Release, _) => self.finish(CloseReason::Requested),
            (Purpose::Refresh, State::Allocated(allocation)) => allocation.refresh_unanswered(now),
            (Purpose::Permit(peer), State::Allocated(allocation)) => {
                allocation.permissions.unanswered(now, peer);
                drop(allocation.waiting.take(peer));
            }
            (Purpose::Bind(peer, _), State::Allocated(allocation)) => {
                allocation.channels.unanswered(now, peer);
            }
            _ => {}
        }
    }

    fn redirected(&mut self, server: SocketAddr) {
        tracing::debug!(%server, "sent to another server");
        self.end();
        self.events.push_back(Event::Redirected(server));
    }

    fn tell_refused(&mut self, peer: IpAddr, code: Code) {
        if self.events.len() < MAX_PEERS {
            self.events.push_back(Event::PeerRefused { peer, code });
        }
    }
}

/// The addresses that can be used: one of each family, as a dual allocation has (RFC 8656 §7.3).
fn relayed_addresses(response: &Message) -> Vec<SocketAddr> {
    let mut relayed: Vec<SocketAddr> = Vec::new();
    for address in response.xor_relayed_addresses() {
        let is_new = relayed.iter().all(|other| other.is_ipv4() != address.is_ipv4());
        if is_new && address.port() != 0 && !address.ip().is_unspecified() {
            relayed.push(address);
        }
    }
    relayed
}

/// Whether a server may send us there: to no address that means something else here than there
/// (RFC 8489 §10 leaves it open; a 300 may be forged by whoever sees the request).
fn may_be_followed(server: &SocketAddr) -> bool {
    let ip = server.ip().to_canonical();
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(is_local
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || server.port() == 0)
}
