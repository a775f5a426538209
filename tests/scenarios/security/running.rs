//! Rows 4 to 6, 9, 56 and 58 to 61 on the running thing: the driver's endpoint with sockets on loopback.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peer::{Config, DataChannel, PeerConnection, PeerEvent, SessionDescription};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sctp::wire::{Data, Heartbeat, Ppid};
use srtp::{Ssrc, rtcp};
use tests::{Datagram, Endpoint};
use tokio::net::UdpSocket;

use super::rogue::{Rogue, open, packet, whole};
use super::talk::{self, OPUS, PICTURE, VOICE, VP8};
use crate::peer::config;

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Echoes whatever comes on any channel of a connection.
async fn serve(connection: PeerConnection) {
    while let Some(event) = connection.next_event().await {
        if let PeerEvent::DataChannel(channel) = event {
            tokio::spawn(async move {
                while let Some(message) = channel.recv().await {
                    if channel.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

/// The answer of a serving connection on the endpoint.
async fn answer(endpoint: &peer::Endpoint, offer: SessionDescription) -> SessionDescription {
    let theirs = endpoint.connection(config(1)).unwrap();
    theirs.set_remote_description(offer).await.unwrap();
    let answer = theirs.create_answer().await.unwrap();
    theirs.set_local_description(answer).await.unwrap();
    let answer = theirs.local_description().await.unwrap().unwrap();
    tokio::spawn(serve(theirs));
    answer
}

/// An honest client of the endpoint with an open channel.
async fn honest(endpoint: &peer::Endpoint) -> (PeerConnection, DataChannel) {
    let ours = PeerConnection::new(Config::default()).await.unwrap();
    let channel = ours.create_data_channel("honest", Default::default()).await.unwrap();
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer).await.unwrap();
    let offer = ours.local_description().await.unwrap().unwrap();
    ours.set_remote_description(answer(endpoint, offer).await).await.unwrap();
    soon("open", channel.opened()).await.unwrap();
    (ours, channel)
}

/// The median time for a message to come back.
async fn echo_time(channel: &DataChannel, count: usize) -> Duration {
    let mut times = Vec::new();
    for number in 0..count {
        let start = Instant::now();
        let text = peer::Message::text(format!("{number}"));
        channel.send(text.clone()).await.unwrap();
        assert_eq!(soon("the echo", channel.recv()).await, Some(text));
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// A rogue with a socket of its own.
struct OnWire {
    rogue: Rogue,
    socket: UdpSocket,
    local: SocketAddr,
    media: Option<srtp::Outbound>,
    number: u16,
}

impl OnWire {
    /// A rogue whose association with the endpoint is up.
    async fn established(endpoint: &peer::Endpoint) -> Self {
        let now = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let local = socket.local_addr().unwrap();
        let remote = SocketAddr::from(([127, 0, 0, 1], endpoint.port()));
        let role = dtls::Role::Server;
        let mut rogue = Rogue::alone(now, u64::from(local.port()), role, [local, remote]);
        let answer = answer(endpoint, rogue.offer("passive", &talk::SECTIONS)).await;
        let loopback = answer
            .sdp
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with("a=candidate") || line.contains(" 127.0.0.1 "));
        rogue.take_answer(now, role, &loopback.collect::<String>());
        let mut on_wire = Self { rogue, socket, local, media: None, number: 0 };
        soon("the rogue's association", async {
            while !on_wire.rogue.is_established() {
                on_wire.turn().await;
            }
        })
        .await;
        on_wire.media = Some(srtp::Outbound::new(&talk::keys(&on_wire.rogue)[0]));
        on_wire
    }

    /// Sends what there is, and waits a moment for what comes.
    async fn turn(&mut self) {
        let now = Instant::now();
        self.rogue.handle_timeout(now);
        while let Some(datagram) = self.rogue.poll_transmit(now) {
            let _ = self.socket.send_to(&datagram.payload, datagram.destination).await;
        }
        let mut buffer = [0; 2048];
        let received =
            tokio::time::timeout(Duration::from_millis(5), self.socket.recv_from(&mut buffer));
        if let Ok(Ok((length, source))) = received.await {
            let payload = Bytes::copy_from_slice(&buffer[..length]);
            let datagram = Datagram::udp(source, self.local, payload);
            let _ = self.rogue.handle_datagram(Instant::now(), datagram);
        }
    }

    /// One of the things a hostile peer sends all day.
    fn nuisance(&mut self, rng: &mut StdRng) -> Bytes {
        let now = Instant::now();
        let tag = self.rogue.tag;
        match rng.random_range(0..12) {
            0 => {
                let beat = Heartbeat { information: Bytes::from_static(b"beat") };
                self.rogue.seal(now, &packet(tag, &[&beat, &beat, &beat, &beat]))
            }
            1 => {
                let data = self.rogue.data(1, 0, Ppid::DCEP, open("again"));
                self.rogue.seal(now, &packet(tag, &[&data]))
            }
            2 => {
                let tsn = self.rogue.tsn();
                let island = Data { beginning: false, ending: false, ..whole(tsn.next(), 1, 0) };
                self.rogue.seal(now, &packet(tag, &[&island]))
            }
            3..6 => self.nuisance_of_media(rng),
            kind => {
                let mut octets = vec![0; rng.random_range(1..1200)];
                rng.fill_bytes(&mut octets);
                octets[0] = [0, 22, 23, 128, 144, 191][kind - 6];
                octets.into()
            }
        }
    }

    /// RTP and RTCP of sources that change, with numbers that leap and requests that never end;
    /// every other one forged.
    fn nuisance_of_media(&mut self, rng: &mut StdRng) -> Bytes {
        self.number = self.number.wrapping_add(rng.random_range(1..300));
        let media = self.media.as_mut().unwrap();
        let mut octets = BytesMut::new();
        let source = [VOICE, PICTURE, Ssrc(rng.random_range(0..500))][rng.random_range(0..3)];
        if rng.random_bool(0.5) {
            let payload_type = [OPUS, VP8][rng.random_range(0..2)];
            talk::packet(source, payload_type, self.number, vec![0x10; 900]).write(&mut octets);
            // A number that leapt too far to be sealed is a nuisance in the clear.
            let _ = media.protect_rtp(&mut octets);
        } else {
            let loss = rtcp::PictureLoss { sender: source, media: PICTURE };
            rtcp::write_to(&vec![rtcp::Packet::PictureLoss(loss); 50], &mut octets);
            media.protect_rtcp(&mut octets).unwrap();
        }
        let last = octets.last_mut().unwrap();
        *last ^= u8::from(rng.random_bool(0.5));
        octets.freeze()
    }
}

/// A hostile peer and a stranger send as fast as they can for as long as the honest one talks. The
/// bound is loose, since tests share their machine; what it would show is a queue that all wait in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_one_hostile_peer_does_not_stop_anothers_echo() {
    let endpoint = peer::Endpoint::bind(0).await.unwrap();
    let (_connection, channel) = honest(&endpoint).await;
    let calm = echo_time(&channel, 100).await;
    let mut hostile = OnWire::established(&endpoint).await;
    let port = endpoint.port();
    let attack = tokio::spawn(async move {
        let mut rng = StdRng::seed_from_u64(1);
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut count = 0_u32;
        loop {
            for _ in 0..20 {
                let payload = hostile.nuisance(&mut rng);
                let _ = hostile.socket.send_to(&payload, ("127.0.0.1", port)).await;
                let _ = stranger.send_to(&payload, ("127.0.0.1", port)).await;
            }
            count += 1;
            if count.is_multiple_of(10) {
                hostile.turn().await;
            }
            tokio::task::yield_now().await;
        }
    });
    let attacked = echo_time(&channel, 200).await;
    assert!(!attack.is_finished(), "the attack went on all the time");
    attack.abort();
    assert!(attacked <= calm * 20 + Duration::from_millis(20), "{calm:?}, attacked {attacked:?}");
}

/// Row 4, 6 and 9 at the endpoint: strangers get no answer, whatever they send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_row_06_row_09_strangers_get_no_answer_from_the_endpoint() {
    let endpoint = peer::Endpoint::bind(0).await.unwrap();
    let (_connection, channel) = honest(&endpoint).await;
    let mut hostile = OnWire::established(&endpoint).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = ("127.0.0.1", endpoint.port());
    let mut rng = StdRng::seed_from_u64(2);
    let overheard: Vec<Bytes> = hostile.rogue.overheard.iter().cloned().collect();
    // Whoever repeats a check of the peer's has its password's signature, and is answered as a
    // peer that moved would be.
    for payload in overheard.iter().filter(|payload| !stun::is_stun(payload)) {
        stranger.send_to(payload, to).await.unwrap();
    }
    for length in [0, 1, 19, 20, 1200, 65_507] {
        for first in [0, 1, 20, 22, 23, 63, 64, 128, 192, 255] {
            stranger.send_to(&vec![first; length], to).await.unwrap();
        }
    }
    for _ in 0..5_000 {
        let payload = hostile.nuisance(&mut rng);
        stranger.send_to(&payload, to).await.unwrap();
        if rng.random_bool(0.01) {
            tokio::task::yield_now().await;
        }
    }
    echo_time(&channel, 20).await;
    let mut buffer = [0; 2048];
    let answer = tokio::time::timeout(Duration::from_millis(100), stranger.recv_from(&mut buffer));
    assert!(answer.await.is_err(), "a stranger got an answer");
}

/// Rows 58 to 61 at the endpoint: the hostile peer's own association lives through its media, and
/// the honest peer hears nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_58_row_60_row_61_hostile_media_at_the_endpoint_harms_nobody() {
    let endpoint = peer::Endpoint::bind(0).await.unwrap();
    let (_connection, channel) = honest(&endpoint).await;
    let mut hostile = OnWire::established(&endpoint).await;
    let mut rng = StdRng::seed_from_u64(3);
    for count in 0..5_000 {
        let payload = hostile.nuisance_of_media(&mut rng);
        hostile.socket.send_to(&payload, ("127.0.0.1", endpoint.port())).await.unwrap();
        if count % 100 == 0 {
            hostile.turn().await;
        }
    }
    echo_time(&channel, 20).await;
    hostile.rogue.heard.clear();
    let beat = Heartbeat { information: Bytes::from_static(b"alive") };
    soon("the answer to a heartbeat, and reports", async {
        while hostile.rogue.heard.is_empty() || hostile.rogue.media.is_empty() {
            hostile.rogue.say(Instant::now(), &[&beat]);
            hostile.turn().await;
        }
    })
    .await;
}
