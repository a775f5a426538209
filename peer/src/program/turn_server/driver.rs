//! The sockets of the server, and the one task that owns it.
//!
//! ```text
//!   UDP sockets ──┐                                        ┌─► UDP sockets
//!   TCP, TLS ─────┼─► Input (bounded) ─► Server ─► Outgoing ┼─► streams, each with a bounded queue
//!   relays ───────┘                        │               └─► relays
//!                                          └─ OpenRelay, CloseRelay
//! ```
//!
//! Whatever can't take a packet now loses it, as a network would: nobody waits for anybody.
//! Book: "Relay".

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stun::ServerTransport;
use stun::turn::Server;
use stun::turn::server::{Event, FiveTuple, FromClient, Outgoing};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::listeners::{Listeners, bind_udp};
use super::stream;

/// What may wait for the server. What comes beyond stays in the kernel, which drops the excess.
const MAX_INPUTS: usize = 1024;

/// Messages that may wait for a client that reads slowly; what comes beyond is lost.
const MAX_OUTBOUND: usize = 256;

/// Streams at once: each is a descriptor, of which a process has 1024 as a rule.
const MAX_STREAMS: usize = 300;

/// Streams from one IP address, so that one can't take them all.
const MAX_STREAMS_OF_ONE: usize = 100;

/// How long a stream may be there without an allocation.
const STRANGER_PATIENCE: Duration = Duration::from_secs(30);

/// How often such streams are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

/// How long a socket rests after an error, so that an error that stays does not eat the processor.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// What comes in.
#[derive(Debug)]
pub(super) enum Input {
    /// A datagram, or a message of a stream.
    FromClient { client: FiveTuple, payload: Bytes },
    /// A datagram to a relayed address.
    FromPeer { relayed: SocketAddr, peer: SocketAddr, payload: Bytes },
    /// A new stream.
    Accepted {
        stream: TcpStream,
        transport: ServerTransport,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// The stream with this number has ended.
    Ended { client: FiveTuple, number: u64 },
}

/// The server with its sockets.
pub(super) struct Driver {
    server: Server,
    sockets: HashMap<SocketAddr, Arc<UdpSocket>>,
    relays: HashMap<SocketAddr, Relay>,
    streams: HashMap<FiveTuple, Stream>,
    /// Tells a stream from a later one with the same addresses.
    next_number: u64,
    tls: Option<TlsAcceptor>,
    inputs: mpsc::Sender<Input>,
    queue: mpsc::Receiver<Input>,
    listening: Vec<Task>,
}

struct Relay {
    socket: Arc<UdpSocket>,
    _reader: Task,
}

struct Stream {
    number: u64,
    since: Instant,
    outbound: mpsc::Sender<Bytes>,
    _task: Task,
}

/// A task that ends with its owner.
struct Task(AbortHandle);

impl Task {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Driver {
    /// Starts to listen.
    pub(super) fn new(server: Server, listeners: Listeners, tls: Option<TlsAcceptor>) -> Driver {
        let (inputs, queue) = mpsc::channel(MAX_INPUTS);
        let mut driver = Driver {
            server,
            sockets: HashMap::new(),
            relays: HashMap::new(),
            streams: HashMap::new(),
            next_number: 0,
            tls,
            inputs,
            queue,
            listening: Vec::new(),
        };
        for (local, socket) in listeners.udp {
            let socket = Arc::new(socket);
            let reader = receive_from_clients(Arc::clone(&socket), local, driver.inputs.clone());
            driver.listening.push(Task::spawn(reader));
            driver.sockets.insert(local, socket);
        }
        let tcp = listeners.tcp.into_iter().map(|(_, listener)| (listener, ServerTransport::Tcp));
        let tls = listeners.tls.into_iter().map(|(_, listener)| (listener, ServerTransport::Tls));
        for (listener, transport) in tcp.chain(tls) {
            let task = accept(listener, transport, driver.inputs.clone());
            driver.listening.push(Task::spawn(task));
        }
        driver
    }

    /// Serves, for ever.
    pub(super) async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            let timeout = self.server.poll_timeout();
            tokio::select! {
                input = self.queue.recv() => match input {
                    Some(input) => self.handle(input),
                    None => return, // cannot be: we hold a sender
                },
                () = sleep_until(timeout) => self.server.handle_timeout(Instant::now()),
                _ = sweep.tick() => self.drop_strangers(Instant::now()),
            }
            self.drain().await;
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        let outcome = match input {
            Input::FromClient { client, payload } => {
                let from = FromClient { client, payload: &payload };
                self.server.handle_datagram(now, from)
            }
            Input::FromPeer { relayed, peer, payload } => {
                self.server.handle_relayed(now, relayed, peer, &payload)
            }
            Input::Accepted { stream, transport, local, remote } => {
                self.add_stream(stream, FiveTuple { transport, local, remote });
                Ok(())
            }
            Input::Ended { client, number } => {
                if self.streams.get(&client).is_some_and(|stream| stream.number == number) {
                    self.remove_stream(client);
                }
                Ok(())
            }
        };
        if let Err(error) = outcome {
            debug!(%error, "discarded");
        }
    }

    async fn drain(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay(relayed) => match open_relay(relayed).await {
                    Ok(socket) => {
                        self.add_relay(relayed, socket);
                        self.server.relay_opened(Instant::now(), relayed);
                    }
                    Err(error) => {
                        debug!(%relayed, %error, "cannot open a relayed address");
                        self.server.relay_failed(Instant::now(), relayed);
                    }
                },
                Event::CloseRelay(relayed) => {
                    self.relays.remove(&relayed);
                }
            }
        }
        while let Some(outgoing) = self.server.poll_transmit(Instant::now()) {
            let outcome = match outgoing {
                Outgoing::ToClient { client, payload } => self.send_to_client(client, payload),
                Outgoing::ToPeer { relayed, peer, payload } => match self.relays.get(&relayed) {
                    Some(relay) => relay.socket.try_send_to(&payload, peer).map(drop),
                    None => Ok(()),
                },
            };
            if let Err(error) = outcome {
                debug!(%error, "a packet is lost");
            }
        }
    }

    fn send_to_client(&self, client: FiveTuple, payload: Bytes) -> io::Result<()> {
        match client.transport {
            ServerTransport::Udp => match self.sockets.get(&client.local) {
                Some(socket) => socket.try_send_to(&payload, client.remote).map(drop),
                None => Ok(()),
            },
            ServerTransport::Tcp | ServerTransport::Tls => match self.streams.get(&client) {
                Some(stream) => stream.outbound.try_send(payload).map_err(io::Error::other),
                None => Ok(()),
            },
        }
    }

    fn add_relay(&mut self, relayed: SocketAddr, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let reader = receive_from_peers(Arc::clone(&socket), relayed, self.inputs.clone());
        self.relays.insert(relayed, Relay { socket, _reader: Task::spawn(reader) });
    }

    fn add_stream(&mut self, stream: TcpStream, client: FiveTuple) {
        let of_one =
            self.streams.keys().filter(|other| other.remote.ip() == client.remote.ip()).count();
        if self.streams.len() >= MAX_STREAMS || of_one >= MAX_STREAMS_OF_ONE {
            debug!(remote = %client.remote, "too many streams");
            return;
        }
        if self.streams.contains_key(&client) {
            self.remove_stream(client); // its end has not been told yet
        }
        self.next_number += 1;
        let number = self.next_number;
        let (outbound, to_write) = mpsc::channel(MAX_OUTBOUND);
        let tls = if client.transport == ServerTransport::Tls { self.tls.clone() } else { None };
        let inputs = self.inputs.clone();
        let task = Task::spawn(async move {
            stream::serve(stream, tls, client, inputs.clone(), to_write).await;
            // An error means that the server has ended.
            let _ = inputs.send(Input::Ended { client, number }).await;
        });
        let stream = Stream { number, since: Instant::now(), outbound, _task: task };
        self.streams.insert(client, stream);
    }

    fn remove_stream(&mut self, client: FiveTuple) {
        self.streams.remove(&client);
        self.server.client_gone(Instant::now(), client);
    }

    /// Closes streams on which nobody has proved to be a user.
    fn drop_strangers(&mut self, now: Instant) {
        let is_stranger = |(client, stream): (&FiveTuple, &Stream)| {
            let is_late = now.saturating_duration_since(stream.since) > STRANGER_PATIENCE;
            (is_late && !self.server.has_allocation(client)).then_some(*client)
        };
        let strangers: Vec<FiveTuple> = self.streams.iter().filter_map(is_stranger).collect();
        for client in strangers {
            debug!(remote = %client.remote, "a stream is closed, as it has no allocation");
            self.remove_stream(client);
        }
    }
}

/// Binds to a relayed address; if it is not ours but that of a NAT in front of us, to all of ours
/// with that port.
async fn open_relay(relayed: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match bind_udp(relayed) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let all: IpAddr = if relayed.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            bind_udp(SocketAddr::new(all, relayed.port()))?
        }
        bound => bound?,
    };
    // A new socket can be written to at once, but tokio has to have heard that.
    socket.writable().await?;
    info!(%relayed, "relaying");
    Ok(socket)
}

async fn receive_from_clients(
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    inputs: mpsc::Sender<Input>,
) {
    receive(&socket, |remote, payload| {
        let client = FiveTuple { transport: ServerTransport::Udp, local, remote };
        inputs.send(Input::FromClient { client, payload })
    })
    .await;
}

async fn receive_from_peers(
    socket: Arc<UdpSocket>,
    relayed: SocketAddr,
    inputs: mpsc::Sender<Input>,
) {
    receive(&socket, |peer, payload| inputs.send(Input::FromPeer { relayed, peer, payload })).await;
}

/// Passes on what comes to a socket, until nobody wants it.
async fn receive<F, E>(socket: &UdpSocket, pass_on: impl Fn(SocketAddr, Bytes) -> F)
where
    F: Future<Output = Result<(), E>>,
{
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let payload = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                if pass_on(from, payload).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                debug!(%error, "cannot receive");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// Takes connections, until nobody wants them.
async fn accept(listener: TcpListener, transport: ServerTransport, inputs: mpsc::Sender<Input>) {
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, remote)) => stream.local_addr().map(|local| (stream, local, remote)),
            Err(error) => Err(error),
        };
        match accepted {
            Ok((stream, local, remote)) => {
                let input = Input::Accepted { stream, transport, local, remote };
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                debug!(%error, "cannot take a connection");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// Completes then, or never.
async fn sleep_until(timeout: Option<Instant>) {
    match timeout {
        Some(timeout) => tokio::time::sleep_until(timeout.into()).await,
        None => std::future::pending().await,
    }
}
