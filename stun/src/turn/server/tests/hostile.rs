//! Anything in any order: the tables stay bounded and true, and nothing panics.

use proptest::prelude::*;

use super::*;
use crate::turn::ChannelNumber;

fn octets_to_clients(sent: &[Outgoing]) -> usize {
    sent.iter()
        .map(|outgoing| match outgoing {
            Outgoing::ToClient { payload, .. } => payload.len(),
            Outgoing::ToPeer { .. } => panic!("relayed for a stranger"),
        })
        .sum()
}

#[test]
fn row_18_a_flood_of_unauthenticated_requests_leaves_nothing_and_gets_little() {
    let mut house = House::new(config());
    let (mut incoming, mut outgoing) = (0, 0);
    for n in 0..100_000u32 {
        // Two seconds; a hundred ports of one victim.
        house.now += Duration::from_micros(20);
        let request = house.allocate_request().encode(None);
        incoming += request.len();
        let victim = client(1 + u16::try_from(n % 100).unwrap());
        let _ = house.put(victim, &request);
        outgoing += octets_to_clients(&house.sent);
        house.sent.clear();
    }
    assert!(outgoing < incoming, "{outgoing} octets out for {incoming} in");
    assert!(outgoing < 80_000, "{outgoing}");
    house.assert_empty();
    assert!(house.server.transmits.capacity() <= 16);
    assert!(house.server.events.capacity() <= 16);
    // And somebody else, elsewhere, is served meanwhile.
    let honest = FiveTuple { remote: peer("192.0.2.200:5"), ..client(1) };
    house.allocate(honest, ALICE);
}

#[test]
fn row_18_forged_sources_leave_nothing_either() {
    let mut house = House::new(config());
    for n in 0..100_000u32 {
        let remote = SocketAddr::from((std::net::Ipv4Addr::from(0x0B00_0000 | n), 5));
        let request = house.request(Method::ALLOCATE).encode(None);
        let _ = house.put(FiveTuple { remote, ..client(1) }, &request);
        house.sent.clear();
    }
    house.assert_empty();
}

#[test]
fn row_18_wrong_passwords_are_limited_too_but_the_right_one_is_not() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    let wrong = Login { password: "guess", ..ALICE };
    let mut answered = 0;
    loop {
        let request = house.allocate_request();
        match house.put(client(1), &wrong.sign(request, &challenge)) {
            Ok(()) => answered += 1,
            Err(error) => {
                assert_eq!(error, Error::OverBudget);
                break;
            }
        }
    }
    assert!(answered < 400, "{answered}");
    house.sent.clear();
    // Who has a nonce and knows the password is no stranger.
    let request = house.allocate_request();
    let (answer, _) = house.ask_octets(client(1), &ALICE.sign(request, &challenge));
    assert_eq!(code(&answer), None);
}

#[test]
fn streams_are_not_limited_as_their_source_is_proved() {
    let mut house = House::new(config());
    for _ in 0..2000 {
        house.challenge(over(ServerTransport::Tcp, 3));
    }
}

#[test]
fn row_10_messages_that_are_not_whole_are_dropped() {
    let mut house = House::new(config());
    let client = over(ServerTransport::Tcp, 1);
    let challenge = house.challenge(client);
    let request = house.allocate_request();
    let good = ALICE.sign(request, &challenge);
    for cut in 0..good.len() {
        assert!(house.put(client, &good[..cut]).is_err());
    }
    // All but the type of FINGERPRINT: another attribute there, behind the integrity, is ignored.
    let fingerprint = good.len() - 8;
    for at in (0..good.len()).filter(|at| !(fingerprint..fingerprint + 2).contains(at)) {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        let _ = house.put(client, &bad);
        assert!(house.open.is_empty(), "octet {at}");
    }
    house.assert_empty();
    assert_eq!(code(&house.ask_octets(client, &good).0), None);
}

#[test]
fn responses_and_methods_of_others_are_dropped() {
    let mut house = House::new(config());
    let request = house.request(Method::BINDING);
    let method_of_nobody = house.request(Method::new(0x0FF));
    for message in [
        Message::success(&request),
        Message::error(&request, Code::UNAUTHENTICATED.into()),
        method_of_nobody,
        Message::indication(Method::ALLOCATE, request.transaction_id),
        Message::request(Method::SEND, request.transaction_id),
    ] {
        assert_eq!(house.put(client(1), &message.encode(None)), Err(Error::NotForServers));
    }
    assert_eq!(house.sent, []);
}

#[test]
fn a_driver_that_never_drains_costs_a_bounded_amount() {
    let mut house = House::new(config());
    let relayed = house.allocate(client(1), ALICE);
    house.permit(client(1), ALICE, &["203.0.113.9"]);
    for _ in 0..10_000 {
        let now = house.now;
        house.server.handle_relayed(now, relayed, peer("203.0.113.9:1"), b"x").unwrap();
    }
    assert_eq!(house.server.transmits.len(), MAX_QUEUED);
}

/// One thing that happens to a server.
#[derive(Debug, Clone)]
enum Happening {
    Garbage(u16, Vec<u8>),
    Allocate(u16, bool, Vec<Attribute>),
    Refresh(u16, bool, u64),
    Permit(u16, bool, u8),
    Bind(u16, bool, u16, u8, u16),
    Data(u16, u16),
    Send(u16, u8),
    FromPeer(u8, Vec<u8>),
    Gone(u16),
    Lost,
    Pass(u64),
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    use crate::wire::{EvenPort, ReservationToken};
    prop_oneof![
        any::<bool>().prop_map(|reserve_next| Attribute::EvenPort(EvenPort { reserve_next })),
        (0..4u8).prop_map(|family| Attribute::RequestedAddressFamily(Family(family))),
        (0..4u8).prop_map(|family| Attribute::AdditionalAddressFamily(Family(family))),
        (0..5000u64).prop_map(|s| Attribute::Lifetime(Duration::from_secs(s))),
        any::<[u8; 8]>().prop_map(|token| Attribute::ReservationToken(ReservationToken(token))),
        Just(Attribute::DontFragment),
    ]
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let client = 1..5u16;
    let number = 0x3FFE..0x4006u16;
    prop_oneof![
        (client.clone(), prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(c, octets)| Happening::Garbage(c, octets)),
        (client.clone(), any::<bool>(), prop::collection::vec(any_attribute(), 0..3))
            .prop_map(|(c, alice, attributes)| Happening::Allocate(c, alice, attributes)),
        (client.clone(), any::<bool>(), prop_oneof![Just(0u64), 0..5000u64])
            .prop_map(|(c, alice, seconds)| Happening::Refresh(c, alice, seconds)),
        (client.clone(), any::<bool>(), 0..6u8)
            .prop_map(|(c, alice, peer)| Happening::Permit(c, alice, peer)),
        (client.clone(), any::<bool>(), number.clone(), 0..6u8, 0..3u16)
            .prop_map(|(c, alice, n, peer, port)| Happening::Bind(c, alice, n, peer, port)),
        (client.clone(), number).prop_map(|(c, n)| Happening::Data(c, n)),
        (client.clone(), 0..6u8).prop_map(|(c, peer)| Happening::Send(c, peer)),
        (0..6u8, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(peer, octets)| Happening::FromPeer(peer, octets)),
        client.prop_map(Happening::Gone),
        Just(Happening::Lost),
        prop_oneof![0..40u64, 0..4000u64].prop_map(Happening::Pass),
    ]
}

fn some_peer(n: u8) -> IpAddr {
    let text =
        ["203.0.113.1", "203.0.113.2", "2a00::1", "127.0.0.1", "::ffff:127.0.0.1", "198.51.100.1"];
    text[usize::from(n)].parse().unwrap()
}

impl House {
    /// As [`House::ask`], of one who does not wait for the answer.
    fn tell(&mut self, client: FiveTuple, login: Login, request: Message) {
        let challenge = self.challenge(client);
        let _ = self.put(client, &login.sign(request, &challenge));
    }

    fn happen(&mut self, happening: Happening) {
        let login = |alice| if alice { ALICE } else { BOB };
        // TCP, so that the budget of strangers plays no part.
        let client = |port| over(ServerTransport::Tcp, port);
        match happening {
            Happening::Garbage(c, octets) => drop(self.put(client(c), &octets)),
            Happening::Allocate(c, alice, attributes) => {
                let request = self.allocate_request();
                let request = attributes.into_iter().fold(request, Message::with);
                self.tell(client(c), login(alice), request);
            }
            Happening::Refresh(c, alice, seconds) => {
                let lifetime = Attribute::Lifetime(Duration::from_secs(seconds));
                let request = self.request(Method::REFRESH).with(lifetime);
                self.tell(client(c), login(alice), request);
            }
            Happening::Permit(c, alice, peer) => {
                let peer = Attribute::XorPeerAddress(SocketAddr::new(some_peer(peer), 0));
                let request = self.request(Method::CREATE_PERMISSION).with(peer);
                self.tell(client(c), login(alice), request);
            }
            Happening::Bind(c, alice, number, peer, port) => {
                let peer = SocketAddr::new(some_peer(peer), port);
                let request = self
                    .request(Method::CHANNEL_BIND)
                    .with(Attribute::ChannelNumber(ChannelNumber(number)))
                    .with(Attribute::XorPeerAddress(peer));
                self.tell(client(c), login(alice), request);
            }
            Happening::Data(c, number) => {
                let _ = self.channel_data(client(c), number, b"data");
            }
            Happening::Send(c, peer) => {
                let peer = SocketAddr::new(some_peer(peer), 9).to_string();
                let _ = self.send_indication(client(c), &peer, b"data");
            }
            Happening::FromPeer(peer, octets) => {
                let from = SocketAddr::new(some_peer(peer), 9).to_string();
                for relayed in self.open.clone() {
                    let _ = self.peer_sends(relayed, &from, &octets);
                }
            }
            Happening::Gone(c) => self.server.client_gone(self.now, client(c)),
            Happening::Lost => {
                if let Some(relayed) = self.open.iter().next().copied() {
                    self.server.relay_failed(self.now, relayed);
                }
            }
            Happening::Pass(seconds) => self.pass(seconds),
        }
        self.drive();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_anything_keeps_the_tables_true(
        happenings in prop::collection::vec(any_happening(), 0..60),
        taken in prop::collection::hash_set(50_000..50_010u16, 0..5),
    ) {
        let mut house =
            House::new(Config { ports: 50_000..=50_009, max_relays: 8, max_per_user: 4, ..config() });
        house.taken = taken;
        for happening in happenings {
            house.happen(happening);
            let server = &house.server;
            // Each open socket is somebody's, and nobody has what is not open.
            prop_assert_eq!(server.leases.len(), house.open.len());
            prop_assert!(house.open.len() <= 8, "{:?}", house.open);
            let held = server.allocations.values().map(|a| a.relayed.len()).sum::<usize>();
            prop_assert_eq!(held + server.reservations.len(), house.open.len());
            prop_assert!(server.openings.is_empty());
            for outgoing in house.sent.drain(..) {
                if let Outgoing::ToPeer { peer, .. } = outgoing {
                    prop_assert!(PeerPolicy::Public.allows(peer.ip()));
                }
            }
        }
        // An hour later nothing is left.
        house.pass(3600);
        house.assert_empty();
    }

    #[test]
    fn never_panics(
        datagrams in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..120)), 0..20),
    ) {
        let mut house = House::new(config());
        let relayed = house.allocate(client(1), ALICE);
        for (from_client, octets) in datagrams {
            if from_client {
                let _ = house.put(client(1), &octets);
            } else {
                let _ = house.peer_sends(relayed, PEER, &octets);
            }
        }
    }
}

const PEER: &str = "203.0.113.1:9";
