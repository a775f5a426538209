//! A client transaction against a server on bad links (RFC 8489 §6.2.1), and an allocation
//! (RFC 8656 §7).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use stun::{
    Attribute, ClientTransaction, Event, Key, Message, Method, Outcome, ServerTransport, Timing,
    TransactionId, turn,
};
use tests::Datagram;
use tests::endpoint::{Responder, TurnServer};
use tests::sim::{Link, Pair, seeds};

/// RTO and its doubling, with the last wait: when a transaction gives up (§6.2.1).
const GIVES_UP: Duration = Duration::from_millis(39_500);

fn key() -> Key {
    Key::short_term("a password of at least 22")
}

pub(crate) fn pair(seed: u64, link: &Link) -> Pair<ClientTransaction, Responder> {
    let request = Message::request(Method::BINDING, TransactionId([9; 12]))
        .with(Attribute::Username("remote:local".into()));
    let client = ClientTransaction::new(&request, Some(key()), Timing::default());
    Pair::new(Instant::now(), seed, link, client, Responder::new(Some(key())))
}

/// A client that asks for an allocation, and a server that gives it.
pub(crate) fn turn_pair(seed: u64, link: &Link) -> Pair<turn::Client, TurnServer> {
    let now = Instant::now();
    let user = turn::User::new("alice", "a secret");
    let config = turn::server::Config {
        users: vec![user.clone()],
        relay_ips: vec!["198.51.100.1".parse().unwrap()],
        listening: vec![Datagram::without_addresses(Bytes::new()).destination],
        ..turn::server::Config::default()
    };
    let server = TurnServer::new(now, config, StdRng::seed_from_u64(seed));
    let config = turn::Config::new(user, ServerTransport::Udp);
    let client = turn::Client::new(now, config, StdRng::seed_from_u64(seed + 1));
    Pair::new(now, seed, link, client, server)
}

fn outcome(pair: &mut Pair<ClientTransaction, Responder>) -> Outcome {
    pair.run_until(Duration::from_secs(40), |_, left, _| !left.events.is_empty());
    pair.run_for(Duration::from_secs(100));
    match &pair.left.events[..] {
        [Event::Closed(outcome)] => outcome.clone(),
        other => panic!("one event, not {other:?}"),
    }
}

#[test]
fn an_answer_comes_through_loss_delay_reorder_and_duplication() {
    seeds(50, |seed| {
        let link = Link::default().loss(0.15).delay(40).jitter(400).duplication(0.3);
        let mut pair = pair(seed, &link).careless();
        assert!(matches!(outcome(&mut pair), Outcome::Success(_)), "{:?}", outcome(&mut pair));
        assert!(pair.left.sent <= 7);
    });
}

#[test]
fn a_dead_server_is_asked_seven_times_and_given_up_after_39_5_s() {
    let mut pair = pair(0, &Link::default().loss(1.0));
    pair.run_until(GIVES_UP, |_, left, _| !left.events.is_empty());
    assert_eq!(pair.elapsed(), GIVES_UP);
    assert_eq!(outcome(&mut pair), Outcome::TimedOut);
    assert_eq!(pair.left.sent, 7);
}

/// Only what nothing protects can be harmed unnoticed: the type of FINGERPRINT, which then is an
/// unknown attribute behind MESSAGE-INTEGRITY, and ignored.
#[test]
fn what_was_damaged_on_the_way_is_neither_answered_nor_believed() {
    seeds(50, |seed| {
        let mut pair = pair(seed, &Link::default().corruption(1.0));
        match outcome(&mut pair) {
            Outcome::TimedOut => assert_eq!(pair.left.sent, 7),
            Outcome::Success(message) => assert!(!message.has_fingerprint()),
            other => panic!("{other:?}"),
        }
        assert!(pair.right.refused > pair.right.accepted);
    });
}

#[test]
fn an_allocation_comes_about_and_lasts_an_hour_on_a_bad_link_with_a_careless_owner() {
    seeds(20, |seed| {
        let link = Link::default().loss(0.2).delay(40).jitter(400).duplication(0.3);
        let mut pair = turn_pair(seed, &link).careless();
        pair.run_for(Duration::from_secs(3600));
        assert!(
            matches!(pair.left.events[..], [turn::Event::Allocated { .. }]),
            "{:?}",
            pair.left.events
        );
    });
}
