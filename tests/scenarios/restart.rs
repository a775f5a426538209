//! Pull the cable: the way of a call is gone in the middle of a file, and an ICE restart (RFC 8445 §9)
//! finds another for the same DTLS connection and the same association.

use ice::ServerTransport;
use peer::ConnectionState;
use tests::sim::{INTERNET, Nat, seeds};

use crate::call::{Call, LEFT, RIGHT_NAT, Setup, Transfer, is_connected, stun, turn_config};
use crate::peer::address;

/// Octets of the file; a quarter of it has arrived when the cable is pulled.
const FILE: usize = 2_000_000;

fn with_stun() -> Setup {
    Setup { servers: [vec![stun()], vec![stun()]], ..Setup::default() }
}

/// Waits until a quarter of the file is there.
fn begin(call: &mut Call) -> Transfer {
    let mut file = Transfer::new(call, FILE);
    call.run_until(60, |now, hosts| {
        file.drive(now, hosts);
        file.arrived() > FILE / 4
    });
    file
}

/// Lets the rest of it come.
fn finish(call: &mut Call, mut file: Transfer, seconds: u64) {
    call.run_until(seconds, |now, hosts| file.drive(now, hosts));
    file.assert_same();
    call.assert_unbroken();
}

/// One end's NAT forgets its mappings in the middle of a file: an ICE restart finds others.
fn rebind_and_restart(mut call: Call, forgetful: usize, offerer: usize) {
    let file = begin(&mut call);
    let before = call.paths();
    call.network.nat(call.homes[forgetful]).rebind();
    call.run_for(2);
    call.restart(offerer);
    finish(&mut call, file, 60);
    assert_ne!(call.paths(), before, "another mapping, or another allocation");
}

// ANCHOR: cable
#[test]
fn an_interface_vanishes_and_another_takes_over() {
    for offerer in [0, 1] {
        seeds(3, |seed| {
            let mut call = with_stun().call(seed);
            let file = begin(&mut call);
            // From Wi-Fi at home to mobile, behind the provider's NAT.
            let provider = Nat::new("203.0.113.77".parse().unwrap());
            let mobile = call.network.add_nat(INTERNET, provider);
            let base = address("100.64.0.9:1000");
            call.network.move_to(call.hosts[0], mobile, &[base.ip()]);
            let now = call.network.now();
            call.network.hosts[0].remove_base(now, address(LEFT));
            call.network.hosts[0].add_base(now, base);
            call.restart(offerer);
            finish(&mut call, file, 60);
            let [(local, remote), _] = call.paths();
            assert_eq!((local, remote.ip().to_string().as_str()), (base, RIGHT_NAT));
        });
    }
}
// ANCHOR_END: cable

#[test]
fn a_nat_forgets_its_mappings() {
    for offerer in [0, 1] {
        for forgetful in [0, 1] {
            seeds(3, |seed| {
                rebind_and_restart(with_stun().call(seed), forgetful, offerer);
            });
        }
    }
}

#[test]
fn after_consent_has_expired_a_restart_brings_the_call_back() {
    for offerer in [0, 1] {
        seeds(3, |seed| {
            let mut call = with_stun().call(seed);
            let file = begin(&mut call);
            call.network.set_down(call.hosts[1], true);
            call.run_until(40, |_, hosts| {
                let failed = ConnectionState::Failed;
                hosts.iter().all(|host| host.connection.connection_state() == failed)
            });
            call.network.set_down(call.hosts[1], false);
            call.run_for(5);
            assert!(!call.network.hosts.iter().any(is_connected), "nothing comes back by itself");
            call.restart(offerer);
            finish(&mut call, file, 120);
        });
    }
}

#[test]
fn relayed_calls_get_over_the_same() {
    for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
        for offerer in [0, 1] {
            seeds(2, |seed| {
                let mut call = Setup::relayed(transport).call(seed);
                let file = begin(&mut call);
                let before = call.paths();
                let provider = Nat::new("203.0.113.77".parse().unwrap());
                let mobile = call.network.add_nat(INTERNET, provider);
                let base = address("100.64.0.9:1000");
                call.network.move_to(call.hosts[0], mobile, &[base.ip()]);
                let now = call.network.now();
                call.network.hosts[0].remove_base(now, address(LEFT));
                call.network.hosts[0].add_base(now, base);
                call.restart(offerer);
                finish(&mut call, file, 60);
                assert_ne!(call.paths()[0].0, before[0].0, "another relayed address");
            });
        }
    }
}

#[test]
fn behind_a_forgetful_nat_the_relay_is_asked_again() {
    for (offerer, forgetful) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        seeds(2, |seed| {
            let call = Setup::relayed(ServerTransport::Udp).call(seed);
            rebind_and_restart(call, forgetful, offerer);
        });
    }
}

#[test]
fn a_relay_that_has_restarted_lends_another_address() {
    for offerer in [0, 1] {
        seeds(3, |seed| {
            let mut call = Setup::relayed(ServerTransport::Udp).call(seed);
            let file = begin(&mut call);
            call.restart_turn(turn_config());
            call.run_for(2);
            call.restart(offerer);
            finish(&mut call, file, 60);
            for host in [0, 1] {
                let failures = call.failures(host);
                let [failure] = &failures[..] else { panic!("{failures:?}") };
                assert_eq!(failure.code, 437);
                assert!(failure.to_string().contains("lost our allocation"), "{failure}");
            }
        });
    }
}

#[test]
fn relayed_calls_come_back_after_consent_has_expired() {
    seeds(3, |seed| {
        let mut call = Setup::relayed(ServerTransport::Udp).call(seed);
        let file = begin(&mut call);
        call.network.set_down(call.hosts[0], true);
        call.run_until(40, |_, hosts| {
            let failed = ConnectionState::Failed;
            hosts.iter().all(|host| host.connection.connection_state() == failed)
        });
        call.network.set_down(call.hosts[0], false);
        call.restart(0);
        finish(&mut call, file, 120);
    });
}

/// The handshake's 30 s do not begin before there is a path, whichever end is DTLS server.
#[test]
fn trap_a_call_that_found_no_path_finds_one_after_a_restart() {
    for offerer in [0, 1] {
        let mut call = with_stun().call(1);
        call.network.set_down(call.hosts[0], true);
        call.run_until(60, |_, hosts| {
            let failed = ConnectionState::Failed;
            hosts.iter().all(|host| host.connection.connection_state() == failed)
        });
        call.run_for(60);
        call.network.set_down(call.hosts[0], false);
        let file = Transfer::new(&call, FILE);
        call.restart(offerer);
        finish(&mut call, file, 60);
    }
}

#[test]
fn restarts_of_a_call_in_order_change_nothing() {
    seeds(3, |seed| {
        let mut call = with_stun().call(seed);
        let mut file = begin(&mut call);
        for offerer in [0, 1, 1, 0] {
            call.restart(offerer);
            let arrived = file.arrived();
            call.run_until(30, |now, hosts| {
                file.drive(now, hosts);
                file.arrived() > arrived + FILE / 10
            });
        }
        finish(&mut call, file, 60);
    });
}
