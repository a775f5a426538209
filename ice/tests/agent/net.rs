//! A small network on a virtual clock: two agents, a link that delays and loses, a NAT that forgets.
//!
//! And [`Script`]: a peer of which every packet is written by the test, for what browsers do and for
//! what only attackers do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::{Agent, Config, ConnectionState, Credentials, Datagram, Event, Protocol, Role, Transmit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stun::{Attribute, Class, Key, Message, Method, TransactionId};

pub(crate) const LEFT: usize = 0;
pub(crate) const RIGHT: usize = 1;
/// The port of a TCP connection at the side that opened it.
pub(crate) const EPHEMERAL: u16 = 50_009;

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) arrives: Instant,
    pub(crate) to: usize,
    pub(crate) protocol: Protocol,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) payload: Bytes,
}

/// What was sent: when, by whom, and the datagram as it left.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) after: Duration,
    pub(crate) by: usize,
    pub(crate) transmit: Transmit,
}

impl Sent {
    pub(crate) fn message(&self) -> Message {
        Message::parse(&self.transmit.payload).unwrap()
    }

    pub(crate) fn is_request(&self) -> bool {
        self.message().class == Class::Request
    }
}

type Filter = Box<dyn FnMut(usize, &Transmit) -> bool>;

pub(crate) struct Net {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) agents: [Agent; 2],
    pub(crate) hosts: [Vec<SocketAddr>; 2],
    /// The address a NAT gives to all packets of an agent.
    pub(crate) nat: [Option<SocketAddr>; 2],
    pub(crate) delay: Duration,
    pub(crate) loss: f64,
    /// Answers whether a packet of that agent gets through.
    pub(crate) passes: Filter,
    pub(crate) sent: Vec<Sent>,
    pub(crate) events: Vec<(Duration, usize, Event)>,
    in_flight: Vec<Packet>,
    rng: StdRng,
}

impl Net {
    pub(crate) fn new(seed: u64, left: &[&str], right: &[&str]) -> Self {
        let config = |role| Config::new(role);
        Self::with(seed, left, right, [config(Role::Controlling), config(Role::Controlled)])
    }

    pub(crate) fn with(seed: u64, left: &[&str], right: &[&str], configs: [Config; 2]) -> Self {
        let start = Instant::now();
        let [one, other] = configs;
        let mut agents = [
            Agent::new(one, StdRng::seed_from_u64(seed)),
            Agent::new(other, StdRng::seed_from_u64(seed + 1_000_000)),
        ];
        let hosts = [left, right].map(|list| list.iter().map(|text| at(text)).collect::<Vec<_>>());
        for (agent, list) in agents.iter_mut().zip(&hosts) {
            for host in list {
                agent.add_local_candidate(start, *host).unwrap();
            }
        }
        Self {
            start,
            now: start,
            agents,
            hosts,
            nat: [None, None],
            delay: millis(10),
            loss: 0.0,
            passes: Box::new(|_, _| true),
            sent: Vec::new(),
            events: Vec::new(),
            in_flight: Vec::new(),
            rng: StdRng::seed_from_u64(seed + 2_000_000),
        }
    }

    /// Gives `to` the credentials of the other agent.
    pub(crate) fn give_credentials(&mut self, to: usize) {
        let credentials = self.agents[1 - to].local_credentials().clone();
        self.agents[to].set_remote_credentials(self.now, credentials).unwrap();
    }

    /// Gives `to` the candidates of the other agent.
    pub(crate) fn give_candidates(&mut self, to: usize) {
        let candidates: Vec<_> = self.agents[1 - to].local_candidates().cloned().collect();
        for candidate in candidates {
            self.agents[to].add_remote_candidate(self.now, candidate).unwrap();
        }
        self.agents[to].end_of_remote_candidates(self.now);
    }

    /// Offer and answer at once.
    pub(crate) fn signal(&mut self) {
        for side in [LEFT, RIGHT] {
            self.give_credentials(side);
            self.give_candidates(side);
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Runs the clock for `duration`.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Runs until `done`; answers whether it was done before `limit`.
    pub(crate) fn run_while_not(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.run_until(end, &done);
        done(self)
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        let mut rounds_without_progress = 0;
        loop {
            self.drain();
            if done(self) {
                return;
            }
            let packet = self.in_flight.iter().map(|packet| packet.arrives).min();
            let timers = self.agents.iter().filter_map(Agent::poll_timeout);
            let Some(next) = timers.chain(packet).min() else { return };
            if next > end {
                return;
            }
            rounds_without_progress += 1;
            if next > self.now {
                self.now = next;
                rounds_without_progress = 0;
            }
            assert!(rounds_without_progress < 10_000, "a timer is due for ever");
            self.deliver();
            for agent in &mut self.agents {
                if agent.poll_timeout().is_some_and(|at| at <= self.now) {
                    agent.handle_timeout(self.now);
                }
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) =
            self.in_flight.drain(..).partition(|packet| packet.arrives <= now);
        self.in_flight = later;
        for packet in due {
            let Packet { to, protocol, local, remote, payload, .. } = packet;
            let datagram = Datagram { protocol, local, remote, payload: &payload };
            let _ = self.agents[to].handle_datagram(self.now, datagram);
        }
    }

    pub(crate) fn drain(&mut self) {
        for side in [LEFT, RIGHT] {
            while let Some(transmit) = self.agents[side].poll_transmit(self.now) {
                self.send(side, transmit);
            }
            while let Some(event) = self.agents[side].poll_event() {
                self.events.push((self.elapsed(), side, event));
            }
        }
    }

    fn send(&mut self, by: usize, transmit: Transmit) {
        self.sent.push(Sent { after: self.elapsed(), by, transmit: transmit.clone() });
        if !(self.passes)(by, &transmit) || self.rng.random::<f64>() < self.loss {
            return;
        }
        let other = 1 - by;
        if transmit.protocol == Protocol::Tcp {
            return self.send_stream(other, transmit);
        }
        let source = self.nat[by].unwrap_or(transmit.local);
        let local = if self.nat[other] == Some(transmit.remote) {
            self.hosts[other][0]
        } else if self.hosts[other].contains(&transmit.remote) && self.nat[other].is_none() {
            transmit.remote
        } else {
            return;
        };
        self.in_flight.push(Packet {
            arrives: self.now + self.delay,
            to: other,
            protocol: Protocol::Udp,
            local,
            remote: source,
            payload: transmit.payload,
        });
    }

    /// A frame of TCP. A connection opened from port 9 gets a port of its own, which is all that the
    /// listening side sees of it.
    fn send_stream(&mut self, to: usize, transmit: Transmit) {
        let named = |address: SocketAddr, from, to| match address.port() {
            port if port == from => SocketAddr::new(address.ip(), to),
            _ => address,
        };
        self.in_flight.push(Packet {
            arrives: self.now + self.delay,
            to,
            protocol: Protocol::Tcp,
            local: named(transmit.remote, EPHEMERAL, 9),
            remote: named(transmit.local, 9, EPHEMERAL),
            payload: transmit.payload,
        });
    }

    pub(crate) fn state(&self, side: usize) -> ConnectionState {
        self.agents[side].state()
    }

    pub(crate) fn both(&self, state: ConnectionState) -> bool {
        self.state(LEFT) == state && self.state(RIGHT) == state
    }

    pub(crate) fn requests(&self, by: usize) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.by == by && sent.is_request())
    }

    /// The moments at which an agent entered a state.
    pub(crate) fn entered(&self, side: usize, state: ConnectionState) -> Vec<Duration> {
        self.events
            .iter()
            .filter(|(_, by, event)| *by == side && *event == Event::StateChanged(state))
            .map(|(after, ..)| *after)
            .collect()
    }
}

/// One agent, and a peer whose packets the test writes.
pub(crate) struct Script {
    pub(crate) now: Instant,
    pub(crate) agent: Agent,
    pub(crate) credentials: Credentials,
    rng: StdRng,
}

/// What a scripted check says beyond credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say {
    pub(crate) role: Role,
    pub(crate) tie_breaker: u64,
    pub(crate) use_candidate: bool,
    pub(crate) priority: u32,
    /// The value of NOMINATION.
    pub(crate) renomination: Option<u32>,
}

impl Default for Say {
    fn default() -> Self {
        Self {
            role: Role::Controlling,
            tie_breaker: 1,
            use_candidate: false,
            priority: 1 << 30,
            renomination: None,
        }
    }
}

impl Say {
    pub(crate) fn nominate() -> Self {
        Self { use_candidate: true, ..Self::default() }
    }

    pub(crate) fn renominate(value: u32) -> Self {
        Self { renomination: Some(value), ..Self::default() }
    }

    pub(crate) fn controlled() -> Self {
        Self { role: Role::Controlled, ..Self::default() }
    }
}

impl Script {
    /// An agent in `role` at 192.0.2.1:1000, and a peer whose credentials it does not know yet.
    pub(crate) fn new(role: Role) -> Self {
        Self::with(Config::new(role))
    }

    pub(crate) fn with(config: Config) -> Self {
        let now = Instant::now();
        let mut agent = Agent::new(config, StdRng::seed_from_u64(5));
        agent.add_local_candidate(now, at("192.0.2.1:1000")).unwrap();
        let credentials =
            Credentials { ufrag: "peer".to_owned(), pwd: "p4ssw0rd+p4ssw0rd+pass".to_owned() };
        Self { now, agent, credentials, rng: StdRng::seed_from_u64(6) }
    }

    /// The same, with the peer's credentials known.
    pub(crate) fn introduced(role: Role) -> Self {
        let mut script = Self::new(role);
        script.introduce();
        script
    }

    pub(crate) fn introduce(&mut self) {
        self.agent.set_remote_credentials(self.now, self.credentials.clone()).unwrap();
    }

    pub(crate) fn local(&self) -> SocketAddr {
        at("192.0.2.1:1000")
    }

    pub(crate) fn candidate(&mut self, line: &str) {
        let candidate = ice::Candidate::parse(line).unwrap();
        self.agent.add_remote_candidate(self.now, candidate).unwrap();
    }

    /// A host candidate of the peer at `address`.
    pub(crate) fn host(&mut self, address: &str, priority: u32) {
        let address = at(address);
        let (ip, port) = (address.ip(), address.port());
        self.candidate(&format!("{port} 1 udp {priority} {ip} {port} typ host"));
    }

    /// The key of checks to the agent.
    pub(crate) fn agent_key(&self) -> Key {
        Key::short_term(&self.agent.local_credentials().pwd)
    }

    /// The key of answers to the agent.
    pub(crate) fn peer_key(&self) -> Key {
        Key::short_term(&self.credentials.pwd)
    }

    pub(crate) fn username(&self) -> String {
        format!("{}:{}", self.agent.local_credentials().ufrag, self.credentials.ufrag)
    }

    /// A check without credentials.
    pub(crate) fn bare_check(&mut self, say: Say) -> Message {
        let id = TransactionId::random(&mut self.rng);
        let role = match say.role {
            Role::Controlling => Attribute::IceControlling(say.tie_breaker),
            Role::Controlled => Attribute::IceControlled(say.tie_breaker),
        };
        let mut check = Message::request(Method::BINDING, id).with(role);
        if say.use_candidate {
            check = check.with(Attribute::UseCandidate);
        }
        if let Some(value) = say.renomination {
            check = check.with(Attribute::Nomination(value));
        }
        check.with(Attribute::Priority(say.priority))
    }

    /// The octets of a proper check.
    pub(crate) fn check(&mut self, say: Say) -> Bytes {
        let username = self.username();
        let check = self.bare_check(say).with(Attribute::Username(username.as_str().into()));
        check.encode(Some(&self.agent_key()))
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, payload: &[u8]) -> Result<(), ice::Error> {
        let local = self.local();
        self.agent.handle_datagram(self.now, Datagram::udp(local, from, payload))
    }

    /// The peer replies to what we sent, the way it went.
    pub(crate) fn reply(&mut self, to: &Transmit, payload: &[u8]) -> Result<(), ice::Error> {
        let Transmit { protocol, local, remote, .. } = *to;
        self.agent.handle_datagram(self.now, Datagram { protocol, local, remote, payload })
    }

    /// The peer checks us from `from`.
    pub(crate) fn check_from(&mut self, from: &str, say: Say) -> Result<(), ice::Error> {
        let check = self.check(say);
        self.receive(at(from), &check)
    }

    /// The peer checks us over a TCP connection.
    pub(crate) fn check_over_tcp(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        say: Say,
    ) -> Result<(), ice::Error> {
        let check = self.check(say);
        let datagram = Datagram { protocol: Protocol::Tcp, local, remote: from, payload: &check };
        self.agent.handle_datagram(self.now, datagram)
    }

    /// Everything the agent wants to send now.
    pub(crate) fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.agent.poll_transmit(self.now)).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    /// Lets the time pass, collecting what is sent.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<(Instant, Transmit)> {
        let end = self.now + duration;
        let mut all = Vec::new();
        loop {
            let now = self.now;
            all.extend(self.sent().into_iter().map(|transmit| (now, transmit)));
            match self.agent.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = at.max(self.now);
                    self.agent.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
        all
    }

    /// The peer's answer to a check of ours.
    pub(crate) fn answer(&self, check: &Transmit) -> Bytes {
        let request = Message::parse(&check.payload).unwrap();
        assert!(request.verify(&self.peer_key()).is_ok());
        Message::success(&request)
            .with(Attribute::XorMappedAddress(check.local))
            .encode(Some(&self.peer_key()))
    }

    /// The peer answers every check in `sent`.
    pub(crate) fn answer_all(&mut self, sent: &[Transmit]) {
        for check in requests(sent) {
            let answer = self.answer(&check);
            self.reply(&check, &answer).unwrap();
        }
    }

    /// Sends and answers until nothing more is sent.
    pub(crate) fn settle(&mut self) {
        loop {
            let sent = self.sent();
            if requests(&sent).is_empty() {
                return;
            }
            self.answer_all(&sent);
        }
    }

    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.agent.selected_pair().map(|pair| pair.remote)
    }
}

pub(crate) fn requests(sent: &[Transmit]) -> Vec<Transmit> {
    of_class(sent, Class::Request)
}

pub(crate) fn of_class(sent: &[Transmit], class: Class) -> Vec<Transmit> {
    let is = |transmit: &&Transmit| Message::parse(&transmit.payload).unwrap().class == class;
    sent.iter().filter(is).cloned().collect()
}

pub(crate) fn parse(transmit: &Transmit) -> Message {
    Message::parse(&transmit.payload).unwrap()
}
