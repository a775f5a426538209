//! A UDP port, and the connections on it.
//!
//! Book: "The pump".

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{Instrument, debug, info_span};

use super::interfaces::local_addresses;
use super::media::Tracks;
use super::router::Router;
use super::socket::{ReceiveBuffers, Socket};
use super::task::{Request, Task};
use crate::handle::{PeerConnection, Shared};
use crate::{Config, Connection, Error};

/// Requests of handles that wait for the task. A handle whose request does not fit waits itself.
const MAX_REQUESTS: usize = 16;

/// A pause after an error of the socket, which otherwise could be had thousands of times a second.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

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
    router: Router,
    /// True when the connections shall close. Each task holds a receiver, so this also tells when
    /// the last one has ended.
    shutdown: watch::Sender<bool>,
    receiving: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl Endpoint {
    /// Binds to `port` on all addresses, 0 for any free port.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example [`io::ErrorKind::AddrInUse`].
    #[expect(clippy::unused_async, reason = "a socket of tokio can be made only inside a runtime")]
    pub async fn bind(port: u16) -> io::Result<Endpoint> {
        let socket = Arc::new(Socket::bind(port)?);
        let router = Router::default();
        let receiving = tokio::spawn(receive(Arc::clone(&socket), router.clone())).abort_handle();
        let shutdown = watch::Sender::new(false);
        debug!(port = socket.port(), ipv6 = socket.has_ipv6(), "endpoint bound");
        Ok(Endpoint { inner: Arc::new(Inner { socket, router, shutdown, receiving }) })
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.inner.socket.port()
    }

    /// The addresses that a connection made now will offer as candidates: those of the machine's
    /// interfaces, then loopback.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let with_port = |ip: IpAddr| SocketAddr::new(ip, self.port());
        local_addresses(self.inner.socket.has_ipv6()).into_iter().map(with_port).collect()
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
        let mut connection = Connection::new(now, config, rand::make_rng())?;
        for address in self.local_addresses() {
            connection.add_local_candidate(now, address);
        }
        connection.end_of_local_candidates(now);
        let registration = self.inner.router.register();
        let span = info_span!(parent: None, "connection", id = registration.id());
        let shared = Arc::new(Shared::new());
        let (requests, inbox) = mpsc::channel::<Request>(MAX_REQUESTS);
        let socket = Arc::clone(&self.inner.socket);
        let tracks = Tracks::new(Arc::clone(&shared), &requests);
        let shared_by_task = Arc::clone(&shared);
        let task =
            Task::new(connection, socket, registration, inbox, shutdown, shared_by_task, tracks);
        let task = Box::new(task);
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

    /// Closes every connection for good, and waits until each has said farewell.
    pub async fn close(&self) {
        self.inner.shutdown.send_replace(true);
        self.inner.shutdown.closed().await;
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("port", &self.port()).finish_non_exhaustive()
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
