//! Two ICE agents on bad networks: they must agree on a pair, keep it, and notice when it is gone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::{Agent, Config, ConnectionState, Event, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::Datagram;
use tests::sim::{Link, Nat, Pair, seeds};

const LEFT: &str = "192.0.2.1:1000";
const RIGHT: &str = "198.51.100.2:2000";

type Agents = Pair<Agent, Agent>;

/// What the agents of one test have in common.
struct Setup<'a> {
    left_hosts: &'a [&'a str],
    right_hosts: &'a [&'a str],
    roles: (Role, Role),
    /// Whether signalling brings the candidates; without them the first check must come by itself.
    signalled: (bool, bool),
}

const PLAIN: Setup<'_> = Setup {
    left_hosts: &[LEFT],
    right_hosts: &[RIGHT],
    roles: (Role::Controlling, Role::Controlled),
    signalled: (true, true),
};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Setup<'_> {
    fn pair(&self, seed: u64, link: &Link) -> Agents {
        let now = Instant::now();
        let agent = |role, salt| {
            Agent::new(Config::new(role), StdRng::seed_from_u64(seed.wrapping_mul(2) + salt))
        };
        let (mut left, mut right) = (agent(self.roles.0, 0), agent(self.roles.1, 1));
        left.set_remote_credentials(now, right.local_credentials().clone()).unwrap();
        right.set_remote_credentials(now, left.local_credentials().clone()).unwrap();
        for host in self.left_hosts {
            let candidate = left.add_local_candidate(now, address(host)).unwrap();
            if self.signalled.0 {
                right.add_remote_candidate(now, candidate).unwrap();
            }
        }
        for host in self.right_hosts {
            let candidate = right.add_local_candidate(now, address(host)).unwrap();
            if self.signalled.1 {
                left.add_remote_candidate(now, candidate).unwrap();
            }
        }
        left.end_of_remote_candidates(now);
        right.end_of_remote_candidates(now);
        Pair::new(now, seed, link, left, right)
    }
}

/// Two agents with everything as it should be.
pub(crate) fn pair(seed: u64, link: &Link) -> Agents {
    PLAIN.pair(seed, link)
}

fn completed(left: &Agent, right: &Agent) -> bool {
    [left, right].iter().all(|agent| agent.state() == ConnectionState::Completed)
}

fn complete(pair: &mut Agents, limit: u64) {
    pair.run_until(Duration::from_secs(limit), |_, left, right| completed(left, right));
}

/// Both ends send on the same pair, and may.
fn assert_agreed(pair: &Agents) {
    let (left, right) = (pair.left.selected_pair().unwrap(), pair.right.selected_pair().unwrap());
    if pair.nat.is_none() {
        assert_eq!((left.local, left.remote), (right.remote, right.local));
    }
    assert!(pair.left.may_send() && pair.right.may_send());
    assert!(pair.left.is_validated(ice::Path::udp(left.local, left.remote)));
    assert!(pair.right.is_validated(ice::Path::udp(right.local, right.remote)));
}

#[test]
fn a_good_network_connects_in_a_few_round_trips() {
    for hosts in [(LEFT, RIGHT), ("[2001:db8::1]:1000", "[2001:db8::2]:2000")] {
        let setup = Setup { left_hosts: &[hosts.0], right_hosts: &[hosts.1], ..PLAIN };
        let mut pair = setup.pair(1, &Link::default().delay(20));
        complete(&mut pair, 1);
        assert_agreed(&pair);
    }
}

#[test]
fn bad_networks_connect_all_the_same() {
    seeds(40, |seed| {
        // Consent checks are not repeated, six of them in 30 s: with much more loss it rightly ends.
        let link =
            Link::default().loss(0.15).delay(50).jitter(200).duplication(0.2).corruption(0.05);
        let mut pair = PLAIN.pair(seed, &link).careless();
        complete(&mut pair, 40);
        assert_agreed(&pair);
    });
}

#[test]
fn either_side_may_learn_the_other_from_its_checks_alone() {
    for signalled in [(true, false), (false, true)] {
        seeds(10, |seed| {
            let setup = Setup { signalled, ..PLAIN };
            let mut pair = setup.pair(seed, &Link::default().loss(0.2).delay(30).jitter(30));
            complete(&mut pair, 40);
            assert_agreed(&pair);
        });
    }
}

#[test]
fn an_agent_behind_a_nat_is_reached_at_its_public_address() {
    seeds(10, |seed| {
        let link = Link::default().loss(0.1).delay(30).jitter(30).blocked(address(LEFT));
        let mut pair = PLAIN.pair(seed, &link);
        pair.nat = Some(Nat::new("203.0.113.9".parse().unwrap()));
        complete(&mut pair, 40);
        assert_agreed(&pair);
        let seen = pair.right.selected_pair().unwrap().remote;
        assert_eq!(seen.ip(), address("203.0.113.9:1").ip());
    });
}

#[test]
fn a_dead_address_gives_way_to_a_live_one() {
    seeds(10, |seed| {
        let setup = Setup {
            left_hosts: &["192.0.2.1:1000", "192.0.2.3:1000"],
            right_hosts: &["198.51.100.2:2000", "198.51.100.4:2000"],
            ..PLAIN
        };
        let link = Link::default()
            .delay(20)
            .jitter(20)
            .blocked(address("192.0.2.1:1000"))
            .blocked(address("198.51.100.2:2000"));
        let mut pair = setup.pair(seed, &link);
        complete(&mut pair, 40);
        assert_agreed(&pair);
        assert_eq!(pair.left.selected_pair().unwrap().local, address("192.0.2.3:1000"));
        assert_eq!(pair.left.selected_pair().unwrap().remote, address("198.51.100.4:2000"));
    });
}

#[test]
fn row_22_two_agents_with_the_same_role_settle_it() {
    for role in [Role::Controlling, Role::Controlled] {
        seeds(20, |seed| {
            let setup = Setup { roles: (role, role), ..PLAIN };
            let link = Link::default().loss(0.2).delay(40).jitter(60).duplication(0.2);
            let mut pair = setup.pair(seed, &link).careless();
            complete(&mut pair, 40);
            assert_ne!(pair.left.role(), pair.right.role());
            assert_agreed(&pair);
        });
    }
}

#[test]
fn row_24_many_candidates_are_checked_no_faster_than_one_per_ta() {
    let hosts: Vec<String> = (1..=20).map(|host| format!("192.0.2.{host}:1000")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let setup = Setup { left_hosts: &hosts, right_hosts: &hosts, ..PLAIN };
    let mut pair = setup.pair(3, &Link::default().loss(1.0));
    pair.run_for(Duration::from_secs(5));
    // 20 new checks a second; with RTOs of at least 500 ms each goes out three times in five seconds.
    assert!(pair.left.pair_stats().count() <= 100);
    assert!(pair.left.sent <= 3 * 20 * 5 + 1, "{} datagrams", pair.left.sent);
}

#[test]
fn row_27_lost_consent_ends_it_within_30_seconds() {
    seeds(5, |seed| {
        let mut pair = PLAIN.pair(seed, &Link::default().delay(20));
        complete(&mut pair, 5);
        pair.run_for(Duration::from_secs(20));
        assert_eq!(pair.left.state(), ConnectionState::Completed, "consent is renewed");
        pair.set_down(true);
        pair.run_until(Duration::from_secs(8), |_, left, right| {
            [left, right].iter().all(|agent| agent.state() == ConnectionState::Disconnected)
        });
        assert!(pair.left.may_send(), "consent still holds");
        pair.run_until(Duration::from_secs(30), |_, left, right| {
            [left, right].iter().all(|agent| agent.state() == ConnectionState::Failed)
        });
        assert!(!pair.left.may_send() && !pair.right.may_send());
        let sent = (pair.left.sent, pair.right.sent);
        pair.set_down(false);
        pair.run_for(Duration::from_secs(60));
        assert_eq!((pair.left.sent, pair.right.sent), sent, "silence after the end");
    });
}

#[test]
fn row_28_an_outage_of_8_seconds_is_survived() {
    seeds(10, |seed| {
        let mut pair = PLAIN.pair(seed, &Link::default().delay(20));
        complete(&mut pair, 5);
        pair.run_for(Duration::from_secs(10));
        pair.set_down(true);
        pair.run_for(Duration::from_secs(8));
        pair.set_down(false);
        complete(&mut pair, 10);
        let failed = |event: &Event| {
            matches!(event, Event::StateChanged(ConnectionState::Failed) | Event::Closed(_))
        };
        assert!(!pair.left.events.iter().chain(&pair.right.events).any(failed));
        assert_agreed(&pair);
    });
}

#[test]
fn row_28_loss_in_one_direction_is_survived() {
    let mut pair = PLAIN.pair(4, &Link::default().delay(20));
    complete(&mut pair, 5);
    pair.leftward = Link::default().delay(20).loss(1.0);
    pair.run_for(Duration::from_secs(12));
    pair.leftward = Link::default().delay(20);
    complete(&mut pair, 10);
    assert_agreed(&pair);
}

#[test]
fn row_29_after_a_nat_forgot_us_it_recovers_or_fails_in_time() {
    seeds(5, |seed| {
        let link = Link::default().delay(30).blocked(address(LEFT));
        let mut pair = PLAIN.pair(seed, &link);
        pair.nat = Some(Nat::new("203.0.113.9".parse().unwrap()));
        complete(&mut pair, 20);
        pair.nat.as_mut().unwrap().rebind();
        pair.run_for(Duration::from_secs(37));
        let state = pair.right.state();
        let ended = [ConnectionState::Failed, ConnectionState::Completed];
        assert!(ended.contains(&state), "hangs in {state:?}");
        let current = pair.right.selected_pair().map(|selected| selected.remote.port());
        assert!(state == ConnectionState::Failed || current == Some(40_002), "{current:?}");
    });
}

#[test]
fn row_18_a_strangers_checks_get_no_answer_and_change_nothing() {
    let mut pair = PLAIN.pair(5, &Link::default().delay(20));
    complete(&mut pair, 5);
    let right = pair.right.local_credentials().clone();
    let stranger = stun::Key::short_term("not the password of anyone");
    let own = stun::Key::short_term(&right.pwd);
    let check = |username: &str| {
        stun::Message::request(stun::Method::BINDING, stun::TransactionId([3; 12]))
            .with(stun::Attribute::Username(username.into()))
            .with(stun::Attribute::IceControlling(u64::MAX))
            .with(stun::Attribute::UseCandidate)
            .with(stun::Attribute::Priority(u32::MAX))
    };
    let left_ufrag = pair.left.local_credentials().ufrag.clone();
    let valid_name = format!("{}:{left_ufrag}", right.ufrag);
    let attempts = [
        check(&valid_name).encode(None),
        check(&valid_name).encode(Some(&stranger)),
        check(&right.ufrag).encode(Some(&own)),
        check(&format!("{left_ufrag}:{}", right.ufrag)).encode(Some(&own)),
        check(&format!("{}x:{left_ufrag}", right.ufrag)).encode(Some(&own)),
        Bytes::new(),
        Bytes::from_static(&[0]),
        Bytes::from(vec![0; 65_507]),
    ];
    let before = (pair.right.sent, pair.right.selected_pair(), pair.right.pair_stats().count());
    for payload in attempts {
        let source = address("203.0.113.66:666");
        let accepted = pair.inject(Datagram::udp(source, address(RIGHT), payload));
        assert!(!accepted);
    }
    let after = (pair.right.sent, pair.right.selected_pair(), pair.right.pair_stats().count());
    assert_eq!(before, after);
    assert!(!pair.right.is_validated(ice::Path::udp(address(RIGHT), address("203.0.113.66:666"))));
    let now = pair.now();
    assert!(pair.right.poll_transmit(now).is_none());
}
