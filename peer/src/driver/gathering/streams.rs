//! The streams to servers, opened when there is something to send.
//!
//! Each has a queue. What it cannot take any more is lost if it is a packet to be relayed, as it would
//! be on a link that is full; the requests of TURN still fit, since over a stream nobody repeats them
//! (RFC 8489 §6.2.2).
//!
//! Book: chapter "Relay".

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ice::ToServer;
use stun::ServerTransport;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::debug;

use super::super::lane::Level;
use super::stream::{Arrival, Stream, What};
use super::tls::Tls;

/// The most octets of packets that wait for one stream: what a round trip of 200 ms at 10 Mbit/s
/// holds. More would only be older when it arrives.
const MAX_QUEUED_PACKETS: usize = 256 << 10;

/// The most octets of anything that wait for one stream.
const MAX_QUEUED: usize = MAX_QUEUED_PACKETS + (64 << 10);

/// The most messages that wait for one stream, so that tiny ones are bounded too.
const MAX_QUEUED_MESSAGES: usize = 2048;

/// The most arrivals that wait for the gathering, each of one read.
const MAX_ARRIVALS: usize = 32;

/// All streams of a gathering. As bounded as its servers.
pub(super) struct Streams {
    tls: Arc<Tls>,
    /// By what they are and where they lead: TCP and TLS to one port are two streams.
    open: HashMap<(ServerTransport, SocketAddr), Link>,
    arrivals: mpsc::Receiver<Arrival>,
    /// For new streams.
    sender: mpsc::Sender<Arrival>,
    tasks: JoinSet<()>,
    last_id: u64,
}

/// Our end of a stream.
struct Link {
    id: u64,
    /// Our IP address, once it is connected.
    local: Option<IpAddr>,
    queue: mpsc::Sender<Bytes>,
    level: Arc<Level>,
}

impl Streams {
    /// None yet.
    pub(super) fn new(tls: Arc<Tls>) -> Streams {
        let (sender, arrivals) = mpsc::channel(MAX_ARRIVALS);
        let (open, tasks) = (HashMap::new(), JoinSet::new());
        Streams { tls, open, arrivals, sender, tasks, last_id: 0 }
    }

    /// Sends a message, on a stream that is opened if there is none: with TLS to a server that proves
    /// to be `host`.
    pub(super) fn send(&mut self, message: ToServer, host: impl FnOnce() -> String) {
        let ToServer { transport, remote, payload, .. } = message;
        let stream = (transport, remote);
        if !self.open.contains_key(&stream) {
            self.open(transport, remote, host);
        }
        if let Some(link) = self.open.get(&stream) {
            link.push(payload);
        }
    }

    fn open(
        &mut self,
        transport: ServerTransport,
        remote: SocketAddr,
        host: impl FnOnce() -> String,
    ) {
        // Those that have ended leave.
        while self.tasks.try_join_next().is_some() {}
        self.last_id += 1;
        let id = self.last_id;
        let (queue, messages) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let level = Arc::new(Level::new(MAX_QUEUED));
        let tls = match transport {
            ServerTransport::Tls => Some((Arc::clone(&self.tls), host())),
            ServerTransport::Tcp | ServerTransport::Udp => None,
        };
        debug!(%remote, ?transport, "stream to a server");
        let stream = Stream {
            id,
            transport,
            remote,
            tls,
            queue: messages,
            level: Arc::clone(&level),
            arrivals: self.sender.clone(),
        };
        self.tasks.spawn(stream.run());
        self.open.insert((transport, remote), Link { id, local: None, queue, level });
    }

    /// What came next from any stream that is still in use.
    pub(super) async fn receive(&mut self) -> (ServerTransport, SocketAddr, What) {
        loop {
            // It cannot end: one sender is ours.
            let Some(Arrival { id, transport, remote, what }) = self.arrivals.recv().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let stream = (transport, remote);
            let Some(link) = self.open.get_mut(&stream).filter(|link| link.id == id) else {
                continue;
            };
            match what {
                What::Opened(local) => link.local = Some(local),
                What::Messages(_) => {}
                What::Closed(_) => {
                    self.open.remove(&stream);
                }
            }
            return (transport, remote, what);
        }
    }

    /// Cuts those from an address of ours that has vanished; to which servers they were.
    pub(super) fn cut(&mut self, gone: IpAddr) -> Vec<(ServerTransport, SocketAddr)> {
        let is_dead = |_: &(_, _), link: &mut Link| link.local == Some(gone);
        self.open.extract_if(is_dead).map(|(stream, _)| stream).collect()
    }

    /// Closes those that are not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(ServerTransport, SocketAddr) -> bool) {
        self.open.retain(|(transport, remote), _| is_wanted(*transport, *remote));
    }

    /// Closes all when they have sent what waits, or at that time.
    pub(super) async fn finish(mut self, until: Instant) {
        // Without its queue a stream ends. What still comes from the servers is not read.
        self.open.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout_at(until.into(), all).await.is_err() {
            debug!("a stream to a server does not end in time");
        }
    }
}

impl Link {
    fn push(&self, message: Bytes) {
        let octets = message.len();
        let fits = if is_packet(&message) {
            self.level.rise_to(octets, MAX_QUEUED_PACKETS)
        } else {
            self.level.rise(octets)
        };
        if !fits {
            debug!(octets, "the stream does not keep up: a message lost");
        } else if self.queue.try_send(message).is_err() {
            self.level.fall(octets);
            debug!(octets, "too much waits for the stream: a message lost");
        }
    }
}

/// Whether it carries somebody's packet: ChannelData (RFC 8656 §12.4), or an indication.
fn is_packet(message: &[u8]) -> bool {
    const CHANNEL_DATA: u8 = 0b01;
    // The class's two bits of a message type: 0b01 is an indication (RFC 8489 §5).
    const CLASS: u16 = 0x0110;
    const INDICATION: u16 = 0x0010;
    match *message {
        [first, ..] if first >> 6 == CHANNEL_DATA => true,
        [first, second, ..] => u16::from_be_bytes([first, second]) & CLASS == INDICATION,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_from_requests() {
        for (message, expected) in [
            (&[0x40, 0x00, 0, 4][..], true),
            (&[0x00, 0x16, 0, 0], true),
            (&[0x00, 0x03, 0, 0], false),
            (&[0x00, 0x09, 0, 0], false),
            (&[0x01], false),
            (&[], false),
        ] {
            assert_eq!(is_packet(message), expected, "{message:?}");
        }
    }

    #[tokio::test]
    async fn a_full_stream_loses_packets_and_keeps_requests() {
        let (queue, mut messages) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let level = Arc::new(Level::new(MAX_QUEUED));
        let link = Link { id: 1, local: None, queue, level };
        let mut packet = vec![0x40; 1200];
        for _ in 0..1000 {
            link.push(packet.clone().into());
        }
        packet[0] = 0;
        packet[1] = 4; // Refresh
        packet.truncate(100);
        link.push(packet.clone().into());
        drop(link);
        let mut sizes = Vec::new();
        while let Some(message) = messages.recv().await {
            sizes.push(message.len());
        }
        assert_eq!(sizes.len(), MAX_QUEUED_PACKETS / 1200 + 1);
        assert_eq!(sizes.last(), Some(&100));
    }

    #[tokio::test]
    async fn trap_tcp_and_tls_to_one_port_are_two_streams() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = server.local_addr().unwrap();
        let mut streams = Streams::new(Arc::new(Tls::new(None).unwrap()));
        let local = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut accepted = Vec::new();
        for transport in [ServerTransport::Tcp, ServerTransport::Tls, ServerTransport::Tcp] {
            let payload = Bytes::from_static(&[0; 20]);
            let message = ToServer { transport, local, remote, payload };
            streams.send(message, || "localhost".into());
            if accepted.len() < 2 {
                accepted.push(server.accept().await.unwrap());
            }
        }
        assert_eq!((streams.open.len(), streams.last_id), (2, 2), "neither took the other's place");
    }
}
