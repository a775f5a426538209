//! An allocation that is wanted: asked for, kept, and asked for again when it is lost (RFC 8656 §7).
//!
//! ```text
//!            its slot              allocated
//!  Waiting ───────────► Running ◄─────────────┐      refused for good
//!     ▲  ▲                │ │ └───────────────┘ ┌──────────────────────► Over
//!     │  └─ redirected ───┘ └───────────────────┤
//!     │                         lost, no answer │
//!     └────────────── 1 to 60 s ── Resting ◄────┘
//! ```
//!
//! Book: chapter "Relay".

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stun::turn::{self, Client, CloseReason, User};
use stun::{Code, Family, ServerTransport, Timing};
use tracing::debug;

use super::PATIENCE;
use super::reach::may_redirect;
use super::verdict::{Failure, Verdict};
use crate::address::{canonical, is_usable};

/// The wait before the first new attempt; it doubles with each that fails.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest wait, and what RFC 8656 §7.4 wants after 486 and 508: a minute.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Rests vary by this, so that a server that comes back is not asked by all at once.
const VARIATION: std::ops::RangeInclusive<f64> = 1.0..=1.25;
/// Relayed addresses of one allocation: one of each family (RFC 8656 §7.2).
const MAX_RELAYED: usize = 2;

/// One allocation: between one address of ours and one server.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) transport: ServerTransport,
    /// The base; for streams unspecified.
    pub(super) local: SocketAddr,
    /// Where the server is that was asked for.
    pub(super) origin: SocketAddr,
    /// Where the server is that it has sent us to.
    pub(super) remote: SocketAddr,
    /// Which of the known servers.
    pub(super) server: usize,
    pub(super) verdict: Verdict,
    pub(super) relayed: Vec<SocketAddr>,
    /// What the server sees of us.
    pub(super) mapped: Option<SocketAddr>,
    user: User,
    families: Families,
    redirects: usize,
    /// Attempts that have failed since the last success.
    failures: u32,
    /// When the first attempt is answered too late for gathering to wait for.
    patience: Option<Instant>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Running(Box<Client>),
    Resting { until: Instant },
    Over,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Families {
    /// IPv4, and IPv6 if the server has it (RFC 8656 §7.1).
    Both,
    /// IPv6, from a server that has no IPv4.
    Ipv6,
}

impl Allocation {
    pub(super) fn new(
        (transport, local): (ServerTransport, SocketAddr),
        (server, origin): (usize, SocketAddr),
        user: User,
    ) -> Self {
        Self {
            transport,
            local,
            origin,
            remote: origin,
            server,
            verdict: Verdict::Pending,
            relayed: Vec::new(),
            mapped: None,
            user,
            families: Families::Both,
            redirects: 0,
            failures: 0,
            patience: None,
            stage: Stage::Waiting,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// Whether packets between these belong to it.
    pub(super) fn is_between(
        &self,
        transport: ServerTransport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> bool {
        self.transport == transport
            && self.remote == remote
            && (transport != ServerTransport::Udp || self.local == local)
    }

    pub(super) fn client(&mut self) -> Option<&mut Client> {
        match &mut self.stage {
            Stage::Running(client) => Some(client),
            Stage::Waiting | Stage::Resting { .. } | Stage::Over => None,
        }
    }

    /// Its slot has come.
    pub(super) fn start(&mut self, now: Instant, timing: Timing, rng: &mut StdRng) {
        let (additional_family, family) = match self.families {
            Families::Both => (true, None),
            Families::Ipv6 => (false, Some(Family::IPV6)),
        };
        let config = turn::Config {
            user: self.user.clone(),
            transport: self.transport,
            additional_family,
            family,
            even_port: false,
            lifetime: None,
            timing,
        };
        self.patience.get_or_insert(now + PATIENCE);
        self.stage = Stage::Running(Box::new(Client::new(now, config, StdRng::from_rng(rng))));
    }

    /// Lets time pass; whether there is news.
    pub(super) fn handle_timeout(&mut self, now: Instant, rng: &mut StdRng) -> bool {
        match &mut self.stage {
            Stage::Running(client) => client.handle_timeout(now),
            Stage::Resting { until } if now >= *until => self.stage = Stage::Waiting,
            Stage::Waiting | Stage::Resting { .. } | Stage::Over => {}
        }
        let mut is_news = self.follow(now, rng);
        if self.verdict == Verdict::Pending && self.patience.is_some_and(|until| now >= until) {
            self.verdict.fail(Failure::silent());
            is_news = true;
        }
        is_news
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let patience = self.patience.filter(|_| self.verdict == Verdict::Pending);
        let next = match &self.stage {
            Stage::Running(client) => client.poll_timeout(),
            Stage::Resting { until } => Some(*until),
            Stage::Waiting | Stage::Over => None,
        };
        [patience, next].into_iter().flatten().min()
    }

    /// Takes the client's news; whether there was any. Called after every input to it.
    pub(super) fn follow(&mut self, now: Instant, rng: &mut StdRng) -> bool {
        let mut is_news = false;
        while let Some(event) = self.client().and_then(Client::poll_event) {
            match event {
                turn::Event::Allocated { relayed, mapped, .. } => {
                    self.succeed(now, &relayed, mapped, rng);
                }
                turn::Event::Redirected(to) => self.redirect(now, canonical(to), rng),
                turn::Event::PeerRefused { peer, code } => {
                    debug!(server = %self.remote, %peer, ?code, "not relayed to");
                    continue;
                }
                turn::Event::Closed(reason) => self.closed(now, reason, rng),
            }
            is_news = true;
        }
        is_news
    }

    fn succeed(
        &mut self,
        now: Instant,
        relayed: &[SocketAddr],
        mapped: SocketAddr,
        rng: &mut StdRng,
    ) {
        let usable = relayed.iter().copied().map(canonical).filter(|it| is_usable(*it));
        self.relayed = usable.take(MAX_RELAYED).collect();
        if self.relayed.is_empty() {
            let failure = Failure::unreachable("it lends an address that nobody can send to");
            return self.fail(now, failure, rng);
        }
        self.mapped = Some(canonical(mapped));
        self.failures = 0;
        self.verdict = Verdict::Useful;
    }

    /// The server names another. This attempt goes on there; a new one begins here again.
    fn redirect(&mut self, now: Instant, to: SocketAddr, rng: &mut StdRng) {
        let allowed = self.redirects < turn::MAX_REDIRECTIONS && may_redirect(self.origin, to);
        debug!(server = %self.remote, %to, allowed, "redirected");
        if !allowed {
            return self.fail(now, Failure::refused(300, ""), rng);
        }
        self.redirects += 1;
        self.remote = to;
        self.stage = Stage::Waiting;
    }

    fn closed(&mut self, now: Instant, reason: CloseReason, rng: &mut StdRng) {
        let failure = match reason {
            CloseReason::Requested => {
                self.stage = Stage::Over;
                return;
            }
            CloseReason::Refused(error)
                if error.code == Code::ADDRESS_FAMILY_NOT_SUPPORTED && self.may_do_with_ipv6() =>
            {
                self.families = Families::Ipv6;
                self.stage = Stage::Waiting;
                return;
            }
            CloseReason::Refused(error) => {
                Failure::refused(error.code.number(), &error.reason.to_string())
            }
            CloseReason::TimedOut => Failure::silent(),
            CloseReason::Lost => Failure::refused(437, ""),
            CloseReason::Unproven => Failure::unproven(),
            CloseReason::Unintelligible => Failure::unintelligible(),
        };
        self.fail(now, failure, rng);
    }

    fn may_do_with_ipv6(&self) -> bool {
        matches!(self.families, Families::Both)
    }

    /// What it had is lost. Unless it is hopeless, there is another attempt later.
    pub(super) fn fail(&mut self, now: Instant, failure: Failure, rng: &mut StdRng) {
        let had_it = !self.relayed.is_empty();
        debug!(server = %self.remote, local = %self.local, ?failure, had_it, "no allocation");
        self.stage = if had_it || failure.may_pass() {
            let rest = match failure.code {
                486 | 508 => LONGEST_REST,
                _ => FIRST_REST.saturating_mul(1 << self.failures.min(16)).min(LONGEST_REST),
            };
            Stage::Resting { until: now + rest.mul_f64(rng.random_range(VARIATION)) }
        } else {
            Stage::Over
        };
        self.failures = self.failures.saturating_add(1);
        self.forget();
        self.verdict.fail(failure);
    }

    /// The server knows us no more, since we come from another address: asks anew at once.
    pub(super) fn renew(&mut self) {
        if self.is_running() {
            self.forget();
            self.stage = Stage::Waiting;
        }
    }

    fn forget(&mut self) {
        self.relayed.clear();
        self.mapped = None;
        self.remote = self.origin;
        self.redirects = 0;
    }
}
