//! How long a handshake takes, and how fast records are sealed and opened.
//!
//! `cargo bench -p dtls`. Two connections in one thread, no network in between: a handshake's figure is the
//! work of both sides. Records are of 1,200 octets, as SCTP makes them, and of 16 kB, the largest.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a benchmark

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use divan::Bencher;
use divan::counter::BytesCount;
use dtls::wire::CipherSuite;
use dtls::{Certificate, Config, Connection, HashAlgorithm, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Payloads in one round of a benchmark.
const BURST: usize = 100;

fn certificates() -> &'static [Arc<Certificate>; 2] {
    static BOTH: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    BOTH.get_or_init(|| [(); 2].map(|()| Arc::new(Certificate::generate().unwrap())))
}

fn pair(suite: CipherSuite) -> (Connection, Connection) {
    let [one, other] = certificates();
    let now = Instant::now();
    let end = |role, ours: &Arc<Certificate>, theirs: &Arc<Certificate>| {
        let expected = vec![theirs.fingerprint(HashAlgorithm::Sha256)];
        let mut config = Config::new(role, Arc::clone(ours), expected);
        config.cipher_suites = vec![suite];
        Connection::new(now, config, StdRng::seed_from_u64(1))
    };
    (end(Role::Client, one, other), end(Role::Server, other, one))
}

fn connect(client: &mut Connection, server: &mut Connection) {
    let now = Instant::now();
    while client.info().is_none() || server.info().is_none() {
        while let Some(datagram) = client.poll_transmit(now) {
            server.handle_datagram(now, BytesMut::from(datagram)).unwrap();
        }
        while let Some(datagram) = server.poll_transmit(now) {
            client.handle_datagram(now, BytesMut::from(datagram)).unwrap();
        }
    }
}

fn connected(suite: CipherSuite) -> (Connection, Connection) {
    let (mut client, mut server) = pair(suite);
    connect(&mut client, &mut server);
    (client, server)
}

/// Both sides, certificates made before.
#[divan::bench]
fn handshake(bencher: Bencher<'_, '_>) {
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    bencher.with_inputs(|| pair(suite)).bench_values(|(mut client, mut server)| {
        connect(&mut client, &mut server);
        (client, server)
    });
}

#[divan::bench]
fn certificate() -> Certificate {
    Certificate::generate().unwrap()
}

/// `send` and `poll_transmit`.
#[divan::bench(args = SUITES, consts = [1200, 16384])]
fn seal<const LENGTH: usize>(bencher: Bencher<'_, '_>, suite: CipherSuite) {
    let (mut client, _server) = connected(suite);
    let (payload, now) = (vec![7; LENGTH], Instant::now());
    bencher.counter(BytesCount::new(BURST * LENGTH)).bench_local(|| {
        for _ in 0..BURST {
            client.send(now, &payload).unwrap();
            divan::black_box(client.poll_transmit(now));
        }
    });
}

/// `handle_datagram` and `recv`.
#[divan::bench(args = SUITES, consts = [1200, 16384])]
fn open<const LENGTH: usize>(bencher: Bencher<'_, '_>, suite: CipherSuite) {
    let (client, server) = connected(suite);
    let ends = std::cell::RefCell::new((client, server));
    let (payload, now) = (vec![7; LENGTH], Instant::now());
    bencher
        .counter(BytesCount::new(BURST * LENGTH))
        .with_inputs(|| -> Vec<BytesMut> {
            let (client, _) = &mut *ends.borrow_mut();
            (0..BURST)
                .map(|_| {
                    client.send(now, &payload).unwrap();
                    BytesMut::from(client.poll_transmit(now).unwrap())
                })
                .collect()
        })
        .bench_local_values(|datagrams| {
            let (_, server) = &mut *ends.borrow_mut();
            datagrams
                .into_iter()
                .map(|datagram| {
                    server.handle_datagram(now, datagram).unwrap();
                    server.recv().unwrap()
                })
                .collect::<Vec<Bytes>>()
        });
}
