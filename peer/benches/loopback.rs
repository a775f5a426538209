//! The speed of whole connections over real sockets on loopback: both ends in this process, each
//! with a socket of its own, all layers in between.
//!
//! `cargo bench -p peer --bench loopback [FILTER]` prints one line for each figure. What the best of
//! nine other stacks do on two cores: 64 KiB messages 172 MB/s (the next best 100), 64-octet
//! messages 390,000 a second, ping-pong 40 to 50 µs, open after 5 ms, 48 KiB for an idle connection.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints what it finds"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{Config, DataChannel, DataChannelInit, Message, PeerConnection, PeerEvent};

/// How long each of the figures of throughput is measured.
const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    for size in [65_536, 16_384, 1_200] {
        let name = format!("throughput, messages of {size} octets");
        if wanted(&name) {
            let (octets, _) = runtime.block_on(stream(size));
            println!("{name:<44} {:>10.1} MB/s", octets / 1e6);
        }
    }
    let name = "messages of 64 octets";
    if wanted(name) {
        let (_, messages) = runtime.block_on(stream(64));
        println!("{name:<44} {messages:>10.0} /s");
    }
    let name = "ping-pong, 64 octets";
    if wanted(name) {
        let mut times = runtime.block_on(ping_pong(20_000));
        println!("{name:<44} {:>10}", percentiles(&mut times));
    }
    let name = "from offer to open";
    if wanted(name) {
        let mut times = runtime.block_on(open(100));
        println!("{name:<44} {:>10}", percentiles(&mut times));
    }
    let name = "memory of an idle connection";
    if wanted(name)
        && let Some(octets) = runtime.block_on(memory(500))
    {
        println!("{name:<44} {:>10.1} KiB", octets / 1024.0);
    }
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    format!("p50 {:?}, p99 {:?}", at(0.5), at(0.99))
}

struct Pair {
    ours: PeerConnection,
    theirs: PeerConnection,
    channel: DataChannel,
    remote: DataChannel,
}

async fn connected() -> Pair {
    let ours = PeerConnection::new(Config::default()).await.unwrap();
    let theirs = PeerConnection::new(Config::default()).await.unwrap();
    let channel = ours.create_data_channel("benchmark", DataChannelInit::default()).await.unwrap();
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer).await.unwrap();
    let offer = ours.local_description().await.unwrap().unwrap();
    theirs.set_remote_description(offer).await.unwrap();
    let answer = theirs.create_answer().await.unwrap();
    theirs.set_local_description(answer).await.unwrap();
    let answer = theirs.local_description().await.unwrap().unwrap();
    ours.set_remote_description(answer).await.unwrap();
    channel.opened().await.unwrap();
    let remote = loop {
        if let PeerEvent::DataChannel(channel) = theirs.next_event().await.unwrap() {
            break channel;
        }
    };
    Pair { ours, theirs, channel, remote }
}

/// Octets and messages a second, in one direction.
async fn stream(size: usize) -> (f64, f64) {
    let pair = connected().await;
    let channel = pair.channel.clone();
    let writer = tokio::spawn(async move {
        let message = Message::Binary(Bytes::from(vec![7; size]));
        while channel.send(message.clone()).await.is_ok() {}
    });
    let remote = pair.remote.clone();
    let reader = tokio::spawn(async move {
        // Until the congestion window has found its size.
        let begin = Instant::now() + Duration::from_millis(300);
        while Instant::now() < begin {
            remote.recv().await.unwrap();
        }
        let (start, mut messages) = (Instant::now(), 0_u32);
        while start.elapsed() < MEASURED {
            remote.recv().await.unwrap();
            messages += 1;
        }
        f64::from(messages) / start.elapsed().as_secs_f64()
    });
    let messages = reader.await.unwrap();
    pair.ours.close().await;
    writer.await.unwrap();
    (messages * size as f64, messages)
}

async fn ping_pong(rounds: usize) -> Vec<Duration> {
    let Pair { channel, remote, ours, theirs } = connected().await;
    let echo = tokio::spawn(async move {
        while let Some(message) = remote.recv().await {
            remote.send(message).await.unwrap();
        }
    });
    let times = tokio::spawn(async move {
        let message = Message::Binary(Bytes::from_static(&[7; 64]));
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let start = Instant::now();
            channel.send(message.clone()).await.unwrap();
            channel.recv().await.unwrap();
            times.push(start.elapsed());
        }
        times
    });
    let times = times.await.unwrap();
    ours.close().await;
    echo.await.unwrap();
    drop(theirs);
    times
}

async fn open(count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let pair = tokio::spawn(connected()).await.unwrap();
        times.push(start.elapsed());
        pair.ours.close().await;
    }
    times
}

/// Octets of resident memory for each connection, with its socket and one channel; `None` where
/// the system does not say.
async fn memory(pairs: usize) -> Option<f64> {
    let mut kept = vec![connected().await];
    let before = resident()?;
    for _ in 0..pairs {
        kept.push(connected().await);
    }
    // What was only needed to connect goes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = resident()?;
    drop(kept);
    Some((after - before) / (2 * pairs) as f64)
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0)
}
