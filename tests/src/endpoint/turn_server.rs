//! `stun::turn::Server` as an endpoint: what its owner does with sockets and streams.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use ice::{Protocol, ServerTransport};
use rand::rngs::StdRng;
use stun::turn::server::{Config, Event, FiveTuple, FromClient, Outgoing};
use stun::turn::{Deframer, Server};

use super::{Datagram, Endpoint};

/// A TURN server. Its relayed addresses are open as soon as they are wanted; TLS is TCP here.
#[derive(Debug)]
pub struct TurnServer {
    server: Server,
    listening: Vec<SocketAddr>,
    streams: BTreeMap<(SocketAddr, SocketAddr), Deframer>,
}

impl TurnServer {
    /// A server that listens where the configuration says.
    #[must_use]
    pub fn new(now: Instant, config: Config, rng: StdRng) -> Self {
        let listening = config.listening.clone();
        Self { server: Server::new(now, config, rng), listening, streams: BTreeMap::new() }
    }

    fn open_relays(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            if let Event::OpenRelay(relayed) = event {
                self.server.relay_opened(now, relayed);
            }
        }
    }

    /// What came from a peer or a client.
    fn handle_udp(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Box<dyn Error>> {
        let Datagram { source, destination, ref payload, .. } = *datagram;
        if !self.listening.contains(&destination) {
            return Ok(self.server.handle_relayed(now, destination, source, payload)?);
        }
        let transport = ServerTransport::Udp;
        let client = FiveTuple { transport, local: destination, remote: source };
        Ok(self.server.handle_datagram(now, FromClient { client, payload })?)
    }

    /// What came over a stream: as many messages as are whole.
    fn handle_tcp(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Box<dyn Error>> {
        let (local, remote) = (datagram.destination, datagram.source);
        let client = FiveTuple { transport: ServerTransport::Tcp, local, remote };
        let deframer = self.streams.entry((local, remote)).or_default();
        deframer.push(&datagram.payload);
        while let Some(payload) = deframer.next()? {
            self.server.handle_datagram(now, FromClient { client, payload: &payload })?;
        }
        Ok(())
    }
}

impl Endpoint for TurnServer {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let result = match datagram.protocol {
            Protocol::Udp => self.handle_udp(now, &datagram),
            Protocol::Tcp => self.handle_tcp(now, &datagram),
        };
        self.open_relays(now);
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.open_relays(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        Some(match self.server.poll_transmit(now)? {
            Outgoing::ToPeer { relayed, peer, payload } => Datagram::udp(relayed, peer, payload),
            Outgoing::ToClient { client: FiveTuple { transport, local, remote }, payload } => {
                match transport {
                    ServerTransport::Udp => Datagram::udp(local, remote, payload),
                    ServerTransport::Tcp | ServerTransport::Tls => {
                        Datagram::tcp(local, remote, payload)
                    }
                }
            }
        })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
