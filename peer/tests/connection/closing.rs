//! How connections end, and that the other side sees it.

use std::time::Duration;

use peer::{CloseReason, ConnectionState, Error, Event, Message, SendError, SessionDescription};

use crate::net::{A, B, Net, is_stun};

const SECOND: Duration = Duration::from_secs(1);

/// The farewell leaves before `Closed`, and the peer knows within a one-way trip.
#[test]
fn trap_a_close_is_seen_by_the_other_side_at_once_and_is_no_failure() {
    let (mut net, ours, theirs) = Net::connected();
    net.run(SECOND);
    net.sent.clear();
    net.ends[A].close(net.now);
    assert_eq!(net.state(A), ConnectionState::Closed);
    while let Some(event) = net.ends[A].poll_event() {
        assert!(!matches!(event, Event::Closed(_)), "before the farewell has left");
        net.events[A].push(event);
    }
    net.drain();
    let farewell =
        net.sent.iter().filter(|(end, _, transmit)| *end == A && !is_stun(transmit)).count();
    assert_eq!(farewell, 2, "an ABORT and a close_notify");
    assert_eq!(net.events[A].last(), Some(&Event::Closed(CloseReason::Local)));
    assert!(net.events[A].contains(&Event::ChannelClosed(ours)));
    net.run(2 * net.delay);
    assert_eq!(net.events[B].last(), Some(&Event::Closed(CloseReason::Remote)));
    assert!(net.events[B].contains(&Event::ChannelClosed(theirs)));
    assert_eq!(net.states(B).last(), Some(&ConnectionState::Closed));
}

#[test]
fn after_the_end_there_is_silence() {
    let (mut net, ours, _) = Net::connected();
    net.ends[A].close(net.now);
    net.run(SECOND);
    net.events = Default::default();
    net.sent.clear();
    let now = net.now;
    assert!(matches!(net.ends[A].create_offer(now), Err(Error::Closed)));
    assert!(matches!(
        net.ends[A].create_data_channel(now, "", Default::default()),
        Err(Error::Closed)
    ));
    assert_eq!(net.ends[A].send(now, ours, Message::text("x")), Err(SendError::NotOpen));
    assert_eq!(net.ends[A].poll_timeout(), None);
    net.ends[A].close(now);
    net.run(60 * SECOND);
    assert!(net.events[A].is_empty() && net.sent.is_empty());
}

#[test]
fn both_close_at_once() {
    let (mut net, ..) = Net::connected();
    net.ends[A].close(net.now);
    net.ends[B].close(net.now);
    net.run(SECOND);
    for end in [A, B] {
        assert_eq!(net.events[end].last(), Some(&Event::Closed(CloseReason::Local)));
    }
}

#[test]
fn close_before_anything() {
    let mut net = Net::new();
    net.ends[A].close(net.now);
    net.drain();
    assert_eq!(net.events[A].last(), Some(&Event::Closed(CloseReason::Local)));
}

/// In the middle of the handshake there is no association yet, but DTLS can say goodbye.
#[test]
fn close_at_every_moment_of_the_call() {
    for milliseconds in (0..200).step_by(10) {
        let mut net = Net::new();
        net.ends[A].create_data_channel(net.now, "", Default::default()).unwrap();
        net.negotiate(A);
        net.run(Duration::from_millis(milliseconds));
        net.ends[A].close(net.now);
        net.run(70 * SECOND);
        assert_eq!(
            net.events[A].last(),
            Some(&Event::Closed(CloseReason::Local)),
            "{milliseconds}"
        );
        let state = net.state(B);
        assert!(
            matches!(state, ConnectionState::Closed | ConnectionState::Failed),
            "{milliseconds}: {state}"
        );
    }
}

#[test]
fn a_channel_closes_on_both_sides_and_the_connection_lives() {
    let (mut net, ours, theirs) = Net::connected();
    net.ends[A].send(net.now, ours, Message::text("last words")).unwrap();
    net.ends[A].close_data_channel(net.now, ours);
    net.run(SECOND);
    let now = net.now;
    assert_eq!(net.ends[B].recv(now, theirs), Some(Message::text("last words")));
    net.run(SECOND);
    assert!(net.events[A].contains(&Event::ChannelClosed(ours)));
    assert!(net.events[B].contains(&Event::ChannelClosed(theirs)));
    assert!(net.both_connected());
    assert_eq!(net.ends[A].channel_ids().count(), 0);
    net.events = Default::default();
    let again = net.ends[B].create_data_channel(net.now, "again", Default::default()).unwrap();
    let there = net.incoming(A);
    net.deliver(B, again, there, "hello");
}

/// The peer stops the data section in a re-offer: the association ends (RFC 8841 §10.2).
#[test]
fn an_offer_without_its_data_section_ends_the_connection() {
    let (mut net, ours, _) = Net::connected();
    let now = net.now;
    let offer = net.ends[B].create_offer(now).unwrap();
    let port = offer.sdp.lines().find(|line| line.starts_with("m=")).unwrap();
    let stopped = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel";
    let stopped = SessionDescription::offer(offer.sdp.replace(port, stopped));
    net.ends[A].set_remote_description(now, stopped).unwrap();
    let answer = net.ends[A].create_answer(now).unwrap();
    assert!(answer.sdp.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    net.ends[A].set_local_description(now, answer).unwrap();
    net.run(SECOND);
    assert!(net.events[A].contains(&Event::ChannelClosed(ours)));
    for end in [A, B] {
        assert_eq!(net.events[end].last(), Some(&Event::Closed(CloseReason::Remote)));
    }
}

/// The association alone is aborted: DTLS says goodbye, too, and nothing lingers.
#[test]
fn a_lost_close_notify_is_made_good_by_the_abort() {
    let (mut net, ..) = Net::connected();
    net.run(SECOND);
    let mut farewells = 0;
    net.passes = Box::new(move |end, transmit| {
        farewells += usize::from(end == A && !is_stun(transmit));
        farewells < 2
    });
    net.ends[A].close(net.now);
    net.run(4 * net.delay);
    assert_eq!(net.events[B].last(), Some(&Event::Closed(CloseReason::Remote)));
}
