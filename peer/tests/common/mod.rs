//! The program under test, and a client of its own to call it with.

#![allow(dead_code, reason = "each test program uses another part")]

use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use peer::{DataChannel, DataChannelInit, PeerConnection, SessionDescription};
use reqwest::{Response, StatusCode};

/// Far more than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// The program, not started yet.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_peer"))
}

/// `peer serve` on a port of its own, ended when dropped.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// What it said: the address of the page.
    pub(crate) url: String,
    /// All of that line.
    pub(crate) line: String,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Server {
        Server::start_with(program().args(["serve", "--listen", "localhost:0"]).args(flags))
    }

    pub(crate) fn start_with(command: &mut Command) -> Server {
        Server::start_saying(command, "http://")
    }

    /// Starts the program, which must say an address that begins so.
    pub(crate) fn start_saying(command: &mut Command, scheme: &str) -> Server {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with(scheme));
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Server { child, stdout, url, line }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `INT`; how it ended, after how long, and what else it printed.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, Duration, String) {
        let start = Instant::now();
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success()
        );
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status, start.elapsed(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of a serving peer.
pub(crate) struct Client {
    pub(crate) connection: PeerConnection,
    pub(crate) channel: DataChannel,
    /// The URL of its session.
    pub(crate) session: String,
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn post_sdp(url: &str, sdp: impl Into<reqwest::Body>) -> Response {
    let request = http().post(url).header("Content-Type", "application/sdp").body(sdp);
    soon("a response", request.send()).await.unwrap()
}

/// A connection with one channel, and its offer, set.
pub(crate) async fn offerer(
    label: &str,
    init: DataChannelInit,
) -> (PeerConnection, DataChannel, String) {
    let connection = PeerConnection::new(Default::default()).await.unwrap();
    let channel = connection.create_data_channel(label, init).await.unwrap();
    let offer = connection.create_offer().await.unwrap();
    connection.set_local_description(offer).await.unwrap();
    let offer = connection.local_description().await.unwrap().unwrap();
    (connection, channel, offer.sdp)
}

impl Client {
    /// Calls the peer at `url`, which must answer.
    pub(crate) async fn call(url: &str) -> Client {
        let client = Client::offer(url).await;
        soon("open", client.channel.opened()).await.unwrap();
        client
    }

    /// As [`call`](Client::call), without waiting for the connection.
    pub(crate) async fn offer(url: &str) -> Client {
        let (connection, channel, offer) = offerer("first", Default::default()).await;
        let response = post_sdp(&format!("{url}/offer"), offer).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["content-type"], "application/sdp");
        let location = response.headers()["location"].to_str().unwrap();
        let session = response.url().join(location).unwrap().to_string();
        let answer = SessionDescription::answer(response.text().await.unwrap());
        connection.set_remote_description(answer).await.unwrap();
        Client { connection, channel, session }
    }

    pub(crate) async fn report(&self) -> serde_json::Value {
        let response = soon("a response", http().get(&self.session).send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// Waits until the session's GET answers with this status.
    pub(crate) async fn wait_for_status(&self, status: StatusCode, within: Duration) {
        wait_for_status(&self.session, status, within).await;
    }
}

/// Waits until GET answers with this status.
pub(crate) async fn wait_for_status(url: &str, status: StatusCode, within: Duration) {
    let start = Instant::now();
    loop {
        let response = soon("a response", http().get(url).send()).await.unwrap();
        if response.status() == status {
            return;
        }
        assert!(start.elapsed() < within, "still {}", response.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
