//! Refresh, CreatePermission and ChannelBind (RFC 8656 §8, §10, §12), and their bounds.

use super::*;
use crate::turn::server::allocation::{MAX_CHANNELS, MAX_PERMISSIONS};

#[test]
fn rfc_8656_section_8_2_refreshes_lengthen_or_end() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    house.pass(599);
    let answer = house.refresh(client(1), ALICE, 1000);
    assert_eq!(answer.lifetime(), Some(Duration::from_secs(1000)));
    house.pass(999);
    assert_eq!(house.open.len(), 1);
    let answer = house.refresh(client(1), ALICE, 0);
    assert_eq!(answer.lifetime(), Some(Duration::ZERO));
    house.assert_empty();
    for request in [600, 0] {
        assert_eq!(code(&house.refresh(client(1), ALICE, request)), Some(437));
    }
}

#[test]
fn rfc_8656_section_8_2_one_family_of_two() {
    let mut house = House::new(config());
    let request = house.allocate_request().with(Attribute::AdditionalAddressFamily(Family::IPV6));
    house.ask(client(1), ALICE, request);
    let end_of = |house: &mut House, family| {
        let request = house
            .request(Method::REFRESH)
            .with(Attribute::Lifetime(Duration::ZERO))
            .with(Attribute::RequestedAddressFamily(family));
        code(&house.ask(client(1), ALICE, request))
    };
    assert_eq!(end_of(&mut house, Family::IPV4), None);
    assert!(house.open.iter().all(SocketAddr::is_ipv6) && house.open.len() == 1);
    assert_eq!(end_of(&mut house, Family::IPV4), Some(443));
    assert_eq!(house.permit(client(1), ALICE, &["203.0.113.9"]), Some(443));
    assert_eq!(house.permit(client(1), ALICE, &["2a00::9"]), None);
    assert_eq!(end_of(&mut house, Family::IPV6), None);
    house.assert_empty();
}

#[test]
fn rfc_8656_section_5_requests_need_an_allocation() {
    let mut house = House::new(config());
    assert_eq!(code(&house.refresh(client(1), ALICE, 600)), Some(437));
    assert_eq!(house.permit(client(1), ALICE, &["203.0.113.9"]), Some(437));
    assert_eq!(house.bind(client(1), ALICE, 0x4000, "203.0.113.9:9"), Some(437));
}

#[test]
fn rfc_8656_section_10_2_permissions_are_all_or_none() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    assert_eq!(house.permit(client(1), ALICE, &[]), Some(400));
    for (refused, expected) in [("10.0.0.1", 403), ("2a00::1", 443)] {
        let peers = ["203.0.113.1", refused, "203.0.113.2"];
        assert_eq!(house.permit(client(1), ALICE, &peers), Some(expected));
    }
    for peer in ["203.0.113.1:9", "203.0.113.2:9"] {
        assert_eq!(house.send_indication(client(1), peer, b"x"), Err(Error::NoPermission));
    }
    assert_eq!(house.permit(client(1), ALICE, &["203.0.113.1", "203.0.113.2"]), None);
    for peer in ["203.0.113.1:9", "203.0.113.2:9"] {
        assert_eq!(house.send_indication(client(1), peer, b"x"), Ok(()));
    }
}

#[test]
fn row_34_peers_inside_are_refused() {
    let mut house = House::new(config());
    let request = house.allocate_request().with(Attribute::AdditionalAddressFamily(Family::IPV6));
    house.ask(client(1), ALICE, request);
    for ip in [
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "10.1.2.3",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ] {
        let peer = SocketAddr::new(ip.parse().unwrap(), 80).to_string();
        assert_eq!(house.permit(client(1), ALICE, &[ip]), Some(403), "{ip}");
        assert_eq!(house.bind(client(1), ALICE, 0x4000, &peer), Some(403), "{ip}");
        assert_eq!(house.send_indication(client(1), &peer, b"x"), Err(Error::NoPermission));
    }
    house.sent.clear();
    assert_eq!(house.channel_data(client(1), 0x4000, b"x"), Err(Error::NoChannel));
    assert_eq!(house.sent, []);
}

#[test]
fn row_34_a_mapped_address_is_403_also_where_only_ipv4_is_relayed() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    assert_eq!(house.permit(client(1), ALICE, &["::ffff:127.0.0.1"]), Some(403));
}

#[test]
fn rfc_8656_section_12_2_which_channels_may_be_bound() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    let mut bind = |number, peer| house.bind(client(1), ALICE, number, peer);
    for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF] {
        assert_eq!(bind(number, "203.0.113.9:9"), Some(400), "{number:#x}");
    }
    assert_eq!(bind(0x4000, "203.0.113.9:0"), Some(400));
    assert_eq!(bind(0x4000, "[2a00::9]:9"), Some(443));
    assert_eq!(bind(0x4000, SERVER), Some(403));
    assert_eq!(bind(0x4000, "203.0.113.9:9"), None);
    assert_eq!(bind(0x4FFF, "203.0.113.9:10"), None);
    // The same again refreshes; a number or a peer has one partner.
    assert_eq!(bind(0x4000, "203.0.113.9:9"), None);
    assert_eq!(bind(0x4000, "203.0.113.9:11"), Some(400));
    assert_eq!(bind(0x4001, "203.0.113.9:9"), Some(400));
    let request = house
        .request(Method::CHANNEL_BIND)
        .with(Attribute::ChannelNumber(crate::turn::ChannelNumber(0x4002)));
    assert_eq!(code(&house.ask(client(1), ALICE, request)), Some(400));
    let request =
        house.request(Method::CHANNEL_BIND).with(Attribute::XorPeerAddress(peer("203.0.113.9:12")));
    assert_eq!(code(&house.ask(client(1), ALICE, request)), Some(400));
}

#[test]
fn rfc_8656_section_12_an_expired_channel_may_be_bound_to_another() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    house.refresh(client(1), ALICE, 3600);
    assert_eq!(house.bind(client(1), ALICE, 0x4000, "203.0.113.9:9"), None);
    house.pass(599);
    assert_eq!(house.bind(client(1), ALICE, 0x4000, "203.0.113.9:10"), Some(400));
    house.pass(1);
    assert_eq!(house.bind(client(1), ALICE, 0x4000, "203.0.113.9:10"), None);
    assert_eq!(house.bind(client(1), ALICE, 0x4001, "203.0.113.9:9"), None);
    assert_eq!(house.bind(client(1), ALICE, 0x4000, "203.0.113.9:9"), Some(400));
}

#[test]
fn permissions_and_channels_are_bounded_and_expired_ones_make_room() {
    let mut house = House::new(config());
    let client = over(ServerTransport::Tcp, 1);
    house.allocate(client, ALICE);
    house.refresh(client, ALICE, 3600);
    for number in 0..MAX_CHANNELS {
        let (number, port) = (u16::try_from(number).unwrap(), 9000);
        let peer = format!("203.0.{}.{}:{port}", 100 + number / 256, number % 256);
        assert_eq!(house.bind(client, ALICE, 0x4000 + number, &peer), None);
    }
    assert_eq!(house.bind(client, ALICE, 0x4FFF, "198.18.0.1:1"), Some(403));
    assert_eq!(house.bind(client, ALICE, 0x4FFF, "8.8.8.8:1"), Some(508));
    assert_eq!(house.permit(client, ALICE, &["8.8.8.8"]), Some(508));
    assert_eq!(MAX_CHANNELS, MAX_PERMISSIONS);
    house.pass(300);
    assert_eq!(house.permit(client, ALICE, &["8.8.8.8"]), None);
    house.pass(300);
    assert_eq!(house.bind(client, ALICE, 0x4FFF, "8.8.8.8:1"), None);
}
