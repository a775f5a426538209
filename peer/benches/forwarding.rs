//! What it costs to forward: one publisher, a hundred viewers, each packet as it came.
//!
//! ```text
//!   the other process                     this process, one thread
//!   publisher ─── 1 stream of VP8 ───► Endpoint ─► recv ─► send_packet ─┐
//!   100 viewers ◄──────────────── 100 streams, each with keys of its own┘
//! ```
//!
//! `cargo bench -p peer --bench forwarding` prints a line for each rate of the publisher. Publisher and
//! viewers live in a process of their own, so that time and memory measured here are the
//! forwarder's. "Per core" is packets divided by processor time, which does not depend on what else
//! the machine does.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints what it finds"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::media::{Codec, EncodedFrame, MediaKind, ReceiveMode, Received, TransceiverInit};
use peer::{
    Certificate, Config, Direction, Endpoint, PeerConnection, SessionDescription, Transceiver,
};
use srtp::RtpTimestamp;

const VIEWERS: usize = 100;

/// What the publisher sends, in bits a second.
const RATES: [u64; 4] = [250_000, 1_000_000, 2_500_000, 5_000_000];

/// Until the congestion control of a hundred viewers has found that there is room.
const WARM_UP: Duration = Duration::from_secs(4);

/// How long each rate is measured.
const MEASURED: Duration = Duration::from_secs(5);

/// The argument that makes the other process.
const CLIENTS: &str = "--publisher-and-viewers";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::args().any(|argument| argument == CLIENTS) {
        runtime.block_on(clients());
    } else {
        runtime.block_on(forward());
    }
}

async fn forward() {
    let mut clients = Clients::start();
    let endpoint = Endpoint::bind(0).await.unwrap();
    let (publisher, source) = clients.connect(&endpoint, Direction::RecvOnly, "publish").await;
    source.set_receive_mode(ReceiveMode::Packets).await.unwrap();
    let before = resident();
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(clients.connect(&endpoint, Direction::SendOnly, "view").await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = (resident() - before) / VIEWERS as f64;

    let forwarded = Arc::new(AtomicU64::new(0));
    let targets: Vec<Transceiver> = viewers.iter().map(|(_, track)| track.clone()).collect();
    let count = Arc::clone(&forwarded);
    let forwarder = tokio::spawn(async move {
        while let Some(received) = source.recv().await {
            let Received::Packet(packet) = received else { continue };
            for target in &targets {
                target.send_packet(Arc::clone(&packet)).unwrap();
            }
            count.fetch_add(targets.len() as u64, Ordering::Relaxed);
        }
    });

    println!("one publisher, {VIEWERS} viewers, VP8 over AES-128-GCM; the forwarder on one thread");
    println!(
        "{:>12} {:>12} {:>9} {:>16} {:>9}",
        "Mbit/s each", "packets/s", "core", "packets/s/core", "lost"
    );
    for rate in RATES {
        clients.ask(&format!("rate {rate}"));
        tokio::time::sleep(WARM_UP).await;
        let (start, time) = (Instant::now(), processor_time());
        let (sent, received) = (forwarded.load(Ordering::Relaxed), clients.received());
        tokio::time::sleep(MEASURED).await;
        let (elapsed, time) = (start.elapsed().as_secs_f64(), processor_time() - time);
        let sent = (forwarded.load(Ordering::Relaxed) - sent) as f64;
        let received = (clients.received() - received) as f64;
        println!(
            "{:>12.2} {:>12.0} {:>8.0}% {:>16.0} {:>8.2}%",
            rate as f64 / 1e6,
            received / elapsed,
            time / elapsed * 100.0,
            received / time,
            (sent - received).max(0.0) / sent * 100.0,
        );
    }
    let busy = (resident() - before) / VIEWERS as f64;
    println!("memory per viewer: {:.1} KiB idle, {:.1} KiB watching", idle / 1024.0, busy / 1024.0);
    publisher.close().await;
    forwarder.abort();
}

/// The process with the other ends: a command a line, an answer a line.
struct Clients {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Clients {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.arg(CLIENTS).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers }
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }

    fn received(&mut self) -> u64 {
        self.ask("received").trim().parse().unwrap()
    }

    /// A connection with one of them.
    async fn connect(
        &mut self,
        endpoint: &Endpoint,
        direction: Direction,
        command: &str,
    ) -> (PeerConnection, Transceiver) {
        let connection = endpoint.connection(config()).unwrap();
        let init = TransceiverInit { direction, codecs: vec![Codec::Vp8], ..Default::default() };
        let track = connection.add_transceiver(MediaKind::Video, init).await.unwrap();
        let offer = connection.create_offer().await.unwrap();
        connection.set_local_description(offer).await.unwrap();
        let offer = connection.local_description().await.unwrap();
        let offer = serde_json::to_string(&offer).unwrap();
        let answer = self.ask(&format!("{command} {offer}"));
        let answer = serde_json::from_str(&answer).unwrap();
        connection.set_remote_description(answer).await.unwrap();
        connection.connected().await.unwrap();
        (connection, track)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process.
async fn clients() {
    let received = Arc::new(AtomicU64::new(0));
    let rate = Arc::new(AtomicU64::new(0));
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            lines.send(line.unwrap()).unwrap();
        }
    });
    let mut kept = Vec::new();
    while let Some(line) = commands.recv().await {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "publish" => {
                let (connection, track, answer) = answer(rest, Direction::SendOnly).await;
                tokio::spawn(publish(track, Arc::clone(&rate)));
                kept.push(connection);
                println!("{answer}");
            }
            "view" => {
                let (connection, track, answer) = answer(rest, Direction::RecvOnly).await;
                track.set_receive_mode(ReceiveMode::Packets).await.unwrap();
                tokio::spawn(view(track, Arc::clone(&received)));
                kept.push(connection);
                println!("{answer}");
            }
            "rate" => {
                rate.store(rest.parse().unwrap(), Ordering::Relaxed);
                println!();
            }
            _ => println!("{}", received.load(Ordering::Relaxed)),
        }
    }
}

/// A connection of its own socket: two between the same two sockets would be one.
async fn answer(offer: &str, direction: Direction) -> (PeerConnection, Transceiver, String) {
    let connection = PeerConnection::new(config()).await.unwrap();
    let offer: SessionDescription = serde_json::from_str(offer).unwrap();
    connection.set_remote_description(offer).await.unwrap();
    let track = connection.transceivers().await.unwrap().remove(0);
    track.set_direction(direction).await.unwrap();
    let answer = connection.create_answer().await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    let answer = connection.local_description().await.unwrap();
    (connection, track, serde_json::to_string(&answer).unwrap())
}

/// Frames of the rate asked for, 30 a second.
async fn publish(track: Transceiver, rate: Arc<AtomicU64>) {
    let mut ticks = tokio::time::interval(Duration::from_nanos(33_333_333));
    let mut timestamp = 0_u32;
    loop {
        ticks.tick().await;
        let octets = rate.load(Ordering::Relaxed) as usize / 8 / 30;
        timestamp = timestamp.wrapping_add(3_000);
        if octets > 10 {
            let mut payload = vec![7; octets];
            // A key frame of VP8, RFC 6386 §9.1.
            payload[..10].copy_from_slice(&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0]);
            let (payload, timestamp) = (Bytes::from(payload), RtpTimestamp(timestamp));
            let _ = track.send_frame(EncodedFrame { payload, timestamp, rid: None });
        }
    }
}

async fn view(track: Transceiver, count: Arc<AtomicU64>) {
    while track.recv().await.is_some() {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One certificate for all: making one is none of what is measured.
fn config() -> Config {
    static CERTIFICATE: std::sync::OnceLock<Arc<Certificate>> = std::sync::OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Arc::new(Certificate::generate().unwrap()));
    Config { certificate: Some(Arc::clone(certificate)), ..Config::default() }
}

/// Seconds that this thread, which does everything, has run.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Octets of resident memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
