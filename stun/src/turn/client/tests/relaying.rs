//! Packets to and from peers (RFC 8656 §9, §11, §12).

use proptest::prelude::*;

use super::*;

/// RFC 8656 §9: what comes before the permission is dropped at the relay.
#[test]
fn trap_a_permission_comes_before_the_first_packet() {
    let mut script = Script::allocated();
    for payload in [&b"one"[..], b"two"] {
        script.send(peer(1), payload).unwrap();
    }
    let request = script.request(Method::CREATE_PERMISSION);
    assert_eq!(request.xor_peer_address().map(|peer| peer.ip()), Some(peer(1).ip()));
    assert_eq!(script.transmitted(), None, "the packets wait");
    script.serve(&request);
    let bind = script.request(Method::CHANNEL_BIND);
    assert_eq!(bind.xor_peer_address(), Some(peer(1)));
    for payload in [&b"one"[..], b"two"] {
        let packet = script.message();
        assert_eq!((packet.class, packet.method), (Class::Indication, Method::SEND));
        assert_eq!(packet.xor_peer_address(), Some(peer(1)));
        assert_eq!(packet.data().unwrap(), payload);
    }
}

#[test]
fn trap_a_permission_is_for_an_address_whatever_the_port() {
    let mut script = Script::allocated();
    script.client.permit(script.now, peer(1).ip());
    assert_eq!(script.serve_all(), [Method::CREATE_PERMISSION]);
    script.client.permit(script.now, peer(1).ip());
    for port in [1, 2, 3] {
        let peer = SocketAddr::new(peer(1).ip(), port);
        script.send(peer, b"any port").unwrap();
        script.hand(&data_indication(peer, b"from any port")).unwrap();
    }
    assert_eq!(script.serve_all(), [Method::CHANNEL_BIND; 3], "and a channel is for one port");
    assert_eq!(script.received().len(), 3);
}

#[test]
fn once_bound_the_channel_is_used_for_all_packets() {
    let (mut script, channel) = Script::bound(peer(1));
    assert_eq!(channel, ChannelNumber::FIRST);
    for payload in [&b""[..], b"x", b"12345"] {
        script.send(peer(1), payload).unwrap();
        let packet = script.channel_data();
        assert_eq!((packet.channel, &packet.data[..]), (channel, payload));
        assert_eq!(script.transmitted(), None);
    }
}

#[test]
fn trap_channel_data_is_padded_over_streams_only() {
    for (transport, length) in
        [(ServerTransport::Udp, 5), (ServerTransport::Tcp, 8), (ServerTransport::Tls, 8)]
    {
        let mut script = Script::allocated_with(Config { transport, ..config() });
        script.send(peer(1), b"first").unwrap();
        script.serve_all();
        script.send(peer(1), b"x").unwrap();
        assert_eq!(script.transmitted().unwrap().len(), length);
    }
}

#[test]
fn packets_of_peers_come_both_ways() {
    let (mut script, channel) = Script::bound(peer(1));
    script.hand(&channel_data(channel, b"on the channel")).unwrap();
    script.hand(&data_indication(peer(1), b"in an indication")).unwrap();
    let padded = ChannelData { channel, data: Bytes::from_static(b"x") }.encode_padded();
    script.hand(&padded).unwrap();
    let texts: Vec<_> = script.received().into_iter().collect();
    assert_eq!(
        texts,
        [
            (peer(1), Bytes::from_static(b"on the channel")),
            (peer(1), Bytes::from_static(b"in an indication")),
            (peer(1), Bytes::from_static(b"x")),
        ]
    );
}

#[test]
fn row_31_packets_of_strangers_are_dropped() {
    let (mut script, channel) = Script::bound(peer(1));
    assert_eq!(script.hand(&data_indication(peer(2), b"?")), Err(Error::Stranger));
    let unbound = ChannelNumber(channel.0 + 1);
    assert_eq!(script.hand(&channel_data(unbound, b"?")), Err(Error::UnknownChannel));
    let reserved = [0x50, 0x00, 0x00, 0x00];
    assert!(matches!(script.hand(&reserved), Err(Error::Parse(_))));
    let no_data = Message::indication(Method::DATA, TransactionId([1; 12]))
        .with(Attribute::XorPeerAddress(peer(1)));
    assert_eq!(script.hand(&no_data.encode(None)), Err(Error::Incomplete));
    let no_peer = Message::indication(Method::DATA, TransactionId([1; 12]))
        .with(Attribute::Data(Bytes::from_static(b"?")));
    assert_eq!(script.hand(&no_peer.encode(None)), Err(Error::Incomplete));
    let other = Message::indication(Method::SEND, TransactionId([1; 12]))
        .with(Attribute::XorPeerAddress(peer(1)))
        .with(Attribute::Data(Bytes::from_static(b"?")));
    assert_eq!(script.hand(&other.encode(None)), Err(Error::Unexpected));
    assert_eq!((script.received(), script.events(), script.transmitted()), (vec![], vec![], None));
}

#[test]
fn row_31_packets_without_an_allocation_are_dropped() {
    let mut before = Script::new(config());
    let (mut after, _) = Script::bound(peer(1));
    after.client.close(after.now);
    for script in [&mut before, &mut after] {
        assert_eq!(script.hand(&data_indication(peer(1), b"?")), Err(Error::Stranger));
        let packet = channel_data(ChannelNumber::FIRST, b"?");
        assert_eq!(script.hand(&packet), Err(Error::UnknownChannel));
        assert_eq!(script.received(), []);
    }
}

#[test]
fn a_packet_that_overtakes_the_servers_answer_is_no_strangers() {
    let mut script = Script::allocated();
    script.client.permit(script.now, peer(1).ip());
    script.hand(&data_indication(peer(1), b"early")).unwrap();
    script.serve_all();
    script.send(peer(1), b"first").unwrap();
    script.hand(&channel_data(ChannelNumber::FIRST, b"early, too")).unwrap();
    assert_eq!(script.received().len(), 2);
}

#[test]
fn rfc_8656_section_11_6_an_icmp_error_gives_nobody_up() {
    let (mut script, _) = Script::bound(peer(1));
    let icmp = crate::wire::Icmp { icmp_type: 3, code: 3, error_data: 0 };
    let indication = Message::indication(Method::DATA, TransactionId([1; 12]))
        .with(Attribute::XorPeerAddress(peer(1)))
        .with(Attribute::Icmp(icmp));
    script.hand(&indication.encode(None)).unwrap();
    assert_eq!((script.received(), script.events()), (vec![], vec![]));
    script.send(peer(1), b"go on").unwrap();
    script.channel_data();
}

#[test]
fn row_3_all_queues_are_bounded() {
    let (mut script, channel) = Script::bound(peer(1));
    // To be transmitted, and nobody takes it.
    let results: Vec<_> = (0..2000).map(|_| script.send(peer(1), b"packet")).collect();
    assert_eq!(results.last(), Some(&Err(SendError::Full)));
    while script.transmitted().is_some() {}
    script.send(peer(1), b"room again").unwrap();
    // For a permission that does not come.
    let results: Vec<_> = (0..200).map(|_| script.send(peer(2), b"packet")).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 128);
    // From the peer, and nobody reads it.
    let results: Vec<_> =
        (0..2000).map(|_| script.hand(&channel_data(channel, b"packet"))).collect();
    assert_eq!(results.last(), Some(&Err(Error::Full)));
    assert_eq!(script.received().len(), 1024);
    // Peers.
    for number in 0..3000u32 {
        let ip = std::net::Ipv4Addr::from_bits(0x0A00_0000 + number);
        script.client.permit(script.now, ip.into());
    }
    let asked = std::iter::from_fn(|| script.transmitted()).count();
    assert!((1000..=1100).contains(&asked), "{asked}");
    assert_eq!(script.send(peer(9), b"one peer too many"), Err(SendError::Full));
}

#[test]
fn a_packet_that_is_too_long_is_refused_and_the_longest_is_not() {
    let mut script = Script::allocated();
    let long = vec![7; MAX_PAYLOAD_LENGTH + 1];
    assert_eq!(script.send(peer(1), &long), Err(SendError::TooLong));
    script.send(peer(1), &long[1..]).unwrap();
    let request = script.request(Method::CREATE_PERMISSION);
    script.serve(&request);
    script.request(Method::CHANNEL_BIND);
    assert_eq!(script.message().data().map(Bytes::len), Some(MAX_PAYLOAD_LENGTH));
}

#[test]
fn an_unanswered_permission_drops_its_packets_and_is_asked_for_again() {
    let mut script = Script::allocated();
    script.send(peer(1), b"old").unwrap();
    script.pass_unanswered(seconds(60));
    assert_eq!(script.events(), []);
    script.send(peer(1), b"new").unwrap();
    let request = script.request(Method::CREATE_PERMISSION);
    script.serve(&request);
    script.request(Method::CHANNEL_BIND);
    assert_eq!(script.message().data(), Some(&Bytes::from_static(b"new")));
    assert_eq!(script.transmitted(), None);
}

proptest! {
    #[test]
    fn row_1_never_panics(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        allocated in any::<bool>(),
    ) {
        let mut script =
            if allocated { Script::bound(peer(1)).0 } else { Script::new(config()) };
        for datagram in datagrams {
            let _ = script.hand(&datagram);
            let mut stun_like = vec![0x01, 0x11, 0, 0, 0x21, 0x12, 0xA4, 0x42];
            stun_like.extend(datagram);
            let _ = script.hand(&stun_like);
        }
        prop_assert_eq!(script.received(), []);
    }
}
