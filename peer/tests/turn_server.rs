//! `peer turn-server` as a program: it relays over UDP, TCP and TLS, and refuses what it should.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use common::{Server, program, soon};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use stun::turn::{Client, CloseReason, Config, Deframer, Event, User};
use stun::wire::ChangeRequest;
use stun::{Attribute, Message, Method, ServerTransport, TransactionId, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server on this machine, with a user.
fn server(flags: &[&str]) -> Server {
    let mut command = program();
    command.args(["turn-server", "--listen", "127.0.0.1:0", "--user", "alice:secret"]);
    Server::start_saying(command.args(flags), "turn:")
}

fn address(uri: &str) -> SocketAddr {
    let uri: Uri = uri.trim_matches(['(', ')', ',']).parse().unwrap();
    SocketAddr::new(uri.host.parse().unwrap(), uri.port)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a client speaks over.
enum Link {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>, Deframer),
}

impl Link {
    async fn udp(server: SocketAddr) -> Link {
        let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        Link::Udp(socket)
    }

    async fn tcp(server: SocketAddr) -> Link {
        Link::Stream(Box::new(TcpStream::connect(server).await.unwrap()), Deframer::new())
    }

    async fn tls(server: SocketAddr, certificate: CertificateDer<'static>) -> Link {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = TcpStream::connect(server).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        Link::Stream(Box::new(stream), Deframer::new())
    }

    async fn send(&mut self, octets: &[u8]) {
        match self {
            Link::Udp(socket) => drop(socket.send(octets).await.unwrap()),
            Link::Stream(stream, _) => {
                stream.write_all(octets).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    async fn receive(&mut self) -> Bytes {
        let mut buffer = vec![0; 65_536];
        loop {
            match self {
                Link::Udp(socket) => {
                    let length = socket.recv(&mut buffer).await.unwrap();
                    return Bytes::copy_from_slice(&buffer[..length]);
                }
                Link::Stream(stream, deframer) => {
                    if let Some(message) = deframer.next().unwrap() {
                        return message;
                    }
                    let length = stream.read(&mut buffer).await.unwrap();
                    assert_ne!(length, 0, "the server closed the stream");
                    deframer.push(&buffer[..length]);
                }
            }
        }
    }
}

/// A client of the server.
struct Caller {
    client: Client,
    link: Link,
}

impl Caller {
    fn new(link: Link, transport: ServerTransport, password: &str) -> Caller {
        let config = Config::new(User::new("alice", password), transport);
        Caller { client: Client::new(Instant::now(), config, rand::make_rng()), link }
    }

    /// Goes on until there is what `pick` looks for.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&mut Client) -> Option<T>) -> T {
        soon(what, async {
            loop {
                while let Some(octets) = self.client.poll_transmit(Instant::now()) {
                    self.link.send(&octets).await;
                }
                if let Some(found) = pick(&mut self.client) {
                    return found;
                }
                let until = self.client.poll_timeout();
                tokio::select! {
                    octets = self.link.receive() => {
                        // What is discarded shows by what is missing then.
                        let _ = self.client.handle_datagram(Instant::now(), &octets);
                    }
                    () = sleep_until(until) => self.client.handle_timeout(Instant::now()),
                }
            }
        })
        .await
    }

    async fn event(&mut self) -> Event {
        self.until("news", Client::poll_event).await
    }

    async fn relayed(&mut self) -> SocketAddr {
        match self.event().await {
            Event::Allocated { relayed, .. } => relayed[0],
            other => panic!("{other:?}"),
        }
    }

    async fn received(&mut self) -> (SocketAddr, Bytes) {
        self.until("a packet", Client::recv).await
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// A peer that answers with the address it sees, and what it got.
async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = [from.to_string().as_bytes(), &buffer[..length]].concat();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

/// Packets both ways through the relay, first by indications and then on a channel.
async fn relays(mut caller: Caller) {
    let relayed = caller.relayed().await;
    let peer = echo().await;
    for size in [0, 1, 2, 3, 4, 1000, 1001, 1200] {
        let packet = vec![7; size];
        caller.client.send(Instant::now(), peer, &packet).unwrap();
        let expected = [relayed.to_string().as_bytes(), &packet].concat();
        assert_eq!(caller.received().await, (peer, Bytes::from(expected)));
    }
    caller.client.close(Instant::now());
    assert_eq!(caller.event().await, Event::Closed(CloseReason::Requested));
}

#[tokio::test]
async fn it_relays_over_udp_tcp_and_tls_and_ends_on_ctrl_c() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.path().join(name));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let server = server(&[
        "--allow-private",
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
        "--tls-port",
        "0",
    ]);
    let uris: Vec<&str> =
        server.line.split_whitespace().filter(|word| word.contains("turn")).collect();
    let [udp, "--turn-user", "--turn-password", tcp, tls] = uris[1..] else { panic!("{uris:?}") };
    assert!(tcp.ends_with("?transport=tcp,") && tls.starts_with("turns:"), "{uris:?}");
    let [udp, tcp, tls] = [udp, tcp, tls].map(address);

    relays(Caller::new(Link::udp(udp).await, ServerTransport::Udp, "secret")).await;
    relays(Caller::new(Link::tcp(tcp).await, ServerTransport::Tcp, "secret")).await;
    let root = CertificateDer::from_pem_file(certificate).unwrap();
    relays(Caller::new(Link::tls(tls, root).await, ServerTransport::Tls, "secret")).await;

    let (status, _, rest) = server.end("INT");
    assert!(status.success());
    assert_eq!(rest, "");
}

#[tokio::test]
async fn two_clients_meet_at_the_server() {
    let server = server(&["--allow-private"]);
    let at = address(&server.url);
    let mut one = Caller::new(Link::udp(at).await, ServerTransport::Udp, "secret");
    let mut other = Caller::new(Link::tcp(at).await, ServerTransport::Tcp, "secret");
    let (of_one, of_other) = (one.relayed().await, other.relayed().await);
    // Permissions are granted in order: once the echo is back, the first client is let in too.
    let stranger = echo().await;
    other.client.permit(Instant::now(), of_one.ip());
    other.client.send(Instant::now(), stranger, b"").unwrap();
    other.received().await;
    one.client.send(Instant::now(), of_other, b"hello").unwrap();
    let there = tokio::select! {
        packet = other.received() => packet,
        event = one.event() => panic!("{event:?}"),
    };
    assert_eq!(there, (of_one, Bytes::from_static(b"hello")));
}

#[tokio::test]
async fn row_34_it_does_not_relay_to_this_machine_unless_told() {
    let server = server(&[]);
    let at = address(&server.url);
    let mut caller = Caller::new(Link::udp(at).await, ServerTransport::Udp, "secret");
    caller.relayed().await;
    caller.client.permit(Instant::now(), LOCALHOST);
    match caller.event().await {
        Event::PeerRefused { peer, code } => assert_eq!((peer, code.number()), (LOCALHOST, 403)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_allocation_too_many_are_refused() {
    let server = server(&["--quota", "1"]);
    let at = address(&server.url);
    let mut right = Caller::new(Link::udp(at).await, ServerTransport::Udp, "secret");
    right.relayed().await;
    for (password, expected) in [("guess", 401), ("secret", 486)] {
        let mut caller = Caller::new(Link::udp(at).await, ServerTransport::Udp, password);
        match caller.event().await {
            Event::Closed(CloseReason::Refused(error)) => {
                assert_eq!(error.code.number(), expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn rfc_5780_it_answers_from_all_four_addresses() {
    let mut command = program();
    command.args(["turn-server", "--listen", "127.0.0.1:0", "--alternate", "127.0.0.2:0"]);
    let server = Server::start_saying(&mut command, "stun:");
    assert!(server.line.contains("nothing is relayed"), "{}", server.line);
    let at = address(&server.url);
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let mut sources = std::collections::BTreeSet::new();
    for (n, (ip, port)) in
        [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate()
    {
        let id = TransactionId([u8::try_from(n).unwrap(); 12]);
        let request = Message::request(Method::BINDING, id)
            .with(Attribute::ChangeRequest(ChangeRequest { ip, port }));
        socket.send_to(&request.encode(None), at).await.unwrap();
        let mut buffer = [0; 500];
        let (length, from) = soon("an answer", socket.recv_from(&mut buffer)).await.unwrap();
        let answer = Message::parse(&buffer[..length]).unwrap();
        assert_eq!(answer.transaction_id, id);
        assert_eq!(answer.xor_mapped_address(), Some(socket.local_addr().unwrap()));
        assert_eq!(answer.response_origin(), Some(from));
        assert_eq!((from.ip() != at.ip(), from.port() != at.port()), (ip, port));
        sources.insert(from);
    }
    assert_eq!(sources.len(), 4);
}

#[tokio::test]
async fn streams_of_one_address_are_limited() {
    let server = server(&[]);
    let at = address(&server.url);
    let mut streams = Vec::new();
    for _ in 0..101 {
        streams.push(TcpStream::connect(at).await.unwrap());
    }
    let mut closed = streams.pop().unwrap();
    assert_eq!(soon("the end", closed.read(&mut [0; 1])).await.unwrap(), 0);
    // Octets that are no message end a stream, and make room.
    streams[0].write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = soon("the end", streams[0].read(&mut [0; 1])).await;
    answers_over_a_stream(at).await;
}

/// A stream that is taken: a Binding request over it is answered.
async fn answers_over_a_stream(at: SocketAddr) {
    soon("room for a stream", async {
        loop {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let request = Message::request(Method::BINDING, TransactionId([1; 12]));
            let mut buffer = [0; 500];
            let answered = async {
                stream.write_all(&request.encode(None)).await?;
                stream.read(&mut buffer).await
            };
            // The server may not have noticed yet that the other one ended.
            if let Ok(length @ 1..) = answered.await {
                let answer = Message::parse(&buffer[..length]).unwrap();
                assert_eq!(answer.xor_mapped_address(), stream.local_addr().ok());
                return;
            }
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn row_18_a_hundred_thousand_strangers_cost_no_memory() {
    fn resident(server: &Server) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }
    let server = server(&[]);
    let at = address(&server.url);
    let request = Message::request(Method::ALLOCATE, TransactionId([9; 12])).encode(None);
    let mut before = 0;
    for round in 0..100 {
        let stranger = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
        for _ in 0..1000 {
            stranger.send_to(&request, at).await.unwrap();
        }
        if round == 10 {
            before = resident(&server);
        }
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} octets");
    // It lives: the budget of this machine fills again.
    let mut caller = Caller::new(Link::udp(at).await, ServerTransport::Udp, "secret");
    caller.relayed().await;
}

#[tokio::test]
async fn what_cannot_be_is_one_clear_sentence() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, expected) in [
        (vec!["--listen", &taken], "in use"),
        (vec!["--listen", "127.0.0.1:0", "--min-port", "2000", "--max-port", "1000"], "higher"),
        (
            vec!["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"],
            "cannot read /nowhere",
        ),
        (vec!["--listen", "127.0.0.1:0", "--alternate", "127.0.0.1:0"], "differs"),
    ] {
        let output = program().arg("turn-server").args(&flags).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}
