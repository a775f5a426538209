//! SCTP alone, in memory: no DTLS, no sockets, both ends in one thread.
//!
//! `cargo bench -p sctp`. Bytes are the application's, counted once; both ends' work is in the time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark that fails panics"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::channel::{
    ChannelId, ChannelOptions, Config, DataChannels, Event, Payload, Role, SendError, Start,
};
use sctp::wire::{Chunk, CommonHeader, Data, Packet, PacketWriter, Port, Ppid, Ssn, StreamId, Tsn};

fn main() {
    divan::main();
}

/// Two ends with one channel open.
struct Pair {
    now: Instant,
    ends: [DataChannels; 2],
    channels: [ChannelId; 2],
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let mut ends =
            [1, 2].map(|seed| DataChannels::new(Config::default(), StdRng::seed_from_u64(seed)));
        let channel = ends[0].open(now, ChannelOptions::new("bench")).unwrap();
        for (end, role) in ends.iter_mut().zip([Role::Client, Role::Server]) {
            let remote_max_message_size = Some(1 << 20);
            end.start(now, Start { role, remote_port: Port(5000), remote_max_message_size });
        }
        let mut pair = Self { now, ends, channels: [channel; 2] };
        pair.carry();
        while let Some(event) = pair.ends[1].poll_event() {
            if let Event::Incoming(id) = event {
                pair.channels[1] = id;
            }
        }
        pair
    }

    /// Carries packets both ways until there are none, a burst at a time.
    fn carry(&mut self) {
        loop {
            self.now += Duration::from_micros(50);
            let mut quiet = true;
            for (from, to) in [(0, 1), (1, 0)] {
                for _ in 0..32 {
                    let Some(packet) = self.ends[from].poll_transmit(self.now) else { break };
                    self.ends[to].handle_datagram(self.now, packet).unwrap();
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
            while self.ends[1].poll_event().is_some() {}
            while self.ends[1].recv(self.now, self.channels[1]).is_some() {}
        }
    }

    /// Sends `count` messages and delivers them.
    fn transfer(&mut self, message: &Payload, count: usize) {
        for _ in 0..count {
            loop {
                match self.ends[0].send(self.now, self.channels[0], message.clone()) {
                    Ok(()) => break,
                    Err(SendError::BufferFull) => self.carry(),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        self.carry();
        while self.ends[0].poll_event().is_some() {}
        assert_eq!(self.ends[0].buffered_amount(self.channels[0]), 0);
    }
}

/// Bulk: four mebibytes in messages of this size.
#[divan::bench(args = [262_144, 65_536, 16_384, 1_200])]
fn bulk(bencher: Bencher, size: usize) {
    let mut pair = Pair::new();
    let message = Payload::binary(vec![7; size]);
    let count = (4 << 20) / size;
    pair.transfer(&message, count);
    bencher.counter(BytesCount::new(count * size)).bench_local(|| pair.transfer(&message, count));
}

/// Ten thousand messages of 64 octets.
#[divan::bench]
fn messages_of_64(bencher: Bencher) {
    let mut pair = Pair::new();
    let message = Payload::binary(vec![7; 64]);
    pair.transfer(&message, 10_000);
    bencher.counter(ItemsCount::new(10_000usize)).bench_local(|| pair.transfer(&message, 10_000));
}

/// One message there and one back.
#[divan::bench]
fn ping_pong(bencher: Bencher) {
    let mut pair = Pair::new();
    let message = Payload::binary(vec![7; 64]);
    bencher.bench_local(|| {
        for (from, to) in [(0, 1), (1, 0)] {
            pair.ends[from].send(pair.now, pair.channels[from], message.clone()).unwrap();
            while let Some(packet) = pair.ends[from].poll_transmit(pair.now) {
                pair.ends[to].handle_datagram(pair.now, packet).unwrap();
            }
            assert!(pair.ends[to].recv(pair.now, pair.channels[to]).is_some());
        }
        pair.now += Duration::from_micros(50);
    });
}

/// From two new ends to an open channel.
#[divan::bench]
fn handshake() {
    divan::black_box(Pair::new());
}

/// A thousand channels on one association, one message on each.
#[divan::bench]
fn a_thousand_channels(bencher: Bencher) {
    bencher.bench_local(|| {
        let mut pair = Pair::new();
        let channels: Vec<ChannelId> = (0..1_000)
            .map(|_| pair.ends[0].open(pair.now, ChannelOptions::new("one of many")).unwrap())
            .collect();
        pair.carry();
        for id in channels {
            pair.ends[0].send(pair.now, id, Payload::text("hello")).unwrap();
        }
        pair.carry();
    });
}

fn data_packet() -> Bytes {
    let header = CommonHeader {
        source_port: Port(5000),
        destination_port: Port(5000),
        verification_tag: sctp::wire::VerificationTag(1),
    };
    let mut writer = PacketWriter::new(&header, 1191);
    assert!(writer.push(&data(Bytes::from(vec![7; 1_160]))));
    writer.finish()
}

fn data(payload: Bytes) -> Data {
    Data {
        immediate: false,
        unordered: false,
        beginning: false,
        ending: false,
        tsn: Tsn(1),
        stream: StreamId(1),
        ssn: Ssn(1),
        ppid: Ppid::BINARY,
        payload,
    }
}

/// Checksum and framing of one full packet.
#[divan::bench]
fn parse_packet(bencher: Bencher) {
    let packet = data_packet();
    bencher.counter(BytesCount::new(packet.len())).bench_local(|| {
        let parsed = Packet::parse(divan::black_box(&packet)).unwrap();
        assert!(matches!(parsed.chunks[0], Chunk::Data(_)));
    });
}

/// One full packet and its checksum.
#[divan::bench]
fn write_packet(bencher: Bencher) {
    let length = data_packet().len();
    bencher.counter(BytesCount::new(length)).bench_local(data_packet);
}
