//! ICE restarts: who asks for them, what becomes of the wish, and what is kept meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use ice::Gathered;
use peer::{
    ConnectionState, Event, IceConnectionState, IceGatheringState, Message, SessionDescription,
};

use crate::net::{A, B, Net, address, config, is_stun};

const SECOND: Duration = Duration::from_secs(1);

fn ufrag(net: &Net, end: usize) -> String {
    let text = net.ends[end].local_description().unwrap().sdp;
    let line = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    line.unwrap().to_owned()
}

fn ufrags(net: &Net) -> [String; 2] {
    [ufrag(net, A), ufrag(net, B)]
}

fn is_told(net: &mut Net, end: usize, event: &Event) -> bool {
    net.drain();
    net.events[end].contains(event)
}

fn assert_no_handshake(net: &Net) {
    assert!(net.sent.iter().all(|(_, _, transmit)| transmit.payload[0] != 22), "a handshake");
}

fn ice_states(net: &Net, end: usize) -> Vec<IceConnectionState> {
    let state = |event: &Event| match event {
        Event::IceConnectionStateChange(state) => Some(*state),
        _ => None,
    };
    net.events[end].iter().filter_map(state).collect()
}

#[test]
fn the_states_of_ice_and_of_gathering_are_told() {
    let (mut net, ..) = Net::connected();
    let now = net.now;
    net.run(SECOND);
    net.ends[A].end_of_local_candidates(now);
    net.drain();
    let gathering: Vec<_> = net.events[A]
        .iter()
        .filter_map(|event| match event {
            Event::IceGatheringStateChange(state) => Some(*state),
            _ => None,
        })
        .collect();
    assert_eq!(gathering, [IceGatheringState::Gathering, IceGatheringState::Complete]);
    assert_eq!(net.ends[A].ice_gathering_state(), IceGatheringState::Complete);
    assert_eq!(net.ends[B].ice_gathering_state(), IceGatheringState::Gathering);
    for end in [A, B] {
        let states = ice_states(&net, end);
        assert_eq!(states.first(), Some(&IceConnectionState::Checking), "{states:?}");
        assert_eq!(states.last(), Some(&IceConnectionState::Completed), "{states:?}");
        assert_eq!(net.ends[end].ice_connection_state(), IceConnectionState::Completed);
    }
    net.ends[A].close(net.now);
    net.drain();
    assert_eq!(ice_states(&net, A).last(), Some(&IceConnectionState::Closed));
}

#[test]
fn a_wish_for_a_restart_needs_a_negotiation() {
    let (mut net, ..) = Net::connected();
    net.run(SECOND);
    net.events = [Vec::new(), Vec::new()];
    let before = ufrags(&net);
    net.ends[A].restart_ice(net.now);
    assert!(is_told(&mut net, A, &Event::NegotiationNeeded));
    assert_eq!(ufrags(&net), before, "nothing has happened yet");
    net.negotiate(A);
    net.run(5 * SECOND);
    let after = ufrags(&net);
    assert!(before[A] != after[A] && before[B] != after[B]);
    // The wish is fulfilled: the next offer is an ordinary one.
    net.events = [Vec::new(), Vec::new()];
    assert!(!is_told(&mut net, A, &Event::NegotiationNeeded));
    net.negotiate(A);
    assert_eq!(ufrags(&net), after);
}

/// While the old path works, nobody sees a restart in the state.
#[test]
fn a_restart_is_not_felt() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    net.events = [Vec::new(), Vec::new()];
    net.sent.clear();
    net.ends[B].restart_ice(net.now);
    net.negotiate(B);
    for count in 0..20 {
        net.deliver(A, ours, theirs, &format!("there {count}"));
        net.deliver(B, theirs, ours, &format!("back {count}"));
        assert!(net.both_connected());
    }
    net.run(5 * SECOND);
    for end in [A, B] {
        assert_eq!(net.states(end), [], "no change of state");
        assert!(!ice_states(&net, end).contains(&IceConnectionState::Checking));
        assert_eq!(net.ends[end].local_ufrags().count(), 1, "old credentials are gone");
    }
    assert_no_handshake(&net);
}

/// Our offer with a restart crosses one of the peer: it is taken back, the wish is not.
#[test]
fn a_wish_survives_glare_and_rollback() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    let before = ufrags(&net);
    net.ends[A].restart_ice(net.now);
    let now = net.now;
    net.ends[A].set_local_description(now, SessionDescription::offer("")).unwrap();
    net.events = [Vec::new(), Vec::new()];
    net.negotiate_over(B);
    net.run(SECOND);
    assert_eq!(ufrags(&net), before, "the peer's offer was no restart");
    assert!(is_told(&mut net, A, &Event::NegotiationNeeded), "ours is still to come");
    net.negotiate(A);
    net.run(5 * SECOND);
    let after = ufrags(&net);
    assert!(before[A] != after[A] && before[B] != after[B]);

    net.ends[A].restart_ice(net.now);
    let now = net.now;
    net.ends[A].set_local_description(now, SessionDescription::offer("")).unwrap();
    net.ends[A].set_local_description(now, SessionDescription::rollback()).unwrap();
    net.events = [Vec::new(), Vec::new()];
    assert_eq!(ufrags(&net), after);
    assert!(is_told(&mut net, A, &Event::NegotiationNeeded));
    net.negotiate(A);
    assert_ne!(ufrag(&net, A), after[A]);
    net.deliver(A, ours, theirs, "on and on");
    assert_no_handshake_after(&mut net);
}

fn assert_no_handshake_after(net: &mut Net) {
    net.sent.clear();
    net.run(10 * SECOND);
    assert_no_handshake(net);
}

/// Both want a restart at once: one exchange fulfils both wishes.
#[test]
fn one_exchange_fulfils_the_wishes_of_both() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    for end in [A, B] {
        net.ends[end].restart_ice(net.now);
    }
    let now = net.now;
    net.ends[A].set_local_description(now, SessionDescription::offer("")).unwrap();
    net.negotiate_over(B);
    net.events = [Vec::new(), Vec::new()];
    net.run(5 * SECOND);
    for end in [A, B] {
        assert!(!is_told(&mut net, end, &Event::NegotiationNeeded));
    }
    net.deliver(A, ours, theirs, "once is enough");
}

/// Row 29: the path is dead for long, ICE has failed on both sides, data waits. A restart by either
/// side over a new address brings the same DTLS connection and association on.
#[test]
fn row_29_a_restart_over_a_new_address_after_failure() {
    for offerer in [A, B] {
        let (mut net, ours, theirs) = Net::connected();
        net.deliver(A, ours, theirs, "before");
        net.passes = Box::new(|_, _| false);
        net.ends[A].send(net.now, ours, Message::text("kept")).unwrap();
        net.run(60 * SECOND);
        for end in [A, B] {
            assert_eq!(net.state(end), ConnectionState::Failed);
        }
        // The cable is gone, a wireless network has come.
        let old = Gathered::from(address(A));
        let new: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        net.ends[A].remove_local_candidate(net.now, &old);
        net.ends[A].add_local_candidate(net.now, new);
        net.passes = Box::new(move |_, transmit| transmit.local == new || transmit.remote == new);
        net.sent.clear();
        net.events = [Vec::new(), Vec::new()];
        net.ends[offerer].restart_ice(net.now);
        let (offer, answer) = net.negotiate(offerer);
        let description = if offerer == A { offer } else { answer };
        assert!(description.sdp.contains("198.51.100.7 7000"), "{}", description.sdp);
        assert!(!description.sdp.contains("192.0.2.1 1000"), "the old one is not told");
        assert!(net.run_until(10 * SECOND, Net::both_connected));
        let connected = [ConnectionState::Connecting, ConnectionState::Connected];
        assert_eq!(net.states(A), connected);
        assert_eq!(net.states(B), connected);
        let start = net.now;
        let mut received = None;
        while received.is_none() && net.now < start + 10 * SECOND {
            net.run(SECOND / 10);
            received = net.ends[B].recv(net.now, theirs);
        }
        assert_eq!(received, Some(Message::text("kept")), "what waited has arrived");
        net.deliver(B, theirs, ours, "and back");
        assert_no_handshake(&net);
    }
}

/// The interface goes away while the other one is there already: no restart is needed, and a restart
/// under way knows the addresses too.
#[test]
fn an_interface_vanishes() {
    let second: SocketAddr = "198.51.100.7:7000".parse().unwrap();
    for restarts in [false, true] {
        let (mut net, ours, theirs) = Net::connected();
        net.run(SECOND);
        if restarts {
            net.ends[A].restart_ice(net.now);
            // Prepared, and then the machine's addresses change.
            let now = net.now;
            net.ends[A].set_local_description(now, SessionDescription::offer("")).unwrap();
        }
        net.drain();
        net.ends[A].add_local_candidate(net.now, second);
        net.drain();
        let told = net.events[A].iter().rev().find_map(|event| match event {
            Event::IceCandidate(Some(candidate)) => Some(candidate.clone()),
            _ => None,
        });
        let told = told.expect("the new one is told");
        assert_eq!(told.username_fragment, Some(ufrag(&net, A)));
        assert!(told.candidate.contains("198.51.100.7 7000"));
        net.ends[A].remove_local_candidate(net.now, &Gathered::from(address(A)));
        let gone = address(A);
        net.passes = Box::new(move |_, transmit| transmit.local != gone && transmit.remote != gone);
        if restarts {
            let offer = net.ends[A].local_description().unwrap();
            net.answer(A, offer);
        } else {
            let now = net.now;
            net.ends[B].add_ice_candidate(now, told).unwrap();
            net.ends[A].restart_ice(now);
            net.negotiate(A);
        }
        net.run(5 * SECOND);
        net.deliver(A, ours, theirs, "by the other way");
        net.deliver(B, theirs, ours, "and back");
        let sent = net.sent.iter().rev().find(|(end, ..)| *end == A).unwrap();
        assert_eq!(sent.2.local, second);
    }
}

/// The peer answers a restart, and then none of its checks gets through: the old path stays, and a
/// second restart does not lose it either.
#[test]
fn a_restart_that_fails_keeps_what_works() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    for _ in 0..2 {
        net.ends[A].restart_ice(net.now);
        let (offer, answer) = net.negotiate(A);
        // Only checks of the first generation pass.
        let fragment = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
            line.unwrap().to_owned()
        };
        let new = [fragment(&offer.sdp), fragment(&answer.sdp)];
        let mut blocked = std::mem::take(&mut net.blocked);
        blocked.extend(new);
        net.blocked.clone_from(&blocked);
        net.passes = Box::new(move |_, transmit| {
            let payload = &transmit.payload[..];
            let has = |name: &String| payload.windows(name.len()).any(|it| it == name.as_bytes());
            !is_stun(transmit) || !blocked.iter().any(has)
        });
        for _ in 0..10 {
            net.run(6 * SECOND);
            net.deliver(A, ours, theirs, "still");
            assert!(net.both_connected());
        }
    }
}

#[test]
fn a_first_answer_cannot_be_restarted() {
    let mut net = Net::with(config(A), config(B));
    net.ends[A].restart_ice(net.now);
    net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
    net.negotiate(A);
    assert!(net.run_until(10 * SECOND, Net::both_connected));
}
