//! A host without I/O: a connection, and the gatherer that finds its ways out.
//!
//! ```text
//!             ┌──── Found, Lost, Complete ────►┐
//!   servers ◄─► Gatherer                    Connection ◄─► application
//!             └◄── relayed packets, permits ───┘
//!        └──────────── the host's addresses ────────────┘
//! ```
//!
//! This is what the driver of the `peer` crate does with sockets, in a few lines: a packet from a
//! server's address is for the gatherer, any other for the connection; what the connection sends from
//! an address that is no socket's is for the relay that lent it. TLS is TCP here: nobody listens in on
//! the simulated network. Book: "Relay", "Testing".

mod signalling;

use std::collections::VecDeque;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::BytesMut;
use ice::{FromServer, Gathered, Gatherer, GatheringEvent, Protocol, ServerTransport, ToServer};
use peer::{Config, Connection, ConnectionState, Transmit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use signalling::{Signalling, negotiate};

use crate::{Datagram, Endpoint};

/// What a host tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// News of the connection, but for those that the host follows itself.
    Connection(peer::Event),
    /// News of gathering.
    Gathering(GatheringEvent),
}

/// A connection with a gatherer.
#[derive(Debug)]
pub struct Host {
    /// The connection: use it as the application does.
    pub connection: Connection,
    gatherer: Gatherer,
    bases: Vec<SocketAddr>,
    streams: Vec<Stream>,
    rng: StdRng,
    news: VecDeque<HostEvent>,
}

/// A TCP connection to a server.
#[derive(Debug)]
struct Stream {
    transport: ServerTransport,
    local: SocketAddr,
    remote: SocketAddr,
    deframer: stun::turn::Deframer,
}

impl Host {
    /// A host with these UDP sockets that knows these servers.
    ///
    /// # Panics
    /// If no certificate can be made.
    #[must_use]
    pub fn new(
        now: Instant,
        config: Config,
        bases: &[SocketAddr],
        servers: Vec<ice::Server>,
        mut rng: StdRng,
    ) -> Self {
        let connection = Connection::new(now, config, StdRng::from_rng(&mut rng));
        let mut host = Self {
            connection: connection.expect("a certificate"),
            gatherer: Gatherer::new(StdRng::from_rng(&mut rng)),
            bases: Vec::new(),
            streams: Vec::new(),
            rng,
            news: VecDeque::new(),
        };
        for base in bases {
            host.add_base(now, *base);
        }
        for server in servers {
            host.gatherer.add_server(now, server);
        }
        host.gatherer.end_of_servers(now);
        host
    }

    /// An interface has come up.
    pub fn add_base(&mut self, now: Instant, base: SocketAddr) {
        self.bases.push(base);
        self.connection.add_local_candidate(now, base);
        self.gatherer.add_base(now, base);
    }

    /// An interface has vanished, and with it the streams that went through it.
    pub fn remove_base(&mut self, now: Instant, base: SocketAddr) {
        self.bases.retain(|known| *known != base);
        self.connection.remove_local_candidate(now, &Gathered::from(base));
        self.gatherer.remove_base(now, base);
        let is_gone = |stream: &mut Stream| stream.local.ip() == base.ip();
        for stream in self.streams.extract_if(.., is_gone).collect::<Vec<_>>() {
            self.gatherer.handle_stream_closed(
                now,
                stream.transport,
                stream.remote,
                "its interface has vanished",
            );
        }
        self.pump(now);
    }

    /// Asks the servers whether the addresses are still the same, as one does at an ICE restart.
    pub fn refresh(&mut self, now: Instant) {
        self.gatherer.refresh(now);
    }

    /// The stream to a server has ended.
    pub fn close_streams(&mut self, now: Instant, reason: &str) {
        for stream in std::mem::take(&mut self.streams) {
            self.gatherer.handle_stream_closed(now, stream.transport, stream.remote, reason);
        }
        self.pump(now);
    }

    /// Gives the allocations back and closes the connection.
    pub fn close(&mut self, now: Instant) {
        self.connection.close(now);
        self.gatherer.close(now);
    }

    /// Carries news and packets between the two, until there are none.
    fn pump(&mut self, now: Instant) {
        loop {
            let mut is_quiet = true;
            while let Some(event) = self.gatherer.poll_event() {
                is_quiet = false;
                match &event {
                    GatheringEvent::Found(way) => {
                        self.connection.add_local_candidate(now, way.clone());
                    }
                    GatheringEvent::Lost(way) => self.connection.remove_local_candidate(now, way),
                    GatheringEvent::Failed(_) => {}
                    GatheringEvent::Complete => self.connection.end_of_local_candidates(now),
                }
                self.news.push_back(HostEvent::Gathering(event));
            }
            while let Some(event) = self.connection.poll_event() {
                is_quiet = false;
                match event {
                    peer::Event::RelayPermission { relayed, peer } => {
                        self.gatherer.permit(now, relayed, peer);
                        continue;
                    }
                    // Perhaps a NAT or a relay has forgotten us.
                    peer::Event::ConnectionStateChange(ConnectionState::Disconnected) => {
                        self.gatherer.refresh(now);
                    }
                    _ => {}
                }
                self.news.push_back(HostEvent::Connection(event));
            }
            while let Some(ice::Relayed { relayed, peer, payload }) = self.gatherer.recv() {
                is_quiet = false;
                let datagram = peer::Datagram::udp(relayed, peer, BytesMut::from(payload));
                // A stranger's packet: the connection drops it, as it would from its own socket.
                let _ = self.connection.handle_datagram(now, datagram);
            }
            if is_quiet {
                return;
            }
        }
    }

    /// What came over a stream: as many messages as are whole.
    fn handle_stream(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Box<dyn Error>> {
        let ends = (datagram.destination, datagram.source);
        let stream = self.streams.iter_mut().find(|stream| (stream.local, stream.remote) == ends);
        let stream = stream.ok_or("no such stream")?;
        stream.deframer.push(&datagram.payload);
        let (transport, remote) = (stream.transport, stream.remote);
        loop {
            let stream =
                self.streams.iter_mut().find(|stream| (stream.local, stream.remote) == ends);
            let Some(message) = stream.ok_or("no such stream")?.deframer.next()? else {
                return Ok(());
            };
            let local = SocketAddr::from(([0; 4], 0));
            let from = FromServer { transport, local, remote, payload: &message };
            self.gatherer.handle_datagram(now, from)?;
        }
    }

    /// A message for a server, in a stream to it if that is how it is reached.
    fn carry(&mut self, message: ToServer) -> Option<Datagram> {
        let ToServer { transport, local, remote, payload } = message;
        if transport == ServerTransport::Udp {
            return Some(Datagram::udp(local, remote, payload));
        }
        let known = self.streams.iter().find(|it| (it.transport, it.remote) == (transport, remote));
        let local = match known {
            Some(stream) => stream.local,
            None => {
                let local =
                    SocketAddr::new(self.way_to(remote)?, self.rng.random_range(49_152..=65_535));
                let deframer = stun::turn::Deframer::default();
                self.streams.push(Stream { transport, local, remote, deframer });
                local
            }
        };
        Some(Datagram::tcp(local, remote, payload))
    }

    /// Our address of the server's family.
    fn way_to(&self, remote: SocketAddr) -> Option<IpAddr> {
        let mut bases = self.bases.iter().map(SocketAddr::ip);
        bases.find(|ip| {
            ip.is_ipv4() == remote.is_ipv4() && ip.is_loopback() == remote.ip().is_loopback()
        })
    }
}

impl Endpoint for Host {
    type Event = HostEvent;

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let Datagram { protocol, source, destination, .. } = datagram;
        let result = if protocol == Protocol::Tcp {
            self.handle_stream(now, &datagram)
        } else if self.gatherer.is_server(source) {
            let (transport, local) = (ServerTransport::Udp, destination);
            let payload = &datagram.payload;
            let from = FromServer { transport, local, remote: source, payload };
            self.gatherer.handle_datagram(now, from).map_err(Into::into)
        } else {
            let payload = BytesMut::from(datagram.payload);
            let datagram = peer::Datagram::udp(destination, source, payload);
            self.connection.handle_datagram(now, datagram).map_err(Into::into)
        };
        self.pump(now);
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        self.gatherer.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        loop {
            self.pump(now);
            let is_used = |it: &Stream| self.gatherer.uses_stream(it.transport, it.remote);
            self.streams.retain(is_used);
            while let Some(message) = self.gatherer.poll_transmit(now) {
                if let Some(datagram) = self.carry(message) {
                    return Some(datagram);
                }
            }
            let Transmit { local, remote, payload, .. } = self.connection.poll_transmit(now)?;
            if self.bases.contains(&local) {
                return Some(Datagram::udp(local, remote, payload));
            }
            self.gatherer.send(now, local, remote, &payload);
        }
    }

    fn poll_event(&mut self) -> Option<HostEvent> {
        self.news.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.connection.poll_timeout(), self.gatherer.poll_timeout()];
        timers.into_iter().flatten().min()
    }
}
