//! The server with a driver made of sets, and clients that speak by hand.

mod allocate;
mod authentication;
mod hostile;
mod relaying;
mod requests;

use std::collections::HashSet;

use rand::SeedableRng;

use super::*;
use crate::{Algorithms, Family, Key, PasswordAlgorithm, TransactionId, userhash};

const REALM: &str = "example.org";
const SERVER: &str = "198.51.100.1:3478";

/// A server, and what its driver knows.
struct House {
    now: Instant,
    server: Server,
    open: HashSet<SocketAddr>,
    /// Ports that some other program has.
    taken: HashSet<u16>,
    sent: Vec<Outgoing>,
    ids: u64,
}

fn config() -> Config {
    Config {
        realm: REALM.into(),
        users: vec![User::new("alice", "secret"), User::new("bob", "hidden")],
        relay_ips: vec!["198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ports: 50_000..=50_999,
        listening: vec![SERVER.parse().unwrap()],
        max_relays: 20,
        max_per_user: 5,
        ..Config::default()
    }
}

/// A client at this port.
fn client(port: u16) -> FiveTuple {
    over(ServerTransport::Udp, port)
}

fn over(transport: ServerTransport, port: u16) -> FiveTuple {
    let remote = SocketAddr::from(([192, 0, 2, 7], port));
    FiveTuple { transport, local: SERVER.parse().unwrap(), remote }
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// How a client proves who it is.
#[derive(Clone, Copy)]
struct Login {
    name: &'static str,
    password: &'static str,
    sha256: bool,
    hashed: bool,
}

const ALICE: Login = Login { name: "alice", password: "secret", sha256: true, hashed: true };
const BOB: Login = Login { name: "bob", password: "hidden", sha256: false, hashed: false };

impl Login {
    fn key(self) -> Key {
        let algorithm =
            if self.sha256 { PasswordAlgorithm::sha_256() } else { PasswordAlgorithm::md5() };
        Key::long_term(self.name, &REALM.into(), self.password, &algorithm).unwrap()
    }

    fn algorithms(self) -> Algorithms {
        if self.sha256 { Algorithms::Sha256 } else { Algorithms::Sha1 }
    }

    /// The request with all that proves it, for a client that was challenged so.
    fn sign(self, request: Message, challenge: &Message) -> Bytes {
        let mut request = if self.hashed {
            request.with(Attribute::Userhash(userhash(self.name, &REALM.into())))
        } else {
            request.with(Attribute::Username(self.name.into()))
        };
        request = request
            .with(Attribute::Realm(challenge.realm().unwrap().clone()))
            .with(Attribute::Nonce(challenge.nonce().unwrap().clone()));
        if self.sha256 {
            let list = challenge.password_algorithms().unwrap().to_vec();
            request = request
                .with(Attribute::PasswordAlgorithms(list))
                .with(Attribute::PasswordAlgorithm(PasswordAlgorithm::sha_256()));
        }
        request.encode_with(Some(&self.key()), self.algorithms())
    }
}

impl House {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self {
            now,
            server: Server::new(now, config, StdRng::seed_from_u64(5)),
            open: HashSet::new(),
            taken: HashSet::new(),
            sent: Vec::new(),
            ids: 0,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.server.handle_timeout(self.now);
        self.drive();
    }

    /// What a driver does after each input.
    fn drive(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay(relayed) if self.taken.contains(&relayed.port()) => {
                    self.server.relay_failed(self.now, relayed);
                }
                Event::OpenRelay(relayed) => {
                    assert!(self.open.insert(relayed), "{relayed} was open");
                    self.server.relay_opened(self.now, relayed);
                }
                Event::CloseRelay(relayed) => {
                    assert!(self.open.remove(&relayed), "{relayed} was not open");
                }
            }
        }
        while let Some(outgoing) = self.server.poll_transmit(self.now) {
            self.sent.push(outgoing);
        }
    }

    fn request(&mut self, method: Method) -> Message {
        self.ids += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.ids.to_be_bytes());
        Message::request(method, TransactionId(id))
    }

    fn put(&mut self, client: FiveTuple, payload: &[u8]) -> Result<(), Error> {
        let outcome = self.server.handle_datagram(self.now, FromClient { client, payload });
        self.drive();
        outcome
    }

    /// Sends octets and takes the one answer.
    fn ask_octets(&mut self, client: FiveTuple, payload: &[u8]) -> (Message, Bytes) {
        self.sent.clear();
        self.put(client, payload).unwrap();
        let [Outgoing::ToClient { client: to, payload }] = self.sent.as_slice() else {
            panic!("not one answer: {:?}", self.sent);
        };
        assert_eq!(*to, client);
        let octets = payload.clone();
        self.sent.clear();
        (Message::parse(&octets).unwrap(), octets)
    }

    /// The refusal that says how to come back.
    fn challenge(&mut self, client: FiveTuple) -> Message {
        let request = self.request(Method::REFRESH).encode(None);
        let (challenge, _) = self.ask_octets(client, &request);
        assert_eq!(code(&challenge), Some(401));
        challenge
    }

    /// Sends a request as this user and takes the answer, which is signed.
    fn ask(&mut self, client: FiveTuple, login: Login, request: Message) -> Message {
        let challenge = self.challenge(client);
        let octets = login.sign(request, &challenge);
        let (answer, _) = self.ask_octets(client, &octets);
        answer.verify(&login.key()).unwrap();
        assert_eq!(answer.integrity(), Some(login.algorithms()));
        answer
    }

    fn allocate_request(&mut self) -> Message {
        self.request(Method::ALLOCATE)
            .with(Attribute::RequestedTransport(crate::wire::RequestedTransport::UDP))
    }

    /// An allocation; answers its relayed address.
    fn allocate(&mut self, client: FiveTuple, login: Login) -> SocketAddr {
        let request = self.allocate_request();
        let answer = self.ask(client, login, request);
        assert_eq!(code(&answer), None);
        answer.xor_relayed_addresses().next().unwrap()
    }

    fn refresh(&mut self, client: FiveTuple, login: Login, seconds: u64) -> Message {
        let lifetime = Attribute::Lifetime(Duration::from_secs(seconds));
        let request = self.request(Method::REFRESH).with(lifetime);
        self.ask(client, login, request)
    }

    fn permit(&mut self, client: FiveTuple, login: Login, peers: &[&str]) -> Option<u16> {
        let request = self.request(Method::CREATE_PERMISSION);
        let request = peers.iter().fold(request, |request, peer| {
            let address = SocketAddr::new(peer.parse().unwrap(), 0);
            request.with(Attribute::XorPeerAddress(address))
        });
        code(&self.ask(client, login, request))
    }

    fn bind(&mut self, client: FiveTuple, login: Login, number: u16, to: &str) -> Option<u16> {
        let request = self
            .request(Method::CHANNEL_BIND)
            .with(Attribute::ChannelNumber(crate::turn::ChannelNumber(number)))
            .with(Attribute::XorPeerAddress(peer(to)));
        code(&self.ask(client, login, request))
    }

    fn send_indication(&mut self, client: FiveTuple, to: &str, data: &[u8]) -> Result<(), Error> {
        let id = self.request(Method::SEND).transaction_id;
        let indication = Message::indication(Method::SEND, id)
            .with(Attribute::XorPeerAddress(peer(to)))
            .with(Attribute::Data(Bytes::copy_from_slice(data)));
        self.put(client, &indication.encode(None))
    }

    fn channel_data(&mut self, client: FiveTuple, number: u16, data: &[u8]) -> Result<(), Error> {
        let message =
            ChannelData { channel: crate::turn::ChannelNumber(number), data: data.to_vec().into() };
        self.put(client, &message.encode())
    }

    fn peer_sends(&mut self, relayed: SocketAddr, from: &str, data: &[u8]) -> Result<(), Error> {
        let outcome = self.server.handle_relayed(self.now, relayed, peer(from), data);
        self.drive();
        outcome
    }

    fn assert_empty(&self) {
        assert_eq!(self.server.leases.len(), 0);
        assert!(self.server.allocations.is_empty());
        assert!(self.server.openings.is_empty());
        assert!(self.server.reservations.is_empty());
        assert_eq!(self.open, HashSet::new());
        assert_eq!(self.server.poll_timeout(), None);
    }
}

/// The number of the error, if it is one.
fn code(answer: &Message) -> Option<u16> {
    answer.error_code().map(|error| error.code.number())
}
