//! Whatever happens in whatever order: no panic, bounds hold, timers come to rest.

use std::net::SocketAddr;
use std::time::Duration;

use ice::{
    Config, ConnectionState, Credentials, Gathered, Mode, Path, Protocol, Role, ServerTransport,
};
use proptest::prelude::*;

use crate::net::*;

/// One thing that can happen to an agent.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    TimeoutWithoutDraining(u64),
    Drain,
    Garbage(u8, Vec<u8>),
    /// A proper check in which some octet may be changed.
    Check(u8, bool, bool, u64, Option<(u16, u8)>),
    /// An answer, perhaps from elsewhere, perhaps changed.
    Answer(u8, u8, Option<(u16, u8)>),
    Candidate(u8, u32),
    Local(u8),
    /// One of the ways is no more.
    Gone(u8),
    /// A check or a failure on TCP.
    Stream(u8, bool),
    Introduce(bool),
    Role(bool),
    Lite(bool),
    Data(u8),
    EndOfCandidates,
    Close,
}

fn steps() -> impl Strategy<Value = Step> {
    let change = || prop::option::weighted(0.3, any::<(u16, u8)>());
    prop_oneof![
        4 => (0..2000u64).prop_map(Step::Pass),
        1 => (0..40_000u64).prop_map(Step::Pass),
        1 => (0..40_000u64).prop_map(Step::TimeoutWithoutDraining),
        2 => Just(Step::Drain),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(from, octets)| Step::Garbage(from, octets)),
        6 => (any::<u8>(), any::<bool>(), any::<bool>(), any::<u64>(), change())
            .prop_map(|(from, controlling, nominate, tie, change)| {
                Step::Check(from, controlling, nominate, tie, change)
            }),
        6 => (any::<u8>(), 0..4u8, change())
            .prop_map(|(which, from, change)| Step::Answer(which, from, change)),
        3 => (any::<u8>(), any::<u32>()).prop_map(|(at, priority)| Step::Candidate(at, priority)),
        2 => any::<u8>().prop_map(Step::Local),
        1 => any::<u8>().prop_map(Step::Gone),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(from, check)| Step::Stream(from, check)),
        2 => any::<bool>().prop_map(Step::Introduce),
        1 => any::<bool>().prop_map(Step::Role),
        1 => prop::bool::weighted(0.1).prop_map(Step::Lite),
        1 => any::<u8>().prop_map(Step::Data),
        1 => Just(Step::EndOfCandidates),
        1 => prop::bool::weighted(0.05).prop_map(|close| {
            if close { Step::Close } else { Step::Drain }
        }),
    ]
}

/// Few addresses, so that they meet.
fn address(number: u8) -> SocketAddr {
    match number % 8 {
        6 => at("[2001:db8::2]:2000"),
        7 => at("127.0.0.1:2000"),
        port => SocketAddr::new("192.0.2.2".parse().unwrap(), 2000 + u16::from(port)),
    }
}

fn way(number: u8) -> Gathered {
    let local = at("192.0.2.1:1000");
    match number % 8 {
        0 => at("[2001:db8::1]:1000").into(),
        1 => at("127.0.0.1:1000").into(),
        2 => at("10.0.0.1:1000").into(),
        3 => Gathered::TcpActive { ip: local.ip() },
        4 => Gathered::Host { protocol: Protocol::Tcp, address: local, name: None },
        5 => Gathered::ServerReflexive { base: local, mapped: at("203.0.113.1:4000") },
        6 => Gathered::Relayed {
            relayed: at("198.51.100.1:5000"),
            mapped: at("203.0.113.1:4000"),
            transport: ServerTransport::Tls,
        },
        _ => local.into(),
    }
}

fn changed(octets: &[u8], change: Option<(u16, u8)>) -> Vec<u8> {
    let mut octets = octets.to_vec();
    if let Some((place, value)) = change {
        let place = usize::from(place) % octets.len();
        octets[place] ^= value;
    }
    octets
}

fn take(script: &mut Script, step: &Step, pending: &mut Vec<ice::Transmit>) {
    let now = script.now;
    match step {
        Step::Pass(milliseconds) => {
            let sent = script.pass(Duration::from_millis(*milliseconds));
            pending.extend(sent.into_iter().map(|(_, transmit)| transmit));
        }
        Step::TimeoutWithoutDraining(milliseconds) => {
            script.now += Duration::from_millis(*milliseconds);
            script.agent.handle_timeout(script.now);
            // Time that runs backwards is the owner's mistake, and must do no harm either.
            script.agent.handle_timeout(now);
        }
        Step::Drain => pending.extend(script.sent()),
        Step::Garbage(from, octets) => {
            let _ = script.receive(address(*from), octets);
        }
        Step::Check(from, controlling, use_candidate, tie_breaker, change) => {
            let role = if *controlling { Role::Controlling } else { Role::Controlled };
            let say = Say {
                role,
                tie_breaker: *tie_breaker,
                use_candidate: *use_candidate,
                ..Say::default()
            };
            let check = script.check(say);
            let _ = script.receive(address(*from), &changed(&check, *change));
        }
        Step::Answer(which, from, change) => {
            let checks = requests(pending);
            if checks.is_empty() {
                return;
            }
            let check = &checks[usize::from(*which) % checks.len()];
            let answer = changed(&script.answer(check), *change);
            let remote = if *from == 0 { address(*which) } else { check.remote };
            let way = ice::Transmit { remote, ..check.clone() };
            let _ = script.reply(&way, &answer);
        }
        Step::Candidate(number, priority) => {
            let address = address(*number);
            let kind = ["srflx", "host", "relay", "host"][usize::from(*number) % 4];
            let (ip, port) = (address.ip(), address.port());
            let (transport, tail) =
                if number % 5 == 0 { ("tcp", " tcptype passive") } else { ("udp", "") };
            let line = format!("{number} 1 {transport} {priority} {ip} {port} typ {kind}{tail}");
            let candidate = ice::Candidate::parse(&line).unwrap();
            let _ = script.agent.add_remote_candidate(now, candidate);
        }
        Step::Local(number) => {
            script.agent.add_local_candidate(now, way(*number));
        }
        Step::Gone(number) => script.agent.remove_local_candidate(now, &way(*number)),
        Step::Stream(from, check) => {
            let local = [at("192.0.2.1:9"), at("192.0.2.1:1000")][usize::from(*from) % 2];
            let remote = address(*from);
            if *check {
                let _ = script.check_over_tcp(local, remote, Say::renominate(u32::from(*from)));
            } else {
                script.agent.path_failed(now, Path { protocol: Protocol::Tcp, local, remote });
            }
        }
        Step::Introduce(right) => {
            let mut credentials: Credentials = script.credentials.clone();
            if !right {
                credentials.pwd = "short".to_owned();
            }
            let _ = script.agent.set_remote_credentials(now, credentials);
        }
        Step::Role(controlling) => {
            let role = if *controlling { Role::Controlling } else { Role::Controlled };
            script.agent.set_role(now, role);
        }
        Step::Lite(lite) => script.agent.set_remote_lite(now, *lite),
        Step::Data(from) => {
            script.agent.received_from(now, ice::Path::udp(script.local(), address(*from)))
        }
        Step::EndOfCandidates => script.agent.end_of_remote_candidates(now),
        Step::Close => script.agent.close(now),
    }
}

fn invariants(script: &Script) {
    let pairs: Vec<_> = script.agent.pair_stats().collect();
    assert!(pairs.len() <= 100);
    assert!(pairs.windows(2).all(|two| two[0].priority >= two[1].priority), "sorted");
    let mut ways: Vec<_> =
        pairs.iter().map(|pair| (pair.protocol, pair.local, pair.remote)).collect();
    ways.sort_unstable();
    ways.dedup();
    assert_eq!(ways.len(), pairs.len(), "pruned");
    assert!(pairs.iter().filter(|pair| pair.selected).count() <= 1);
    let state = script.agent.state();
    let selected = script.agent.selected_pair();
    let connected = matches!(
        state,
        ConnectionState::Connected | ConnectionState::Completed | ConnectionState::Disconnected
    );
    let waiting = state == ConnectionState::Disconnected;
    assert!(connected == selected.is_some() || waiting, "{state:?}");
    assert_eq!(script.agent.may_send(), selected.is_some());
    if let Some(pair) = selected {
        let ice::SelectedPair { protocol, local, remote, .. } = pair;
        assert!(script.agent.is_validated(Path { protocol, local, remote }));
    }
    if state.is_ended() {
        assert!(script.agent.poll_timeout().is_none());
    }
}

proptest! {
    #[test]
    fn never_panics_and_bounds_hold(
        controlling in any::<bool>(),
        lite in prop::bool::weighted(0.2),
        steps in prop::collection::vec(steps(), 0..80),
    ) {
        let role = if controlling { Role::Controlling } else { Role::Controlled };
        let mode = if lite { Mode::Lite } else { Mode::Full };
        let mut script = Script::with(Config { mode, ..Config::new(role) });
        let mut pending = Vec::new();
        for step in &steps {
            take(&mut script, step, &mut pending);
            invariants(&script);
        }
        // Left alone, every agent comes to rest or waits for the peer; no timer spins.
        let sent = script.pass(Duration::from_secs(200));
        prop_assert!(sent.len() < 2000, "{} packets", sent.len());
        invariants(&script);
    }

    #[test]
    fn two_agents_connect_whatever_the_order_of_signalling(
        seed in any::<u32>(),
        mut order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        pause in 0..100u64,
        loss in 0.0..0.3f64,
    ) {
        let mut net = Net::new(seed.into(), &["192.0.2.1:1", "[::1]:1"], &["192.0.2.2:2", "[::1]:2"]);
        net.loss = loss;
        while let Some(step) = order.pop() {
            match step {
                0 => net.give_credentials(LEFT),
                1 => net.give_credentials(RIGHT),
                2 => net.give_candidates(LEFT),
                _ => net.give_candidates(RIGHT),
            }
            net.run(millis(pause));
        }
        let connected = net.run_while_not(seconds(35), |net| {
            net.agents.iter().all(ice::Agent::may_send)
        });
        prop_assert!(connected, "{:?} {:?}", net.state(LEFT), net.state(RIGHT));
    }
}
