//! The agent: candidates and datagrams in, checks and the selected pair out (RFC 8445).
//!
//! This file is the public face; each step lives in a file of its own below `agent/`. What belongs to
//! one ICE session (credentials, remote candidates, checklist, selection) is one [`Generation`]: an
//! ICE restart (RFC 8445 §9) is a new one with the same local candidates. Book: chapter "Checks".

mod generation;
mod inbound;
mod local_candidates;
mod nomination;
mod outbound;
mod pairing;
mod remote_candidates;
mod response;
mod role_conflict;
mod status;

use std::collections::VecDeque;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use stun::{Class, Key, Message, Method};

use crate::address::canonical_path;
use crate::candidate::Candidate;
use crate::config::{Config, Mode};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::event::{CloseReason, ConnectionState, Event};
use crate::gathered::Gathered;
use crate::packet::{Datagram, Transmit};
use crate::protocol::Path;
use crate::role::Role;
use crate::stats::{PairStats, SelectedPair};

use generation::{Generation, Patience, Remote};
use local_candidates::LocalCandidate;
use pairing::Permits;

/// Responses that wait to be fetched; an owner that drains after every input has one at most.
const MAX_OUTBOX: usize = 64;
/// News that wait to be fetched; of more, the oldest are dropped: the getters still tell the truth.
const MAX_EVENTS: usize = 64;

/// What the remote agent is (RFC 8445 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemoteImplementation {
    Full,
    /// Answers checks and sends none; then we are always controlling (RFC 8445 §6.1.1).
    Lite,
}

/// An ICE agent (RFC 8445).
#[derive(Debug)]
pub struct Agent {
    config: Config,
    rng: StdRng,
    role: Role,
    tie_breaker: u64,
    remote_implementation: RemoteImplementation,
    locals: Vec<LocalCandidate>,
    /// Numbers given to foundations of ours so far.
    local_foundations: u32,
    permits: Permits,
    generation: Generation,
    state: ConnectionState,
    outbox: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Agent {
    /// A new agent with new credentials. `rng` seeds everything, the password included: outside of
    /// tests it must come from the system's randomness.
    #[must_use]
    pub fn new(config: Config, mut rng: StdRng) -> Self {
        let credentials = Credentials::generate(&mut rng);
        Self::with_valid(config, credentials, rng)
    }

    /// A new agent with credentials that were signalled already: to replay a recorded session.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`].
    pub fn with_credentials(
        config: Config,
        credentials: Credentials,
        rng: StdRng,
    ) -> Result<Self, Error> {
        credentials.validate()?;
        Ok(Self::with_valid(config, credentials, rng))
    }

    fn with_valid(config: Config, credentials: Credentials, mut rng: StdRng) -> Self {
        let role = match config.mode {
            Mode::Full => config.role,
            Mode::Lite => Role::Controlled,
        };
        Self {
            role,
            tie_breaker: rng.random(),
            remote_implementation: RemoteImplementation::Full,
            locals: Vec::new(),
            local_foundations: 0,
            permits: Permits::default(),
            generation: Generation::new(credentials, &config),
            state: ConnectionState::New,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            config,
            rng,
        }
    }

    /// What the peer needs to check us: `a=ice-ufrag` and `a=ice-pwd` (RFC 8839 §5.4).
    #[must_use]
    pub fn local_credentials(&self) -> &Credentials {
        &self.generation.credentials
    }

    /// Tells the peer's credentials: checks begin, and those that came early are followed up.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`]; [`Error::CredentialsChanged`] if others are known already;
    /// [`Error::Ended`].
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
    ) -> Result<(), Error> {
        self.must_run()?;
        credentials.validate()?;
        let early = match &mut self.generation.remote {
            Remote::Known { credentials: known, .. } if *known == credentials => return Ok(()),
            Remote::Known { .. } => return Err(Error::CredentialsChanged),
            Remote::Unknown { early } => std::mem::take(early),
        };
        let early: Vec<_> =
            early.into_iter().filter(|check| check.remote_ufrag == credentials.ufrag).collect();
        self.generation.remote = Remote::Known {
            key: Box::new(Key::short_term(&credentials.pwd)),
            credentials,
            patience: Patience::Until(now + self.config.timing.patience),
        };
        for check in early {
            self.follow_up(now, &check);
        }
        self.update(now);
        Ok(())
    }

    /// Tells whether the peer is an ICE-lite agent (`a=ice-lite`), which makes us controlling
    /// (RFC 8445 §6.1.1).
    pub fn set_remote_lite(&mut self, now: Instant, lite: bool) {
        self.remote_implementation =
            if lite { RemoteImplementation::Lite } else { RemoteImplementation::Full };
        self.set_role(now, self.role);
    }

    /// Sets the role, unless one of the two agents is lite: then that one is controlled and the other
    /// controlling, whatever is asked.
    pub fn set_role(&mut self, now: Instant, role: Role) {
        if !self.state.is_ended() {
            self.switch_role(now, self.forced_role().unwrap_or(role));
            self.update(now);
        }
    }

    /// RFC 8445 §6.1.1: a full agent leads a lite one.
    fn forced_role(&self) -> Option<Role> {
        match (self.config.mode, self.remote_implementation) {
            (Mode::Full, RemoteImplementation::Lite) => Some(Role::Controlling),
            (Mode::Lite, RemoteImplementation::Full) => Some(Role::Controlled),
            _ => None,
        }
    }

    /// The current role: the one given, until a role conflict changes it (RFC 8445 §7.3.1.1).
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Adds a way to reach us and returns the candidate to signal. `None` if it is there already, is
    /// redundant (RFC 8445 §5.1.3: a reflexive address that is its own base), or can never be a
    /// candidate: port 0, unspecified, multicast (§5.1.1.1), a reflexive address of an unknown base.
    ///
    /// Once a pair is nominated a new way makes no pairs (§8.1.2), unless the selected pair is lost; to
    /// use it at once takes an ICE restart.
    pub fn add_local_candidate(
        &mut self,
        now: Instant,
        way: impl Into<Gathered>,
    ) -> Option<Candidate> {
        self.must_run().ok()?;
        let candidate = self.add_local(way.into())?;
        self.update(now);
        Some(candidate)
    }

    /// Removes a way that is no more, and with a base its pairs. If the selected pair is among them,
    /// another valid one takes its place, or there is none: then an ICE restart is needed.
    pub fn remove_local_candidate(&mut self, now: Instant, way: &Gathered) {
        if !self.state.is_ended() {
            self.remove_local(now, way);
            self.update(now);
        }
    }

    /// Our candidates, in the order they were added.
    pub fn local_candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.locals.iter().map(|local| &local.candidate)
    }

    /// Adds a candidate of the peer, at any time (RFC 8838 §11). One that we cannot use is skipped,
    /// which is no error: TCP that is not passive, component 2, a name (`.local`) that the owner has
    /// not resolved, an address nobody can send to.
    ///
    /// # Errors
    /// [`Error::TooManyCandidates`], [`Error::Ended`].
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        candidate: Candidate,
    ) -> Result<(), Error> {
        self.must_run()?;
        self.add_remote(candidate)?;
        self.update(now);
        Ok(())
    }

    /// The peer has no more candidates (RFC 8838 §14). More may be found all the same: those from
    /// which its checks come (RFC 8863).
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        if self.state.is_ended() {
            return;
        }
        self.generation.end_of_candidates = true;
        self.consider_nomination(now);
        self.update(now);
    }

    /// Takes a STUN datagram from the network.
    ///
    /// # Errors
    /// Why it was discarded; then it has changed nothing, but that an authentic response which came
    /// the wrong way fails its pair (RFC 8445 §7.2.5.2.1).
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        self.must_run()?;
        let Datagram { protocol, local, remote, payload } = datagram;
        let path = canonical_path(Path { protocol, local, remote });
        if self.base_of(protocol, path.local).is_none() {
            return Err(Error::UnknownLocalAddress);
        }
        let message = Message::parse(payload)?;
        match (message.method, message.class) {
            (Method::BINDING, Class::Request) => self.handle_request(now, path, &message)?,
            (Method::BINDING, Class::Success | Class::Error) => {
                self.handle_response(now, path, message)?;
            }
            // A Binding indication keeps NAT bindings alive and says nothing (RFC 8445 §11).
            _ => return Err(Error::UnexpectedMessage),
        }
        self.update(now);
        Ok(())
    }

    /// Lets time pass: retransmissions, consent, failure.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state.is_ended() {
            return;
        }
        self.check_timeouts(now);
        self.renew_consent(now);
        self.nominate_if_due(now);
        self.generation.remote.lose_patience(now, self.config.timing.patience);
        self.update(now);
    }

    /// The next datagram to send; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if self.state.is_ended() {
            return None;
        }
        if let Some(response) = self.outbox.pop_front() {
            return Some(response);
        }
        self.perform_check(now);
        self.next_request(now)
    }

    /// The next news; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        let ended = self.state.is_ended();
        self.events.pop_front().or_else(|| self.permits.next().filter(|_| !ended))
    }

    /// When to call [`Agent::handle_timeout`] and [`Agent::poll_transmit`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state.is_ended() {
            return None;
        }
        let timers = [
            self.generation.checks.poll_timeout(),
            self.next_check_at(),
            self.nomination_due_at(),
            self.status_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether the peer has proven to be at `remote` and to send to `local`: by an authenticated
    /// check or by its answer to ours. Everything but STUN from elsewhere is to be dropped unread.
    #[must_use]
    pub fn is_validated(&self, path: Path) -> bool {
        if self.state.is_ended() {
            return false;
        }
        let path = canonical_path(path);
        let generation = &self.generation;
        generation.selected.as_ref().is_some_and(|way| way.path == path)
            || generation.checklist.find(path).is_some_and(|pair| pair.is_validated())
            || generation.remote.has_early_check(path)
    }

    /// The pair to send data on: the nominated one, or before that the best valid one
    /// (RFC 8445 §12.1).
    #[must_use]
    pub fn selected_pair(&self) -> Option<SelectedPair> {
        self.selected().map(SelectedPair::new)
    }

    /// Whether data may be sent on the selected pair: there is one, and as of the last input its
    /// consent has not expired (RFC 7675 §5.1).
    #[must_use]
    pub fn may_send(&self) -> bool {
        !self.state.is_ended() && self.generation.selected.is_some()
    }

    /// Tells that an authenticated packet (DTLS, SRTP) came this way: the peer is alive. It is no
    /// consent: that is given by STUN responses alone (RFC 7675 §5.1).
    pub fn received_from(&mut self, now: Instant, path: Path) {
        if self.state.is_ended() {
            return;
        }
        if let Some(pair) = self.generation.checklist.find_mut(canonical_path(path)) {
            pair.heard(now);
        }
        if self.state == ConnectionState::Disconnected {
            self.update(now);
        }
    }

    /// Tells that nothing can be carried this way any more: its TCP connection could not be opened,
    /// or has ended. The pair fails at once instead of after 39.5 seconds; if it was selected,
    /// another takes over. Not for errors of UDP sockets, which anybody can provoke.
    pub fn path_failed(&mut self, now: Instant, path: Path) {
        if self.state.is_ended() {
            return;
        }
        self.pair_failed(now, canonical_path(path));
        self.update(now);
    }

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// All pairs, the best first.
    pub fn pair_stats(&self) -> impl Iterator<Item = PairStats> {
        let selected = self.generation.selected.as_ref().map(|way| way.pair);
        self.generation
            .checklist
            .iter()
            .map(move |pair| PairStats::new(pair, Some(pair.id) == selected))
    }

    /// Ends the agent. ICE has no farewell: consent simply is not given any more (RFC 7675 §5.2).
    pub fn close(&mut self, _now: Instant) {
        if self.state == ConnectionState::Closed {
            return;
        }
        self.set_state(ConnectionState::Closed);
        self.push_event(Event::Closed(CloseReason::Requested));
    }

    fn must_run(&self) -> Result<(), Error> {
        if self.state.is_ended() { Err(Error::Ended) } else { Ok(()) }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn push_response(&mut self, path: Path, response: &Message) {
        if self.outbox.len() >= MAX_OUTBOX {
            self.outbox.pop_front();
        }
        let payload = response.encode(Some(&self.generation.key));
        let Path { protocol, local, remote } = path;
        self.outbox.push_back(Transmit { protocol, local, remote, payload });
    }
}
