//! The ways to the peer: the ICE agent of today, and its neighbours during an ICE restart.
//!
//! RFC 8445 §9, RFC 8839 §4.4.1.1.1: a restart is a new ICE session with new credentials, while data
//! goes on over the old pair until the new session has one.
//!
//! ```text
//!   restart_ice, or an offer with new credentials      answer
//!                 next ───────────────────────────► current
//!                  │ rollback                          │ answer to a restart
//!                  ▼                                   ▼
//!                 gone                              former, until current has had a path for 3 s
//! ```
//!
//! - At most three agents; each new one knows all local addresses, also those that came while another
//!   one could not use them any more.
//! - The former agent is the last one that had a path: restarts may fail, and what works is kept.
//!
//! Book: the chapters on ICE and on the pump.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub(crate) use ice::Path;
use ice::{Agent, Candidate, ConnectionState, Credentials, Gathered, Mode, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tracing::debug;

use super::names::Names;
use super::policy::Policy;
use crate::negotiation::{MAX_CANDIDATES, RemoteTransport};
use crate::{Config, Datagram, Error, Transmit};

/// Most ways to reach us, as an agent takes them: more than any machine has.
const MAX_LOCALS: usize = 64;

/// How long the former agent stays when the current one has a path: the peer may still send over the
/// old one (RFC 8445 §8.3 keeps unused candidates as long).
const LINGER: Duration = Duration::from_secs(3);

/// Most permissions that wait to be asked for: a checklist has 100 pairs (RFC 8445 §6.1.2.5), and each
/// asks for one at most.
const MAX_PERMISSIONS: usize = 128;

/// An agent with the path it has selected, for a hot loop that must not ask it each time.
#[derive(Debug)]
struct Session {
    agent: Agent,
    selected: Option<Path>,
}

impl Session {
    fn path(&self) -> Option<Path> {
        self.selected.filter(|_| self.agent.may_send())
    }
}

/// All ICE agents of a connection.
#[derive(Debug)]
pub(crate) struct Paths {
    timing: ice::Timing,
    policy: Policy,
    rng: StdRng,
    locals: Vec<Gathered>,
    current: Session,
    next: Option<Agent>,
    former: Option<Session>,
    /// When the former agent has to go.
    farewell: Option<Instant>,
    /// The credentials of the peer that the current agent talks to.
    remote: Option<Credentials>,
    /// Names in the peer's candidates.
    names: Names,
    /// Relayed addresses of ours, and whom their relays have to let in.
    permissions: VecDeque<(SocketAddr, IpAddr)>,
    /// Whether an agent may have something to send: nobody is asked in vain for each datagram.
    busy: bool,
}

impl Paths {
    pub(crate) fn new(config: &Config, mut rng: StdRng) -> Self {
        let (timing, policy) = (config.ice.clone(), Policy::of(config));
        let agent = new_agent(&timing, policy, &mut rng);
        Self {
            timing,
            policy,
            rng,
            locals: Vec::new(),
            current: Session { agent, selected: None },
            next: None,
            former: None,
            farewell: None,
            remote: None,
            names: Names::default(),
            permissions: VecDeque::new(),
            busy: false,
        }
    }

    /// The agent whose credentials go into the next description.
    fn described(&self) -> &Agent {
        self.next.as_ref().unwrap_or(&self.current.agent)
    }

    /// What goes into the next description.
    pub(crate) fn credentials(&self) -> &Credentials {
        self.described().local_credentials()
    }

    /// Our candidates, as in SDP, as far as the peer may know them.
    pub(crate) fn candidates(&self) -> Vec<String> {
        let candidates = self.described().local_candidates();
        candidates.filter_map(|candidate| self.policy.told(candidate)).collect()
    }

    /// Whether we are a lite agent.
    pub(crate) fn is_lite(&self) -> bool {
        self.policy.is_lite()
    }

    /// Whether the peer may not know the address of this candidate of ours.
    pub(crate) fn hides(&self, candidate: &Candidate) -> bool {
        self.policy.hides(candidate)
    }

    /// The fragments by which checks for us can be told from those for others.
    pub(crate) fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.agents().map(|agent| agent.local_credentials().ufrag.as_str())
    }

    fn agents(&self) -> impl Iterator<Item = &Agent> {
        let former = self.former.iter().map(|session| &session.agent);
        [&self.current.agent].into_iter().chain(former).chain(&self.next)
    }

    fn agents_mut(&mut self) -> impl Iterator<Item = &mut Agent> {
        let former = self.former.iter_mut().map(|session| &mut session.agent);
        [&mut self.current.agent].into_iter().chain(former).chain(&mut self.next)
    }

    /// The peer's user name fragment, once an answer has settled it.
    pub(crate) fn remote_ufrag(&self) -> Option<&str> {
        self.remote.as_ref().map(|remote| remote.ufrag.as_str())
    }

    /// Whether the peer's description asks for new paths: it has other credentials than before
    /// (RFC 8839 §4.4.1.1.1).
    pub(crate) fn is_restart(&self, remote: &RemoteTransport) -> bool {
        let RemoteTransport { ice_ufrag, ice_pwd, .. } = remote;
        self.remote.as_ref().is_some_and(|known| known.ufrag != *ice_ufrag || known.pwd != *ice_pwd)
    }

    /// The agent that data goes by: the current one, or the former while that alone has a path.
    pub(crate) fn agent(&self) -> &Agent {
        match &self.former {
            Some(former) if self.current.path().is_none() && former.path().is_some() => {
                &former.agent
            }
            _ => &self.current.agent,
        }
    }

    /// The state of ICE: while the old path works, a restart is not felt (W3C webrtc-pc §5.6.4).
    pub(crate) fn state(&self) -> ConnectionState {
        use ConnectionState::{Checking, Completed, Connected, Failed, New};
        let state = self.current.agent.state();
        let former = self.former.as_ref().map(|former| former.agent.state());
        match (state, former) {
            (New | Checking | Failed, Some(Connected | Completed)) => Connected,
            _ => state,
        }
    }

    /// Adds an address of ours. The candidate to signal, if it is a new one.
    pub(crate) fn add_local(&mut self, now: Instant, way: Gathered) -> Option<String> {
        let is_known = self.locals.contains(&way) || self.locals.len() >= MAX_LOCALS;
        if is_known || !self.policy.admits(&way) {
            debug!(?way, "not used");
            return None;
        }
        self.busy = true;
        let mut candidate = self.current.agent.add_local_candidate(now, way.clone());
        if let Some(next) = &mut self.next {
            candidate = next.add_local_candidate(now, way.clone());
        }
        // An agent that has failed takes none; the next one will.
        self.locals.push(way);
        candidate.and_then(|candidate| self.policy.told(&candidate))
    }

    /// Removes a way to reach us.
    pub(crate) fn remove_local(&mut self, now: Instant, way: &Gathered) {
        self.busy = true;
        self.locals.retain(|local| local != way);
        for agent in self.agents_mut() {
            agent.remove_local_candidate(now, way);
        }
    }

    /// Makes the agent of the next ICE generation, unless there is one already.
    pub(crate) fn prepare_restart(&mut self, now: Instant) {
        if self.next.is_none() {
            let mut agent = new_agent(&self.timing, self.policy, &mut self.rng);
            for local in &self.locals {
                agent.add_local_candidate(now, local.clone());
            }
            self.next = Some(agent);
        }
    }

    /// All ways to reach us.
    pub(crate) fn locals(&self) -> impl Iterator<Item = &Gathered> {
        self.locals.iter()
    }

    /// Whether a restart is on its way: our next description has new credentials.
    pub(crate) fn is_restarting(&self) -> bool {
        self.next.is_some()
    }

    /// A rollback: the next generation is not to be.
    pub(crate) fn abandon_restart(&mut self) {
        self.next = None;
    }

    // ANCHOR: agree
    /// Begins, or goes on, with what an answer has settled.
    pub(crate) fn agree(&mut self, now: Instant, remote: &RemoteTransport, offerer: bool) {
        self.busy = true;
        let restarts = self.is_restart(remote);
        // A peer that does not take part in a restart of ours goes on as before.
        if let Some(agent) = self.next.take().filter(|_| restarts) {
            debug!("ICE restart");
            self.names.forget_waiting();
            let current = Session { agent, selected: None };
            let replaced = std::mem::replace(&mut self.current, current);
            let works = |session: &Session| session.path().is_some();
            if works(&replaced) || !self.former.as_ref().is_some_and(works) {
                self.former = Some(replaced);
            }
            self.farewell = None;
        }
        if self.remote.is_none() || restarts {
            let credentials =
                Credentials { ufrag: remote.ice_ufrag.clone(), pwd: remote.ice_pwd.clone() };
            let agent = &mut self.current.agent;
            agent.set_remote_lite(now, remote.ice_lite);
            agent.set_role(now, if offerer { Role::Controlling } else { Role::Controlled });
            match agent.set_remote_credentials(now, credentials.clone()) {
                Ok(()) => self.remote = Some(credentials),
                Err(error) => debug!(%error, "the remote credentials stay as they were"),
            }
        }
        for candidate in remote.candidates.iter().take(MAX_CANDIDATES) {
            // RFC 8839 §5.1: a candidate that cannot be used is ignored; the others may do.
            if let Err(error) = self.add_remote(now, candidate) {
                debug!(%error, candidate, "candidate ignored");
            }
        }
        if remote.end_of_candidates {
            self.end_of_remote_candidates(now);
        }
    }
    // ANCHOR_END: agree

    /// Adds a candidate of the peer, as in SDP.
    pub(crate) fn add_remote(&mut self, now: Instant, candidate: &str) -> Result<(), Error> {
        self.busy = true;
        let candidate = Candidate::parse(candidate)?;
        if candidate.address.socket().is_none() && !self.policy.looks_up_names() {
            debug!(%candidate, "names are not looked up");
            return Ok(());
        }
        match self.names.settle(candidate) {
            Some(candidate) => self.add_settled(now, candidate),
            None => Ok(()),
        }
    }

    fn add_settled(&mut self, now: Instant, candidate: Candidate) -> Result<(), Error> {
        match self.current.agent.add_remote_candidate(now, candidate) {
            // Too late to be of use, until there is a restart.
            Err(ice::Error::Ended) => {
                debug!("a candidate for an agent that has failed");
                Ok(())
            }
            added => Ok(added?),
        }
    }

    /// The address behind a name, or that there is none.
    pub(crate) fn name_resolved(&mut self, now: Instant, name: &str, address: Option<IpAddr>) {
        self.busy = true;
        for candidate in self.names.resolved(name, address) {
            if let Err(error) = self.add_settled(now, candidate) {
                debug!(%error, name, "candidate ignored");
            }
        }
    }

    /// The next name to look up.
    pub(crate) fn poll_name(&mut self) -> Option<String> {
        self.names.poll()
    }

    /// The next relayed address of ours, and whom its relay has to let in.
    pub(crate) fn poll_permission(&mut self) -> Option<(SocketAddr, IpAddr)> {
        self.permissions.pop_front()
    }

    pub(crate) fn end_of_remote_candidates(&mut self, now: Instant) {
        self.current.agent.end_of_remote_candidates(now);
    }

    /// Takes STUN. It is for whichever agent accepts it: a datagram that an agent refuses leaves no
    /// trace there.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &Datagram,
    ) -> Result<(), Error> {
        self.busy = true;
        let Datagram { protocol, local, remote, ref payload } = *datagram;
        let datagram = ice::Datagram { protocol, local, remote, payload };
        let mut refusal = None;
        for agent in self.agents_mut() {
            match agent.handle_datagram(now, datagram) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.map_or(Error::Closed, Error::Ice))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.busy = true;
        if self.farewell.is_some_and(|farewell| farewell <= now) {
            self.farewell = None;
            self.former = None;
        }
        for agent in self.agents_mut() {
            agent.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.agents().filter_map(Agent::poll_timeout).chain(self.farewell).min()
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if !self.busy {
            return None;
        }
        let transmit = self.agents_mut().find_map(|agent| agent.poll_transmit(now));
        self.busy = transmit.is_some();
        let ice::Transmit { protocol, local, remote, payload } = transmit?;
        Some(Transmit { protocol, local, remote, payload })
    }

    /// Takes the agents' news. The new path, if there is one.
    pub(crate) fn poll_selected(&mut self, now: Instant) -> Option<Path> {
        let before = self.path();
        let permissions = &mut self.permissions;
        if let Some(former) = &mut self.former {
            take_news(former, permissions);
        }
        let is_selected = take_news(&mut self.current, permissions);
        if is_selected && self.former.is_some() && self.farewell.is_none() {
            self.farewell = Some(now + LINGER);
        }
        self.path().filter(|path| Some(*path) != before)
    }

    /// Where data goes: nowhere without consent (RFC 7675 §5.1).
    pub(crate) fn path(&self) -> Option<Path> {
        self.current.path().or_else(|| self.former.as_ref().and_then(Session::path))
    }

    /// Whether the peer has proven to be there.
    pub(crate) fn is_validated(&self, path: Path) -> bool {
        self.agents().any(|agent| agent.is_validated(path))
    }

    /// The peer was heard, in other ways than STUN.
    pub(crate) fn received_from(&mut self, now: Instant, path: Path) {
        for agent in self.agents_mut() {
            agent.received_from(now, path);
        }
    }

    /// Nothing can be carried this way any more.
    pub(crate) fn path_failed(&mut self, now: Instant, path: Path) {
        self.busy = true;
        for agent in self.agents_mut() {
            agent.path_failed(now, path);
        }
    }

    /// Silence for ever.
    pub(crate) fn close(&mut self, now: Instant) {
        self.next = None;
        self.former = None;
        self.farewell = None;
        self.current.agent.close(now);
    }
}

/// Empties an agent's queue of news; has it selected a pair?
fn take_news(session: &mut Session, permissions: &mut VecDeque<(SocketAddr, IpAddr)>) -> bool {
    let mut has_selected = false;
    while let Some(event) = session.agent.poll_event() {
        match event {
            ice::Event::Selected(path) => {
                session.selected = Some(path);
                has_selected = true;
            }
            ice::Event::Permit { relayed, peer } => {
                if permissions.len() >= MAX_PERMISSIONS {
                    permissions.pop_front();
                }
                permissions.push_back((relayed, peer));
            }
            ice::Event::StateChanged(_) | ice::Event::Closed(_) => {}
        }
    }
    has_selected
}

/// The role is settled with the first agreement.
fn new_agent(timing: &ice::Timing, policy: Policy, rng: &mut StdRng) -> Agent {
    let mode = if policy.is_lite() { Mode::Lite } else { Mode::Full };
    let timing = timing.clone();
    let config = ice::Config { mode, timing, ..ice::Config::new(Role::Controlling) };
    Agent::new(config, StdRng::from_rng(rng))
}
