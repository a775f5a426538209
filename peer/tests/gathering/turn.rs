//! A TURN server on loopback, over UDP, TCP and TLS: the sans-IO one of the `stun` crate on sockets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use peer::IceServer;
use stun::ServerTransport;
use stun::turn::server::{Config, Event, FiveTuple, FromClient, Outgoing, PeerPolicy, Server};
use stun::turn::{Deframer, User};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub(crate) const USER: &str = "reader";
pub(crate) const PASSWORD: &str = "of books";

/// What reaches the server's task.
enum Input {
    Message(FiveTuple, Bytes),
    Relayed {
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Bytes,
    },
    Stream(FiveTuple, mpsc::UnboundedSender<Bytes>),
    StreamEnded(FiveTuple),
    /// All streams are cut.
    Cut,
}

/// A server that runs until it is dropped.
pub(crate) struct TurnServer {
    udp: SocketAddr,
    tcp: SocketAddr,
    tls: SocketAddr,
    /// Its certificate, PEM, for `localhost` and 127.0.0.1.
    pub(crate) certificate: tempfile::NamedTempFile,
    inputs: mpsc::Sender<Input>,
    /// Relayed addresses in use.
    relays: watch::Receiver<usize>,
    /// Streams that were ever opened.
    streams: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl TurnServer {
    pub(crate) async fn start() -> TurnServer {
        let localhost = (Ipv4Addr::LOCALHOST, 0);
        let udp = Arc::new(UdpSocket::bind(localhost).await.unwrap());
        let tcp = TcpListener::bind(localhost).await.unwrap();
        let tls = TcpListener::bind(localhost).await.unwrap();
        let (acceptor, certificate) = acceptor();
        let (inputs, inbox) = mpsc::channel(1024);
        let (count, relays) = watch::channel(0);
        let (opened, streams) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let addresses =
            (udp.local_addr().unwrap(), tcp.local_addr().unwrap(), tls.local_addr().unwrap());
        tasks.spawn(receive(Arc::clone(&udp), inputs.clone(), move |client, payload| {
            let (transport, local) = (ServerTransport::Udp, addresses.0);
            Input::Message(FiveTuple { transport, local, remote: client }, payload)
        }));
        tasks.spawn(accept(ServerTransport::Tcp, tcp, None, inputs.clone()));
        tasks.spawn(accept(ServerTransport::Tls, tls, Some(acceptor), inputs.clone()));
        let state = State {
            server: Server::new(Instant::now(), config(), rand::make_rng()),
            udp,
            streams: HashMap::new(),
            relays: HashMap::new(),
            inputs: inputs.clone(),
            count,
            opened,
            tasks: JoinSet::new(),
        };
        tasks.spawn(state.run(inbox));
        let (udp, tcp, tls) = addresses;
        TurnServer { udp, tcp, tls, certificate, inputs, relays, streams, _tasks: tasks }
    }

    /// The server over one transport, for a user with this password.
    pub(crate) fn with_password(&self, transport: ServerTransport, password: &str) -> IceServer {
        let url = match transport {
            ServerTransport::Udp => format!("turn:{}?transport=udp", self.udp),
            ServerTransport::Tcp => format!("turn:{}?transport=tcp", self.tcp),
            ServerTransport::Tls => format!("turns:localhost:{}", self.tls.port()),
        };
        IceServer { url: url.parse().unwrap(), user: Some(User::new(USER, password)) }
    }

    /// The server over one transport.
    pub(crate) fn over(&self, transport: ServerTransport) -> IceServer {
        self.with_password(transport, PASSWORD)
    }

    /// Cuts all streams; new ones can be opened.
    pub(crate) async fn cut_streams(&self) {
        assert!(self.inputs.send(Input::Cut).await.is_ok());
    }

    /// Waits until that many relayed addresses are in use.
    pub(crate) async fn relays(&self, expected: usize) {
        self.relays_now().wait_for(|relays| *relays == expected).await.unwrap();
    }

    /// Waits until that many streams have been opened since the beginning.
    pub(crate) async fn streams(&self, expected: usize) {
        self.streams.clone().wait_for(|streams| *streams == expected).await.unwrap();
    }

    /// How many relayed addresses are in use.
    pub(crate) fn relays_now(&self) -> watch::Receiver<usize> {
        self.relays.clone()
    }
}

fn config() -> Config {
    Config {
        realm: "localhost".into(),
        users: vec![User::new(USER, PASSWORD)],
        relay_ips: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        peers: PeerPolicy::Any,
        ..Config::default()
    }
}

fn acceptor() -> (TlsAcceptor, tempfile::NamedTempFile) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cert.pem()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

struct State {
    server: Server,
    udp: Arc<UdpSocket>,
    streams: HashMap<FiveTuple, mpsc::UnboundedSender<Bytes>>,
    relays: HashMap<SocketAddr, Arc<UdpSocket>>,
    inputs: mpsc::Sender<Input>,
    count: watch::Sender<usize>,
    opened: watch::Sender<usize>,
    /// Those that receive for relayed addresses.
    tasks: JoinSet<()>,
}

impl State {
    async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        loop {
            let timeout = self.server.poll_timeout().map(tokio::time::Instant::from);
            let timeout = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep_until(timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(input) = inbox.recv() => self.handle(input),
                () = timeout => self.server.handle_timeout(Instant::now()),
            }
            while let Ok(input) = inbox.try_recv() {
                self.handle(input);
                self.drain().await;
            }
            self.drain().await;
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        // What it has against a packet is its own test's concern.
        match input {
            Input::Message(client, payload) => {
                let _ = self.server.handle_datagram(now, FromClient { client, payload: &payload });
            }
            Input::Relayed { relayed, peer, payload } => {
                let _ = self.server.handle_relayed(now, relayed, peer, &payload);
            }
            Input::Stream(client, stream) => {
                self.streams.insert(client, stream);
                self.opened.send_modify(|opened| *opened += 1);
            }
            Input::StreamEnded(client) => {
                self.streams.remove(&client);
                self.server.client_gone(now, client);
            }
            Input::Cut => {
                for (client, _) in self.streams.drain() {
                    self.server.client_gone(now, client);
                }
            }
        }
    }

    async fn drain(&mut self) {
        let now = Instant::now();
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay(relayed) => match UdpSocket::bind(relayed).await {
                    Ok(socket) => {
                        let socket = Arc::new(socket);
                        self.relays.insert(relayed, Arc::clone(&socket));
                        let wrap = move |peer, payload| Input::Relayed { relayed, peer, payload };
                        self.tasks.spawn(receive(socket, self.inputs.clone(), wrap));
                        self.server.relay_opened(now, relayed);
                    }
                    Err(_) => self.server.relay_failed(now, relayed),
                },
                Event::CloseRelay(relayed) => {
                    self.relays.remove(&relayed);
                }
            }
            self.count.send_replace(self.relays.len());
        }
        while let Some(outgoing) = self.server.poll_transmit(now) {
            // What cannot be sent is lost, as on any network.
            match outgoing {
                Outgoing::ToClient { client, payload }
                    if client.transport == ServerTransport::Udp =>
                {
                    let _ = self.udp.send_to(&payload, client.remote).await;
                }
                Outgoing::ToClient { client, payload } => {
                    if let Some(stream) = self.streams.get(&client) {
                        let _ = stream.send(payload);
                    }
                }
                Outgoing::ToPeer { relayed, peer, payload } => {
                    if let Some(socket) = self.relays.get(&relayed) {
                        let _ = socket.send_to(&payload, peer).await;
                    }
                }
            }
        }
    }
}

async fn receive(
    socket: Arc<UdpSocket>,
    inputs: mpsc::Sender<Input>,
    wrap: impl Fn(SocketAddr, Bytes) -> Input,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        if let Ok((length, sender)) = socket.recv_from(&mut buffer).await
            && inputs.send(wrap(sender, Bytes::copy_from_slice(&buffer[..length]))).await.is_err()
        {
            return;
        }
    }
}

async fn accept(
    transport: ServerTransport,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    inputs: mpsc::Sender<Input>,
) {
    let mut streams = JoinSet::new();
    loop {
        let (stream, remote) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let client = FiveTuple { transport, local: listener.local_addr().unwrap(), remote };
        let (inputs, tls) = (inputs.clone(), tls.clone());
        streams.spawn(async move {
            match tls {
                None => carry(stream, client, inputs).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        carry(stream, client, inputs).await;
                    }
                }
            }
        });
    }
}

async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    client: FiveTuple,
    inputs: mpsc::Sender<Input>,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (queue, mut outbound) = mpsc::unbounded_channel::<Bytes>();
    let _ = inputs.send(Input::Stream(client, queue)).await;
    let read = async {
        let mut deframer = Deframer::new();
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            deframer.push(&buffer[..length]);
            while let Ok(Some(message)) = deframer.next() {
                let _ = inputs.send(Input::Message(client, message)).await;
            }
        }
    };
    let write = async {
        while let Some(octets) = outbound.recv().await {
            if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
    let _ = inputs.send(Input::StreamEnded(client)).await;
}
