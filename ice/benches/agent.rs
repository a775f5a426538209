//! What a session costs while it runs: the peer's consent checks, and the question asked of every
//! datagram, whether its source is validated.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use ice::{Agent, Config, Datagram, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

struct Session {
    now: Instant,
    agent: Agent,
    local: SocketAddr,
    remote: SocketAddr,
    /// A check as the peer sends it.
    check: Bytes,
}

/// An agent that is connected, and has `others` more pairs on which the peer was heard.
fn session(others: u16) -> Session {
    let now = Instant::now();
    let (local, remote) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let mut agent = Agent::new(Config::new(Role::Controlled), StdRng::seed_from_u64(1));
    let mut peer = Agent::new(Config::new(Role::Controlling), StdRng::seed_from_u64(2));
    let candidate = agent.add_local_candidate(now, local).unwrap();
    peer.add_local_candidate(now, remote).unwrap();
    agent.set_remote_credentials(now, peer.local_credentials().clone()).unwrap();
    peer.set_remote_credentials(now, agent.local_credentials().clone()).unwrap();
    peer.add_remote_candidate(now, candidate).unwrap();
    let check = peer.poll_transmit(now).unwrap().payload;
    let datagram = |remote| Datagram::udp(local, remote, &check);
    agent.handle_datagram(now, datagram(remote)).unwrap();
    while let Some(packet) = agent.poll_transmit(now) {
        let payload = &packet.payload;
        peer.handle_datagram(now, Datagram::udp(remote, local, payload)).unwrap();
        while let Some(packet) = peer.poll_transmit(now) {
            let payload = &packet.payload;
            agent.handle_datagram(now, Datagram::udp(local, remote, payload)).unwrap();
        }
    }
    assert!(agent.selected_pair().is_some());
    for port in 0..others {
        let other = SocketAddr::new(remote.ip(), 1000 + port);
        agent.handle_datagram(now, datagram(other)).unwrap();
        while agent.poll_transmit(now).is_some() {}
    }
    Session { now, agent, local, remote, check }
}

#[divan::bench(args = [0, 99])]
fn answer_a_check(bencher: divan::Bencher<'_, '_>, others: u16) {
    let mut it = session(others);
    bencher.bench_local(|| {
        let datagram = Datagram::udp(it.local, it.remote, &it.check);
        it.agent.handle_datagram(it.now, datagram).unwrap();
        it.agent.poll_transmit(it.now).unwrap()
    });
}

#[divan::bench]
fn drop_a_stranger(bencher: divan::Bencher<'_, '_>) {
    let mut it = session(0);
    let mut forged = it.check.to_vec();
    if let Some(octet) = forged.last_mut() {
        *octet ^= 1;
    }
    let remote = "198.51.100.1:1".parse().unwrap();
    bencher.bench_local(|| {
        let datagram = Datagram::udp(it.local, remote, &forged);
        it.agent.handle_datagram(it.now, datagram).is_err()
    });
}

#[divan::bench(args = [0, 99])]
fn is_validated_on_the_selected_pair(bencher: divan::Bencher<'_, '_>, others: u16) {
    let it = session(others);
    bencher.bench_local(|| it.agent.is_validated(ice::Path::udp(it.local, it.remote)));
}

#[divan::bench(args = [0, 99])]
fn is_validated_elsewhere(bencher: divan::Bencher<'_, '_>, others: u16) {
    let it = session(others);
    let remote = "198.51.100.1:1".parse().unwrap();
    bencher.bench_local(|| it.agent.is_validated(ice::Path::udp(it.local, remote)));
}

#[divan::bench(args = [0, 99])]
fn poll_timeout(bencher: divan::Bencher<'_, '_>, others: u16) {
    let it = session(others);
    bencher.bench_local(|| it.agent.poll_timeout());
}
