//! The tests of RFC 5780: what a NAT does, found out from behind it.
//!
//! Two sockets, so that the tests of one do not open the filter for those of the other (RFC 5780
//! §4.5). A server of RFC 5780 has two IP addresses with two ports each, A:a, A:b, B:a, B:b, and
//! answers from another one when asked to; of other servers only the mapping can be seen.
//!
//! ```text
//!   Asking      second ──► every server            who answers, what it sees, its OTHER-ADDRESS
//!   Connecting  first  ──► A:a                     §4.2, §4.3 test I
//!   Filtering   first  ──► A:a, answer from B:b    §4.4 test II    an answer: endpoint-independent
//!               first  ──► A:a, answer from A:b    §4.4 test III   an answer: address-dependent
//!               second ──► first's public address  §3.4            it arrives: hairpin
//!   Mapping     first  ──► B:a, B:b                §4.3 tests II and III
//! ```
//!
//! Filtering comes before mapping: packets to B:a and B:b would open the filter. An answer to a test
//! of filtering counts only from the right address, as some servers ignore the request to change it;
//! and if B:a and B:b never answer at all, the silence says nothing (RFC 5780 erratum 7971).
//! Book: "NATs".

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;

use super::Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
use super::{Behaviour, Outcome, Possible};
use crate::transaction::Event::Closed;
use crate::wire::ChangeRequest;
use crate::{
    Attribute, Class, ClientTransaction, Error, Message, Method, Timing, TransactionId, transaction,
};

/// Servers that are asked; of more, the first. Two are enough, and each costs the wait for a silent
/// one at most once.
const MAX_SERVERS: usize = 8;

/// Silence is an answer here, so it must not take the 39.5 s of RFC 8489 §6.2.1: sent at 0, 0.5, 1.5
/// and 3.5 s, given up at 4.5 s.
const TIMING: Timing = Timing { rto: Duration::from_millis(500), rc: 4, rm: 2 };

/// A datagram that came to one of the two sockets.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// The socket's address.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// A datagram to be sent from one of the two sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The socket's address.
    pub local: SocketAddr,
    /// Where it goes.
    pub remote: SocketAddr,
    /// The UDP payload.
    pub payload: Bytes,
}

/// News of a [`Discovery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is over.
    Closed(Outcome),
}

/// A server and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its address.
    pub server: SocketAddr,
    /// Its answer.
    pub answer: Answer,
}

/// What a server said to a Binding request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, so far.
    None,
    /// Something that does not help: a refusal, or no address.
    Useless,
    /// What it saw of us.
    Mapped {
        /// The address it saw.
        mapped: SocketAddr,
        /// Its other address and port, if it is a server of RFC 5780 (§7.4).
        other: Option<SocketAddr>,
    },
}

/// A discovery of what lies between us and the internet, for one IP version.
#[derive(Debug)]
pub struct Discovery {
    first: SocketAddr,
    second: SocketAddr,
    servers: Vec<Asked>,
    rng: StdRng,
    stage: Stage,
    probes: Vec<Probe>,
    /// Sent once, as they need no answer.
    outbox: Option<Transmit>,
    /// Which server saw which public address of the first socket, and of the second.
    seen_of_first: Vec<(SocketAddr, SocketAddr)>,
    seen_of_second: Vec<(SocketAddr, SocketAddr)>,
    from_other_address: Heard,
    from_other_port: Heard,
    hairpin: Option<bool>,
    news: Option<Event>,
}

/// Whether an answer from an address of the server came that we had not sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Yes,
    No,
    Untested,
}

/// A server that answered, and its other address.
#[derive(Debug, Clone, Copy)]
struct Primary {
    server: SocketAddr,
    /// What it saw of the second socket.
    mapped: SocketAddr,
    other: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Asking,
    Connecting(Primary),
    Filtering(Primary),
    Mapping(Primary),
    Done,
}

/// A Binding request under way.
#[derive(Debug)]
struct Probe {
    test: Test,
    local: SocketAddr,
    remote: SocketAddr,
    /// Where the answer has to come from.
    answer_from: SocketAddr,
    transaction: ClientTransaction,
    result: Option<ProbeResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// The server of this number.
    Ask(usize),
    /// Of the mapping: test I, II or III.
    Mapping,
    /// Answer from the other IP address and port.
    OtherAddress,
    /// Answer from the other port.
    OtherPort,
    /// To ourselves.
    Hairpin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeResult {
    Mapped { mapped: SocketAddr, other: Option<SocketAddr> },
    Useless,
    Silence,
}

impl Discovery {
    /// A discovery from two sockets of one IP address by these servers, the best first. Bind the
    /// sockets to that address, not to the unspecified one: it is compared with what servers see.
    #[must_use]
    pub fn new(servers: &[SocketAddr], sockets: [SocketAddr; 2], rng: StdRng) -> Self {
        let [first, second] = sockets;
        let mut asked: Vec<Asked> = Vec::new();
        for server in servers {
            let is_new = asked.iter().all(|it| it.server != *server);
            if is_new && asked.len() < MAX_SERVERS {
                asked.push(Asked { server: *server, answer: Answer::None });
            }
        }
        let mut discovery = Self {
            first,
            second,
            servers: asked,
            rng,
            stage: Stage::Asking,
            probes: Vec::new(),
            outbox: None,
            seen_of_first: Vec::new(),
            seen_of_second: Vec::new(),
            from_other_address: Heard::Untested,
            from_other_port: Heard::Untested,
            hairpin: None,
            news: None,
        };
        for (index, asked) in discovery.servers.clone().into_iter().enumerate() {
            discovery.probe(Test::Ask(index), second, asked.server, None);
        }
        discovery.go_on();
        discovery
    }

    /// The servers and what they have said so far.
    #[must_use]
    pub fn servers(&self) -> &[Asked] {
        &self.servers
    }

    /// Takes a datagram that came to one of the sockets.
    ///
    /// # Errors
    /// It was discarded: no STUN, or no answer to a request of ours.
    pub fn handle_datagram(&mut self, _now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        let message = Message::parse(datagram.payload)?;
        let id = message.transaction_id;
        let probe = self
            .probes
            .iter_mut()
            .find(|probe| probe.transaction.transaction_id() == id)
            .ok_or(Error::UnknownTransaction)?;
        let to_ourselves = message.class == Class::Request && datagram.local == self.first;
        if probe.test == Test::Hairpin && to_ourselves {
            self.hairpin = Some(true);
            probe.result = Some(ProbeResult::Useless);
        } else if (datagram.local, datagram.remote) == (probe.local, probe.answer_from) {
            probe.transaction.handle_response(message)?;
        } else if (datagram.local, datagram.remote) == (probe.local, probe.remote) {
            // It refuses to change its address, or does not know how.
            tracing::debug!(server = %probe.remote, "no change of address");
            probe.result = Some(ProbeResult::Useless);
        } else {
            return Err(Error::UnknownTransaction);
        }
        self.go_on();
        Ok(())
    }

    /// Moves on if timers have run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.probes.iter_mut().for_each(|probe| probe.transaction.handle_timeout(now));
        self.go_on();
    }

    /// The next datagram to send; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.outbox.take() {
            return Some(transmit);
        }
        let mut under_way = self.probes.iter_mut().filter(|probe| probe.result.is_none());
        under_way.find_map(|probe| {
            let payload = probe.transaction.poll_transmit(now)?;
            Some(Transmit { local: probe.local, remote: probe.remote, payload })
        })
    }

    /// The outcome, once.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.news.take()
    }

    /// When to call [`Discovery::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let under_way = self.probes.iter().filter(|probe| probe.result.is_none());
        under_way.filter_map(|probe| probe.transaction.poll_timeout()).min()
    }

    /// Takes the results that are there; when all tests of a stage are over, starts the next.
    fn go_on(&mut self) {
        for probe in &mut self.probes {
            probe.conclude();
        }
        while !matches!(self.stage, Stage::Done)
            && self.probes.iter().all(|probe| probe.result.is_some())
        {
            for probe in std::mem::take(&mut self.probes) {
                self.record(&probe);
            }
            self.stage = self.next_stage();
            tracing::debug!(stage = ?self.stage, "behaviour discovery");
        }
    }

    /// What a test of the stage that is over has told.
    fn record(&mut self, probe: &Probe) {
        let result = probe.result.unwrap_or(ProbeResult::Silence);
        match (probe.test, result) {
            (Test::Ask(index), ProbeResult::Mapped { mapped, other }) => {
                self.seen_of_second.push((probe.remote, mapped));
                self.set_answer(index, Answer::Mapped { mapped, other });
            }
            (Test::Ask(index), ProbeResult::Useless) => self.set_answer(index, Answer::Useless),
            (Test::Mapping, ProbeResult::Mapped { mapped, .. }) => {
                self.seen_of_first.push((probe.remote, mapped));
            }
            (Test::OtherAddress, result) => self.from_other_address = result.heard(),
            (Test::OtherPort, result) => self.from_other_port = result.heard(),
            (Test::Hairpin, _) => self.hairpin = Some(self.hairpin == Some(true)),
            _ => {}
        }
    }

    fn next_stage(&mut self) -> Stage {
        match self.stage {
            Stage::Asking => match self.primary() {
                Some(primary) => self.connect(primary),
                None => self.close(Outcome::NoAnswer),
            },
            Stage::Connecting(primary) => self.test_filtering(primary),
            Stage::Filtering(primary) => self.test_mapping(primary),
            Stage::Mapping(primary) => self.conclude(primary),
            Stage::Done => Stage::Done,
        }
    }

    /// The first server with which all can be tested, or else the first that answered.
    fn primary(&self) -> Option<Primary> {
        let answered: Vec<Primary> = self
            .servers
            .iter()
            .filter_map(|asked| match asked.answer {
                Answer::Mapped { mapped, other } => {
                    let other = other.filter(|other| is_really_other(asked.server, *other));
                    Some(Primary { server: asked.server, mapped, other })
                }
                Answer::None | Answer::Useless => None,
            })
            .collect();
        let best = answered.iter().find(|primary| primary.other.is_some());
        best.or(answered.first()).copied()
    }

    /// Test I from the first socket, which has sent nothing before.
    fn connect(&mut self, primary: Primary) -> Stage {
        self.probe(Test::Mapping, self.first, primary.server, None);
        Stage::Connecting(primary)
    }

    /// The filter toward the server, and meanwhile what only concerns the NAT.
    fn test_filtering(&mut self, primary: Primary) -> Stage {
        self.test_hairpin(primary);
        let server = primary.server;
        if let (Some(other), false) = (primary.other, self.seen_of_first.is_empty()) {
            let other_port = SocketAddr::new(server.ip(), other.port());
            self.probe(Test::OtherAddress, self.first, server, Some(other));
            self.probe(Test::OtherPort, self.first, server, Some(other_port));
        }
        Stage::Filtering(primary)
    }

    fn test_mapping(&mut self, primary: Primary) -> Stage {
        if let (Some(other), false) = (primary.other, self.seen_of_first.is_empty()) {
            let same_port = SocketAddr::new(other.ip(), primary.server.port());
            self.probe(Test::Mapping, self.first, same_port, None);
            self.probe(Test::Mapping, self.first, other, None);
        }
        Stage::Mapping(primary)
    }

    /// Through a NAT, asks ourselves. The filter is no part of the question: it is opened first.
    fn test_hairpin(&mut self, primary: Primary) {
        let Some((_, mapped)) = self.seen_of_first.first().copied() else { return };
        if mapped != self.first {
            let id = TransactionId::random(&mut self.rng);
            let payload = Message::indication(Method::BINDING, id).encode(None);
            self.outbox = Some(Transmit { local: self.first, remote: primary.mapped, payload });
            self.probe(Test::Hairpin, self.second, mapped, None);
        }
    }

    /// Puts the results together.
    fn conclude(&mut self, primary: Primary) -> Stage {
        let (local, mapped) = match self.seen_of_first.first() {
            Some((_, mapped)) => (self.first, *mapped),
            None => (self.second, primary.mapped),
        };
        let mapping =
            Possible::mapping(&self.seen_of_first).and(Possible::mapping(&self.seen_of_second));
        let filtering = self.filtering(primary);
        let hairpin = self.hairpin;
        self.close(Outcome::Found(Behaviour { local, mapped, mapping, filtering, hairpin }))
    }

    /// RFC 5780 §4.4.
    fn filtering(&self, primary: Primary) -> Possible {
        let other_ip = primary.other.map(|other| other.ip());
        let other_is_there =
            self.seen_of_first.iter().any(|(server, _)| Some(server.ip()) == other_ip);
        match (self.from_other_address, self.from_other_port) {
            (Heard::Yes, _) => Possible::exactly(EndpointIndependent),
            (Heard::No, Heard::Yes) if other_is_there => Possible::exactly(AddressDependent),
            (_, Heard::Yes) => Possible::such_that(|it| it != AddressAndPortDependent),
            (Heard::No, Heard::No) if other_is_there => Possible::exactly(AddressAndPortDependent),
            _ => Possible::UNKNOWN,
        }
    }

    fn close(&mut self, outcome: Outcome) -> Stage {
        self.news = Some(Event::Closed(outcome));
        Stage::Done
    }

    fn set_answer(&mut self, index: usize, answer: Answer) {
        if let Some(asked) = self.servers.get_mut(index) {
            asked.answer = answer;
        }
    }

    /// Starts a Binding request; with `answer_from` the server is to answer from there.
    fn probe(
        &mut self,
        test: Test,
        local: SocketAddr,
        remote: SocketAddr,
        answer_from: Option<SocketAddr>,
    ) {
        let id = TransactionId::random(&mut self.rng);
        let mut request = Message::request(Method::BINDING, id);
        if let Some(from) = answer_from {
            let change = ChangeRequest { ip: from.ip() != remote.ip(), port: true };
            request = request.with(Attribute::ChangeRequest(change));
        }
        let answer_from = answer_from.unwrap_or(remote);
        let transaction = ClientTransaction::new(&request, None, TIMING);
        let result = None;
        self.probes.push(Probe { test, local, remote, answer_from, transaction, result });
    }
}

/// Whether IP address and port are others, as the tests need (RFC 5780 §7.4).
fn is_really_other(server: SocketAddr, other: SocketAddr) -> bool {
    server.is_ipv4() == other.is_ipv4()
        && server.ip() != other.ip()
        && server.port() != other.port()
        && other.port() != 0
}

impl Probe {
    /// Takes the outcome of the transaction, if it has one.
    fn conclude(&mut self) {
        let Some(Closed(outcome)) = self.transaction.poll_event() else { return };
        let result = match outcome {
            transaction::Outcome::Success(response) => ProbeResult::from(&response),
            transaction::Outcome::TimedOut => ProbeResult::Silence,
            transaction::Outcome::Refused(_) | transaction::Outcome::Unintelligible(_) => {
                ProbeResult::Useless
            }
        };
        self.result.get_or_insert(result);
    }
}

impl ProbeResult {
    fn from(response: &Message) -> Self {
        let other = response.attributes().iter().find_map(|attribute| match attribute {
            Attribute::OtherAddress(other) => Some(*other),
            _ => None,
        });
        match response.xor_mapped_address().or(response.mapped_address()) {
            Some(mapped) => Self::Mapped { mapped, other },
            None => Self::Useless,
        }
    }

    fn heard(self) -> Heard {
        match self {
            Self::Mapped { .. } => Heard::Yes,
            Self::Silence => Heard::No,
            Self::Useless => Heard::Untested,
        }
    }
}

#[cfg(test)]
mod tests;
