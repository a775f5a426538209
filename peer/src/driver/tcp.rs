//! ICE over TCP (RFC 6544): where UDP is blocked, a peer that listens can still be reached.
//!
//! ```text
//!   active    Transmit from ip:9 ─► connection to `remote`, opened if there is none ─► owner's lane
//!   passive   listener ─► first frame: a check ─► its fragment names the owner ─► owner's lane
//! ```
//!
//! - Every connection of TCP belongs to one peer connection. An active one is opened for it; a passive
//!   one is its from the first frame on, which must be a check with a fragment of ours.
//! - A stranger can hold a place among [`MAX_UNPROVEN`] for [`PROOF_TIME`], and a frame of
//!   [`MAX_FIRST_FRAME`] octets, and nothing else.
//! - What does not fit into the queue to a connection is lost, as on any link. TCP retransmits, so a
//!   slow one would otherwise make everything behind it late.
//!
//! Book: "Candidates".

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use ice::{Gathered, Path, Protocol};
use smallvec::SmallVec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::{debug, trace};

use super::framing::{next_frame, write_frame};
use super::lane::{Batch, Lane};
use super::router::Router;

/// Accepted connections whose first frame has not come.
const MAX_UNPROVEN: usize = 256;

/// How long that frame may take.
const PROOF_TIME: Duration = Duration::from_secs(10);

/// The longest first frame: a check, with room for attributes that we do not know.
const MAX_FIRST_FRAME: usize = 2048;

/// Connections of one peer connection: each of its candidates can lead to one.
const MAX_CONNECTIONS: usize = 32;

/// Packets that wait until a connection takes them, or is opened.
const MAX_QUEUED: usize = 256;

/// How long opening a connection may take. A check is given up after 39.5 s, and there are others.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Octets written at once at the most.
const WRITE_SIZE: usize = 64 << 10;

/// A pause after an error of the listener, such as too many open files.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// All connections of TCP that an endpoint has. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    router: Router,
    writers: Arc<Mutex<HashMap<(u64, Path), Writer>>>,
}

type Writer = mpsc::Sender<BytesMut>;

impl Tcp {
    pub(super) fn new(router: Router) -> Tcp {
        Tcp { router, writers: Arc::default() }
    }

    /// Listens on `port` of every address, IPv6 and IPv4; 0: any free one.
    pub(super) async fn listen(port: u16) -> io::Result<TcpListener> {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                debug!(%error, "no dual-stack listener, using IPv4 alone");
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        }
    }

    /// Accepts connections, until aborted.
    pub(super) async fn accept(self, listener: TcpListener) {
        let unproven = Arc::new(Semaphore::new(MAX_UNPROVEN));
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    debug!(%error, "accepting a connection failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&unproven).try_acquire_owned() else {
                debug!(%remote, "too many connections that have proven nothing: closed");
                continue;
            };
            let tcp = self.clone();
            tokio::spawn(async move {
                let proven = timeout(PROOF_TIME, tcp.prove(stream, remote)).await;
                drop(place);
                if let Ok(Some(connection)) = proven {
                    connection.run().await;
                }
            });
        }
    }

    /// Waits for the first frame, which names the owner.
    async fn prove(&self, stream: TcpStream, remote: SocketAddr) -> Option<TcpConnection> {
        let local = canonical(stream.local_addr().ok()?);
        let path = Path { protocol: Protocol::Tcp, local, remote: canonical(remote) };
        let mut connection = TcpConnection::new(self.clone(), path, stream);
        let first = loop {
            if let Some(frame) = next_frame(&mut connection.received) {
                break frame;
            }
            if connection.received.len() > MAX_FIRST_FRAME {
                debug!(?path, "the first frame is too long: closed");
                return None;
            }
            connection.read().await.ok()?;
        };
        let Some(owner) = self.router.owner_of_check(&first) else {
            trace!(?path, "a connection for no connection of ours: closed");
            return None;
        };
        let lane = owner.clone();
        let (key, writer) = connection.adopt(owner)?;
        self.lock().insert(key, writer);
        deliver(&lane, path, &first);
        Some(connection)
    }

    /// What a peer connection needs to send by TCP.
    pub(super) fn register(&self, lane: Lane) -> TcpOwner {
        TcpOwner { tcp: self.clone(), lane }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(u64, Path), Writer>> {
        // The table is consistent after every statement, so a panic elsewhere spoils nothing.
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, owner: u64) -> usize {
        self.lock().keys().filter(|(id, _)| *id == owner).count()
    }
}

/// One peer connection's hold on its connections of TCP; dropping it closes them.
#[derive(Debug)]
pub(super) struct TcpOwner {
    tcp: Tcp,
    lane: Lane,
}

impl TcpOwner {
    /// Sends a packet, or loses it.
    pub(super) fn send(&self, path: Path, packet: &[u8]) {
        let known = self.tcp.lock().get(&(self.lane.id, path)).cloned();
        let writer = match known {
            Some(writer) => writer,
            None if path.local.port() == Gathered::DISCARD => match self.open(path) {
                Some(writer) => writer,
                None => return,
            },
            None => return trace!(?path, "no connection: packet lost"),
        };
        let mut frame = BytesMut::new();
        if !write_frame(packet, &mut frame) || writer.try_send(frame).is_err() {
            debug!(?path, "the connection does not keep up: packet lost");
        }
    }

    fn open(&self, path: Path) -> Option<Writer> {
        if self.tcp.count(self.lane.id) >= MAX_CONNECTIONS {
            debug!(?path, "too many connections: not opened");
            return None;
        }
        let (writer, frames) = mpsc::channel(MAX_QUEUED);
        self.tcp.lock().insert((self.lane.id, path), writer.clone());
        let (tcp, lane) = (self.tcp.clone(), self.lane.clone());
        tokio::spawn(async move {
            let entry = Entry { tcp: tcp.clone(), lane: lane.clone(), path };
            match timeout(CONNECT_TIME, connect(path)).await {
                Ok(Ok(stream)) => {
                    let mut connection = TcpConnection::new(tcp, path, stream);
                    connection.owner = Some((lane, frames, entry));
                    connection.run().await;
                }
                Ok(Err(error)) => debug!(?path, %error, "not connected"),
                Err(_) => debug!(?path, "not connected in time"),
            }
        });
        Some(writer)
    }
}

impl Drop for TcpOwner {
    fn drop(&mut self) {
        // Without its writer a connection ends.
        self.tcp.lock().retain(|(owner, _), _| *owner != self.lane.id);
    }
}

/// A place in the table, given up when dropped; the owner is told.
#[derive(Debug)]
struct Entry {
    tcp: Tcp,
    lane: Lane,
    path: Path,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.tcp.lock().remove(&(self.lane.id, self.path));
        self.lane.push(Batch { path: self.path, datagrams: SmallVec::new() });
    }
}

/// One connection of TCP.
#[derive(Debug)]
struct TcpConnection {
    tcp: Tcp,
    path: Path,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    received: BytesMut,
    owner: Option<(Lane, mpsc::Receiver<BytesMut>, Entry)>,
}

impl TcpConnection {
    fn new(tcp: Tcp, path: Path, stream: TcpStream) -> TcpConnection {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "packets may be held back");
        }
        let (reader, writer) = stream.into_split();
        TcpConnection { tcp, path, reader, writer, received: BytesMut::new(), owner: None }
    }

    /// Makes `lane` the owner: the entry for the table, unless it has too many.
    fn adopt(&mut self, lane: Lane) -> Option<((u64, Path), Writer)> {
        if self.tcp.count(lane.id) >= MAX_CONNECTIONS {
            debug!(path = ?self.path, "too many connections: closed");
            return None;
        }
        let (writer, frames) = mpsc::channel(MAX_QUEUED);
        let (key, path) = ((lane.id, self.path), self.path);
        let entry = Entry { tcp: self.tcp.clone(), lane: lane.clone(), path };
        self.owner = Some((lane, frames, entry));
        Some((key, writer))
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.reader.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Carries packets both ways, until either side or the owner has had enough.
    async fn run(self) {
        let TcpConnection { path, mut reader, mut writer, mut received, owner, .. } = self;
        let Some((lane, mut frames, entry)) = owner else { return };
        debug!(?path, "connection of TCP");
        let write = async {
            while let Some(mut frame) = frames.recv().await {
                while frame.len() < WRITE_SIZE
                    && let Ok(next) = frames.try_recv()
                {
                    frame.unsplit(next);
                }
                writer.write_all(&frame).await?;
            }
            Ok(())
        };
        let read = async {
            loop {
                while let Some(packet) = next_frame(&mut received) {
                    deliver(&lane, path, &packet);
                }
                if reader.read_buf(&mut received).await? == 0 {
                    return Ok::<(), io::Error>(());
                }
            }
        };
        let ended = tokio::select! {
            ended = write => ended,
            ended = read => ended,
        };
        drop(entry);
        debug!(?path, error = ?ended.err(), "the connection of TCP has ended");
    }
}

/// Hands on a copy, so that a packet kept for long keeps no other's memory alive.
fn deliver(lane: &Lane, path: Path, packet: &[u8]) {
    lane.push(Batch { path, datagrams: SmallVec::from_elem(BytesMut::from(packet), 1) });
}

/// Connects from the path's local address, on any port.
async fn connect(path: Path) -> io::Result<TcpStream> {
    let socket = match path.remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(path.local.ip(), 0))?;
    socket.connect(path.remote).await
}

/// IPv4 as such, however the listener spells it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;
