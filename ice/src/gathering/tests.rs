//! Gathering against servers that are a few lines here.

mod reflexive;
mod relayed;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use stun::{Attribute, Class, Code, Message, Method, ServerTransport};

use super::{FromServer, Gatherer, GatheringEvent, Server, ToServer};
use crate::gathered::Gathered;

const BASE: &str = "10.0.0.2:1000";
const SERVER: &str = "198.51.100.1:3478";
const OTHER: &str = "198.51.100.9:3478";
const PUBLIC: &str = "203.0.113.5:40000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn stun(address: &str) -> Server {
    let url = format!("stun:{address}");
    Server { url, address: at(address), transport: ServerTransport::Udp, user: None }
}

/// A gatherer, the time, and servers that answer at once.
struct Bench {
    start: Instant,
    now: Instant,
    gatherer: Gatherer,
    /// What each server sees of us; others do not answer.
    servers: BTreeMap<SocketAddr, SocketAddr>,
    /// Whether the servers refuse, with this code.
    refusal: Option<Code>,
    /// When which message went out.
    sent: Vec<(Duration, ToServer)>,
    events: Vec<(Duration, GatheringEvent)>,
}

impl Bench {
    fn new(bases: &[&str], servers: &[Server]) -> Self {
        let now = Instant::now();
        let mut gatherer = Gatherer::new(StdRng::seed_from_u64(1));
        for base in bases {
            gatherer.add_base(now, at(base));
        }
        for server in servers {
            gatherer.add_server(now, server.clone());
        }
        gatherer.end_of_servers(now);
        let (servers, refusal) = (BTreeMap::new(), None);
        let (sent, events) = (Vec::new(), Vec::new());
        Self { start: now, now, gatherer, servers, refusal, sent, events }
    }

    /// From now on this server sees us there.
    fn sees(&mut self, server: &str, mapped: &str) {
        self.servers.insert(at(server), at(mapped));
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            match self.gatherer.poll_timeout() {
                Some(next) if next <= end => {
                    self.now = next.max(self.now);
                    self.gatherer.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(request) = self.gatherer.poll_transmit(self.now) {
            self.sent.push((self.elapsed(), request.clone()));
            if let Some(mapped) = self.servers.get(&request.remote) {
                let response = self.answer(&request, *mapped);
                self.deliver(&request, &response).unwrap();
            }
        }
        while let Some(event) = self.gatherer.poll_event() {
            self.events.push((self.elapsed(), event));
        }
    }

    fn answer(&self, request: &ToServer, mapped: SocketAddr) -> Message {
        let request = Message::parse(&request.payload).unwrap();
        assert_eq!((request.method, request.class), (Method::BINDING, Class::Request));
        match self.refusal {
            Some(code) => Message::error(&request, code.into()),
            None => Message::success(&request).with(Attribute::XorMappedAddress(mapped)),
        }
    }

    /// What comes back the way the request went.
    fn deliver(&mut self, request: &ToServer, response: &Message) -> Result<(), stun::turn::Error> {
        let payload = response.encode(None);
        let ToServer { transport, local, remote, .. } = *request;
        let datagram = FromServer { transport, local, remote, payload: &payload };
        self.gatherer.handle_datagram(self.now, datagram)
    }

    /// The news since the last call.
    fn news(&mut self) -> Vec<GatheringEvent> {
        std::mem::take(&mut self.events).into_iter().map(|(_, event)| event).collect()
    }
}

fn reflexive(base: &str, mapped: &str) -> Gathered {
    Gathered::ServerReflexive { base: at(base), mapped: at(mapped) }
}
