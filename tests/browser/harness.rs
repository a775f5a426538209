//! Starts and ends browsers and the peer program, and runs JavaScript in a page without a driver.
//!
//! The page asks our server for its next order, runs it and posts what came out; nothing but HTTP on
//! loopback. Every process is started in a group of its own and ended by that group, also when a test
//! panics: the handle's `Drop` does it.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use serde_json::Value;
use tests::namespace::Namespace;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

use crate::devices;

/// How long one case may take: a slow machine under load, never a healthy one.
const CASE_TIMEOUT: Duration = Duration::from_secs(90);

/// What the page runs: it fetches orders for ever, and `library.js` gives them common words.
const PAGE: &str = concat!(
    "<!doctype html><meta charset=utf-8><title>tests</title><body><script>",
    include_str!("media.js"),
    "</script><script>",
    include_str!("library.js"),
    "</script>"
);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Chromium,
    Firefox,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        })
    }
}

/// What a browser is allowed, and what it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// As a user finds it: no flag, no preference, addresses hidden behind `.local` names.
    Plain,
    /// Microphone and camera are granted (they are the browser's own fake ones), and it uses
    /// loopback.
    Granted,
    /// The same, and microphone and camera deliver the files of [`devices`](crate::devices).
    /// Firefox has no such setting; there they are its own fake ones.
    Filmed,
}

/// A process and all its children, ended when dropped.
pub(crate) struct Group {
    child: Child,
}

impl Group {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}; run tests/run"));
        Self { child }
    }

    /// What it prints, if it was started with a pipe.
    pub(crate) fn stdout(&mut self) -> tokio::process::ChildStdout {
        self.child.stdout.take().expect("started with a pipe")
    }

    /// Asks the process to end, as Ctrl-C does, and waits for it.
    pub(crate) async fn interrupt(mut self) -> std::process::ExitStatus {
        let pid = self.pid().unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.unwrap().unwrap()
    }

    fn pid(&self) -> Option<rustix::process::Pid> {
        self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.pid() {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A headless browser with one page that does what it is told.
pub(crate) struct Browser {
    pub(crate) kind: Kind,
    orders: mpsc::Sender<String>,
    results: Mutex<mpsc::Receiver<Value>>,
    _server: tokio::task::JoinHandle<()>,
    _process: Group,
    _profile: tempfile::TempDir,
}

#[derive(Clone)]
struct Desk {
    orders: std::sync::Arc<Mutex<mpsc::Receiver<String>>>,
    results: mpsc::Sender<Value>,
}

impl Browser {
    /// Starts a browser.
    pub(crate) async fn start(kind: Kind, setup: Setup) -> Self {
        Self::start_in(None, kind, setup).await
    }

    /// Starts a browser in a network of its own.
    pub(crate) async fn start_in(place: Option<&Namespace>, kind: Kind, setup: Setup) -> Self {
        let (orders, receive_orders) = mpsc::channel(1);
        let (send_results, results) = mpsc::channel(1);
        let desk =
            Desk { orders: std::sync::Arc::new(Mutex::new(receive_orders)), results: send_results };
        let router = Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/order", get(next_order))
            .route("/result", post(take_result))
            .with_state(desk);
        let bind = || std::net::TcpListener::bind("127.0.0.1:0");
        let listener = place.map_or_else(|| bind().unwrap(), |place| place.enter(bind).unwrap());
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let profile = tempfile::tempdir().unwrap();
        let mut command = match kind {
            Kind::Chromium => chromium(place, profile.path(), setup),
            Kind::Firefox => firefox(place, profile.path(), setup != Setup::Plain),
        };
        let process = Group::start(command.arg(url).stdout(Stdio::null()).stderr(Stdio::null()));
        Self {
            kind,
            orders,
            results: Mutex::new(results),
            _server: server,
            _process: process,
            _profile: profile,
        }
    }

    /// Runs `script`, the body of an async function, in the page and returns what it returns.
    pub(crate) async fn run(&self, script: String) -> Result<Value, String> {
        let mut results = self.results.lock().await;
        let outcome = tokio::time::timeout(CASE_TIMEOUT, async {
            self.orders.send(script).await.map_err(|_| "the page is gone".to_owned())?;
            results.recv().await.ok_or_else(|| "the page is gone".to_owned())
        })
        .await
        .map_err(|_| format!("{} did not answer in {CASE_TIMEOUT:?}", self.kind))??;
        match outcome.get("error") {
            Some(error) => Err(format!("in the page: {}", error.as_str().unwrap_or("?"))),
            None => Ok(outcome.get("value").cloned().unwrap_or(Value::Null)),
        }
    }
}

/// Long poll: the page's next order, or nothing after a while so that it asks again.
async fn next_order(State(desk): State<Desk>) -> String {
    let mut orders = desk.orders.lock().await;
    let next = tokio::time::timeout(Duration::from_secs(20), orders.recv()).await;
    next.ok().flatten().unwrap_or_default()
}

async fn take_result(State(desk): State<Desk>, body: axum::Json<Value>) {
    let _ = desk.results.send(body.0).await;
}

/// A program, started in a network of its own if there is one.
fn program(place: Option<&Namespace>, program: impl AsRef<std::ffi::OsStr>) -> Command {
    match place.map(Namespace::command) {
        Some([enter, words @ ..]) => {
            let mut command = Command::new(enter);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Flags that keep Chromium on this machine, and with `permissions` let it use loopback.
pub(crate) fn chromium_flags(permissions: bool) -> Vec<&'static str> {
    let mut flags = vec![
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // Names of multicast DNS are looked up in this network, if at all.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, \
         EXCLUDE 10.*, EXCLUDE *.local",
    ];
    if permissions {
        flags.extend([
            "--allow-loopback-in-peer-connection",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            "--disable-features=WebRtcHideLocalIpsWithMdns,MediaRouter",
        ]);
    } else {
        flags.push("--disable-features=MediaRouter");
    }
    flags
}

fn chromium(place: Option<&Namespace>, profile: &std::path::Path, setup: Setup) -> Command {
    let mut command = program(place, "chromium");
    command.args(chromium_flags(setup != Setup::Plain));
    command.arg(format!("--user-data-dir={}", profile.display()));
    if setup == Setup::Filmed {
        let (sound, picture) = (devices::microphone(profile), devices::camera(profile));
        command
            .arg(format!("--use-file-for-fake-audio-capture={}", sound.display()))
            .arg(format!("--use-file-for-fake-video-capture={}", picture.display()))
            .arg("--autoplay-policy=no-user-gesture-required");
    }
    command
}

fn firefox(place: Option<&Namespace>, profile: &std::path::Path, permissions: bool) -> Command {
    let mut preferences = vec![
        ("network.dns.disabled", "true"),
        ("browser.startup.page", "0"),
        ("browser.aboutwelcome.enabled", "false"),
        ("browser.shell.checkDefaultBrowser", "false"),
        ("browser.startup.homepage_override.mstone", "\"ignore\""),
        ("datareporting.policy.dataSubmissionEnabled", "false"),
        ("app.update.enabled", "false"),
        ("network.captive-portal-service.enabled", "false"),
        ("network.connectivity-service.enabled", "false"),
    ];
    if permissions {
        preferences.extend([
            ("media.peerconnection.ice.loopback", "true"),
            ("permissions.default.microphone", "1"),
            ("permissions.default.camera", "1"),
            ("media.navigator.streams.fake", "true"),
        ]);
    }
    let lines: String = preferences
        .iter()
        .map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"))
        .collect();
    std::fs::write(profile.join("user.js"), lines).unwrap();
    let mut command = program(place, "firefox-esr");
    command.args(["--headless", "--no-remote", "--profile"]).arg(profile);
    command
}

/// The `peer` program, serving on a port of its own.
pub(crate) struct PeerProgram {
    /// Where it says it listens, without a slash at the end.
    pub(crate) url: String,
    process: Group,
}

impl PeerProgram {
    /// Starts `peer serve` with `flags` on a free port and waits for the line with its address.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", flags).await
    }

    /// The same on this address.
    pub(crate) async fn start_at(address: &str, flags: &[&str]) -> Self {
        Self::start_in(None, address, flags).await
    }

    /// The same in a network of its own.
    pub(crate) async fn start_in(place: Option<&Namespace>, address: &str, flags: &[&str]) -> Self {
        let mut words = vec!["serve", "--listen", address];
        words.extend(flags);
        let (line, process) = start_peer(place, &words).await;
        let at = line.find("http://").expect("the line holds the address");
        let url = line[at..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { url, process }
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn interrupt(self) -> std::process::ExitStatus {
        self.process.interrupt().await
    }
}

/// Starts the `peer` program, and waits for the one line that it prints.
pub(crate) async fn start_peer(place: Option<&Namespace>, words: &[&str]) -> (String, Group) {
    /// How long a loaded machine may take.
    const PATIENCE: Duration = Duration::from_secs(30);
    let mut command = program(place, peer_binary());
    let mut process = Group::start(command.args(words).stdout(Stdio::piped()));
    let mut lines = BufReader::new(process.stdout()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.expect("peer prints its address").unwrap().expect("peer prints a line");
    (line, process)
}

/// The program that `cargo build -p peer` puts beside the test programs.
fn peer_binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let binary = this.ancestors().nth(2).unwrap().join("peer");
    assert!(binary.is_file(), "{} is missing; run: cargo build -p peer", binary.display());
    binary
}
