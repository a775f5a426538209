//! Two agents on a virtual network: they connect, stay, lose each other and find each other again.

use crate::net::*;
use ice::{Config, ConnectionState, Event, Role};

const COMPLETED: ConnectionState = ConnectionState::Completed;

#[test]
fn two_agents_connect_in_three_round_trips() {
    let mut net = Net::new(1, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    assert!(net.run_while_not(seconds(1), |net| net.both(COMPLETED)));
    assert!(net.elapsed() <= millis(60), "{:?}", net.elapsed());
    let (left, right) =
        (net.agents[LEFT].selected_pair().unwrap(), net.agents[RIGHT].selected_pair().unwrap());
    assert_eq!((left.local, left.remote), (right.remote, right.local));
    assert!(left.nominated && right.nominated);
    assert!(left.round_trip_time >= millis(20));
}

#[test]
fn on_loopback_no_timer_is_waited_for() {
    // Offer to open must take a few milliseconds: nothing may wait for Ta, whichever pair works.
    let both = ["192.0.2.2:1", "[fd00::2]:1", "127.0.0.1:1", "[::1]:1"];
    let other = ["192.0.2.2:2", "[fd00::2]:2", "127.0.0.1:2", "[::1]:2"];
    let mut net = Net::new(2, &both, &other);
    net.delay = millis(0);
    // The answerer has the offer first; its checks reach an offerer without the answer.
    net.give_credentials(RIGHT);
    net.give_candidates(RIGHT);
    net.run(millis(1));
    net.give_credentials(LEFT);
    net.give_candidates(LEFT);
    assert!(net.run_while_not(seconds(1), |net| net.both(COMPLETED)));
    assert!(net.elapsed() <= millis(1), "{:?}", net.elapsed());
}

#[test]
fn ipv6_works_alike() {
    let mut net = Net::new(3, &["[2001:db8::1]:1", "[fe80::1]:1"], &["[2001:db8::2]:2"]);
    net.signal();
    assert!(net.run_while_not(seconds(1), |net| net.both(COMPLETED)));
}

#[test]
fn every_seed_connects_through_heavy_loss() {
    for seed in 0..100 {
        let mut net =
            Net::new(seed, &["192.0.2.1:1", "10.0.0.1:1"], &["192.0.2.2:2", "10.0.0.2:2"]);
        net.loss = 0.4;
        net.signal();
        let done = net.run_while_not(seconds(30), |net| {
            net.agents.iter().all(|agent| agent.may_send()) && net.state(RIGHT) == COMPLETED
        });
        assert!(done, "seed {seed}: {:?} {:?}", net.state(LEFT), net.state(RIGHT));
    }
}

#[test]
fn a_seed_replays_the_run_octet_by_octet() {
    let run = || {
        let mut net = Net::new(9, &["192.0.2.1:1", "10.0.0.1:1"], &["192.0.2.2:2"]);
        net.loss = 0.3;
        net.signal();
        net.run(seconds(60));
        net.sent.iter().map(|sent| (sent.after, sent.transmit.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_peer_without_candidates_is_learnt_from_its_checks() {
    // As a browser that hides its addresses: one side signals nothing that can be used.
    let mut net = Net::new(4, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.give_credentials(LEFT);
    net.give_credentials(RIGHT);
    net.give_candidates(RIGHT);
    assert!(net.run_while_not(seconds(1), |net| net.both(COMPLETED)));
    let kind = net.agents[LEFT].selected_pair().unwrap().remote_kind;
    assert_eq!(kind, ice::CandidateKind::PeerReflexive);
}

#[test]
fn both_controlling_and_both_controlled_agree() {
    for role in [Role::Controlling, Role::Controlled] {
        for seed in 0..20 {
            let configs = [Config::new(role), Config::new(role)];
            let mut net = Net::with(seed, &["192.0.2.1:1"], &["192.0.2.2:2"], configs);
            net.signal();
            assert!(net.run_while_not(seconds(5), |net| net.both(COMPLETED)), "{role:?} {seed}");
            assert_ne!(net.agents[LEFT].role(), net.agents[RIGHT].role());
        }
    }
}

#[test]
fn trap_consent_is_never_repeated_and_has_a_new_id_each_time() {
    let mut net = Net::new(5, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(600));
    assert!(net.both(COMPLETED));
    assert!(net.entered(LEFT, ConnectionState::Disconnected).is_empty());
    for side in [LEFT, RIGHT] {
        let checks: Vec<_> = net.requests(side).filter(|sent| sent.after > seconds(1)).collect();
        assert!((100..=150).contains(&checks.len()), "{} consent checks in 600 s", checks.len());
        let mut ids: Vec<_> = checks.iter().map(|sent| sent.message().transaction_id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), checks.len(), "an id was used twice");
        for pair in checks.windows(2) {
            let interval = pair[1].after - pair[0].after;
            assert!((millis(4000)..=millis(6001)).contains(&interval), "{interval:?}");
        }
    }
}

#[test]
fn row_27_consent_lost_after_thirty_seconds() {
    let mut net = Net::new(6, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(20));
    net.passes = Box::new(|_, _| false);
    let lost = net.elapsed();
    net.run(seconds(100));
    for side in [LEFT, RIGHT] {
        let disconnected = net.entered(side, ConnectionState::Disconnected)[0];
        assert!(disconnected <= lost + millis(7100), "{disconnected:?}");
        let failed = net.entered(side, ConnectionState::Failed)[0];
        assert!((lost + seconds(23)..=lost + seconds(30)).contains(&failed), "{failed:?}");
        assert!(!net.agents[side].may_send());
        assert!(net.agents[side].selected_pair().is_none());
        assert!(net.agents[side].poll_timeout().is_none());
        let last = net.sent.iter().rfind(|sent| sent.by == side).unwrap().after;
        assert!(last <= failed, "something was sent after consent expired");
    }
}

#[test]
fn row_28_a_short_outage_passes() {
    let mut net = Net::new(7, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(10));
    let pair = net.agents[LEFT].selected_pair();
    net.passes = Box::new(|_, _| false);
    net.run(seconds(8));
    net.passes = Box::new(|_, _| true);
    assert!(net.run_while_not(seconds(8), |net| net.both(COMPLETED)));
    assert_eq!(net.agents[LEFT].selected_pair().map(|p| p.remote), pair.map(|p| p.remote));
    net.run(seconds(60));
    assert!(net.both(COMPLETED));
}

#[test]
fn row_28_one_way_loss_ends_with_consent() {
    // The peer's checks arrive, so it is alive; but nothing of ours is answered.
    let mut net = Net::new(8, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(10));
    net.passes = Box::new(|by, _| by == RIGHT);
    net.run(seconds(20));
    assert_eq!(net.state(LEFT), COMPLETED, "heard from: not disconnected");
    net.run(seconds(15));
    assert_eq!(net.state(LEFT), ConnectionState::Failed);
}

fn rebinding(nated: usize) {
    let mut net = Net::new(10, &["10.0.0.1:1"], &["192.0.2.2:2"]);
    if nated == RIGHT {
        net = Net::new(10, &["192.0.2.2:2"], &["10.0.0.1:1"]);
    }
    let other = 1 - nated;
    net.nat[nated] = Some(at("203.0.113.7:40000"));
    net.signal();
    assert!(net.run_while_not(seconds(2), |net| net.both(COMPLETED)));
    net.run(seconds(20));
    net.nat[nated] = Some(at("203.0.113.7:50000"));
    let changed = net.elapsed();
    let followed = net.run_while_not(seconds(30), |net| {
        net.agents[other].selected_pair().is_some_and(|pair| pair.remote.port() == 50_000)
    });
    assert!(followed, "the other side follows within consent");
    assert!(net.elapsed() - changed <= seconds(14), "{:?}", net.elapsed() - changed);
    net.run(seconds(100));
    assert!(net.both(COMPLETED), "{:?} {:?}", net.state(LEFT), net.state(RIGHT));
    assert!(net.entered(other, ConnectionState::Failed).is_empty());
}

#[test]
fn row_29_nat_rebinding_of_the_controlling_side() {
    rebinding(LEFT);
}

#[test]
fn row_29_nat_rebinding_of_the_controlled_side() {
    rebinding(RIGHT);
}

#[test]
fn rfc_8863_nothing_fails_before_the_pac_timer() {
    let mut net = Net::new(11, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.passes = Box::new(|_, _| false);
    net.signal();
    net.run(millis(39_400));
    assert_eq!(net.state(LEFT), ConnectionState::Checking);
    net.run(seconds(10));
    assert_eq!(net.state(LEFT), ConnectionState::Failed);
}

#[test]
fn rfc_8863_without_any_candidate_too() {
    let mut net = Net::new(12, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.give_credentials(LEFT);
    net.agents[LEFT].end_of_remote_candidates(net.now);
    net.run(millis(39_400));
    assert_eq!(net.state(LEFT), ConnectionState::Checking);
    net.run(millis(200));
    assert_eq!(net.state(LEFT), ConnectionState::Failed);
    assert_eq!(net.state(RIGHT), ConnectionState::New);
}

#[test]
fn a_candidate_that_comes_late_is_checked_at_once() {
    let mut net = Net::new(13, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.give_credentials(LEFT);
    net.give_credentials(RIGHT);
    net.run(seconds(20));
    net.give_candidates(LEFT);
    let trickled = net.elapsed();
    assert!(net.run_while_not(seconds(1), |net| net.both(COMPLETED)));
    assert!(net.elapsed() - trickled <= millis(60));
}

#[test]
fn disconnected_is_left_when_application_data_is_heard() {
    let mut net = Net::new(14, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(10));
    net.passes = Box::new(|_, _| false);
    net.run(seconds(8));
    assert_eq!(net.state(LEFT), ConnectionState::Disconnected);
    assert!(net.agents[LEFT].may_send(), "consent has not expired");
    let now = net.now;
    net.agents[LEFT].received_from(now, ice::Path::udp(at("192.0.2.1:1"), at("192.0.2.2:2")));
    assert_eq!(net.state(LEFT), COMPLETED);
    // ... but data is no consent.
    for _ in 0..20 {
        net.run(seconds(2));
        let now = net.now;
        net.agents[LEFT].received_from(now, ice::Path::udp(at("192.0.2.1:1"), at("192.0.2.2:2")));
    }
    assert_eq!(net.state(LEFT), ConnectionState::Failed);
}

#[test]
fn closing_is_the_last_word() {
    let mut net = Net::new(15, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    net.signal();
    net.run(seconds(1));
    let now = net.now;
    net.agents[LEFT].close(now);
    net.agents[LEFT].close(now);
    let before = net.sent.iter().filter(|sent| sent.by == LEFT).count();
    net.run(seconds(60));
    assert_eq!(net.sent.iter().filter(|sent| sent.by == LEFT).count(), before);
    let last: Vec<_> = net.events.iter().filter(|(_, side, _)| *side == LEFT).collect();
    let closed = last.iter().filter(|(.., event)| matches!(event, Event::Closed(_))).count();
    assert_eq!(closed, 1);
    assert!(matches!(last.last().unwrap().2, Event::Closed(_)));
    assert_eq!(net.state(RIGHT), ConnectionState::Failed, "consent is not given any more");
}

/// An interface vanishes a minute into the call. Returns when both sides could send again.
fn pulled_cable(pulled: usize) -> std::time::Duration {
    let mut net = Net::new(16, &["192.0.2.1:1", "10.0.0.1:1"], &["192.0.2.2:2", "10.0.0.2:2"]);
    net.signal();
    net.run(seconds(60));
    assert!(net.both(COMPLETED));
    let gone = net.agents[pulled].selected_pair().unwrap().local;
    net.hosts[pulled].retain(|host| *host != gone);
    let now = net.now;
    net.agents[pulled].remove_local_candidate(now, &gone.into());
    assert_eq!(net.state(pulled), ConnectionState::Disconnected);
    let pulled_at = net.elapsed();
    let found = net.run_while_not(seconds(30), |net| {
        let pairs = [LEFT, RIGHT].map(|side| net.agents[side].selected_pair());
        match pairs {
            [Some(left), Some(right)] => (left.local, left.remote) == (right.remote, right.local),
            _ => false,
        }
    });
    assert!(found, "{:?} {:?}", net.state(LEFT), net.state(RIGHT));
    let took = net.elapsed() - pulled_at;
    net.run(seconds(100));
    assert!(net.both(COMPLETED));
    for side in [LEFT, RIGHT] {
        assert!(net.entered(side, ConnectionState::Failed).is_empty());
    }
    took
}

#[test]
fn an_interface_of_the_controlling_side_vanishes() {
    assert!(pulled_cable(LEFT) <= seconds(13));
}

#[test]
fn an_interface_of_the_controlled_side_vanishes() {
    assert!(pulled_cable(RIGHT) <= seconds(13));
}

#[test]
fn nothing_follows_the_end_not_even_a_permit() {
    let mut net = Net::new(17, &["192.0.2.1:1"], &["192.0.2.2:2"]);
    let now = net.now;
    let relay = ice::Gathered::Relayed {
        relayed: at("198.51.100.1:5000"),
        mapped: at("203.0.113.1:1"),
        transport: ice::ServerTransport::Udp,
    };
    net.agents[LEFT].add_local_candidate(now, relay).unwrap();
    net.give_credentials(LEFT);
    net.give_candidates(LEFT);
    net.agents[LEFT].close(now);
    net.drain();
    assert!(matches!(net.events.last().unwrap().2, Event::Closed(_)));
}
