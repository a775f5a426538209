//! A UDP port, the connections on it, and what they gather together.
//!
//! Book: "The pump".

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{Instrument, debug, info_span};

use super::gathering::{self, Gathering, Gatherings, Tls};
use super::hosts::{Hosts, Ports};
use super::interfaces;
use super::media::Tracks;
use super::names::Names;
use super::router::Router;
use super::socket::{ReceiveBuffers, Socket};
use super::task::{Request, Surroundings, Task};
use super::tcp::Tcp;
use crate::handle::{PeerConnection, PeerEvent, Shared};
use crate::{Config, Connection, Error, IceServer};

/// Requests of handles that wait for the task. A handle whose request does not fit waits itself.
const MAX_REQUESTS: usize = 16;

/// A pause after an error of the socket, which otherwise could be had thousands of times a second.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// What an endpoint may be given.
#[derive(Debug, Clone, Default)]
pub struct EndpointOptions {
    /// The UDP port; 0, the default: any free one.
    pub port: u16,
    /// Where to listen for ICE over TCP (RFC 6544); 0: any free port. `None`, the default: nowhere.
    pub tcp_port: Option<u16>,
    /// A file of certificates (PEM) by which TURN servers over TLS may be signed, besides those that
    /// the system trusts.
    pub tls_authorities: Option<PathBuf>,
}

/// One UDP socket, shared by any number of connections.
///
/// Clones are the same endpoint. It lives as long as a clone or a connection does.
///
/// Connections are told apart by address: two connections between the same two endpoints cannot
/// live side by side, and the newer one takes the place of the other.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    socket: Arc<Socket>,
    tcp: Tcp,
    tcp_port: Option<u16>,
    router: Router,
    /// The addresses of this machine, as they were last seen.
    addresses: watch::Receiver<Vec<IpAddr>>,
    names: Arc<Names>,
    tls: Arc<Tls>,
    gatherings: Gatherings,
    /// True when the connections shall close. Each task holds a receiver, so this also tells when
    /// the last one has ended.
    shutdown: watch::Sender<bool>,
    /// What receives, accepts, and watches the interfaces.
    tasks: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Endpoint {
    /// Binds to `port` on all addresses, 0 for any free port.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example [`io::ErrorKind::AddrInUse`].
    pub async fn bind(port: u16) -> io::Result<Endpoint> {
        Endpoint::with_options(EndpointOptions { port, ..EndpointOptions::default() }).await
    }

    /// Binds to a port on all addresses.
    ///
    /// # Errors
    ///
    /// What the operating system says of the port or of the file of certificates, and
    /// [`io::ErrorKind::InvalidData`] if there is none in it.
    pub async fn with_options(options: EndpointOptions) -> io::Result<Endpoint> {
        let tls = Arc::new(Tls::new(options.tls_authorities.as_deref())?);
        let socket = Arc::new(Socket::bind(options.port)?);
        let router = Router::default();
        let tcp = Tcp::new(router.clone());
        let mut tasks = Vec::new();
        let tcp_port = match options.tcp_port {
            None => None,
            Some(port) => {
                let listener = Tcp::listen(port).await?;
                let port = listener.local_addr()?.port();
                tasks.push(tokio::spawn(tcp.clone().accept(listener)).abort_handle());
                Some(port)
            }
        };
        let ipv6 = socket.has_ipv6();
        let (published, addresses) = watch::channel(interfaces::local_addresses(ipv6));
        tasks.push(tokio::spawn(watch_interfaces(published, ipv6)).abort_handle());
        let receiving = receive(Arc::clone(&socket), router.clone());
        tasks.push(tokio::spawn(receiving).abort_handle());
        debug!(port = socket.port(), ?tcp_port, ipv6, "endpoint bound");
        Ok(Endpoint {
            inner: Arc::new(Inner {
                socket,
                tcp,
                tcp_port,
                router,
                addresses,
                names: Arc::default(),
                tls,
                gatherings: Gatherings::default(),
                shutdown: watch::Sender::new(false),
                tasks,
            }),
        })
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.inner.socket.port()
    }

    /// The port on which it listens for TCP, if it does.
    pub fn tcp_port(&self) -> Option<u16> {
        self.inner.tcp_port
    }

    /// The addresses that a connection made now will offer as candidates: those of the machine's
    /// interfaces, then loopback.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let with_port = |ip: &IpAddr| SocketAddr::new(*ip, self.port());
        self.inner.addresses.borrow().iter().map(with_port).collect()
    }

    /// A new connection on this endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] after [`close`](Endpoint::close), or what is wrong with the configuration.
    pub fn connection(&self, mut config: Config) -> Result<PeerConnection, Error> {
        let shutdown = self.inner.shutdown.subscribe();
        if *shutdown.borrow() {
            return Err(Error::Closed);
        }
        let now = Instant::now();
        let since_unix_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        config.since_unix_epoch = since_unix_epoch.unwrap_or_default();
        let servers = config.ice_servers.clone();
        let names = config.hide_addresses.then(|| Arc::clone(&self.inner.names));
        let mut connection = Connection::new(now, config, rand::make_rng())?;
        let ports = Ports { udp: self.port(), tcp: self.inner.tcp_port };
        let mut hosts = Hosts::new(self.inner.addresses.clone(), ports, names);
        hosts.tell(now, &mut connection);
        let shared = Arc::new(Shared::new());
        let mut gathering = self.gathering(&servers).map(|gathering| gathering.subscribe());
        match &mut gathering {
            Some(gathering) => {
                for failure in gathering.tell(now, &mut connection) {
                    shared.push_event(PeerEvent::IceCandidateError(failure));
                }
            }
            None => connection.end_of_local_candidates(now),
        }
        let registration = self.inner.router.register();
        let span = info_span!(parent: None, "connection", id = registration.id());
        let (requests, inbox) = mpsc::channel::<Request>(MAX_REQUESTS);
        let surroundings = Surroundings {
            socket: Arc::clone(&self.inner.socket),
            tcp: self.inner.tcp.register(registration.lane()),
            names: Arc::clone(&self.inner.names),
            hosts,
            registration,
            requests: inbox,
            shutdown,
            shared: Arc::clone(&shared),
            tracks: Tracks::new(Arc::clone(&shared), &requests),
            gathering,
        };
        let task = Box::new(Task::new(connection, surroundings));
        let endpoint = self.clone();
        tokio::spawn(
            async move {
                task.run().await;
                drop(endpoint);
            }
            .instrument(span),
        );
        Ok(PeerConnection::from_parts(requests, shared))
    }

    /// Gathers from these servers, unless it is done already, and waits until each has answered or
    /// failed: answers what has failed. Connections with the same `ice_servers` then have all their
    /// candidates from the beginning, so a server program begins with this. What is found is kept up
    /// as long as the endpoint lives.
    ///
    /// Two sets that are in use at the same time cannot both borrow from the same TURN server over
    /// UDP, which lends a port one address only (RFC 8656 §3.2): it fails for the second.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] after [`close`](Endpoint::close).
    pub async fn gather(&self, servers: &[IceServer]) -> Result<Vec<ice::GatheringError>, Error> {
        if *self.inner.shutdown.borrow() {
            return Err(Error::Closed);
        }
        match self.gathering(servers).map(|gathering| gathering.completion()) {
            Some(completion) => Ok(completion.await),
            None => Ok(Vec::new()),
        }
    }

    /// Announces names for this machine's addresses, for connections that are to
    /// [hide](Config::hide_addresses) them. They do it themselves, but nothing may be said twice within
    /// a second (RFC 6762 §6) and some browsers wait for an answer no longer than that: so a server
    /// program begins with this.
    pub fn announce_names(&self) {
        for address in self.inner.addresses.borrow().iter() {
            self.inner.names.of(*address);
        }
    }

    /// The gathering from these servers, begun if there is none; `None` without servers.
    fn gathering(&self, servers: &[IceServer]) -> Option<Arc<Gathering>> {
        let Inner { socket, router, tls, addresses, gatherings, .. } = &*self.inner;
        let (socket, router, tls) = (Arc::clone(socket), router.clone(), Arc::clone(tls));
        let addresses = addresses.clone();
        gatherings.of(servers, gathering::Shared { socket, router, tls, addresses })
    }

    /// Closes every connection for good, and waits until each has said farewell; then gives back
    /// what TURN servers have lent.
    pub async fn close(&self) {
        self.inner.shutdown.send_replace(true);
        self.inner.shutdown.closed().await;
        self.inner.gatherings.close().await;
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("port", &self.port()).finish_non_exhaustive()
    }
}

/// Looks at the interfaces again and again, until aborted.
async fn watch_interfaces(addresses: watch::Sender<Vec<IpAddr>>, ipv6: bool) {
    loop {
        let known = addresses.borrow().clone();
        let _ = addresses.send_replace(interfaces::changed(&known, ipv6).await);
    }
}

/// Receives for all connections, until aborted.
async fn receive(socket: Arc<Socket>, router: Router) {
    let mut buffers = ReceiveBuffers::new();
    loop {
        match socket.receive(&mut buffers).await {
            Ok(()) => {
                for received in buffers.received(&socket) {
                    router.route(received.path, received.datagrams());
                }
            }
            Err(error) => {
                debug!(%error, "receiving failed");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}
