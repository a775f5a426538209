//! Several hosts and servers, each in the internet or behind NATs, on one virtual clock.
//!
//! ```text
//!   host ─ NAT ──┐                          a datagram is
//!   host ─┘      ├─ INTERNET ── server      1. routed outward: each NAT on the way maps it, at once
//!   host ─ NAT ─ NAT ──┘   └─── host        2. carried by the sender's link
//!                                           3. routed inward: each NAT on the way filters it
//!                                           4. carried by the receiver's link
//! ```
//!
//! Routing looks at IP addresses alone: whoever has the address where the datagram is, gets it; if
//! nobody there has it, it goes out through the NAT. So two homes may use the same private addresses,
//! and a datagram to the private address of another home finds nobody, or a stranger.
//! Book: "Testing", "NATs".

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ice::Protocol;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::log::{Log, in_words};
use super::{Link, Nat, Side};
use crate::{Datagram, Endpoint};

/// Datagrams or events of one endpoint without time passing, before we say it never stops.
const MAX_BURST: usize = 200_000;
/// Timer calls without time passing, before we say the timer is stuck.
const MAX_SPIN: usize = 1_000;

/// Where one may be: the internet, or behind a NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(usize);

/// Where everybody reaches everybody.
pub const INTERNET: Place = Place(0);

/// A host or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The host of this number, in the order they were added.
    Host(usize),
    /// The server of this number.
    Server(usize),
}

/// A server: it serves and tells nothing.
pub type Server = Box<dyn Endpoint<Event = ()>>;

/// Hosts of one kind, servers of any kind, and what lies between them.
pub struct Network<H: Endpoint> {
    /// The hosts in the order they were added.
    pub hosts: Vec<Side<H>>,
    servers: Vec<Server>,
    attachments: BTreeMap<Node, Attachment>,
    /// The NATs and what they are behind; a [`Place`] behind one is its index and one.
    nats: Vec<(Nat, Place)>,
    rng: StdRng,
    start: Instant,
    now: Instant,
    /// By arrival, then by departure.
    in_flight: BTreeMap<(Instant, u64), (Leg, Datagram)>,
    /// The latest arrival of each TCP connection, and of each direction and leg, as it keeps order.
    in_order: BTreeMap<(SocketAddr, SocketAddr, bool), Instant>,
    departures: u64,
    log: Log,
}

/// How a node is attached to the network.
#[derive(Debug, Clone)]
struct Attachment {
    place: Place,
    addresses: Vec<IpAddr>,
    udp_blocked: bool,
    outgoing: Link,
    incoming: Link,
}

/// What a datagram has before it.
#[derive(Debug, Clone, Copy)]
enum Leg {
    /// It left the sender's link, where somebody has its address or a NAT does.
    Inward(Place),
    /// It left the link of this receiver.
    Arrival(Node),
}

impl<H: Endpoint> Network<H> {
    /// An empty internet.
    #[must_use]
    pub fn new(now: Instant, seed: u64) -> Self {
        Self {
            hosts: Vec::new(),
            servers: Vec::new(),
            attachments: BTreeMap::new(),
            nats: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            start: now,
            now,
            in_flight: BTreeMap::new(),
            in_order: BTreeMap::new(),
            departures: 0,
            log: Log::default(),
        }
    }

    /// Adds a NAT; what is behind it is the answer.
    pub fn add_nat(&mut self, place: Place, nat: Nat) -> Place {
        self.nats.push((nat, place));
        Place(self.nats.len())
    }

    /// Adds a host with these addresses, on perfect links.
    pub fn add_host(&mut self, place: Place, addresses: &[IpAddr], host: H) -> Node {
        let node = Node::Host(self.hosts.len());
        self.hosts.push(Side::new(host));
        self.attach(node, place, addresses);
        node
    }

    /// Adds a server with these addresses, on perfect links.
    pub fn add_server(&mut self, place: Place, addresses: &[IpAddr], server: Server) -> Node {
        let node = Node::Server(self.servers.len());
        self.servers.push(server);
        self.attach(node, place, addresses);
        node
    }

    fn attach(&mut self, node: Node, place: Place, addresses: &[IpAddr]) {
        let attachment = Attachment {
            place,
            addresses: addresses.to_vec(),
            udp_blocked: false,
            outgoing: Link::default(),
            incoming: Link::default(),
        };
        self.attachments.insert(node, attachment);
    }

    /// Puts another server in the place of one: it has restarted, or will be silent.
    ///
    /// # Panics
    /// If the node is no server.
    pub fn replace_server(&mut self, node: Node, server: Server) {
        match node {
            Node::Server(index) => self.servers[index] = server,
            Node::Host(_) => panic!("{node:?} is no server"),
        }
    }

    /// Changes the addresses a node has and where: it changes from Wi-Fi to mobile, or the cable is
    /// pulled (no addresses). It must be told by other means, as hosts are by their system.
    pub fn move_to(&mut self, node: Node, place: Place, addresses: &[IpAddr]) {
        let attachment = self.attachment(node);
        attachment.place = place;
        attachment.addresses = addresses.to_vec();
    }

    /// Whether a firewall in front of the node lets no UDP through.
    pub fn block_udp(&mut self, node: Node, blocked: bool) {
        self.attachment(node).udp_blocked = blocked;
    }

    /// Sets the link of a node, for both directions. A datagram passes two: the sender's outgoing
    /// and the receiver's incoming one.
    pub fn set_link(&mut self, node: Node, link: &Link) {
        let attachment = self.attachment(node);
        attachment.outgoing = link.clone();
        attachment.incoming = link.clone();
    }

    /// Takes the link of a node down, or up again.
    pub fn set_down(&mut self, node: Node, down: bool) {
        let attachment = self.attachment(node);
        attachment.outgoing.set_down(down);
        attachment.incoming.set_down(down);
    }

    /// The NAT in front of a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn nat(&mut self, place: Place) -> &mut Nat {
        match place.0.checked_sub(1) {
            Some(index) => &mut self.nats[index].0,
            None => panic!("the internet is behind no NAT"),
        }
    }

    fn attachment(&mut self, node: Node) -> &mut Attachment {
        self.attachments.get_mut(&node).expect("nodes are made here")
    }

    /// The time on the virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets datagrams and time flow until `done`, which is asked after every step and may act as the
    /// application of all hosts and as their signalling.
    ///
    /// # Panics
    /// With the last lines of the log, if `limit` of virtual time passes first, or nothing is under
    /// way any more.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(Instant, &mut [Side<H>]) -> bool,
    ) {
        let deadline = self.now + limit;
        loop {
            self.drain();
            if done(self.now, &mut self.hosts) {
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
        self.run_for_with(span, |_, _| {});
    }

    /// The same, with `meddle` called after every step.
    pub fn run_for_with(
        &mut self,
        span: Duration,
        mut meddle: impl FnMut(Instant, &mut [Side<H>]),
    ) {
        let deadline = self.now + span;
        loop {
            self.drain();
            meddle(self.now, &mut self.hosts);
            self.drain();
            match self.next_instant() {
                Some(next) if next <= deadline => self.advance(next),
                _ => break,
            }
        }
        self.now = deadline;
    }

    /// Ends the test with the log.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, reason: &str) -> ! {
        let events: Vec<_> = self.hosts.iter().map(|host| &host.events).collect();
        let (elapsed, log) = (self.elapsed(), &self.log);
        panic!("{reason}, after {elapsed:?}; hosts: {events:?}; the last datagrams:{log}");
    }

    /// Takes what all have to say, until they are silent.
    fn drain(&mut self) {
        for node in self.nodes() {
            for count in 0.. {
                let Some(datagram) = self.endpoint(node, |it, now| it.poll_transmit(now)) else {
                    break;
                };
                self.post(node, datagram);
                self.must_stop(count);
            }
        }
        for index in 0..self.hosts.len() {
            while let Some(event) = self.hosts[index].endpoint.poll_event() {
                self.note(&format!("host {index} says {event:?}"));
                self.hosts[index].events.push(event);
                self.must_stop(self.hosts[index].events.len());
            }
        }
        for server in &mut self.servers {
            while server.poll_event().is_some() {}
        }
    }

    fn must_stop(&self, count: usize) {
        if count > MAX_BURST {
            self.fail("an endpoint never stops talking");
        }
    }

    fn nodes(&self) -> Vec<Node> {
        self.attachments.keys().copied().collect()
    }

    /// Calls a node, whatever it is.
    fn endpoint<T>(&mut self, node: Node, call: impl FnOnce(&mut dyn Verbs, Instant) -> T) -> T {
        match node {
            Node::Host(index) => call(&mut self.hosts[index].endpoint, self.now),
            Node::Server(index) => call(&mut self.servers[index], self.now),
        }
    }

    /// Gives a datagram to the network.
    fn post(&mut self, sender: Node, datagram: Datagram) {
        if let Node::Host(index) = sender {
            self.hosts[index].count(&datagram);
        }
        let (source, destination) = (datagram.source, datagram.destination);
        let fate = self.route_outward(sender, datagram).and_then(|(place, datagram)| {
            let now = self.now;
            let Self { attachments, rng, .. } = self;
            let link = &mut attachments.get_mut(&sender).ok_or("no such node")?.outgoing;
            let copies = link.carry(now, &datagram, rng)?;
            Ok((place, datagram, copies))
        });
        let way = format!("{sender:?} {source} ──► {destination}");
        match fate {
            Err(reason) => self.note(&format!("{way} {reason}")),
            Ok((place, datagram, copies)) => {
                let words = in_words(&datagram, &Ok(copies.clone()));
                self.note(&format!("{way} as {}: {words}", datagram.source));
                self.put_in_flight(Leg::Inward(place), copies);
            }
        }
    }

    fn put_in_flight(&mut self, leg: Leg, copies: Vec<(Instant, Datagram)>) {
        for (mut arrival, datagram) in copies {
            if datagram.protocol == Protocol::Tcp {
                let last_leg = matches!(leg, Leg::Arrival(_));
                let key = (datagram.source, datagram.destination, last_leg);
                let last = self.in_order.entry(key).or_insert(arrival);
                arrival = arrival.max(*last);
                *last = arrival;
            }
            self.departures += 1;
            self.in_flight.insert((arrival, self.departures), (leg, datagram));
        }
    }

    /// Out through as many NATs as it takes to where somebody has the address.
    fn route_outward(
        &mut self,
        sender: Node,
        mut datagram: Datagram,
    ) -> Result<(Place, Datagram), &'static str> {
        let now = self.now;
        let attachment = self.attachment(sender);
        if !attachment.addresses.contains(&datagram.source.ip()) {
            return Err("not from an address of this node");
        }
        if datagram.source.is_ipv4() != datagram.destination.is_ipv4() {
            return Err("IPv4 and IPv6 do not meet");
        }
        if attachment.udp_blocked && datagram.protocol == Protocol::Udp {
            return Err("UDP is blocked");
        }
        let mut place = attachment.place;
        while !self.knows(place, datagram.destination) {
            let Some(index) = place.0.checked_sub(1) else { return Err("no such address") };
            let (nat, outside) = &mut self.nats[index];
            if nat.turns_back(&datagram) {
                return Err("no hairpin");
            }
            datagram = nat.outbound(now, datagram);
            place = *outside;
        }
        Ok((place, datagram))
    }

    /// Whether a node in this place, or a NAT, has the address.
    fn knows(&self, place: Place, address: SocketAddr) -> bool {
        self.node(place, address.ip()).is_some() || self.nat_of(place, address).is_some()
    }

    fn node(&self, place: Place, address: IpAddr) -> Option<Node> {
        self.attachments
            .iter()
            .find(|(_, it)| it.place == place && it.addresses.contains(&address))
            .map(|(node, _)| *node)
    }

    fn nat_of(&self, place: Place, address: SocketAddr) -> Option<usize> {
        self.nats.iter().position(|(nat, outside)| *outside == place && nat.owns(address))
    }

    /// In through the NATs to the node it is for.
    fn route_inward(
        &mut self,
        mut place: Place,
        mut datagram: Datagram,
    ) -> Result<(Node, Datagram), &'static str> {
        loop {
            if let Some(node) = self.node(place, datagram.destination.ip()) {
                let blocked = self.attachment(node).udp_blocked;
                if blocked && datagram.protocol == Protocol::Udp {
                    return Err("UDP is blocked");
                }
                return Ok((node, datagram));
            }
            let index = self.nat_of(place, datagram.destination).ok_or("no such address")?;
            let now = self.now;
            datagram = self.nats[index].0.inbound(now, datagram)?;
            place = Place(index + 1);
        }
    }

    fn note(&mut self, line: &str) {
        self.log.note(self.elapsed(), line);
    }

    fn next_instant(&mut self) -> Option<Instant> {
        let arrival = self.in_flight.keys().next().map(|(arrival, _)| *arrival);
        let mut timers = vec![arrival];
        for node in self.nodes() {
            timers.push(self.endpoint(node, |it, _| it.poll_timeout()));
        }
        timers.into_iter().flatten().min()
    }

    /// Jumps to `next`: one arrival, or the timers.
    fn advance(&mut self, next: Instant) {
        self.now = self.now.max(next);
        match self.in_flight.first_entry() {
            Some(entry) if entry.key().0 <= self.now => {
                let (leg, datagram) = entry.remove();
                match leg {
                    Leg::Inward(place) => self.enter(place, datagram),
                    Leg::Arrival(node) => self.deliver(node, datagram),
                }
            }
            _ => self.expire(),
        }
    }

    /// At the NATs of the receiver, and then on its link.
    fn enter(&mut self, place: Place, datagram: Datagram) {
        let (source, destination) = (datagram.source, datagram.destination);
        let fate = self.route_inward(place, datagram).and_then(|(node, datagram)| {
            let now = self.now;
            let Self { attachments, rng, .. } = self;
            let link = &mut attachments.get_mut(&node).ok_or("no such node")?.incoming;
            Ok((node, link.carry(now, &datagram, rng)?))
        });
        match fate {
            Err(reason) => self.note(&format!("{destination} ◄── {source} {reason}")),
            Ok((node, copies)) => self.put_in_flight(Leg::Arrival(node), copies),
        }
    }

    fn deliver(&mut self, node: Node, datagram: Datagram) {
        if !self.attachment(node).addresses.contains(&datagram.destination.ip()) {
            return self.note("arrives where the address is no more");
        }
        let octets = datagram.payload.len();
        let result = self.endpoint(node, |it, now| {
            it.handle_datagram(now, datagram).map_err(|error| error.to_string())
        });
        if let Err(error) = &result {
            self.note(&format!("{node:?} refuses {octets} octets: {error}"));
        }
        if let Node::Host(index) = node {
            let host = &mut self.hosts[index];
            *(if result.is_ok() { &mut host.accepted } else { &mut host.refused }) += 1;
        }
    }

    /// Calls the timers that are due, until they lie in the future.
    fn expire(&mut self) {
        for spin in 0.. {
            let mut any = false;
            for node in self.nodes() {
                any |= self.endpoint(node, |it, now| {
                    let due = it.poll_timeout().is_some_and(|timer| timer <= now);
                    if due {
                        it.handle_timeout(now);
                    }
                    due
                });
            }
            if !any {
                return;
            }
            self.drain();
            if spin > MAX_SPIN {
                self.fail("a timer is due again and again");
            }
        }
    }
}

/// The verbs that hosts and servers have in common, whatever they tell.
trait Verbs {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>>;
    fn handle_timeout(&mut self, now: Instant);
    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram>;
    fn poll_timeout(&self) -> Option<Instant>;
}

impl<E: Endpoint> Verbs for E {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Endpoint::handle_datagram(self, now, datagram)
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        Endpoint::poll_transmit(self, now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Endpoint::poll_timeout(self)
    }
}
