//! Signalling between two places that cannot reach each other: a tunnel for HTTP.
//!
//! `peer serve` listens on loopback at its place, and `peer call` calls a port of loopback at its own.
//! The lab holds the ends of both, since a socket stays in the namespace it was made in. So nothing of
//! what the peers say to each other by HTTP goes through the network that ICE has to cope with.
//!
//! ```text
//!   peer call ─► 127.0.0.1:p ┄ the lab ┄ 127.0.0.1:8080 ◄─ peer serve
//!       in the one namespace             in the other
//! ```

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use tests::namespace::Namespace;

/// A tunnel to a port of loopback in another namespace.
pub(crate) struct Tunnel<'a> {
    listener: TcpListener,
    callee: &'a Namespace,
    port: u16,
    /// Where the serving peer tells about the call: the path its answer names.
    session: Mutex<Option<String>>,
}

impl<'a> Tunnel<'a> {
    /// Listens at the caller's place for connections to the callee's `port`.
    pub(crate) fn new(
        caller: &Namespace,
        callee: &'a Namespace,
        port: u16,
    ) -> Result<Self, String> {
        let listener = caller.enter(|| {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })?;
        let listener = TcpListener::from_std(listener).map_err(text)?;
        Ok(Self { listener, callee, port, session: Mutex::new(None) })
    }

    /// What the caller calls.
    pub(crate) fn url(&self) -> Result<String, String> {
        Ok(format!("http://{}", self.listener.local_addr().map_err(text)?))
    }

    /// Carries connections, for ever.
    pub(crate) async fn run(&self) -> Result<Infallible, String> {
        let mut connections = FuturesUnordered::new();
        loop {
            let accept = std::pin::pin!(self.listener.accept());
            match select(accept, connections.next()).await {
                Either::Left((accepted, _)) => {
                    let (caller, _) = accepted.map_err(text)?;
                    connections.push(self.carry(caller));
                }
                Either::Right((Some(_), _)) => {}
                Either::Right((None, accept)) => {
                    let (caller, _) = accept.await.map_err(text)?;
                    connections.push(self.carry(caller));
                }
            }
        }
    }

    /// Carries one connection until one end closes it, which is no error here.
    async fn carry(&self, mut caller: TcpStream) {
        let Ok(mut callee) = self.connect() else { return };
        let (mut from_caller, mut to_caller) = caller.split();
        let (mut from_callee, mut to_callee) = callee.split();
        let answers = async {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = from_callee.read(&mut buffer).await {
                let octets = buffer.get(..length).unwrap_or_default();
                self.note_session(octets);
                if to_caller.write_all(octets).await.is_err() {
                    break;
                }
            }
        };
        let requests = copy(&mut from_caller, &mut to_callee);
        let _ = select(std::pin::pin!(requests), std::pin::pin!(answers)).await;
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let stream = self.callee.enter(|| {
            let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        })?;
        TcpStream::from_std(stream).map_err(text)
    }

    /// The head of the answer to an offer says where the session is.
    fn note_session(&self, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        let session = head.lines().filter_map(|line| line.split_once(": "));
        let mut session = session.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
        if let (Some((_, path)), Ok(mut noted)) = (session.next_back(), self.session.lock()) {
            *noted = Some(path.to_owned());
        }
    }

    /// What the serving peer tells about the call; `None` before there is one and when it is over.
    pub(crate) async fn statistics(&self) -> Option<Value> {
        let path = self.session.lock().ok()?.clone()?;
        let mut stream = self.connect().ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str::<Value>(body).ok()?.get_mut("statistics").map(Value::take)
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
