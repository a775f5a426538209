//! Stream reset: how a data channel closes (RFC 6525, as RFC 8831 §6.7 uses it).
//!
//! ```text
//!   us                                                   remote
//!   │ Outgoing SSN Reset Request n, last TSN, streams ──►│  all TSNs up to the last arrived?
//!   │◄──────────────────────────── Response n: In progress│  not yet
//!   │ (same request again after an RTO)               ──►│
//!   │◄────────────────────────────── Response n: Performed│  its SSNs restart
//!   our SSNs restart, what was held back is sent
//! ```
//!
//! Each direction is reset by its sender, on its own. One request is under way at a time
//! (RFC 6525 §5.1.1); streams that are to be reset meanwhile wait for the next one. A request's
//! number is good for one request: repeated, it gets the same answer again, any other number is
//! refused. With one exception on each side, for older libwebrtc: after "In progress" it asks again
//! under a new number, and repeats "In progress" for ever to the old one. So a next number is taken
//! while a reset is in progress, and is used when the answer cannot be true: when everything before
//! the reset had been acknowledged before we asked. Requests of other kinds are denied: data channels need none of them.
//!
//! Book: the chapter on channels.

use std::time::{Duration, Instant};

use super::event::Events;
use super::inbound::Inbound;
use super::outstanding::Outstanding;
use super::retry::Retry;
use super::send_queue::SendQueue;
use crate::wire::{ReConfig, ReConfigParameter, ReConfigResult, RequestNumber, StreamId, Tsn};
use crate::{Direction, Event};

/// Streams in one request: 16 octets of it are no streams, and it must fit into the smallest
/// packet we may be configured for.
const MAX_STREAMS: usize = 200;

/// Octets of the largest RE-CONFIG chunk's value: a response, and a request for so many streams.
pub(crate) const MAX_LENGTH: usize = 12 + 16 + MAX_STREAMS * 2;

/// Answers that wait to be sent: a RE-CONFIG chunk carries at most two parameters (RFC 6525 §3.1).
const MAX_RESPONSES: usize = 2;

/// Both directions' requests.
#[derive(Debug)]
pub(crate) struct Reconfig {
    /// The number of our next request.
    next: RequestNumber,
    request: Option<Request>,
    /// The number of the remote endpoint's next request.
    expected: RequestNumber,
    /// The answer to the request before that.
    answered: Option<ReConfigResult>,
    /// The answer to the expected request so far was "In progress".
    in_progress: bool,
    /// Streams of the remote request that waits for TSNs.
    deferred: Option<(RequestNumber, Tsn, Vec<StreamId>)>,
    responses: Vec<(RequestNumber, ReConfigResult)>,
}

/// What a RE-CONFIG chunk has to do with.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    pub(crate) now: Instant,
    /// RTO.
    pub(crate) timeout: Duration,
    /// Streams that the remote endpoint has.
    pub(crate) inbound_streams: u16,
    pub(crate) inbound: &'a mut Inbound,
    pub(crate) queue: &'a mut SendQueue,
    pub(crate) events: &'a mut Events,
}

/// Our request under way.
#[derive(Debug)]
struct Request {
    number: RequestNumber,
    last_tsn: Tsn,
    streams: Vec<StreamId>,
    timer: Retry,
    /// It is to be sent (again).
    due: bool,
    /// When it was sent last, everything before the reset had been acknowledged.
    nothing_before: bool,
}

impl Reconfig {
    /// Numbers begin with the initial TSNs (RFC 6525 §5.1.1).
    pub(crate) fn new(local: Tsn, remote: Tsn) -> Self {
        Self {
            next: RequestNumber(local.0),
            request: None,
            expected: RequestNumber(remote.0),
            answered: None,
            in_progress: false,
            deferred: None,
            responses: Vec::new(),
        }
    }

    /// Whether a chunk is to be sent now.
    pub(crate) fn is_due(&self, queue: &SendQueue) -> bool {
        !self.responses.is_empty()
            || self.request.as_ref().map_or(queue.has_drained(), |request| request.due)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.request.as_ref().map(|request| request.timer.deadline())
    }

    /// The request's timer; whether it expired (RFC 6525 §5.1.1).
    pub(crate) fn handle_timeout(&mut self, now: Instant, longest: Duration) -> bool {
        let Some(request) = &mut self.request else { return false };
        let expired = request.timer.expired(now, longest);
        request.due |= expired;
        expired
    }

    /// The chunk to be sent now, if one is.
    pub(crate) fn chunk(
        &mut self,
        now: Instant,
        timeout: Duration,
        outstanding: &Outstanding,
        queue: &mut SendQueue,
    ) -> Option<ReConfig> {
        let mut parameters: Vec<ReConfigParameter> = self
            .responses
            .drain(..)
            .map(|(response, result)| ReConfigParameter::Response {
                response,
                result,
                next_tsns: None,
            })
            .collect();
        if self.request.is_none() && queue.has_drained() {
            let streams = queue.take_drained(MAX_STREAMS);
            let (number, timer) = (self.next, Retry::new(now, timeout));
            self.next = number.next();
            let last_tsn = outstanding.last_tsn();
            let nothing_before = false;
            self.request =
                Some(Request { number, last_tsn, streams, timer, due: true, nothing_before });
        }
        if let Some(request) = &mut self.request
            && request.due
            && parameters.len() < MAX_RESPONSES
        {
            request.due = false;
            request.nothing_before = request.last_tsn <= outstanding.cumulative_tsn();
            parameters.push(ReConfigParameter::OutgoingReset {
                request: request.number,
                response: self.expected.previous(),
                last_tsn: request.last_tsn,
                streams: request.streams.clone(),
            });
        }
        (!parameters.is_empty()).then_some(ReConfig { parameters })
    }

    /// Takes in a RE-CONFIG chunk.
    pub(crate) fn handle(&mut self, chunk: ReConfig, around: Around<'_>) {
        let Around { now, timeout, inbound_streams, inbound, queue, events } = around;
        for parameter in chunk.parameters.into_iter().take(MAX_RESPONSES) {
            match parameter {
                ReConfigParameter::OutgoingReset { request, last_tsn, streams, .. } => {
                    if !self.is_expected(request) {
                        continue;
                    }
                    if streams.iter().any(|stream| stream.0 >= inbound_streams) {
                        self.answer(request, ReConfigResult::WRONG_SSN);
                    } else if !events.has_room() {
                        self.put_off(request);
                    } else {
                        self.reset(request, last_tsn, streams, inbound, events);
                    }
                }
                ReConfigParameter::IncomingReset { request, .. }
                | ReConfigParameter::SsnTsnReset { request }
                | ReConfigParameter::AddOutgoing { request, .. }
                | ReConfigParameter::AddIncoming { request, .. } => {
                    if self.is_expected(request) {
                        self.answer(request, ReConfigResult::DENIED);
                    }
                }
                ReConfigParameter::Response { response, result, .. } => {
                    self.response(now, response, result, timeout, queue, events);
                }
                ReConfigParameter::Unknown { .. } => {}
            }
        }
    }

    /// Whether this is the remote endpoint's next request; otherwise it is answered here.
    fn is_expected(&mut self, request: RequestNumber) -> bool {
        if request == self.expected {
            return true;
        }
        if self.in_progress && request == self.expected.next() {
            self.expected = request;
            return true;
        }
        let result = match self.answered {
            Some(result) if request.next() == self.expected => result,
            _ => ReConfigResult::BAD_SEQUENCE_NUMBER,
        };
        self.respond(request, result);
        false
    }

    fn reset(
        &mut self,
        request: RequestNumber,
        last_tsn: Tsn,
        streams: Vec<StreamId>,
        inbound: &mut Inbound,
        events: &mut Events,
    ) {
        if inbound.reset(last_tsn, &streams, events) {
            self.deferred = None;
            self.answer(request, ReConfigResult::PERFORMED);
        } else {
            // The first version of a request is the one that counts; the number is the last one's.
            self.deferred.get_or_insert((request, last_tsn, streams)).0 = request;
            self.put_off(request);
        }
    }

    /// Performs the deferred reset if all TSNs before it have arrived.
    pub(crate) fn tsns_arrived(&mut self, inbound: &mut Inbound, events: &mut Events) {
        if inbound.deferred_is_ripe()
            && let Some((request, last_tsn, streams)) = self.deferred.take()
        {
            self.reset(request, last_tsn, streams, inbound, events);
        }
    }

    /// Not yet.
    fn put_off(&mut self, request: RequestNumber) {
        self.in_progress = true;
        self.respond(request, ReConfigResult::IN_PROGRESS);
    }

    /// The final answer to the expected request.
    fn answer(&mut self, request: RequestNumber, result: ReConfigResult) {
        self.expected = request.next();
        self.in_progress = false;
        self.answered = Some(result);
        self.respond(request, result);
    }

    fn respond(&mut self, request: RequestNumber, result: ReConfigResult) {
        self.responses.retain(|&(waiting, _)| waiting != request);
        if self.responses.len() < MAX_RESPONSES {
            self.responses.push((request, result));
        }
    }

    /// The answer to our request (RFC 6525 §5.2.7).
    fn response(
        &mut self,
        now: Instant,
        number: RequestNumber,
        result: ReConfigResult,
        timeout: Duration,
        queue: &mut SendQueue,
        events: &mut Events,
    ) {
        let Some(mut request) = self.request.take_if(|request| request.number == number) else {
            return;
        };
        if matches!(result, ReConfigResult::IN_PROGRESS | ReConfigResult::ALREADY_IN_PROGRESS) {
            request.timer = Retry::new(now, timeout);
            request.due = false;
            if request.nothing_before {
                request.number = self.next;
                self.next = self.next.next();
            }
            self.request = Some(request);
            return;
        }
        let performed = matches!(result, ReConfigResult::PERFORMED | ReConfigResult::NOTHING_TO_DO);
        for &stream in &request.streams {
            queue.finish_reset(stream, performed);
        }
        let streams = request.streams;
        events.push(match performed {
            true => Event::StreamsReset { direction: Direction::Outgoing, streams },
            false => Event::ResetRefused(streams),
        });
    }
}
