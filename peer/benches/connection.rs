//! Two whole connections in memory: what the layers cost when no socket and no scheduler is there.
//!
//! `cargo bench -p peer --bench connection`
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use peer::{Certificate, ChannelId, Config, Connection, Datagram, Event, Message};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Octets that wait in the sender before it pauses: as a browser's page does it.
const BUFFERED: usize = 1 << 20;

fn main() {
    divan::main();
}

/// Both ends, and a clock that goes on 100 µs with each turn.
struct Pair {
    now: Instant,
    ends: [Connection; 2],
    ours: ChannelId,
    theirs: ChannelId,
}

fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::generate().unwrap())
}

impl Pair {
    /// From nothing to an open channel.
    fn open(certificate: &Arc<Certificate>) -> Self {
        let now = Instant::now();
        let mut ends = [1, 2].map(|seed| {
            let config = Config { certificate: Some(Arc::clone(certificate)), ..Config::default() };
            Connection::new(now, config, StdRng::seed_from_u64(seed)).unwrap()
        });
        ends[0].add_local_candidate(now, "192.0.2.1:1000".parse::<std::net::SocketAddr>().unwrap());
        ends[1].add_local_candidate(now, "192.0.2.2:2000".parse::<std::net::SocketAddr>().unwrap());
        let ours = ends[0].create_data_channel(now, "bench", Default::default()).unwrap();
        let offer = ends[0].create_offer(now).unwrap();
        ends[0].set_local_description(now, offer.clone()).unwrap();
        ends[1].set_remote_description(now, offer).unwrap();
        let answer = ends[1].create_answer(now).unwrap();
        ends[1].set_local_description(now, answer.clone()).unwrap();
        ends[0].set_remote_description(now, answer).unwrap();
        let mut pair = Self { now, ends, ours, theirs: ours };
        loop {
            pair.turn();
            while let Some(event) = pair.ends[1].poll_event() {
                if let Event::DataChannel(id) = event {
                    pair.theirs = id;
                    return pair;
                }
            }
        }
    }

    /// Carries datagrams until there are none, then lets a little time pass.
    fn turn(&mut self) {
        let mut carried = true;
        while carried {
            carried = false;
            for end in [0, 1] {
                while let Some(transmit) = self.ends[end].poll_transmit(self.now) {
                    carried = true;
                    let payload = transmit.payload.try_into_mut();
                    let payload = payload.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                    let (local, remote) = (transmit.remote, transmit.local);
                    let datagram = Datagram::udp(local, remote, payload);
                    let _ = self.ends[1 - end].handle_datagram(self.now, datagram);
                }
            }
        }
        self.now += Duration::from_micros(100);
        for end in &mut self.ends {
            if end.poll_timeout().is_some_and(|timer| timer <= self.now) {
                end.handle_timeout(self.now);
            }
        }
    }

    /// Sends `count` messages and waits until all were read.
    fn transfer(&mut self, payload: &Bytes, count: usize) {
        let (mut sent, mut received) = (0, 0);
        while received < count {
            while sent < count && self.ends[0].buffered_amount(self.ours) < BUFFERED {
                let message = Message::Binary(payload.clone());
                if self.ends[0].send(self.now, self.ours, message).is_err() {
                    break;
                }
                sent += 1;
            }
            self.turn();
            while self.ends[1].recv(self.now, self.theirs).is_some() {
                received += 1;
            }
            for end in &mut self.ends {
                while end.poll_event().is_some() {}
            }
        }
    }
}

#[divan::bench(args = [65_536, 16_384, 1_200, 64], sample_count = 20)]
fn messages(bencher: Bencher<'_, '_>, size: usize) {
    let mut pair = Pair::open(&certificate());
    let payload = Bytes::from(vec![7; size]);
    let count = ((16 << 20) / size).min(50_000);
    bencher
        .counter(BytesCount::new(size * count))
        .counter(ItemsCount::new(count))
        .bench_local(|| pair.transfer(black_box(&payload), count));
}

#[divan::bench]
fn ping_pong(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::open(&certificate());
    let ping = Message::text("ping");
    bencher.bench_local(|| {
        for (from, to) in [(0, 1), (1, 0)] {
            let channels = [pair.ours, pair.theirs];
            pair.ends[from].send(pair.now, channels[from], ping.clone()).unwrap();
            while pair.ends[to].recv(pair.now, channels[to]).is_none() {
                pair.turn();
                while pair.ends[to].poll_event().is_some() {}
            }
        }
    });
}

#[divan::bench(sample_count = 50)]
fn offer_to_open(bencher: Bencher<'_, '_>) {
    let certificate = certificate();
    bencher.bench(|| Pair::open(black_box(&certificate)));
}
