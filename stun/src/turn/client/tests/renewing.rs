//! Allocations, permissions and channels over hours (RFC 8656 §8, §9, §12).

use super::*;

/// Keeps a peer in use: a packet every five seconds, as ICE's consent checks are.
fn converse(script: &mut Script, time: Duration) -> Vec<(u64, Method)> {
    let (start, mut requests) = (script.now, Vec::new());
    while script.now < start + time {
        let _ = script.send(peer(1), b"consent");
        let offset = (script.now - start).as_secs();
        let sent = script.pass_served(seconds(5));
        requests.extend(sent.into_iter().map(|(at, method)| (offset + at, method)));
    }
    requests
}

fn times(requests: &[(u64, Method)], of: Method) -> Vec<u64> {
    requests.iter().filter(|(_, method)| *method == of).map(|(at, _)| *at).collect()
}

#[test]
fn trap_the_allocation_is_refreshed_before_its_lifetime_ends() {
    let mut script = Script::allocated();
    let sent = script.pass_served(seconds(3 * 600));
    assert_eq!(times(&sent, Method::REFRESH), [540, 1080, 1620]);
    assert_eq!(script.events(), []);
    let short = Config { lifetime: Some(seconds(30)), ..config() };
    let mut script = Script::allocated_with(short);
    let sent = script.pass_served(seconds(60));
    assert_eq!(times(&sent, Method::REFRESH), [15, 30, 45, 60]);
}

#[test]
fn a_doubt_is_settled_by_a_refresh_at_once() {
    let mut script = Script::allocated();
    script.client.refresh(script.now);
    script.client.refresh(script.now);
    let request = script.request(Method::REFRESH);
    assert!(script.transmitted().is_none(), "one is enough");
    script.agree(&request);
    assert_eq!(script.events(), []);
    script.client.refresh(script.now);
    let request = script.request(Method::REFRESH);
    script.refuse(&request, Code::ALLOCATION_MISMATCH);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Lost)]);
    script.client.refresh(script.now);
    assert!(script.transmitted().is_none(), "it is over");
}

#[test]
fn whatever_lifetime_the_server_grants_we_neither_storm_nor_sleep() {
    for (granted, most, least) in
        [(0, 60, 1), (1, 60, 1), (100_000, 1, 0), (u64::from(u32::MAX), 1, 0)]
    {
        let mut script = Script::new(config());
        let request = script.request(Method::ALLOCATE);
        script.serve(&request);
        let request = script.request(Method::ALLOCATE);
        let response = Message::success(&request)
            .with(Attribute::XorRelayedAddress(relayed()))
            .with(Attribute::XorMappedAddress(mapped()))
            .with(Attribute::Lifetime(seconds(granted)));
        script.answer(&response).unwrap();
        let sent = script.pass_served(seconds(300));
        assert!((least..=most).contains(&sent.len()), "{granted}: {}", sent.len());
    }
}

/// RFC 8656 §9: exactly 300 s, so it is asked for again after 240 s.
#[test]
fn trap_a_permission_lasts_300_seconds_and_is_renewed() {
    let mut script = Script::allocated();
    let sent = converse(&mut script, seconds(1000));
    assert_eq!(times(&sent, Method::CREATE_PERMISSION), [0, 240, 480, 720, 960]);
}

/// aioice#29: the binding was never renewed, and the call was dead after 600 s.
#[test]
fn trap_a_channel_lasts_600_seconds_and_is_renewed() {
    let mut script = Script::allocated();
    let sent = converse(&mut script, seconds(1900));
    let binds = times(&sent, Method::CHANNEL_BIND);
    assert_eq!(binds, [0, 540, 1080, 1620]);
    script.send(peer(1), b"still on the channel").unwrap();
    assert_eq!(script.channel_data().channel, ChannelNumber::FIRST);
    assert_eq!(script.events(), []);
}

/// coturn#604: many servers take back every nonce after 600 s.
#[test]
fn trap_a_nonce_lives_for_600_seconds_at_most_servers() {
    let mut script = Script::allocated();
    for round in 2..8 {
        script.nonce = format!("nonce {round}").as_str().into();
        let _ = converse(&mut script, seconds(600));
        assert_eq!(script.events(), []);
        script.send(peer(1), b"still on the channel").unwrap();
        assert!(ChannelData::is_channel_data(&script.transmitted().unwrap()));
    }
}

#[test]
fn what_nobody_uses_is_not_renewed() {
    let mut script = Script::allocated();
    script.send(peer(1), b"into the void").unwrap();
    script.client.permit(script.now, peer(2).ip());
    let sent = script.pass_served(seconds(3600));
    assert_eq!(times(&sent, Method::CREATE_PERMISSION), [0, 0, 240, 240]);
    assert_eq!(times(&sent, Method::CHANNEL_BIND), [0, 540]);
    assert_eq!(times(&sent, Method::REFRESH).len(), 6);
    // Afterwards the peer is a stranger, and is asked for again.
    assert_eq!(script.hand(&data_indication(peer(1), b"late")), Err(Error::Stranger));
    script.send(peer(1), b"again").unwrap();
    assert_eq!(script.serve_all(), [Method::CREATE_PERMISSION, Method::CHANNEL_BIND]);
}

#[test]
fn packets_from_a_peer_keep_its_permission_and_channel_in_use() {
    let (mut script, channel) = Script::bound(peer(1));
    for _ in 0..200 {
        script.pass_served(seconds(10));
        script.hand(&channel_data(channel, b"one way")).unwrap();
    }
    assert_eq!(script.received().len(), 200);
}

#[test]
fn an_unanswered_refresh_is_tried_until_the_allocation_is_lost() {
    let mut script = Script::allocated();
    let sent = script.pass_unanswered(seconds(599));
    assert!(sent.iter().all(|(_, method)| *method == Method::REFRESH));
    assert_eq!(sent.first(), Some(&(540, Method::REFRESH)));
    assert!(sent.len() > 7, "a second transaction");
    assert_eq!(script.events(), []);
    script.pass_unanswered(seconds(1));
    assert_eq!(script.events(), [Event::Closed(CloseReason::Lost)]);
    script.assert_over();
}

#[test]
fn an_outage_that_ends_in_time_is_survived() {
    let (mut script, _) = Script::bound(peer(1));
    script.pass_unanswered(seconds(590));
    script.pass_served(seconds(600));
    assert_eq!(script.events(), []);
    script.send(peer(1), b"again").unwrap();
    script.serve_all();
    script.send(peer(1), b"on a channel").unwrap();
    assert_eq!(script.channel_data().channel, ChannelNumber::FIRST);
}

#[test]
fn a_refused_refresh_is_told_when_the_allocation_ends() {
    let mut script = Script::allocated();
    script.pass(seconds(599), |script, request| {
        script.refuse(request, Code::WRONG_CREDENTIALS);
    });
    assert_eq!(script.events(), []);
    script.pass_unanswered(seconds(2));
    assert_eq!(script.events(), closed(Code::WRONG_CREDENTIALS));
    script.assert_over();
}

#[test]
fn a_refresh_that_grants_nothing_is_the_end() {
    let mut script = Script::allocated();
    script.pass(seconds(545), |script, request| {
        let response = Message::success(request).with(Attribute::Lifetime(Duration::ZERO));
        script.answer(&response).unwrap();
    });
    assert_eq!(script.events(), [Event::Closed(CloseReason::Lost)]);
}

#[test]
fn a_server_in_trouble_does_not_end_what_it_has_promised() {
    let (mut script, channel) = Script::bound(peer(1));
    let start = script.now;
    // It cannot renew anything for a while, and says so.
    while script.now < start + seconds(280) {
        let _ = script.send(peer(1), b"consent");
        script.pass(seconds(5), |script, request| {
            script.refuse(request, Code::INSUFFICIENT_CAPACITY);
        });
    }
    assert_eq!(script.events(), []);
    let _ = converse(&mut script, seconds(100));
    script.hand(&channel_data(channel, b"still there")).unwrap();
    assert_eq!(script.received(), [(peer(1), Bytes::from_static(b"still there"))]);
}

#[test]
fn a_peer_that_falls_from_grace_is_shut_out_alone() {
    let (mut script, _) = Script::bound(peer(1));
    script.client.permit(script.now, peer(2).ip());
    script.pass(seconds(250), |script, request| {
        match request.xor_peer_address().map(|peer| peer.ip()) {
            Some(ip) if ip == peer(1).ip() && request.method == Method::CREATE_PERMISSION => {
                script.refuse(request, Code::FORBIDDEN);
            }
            _ => script.serve(request),
        }
    });
    let refused = Event::PeerRefused { peer: peer(1).ip(), code: Code::FORBIDDEN };
    assert_eq!(script.events(), [refused]);
    assert_eq!(script.send(peer(1), b"no"), Err(SendError::Refused(Code::FORBIDDEN)));
    script.send(peer(2), b"yes").unwrap();
}

/// RFC 8445 §11: a NAT that forgets us gives us another address, and the server another 5-tuple.
#[test]
fn an_idle_allocation_is_kept_alive_through_nats_over_udp_only() {
    for (transport, expected) in [(ServerTransport::Udp, 6), (ServerTransport::Tcp, 0)] {
        let mut script = Script::allocated_with(Config { transport, ..config() });
        let end = script.now + seconds(100);
        let mut keepalives = 0;
        while let Some(timeout) = script.client.poll_timeout().filter(|t| *t <= end) {
            script.now = timeout;
            script.client.handle_timeout(timeout);
            while let Some(octets) = script.transmitted() {
                let message = Message::parse(&octets).unwrap();
                assert_eq!((message.class, message.method), (Class::Indication, Method::BINDING));
                keepalives += 1;
            }
        }
        assert_eq!(keepalives, expected);
    }
}
