//! Two endpoints and the loop that carries datagrams and time between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::log::{Log, in_words};
use super::{Link, Nat, Side};
use crate::{Datagram, Endpoint};

/// Datagrams or events from one endpoint without time passing, before we say it never stops.
const MAX_BURST: usize = 200_000;
/// Timer calls without time passing, before we say the timer is stuck.
const MAX_SPIN: usize = 1_000;
/// Two endpoints and a network.
#[derive(Debug)]
pub struct Pair<L: Endpoint, R: Endpoint> {
    /// The one end.
    pub left: Side<L>,
    /// The other end.
    pub right: Side<R>,
    /// From left to right.
    pub rightward: Link,
    /// From right to left.
    pub leftward: Link,
    /// In front of the left end, if there is one.
    pub nat: Option<Nat>,
    rng: StdRng,
    start: Instant,
    now: Instant,
    /// By arrival, then by departure; `true` goes to the right.
    in_flight: BTreeMap<(Instant, u64), (bool, Datagram)>,
    departures: u64,
    careless: bool,
    log: Log,
}

impl<L: Endpoint, R: Endpoint> Pair<L, R> {
    /// Two endpoints that were made at `now`, with the same link both ways.
    pub fn new(now: Instant, seed: u64, link: &Link, left: L, right: R) -> Self {
        Self {
            left: Side::new(left),
            right: Side::new(right),
            rightward: link.clone(),
            leftward: link.clone(),
            nat: None,
            rng: StdRng::seed_from_u64(seed),
            start: now,
            now,
            in_flight: BTreeMap::new(),
            departures: 0,
            careless: false,
            log: Log::default(),
        }
    }

    /// From now on the owner is careless, as the convention allows: timers are called early, and
    /// datagrams and events fetched late.
    #[must_use]
    pub fn careless(mut self) -> Self {
        self.careless = true;
        self
    }

    /// The time on the virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Changes the links of both directions.
    pub fn set_links(&mut self, link: &Link) {
        self.rightward = link.clone();
        self.leftward = link.clone();
    }

    /// Takes both directions down, or up again.
    pub fn set_down(&mut self, down: bool) {
        self.rightward.set_down(down);
        self.leftward.set_down(down);
    }

    /// Lets datagrams and time flow until `done`, which is asked after every step and may act as the
    /// application of both ends.
    ///
    /// # Panics
    /// With the last lines of the log, if `limit` of virtual time passes first, or nothing is under
    /// way any more.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(Instant, &mut Side<L>, &mut Side<R>) -> bool,
    ) {
        let deadline = self.now + limit;
        loop {
            self.drain();
            if done(self.now, &mut self.left, &mut self.right) {
                return;
            }
            self.drain();
            match self.next_instant() {
                Some(next) if next <= deadline => self.advance(next),
                Some(_) => self.fail(&format!("not done within {limit:?}")),
                None => self.fail("nothing is under way, and not done"),
            }
        }
    }

    /// Lets datagrams and time flow for `span`, whatever happens.
    pub fn run_for(&mut self, span: Duration) {
        self.run_for_with(span, |_, _, _| {});
    }

    /// The same, with `meddle` called after every step.
    pub fn run_for_with(
        &mut self,
        span: Duration,
        mut meddle: impl FnMut(Instant, &mut Side<L>, &mut Side<R>),
    ) {
        let deadline = self.now + span;
        loop {
            self.drain();
            meddle(self.now, &mut self.left, &mut self.right);
            self.drain();
            match self.next_instant() {
                Some(next) if next <= deadline => self.advance(next),
                _ => break,
            }
        }
        self.now = deadline;
    }

    /// Hands a datagram to the right end as if the network had brought it; whether it was accepted.
    pub fn inject(&mut self, datagram: Datagram) -> bool {
        let accepted = self.right.endpoint.handle_datagram(self.now, datagram).is_ok();
        self.drain();
        accepted
    }

    /// Ends the test with the log.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, reason: &str) -> ! {
        panic!(
            "{reason}, after {:?}; left: {:?}; right: {:?}; the last datagrams:{}",
            self.elapsed(),
            self.left.events,
            self.right.events,
            self.log,
        );
    }

    /// Takes what the endpoints have to say, until they are silent.
    fn drain(&mut self) {
        let late = self.careless && !self.in_flight.is_empty() && self.rng.random_bool(0.2);
        if late {
            return;
        }
        for count in 0.. {
            let Some(datagram) = self.left.endpoint.poll_transmit(self.now) else { break };
            self.left.count(&datagram);
            let datagram = match &mut self.nat {
                Some(nat) => nat.outbound(self.now, datagram),
                None => datagram,
            };
            self.post(true, datagram);
            self.must_stop(count);
        }
        for count in 0.. {
            let Some(datagram) = self.right.endpoint.poll_transmit(self.now) else { break };
            self.right.count(&datagram);
            self.post(false, datagram);
            self.must_stop(count);
        }
        while let Some(event) = self.left.endpoint.poll_event() {
            self.note(format!("left says {event:?}"));
            self.left.events.push(event);
            self.must_stop(self.left.events.len());
        }
        while let Some(event) = self.right.endpoint.poll_event() {
            self.note(format!("right says {event:?}"));
            self.right.events.push(event);
            self.must_stop(self.right.events.len());
        }
    }

    fn must_stop(&self, count: usize) {
        if count > MAX_BURST {
            self.fail("an endpoint never stops talking");
        }
    }

    /// Gives a datagram to the network.
    fn post(&mut self, to_the_right: bool, datagram: Datagram) {
        let link = if to_the_right { &mut self.rightward } else { &mut self.leftward };
        let fate = link.carry(self.now, &datagram, &mut self.rng);
        let direction = if to_the_right { "──►" } else { "◄──" };
        self.note(format!("{direction} {}", in_words(&datagram, &fate)));
        for (arrival, datagram) in fate.unwrap_or_default() {
            self.departures += 1;
            self.in_flight.insert((arrival, self.departures), (to_the_right, datagram));
        }
    }

    fn note(&mut self, line: String) {
        self.log.note(self.elapsed(), &line);
    }

    fn next_instant(&self) -> Option<Instant> {
        let arrival = self.in_flight.keys().next().map(|(arrival, _)| *arrival);
        let timers = [self.left.endpoint.poll_timeout(), self.right.endpoint.poll_timeout()];
        timers.into_iter().chain([arrival]).flatten().min()
    }

    /// Jumps to `next`: one arrival, or the timers.
    fn advance(&mut self, next: Instant) {
        self.now = self.now.max(next);
        if self.careless && self.rng.random_bool(0.1) {
            self.left.endpoint.handle_timeout(self.now);
            self.right.endpoint.handle_timeout(self.now);
        }
        match self.in_flight.first_entry() {
            Some(entry) if entry.key().0 <= self.now => {
                let (to_the_right, datagram) = entry.remove();
                self.deliver(to_the_right, datagram);
            }
            _ => self.expire(),
        }
    }

    fn deliver(&mut self, to_the_right: bool, datagram: Datagram) {
        let octets = datagram.payload.len();
        let result = if to_the_right {
            self.right.endpoint.handle_datagram(self.now, datagram)
        } else {
            let datagram = match &mut self.nat {
                Some(nat) => nat.inbound(self.now, datagram),
                None => Ok(datagram),
            };
            match datagram {
                Ok(datagram) => self.left.endpoint.handle_datagram(self.now, datagram),
                Err(reason) => return self.note(format!("stopped by the NAT: {reason}")),
            }
        };
        if let Err(error) = &result {
            let side = if to_the_right { "right" } else { "left" };
            self.note(format!("{side} refuses {octets} octets: {error}"));
        }
        let (accepted, refused) = if to_the_right {
            (&mut self.right.accepted, &mut self.right.refused)
        } else {
            (&mut self.left.accepted, &mut self.left.refused)
        };
        if result.is_ok() { *accepted += 1 } else { *refused += 1 }
    }

    /// Calls the timers that are due, until they lie in the future.
    fn expire(&mut self) {
        for spin in 0.. {
            let due = |timer: Option<Instant>| timer.is_some_and(|timer| timer <= self.now);
            let left = due(self.left.endpoint.poll_timeout());
            let right = due(self.right.endpoint.poll_timeout());
            if left {
                self.left.endpoint.handle_timeout(self.now);
            }
            if right {
                self.right.endpoint.handle_timeout(self.now);
            }
            if !(left || right) {
                return;
            }
            self.drain();
            if spin > MAX_SPIN {
                self.fail("a timer is due again and again");
            }
        }
    }
}
