//! Sockets and time for the tests of one IP version. Book: "NATs".

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::make_rng;
use rand::rngs::StdRng;
use stun::behaviour::{Answer, Asked, Datagram, Discovery, Event, Outcome};
use stun::turn::Deframer;
use stun::{Class, Message, Method, TransactionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep_until, timeout};

use super::Finding;
use crate::program::failure::{Explain, Failure};

/// Octets of the longest answer we read: they have about a hundred.
const MAX_ANSWER: usize = 2048;

/// How long a server may take to answer over TCP.
const TCP_PATIENCE: Duration = Duration::from_secs(5);

/// Lets the servers, which are of one IP version, look at us.
pub(super) async fn probe(servers: &[SocketAddr]) -> Result<Finding, Failure> {
    let Some(first) = servers.first() else { return Ok(Finding::NoServer) };
    let Ok(local) = local_ip(*first).await else { return Ok(Finding::NoRoute) };
    let (outcome, asked) =
        discover(servers, local).await.explain(|| "cannot ask over UDP".into())?;
    Ok(match outcome {
        Outcome::Found(behaviour) => {
            let silent = asked.iter().filter(|asked| asked.answer == Answer::None);
            let silent = silent.map(|asked| asked.server).collect();
            Finding::Found { behaviour, silent }
        }
        Outcome::NoAnswer => Finding::NoUdp { tcp: any_answers_over_tcp(servers).await },
    })
}

/// The address of this machine that packets to the server leave from; nothing is sent for it.
async fn local_ip(server: SocketAddr) -> io::Result<IpAddr> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

/// Runs a discovery on two sockets.
async fn discover(servers: &[SocketAddr], local: IpAddr) -> io::Result<(Outcome, Vec<Asked>)> {
    let first = UdpSocket::bind((local, 0)).await?;
    let second = UdpSocket::bind((local, 0)).await?;
    let addresses = [first.local_addr()?, second.local_addr()?];
    let mut discovery = Discovery::new(servers, addresses, make_rng());
    let (mut to_first, mut to_second) = ([0; MAX_ANSWER], [0; MAX_ANSWER]);
    loop {
        while let Some(transmit) = discovery.poll_transmit(Instant::now()) {
            let [of_first, _] = addresses;
            let socket = if transmit.local == of_first { &first } else { &second };
            // What cannot be sent is lost, as what a network loses.
            if let Err(error) = socket.send_to(&transmit.payload, transmit.remote).await {
                tracing::debug!(%error, remote = %transmit.remote, "not sent");
            }
        }
        if let Some(Event::Closed(outcome)) = discovery.poll_event() {
            return Ok((outcome, discovery.servers().to_vec()));
        }
        let timer = async {
            match discovery.poll_timeout() {
                Some(instant) => sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        };
        let (local, received, buffer) = tokio::select! {
            received = first.recv_from(&mut to_first) => (&first, received, &to_first),
            received = second.recv_from(&mut to_second) => (&second, received, &to_second),
            () = timer => {
                discovery.handle_timeout(Instant::now());
                continue;
            }
        };
        let (length, remote) = received?;
        let payload = buffer.get(..length).unwrap_or_default();
        let datagram = Datagram { local: local.local_addr()?, remote, payload };
        if let Err(error) = discovery.handle_datagram(Instant::now(), datagram) {
            tracing::debug!(%error, %remote, "discarded");
        }
    }
}

/// Whether a server answers over TCP (RFC 8489 §6.2.2).
async fn any_answers_over_tcp(servers: &[SocketAddr]) -> bool {
    for server in servers {
        match timeout(TCP_PATIENCE, ask_over_tcp(*server)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::debug!(%error, %server, "no answer over TCP"),
            Err(_) => tracing::debug!(%server, "no answer over TCP in time"),
        }
    }
    false
}

async fn ask_over_tcp(server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let id = TransactionId::random(&mut make_rng::<StdRng>());
    stream.write_all(&Message::request(Method::BINDING, id).encode(None)).await?;
    let mut deframer = Deframer::new();
    let mut buffer = [0; MAX_ANSWER];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        deframer.push(buffer.get(..length).unwrap_or_default());
        while let Some(octets) = deframer.next().map_err(io::Error::other)? {
            // A refusal is an answer, too: what matters is that it came.
            let answers =
                |message: Message| message.class != Class::Request && message.transaction_id == id;
            if Message::parse(&octets).is_ok_and(answers) {
                return Ok(());
            }
        }
    }
}
