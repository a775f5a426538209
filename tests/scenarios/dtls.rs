//! DTLS handshakes and records over bad links (RFC 6347 §4.2.3, §4.2.4).

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dtls::{
    Authenticated, Certificate, CloseReason, Config, Connection, Event, HashAlgorithm, Role,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::sim::{Link, Pair, Side, seeds};

type Connections = Pair<Connection, Connection>;

/// Certificates of client, server and a third one.
fn certificates() -> &'static [Arc<Certificate>; 3] {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 3]> = OnceLock::new();
    CERTIFICATES.get_or_init(|| [0, 1, 2].map(|_| Arc::new(Certificate::generate().unwrap())))
}

fn configs() -> (Config, Config) {
    let [client, server, _] = certificates();
    let print = |of: &Certificate| vec![of.fingerprint(HashAlgorithm::Sha256)];
    (
        Config::new(Role::Client, client.clone(), print(server)),
        Config::new(Role::Server, server.clone(), print(client)),
    )
}

fn pair_of(seed: u64, link: &Link, client: Config, server: Config) -> Connections {
    let now = Instant::now();
    let connection =
        |config, salt| Connection::new(now, config, StdRng::seed_from_u64(2 * seed + salt));
    Pair::new(now, seed, link, connection(client, 0), connection(server, 1))
}

pub(crate) fn pair(seed: u64, link: &Link) -> Connections {
    let (client, server) = configs();
    pair_of(seed, link, client, server)
}

fn proof(side: &Side<Connection>) -> Option<Authenticated> {
    side.events.iter().find_map(|event| match event {
        Event::Connected(proof) => Some(*proof),
        _ => None,
    })
}

/// Runs until both are connected, within `limit` seconds.
fn connect(pair: &mut Connections, limit: u64) {
    pair.run_until(Duration::from_secs(limit), |_, left, right| {
        proof(left).is_some() && proof(right).is_some()
    });
}

fn assert_same_keys(pair: &Connections) {
    let [left, right] = [&pair.left, &pair.right].map(|side| {
        side.export_keying_material(&proof(side).unwrap(), b"EXPORTER-test", 60).unwrap()
    });
    assert_eq!(*left, *right);
}

#[test]
fn a_handshake_takes_two_round_trips() {
    let mut pair = pair(0, &Link::default().delay(20));
    connect(&mut pair, 5);
    assert_eq!(pair.elapsed(), Duration::from_millis(80));
    assert_same_keys(&pair);
    let info = pair.left.info().unwrap();
    assert_eq!(info.cipher_suite, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(info.remote_certificate, certificates()[1].der());
}

#[test]
fn row_57_40_percent_of_loss_delays_it_by_less_than_15_seconds() {
    seeds(60, |seed| {
        let mut pair = pair(seed, &Link::default().loss(0.4).delay(30).jitter(20)).careless();
        connect(&mut pair, 15);
        assert_same_keys(&pair);
    });
}

#[test]
fn reordered_and_repeated_flights_connect() {
    seeds(40, |seed| {
        let link = Link::default().delay(10).jitter(150).duplication(0.3).loss(0.1);
        let mut pair = pair(seed, &link).careless();
        connect(&mut pair, 20);
        assert_same_keys(&pair);
    });
}

#[test]
fn small_paths_cut_flights_into_many_fragments() {
    for mtu in [256, 400, 548] {
        seeds(10, |seed| {
            let (mut client, mut server) = configs();
            (client.mtu, server.mtu) = (mtu, mtu);
            server.hello_verify = seed.is_multiple_of(2);
            let link = Link::default().mtu(mtu + 28).loss(0.1).delay(10).jitter(40);
            let mut pair = pair_of(seed, &link, client, server).careless();
            connect(&mut pair, 20);
            assert!(pair.left.longest <= mtu && pair.right.longest <= mtu);
            assert!(pair.right.sent > 1, "fragments");
        });
    }
}

#[test]
fn records_arrive_at_most_once_and_unharmed() {
    seeds(10, |seed| {
        let mut pair = pair(seed, &Link::default().delay(10));
        connect(&mut pair, 5);
        pair.set_links(
            &Link::default().delay(10).jitter(100).loss(0.2).duplication(0.3).corruption(0.2),
        );
        let payload = |number: u32| number.to_be_bytes().repeat(100);
        let now = pair.now();
        for number in 0..300 {
            pair.left.send(now, &payload(number)).unwrap();
        }
        pair.run_for(Duration::from_secs(1));
        let mut received = BTreeSet::new();
        while let Some(octets) = pair.right.recv() {
            let number = u32::from_be_bytes(octets[..4].try_into().unwrap());
            assert_eq!(octets, payload(number));
            assert!(received.insert(number), "{number} twice");
        }
        // A fifth is lost, a fifth damaged, and some come too late for the replay window.
        assert!((60..250).contains(&received.len()), "{}", received.len());
        assert!(pair.right.stats().replayed > 0 && pair.right.stats().undecryptable > 0);
        assert!(pair.right.events.len() == 1, "damage ends nothing");
    });
}

#[test]
fn row_47_a_certificate_that_is_not_the_descriptions_ends_it_on_both_sides() {
    let stranger = certificates()[2].fingerprint(HashAlgorithm::Sha256);
    for wrong_at_client in [true, false] {
        let (mut client, mut server) = configs();
        let config = if wrong_at_client { &mut client } else { &mut server };
        config.remote_fingerprints = vec![stranger.clone()];
        let mut pair = pair_of(1, &Link::default().delay(10), client, server);
        pair.run_for(Duration::from_secs(60));
        let judge = if wrong_at_client { &pair.left } else { &pair.right };
        assert!(matches!(judge.events[..], [Event::Closed(CloseReason::Refused(_))]));
        // The client, which speaks last, may believe for a moment that all is well.
        for side in [&pair.left, &pair.right] {
            assert!(matches!(side.events.last(), Some(Event::Closed(_))), "{:?}", side.events);
        }
    }
}

#[test]
fn row_56_a_handshake_without_answer_ends_after_30_seconds() {
    let mut pair = pair(1, &Link::default().loss(1.0));
    pair.run_for(Duration::from_secs(120));
    for side in [&pair.left, &pair.right] {
        assert_eq!(side.events, [Event::Closed(CloseReason::Timeout)]);
        assert_eq!(side.poll_timeout(), None);
    }
    assert_eq!(pair.right.sent, 0);
    assert!((20..80).contains(&pair.left.sent), "{}", pair.left.sent);
}

#[test]
fn the_goodbye_of_one_side_ends_the_other() {
    let mut pair = pair(1, &Link::default().delay(10));
    connect(&mut pair, 5);
    let now = pair.now();
    pair.left.close(now);
    pair.run_until(Duration::from_secs(1), |_, _, right| right.events.len() == 2);
    assert_eq!(pair.right.events.last(), Some(&Event::Closed(CloseReason::Remote)));
    assert_eq!(pair.left.events.last(), Some(&Event::Closed(CloseReason::Local)));
    let sent = (pair.left.sent, pair.right.sent);
    pair.run_for(Duration::from_secs(60));
    assert_eq!((pair.left.sent, pair.right.sent), sent);
}
