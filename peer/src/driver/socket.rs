//! The one UDP socket of an endpoint, and what the operating system offers to make it fast.
//!
//! - **One socket for all connections**, bound to the wildcard address, so that one fixed port
//!   (`--udp-port`) serves every interface and every peer. Where IPv6 works it is dual-stack
//!   (`[::]`), and IPv4 peers appear to it as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2); addresses are
//!   translated here, so nothing above ever sees a mapped one.
//! - **The local address of each datagram.** ICE pairs are (local, remote) and a response must
//!   leave from the address its request came to (RFC 8445 §7.2.5.2.1), which a wildcard socket
//!   does not tell by itself: `IP_PKTINFO` / `IPV6_PKTINFO` do, in both directions.
//! - **Segmentation offload.** One `sendmsg` carries up to 64 datagrams (GSO) and one `recvmsg`
//!   returns as many (GRO): on bulk data a system call per datagram would cost more than the
//!   encryption.
//!
//! Book: "The pump".

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ice::Path;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::{debug, trace};

use super::burst::Burst;

/// What we ask the kernel to buffer in each direction. A peer may have a whole SCTP window in
/// flight, sent in bursts of 64 kB; with the usual default of 208 kB most of it would be lost
/// before this process is even scheduled. The kernel silently grants less where
/// `net.core.rmem_max` says so.
const SOCKET_BUFFER: usize = 4 << 20;

/// The room for one message of the kernel: 64 kB is the largest datagram there is, and the most
/// that GRO puts together.
const RECEIVE_BUFFER: usize = 65_536;

/// Messages taken from the kernel in one call (`recvmmsg`). Each is one datagram from senders
/// without segmentation offload, such as browsers, and up to 64 from senders with it.
const RECEIVE_MESSAGES: usize = 4;

/// An endpoint's UDP socket.
pub(crate) struct Socket {
    io: UdpSocket,
    /// Sends bursts. If the kernel refuses one with EINVAL or EIO, quinn-udp concludes that
    /// segmentation offload is broken and turns it off for good.
    bursts: UdpSocketState,
    /// Sends single datagrams. Kept apart because a connectivity check from 127.0.0.1 to another
    /// machine is refused with EINVAL too, and must not turn segmentation offload off.
    singles: UdpSocketState,
    port: u16,
    dual_stack: bool,
}

impl Socket {
    /// Binds to `port` (0: any free one) on every address, IPv6 and IPv4, or IPv4 alone where
    /// IPv6 is missing. Must be called within a tokio runtime.
    pub(crate) fn bind(port: u16) -> io::Result<Socket> {
        match Socket::bind_to(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                debug!(%error, "no dual-stack socket, using IPv4 alone");
                Socket::bind_to(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            }
            bound => bound,
        }
    }

    fn bind_to(address: SocketAddr) -> io::Result<Socket> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // Less than asked for is slower, not wrong.
        for outcome in
            [socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER)]
        {
            if let Err(error) = outcome {
                debug!(%error, "the socket keeps its default buffer");
            }
        }
        socket.bind(&address.into())?;
        let bursts = UdpSocketState::new((&socket).into())?;
        let singles = UdpSocketState::new((&socket).into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let port = io.local_addr()?.port();
        Ok(Socket { io, bursts, singles, port, dual_stack: address.is_ipv6() })
    }

    /// The port this socket is bound to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether IPv6 datagrams can be sent and received.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.dual_stack
    }

    /// The most datagrams one [`Burst`] may carry: 1 where segmentation offload is missing.
    pub(crate) fn burst_limit(&self) -> usize {
        self.bursts.max_gso_segments().max(1)
    }

    /// Sends a burst, or answers [`io::ErrorKind::WouldBlock`] and nothing has been sent.
    ///
    /// Any other refusal (no route, port unreachable, too big) is the network losing the
    /// datagrams: it is logged at debug level and reported as success, because that is how UDP
    /// behaves a hop later.
    pub(crate) fn try_send(&self, burst: &Burst) -> io::Result<()> {
        let segment_size = (burst.datagrams() > 1).then(|| burst.segment_size());
        let outcome = self.send_contents(burst, burst.contents(), segment_size);
        match outcome {
            Ok(()) => {
                trace!(remote = %burst.path.remote, datagrams = burst.datagrams(), octets = burst.contents().len(), "sent");
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) if segment_size.is_some() => {
                debug!(%error, "a burst was refused, sending its datagrams one by one");
                for datagram in burst.iter() {
                    if let Err(error) = self.send_contents(burst, datagram, None) {
                        debug!(%error, local = %burst.path.local, remote = %burst.path.remote, "not sent");
                    }
                }
                Ok(())
            }
            Err(error) => {
                debug!(%error, local = %burst.path.local, remote = %burst.path.remote, "not sent");
                Ok(())
            }
        }
    }

    fn send_contents(
        &self,
        burst: &Burst,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let state = if segment_size.is_some() { &self.bursts } else { &self.singles };
        let Path { local, remote, .. } = burst.path;
        let transmit = Transmit {
            destination: SocketAddr::new(self.to_kernel(remote.ip()), remote.port()),
            ecn: None,
            contents,
            segment_size,
            src_ip: Some(self.to_kernel(local.ip())),
        };
        self.io.try_io(Interest::WRITABLE, || state.try_send((&self.io).into(), &transmit))
    }

    /// Completes when the kernel takes datagrams again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Waits for datagrams and takes as many as one system call gives, into `buffers`.
    pub(crate) async fn receive(&self, buffers: &mut ReceiveBuffers) -> io::Result<()> {
        self.io.async_io(Interest::READABLE, || self.receive_now(buffers)).await
    }

    fn receive_now(&self, buffers: &mut ReceiveBuffers) -> io::Result<()> {
        let ReceiveBuffers { storage, meta, filled } = buffers;
        *filled = 0;
        let mut chunks = storage.chunks_exact_mut(RECEIVE_BUFFER);
        let mut slices: [IoSliceMut<'_>; RECEIVE_MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        *filled = self.bursts.recv((&self.io).into(), &mut slices, meta)?;
        Ok(())
    }

    /// Our addresses to the kernel's: a dual-stack socket takes IPv4 only in mapped form.
    fn to_kernel(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) if self.dual_stack => IpAddr::V6(ip.to_ipv6_mapped()),
            ip => ip,
        }
    }
}

/// The memory that [`Socket::receive`] fills: one per endpoint, however many connections it has.
pub(crate) struct ReceiveBuffers {
    /// `RECEIVE_MESSAGES` buffers in a row. The kernel writes there, so only the pages in use
    /// ever become resident.
    storage: Vec<u8>,
    meta: [RecvMeta; RECEIVE_MESSAGES],
    filled: usize,
}

/// Datagrams that came from one peer in one message of the kernel, all but the last of the same
/// length.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// Our address and port they were sent to, and the sender's.
    pub(crate) path: Path,
    contents: &'a [u8],
    stride: usize,
}

impl<'a> Received<'a> {
    /// The datagrams in order of arrival.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> {
        self.contents.chunks(self.stride)
    }
}

impl ReceiveBuffers {
    /// Empty buffers.
    pub(crate) fn new() -> ReceiveBuffers {
        ReceiveBuffers {
            storage: vec![0; RECEIVE_BUFFER * RECEIVE_MESSAGES],
            meta: [RecvMeta::default(); RECEIVE_MESSAGES],
            filled: 0,
        }
    }

    /// What the last call of [`Socket::receive`] took; `socket` tells the port.
    pub(crate) fn received(&self, socket: &Socket) -> impl Iterator<Item = Received<'_>> {
        let port = socket.port();
        self.meta
            .iter()
            .zip(self.storage.chunks_exact(RECEIVE_BUFFER))
            .take(self.filled)
            .filter_map(move |(meta, buffer)| {
                // Without the address it was sent to a datagram belongs to no ICE pair.
                let local = SocketAddr::new(meta.dst_ip?.to_canonical(), port);
                let remote = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
                let contents = buffer.get(..meta.len)?;
                // An empty datagram has stride 0, and nothing to say to any protocol of ours.
                let path = Path::udp(local, remote);
                (meta.stride > 0).then_some(Received { path, contents, stride: meta.stride })
            })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::Transmit;
    use crate::driver::burst::Outbox;

    async fn receive_all(socket: &Socket, count: usize) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut buffers = ReceiveBuffers::new();
        let mut all = Vec::new();
        while all.len() < count {
            tokio::time::timeout(Duration::from_secs(5), socket.receive(&mut buffers))
                .await
                .expect("datagrams within 5 s")
                .unwrap();
            for received in buffers.received(socket) {
                let Path { local, remote, .. } = received.path;
                all.extend(received.datagrams().map(|d| (local, remote, d.to_vec())));
            }
        }
        all
    }

    async fn send(socket: &Socket, burst: &Burst) {
        while let Err(error) = socket.try_send(burst) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            socket.writable().await.unwrap();
        }
    }

    fn bursts_of(transmits: Vec<Transmit>, limit: usize) -> Vec<Burst> {
        let mut transmits = transmits.into_iter();
        let mut outbox = Outbox::default();
        std::iter::from_fn(|| outbox.next_burst(limit, || transmits.next())).collect()
    }

    #[tokio::test]
    async fn both_ends_know_both_addresses_in_both_families() {
        let (one, two) = (Socket::bind(0).unwrap(), Socket::bind(0).unwrap());
        let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        if one.has_ipv6() {
            addresses.push(Ipv6Addr::LOCALHOST.into());
        }
        for ip in addresses {
            let local = SocketAddr::new(ip, one.port());
            let remote = SocketAddr::new(ip, two.port());
            let transmit = Transmit {
                protocol: ice::Protocol::Udp,
                local,
                remote,
                payload: Bytes::from_static(b"hello"),
            };
            for burst in bursts_of(vec![transmit], 64) {
                send(&one, &burst).await;
            }
            assert_eq!(receive_all(&two, 1).await, [(remote, local, b"hello".to_vec())]);
        }
    }

    #[tokio::test]
    async fn a_burst_arrives_as_the_same_datagrams() {
        let (one, two) = (Socket::bind(0).unwrap(), Socket::bind(0).unwrap());
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, one.port()));
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, two.port()));
        let sizes = std::iter::repeat_n(1200, 40).chain([700]);
        let sent: Vec<Bytes> = sizes
            .enumerate()
            .map(|(i, size)| vec![u8::try_from(i).unwrap(); size].into())
            .collect();
        let transmits = sent
            .iter()
            .map(|p| Transmit { protocol: ice::Protocol::Udp, local, remote, payload: p.clone() })
            .collect();
        for burst in bursts_of(transmits, one.burst_limit()) {
            send(&one, &burst).await;
        }
        let received = receive_all(&two, sent.len()).await;
        assert!(received.iter().map(|(_, _, d)| d).eq(sent.iter()));
    }

    #[tokio::test]
    async fn an_impossible_source_address_does_not_turn_segmentation_offload_off() {
        let socket = Socket::bind(0).unwrap();
        let limit = socket.burst_limit();
        let transmit = Transmit {
            protocol: ice::Protocol::Udp,
            local: SocketAddr::from((Ipv4Addr::LOCALHOST, socket.port())),
            remote: "203.0.113.1:9".parse().unwrap(),
            payload: Bytes::from_static(b"check"),
        };
        for burst in bursts_of(vec![transmit], 64) {
            send(&socket, &burst).await;
        }
        assert_eq!(socket.burst_limit(), limit);
    }

    #[tokio::test]
    async fn row_6_empty_and_largest_datagrams() {
        let socket = Socket::bind(0).unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = ("127.0.0.1", socket.port());
        stranger.send_to(&[], to).unwrap();
        stranger.send_to(&[7; 65_507], to).unwrap();
        stranger.send_to(&[8], to).unwrap();
        let received = receive_all(&socket, 2).await;
        let lengths: Vec<_> = received.iter().map(|(_, _, d)| d.len()).collect();
        assert_eq!(lengths, [65_507, 1]);
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error() {
        let socket = Socket::bind(0).unwrap();
        let error = Socket::bind(socket.port()).err().expect("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
