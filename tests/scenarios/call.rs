//! Two homes, a server in the internet, and a call between: what the scenarios of relays and restarts
//! have in common.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::{Gathered, GatheringError, GatheringEvent, ServerTransport, User};
use peer::{
    ChannelId, ConnectionState, DataChannelInit, Event, IceTransportPolicy, Message, SendError,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stun::turn::server;
use tests::host::{Host, HostEvent, Signalling, negotiate};
use tests::sim::{INTERNET, Link, Nat, Network, Node, Place, Side};
use tests::{Responder, TurnServer};

use crate::peer::{address, config};

pub(crate) const LEFT: &str = "10.0.0.2:1000";
pub(crate) const RIGHT: &str = "192.168.1.2:2000";
pub(crate) const LEFT_NAT: &str = "203.0.113.1";
pub(crate) const RIGHT_NAT: &str = "203.0.113.2";
pub(crate) const STUN: &str = "198.51.100.7:3478";
pub(crate) const TURN: &str = "198.51.100.1:3478";
pub(crate) const USER: &str = "ruth";
pub(crate) const PASSWORD: &str = "a secret";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn stun() -> ice::Server {
    let url = format!("stun:{STUN}");
    ice::Server { url, address: address(STUN), transport: ServerTransport::Udp, user: None }
}

pub(crate) fn turn(transport: ServerTransport) -> ice::Server {
    let word = if transport == ServerTransport::Udp { "udp" } else { "tcp" };
    let url = format!("turn:{TURN}?transport={word}");
    let user = Some(User::new(USER, PASSWORD));
    ice::Server { url, address: address(TURN), transport, user }
}

/// The server in the internet: one user, and peers anywhere but inside.
pub(crate) fn turn_config() -> server::Config {
    server::Config {
        users: vec![User::new(USER, PASSWORD)],
        relay_ips: vec![address(TURN).ip()],
        listening: vec![address(TURN)],
        ..server::Config::default()
    }
}

/// What is different from call to call. The default: no servers, no loss, homes of the usual kind.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) servers: [Vec<ice::Server>; 2],
    pub(crate) turn: server::Config,
    pub(crate) policy: IceTransportPolicy,
    pub(crate) link: Link,
    pub(crate) nats: [Nat; 2],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            servers: [Vec::new(), Vec::new()],
            turn: turn_config(),
            policy: IceTransportPolicy::All,
            link: Link::default().delay(10),
            nats: [Nat::new(ip(LEFT_NAT)), Nat::new(ip(RIGHT_NAT))],
        }
    }
}

/// A call: host 0 offers.
pub(crate) struct Call {
    pub(crate) network: Network<Host>,
    pub(crate) homes: [Place; 2],
    pub(crate) turn: Node,
    pub(crate) hosts: [Node; 2],
    pub(crate) channel: ChannelId,
    pub(crate) signalling: Signalling,
}

impl Setup {
    /// All goes through the TURN server, which is reached like this.
    pub(crate) fn relayed(transport: ServerTransport) -> Self {
        Self {
            servers: [vec![turn(transport)], vec![turn(transport)]],
            policy: IceTransportPolicy::Relay,
            ..Self::default()
        }
    }

    pub(crate) fn call(&self, seed: u64) -> Call {
        let now = Instant::now();
        let mut network = Network::new(now, seed);
        let stun = address(STUN).ip();
        network.add_server(INTERNET, &[stun], Box::new(Responder::new(None)));
        let relay = TurnServer::new(now, self.turn.clone(), StdRng::seed_from_u64(seed));
        let turn = network.add_server(INTERNET, &[address(TURN).ip()], Box::new(relay));
        let homes = self.nats.clone().map(|nat| network.add_nat(INTERNET, nat));
        let mut hosts = [(0, LEFT), (1, RIGHT)].map(|(side, at)| {
            let config = peer::Config { ice_transport_policy: self.policy, ..config(side) };
            let rng = StdRng::seed_from_u64(2 * seed + side as u64);
            Host::new(now, config, &[address(at)], self.servers[side].clone(), rng)
        });
        let [left, right] = &mut hosts;
        let init = DataChannelInit::default();
        let channel = left.connection.create_data_channel(now, "file", init).unwrap();
        negotiate(now, &mut left.connection, &mut right.connection);
        let mut places = homes.into_iter().zip([LEFT, RIGHT]);
        let hosts = hosts.map(|host| {
            let (home, at) = places.next().unwrap();
            let node = network.add_host(home, &[address(at).ip()], host);
            network.set_link(node, &self.link);
            node
        });
        Call { network, homes, turn, hosts, channel, signalling: Signalling::default() }
    }
}

impl Call {
    /// Lets time pass until `done`, while candidates are carried.
    pub(crate) fn run_until(
        &mut self,
        seconds: u64,
        mut done: impl FnMut(Instant, &mut [Side<Host>]) -> bool,
    ) {
        let Self { network, signalling, .. } = self;
        network.run_until(Duration::from_secs(seconds), |now, hosts| {
            signalling.carry(now, hosts);
            done(now, hosts)
        });
    }

    pub(crate) fn run_for(&mut self, seconds: u64) {
        let Self { network, signalling, .. } = self;
        let span = Duration::from_secs(seconds);
        network.run_for_with(span, |now, hosts| signalling.carry(now, hosts));
    }

    pub(crate) fn connect(&mut self, seconds: u64) {
        self.run_until(seconds, |_, hosts| hosts.iter().all(is_connected));
    }

    /// The TURN server restarts and has forgotten everything.
    pub(crate) fn restart_turn(&mut self, config: server::Config) {
        let now = self.network.now();
        let relay = TurnServer::new(now, config, StdRng::seed_from_u64(99));
        self.network.replace_server(self.turn, Box::new(relay));
    }

    /// Asks for new paths.
    pub(crate) fn restart(&mut self, offerer: usize) {
        let now = self.network.now();
        let [left, right] = &mut self.network.hosts[..] else { panic!("two hosts") };
        let (offerer, answerer) = if offerer == 0 { (left, right) } else { (right, left) };
        offerer.connection.restart_ice(now);
        offerer.refresh(now);
        answerer.refresh(now);
        negotiate(now, &mut offerer.connection, &mut answerer.connection);
    }

    pub(crate) fn failures(&self, host: usize) -> Vec<GatheringError> {
        let failed = |event: &HostEvent| match event {
            HostEvent::Gathering(GatheringEvent::Failed(error)) => Some(error.clone()),
            _ => None,
        };
        self.network.hosts[host].events.iter().filter_map(failed).collect()
    }

    /// Whether gathering is, or has been, complete.
    pub(crate) fn complete(&self, host: usize) -> bool {
        let complete = HostEvent::Gathering(GatheringEvent::Complete);
        self.network.hosts[host].events.contains(&complete)
    }

    pub(crate) fn found(&self, host: usize) -> Vec<Gathered> {
        let found = |event: &HostEvent| match event {
            HostEvent::Gathering(GatheringEvent::Found(way)) => Some(way.clone()),
            _ => None,
        };
        self.network.hosts[host].events.iter().filter_map(found).collect()
    }

    /// How each end sends now.
    pub(crate) fn paths(&self) -> [(SocketAddr, SocketAddr); 2] {
        [0, 1].map(|host| {
            let selected =
                self.network.hosts[host].events.iter().rev().find_map(|event| match event {
                    HostEvent::Connection(Event::SelectedPair { local, remote, .. }) => {
                        Some((*local, *remote))
                    }
                    _ => None,
                });
            selected.expect("a selected pair")
        })
    }

    /// Both connections are the ones they were: one DTLS handshake, one association.
    pub(crate) fn assert_unbroken(&self) {
        for host in &self.network.hosts {
            let ended = host.events.iter().any(|event| {
                matches!(event, HostEvent::Connection(Event::Closed(_) | Event::ChannelClosed(_)))
            });
            assert!(!ended, "{:?}", host.events);
        }
    }
}

pub(crate) fn is_connected(host: &Side<Host>) -> bool {
    host.connection.connection_state() == ConnectionState::Connected
}

/// A file on its way from host 0 to host 1.
pub(crate) struct Transfer {
    content: Vec<u8>,
    received: Vec<u8>,
    sent: usize,
    channel: ChannelId,
    seen: usize,
    far: Option<ChannelId>,
}

/// Octets in one message.
const PIECE: usize = 16_384;

impl Transfer {
    pub(crate) fn new(call: &Call, octets: usize) -> Self {
        let mut content = vec![0; octets];
        StdRng::seed_from_u64(octets as u64).fill_bytes(&mut content);
        let (received, channel) = (Vec::new(), call.channel);
        Self { content, received, sent: 0, channel, seen: 0, far: None }
    }

    /// Sends and receives what can be; whether all is there.
    pub(crate) fn drive(&mut self, now: Instant, hosts: &mut [Side<Host>]) -> bool {
        let [left, right] = hosts else { panic!("two hosts") };
        while self.sent < self.content.len() {
            let end = (self.sent + PIECE).min(self.content.len());
            let piece = Bytes::copy_from_slice(&self.content[self.sent..end]);
            match left.connection.send(now, self.channel, Message::Binary(piece)) {
                Ok(()) => self.sent = end,
                Err(SendError::Full | SendError::NotOpen) => break,
                Err(error) => panic!("{error}"),
            }
        }
        while let Some(event) = right.events.get(self.seen) {
            self.seen += 1;
            if let HostEvent::Connection(Event::DataChannel(channel)) = event {
                self.far = Some(*channel);
            }
        }
        while let Some(message) = self.far.and_then(|far| right.connection.recv(now, far)) {
            let Message::Binary(piece) = message else { panic!("a text") };
            self.received.extend_from_slice(&piece);
        }
        self.received.len() >= self.content.len()
    }

    /// How much has arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.received.len()
    }

    /// The digests of what was sent and of what came are one.
    pub(crate) fn assert_same(&self) {
        let digest = |octets: &[u8]| ring::digest::digest(&ring::digest::SHA256, octets);
        assert_eq!(digest(&self.received).as_ref(), digest(&self.content).as_ref());
    }
}
