//! Packets through the relay, both ways (RFC 8656 §11, §12): what passes and what does not.

use super::*;
use crate::turn::ChannelNumber;

const PEER: &str = "203.0.113.9:9000";

/// What reached the client: a channel or a peer, and the payload.
#[derive(Debug, PartialEq, Eq)]
enum Arrived {
    OnChannel(u16, Bytes),
    From(SocketAddr, Bytes),
}

fn arrived(outgoing: &Outgoing, at: FiveTuple) -> Arrived {
    let Outgoing::ToClient { client, payload } = outgoing else { panic!("{outgoing:?}") };
    assert_eq!(*client, at);
    if ChannelData::is_channel_data(payload) {
        let message = ChannelData::parse(payload).unwrap();
        return Arrived::OnChannel(message.channel.0, message.data);
    }
    let message = Message::parse(payload).unwrap();
    assert_eq!((message.class, message.method), (Class::Indication, Method::DATA));
    Arrived::From(message.xor_peer_address().unwrap(), message.data().unwrap().clone())
}

fn to_peer(relayed: SocketAddr, to: &str, payload: &'static [u8]) -> Outgoing {
    Outgoing::ToPeer { relayed, peer: peer(to), payload: Bytes::from_static(payload) }
}

#[test]
fn rfc_8656_section_11_indications_both_ways() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    assert_eq!(house.permit(client(1), ALICE, &["203.0.113.9"]), None);
    house.sent.clear();
    assert_eq!(house.send_indication(client(1), PEER, b"ping"), Ok(()));
    assert_eq!(house.peer_sends(relayed, PEER, b"pong"), Ok(()));
    // A permission is for an address, whatever the port (RFC 8656 §9).
    assert_eq!(house.peer_sends(relayed, "203.0.113.9:1", b""), Ok(()));
    assert_eq!(house.sent[0], to_peer(relayed, PEER, b"ping"));
    assert_eq!(arrived(&house.sent[1], client(1)), Arrived::From(peer(PEER), "pong".into()));
    let empty = Arrived::From(peer("203.0.113.9:1"), Bytes::new());
    assert_eq!(arrived(&house.sent[2], client(1)), empty);
}

#[test]
fn rfc_8656_section_12_channels_both_ways() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    assert_eq!(house.bind(client(1), ALICE, 0x4123, PEER), None);
    house.sent.clear();
    assert_eq!(house.channel_data(client(1), 0x4123, b"ping"), Ok(()));
    assert_eq!(house.peer_sends(relayed, PEER, b"pong"), Ok(()));
    assert_eq!(house.peer_sends(relayed, "203.0.113.9:1", b"other port"), Ok(()));
    assert_eq!(house.sent[0], to_peer(relayed, PEER, b"ping"));
    assert_eq!(arrived(&house.sent[1], client(1)), Arrived::OnChannel(0x4123, "pong".into()));
    assert!(matches!(arrived(&house.sent[2], client(1)), Arrived::From(..)));
}

#[test]
fn rfc_8656_section_12_5_only_streams_have_padding() {
    for (transport, length) in
        [(ServerTransport::Udp, 9), (ServerTransport::Tcp, 12), (ServerTransport::Tls, 12)]
    {
        let mut house = House::new(config());
        let client = over(transport, 1);
        let relayed = house.allocate(client, ALICE);
        house.bind(client, ALICE, 0x4000, PEER);
        house.sent.clear();
        house.peer_sends(relayed, PEER, b"12345").unwrap();
        let Outgoing::ToClient { payload, .. } = &house.sent[0] else { panic!() };
        assert_eq!(payload.len(), length);
        // From the client padding is taken either way.
        let message = ChannelData { channel: ChannelNumber(0x4000), data: "12345".into() };
        for octets in [message.encode(), message.encode_padded()] {
            house.sent.clear();
            house.put(client, &octets).unwrap();
            assert_eq!(house.sent, [to_peer(relayed, PEER, b"12345")]);
        }
    }
}

#[test]
fn row_31_data_of_strangers_is_dropped() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.bind(client(1), ALICE, 0x4000, PEER);
    house.sent.clear();
    // A client without an allocation, though at the same IP address.
    assert_eq!(house.channel_data(client(2), 0x4000, b"x"), Err(Error::NoAllocation));
    assert_eq!(house.send_indication(client(2), PEER, b"x"), Err(Error::NoAllocation));
    let other_transport = over(ServerTransport::Tcp, 1);
    assert_eq!(house.channel_data(other_transport, 0x4000, b"x"), Err(Error::NoAllocation));
    // A client without that channel or permission.
    assert_eq!(house.channel_data(client(1), 0x4001, b"x"), Err(Error::NoChannel));
    assert_eq!(house.send_indication(client(1), "8.8.8.8:53", b"x"), Err(Error::NoPermission));
    // A peer without permission, and an address that nobody has.
    assert_eq!(house.peer_sends(relayed, "203.0.113.10:9000", b"x"), Err(Error::NoPermission));
    let nobody = SocketAddr::new(relayed.ip(), relayed.port() ^ 1);
    assert_eq!(house.peer_sends(nobody, PEER, b"x"), Err(Error::NoAllocation));
    // Indications that are a server's to send, or lack something.
    let id = TransactionId([1; 12]);
    let to = Attribute::XorPeerAddress(peer(PEER));
    let data = Attribute::Data("x".into());
    for (indication, expected) in [
        (
            Message::indication(Method::DATA, id).with(to.clone()).with(data.clone()),
            Error::NotForServers,
        ),
        (Message::indication(Method::SEND, id).with(to.clone()), Error::Incomplete),
        (Message::indication(Method::SEND, id).with(data.clone()), Error::Incomplete),
        (
            Message::indication(Method::SEND, id).with(Attribute::DontFragment).with(to).with(data),
            Error::UnknownAttribute,
        ),
    ] {
        assert_eq!(house.put(client(1), &indication.encode(None)), Err(expected));
    }
    assert_eq!(house.sent, []);
}

#[test]
fn permissions_end_after_300_seconds_and_channels_after_600() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.refresh(client(1), ALICE, 3600);
    house.permit(client(1), ALICE, &["203.0.113.8"]);
    house.bind(client(1), ALICE, 0x4000, PEER);
    house.pass(299);
    assert_eq!(house.send_indication(client(1), "203.0.113.8:1", b"x"), Ok(()));
    assert_eq!(house.peer_sends(relayed, PEER, b"x"), Ok(()));
    house.pass(1);
    assert_eq!(house.send_indication(client(1), "203.0.113.8:1", b"x"), Err(Error::NoPermission));
    assert_eq!(house.peer_sends(relayed, PEER, b"x"), Err(Error::NoPermission));
    // What comes back in has to be permitted anew; binding again does that too.
    assert_eq!(house.channel_data(client(1), 0x4000, b"x"), Ok(()));
    house.bind(client(1), ALICE, 0x4000, PEER);
    assert_eq!(house.peer_sends(relayed, PEER, b"x"), Ok(()));
    house.pass(600);
    assert_eq!(house.channel_data(client(1), 0x4000, b"x"), Err(Error::NoChannel));
}

#[test]
fn an_allocation_that_has_expired_relays_nothing_even_if_the_timer_was_late() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.bind(client(1), ALICE, 0x4000, PEER);
    house.now += Duration::from_secs(600);
    assert_eq!(house.channel_data(client(1), 0x4000, b"x"), Err(Error::NoAllocation));
    assert_eq!(house.peer_sends(relayed, PEER, b"x"), Err(Error::NoAllocation));
    house.assert_empty();
}

#[test]
fn two_clients_reach_each_other_without_leaving_the_house() {
    let mut house = House::new(config());
    let of_alice = house.allocate(client(1), ALICE);
    let of_bob = house.allocate(over(ServerTransport::Tcp, 2), BOB);
    let server_ip = of_bob.ip().to_string();
    house.bind(client(1), ALICE, 0x4000, &of_bob.to_string());
    house.sent.clear();
    // Bob has permitted nobody yet.
    assert_eq!(house.channel_data(client(1), 0x4000, b"hello"), Err(Error::NoPermission));
    assert_eq!(house.sent, []);
    house.permit(over(ServerTransport::Tcp, 2), BOB, &[&server_ip]);
    house.sent.clear();
    assert_eq!(house.channel_data(client(1), 0x4000, b"hello"), Ok(()));
    let expected = Arrived::From(of_alice, "hello".into());
    assert_eq!(arrived(&house.sent[0], over(ServerTransport::Tcp, 2)), expected);
    assert_eq!(house.sent.len(), 1);
}

#[test]
fn row_34_nothing_is_relayed_to_where_the_server_itself_listens() {
    for peers in [PeerPolicy::Public, PeerPolicy::Any] {
        let mut house = House::new(Config { peers, ..config() });
        let relayed = house.allocate(client(1), ALICE);
        house.permit(client(1), ALICE, &["198.51.100.1"]);
        house.sent.clear();
        assert_eq!(house.send_indication(client(1), SERVER, b"x"), Err(Error::Forbidden));
        assert_eq!(house.send_indication(client(1), "198.51.100.1:0", b"x"), Err(Error::Forbidden));
        assert_eq!(house.sent, []);
        // What else runs there trusts its own address more than a stranger's.
        let other = house.send_indication(client(1), "198.51.100.1:22", b"x");
        if peers == PeerPolicy::Public {
            assert_eq!(other, Err(Error::Forbidden));
            assert_eq!(house.sent, []);
        } else {
            assert_eq!(house.sent, [to_peer(relayed, "198.51.100.1:22", b"x")]);
        }
    }
}

#[test]
fn packets_that_would_not_fit_are_dropped() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.permit(client(1), ALICE, &["203.0.113.9"]);
    house.sent.clear();
    let large = vec![7; 65_507];
    assert_eq!(house.peer_sends(relayed, PEER, &large), Err(Error::TooLarge));
    assert_eq!(house.peer_sends(relayed, PEER, &large[..65_400]), Ok(()));
    let Outgoing::ToClient { payload, .. } = &house.sent[0] else { panic!() };
    assert!(payload.len() <= 65_507);
    assert_eq!(Message::parse(payload).unwrap().data().unwrap().len(), 65_400);
}
