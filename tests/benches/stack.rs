//! The whole stack's figures: `cargo bench -p tests --bench stack`.
//!
//! Two connections in one process, first in memory (one thread, no socket, so the protocol's own
//! cost), then over real sockets on loopback with the tokio driver, both ends on this machine. It
//! prints a table for the book's chapter on speed. Figures are of this machine at this moment: compare
//! within one run only.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark stops when something is wrong, and prints"
)]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peer::driver::Endpoint;
use peer::{
    ChannelId, Config, Connection, DataChannel, DataChannelInit, Datagram, Event, Message,
    PeerConnection, PeerEvent,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Octets sent for one figure of throughput.
const BULK: usize = 256 << 20;
/// Messages sent for one figure of messages a second.
const SMALL_MESSAGES: usize = 1_000_000;
/// Round trips for one figure of latency.
const ROUND_TRIPS: usize = 20_000;
/// Connections opened for the time to open.
const OPENINGS: usize = 100;
/// Idle connections for the memory of one.
const IDLE: usize = 500;

fn main() {
    // `cargo test --benches` runs this with `--test`: then one small round shows that it works.
    let quick = std::env::args().any(|argument| argument == "--test");
    let share = if quick { 64 } else { 1 };
    println!("in memory, one thread");
    for size in [65_536, 16_384, 1_200] {
        let mut pair = Pair::open();
        let rate = pair.transfer(size, BULK / share / size);
        println!("  {size:>6}-octet messages   {:>8.1} MB/s", rate * size as f64 / 1e6);
    }
    let rate = Pair::open().transfer(64, SMALL_MESSAGES / share);
    println!("  {:>6}-octet messages   {rate:>8.0} messages/s", 64);

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(loopback(share));
}

/// Two connections that hand each other their datagrams.
struct Pair {
    now: Instant,
    sender: Connection,
    receiver: Connection,
    channel: ChannelId,
    incoming: ChannelId,
}

impl Pair {
    fn open() -> Self {
        let now = Instant::now();
        let new =
            |seed| Connection::new(now, Config::default(), StdRng::seed_from_u64(seed)).unwrap();
        let (mut sender, mut receiver) = (new(1), new(2));
        sender.add_local_address(now, "192.0.2.1:1000".parse().unwrap());
        receiver.add_local_address(now, "192.0.2.2:2000".parse().unwrap());
        let channel = sender.create_data_channel(now, "bulk", DataChannelInit::default()).unwrap();
        let offer = sender.create_offer(now).unwrap();
        sender.set_local_description(now, offer.clone()).unwrap();
        receiver.set_remote_description(now, offer).unwrap();
        let answer = receiver.create_answer(now).unwrap();
        receiver.set_local_description(now, answer.clone()).unwrap();
        sender.set_remote_description(now, answer).unwrap();
        let mut pair = Self { now, sender, receiver, channel, incoming: channel };
        let deadline = now + Duration::from_secs(5);
        while pair.now < deadline {
            pair.exchange();
            while let Some(event) = pair.receiver.poll_event() {
                if let Event::DataChannel(incoming) = event {
                    pair.incoming = incoming;
                    while pair.sender.poll_event().is_some() {}
                    return pair;
                }
            }
            pair.now += Duration::from_millis(10);
            pair.sender.handle_timeout(pair.now);
            pair.receiver.handle_timeout(pair.now);
        }
        panic!("the pair does not open");
    }

    /// Hands datagrams over until both are silent.
    fn exchange(&mut self) {
        while carry(&mut self.sender, &mut self.receiver, self.now)
            | carry(&mut self.receiver, &mut self.sender, self.now)
        {}
    }

    /// Sends `count` messages and returns how many arrived in a second.
    fn transfer(&mut self, size: usize, count: usize) -> f64 {
        let message = Message::binary(vec![7; size]);
        let (mut sent, mut received) = (0, 0);
        let begun = Instant::now();
        while received < count {
            self.now += Duration::from_micros(50);
            while sent < count && self.sender.send(self.now, self.channel, message.clone()).is_ok()
            {
                sent += 1;
            }
            carry(&mut self.sender, &mut self.receiver, self.now);
            while let Some(message) = self.receiver.recv(self.now, self.incoming) {
                assert_eq!(message.len(), size);
                received += 1;
            }
            while self.receiver.poll_event().is_some() {}
            carry(&mut self.receiver, &mut self.sender, self.now);
            while self.sender.poll_event().is_some() {}
            self.sender.handle_timeout(self.now);
            self.receiver.handle_timeout(self.now);
        }
        count as f64 / begun.elapsed().as_secs_f64()
    }
}

/// Carries what `from` has to send, at most a socket buffer's worth. Answers whether there was any.
fn carry(from: &mut Connection, to: &mut Connection, now: Instant) -> bool {
    let mut any = false;
    for _ in 0..256 {
        let Some(transmit) = from.poll_transmit(now) else { break };
        any = true;
        let datagram = Datagram {
            local: transmit.remote,
            remote: transmit.local,
            payload: BytesMut::from(transmit.payload),
        };
        to.handle_datagram(now, datagram).unwrap();
    }
    any
}

/// Two connections over sockets, and the channel between them at both ends.
struct Call {
    offerer: PeerConnection,
    answerer: PeerConnection,
    channel: DataChannel,
    incoming: DataChannel,
}

async fn call(offering: &Endpoint, answering: &Endpoint) -> Call {
    let offerer = offering.connection(Config::default()).unwrap();
    let answerer = answering.connection(Config::default()).unwrap();
    let channel = offerer.create_data_channel("bench", DataChannelInit::default()).await.unwrap();
    let offer = offerer.create_offer().await.unwrap();
    offerer.set_local_description(offer).await.unwrap();
    let offer = offerer.local_description().await.unwrap().unwrap();
    answerer.set_remote_description(offer).await.unwrap();
    let answer = answerer.create_answer().await.unwrap();
    answerer.set_local_description(answer).await.unwrap();
    let answer = answerer.local_description().await.unwrap().unwrap();
    offerer.set_remote_description(answer).await.unwrap();
    channel.opened().await.unwrap();
    let incoming = loop {
        match answerer.next_event().await.expect("the call lives") {
            PeerEvent::DataChannel(incoming) => break incoming,
            _ => continue,
        }
    };
    Call { offerer, answerer, channel, incoming }
}

async fn loopback(share: usize) {
    println!("over loopback, both ends in one process");
    let (offering, answering) =
        (Endpoint::bind(0).await.unwrap(), Endpoint::bind(0).await.unwrap());

    // Time to open, certificate included.
    let mut times = Vec::new();
    for _ in 0..(OPENINGS / share).max(3) {
        let begun = Instant::now();
        let call = call(&offering, &answering).await;
        times.push(begun.elapsed());
        call.offerer.close().await;
    }
    println!("  offer to open           {}", percentiles(&mut times));

    for size in [65_536, 16_384, 1_200] {
        let rate = throughput(&offering, &answering, size, BULK / share / size).await;
        println!("  {size:>6}-octet messages   {:>8.1} MB/s", rate * size as f64 / 1e6);
    }
    let rate = throughput(&offering, &answering, 64, SMALL_MESSAGES / share).await;
    println!("  {:>6}-octet messages   {rate:>8.0} messages/s", 64);

    let pair = call(&offering, &answering).await;
    let echo = tokio::spawn({
        let incoming = pair.incoming.clone();
        async move {
            while let Some(message) = incoming.recv().await {
                if incoming.send(message).await.is_err() {
                    break;
                }
            }
        }
    });
    let ping = Message::binary(Bytes::from_static(&[1; 64]));
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..(ROUND_TRIPS / share).max(100) {
        let begun = Instant::now();
        pair.channel.send(ping.clone()).await.unwrap();
        pair.channel.recv().await.unwrap();
        times.push(begun.elapsed());
    }
    println!("  ping-pong               {}", percentiles(&mut times));
    pair.offerer.close().await;
    pair.answerer.close().await;
    echo.abort();

    // Resident memory of idle connections; both ends of each call are ours.
    let calls_wanted = (IDLE / share / 2).max(5);
    let before = resident_octets();
    let mut calls = Vec::with_capacity(calls_wanted);
    for _ in 0..calls_wanted {
        calls.push(call(&offering, &Endpoint::bind(0).await.unwrap()).await);
    }
    let each = resident_octets().saturating_sub(before) / (2 * calls_wanted);
    println!("  idle connection         {:>8.1} KiB", each as f64 / 1024.0);
    for call in calls {
        call.offerer.close().await;
    }
}

async fn throughput(offering: &Endpoint, answering: &Endpoint, size: usize, count: usize) -> f64 {
    let call = call(offering, answering).await;
    let message = Message::binary(vec![7; size]);
    let begun = Instant::now();
    let sending = tokio::spawn({
        let channel = call.channel.clone();
        async move {
            for _ in 0..count {
                channel.send(message.clone()).await.unwrap();
            }
        }
    });
    for _ in 0..count {
        assert_eq!(call.incoming.recv().await.unwrap().len(), size);
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    sending.await.unwrap();
    call.offerer.close().await;
    call.answerer.close().await;
    rate
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}

/// Resident memory of this process, as Linux counts it.
fn resident_octets() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
