//! One stream to a server: TCP, or TLS over it, with STUN messages and ChannelData one after the
//! other (RFC 8656 §3.1, §12.5).
//!
//! ```text
//!  gathering ── queue ──► write ──► TCP [TLS] ──► server
//!  gathering ◄─ arrivals ─ Deframer ◄─ read ◄──────┘
//! ```
//!
//! Reading and writing go on side by side, so a server that waits until we read cannot make us wait
//! until it reads. A gathering that is behind makes the reading wait, and TCP the server.
//!
//! Book: chapter "Relay".

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stun::ServerTransport;
use stun::turn::Deframer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tracing::debug;

use super::super::lane::Level;
use super::tls::Tls;

/// How long TCP and TLS may take to begin.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Octets read or written in one call.
const CHUNK: usize = 32 << 10;

/// Something that came from a stream.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Which stream; there may have been another to the same server.
    pub(super) id: u64,
    pub(super) transport: ServerTransport,
    /// The server.
    pub(super) remote: SocketAddr,
    pub(super) what: What,
}

/// What came.
#[derive(Debug)]
pub(super) enum What {
    /// It is connected, from this address of ours.
    Opened(IpAddr),
    /// Messages, in their order.
    Messages(Vec<Bytes>),
    /// The end, and a sentence why.
    Closed(String),
}

/// What a stream's task works with.
pub(super) struct Stream {
    pub(super) id: u64,
    pub(super) transport: ServerTransport,
    pub(super) remote: SocketAddr,
    /// With TLS, whom the server has to be.
    pub(super) tls: Option<(Arc<Tls>, String)>,
    pub(super) queue: mpsc::Receiver<Bytes>,
    pub(super) level: Arc<Level>,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

impl Stream {
    /// Connects and carries, until either side ends it; then the reason is the last arrival.
    pub(super) async fn run(mut self) {
        let reason = match self.carry().await {
            Ok(()) => return,
            Err(reason) => reason,
        };
        debug!(remote = %self.remote, reason, "stream to a server ended");
        self.arrive(What::Closed(reason)).await;
    }

    /// `Ok` when our side has ended it.
    async fn carry(&mut self) -> Result<(), String> {
        let connecting = tokio::time::timeout(CONNECT_PATIENCE, self.connect());
        let seconds = CONNECT_PATIENCE.as_secs();
        match connecting.await {
            Ok(Ok(Connected::Tcp(stream))) => self.pass(stream).await,
            Ok(Ok(Connected::Tls(stream))) => self.pass(*stream).await,
            Ok(Err(reason)) => Err(reason),
            Err(_) => {
                Err(format!("it does not answer within {seconds} s: check its name and port"))
            }
        }
    }

    async fn connect(&self) -> Result<Connected, String> {
        let stream = TcpStream::connect(self.remote).await.map_err(|error| explain(&error))?;
        // A packet is not to wait for the next one.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "packets may wait for each other");
        }
        let local = stream.local_addr().map_err(|error| explain(&error))?;
        self.arrive(What::Opened(local.ip().to_canonical())).await;
        Ok(match &self.tls {
            None => Connected::Tcp(stream),
            Some((tls, host)) => Connected::Tls(Box::new(tls.connect(host, stream).await?)),
        })
    }

    async fn pass<S: AsyncRead + AsyncWrite>(&mut self, stream: S) -> Result<(), String> {
        let (reader, writer) = tokio::io::split(stream);
        let Stream { id, transport, remote, queue, level, arrivals, .. } = self;
        tokio::select! {
            ended = read(reader, |messages| {
                let what = What::Messages(messages);
                let (id, transport, remote) = (*id, *transport, *remote);
                let arrival = Arrival { id, transport, remote, what };
                async { arrivals.send(arrival).await.is_ok() }
            }) => ended,
            ended = write(writer, queue, level) => ended,
        }
    }

    async fn arrive(&self, what: What) {
        let Stream { id, transport, remote, .. } = *self;
        let arrival = Arrival { id, transport, remote, what };
        // The gathering may have ended meanwhile.
        let _ = self.arrivals.send(arrival).await;
    }
}

enum Connected {
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Hands over what comes, until `take` answers false.
async fn read<F: Future<Output = bool>>(
    mut reader: impl AsyncRead + Unpin,
    take: impl Fn(Vec<Bytes>) -> F,
) -> Result<(), String> {
    let mut deframer = Deframer::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = match reader.read(&mut chunk).await {
            Ok(0) => return Err("the server has closed the connection".to_owned()),
            Ok(length) => length,
            Err(error) => return Err(explain(&error)),
        };
        deframer.push(chunk.get(..length).unwrap_or_default());
        let mut messages = Vec::new();
        while let Some(message) = deframer.next().map_err(|error| error.to_string())? {
            messages.push(message);
        }
        if !messages.is_empty() && !take(messages).await {
            return Ok(());
        }
    }
}

/// Writes what is in the queue, as much as there is at once, until it is closed and empty.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    queue: &mut mpsc::Receiver<Bytes>,
    level: &Level,
) -> Result<(), String> {
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Some(first) = queue.recv().await {
        chunk.extend_from_slice(&first);
        while chunk.len() < CHUNK
            && let Ok(next) = queue.try_recv()
        {
            chunk.extend_from_slice(&next);
        }
        writer.write_all(&chunk).await.map_err(|error| explain(&error))?;
        writer.flush().await.map_err(|error| explain(&error))?;
        level.fall(chunk.len());
        chunk.clear();
    }
    // The other side may be gone already.
    let _ = writer.shutdown().await;
    Ok(())
}

/// A sentence with what to do.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "it refuses: is this its port, and is the server running?".to_owned()
        }
        io::ErrorKind::TimedOut => "it does not answer: check its name and port".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "this machine has no way to it".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server has cut the connection".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the server has closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
