//! HTTP connections: how many there may be, and how long one may take to say what it wants.
//!
//! The convenient `axum::serve` bounds neither: whoever can reach the port could hold all the sockets
//! the system has, by opening connections and saying nothing, or a header one octet at a time.
//!
//! ```text
//!   accept ◄── a permit for each ──┐
//!     └► request, answer, request … ┘ over when the client leaves, is too slow, or the program ends
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::debug;

/// Connections of one listener at once; the next ones wait in the kernel's queue. A browser opens
/// six, and viewers and rooms need one each.
const MAX_CONNECTIONS: usize = 4096;

/// How long a client may take to send the header of a request, and how long it may be silent before
/// it sends one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait before accepting again when the system has no socket left.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves until told to stop; then the answers under way are finished.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let stopped = stopping.clone();
    loop {
        // Those that are over leave nothing behind.
        while connections.try_join_next().is_some() {}
        let accept = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accept => accepted,
            // An error says that the other end is gone, which means the same.
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stopping) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    if let Err(error) = connection(stream, router, stopping).await {
                        debug!(%error, "HTTP connection");
                    }
                    drop(permit);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
    connections.join_all().await;
}

/// Answers the requests of one client.
async fn connection(
    stream: TcpStream,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), hyper::Error> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        over = connection.as_mut() => return over,
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// A client that gave up is nobody's fault; a system without sockets needs a moment.
async fn pause(error: &io::Error) {
    debug!(%error, "cannot accept");
    let is_of_the_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !is_of_the_client {
        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serving() -> (std::net::SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "hello" }));
        (address, stop, tokio::spawn(serve(listener, router, stopping)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_dropped() {
        let (address, _stop, _server) = serving().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let mut answer = Vec::new();
        // With the clock paused, time passes as soon as everybody waits.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn stopping_ends_idle_connections() {
        let (address, stop, server) = serving().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        stop.send_replace(true);
        server.await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"hello"));
    }
}
