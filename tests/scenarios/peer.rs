//! Whole connections: offer and answer, ICE, DTLS, SCTP and channels over bad networks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{
    Certificate, ChannelId, CloseReason, Config, Connection, ConnectionState, DataChannelInit,
    Event, Message, SendError, SetupRole,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::sim::{Link, Nat, Pair, Side, seeds};
use tests::{Datagram, Endpoint};

type Connections = Pair<Connection, Connection>;

pub(crate) const LEFT: &str = "192.0.2.1:1000";
pub(crate) const RIGHT: &str = "198.51.100.2:2000";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn config(side: usize) -> Config {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    let certificates =
        CERTIFICATES.get_or_init(|| [0, 1].map(|_| Arc::new(Certificate::generate().unwrap())));
    Config { certificate: Some(certificates[side].clone()), ..Config::default() }
}

/// Offer and answer, with all candidates in them. The offerer is at the left.
pub(crate) fn negotiate(now: Instant, left: &mut Connection, right: &mut Connection) {
    let offer = left.create_offer(now).unwrap();
    left.set_local_description(now, offer.clone()).unwrap();
    right.set_remote_description(now, offer).unwrap();
    let answer = right.create_answer(now).unwrap();
    right.set_local_description(now, answer.clone()).unwrap();
    left.set_remote_description(now, answer).unwrap();
}

/// Two connections that know each other's descriptions, and a channel of the left one.
fn pair_of(seed: u64, link: &Link, configs: [Config; 2]) -> (Connections, ChannelId) {
    let now = Instant::now();
    let [left, right] = configs;
    let connection = |config, salt, host| {
        let rng = StdRng::seed_from_u64(2 * seed + salt);
        let mut connection = Connection::new(now, config, rng).unwrap();
        connection.add_local_candidate(now, address(host));
        connection
    };
    let mut left = connection(left, 0, LEFT);
    let mut right = connection(right, 1, RIGHT);
    let channel = left.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    negotiate(now, &mut left, &mut right);
    (Pair::new(now, seed, link, left, right), channel)
}

pub(crate) fn pair(seed: u64, link: &Link) -> (Connections, ChannelId) {
    pair_of(seed, link, [config(0), config(1)])
}

/// The application at the right: sends every message back on its channel.
#[derive(Default)]
pub(crate) struct Echo {
    seen: usize,
    waiting: Vec<(ChannelId, Message)>,
}

impl Echo {
    pub(crate) fn drive(&mut self, now: Instant, right: &mut Side<Connection>) {
        while let Some(event) = right.events.get(self.seen) {
            self.seen += 1;
            if let Event::Readable(channel) = *event {
                while let Some(message) = right.recv(now, channel) {
                    self.waiting.push((channel, message));
                }
            }
        }
        self.waiting.retain(|(channel, message)| {
            matches!(right.send(now, *channel, message.clone()), Err(SendError::Full))
        });
    }
}

/// Sends messages on a channel and waits until all are back in order; how long it took.
fn echo(pair: &mut Connections, channel: ChannelId, messages: &[Message], limit: u64) -> Duration {
    let (start, mut echo) = (pair.elapsed(), Echo::default());
    let (mut sent, mut back) = (0, 0);
    pair.run_until(Duration::from_secs(limit), |now, left, right| {
        while let Some(message) = messages.get(sent) {
            match left.send(now, channel, message.clone()) {
                Ok(()) => sent += 1,
                Err(_) => break,
            }
        }
        echo.drive(now, right);
        while let Some(message) = left.recv(now, channel) {
            assert!(message == messages[back], "message {back} is another");
            back += 1;
        }
        back == messages.len()
    });
    pair.elapsed() - start
}

fn greeting() -> [Message; 1] {
    [Message::text("hello")]
}

pub(crate) fn closed(side: &Side<Connection>) -> Option<CloseReason> {
    side.events.iter().find_map(|event| match event {
        Event::Closed(reason) => Some(*reason),
        _ => None,
    })
}

#[test]
fn from_answer_to_echo_takes_few_round_trips() {
    for answer_role in [SetupRole::Active, SetupRole::Passive] {
        let link = Link::default().delay(10);
        let right = Config { answer_role, ..config(1) };
        let (mut pair, channel) = pair_of(1, &link, [config(0), right]);
        let took = echo(&mut pair, channel, &greeting(), 5);
        // A check, two for DTLS, two for SCTP, one for the message; and waits for Ta.
        assert!(took <= Duration::from_millis(250), "{took:?}");
    }
}

/// Waits until both are connected.
fn connect(pair: &mut Connections, limit: u64) {
    pair.run_until(Duration::from_secs(limit), |_, left, right| {
        [left, right].iter().all(|side| side.connection_state() == ConnectionState::Connected)
    });
}

#[test]
fn every_kind_of_message_comes_back_through_a_bad_network() {
    seeds(12, |seed| {
        let bad = Link::default().loss(0.08).delay(30).jitter(40).duplication(0.05);
        let (pair, channel) = pair(seed, &bad);
        let mut pair = pair.careless();
        connect(&mut pair, 60);
        // Damage to a handshake is for UDP's checksum to find: nothing else protects it.
        pair.set_links(&bad.corruption(0.05));
        let messages = [
            Message::text("hello"),
            Message::text(""),
            Message::binary(Bytes::new()),
            Message::binary(vec![1]),
            Message::text("grüße 🌍".repeat(50)),
            Message::binary(vec![2; 65_536]),
            Message::binary(vec![3; 262_144]),
        ];
        echo(&mut pair, channel, &messages, 240);
    });
}

/// Row 57 for the whole stack: handshakes of four protocols in a row.
#[test]
fn row_57_connections_open_through_30_percent_of_loss() {
    seeds(15, |seed| {
        let (pair, channel) = pair(seed, &Link::default().loss(0.3).delay(20).jitter(20));
        let mut pair = pair.careless();
        echo(&mut pair, channel, &greeting(), 60);
    });
}

/// A tunnel of 1280 octets, the least that IPv6 allows: fixed packets of 1200 octets of SCTP vanish
/// in it.
#[test]
fn trap_packets_pass_a_tunnel_of_1280_octets() {
    let link = Link::default().mtu(1280).delay(10);
    let (mut pair, channel) = pair(1, &link);
    echo(&mut pair, channel, &[Message::binary(vec![7; 262_144])], 20);
    let longest = pair.left.longest.max(pair.right.longest);
    // 40 octets of IPv6 header and 8 of UDP header go around it.
    assert!(longest <= 1280 - 48, "{longest} octets");
}

#[test]
fn a_connection_through_a_nat_opens_and_survives_its_restart() {
    seeds(5, |seed| {
        let link = Link::default().delay(20).blocked(address(LEFT));
        let (mut pair, channel) = pair(seed, &link);
        pair.nat = Some(Nat::new("203.0.113.9".parse().unwrap()));
        echo(&mut pair, channel, &greeting(), 30);
        pair.nat.as_mut().unwrap().rebind();
        // Row 29: it recovers by the checks that come from the new port, or it fails in time.
        pair.run_for(Duration::from_secs(37));
        let state = pair.right.connection_state();
        if state == ConnectionState::Connected {
            echo(&mut pair, channel, &greeting(), 30);
        } else {
            assert_eq!(state, ConnectionState::Failed);
        }
    });
}

#[test]
fn row_28_an_outage_of_8_seconds_needs_no_new_handshake() {
    seeds(8, |seed| {
        let (mut pair, channel) = pair(seed, &Link::default().delay(20));
        echo(&mut pair, channel, &greeting(), 10);
        pair.set_down(true);
        let now = pair.now();
        pair.left.send(now, channel, Message::text("into the dark")).unwrap();
        pair.run_for(Duration::from_secs(8));
        pair.set_down(false);
        let mut back = Echo { seen: pair.right.events.len(), ..Echo::default() };
        pair.run_until(Duration::from_secs(10), |now, left, right| {
            back.drive(now, right);
            left.recv(now, channel) == Some(Message::text("into the dark"))
        });
        assert_eq!((closed(&pair.left), closed(&pair.right)), (None, None));
    });
}

#[test]
fn row_27_a_peer_that_vanishes_is_given_up_within_30_seconds() {
    let (mut pair, channel) = pair(1, &Link::default().delay(20));
    echo(&mut pair, channel, &greeting(), 10);
    pair.set_down(true);
    pair.run_until(Duration::from_secs(32), |_, left, right| {
        [left, right].iter().all(|side| side.connection_state() == ConnectionState::Failed)
    });
    let now = pair.now();
    let _ = pair.left.send(now, channel, Message::text("anybody?"));
    let sent = (pair.left.sent, pair.right.sent);
    pair.set_down(false);
    pair.run_for(Duration::from_secs(60));
    assert_eq!((pair.left.sent, pair.right.sent), sent, "no consent, no packet");
}

#[test]
fn a_close_is_seen_by_the_other_side_at_once() {
    for closer in ["left", "right"] {
        let (mut pair, channel) = pair(1, &Link::default().delay(20));
        echo(&mut pair, channel, &greeting(), 10);
        let now = pair.now();
        if closer == "left" {
            pair.left.close(now)
        } else {
            pair.right.close(now)
        }
        pair.run_until(Duration::from_secs(2), |_, left, right| {
            closed(left).is_some() && closed(right).is_some()
        });
        let mut ends = [closed(&pair.left).unwrap(), closed(&pair.right).unwrap()];
        if closer == "right" {
            ends.reverse();
        }
        assert_eq!(ends, [CloseReason::Local, CloseReason::Remote]);
        let sent = (pair.left.sent, pair.right.sent);
        pair.run_for(Duration::from_secs(60));
        assert_eq!((pair.left.sent, pair.right.sent), sent, "silence after the end");
    }
}

#[test]
fn row_9_what_comes_from_an_address_without_checks_reaches_nobody() {
    let (mut pair, channel) = pair(1, &Link::default().delay(20));
    echo(&mut pair, channel, &greeting(), 10);
    let (sent, events) = (pair.right.sent, pair.right.events.len());
    let mut first_octets: Vec<Bytes> =
        (0..=255).map(|first| Bytes::from(vec![first; 40])).collect();
    // A goodbye in the clear, a ClientHello's front, nothing, one octet, the longest datagram.
    first_octets.push(Bytes::from_static(&[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0]));
    first_octets.push(Bytes::from_static(&[22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1]));
    first_octets.push(Bytes::new());
    first_octets.push(Bytes::from_static(&[22]));
    first_octets.push(Bytes::from(vec![22; 65_507]));
    for payload in first_octets {
        let source = address("203.0.113.66:666");
        let first = payload.first().copied();
        let accepted = pair.inject(Datagram::udp(source, address(RIGHT), payload));
        assert!(!accepted, "first octet {first:?}");
    }
    assert_eq!((pair.right.sent, pair.right.events.len()), (sent, events), "no answer, no news");
    echo_again(&mut pair, channel);
}

/// The connection still works.
fn echo_again(pair: &mut Connections, channel: ChannelId) {
    let mut back = Echo { seen: pair.right.events.len(), ..Echo::default() };
    let now = pair.now();
    pair.left.send(now, channel, Message::text("again")).unwrap();
    pair.run_until(Duration::from_secs(5), |now, left, right| {
        back.drive(now, right);
        left.recv(now, channel) == Some(Message::text("again"))
    });
}

/// Every datagram that browsers sent in a capture, as a stranger would repeat them.
fn recorded() -> Vec<Bytes> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pcap");
    ["chromium-firefox-dtls12-data.pcap", "firefox-chromium-data.pcap"]
        .iter()
        .flat_map(|name| tap::capture::read(&folder.join(name)).unwrap())
        .map(|datagram| Bytes::from(datagram.payload))
        .collect()
}

/// Checks, hellos, handshakes, data and goodbyes of others, at every step of the connection's life:
/// it does what it would have done, at the same times, datagram for datagram.
#[test]
fn a_strangers_datagrams_at_any_phase_change_nothing() {
    let recorded = recorded();
    let run = |seed, disturbed: bool| {
        let (mut pair, channel) = pair(seed, &Link::default().delay(20).loss(0.1));
        let mut echo = Echo::default();
        let (mut step, mut said) = (0, false);
        pair.run_until(Duration::from_secs(60), |now, left, right| {
            step += 1;
            let source = address("203.0.113.66:666");
            for index in 0..if disturbed { 3 } else { 0 } {
                let payload = recorded[(step * 3 + index) % recorded.len()].clone();
                let (to_left, to_right) = (address(LEFT), address(RIGHT));
                let datagram = Datagram::udp(source, to_left, payload);
                assert!(Endpoint::handle_datagram(&mut **left, now, datagram.clone()).is_err());
                let datagram = Datagram { destination: to_right, ..datagram };
                assert!(Endpoint::handle_datagram(&mut **right, now, datagram).is_err());
            }
            said = said || left.send(now, channel, Message::text("hello")).is_ok();
            echo.drive(now, right);
            left.recv(now, channel) == Some(Message::text("hello"))
        });
        (pair.elapsed(), pair.left.sent, pair.right.sent, pair.left.events, pair.right.events)
    };
    seeds(8, |seed| assert_eq!(run(seed, true), run(seed, false)));
}

#[test]
fn row_45_a_network_that_repeats_everything_delivers_once() {
    let link = Link::default().delay(20).jitter(50).duplication(1.0);
    let (pair, channel) = pair(1, &link);
    let mut pair = pair.careless();
    let messages: Vec<_> = (0..100).map(|number| Message::text(format!("{number}"))).collect();
    echo(&mut pair, channel, &messages, 30);
    pair.run_for(Duration::from_secs(5));
    let now = pair.now();
    assert_eq!(pair.left.recv(now, channel), None);
}

/// Row 38, 39: from the peer's own address, but not by the peer.
#[test]
fn row_39_forged_datagrams_from_the_right_address_harm_nothing() {
    let (mut pair, channel) = pair(1, &Link::default().delay(20));
    echo(&mut pair, channel, &greeting(), 10);
    let forged: [&[u8]; 4] = [
        // A fatal alert, a ChangeCipherSpec and application data in epoch 0; a record of epoch 1.
        &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        &[20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1],
        &[23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 7],
        &[
            23, 254, 253, 0, 1, 0, 0, 0, 0, 255, 9, 0, 25, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
            7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        ],
    ];
    for payload in forged {
        let payload = Bytes::from_static(payload);
        let (source, destination) = (address(LEFT), address(RIGHT));
        pair.inject(Datagram::udp(source, destination, payload));
    }
    echo_again(&mut pair, channel);
    assert_eq!(closed(&pair.right), None);
}

#[test]
fn row_47_a_wrong_fingerprint_opens_nothing() {
    let now = Instant::now();
    let connection = |side: usize, host| {
        let rng = StdRng::seed_from_u64(side as u64);
        let mut connection = Connection::new(now, config(side), rng).unwrap();
        connection.add_local_candidate(now, address(host));
        connection
    };
    let (mut left, mut right) = (connection(0, LEFT), connection(1, RIGHT));
    let channel = left.create_data_channel(now, "secret", DataChannelInit::default()).unwrap();
    let offer = left.create_offer(now).unwrap();
    left.set_local_description(now, offer.clone()).unwrap();
    // Somebody between them has put another certificate's fingerprint into the offer.
    let mut forged = offer;
    let digits = forged.sdp.find("sha-256 ").unwrap() + "sha-256 ".len();
    let digit = if forged.sdp[digits..].starts_with('0') { "1" } else { "0" };
    forged.sdp.replace_range(digits..=digits, digit);
    right.set_remote_description(now, forged).unwrap();
    let answer = right.create_answer(now).unwrap();
    right.set_local_description(now, answer.clone()).unwrap();
    left.set_remote_description(now, answer).unwrap();
    let mut pair = Pair::new(now, 1, &Link::default().delay(20), left, right);
    pair.run_for(Duration::from_secs(60));
    assert!(matches!(closed(&pair.right), Some(CloseReason::Dtls(_))), "{:?}", pair.right.events);
    assert!(closed(&pair.left).is_some());
    let now = pair.now();
    assert!(pair.left.send(now, channel, Message::text("secret")).is_err());
    let opened = |event: &Event| matches!(event, Event::Readable(_));
    assert!(!pair.right.events.iter().any(opened));
}

#[test]
fn candidates_may_trickle_in_after_the_answer() {
    seeds(8, |seed| {
        let now = Instant::now();
        let connection = |side: usize| {
            let rng = StdRng::seed_from_u64(2 * seed + side as u64);
            Connection::new(now, config(side), rng).unwrap()
        };
        let (mut left, mut right) = (connection(0), connection(1));
        let channel = left.create_data_channel(now, "late", DataChannelInit::default()).unwrap();
        negotiate(now, &mut left, &mut right);
        let mut pair =
            Pair::new(now, seed, &Link::default().delay(20).loss(0.1), left, right).careless();
        pair.run_for(Duration::from_secs(1));
        let now = pair.now();
        pair.left.add_local_candidate(now, address(LEFT));
        pair.right.add_local_candidate(now, address(RIGHT));
        pair.left.end_of_local_candidates(now);
        pair.right.end_of_local_candidates(now);
        // Signalling is not the network: it brings every candidate, some time.
        let (mut seen, mut said) = ([0, 0], false);
        let mut echo = Echo::default();
        pair.run_until(Duration::from_secs(30), |now, left, right| {
            while let Some(event) = left.events.get(seen[0]).cloned() {
                seen[0] += 1;
                if let Event::IceCandidate(candidate) = event {
                    right.add_ice_candidate(now, candidate.unwrap_or_default()).unwrap();
                }
            }
            while let Some(event) = right.events.get(seen[1]).cloned() {
                seen[1] += 1;
                if let Event::IceCandidate(candidate) = event {
                    left.add_ice_candidate(now, candidate.unwrap_or_default()).unwrap();
                }
            }
            said = said || left.send(now, channel, Message::text("hello")).is_ok();
            echo.drive(now, right);
            left.recv(now, channel) == Some(Message::text("hello"))
        });
    });
}

#[test]
fn a_new_offer_and_an_ice_restart_keep_the_channels() {
    seeds(5, |seed| {
        let (mut pair, channel) = pair(seed, &Link::default().delay(20).loss(0.05));
        echo(&mut pair, channel, &greeting(), 20);
        for restart in [false, true] {
            let now = pair.now();
            if restart {
                pair.left.restart_ice(now);
            }
            negotiate(now, &mut pair.left, &mut pair.right);
            pair.run_for(Duration::from_secs(5));
            echo_again(&mut pair, channel);
        }
        assert_eq!((closed(&pair.left), closed(&pair.right)), (None, None));
    });
}

#[test]
fn channels_of_both_sides_with_all_options_carry_messages_both_ways() {
    let (mut pair, _) = pair(1, &Link::default().delay(10).loss(0.02));
    let now = pair.now();
    let inits = [
        DataChannelInit::default(),
        DataChannelInit { ordered: false, ..DataChannelInit::default() },
        DataChannelInit { max_retransmits: Some(5), ..DataChannelInit::default() },
        DataChannelInit { max_packet_life_time: Some(5_000), ..DataChannelInit::default() },
        DataChannelInit { protocol: "json".into(), ..DataChannelInit::default() },
    ];
    let mut expected = BTreeMap::new();
    for (number, init) in inits.iter().enumerate() {
        let left = format!("left {number}");
        let right = format!("right {number}");
        pair.left.create_data_channel(now, &left, init.clone()).unwrap();
        pair.right.create_data_channel(now, &right, init.clone()).unwrap();
        expected.insert(left, init.clone());
        expected.insert(right, init.clone());
    }
    // Each side says its channel's label on it, once it is open; the other must find the same label.
    let mut heard = BTreeMap::new();
    let mut said = std::collections::BTreeSet::new();
    pair.run_until(Duration::from_secs(30), |now, left, right| {
        for (name, side) in [("left", left), ("right", right)] {
            for id in side.channel_ids().collect::<Vec<_>>() {
                let Some(info) = side.channel(id) else { continue };
                if info.label.starts_with(name)
                    && !said.contains(&info.label)
                    && side.send(now, id, Message::text(info.label.clone())).is_ok()
                {
                    said.insert(info.label.clone());
                }
                if let Some(message) = side.recv(now, id) {
                    assert_eq!(message, Message::text(info.label.clone()));
                    heard.insert(info.label.clone(), info);
                }
            }
        }
        heard.len() == 10
    });
    for (label, info) in heard {
        let init = &expected[&label];
        assert_eq!(info.ordered, init.ordered);
        assert_eq!(info.protocol, init.protocol);
        assert_eq!(info.max_retransmits, init.max_retransmits);
        assert_eq!(info.max_packet_life_time, init.max_packet_life_time);
    }
}
