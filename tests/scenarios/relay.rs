//! Calls from behind NATs, by reflexive and by relayed addresses, on bad networks and with servers
//! that fail.

use std::time::Duration;

use ice::{Gathered, ServerTransport, User};
use stun::behaviour::Dependence;
use tests::sim::{Link, Nat, seeds};

use crate::call::{
    Call, LEFT, LEFT_NAT, RIGHT_NAT, Setup, TURN, Transfer, USER, is_connected, stun, turn,
    turn_config,
};
use crate::peer::address;

/// Octets of most files here.
const FILE: usize = 200_000;

fn transfer(call: &mut Call, octets: usize, seconds: u64) {
    let mut file = Transfer::new(call, octets);
    call.run_until(seconds, |now, hosts| file.drive(now, hosts));
    file.assert_same();
    call.assert_unbroken();
}

/// Both ends send from relayed addresses, to relayed addresses.
fn assert_relayed(call: &Call) {
    let server = address(TURN).ip();
    for (local, remote) in call.paths() {
        assert_eq!((local.ip(), remote.ip()), (server, server));
    }
}

#[test]
fn two_homes_meet_at_their_reflexive_addresses() {
    seeds(10, |seed| {
        let setup = Setup { servers: [vec![stun()], vec![stun()]], ..Setup::default() };
        let mut call = setup.call(seed);
        call.connect(10);
        let [(local, _), (_, remote)] = call.paths();
        assert_eq!(local, address(LEFT));
        assert_eq!(remote.ip().to_string(), LEFT_NAT);
        let [Gathered::ServerReflexive { mapped, .. }] = call.found(0)[..] else {
            panic!("{:?}", call.found(0))
        };
        assert_eq!(mapped, remote);
        transfer(&mut call, FILE, 60);
    });
}

#[test]
fn relays_at_both_ends_over_udp_and_tcp() {
    for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
        seeds(5, |seed| {
            let mut call = Setup::relayed(transport).call(seed);
            call.connect(10);
            assert_relayed(&call);
            transfer(&mut call, FILE, 60);
            assert!(call.failures(0).is_empty(), "{:?}", call.failures(0));
        });
    }
}

#[test]
fn a_quarter_of_all_datagrams_is_lost() {
    seeds(10, |seed| {
        let mut call = Setup::relayed(ServerTransport::Udp).call(seed);
        call.network.set_link(call.hosts[0], &Link::default().delay(20).jitter(20).loss(0.25));
        call.connect(60);
        assert_relayed(&call);
        // A handful of consent checks is lost in a row now and then; that is another test.
        transfer(&mut call, 20_000, 120);
    });
}

#[test]
fn where_nats_map_each_destination_apart_only_a_relay_helps() {
    seeds(5, |seed| {
        let nat = |public: &str| {
            let apart = Dependence::AddressAndPortDependent;
            Nat::new(public.parse().unwrap()).mapping(apart).filtering(apart)
        };
        let servers = vec![stun(), turn(ServerTransport::Udp)];
        let nats = [nat(LEFT_NAT), nat(RIGHT_NAT)];
        let setup = Setup { servers: [servers.clone(), servers], nats, ..Setup::default() };
        let mut call = setup.call(seed);
        call.connect(20);
        let relay = address(TURN).ip();
        let is_relayed = |(local, remote): &(std::net::SocketAddr, std::net::SocketAddr)| {
            local.ip() == relay || remote.ip() == relay
        };
        assert!(call.paths().iter().any(is_relayed), "{:?}", call.paths());
        transfer(&mut call, FILE, 60);
    });
}

#[test]
fn where_udp_is_blocked_tcp_to_the_relay_gets_through() {
    seeds(5, |seed| {
        let servers = [ServerTransport::Udp, ServerTransport::Tcp].map(turn);
        let setup = Setup { servers: [servers.to_vec(), vec![stun()]], ..Setup::default() };
        let mut call = setup.call(seed);
        call.network.block_udp(call.hosts[0], true);
        call.connect(20);
        transfer(&mut call, FILE, 60);
        call.run_for(5);
        let [failure] = &call.failures(0)[..] else { panic!("{:?}", call.failures(0)) };
        assert_eq!((failure.code, failure.url.as_str()), (701, servers[0].url.as_str()));
    });
}

#[test]
fn a_wrong_password_is_said_and_the_other_candidates_work() {
    seeds(5, |seed| {
        let mut wrong = turn(ServerTransport::Udp);
        wrong.user = Some(User::new(USER, "another secret"));
        let servers = [vec![wrong.clone()], vec![stun()]];
        let mut call = Setup { servers, ..Setup::default() }.call(seed);
        call.connect(20);
        transfer(&mut call, FILE, 60);
        call.run_for(60);
        let [failure] = &call.failures(0)[..] else { panic!("{:?}", call.failures(0)) };
        assert_eq!(failure.code, 401);
        let sentence = failure.to_string();
        assert!(sentence.starts_with(&wrong.url) && sentence.contains("password"), "{sentence}");
        assert!(sentence.contains("401"), "{sentence}");
        assert!(call.complete(0));
        // The server is of use all the same: it has told what it sees.
        assert!(matches!(call.found(0)[..], [Gathered::ServerReflexive { .. }]));
    });
}

#[test]
fn a_dead_server_holds_up_nobody() {
    seeds(5, |seed| {
        let mut dead = turn(ServerTransport::Udp);
        dead.address = address("198.51.100.66:3478");
        dead.url = "turn:dead.example.org".into();
        let servers = [vec![dead, stun()], vec![stun()]];
        let mut call = Setup { servers, ..Setup::default() }.call(seed);
        call.connect(2);
        let connected_after = call.network.elapsed();
        assert!(connected_after < Duration::from_secs(2), "{connected_after:?}");
        call.run_until(6, |_, hosts| {
            let complete = tests::host::HostEvent::Gathering(ice::GatheringEvent::Complete);
            hosts[0].events.contains(&complete)
        });
        let [failure] = &call.failures(0)[..] else { panic!("{:?}", call.failures(0)) };
        assert_eq!((failure.code, failure.url.as_str()), (701, "turn:dead.example.org"));
    });
}

#[test]
fn a_quota_is_said() {
    let turn = stun::turn::server::Config { max_per_user: 1, ..turn_config() };
    let servers = vec![stun(), crate::call::turn(ServerTransport::Udp)];
    let mut call = Setup { servers: [servers.clone(), servers], turn, ..Setup::default() }.call(1);
    call.connect(10);
    call.run_for(5);
    let failures = [call.failures(0), call.failures(1)].concat();
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(failure.code, 486);
}

#[test]
fn nonces_expire_and_leases_are_renewed_while_a_call_lasts() {
    let nonce_lifetime = Duration::from_secs(30);
    for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
        seeds(2, |seed| {
            let turn = stun::turn::server::Config { nonce_lifetime, ..turn_config() };
            let mut call = Setup { turn, ..Setup::relayed(transport) }.call(seed);
            call.connect(10);
            // Permissions last 300 s, allocations and channels 600 s (RFC 8656 §9, §3.2, §12).
            for _ in 0..5 {
                call.run_for(300);
                assert!(call.network.hosts.iter().all(is_connected));
            }
            assert_relayed(&call);
            transfer(&mut call, FILE, 60);
            assert!(call.failures(0).is_empty(), "{:?}", call.failures(0));
        });
    }
}

#[test]
fn a_link_of_1280_octets_carries_relayed_packets() {
    seeds(3, |seed| {
        let link = Link::default().delay(10).mtu(1280);
        let mut call = Setup { link, ..Setup::relayed(ServerTransport::Udp) }.call(seed);
        call.connect(10);
        assert_relayed(&call);
        transfer(&mut call, FILE, 60);
    });
}
