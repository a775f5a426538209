//! What whole connections agree on about audio and video, and what they tell of it.

use std::time::Duration;

use peer::media::{Codec, MediaKind, TransceiverId, TransceiverInit};
use peer::{ConnectionState, Event, IceCandidate, SessionDescription, SignalingState};
use sdp::Direction;

use crate::net::{A, B, Net};

const SECOND: Duration = Duration::from_secs(1);

fn add(net: &mut Net, end: usize, kind: MediaKind) -> TransceiverId {
    net.ends[end].add_transceiver(net.now, kind, TransceiverInit::default()).unwrap()
}

fn needed(net: &Net, end: usize) -> usize {
    net.events[end].iter().filter(|event| **event == Event::NegotiationNeeded).count()
}

#[test]
fn a_call_of_audio_alone_connects_and_channels_can_be_added_to_it() {
    let mut net = Net::new();
    let audio = add(&mut net, A, MediaKind::Audio);
    let (offer, answer) = net.negotiate(A);
    assert!(!offer.sdp.contains("m=application") && answer.sdp.contains("m=audio 2000 "));
    assert!(net.run_until(5 * SECOND, Net::both_connected));
    let theirs = net.ends[B].transceivers().next().unwrap().id;
    assert!(net.events[B].contains(&Event::Track(theirs)));
    let info = net.ends[A].transceiver(audio).unwrap();
    assert_eq!(info.send_codec.unwrap().codec, Codec::Opus);
    assert_eq!(info.current_direction, Some(Direction::SendOnly));
    net.ends[A].create_data_channel(net.now, "late", Default::default()).unwrap();
    net.drain();
    assert_eq!(needed(&net, A), 1);
    net.negotiate(A);
    net.incoming(B);
    assert_eq!(net.state(A), ConnectionState::Connected);
}

#[test]
fn data_flows_while_tracks_come_and_go() {
    let (mut net, ours, theirs) = Net::connected();
    let video = add(&mut net, B, MediaKind::Video);
    net.negotiate(B);
    net.deliver(A, ours, theirs, "with video");
    net.ends[B].stop_transceiver(net.now, video).unwrap();
    net.negotiate(B);
    net.deliver(B, theirs, ours, "without");
    assert_eq!(net.ends[A].transceivers().count(), 0);
    let audio = add(&mut net, A, MediaKind::Audio);
    let (offer, _) = net.negotiate(A);
    assert_eq!(offer.sdp.matches("m=").count(), 2);
    assert_eq!(net.ends[A].transceiver(audio).unwrap().mid.as_deref(), Some("2"));
    net.deliver(A, ours, theirs, "with audio in its place");
}

#[test]
fn a_need_to_negotiate_is_told_once_and_again_after_an_exchange() {
    let mut net = Net::new();
    let first = add(&mut net, A, MediaKind::Audio);
    add(&mut net, A, MediaKind::Video);
    net.drain();
    assert_eq!(needed(&net, A), 1);
    net.negotiate(A);
    net.drain();
    assert_eq!((needed(&net, A), needed(&net, B)), (1, 0));
    let now = net.now;
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer).unwrap();
    net.ends[A].set_direction(now, first, Direction::Inactive).unwrap();
    net.drain();
    assert_eq!(needed(&net, A), 1);
    net.ends[A].set_local_description(now, SessionDescription::rollback()).unwrap();
    net.drain();
    assert_eq!(needed(&net, A), 2);
    net.ends[A].set_direction(now, first, Direction::SendRecv).unwrap();
    net.drain();
    assert_eq!(needed(&net, A), 2);
}

/// Both add a track at once. The polite side gives way, and then has nothing left to ask for.
#[test]
fn trap_perfect_negotiation_under_glare_with_tracks() {
    let mut net = Net::new();
    add(&mut net, A, MediaKind::Audio);
    add(&mut net, B, MediaKind::Audio);
    add(&mut net, B, MediaKind::Video);
    let now = net.now;
    let mut offers = Vec::new();
    for end in [A, B] {
        let offer = net.ends[end].create_offer(now).unwrap();
        net.ends[end].set_local_description(now, offer.clone()).unwrap();
        offers.push(offer);
    }
    // A is polite: it takes the offer that crosses its own, and B ignores A's.
    net.ends[A].set_remote_description(now, offers.remove(B)).unwrap();
    let answer = net.ends[A].create_answer(now).unwrap();
    net.ends[A].set_local_description(now, answer.clone()).unwrap();
    net.ends[B].set_remote_description(now, answer).unwrap();
    assert_eq!(net.ends[A].signaling_state(), SignalingState::Stable);
    assert!(net.run_until(5 * SECOND, Net::both_connected));
    let current = |net: &Net, end: usize| -> Vec<_> {
        net.ends[end].transceivers().map(|info| info.current_direction.unwrap()).collect()
    };
    assert_eq!(current(&net, A), [Direction::SendRecv, Direction::RecvOnly]);
    assert_eq!(current(&net, B), [Direction::SendRecv, Direction::SendOnly]);
    assert_eq!((needed(&net, A), needed(&net, B)), (0, 0));
}

/// A browser gathers for each section until it has the answer; only one transport survives.
#[test]
fn trap_candidates_of_bundled_sections_are_passed_over() {
    let mut net = Net::new();
    add(&mut net, A, MediaKind::Audio);
    add(&mut net, A, MediaKind::Video);
    let now = net.now;
    let offer = net.ends[A].create_offer(now).unwrap();
    net.ends[A].set_local_description(now, offer.clone()).unwrap();
    net.ends[B].set_remote_description(now, offer).unwrap();
    let candidate = |mid: &str, port: u16| IceCandidate {
        candidate: format!("candidate:7 1 udp 2130706431 192.0.2.7 {port} typ host"),
        sdp_mid: Some(mid.to_owned()),
        ..IceCandidate::default()
    };
    net.ends[B].add_ice_candidate(now, candidate("0", 7000)).unwrap();
    net.ends[B].add_ice_candidate(now, candidate("1", 7001)).unwrap();
    let answer = net.ends[B].create_answer(now).unwrap();
    net.ends[B].set_local_description(now, answer.clone()).unwrap();
    net.ends[A].set_remote_description(now, answer).unwrap();
    net.run(SECOND);
    let sent = |port: u16| net.sent.iter().any(|(_, _, transmit)| transmit.remote.port() == port);
    assert!(sent(7000) && !sent(7001));
}
