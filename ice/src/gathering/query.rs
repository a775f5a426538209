//! What does a server see of a base? Asked for ever: a reflexive address lasts only while the NAT
//! sees packets (RFC 8445 §5.1.1.4), and when it has changed we want to know.
//!
//! ```text
//!            its slot                   answer, or none in 8.5 s
//!  Waiting ───────────► Asking ─────────────────────────────────► Resting
//!     ▲                                                              │
//!     └────────────────────────── 15 to 20 s ────────────────────────┘
//! ```
//!
//! The answer is believed if it comes from the server to the base and has the request's transaction
//! ID: 96 random bits, which is all that a request without credentials has (RFC 8489 §16.1.2).
//! Book: chapter "Candidates".

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use stun::{ClientTransaction, Error, Message, Method, Outcome, Timing, TransactionId};
use tracing::debug;

use super::PATIENCE;
use super::verdict::{Failure, Verdict};
use crate::address::{canonical, is_usable};

/// The time from one answer to the next question. No NAT forgets sooner than we ask if it follows
/// RFC 4787 §4.3 (two minutes), nor do the many that forget after thirty seconds. RFC 8445 §11 sets the
/// lower bound of 15 s; it varies so that many sockets do not fall into step.
const REST: std::ops::RangeInclusive<f64> = 15.0..=20.0;

/// A question that is asked again and again.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) base: SocketAddr,
    pub(super) remote: SocketAddr,
    /// Whose, of the known servers.
    pub(super) server: usize,
    /// Whether it is all that is asked of this server. Of a TURN server more is asked; then this
    /// failing is not worth a word.
    pub(super) is_all: bool,
    pub(super) verdict: Verdict,
    pub(super) mapped: Option<SocketAddr>,
    /// When the first request is answered too late for gathering to wait for.
    patience: Option<Instant>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Asking(Box<ClientTransaction>),
    Resting { until: Instant },
}

/// What an answer has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// There is a verdict, or another one, or the first mapped address.
    News,
    /// The NAT has given us another address: whatever depends on the old one is lost.
    Rebound,
}

impl Query {
    pub(super) fn new(base: SocketAddr, remote: SocketAddr, server: usize, is_all: bool) -> Self {
        Self {
            base,
            remote,
            server,
            is_all,
            verdict: Verdict::Pending,
            mapped: None,
            patience: None,
            state: State::Waiting,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Its slot has come.
    pub(super) fn start(&mut self, now: Instant, timing: Timing, rng: &mut StdRng) {
        let request = Message::request(Method::BINDING, TransactionId::random(rng));
        self.patience.get_or_insert(now + PATIENCE);
        self.state = State::Asking(Box::new(ClientTransaction::new(&request, None, timing)));
    }

    /// Does not wait for the next time.
    pub(super) fn ask_again(&mut self) {
        if matches!(self.state, State::Resting { .. }) {
            self.state = State::Waiting;
        }
    }

    /// Takes a message that came from the server to the base.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        message: Message,
        rng: &mut StdRng,
    ) -> Result<Change, Error> {
        let State::Asking(transaction) = &mut self.state else {
            return Err(Error::UnknownTransaction);
        };
        transaction.handle_response(message)?;
        Ok(self.conclude(now, rng))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, rng: &mut StdRng) -> Change {
        let mut change = Change::None;
        match &mut self.state {
            State::Waiting => {}
            State::Asking(transaction) => {
                transaction.handle_timeout(now);
                change = self.conclude(now, rng);
            }
            State::Resting { until } if now >= *until => self.state = State::Waiting,
            State::Resting { .. } => {}
        }
        if self.verdict == Verdict::Pending && self.patience.is_some_and(|until| now >= until) {
            self.verdict.fail(Failure::silent());
            change = Change::News;
        }
        change
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        match &mut self.state {
            State::Asking(transaction) => transaction.poll_transmit(now),
            State::Waiting | State::Resting { .. } => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let patience = self.patience.filter(|_| self.verdict == Verdict::Pending);
        let next = match &self.state {
            State::Waiting => None,
            State::Asking(transaction) => transaction.poll_timeout(),
            State::Resting { until } => Some(*until),
        };
        [patience, next].into_iter().flatten().min()
    }

    /// Looks whether the transaction is over and what it has brought.
    fn conclude(&mut self, now: Instant, rng: &mut StdRng) -> Change {
        let State::Asking(transaction) = &mut self.state else { return Change::None };
        let Some(stun::Event::Closed(outcome)) = transaction.poll_event() else {
            return Change::None;
        };
        self.state =
            State::Resting { until: now + Duration::from_secs_f64(rng.random_range(REST)) };
        let failure = match outcome {
            Outcome::Success(message) => match self.mapped_in(&message) {
                Some(mapped) => return self.learn(mapped),
                None => Failure::unreachable("its answer tells no usable address"),
            },
            Outcome::Refused(message) => match message.error_code() {
                Some(error) => Failure::refused(error.code.number(), &error.reason.to_string()),
                None => Failure::unintelligible(),
            },
            Outcome::Unintelligible(_) => Failure::unintelligible(),
            Outcome::TimedOut => Failure::silent(),
        };
        // Whoever has answered once is of use: what it told of us then may still be so.
        if self.verdict == Verdict::Useful {
            debug!(server = %self.remote, base = %self.base, ?failure, "not asked with success again");
            return Change::None;
        }
        self.verdict.fail(failure);
        Change::News
    }

    /// XOR-MAPPED-ADDRESS; MAPPED-ADDRESS from a server older than that (RFC 8489 §14.1).
    fn mapped_in(&self, message: &Message) -> Option<SocketAddr> {
        let mapped = canonical(message.xor_mapped_address().or_else(|| message.mapped_address())?);
        (is_usable(mapped) && mapped.is_ipv4() == self.base.is_ipv4()).then_some(mapped)
    }

    fn learn(&mut self, mapped: SocketAddr) -> Change {
        let is_news = self.verdict != Verdict::Useful;
        self.verdict = Verdict::Useful;
        match self.mapped.replace(mapped) {
            Some(before) if before != mapped => {
                debug!(base = %self.base, %before, now = %mapped, "the NAT has another mapping");
                Change::Rebound
            }
            Some(_) if !is_news => Change::None,
            _ => Change::News,
        }
    }
}
