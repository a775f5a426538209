//! Allocate (RFC 8656 §7): families, even ports, reservations, quotas, and repeated requests.

use super::*;
use crate::wire::{AddressErrorCode, EvenPort, RequestedTransport, ReservationToken};

fn even(reserve_next: bool) -> Attribute {
    Attribute::EvenPort(EvenPort { reserve_next })
}

fn family(family: Family) -> Attribute {
    Attribute::RequestedAddressFamily(family)
}

fn additional(family: Family) -> Attribute {
    Attribute::AdditionalAddressFamily(family)
}

/// The answer to an Allocate request with these attributes.
fn allocate_with(house: &mut House, port: u16, attributes: &[Attribute]) -> Message {
    let request = house.allocate_request();
    let request = attributes.iter().cloned().fold(request, Message::with);
    house.ask(client(port), ALICE, request)
}

fn relayed(answer: &Message) -> Vec<SocketAddr> {
    answer.xor_relayed_addresses().collect()
}

fn token(answer: &Message) -> ReservationToken {
    answer.reservation_token().unwrap()
}

#[test]
fn rfc_8656_section_7_3_what_a_success_says() {
    let mut house = House::new(config());
    let answer = allocate_with(&mut house, 1, &[]);
    let [relayed] = relayed(&answer)[..] else { panic!() };
    assert_eq!(relayed.ip(), peer(SERVER).ip());
    assert!((50_000..=50_999).contains(&relayed.port()));
    assert_eq!(answer.xor_mapped_address(), Some(client(1).remote));
    assert_eq!(answer.lifetime(), Some(Duration::from_secs(600)));
    assert_eq!(house.open, HashSet::from([relayed]));
}

#[test]
fn rfc_8656_section_7_2_lifetimes_stay_between_ten_minutes_and_an_hour() {
    for (asked, granted) in [(0, 600), (60, 600), (1800, 1800), (3600, 3600), (86_400, 3600)] {
        let mut house = House::new(config());
        let lifetime = Attribute::Lifetime(Duration::from_secs(asked));
        let answer = allocate_with(&mut house, 1, &[lifetime]);
        assert_eq!(answer.lifetime(), Some(Duration::from_secs(granted)));
        house.pass(granted - 1);
        assert_eq!(house.open.len(), 1);
        house.pass(1);
        house.assert_empty();
    }
}

#[test]
fn rfc_8656_section_7_2_requests_that_make_no_sense() {
    let token = Attribute::ReservationToken(ReservationToken([7; 8]));
    for (attributes, expected) in [
        (vec![token.clone()], 508),
        (vec![token.clone(), even(false)], 400),
        (vec![token.clone(), family(Family::IPV4)], 400),
        (vec![token, additional(Family::IPV6)], 400),
        (vec![family(Family::IPV4), additional(Family::IPV6)], 400),
        (vec![additional(Family::IPV4)], 400),
        (vec![additional(Family::IPV6), even(true)], 400),
        (vec![family(Family(9))], 440),
        (vec![Attribute::DontFragment], 420),
    ] {
        let mut house = House::new(config());
        let answer = allocate_with(&mut house, 1, &attributes);
        assert_eq!(code(&answer), Some(expected), "{attributes:?}");
        house.assert_empty();
    }
    let mut house = House::new(config());
    let without = house.request(Method::ALLOCATE);
    assert_eq!(code(&house.ask(client(1), ALICE, without)), Some(400));
    let tcp = Attribute::RequestedTransport(RequestedTransport::TCP);
    let over_tcp = house.request(Method::ALLOCATE).with(tcp);
    assert_eq!(code(&house.ask(client(1), ALICE, over_tcp)), Some(442));
    house.assert_empty();
}

#[test]
fn trap_a_retransmitted_allocate_gets_the_same_answer_and_no_437() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    let request = house.allocate_request();
    let octets = ALICE.sign(request, &challenge);
    let (_, first) = house.ask_octets(client(1), &octets);
    let (_, again) = house.ask_octets(client(1), &octets);
    assert_eq!(first, again);
    assert_eq!(house.open.len(), 1);
    // Another transaction on the same 5-tuple is something else (RFC 8656 §7.2).
    assert_eq!(code(&allocate_with(&mut house, 1, &[])), Some(437));
    // So is the same transaction ID of another user.
    let challenge = house.challenge(client(1));
    let id = Message::parse(&octets).unwrap().transaction_id;
    let stolen = Message::request(Method::ALLOCATE, id)
        .with(Attribute::RequestedTransport(RequestedTransport::UDP));
    let (answer, _) = house.ask_octets(client(1), &BOB.sign(stolen, &challenge));
    assert_eq!(code(&answer), Some(437));
}

#[test]
fn a_retransmission_while_the_socket_is_being_opened_is_not_a_second_allocation() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    let request = house.allocate_request();
    let payload = ALICE.sign(request, &challenge);
    let now = house.now;
    for _ in 0..3 {
        let from = FromClient { client: client(1), payload: &payload };
        house.server.handle_datagram(now, from).unwrap();
        assert!(house.server.poll_transmit(now).is_none());
    }
    assert!(house.server.has_allocation(&client(1)));
    house.drive();
    assert_eq!((house.sent.len(), house.open.len()), (1, 1));
}

#[test]
fn both_families_one_of_them_or_none() {
    let mut house = House::new(config());
    let v6 = relayed(&allocate_with(&mut house, 1, &[family(Family::IPV6)]));
    assert!(v6[0].is_ipv6() && v6.len() == 1);
    let both = relayed(&allocate_with(&mut house, 2, &[additional(Family::IPV6)]));
    assert!(both[0].is_ipv4() && both[1].is_ipv6());
    assert_eq!(house.open.len(), 3);

    let v4_only = vec!["198.51.100.1".parse().unwrap()];
    let mut house = House::new(Config { relay_ips: v4_only, ..config() });
    assert_eq!(code(&allocate_with(&mut house, 1, &[family(Family::IPV6)])), Some(440));
    let half = allocate_with(&mut house, 1, &[additional(Family::IPV6)]);
    assert_eq!(relayed(&half).len(), 1);
    let refused =
        AddressErrorCode { family: Family::IPV6, error: Code::ADDRESS_FAMILY_NOT_SUPPORTED.into() };
    assert_eq!(half.address_error_code(), Some(&refused));

    let mut house = House::new(Config { relay_ips: Vec::new(), ..config() });
    assert_eq!(code(&allocate_with(&mut house, 1, &[additional(Family::IPV6)])), Some(440));
    house.assert_empty();
}

#[test]
fn an_even_port_and_the_next_for_who_has_the_token() {
    let mut house = House::new(config());
    let first = allocate_with(&mut house, 1, &[even(true)]);
    let [rtp] = relayed(&first)[..] else { panic!() };
    assert_eq!(rtp.port() % 2, 0);
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
    assert_eq!(house.open, HashSet::from([rtp, rtcp]));

    let ticket = Attribute::ReservationToken(token(&first));
    // Not for another user.
    let request = house.allocate_request().with(ticket.clone());
    assert_eq!(code(&house.ask(client(2), BOB, request)), Some(508));
    let second = allocate_with(&mut house, 2, std::slice::from_ref(&ticket));
    assert_eq!(relayed(&second), [rtcp]);
    // And only once.
    assert_eq!(code(&allocate_with(&mut house, 3, &[ticket])), Some(508));
    house.pass(601);
    house.assert_empty();
}

#[test]
fn rfc_8656_section_7_2_a_reservation_lasts_thirty_seconds() {
    let mut house = House::new(config());
    let first = allocate_with(&mut house, 1, &[even(true)]);
    house.pass(30);
    assert_eq!(house.open.len(), 1);
    let ticket = Attribute::ReservationToken(token(&first));
    assert_eq!(code(&allocate_with(&mut house, 2, &[ticket])), Some(508));
}

#[test]
fn ports_of_other_programs_are_passed_over() {
    let mut house = House::new(Config { ports: 50_000..=50_003, ..config() });
    house.taken = HashSet::from([50_000, 50_001, 50_002]);
    // Which are drawn is up to chance, so that one attempt may not be enough.
    let port = (1..50).find_map(|port| {
        let answer = allocate_with(&mut house, port, &[]);
        relayed(&answer).first().map(|relayed| relayed.port())
    });
    assert_eq!(port, Some(50_003));

    let mut house = House::new(Config { ports: 50_000..=50_003, ..config() });
    house.taken = HashSet::from([50_000, 50_001, 50_002, 50_003]);
    assert_eq!(code(&allocate_with(&mut house, 1, &[])), Some(508));
    // Of a pair whose second port is taken the first is given back.
    house.taken = HashSet::from([50_001, 50_003]);
    assert_eq!(code(&allocate_with(&mut house, 1, &[even(true)])), Some(508));
    house.assert_empty();
}

#[test]
fn quotas_of_a_user_and_of_all() {
    let mut house = House::new(Config { max_per_user: 3, max_relays: 5, ..config() });
    // A reservation counts as an allocation.
    allocate_with(&mut house, 1, &[even(true)]);
    house.allocate(client(2), ALICE);
    assert_eq!(code(&allocate_with(&mut house, 3, &[])), Some(486));
    house.allocate(client(4), BOB);
    house.allocate(client(5), BOB);
    let request = house.allocate_request();
    assert_eq!(code(&house.ask(client(6), BOB, request)), Some(508));
    house.pass(30); // the reservation
    house.allocate(client(6), BOB);
}

#[test]
fn a_closed_stream_gives_everything_back() {
    let mut house = House::new(config());
    let stream = over(ServerTransport::Tcp, 9);
    house.allocate(stream, ALICE);
    house.server.client_gone(house.now, stream);
    house.drive();
    house.assert_empty();
    // Also while its socket is being opened.
    let challenge = house.challenge(stream);
    let request = house.allocate_request();
    let payload = ALICE.sign(request, &challenge);
    house
        .server
        .handle_datagram(house.now, FromClient { client: stream, payload: &payload })
        .unwrap();
    let Some(Event::OpenRelay(relayed)) = house.server.poll_event() else { panic!() };
    house.server.client_gone(house.now, stream);
    assert_eq!(house.server.poll_event(), Some(Event::CloseRelay(relayed)));
    house.server.relay_opened(house.now, relayed);
    house.drive();
    house.assert_empty();
}

#[test]
fn a_socket_that_is_lost_ends_its_allocation() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.server.relay_failed(house.now, relayed);
    house.drive();
    house.assert_empty();
    assert_eq!(code(&house.refresh(client(1), ALICE, 600)), Some(437));
}
