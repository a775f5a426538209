//! Paths that die, come back, or are replaced: consent, outages, ICE restarts.

use std::time::Duration;

use peer::{ConnectionState, Event};

use crate::net::{A, B, Net, address, is_stun};

const SECOND: Duration = Duration::from_secs(1);

/// The wire is cut for good: after 30 s without consent nothing but silence may leave.
#[test]
fn row_27_consent_lost() {
    let (mut net, ours, theirs) = Net::connected();
    net.deliver(A, ours, theirs, "hello");
    let cut = net.now;
    net.passes = Box::new(|_, _| false);
    for _ in 0..400 {
        // The application keeps talking.
        let _ = net.ends[A].send(net.now, ours, peer::Message::text("anyone?"));
        net.run(Duration::from_millis(100));
    }
    let last = net.sent.iter().rev().find(|(end, _, transmit)| *end == A && !is_stun(transmit));
    let last = last.unwrap().1 - cut;
    assert!(last <= 30 * SECOND, "{last:?} after the cut");
    assert!(last >= 20 * SECOND, "consent should hold for a while: {last:?}");
    let states = net.states(A);
    assert_eq!(
        states[states.len() - 2..],
        [ConnectionState::Disconnected, ConnectionState::Failed]
    );
    net.ends[A].close(net.now);
    net.drain();
    assert!(matches!(net.events[A].last(), Some(Event::Closed(_))));
}

#[test]
fn row_28_a_short_outage_needs_no_new_handshake() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    net.passes = Box::new(|_, _| false);
    net.run(8 * SECOND);
    net.passes = Box::new(|_, _| true);
    net.sent.clear();
    net.run(10 * SECOND);
    assert!(net.both_connected());
    assert!(net.sent.iter().all(|(_, _, transmit)| transmit.payload[0] != 22), "no handshake");
    net.deliver(A, ours, theirs, "still here");
}

#[test]
fn row_28_one_way_loss() {
    let (mut net, ours, theirs) = Net::connected();
    net.passes = Box::new(|end, _| end == A);
    net.run(8 * SECOND);
    net.passes = Box::new(|_, _| true);
    net.run(10 * SECOND);
    net.deliver(A, ours, theirs, "there");
    net.deliver(B, theirs, ours, "and back");
}

/// Forty per cent of everything is lost, from the first check on.
#[test]
fn a_call_over_a_bad_network() {
    let mut random = 12345_u32;
    let mut net = Net::new();
    net.passes = Box::new(move |_, _| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 16 & 0xff > 102
    });
    let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    let opened = net.run_until(40 * SECOND, |net| {
        net.events[B].iter().any(|event| matches!(event, Event::DataChannel(_)))
    });
    assert!(opened, "{} {}", net.state(A), net.state(B));
    let theirs = net.incoming(B);
    net.passes = Box::new(|_, _| true);
    net.deliver(A, ours, theirs, "through");
}

#[test]
fn an_ice_restart_keeps_the_channel_and_changes_the_credentials() {
    for offerer in [A, B] {
        let (mut net, ours, theirs) = Net::connected();
        net.run(SECOND);
        let ufrag = |net: &Net, end: usize| net.ends[end].local_ufrags().next().unwrap().to_owned();
        let before = [ufrag(&net, A), ufrag(&net, B)];
        net.ends[offerer].restart_ice(net.now);
        let (offer, answer) = net.negotiate(offerer);
        for (text, end) in [(&offer.sdp, offerer), (&answer.sdp, 1 - offerer)] {
            assert!(!text.contains(&before[end]), "new credentials");
            assert!(text.contains("a=candidate:"));
        }
        // Data goes on over the old path while the new one is looked for.
        net.sent.clear();
        net.deliver(A, ours, theirs, "meanwhile");
        net.run(5 * SECOND);
        assert!(net.both_connected());
        assert_eq!(net.ends[A].local_ufrags().count(), 1, "the old generation is gone");
        assert!(net.sent.iter().all(|(_, _, transmit)| transmit.payload[0] != 22), "no handshake");
        net.deliver(B, theirs, ours, "afterwards");
    }
}

#[test]
fn a_restart_that_is_taken_back_changes_nothing() {
    let (mut net, ours, theirs) = Net::connected();
    let now = net.now;
    let before: Vec<_> = net.ends[A].local_ufrags().map(str::to_owned).collect();
    net.ends[A].restart_ice(now);
    net.ends[A].set_local_description(now, peer::SessionDescription::offer("")).unwrap();
    net.ends[A].set_local_description(now, peer::SessionDescription::rollback()).unwrap();
    assert_eq!(net.ends[A].local_ufrags().collect::<Vec<_>>(), before);
    net.deliver(A, ours, theirs, "as before");
}

/// Row 29: after the path has failed for good, an ICE restart brings the connection back.
#[test]
fn row_29_failed_and_restarted() {
    let (mut net, ours, theirs) = Net::connected();
    net.passes = Box::new(|_, _| false);
    net.run(50 * SECOND);
    assert_eq!(net.state(A), ConnectionState::Failed);
    net.passes = Box::new(|_, _| true);
    net.ends[A].restart_ice(net.now);
    net.negotiate(A);
    assert!(net.run_until(10 * SECOND, Net::both_connected));
    net.deliver(A, ours, theirs, "back again");
}

/// A new address of ours, told while the call is being set up over an address that does not work.
#[test]
fn a_second_address_is_announced_and_used() {
    let mut net = Net::new();
    net.passes =
        Box::new(|_, transmit| transmit.local != address(A) && transmit.remote != address(A));
    let ours = net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    net.run(SECOND);
    assert!(!net.both_connected());
    let second = "192.0.2.9:1009".parse().unwrap();
    net.ends[A].add_local_candidate(net.now, second);
    net.drain();
    let told = net.events[A].iter().find_map(|event| match event {
        Event::IceCandidate(Some(candidate)) => Some(candidate.clone()),
        _ => None,
    });
    let told = told.expect("a candidate");
    assert!(told.candidate.contains("192.0.2.9 1009"));
    assert_eq!(told.sdp_mid.as_deref(), Some("0"));
    let now = net.now;
    net.ends[B].add_ice_candidate(now, told).unwrap();
    let theirs = net.incoming(B);
    net.deliver(A, ours, theirs, "by the other way");
    assert!(net.events[A].contains(&Event::SelectedPair {
        protocol: ice::Protocol::Udp,
        local: second,
        remote: address(B)
    }));
}
