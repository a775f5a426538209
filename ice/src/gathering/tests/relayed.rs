//! Allocations: kept, lost, refused and redirected, at servers of `stun::turn`.

use stun::turn::server::{Config, Event, FiveTuple, FromClient, Outgoing, PeerPolicy};
use stun::turn::{self, User};
use stun::{Key, PasswordAlgorithm};

use super::*;
use GatheringEvent::{Complete, Failed, Found, Lost};

const SECOND: Duration = Duration::from_secs(1);
const PEER: &str = "192.0.2.44:5000";

fn user() -> User {
    User::new("ruth", "a secret")
}

fn turn(address: &str, transport: ServerTransport) -> Server {
    let url = format!("turn:{address}");
    Server { url, address: at(address), transport, user: Some(user()) }
}

fn config(address: &str) -> Config {
    Config {
        users: vec![user()],
        relay_ips: vec![at(address).ip()],
        listening: vec![at(address)],
        peers: PeerPolicy::Any,
        ..Config::default()
    }
}

/// A gatherer and TURN servers; the NAT in between gives every base the same public address.
struct Relays {
    now: Instant,
    gatherer: Gatherer,
    mapped: SocketAddr,
    servers: BTreeMap<SocketAddr, turn::Server>,
    to_peers: Vec<(SocketAddr, SocketAddr, bytes::Bytes)>,
    events: Vec<GatheringEvent>,
    /// Requests to allocate, and when they were made.
    allocates: Vec<(Instant, SocketAddr)>,
}

impl Relays {
    fn new(bases: &[&str], servers: &[Server]) -> Self {
        let now = Instant::now();
        let mut gatherer = Gatherer::new(StdRng::seed_from_u64(1));
        for base in bases {
            gatherer.add_base(now, at(base));
        }
        for server in servers {
            gatherer.add_server(now, server.clone());
        }
        gatherer.end_of_servers(now);
        Self {
            now,
            gatherer,
            mapped: at(PUBLIC),
            servers: BTreeMap::new(),
            to_peers: Vec::new(),
            events: Vec::new(),
            allocates: Vec::new(),
        }
    }

    /// Begins, or has restarted.
    fn serve(&mut self, config: Config) {
        let address = config.listening[0];
        let rng = StdRng::seed_from_u64(self.servers.len() as u64 + 7);
        self.servers.insert(address, turn::Server::new(self.now, config, rng));
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            match self.gatherer.poll_timeout() {
                Some(next) if next <= end => {
                    self.now = next.max(self.now);
                    self.gatherer.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(message) = self.gatherer.poll_transmit(self.now) {
            self.carry(&message);
        }
        self.events.extend(std::iter::from_fn(|| self.gatherer.poll_event()));
    }

    fn carry(&mut self, message: &ToServer) {
        let ToServer { transport, local, remote, payload } = message;
        if Message::parse(payload).is_ok_and(|message| message.method == Method::ALLOCATE) {
            self.allocates.push((self.now, *remote));
        }
        let client = FiveTuple { transport: *transport, local: *remote, remote: self.mapped };
        let Some(server) = self.servers.get_mut(remote) else { return };
        let _ = server.handle_datagram(self.now, FromClient { client, payload });
        self.fetch(*remote, *local);
    }

    /// Carries what a server has for us at `local`, and for peers.
    fn fetch(&mut self, remote: SocketAddr, local: SocketAddr) {
        let server = self.servers.get_mut(&remote).unwrap();
        while let Some(event) = server.poll_event() {
            if let Event::OpenRelay(relayed) = event {
                server.relay_opened(self.now, relayed);
            }
        }
        while let Some(outgoing) = server.poll_transmit(self.now) {
            match outgoing {
                Outgoing::ToPeer { relayed, peer, payload } => {
                    self.to_peers.push((relayed, peer, payload));
                }
                Outgoing::ToClient { client, payload } => {
                    let transport = client.transport;
                    let datagram = FromServer { transport, local, remote, payload: &payload };
                    let _ = self.gatherer.handle_datagram(self.now, datagram);
                }
            }
        }
    }

    fn news(&mut self) -> Vec<GatheringEvent> {
        std::mem::take(&mut self.events)
    }

    /// The relayed addresses told so far and not lost.
    fn relayed(&mut self) -> Vec<SocketAddr> {
        let mut relayed = Vec::new();
        for event in self.news() {
            match event {
                Found(Gathered::Relayed { relayed: new, .. }) => relayed.push(new),
                Lost(Gathered::Relayed { relayed: old, .. }) => relayed.retain(|it| *it != old),
                _ => {}
            }
        }
        relayed
    }
}

/// A server that answers requests to allocate as `answer` does, with the right integrity once it has
/// asked for it.
fn script(relays: &mut Relays, answer: impl FnMut(&Message) -> Message) {
    script_with(relays, "a secret", answer);
}

fn script_with(relays: &mut Relays, password: &str, mut answer: impl FnMut(&Message) -> Message) {
    let key = Key::long_term("ruth", &"realm".into(), password, &PasswordAlgorithm::md5()).unwrap();
    for _ in 0..400 {
        while let Some(message) = relays.gatherer.poll_transmit(relays.now) {
            let Ok(request) = Message::parse(&message.payload) else { continue };
            let payload = match (request.method, request.nonce()) {
                (Method::ALLOCATE, None) => Message::error(&request, Code::UNAUTHENTICATED.into())
                    .with(Attribute::Realm("realm".into()))
                    .with(Attribute::Nonce("nonce".into()))
                    .encode(None),
                (Method::ALLOCATE, Some(_)) => {
                    relays.allocates.push((relays.now, message.remote));
                    answer(&request).encode(Some(&key))
                }
                _ => continue,
            };
            let ToServer { transport, local, remote, .. } = message;
            let datagram = FromServer { transport, local, remote, payload: &payload };
            let _ = relays.gatherer.handle_datagram(relays.now, datagram);
        }
        relays.now += Duration::from_millis(50);
        relays.gatherer.handle_timeout(relays.now);
    }
    relays.events.extend(std::iter::from_fn(|| relays.gatherer.poll_event()));
}

fn redirect(request: &Message, to: &str) -> Message {
    Message::error(request, Code::TRY_ALTERNATE.into()).with(Attribute::AlternateServer(at(to)))
}

fn allocated(request: &Message, relayed: &str) -> Message {
    Message::success(request)
        .with(Attribute::XorRelayedAddress(at(relayed)))
        .with(Attribute::XorMappedAddress(at(PUBLIC)))
        .with(Attribute::Lifetime(Duration::from_secs(600)))
}

#[test]
fn a_relay_carries_packets_both_ways_and_is_given_back() {
    for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
        let mut relays = Relays::new(&[BASE], &[turn(SERVER, transport)]);
        relays.serve(config(SERVER));
        relays.run_for(SECOND);
        let news = relays.news();
        assert_eq!(news.last(), Some(&Complete));
        let reflexive = news.contains(&Found(super::reflexive(BASE, PUBLIC)));
        assert_eq!(reflexive, transport == ServerTransport::Udp, "a stream's address is its own");
        relays.events = news;
        let [relayed] = relays.relayed()[..] else { panic!("one relayed address") };
        assert_eq!(relayed.ip(), at(SERVER).ip());

        let now = relays.now;
        relays.gatherer.send(now, relayed, at(PEER), b"there");
        relays.run_for(SECOND);
        assert_eq!(relays.to_peers, [(relayed, at(PEER), "there".into())]);
        let server = relays.servers.get_mut(&at(SERVER)).unwrap();
        server.handle_relayed(relays.now, relayed, at(PEER), b"back").unwrap();
        let local = if transport == ServerTransport::Udp { BASE } else { "0.0.0.0:0" };
        relays.fetch(at(SERVER), at(local));
        let back = crate::Relayed { relayed, peer: at(PEER), payload: "back".into() };
        assert_eq!(relays.gatherer.recv(), Some(back));
        assert_eq!(relays.gatherer.recv(), None);

        let now = relays.now;
        relays.gatherer.close(now);
        relays.run_for(SECOND);
        assert_eq!(relays.gatherer.poll_timeout(), None);
        let client = FiveTuple { transport, local: at(SERVER), remote: at(PUBLIC) };
        assert!(!relays.servers[&at(SERVER)].has_allocation(&client));
    }
}

#[test]
fn one_allocation_brings_an_address_of_each_family() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    let relay_ips = vec![at(SERVER).ip(), "2001:db8::1".parse().unwrap()];
    relays.serve(Config { relay_ips, ..config(SERVER) });
    relays.run_for(SECOND);
    let relayed = relays.relayed();
    assert_eq!(relayed.iter().filter(|it| it.is_ipv4()).count(), 1);
    assert_eq!(relayed.iter().filter(|it| it.is_ipv6()).count(), 1);
    // A server that has IPv6 alone refuses the first request with 440.
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    let relay_ips = vec!["2001:db8::1".parse().unwrap()];
    relays.serve(Config { relay_ips, ..config(SERVER) });
    relays.run_for(SECOND);
    assert!(matches!(relays.relayed()[..], [SocketAddr::V6(_)]));
}

#[test]
fn a_server_that_has_restarted_is_asked_again() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    relays.serve(config(SERVER));
    relays.run_for(SECOND);
    let first = relays.relayed();
    relays.servers.clear();
    relays.run_for(20 * SECOND);
    assert_eq!(relays.news(), [], "nobody has asked");
    relays.serve(Config { ports: 50_000..=50_100, ..config(SERVER) });
    let now = relays.now;
    relays.gatherer.refresh(now);
    relays.run_for(3 * SECOND);
    let news = relays.news();
    let [Failed(error), Lost(Gathered::Relayed { relayed: lost, .. }), Found(found)] = &news[..]
    else {
        panic!("{news:?}")
    };
    assert_eq!((error.code, &[*lost][..]), (437, &first[..]));
    assert_ne!(found.base(), *lost);
}

#[test]
fn a_new_mapping_is_a_new_client_to_the_server() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    relays.serve(config(SERVER));
    relays.run_for(SECOND);
    let first = relays.relayed();
    relays.mapped = at("203.0.113.5:41000");
    relays.run_for(21 * SECOND);
    let news = relays.news();
    assert_eq!(news[0], Lost(super::reflexive(BASE, PUBLIC)));
    assert!(news.contains(&Found(super::reflexive(BASE, "203.0.113.5:41000"))), "{news:?}");
    relays.events = news;
    let second = relays.relayed();
    assert!(second.len() == 1 && first != second);
}

#[test]
fn attempts_at_a_server_that_is_away_become_rare() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    relays.run_for(3600 * SECOND);
    // Five requests in each attempt of 8.5 s, and in the end 60 to 75 s of rest.
    let requests = relays.allocates.len();
    assert!((5 * 40..=5 * 60).contains(&requests), "{requests}");
    let news = relays.news();
    assert!(matches!(&news[..], [Failed(error), Complete] if error.code == 701), "{news:?}");
    relays.serve(config(SERVER));
    relays.run_for(120 * SECOND);
    assert_eq!(relays.relayed().len(), 1, "it is noticed when it is back");
}

#[test]
fn a_stream_that_ends_takes_its_allocation_with_it() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Tls)]);
    assert_eq!(
        relays.gatherer.url(ServerTransport::Tls, at(SERVER)),
        Some("turn:198.51.100.1:3478")
    );
    relays.serve(config(SERVER));
    relays.run_for(SECOND);
    assert_eq!(relays.relayed().len(), 1);
    let now = relays.now;
    relays.gatherer.handle_stream_closed(now, ServerTransport::Tls, at(SERVER), "it was reset");
    let client =
        FiveTuple { transport: ServerTransport::Tls, local: at(SERVER), remote: at(PUBLIC) };
    relays.servers.get_mut(&at(SERVER)).unwrap().client_gone(now, client);
    relays.drain();
    let news = relays.news();
    let [Failed(error), Lost(_)] = &news[..] else { panic!("{news:?}") };
    assert_eq!((error.code, error.local), (701, None));
    assert!(error.reason.contains("it was reset"));
    relays.run_for(2 * SECOND);
    assert_eq!(relays.relayed().len(), 1);
}

#[test]
fn row_32_redirects_are_followed_outward_and_not_for_ever() {
    // To another server, which is of use.
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    let mut asked = 0;
    script(&mut relays, |request| {
        asked += 1;
        if asked == 1 { redirect(request, OTHER) } else { allocated(request, "198.51.100.9:50000") }
    });
    assert_eq!(relays.relayed(), [at("198.51.100.9:50000")]);
    let asked: Vec<_> = relays.allocates.iter().map(|(_, remote)| *remote).collect();
    assert_eq!(asked, [at(SERVER), at(OTHER)]);
    assert!(relays.gatherer.is_server(at(OTHER)));

    // In circles: three times, then it is enough.
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    let mut port = 4000;
    script(&mut relays, |request| {
        port += 1;
        redirect(request, &format!("198.51.100.9:{port}"))
    });
    assert_eq!(relays.allocates.len(), 4);
    let failures: Vec<_> = relays.news();
    assert!(matches!(&failures[..], [Failed(error), Complete] if error.code == 300));

    // Inward, or to where we are: never.
    for to in ["127.0.0.1:3478", "10.0.0.1:3478", "169.254.169.254:80", SERVER] {
        let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
        script(&mut relays, |request| redirect(request, to));
        assert_eq!(relays.allocates.len(), 1, "{to}");
        assert!(matches!(&relays.news()[..], [Failed(error), Complete] if error.code == 300));
    }
}

#[test]
fn a_relayed_address_is_neither_ours_nor_anothers() {
    for lie in [BASE, "0.0.0.0:1", "224.0.0.1:1"] {
        let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
        script(&mut relays, |request| allocated(request, lie));
        assert_eq!(relays.relayed(), [], "{lie}");
    }
    let servers = [SERVER, OTHER].map(|server| turn(server, ServerTransport::Udp));
    let mut relays = Relays::new(&[BASE], &servers);
    script(&mut relays, |request| allocated(request, "198.51.100.9:50000"));
    assert_eq!(relays.relayed(), [at("198.51.100.9:50000")]);
}

#[test]
fn row_19_a_forged_answer_needs_the_password() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp)]);
    script_with(&mut relays, "not the password", |request| allocated(request, "203.0.113.66:666"));
    let news = relays.news();
    assert!(matches!(&news[..], [Failed(error), Complete] if error.code == 701), "{news:?}");
}

#[test]
fn nothing_is_lost_by_noise() {
    let mut relays = Relays::new(&[BASE], &[turn(SERVER, ServerTransport::Udp), stun(OTHER)]);
    relays.serve(config(SERVER));
    relays.run_for(SECOND);
    relays.news();
    let before = relays.gatherer.poll_timeout();
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..20_000 {
        let mut payload = vec![0; rand::RngExt::random_range(&mut rng, 0..80)];
        rand::Rng::fill_bytes(&mut rng, &mut payload);
        if let [first, second, ..] = &mut payload[..] {
            let kind = rand::RngExt::random_range(&mut rng, 0..4usize);
            [*first, *second] = [[1, 1], [1, 0x11], [0, 0x17], [0x40, 0]][kind];
        }
        for remote in [SERVER, OTHER, PEER] {
            let (transport, local, remote) = (ServerTransport::Udp, at(BASE), at(remote));
            let datagram = FromServer { transport, local, remote, payload: &payload };
            assert!(relays.gatherer.handle_datagram(relays.now, datagram).is_err());
        }
    }
    assert_eq!(relays.gatherer.poll_timeout(), before);
    assert!(relays.gatherer.poll_transmit(relays.now).is_none());
    assert_eq!((relays.gatherer.poll_event(), relays.gatherer.recv()), (None, None));
}
