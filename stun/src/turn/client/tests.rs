//! A scripted server, and what the client makes of its answers.

mod allocating;
mod every_method;
mod proving;
mod relaying;
mod renewing;

use rand::SeedableRng;

use super::*;
use crate::turn::{ChannelData, ChannelNumber, User};
use crate::wire::AddressErrorCode;
use crate::{Algorithms, Class, Code, ErrorCode, Key, PasswordAlgorithm, ServerTransport, Text};

const REALM: &str = "example.org";
const PASSWORD: &str = "a secret";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn relayed() -> SocketAddr {
    "198.51.100.1:50000".parse().unwrap()
}

fn relayed_v6() -> SocketAddr {
    "[2001:db8::1]:50000".parse().unwrap()
}

fn mapped() -> SocketAddr {
    "203.0.113.7:4000".parse().unwrap()
}

fn peer(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 7000))
}

fn config() -> Config {
    Config::new(User::new("alice", PASSWORD), ServerTransport::Udp)
}

/// A client and a server that says what the test tells it to.
struct Script {
    client: Client,
    now: Instant,
    /// The server's nonce: requests with another one get 438 from [`Script::serve`].
    nonce: Text,
    key: Key,
    algorithms: Algorithms,
}

impl Script {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        let realm = REALM.into();
        let key = Key::long_term("alice", &realm, PASSWORD, &PasswordAlgorithm::md5()).unwrap();
        let client = Client::new(now, config, StdRng::seed_from_u64(7));
        Self { client, now, nonce: "nonce 1".into(), key, algorithms: Algorithms::Sha1 }
    }

    /// A client that has an allocation.
    fn allocated() -> Self {
        Self::allocated_with(config())
    }

    fn allocated_with(config: Config) -> Self {
        let mut script = Self::new(config);
        script.serve_all();
        assert!(matches!(script.client.poll_event(), Some(Event::Allocated { .. })));
        script
    }

    /// A client that may send to a peer, on a channel.
    fn bound(peer: SocketAddr) -> (Self, ChannelNumber) {
        let mut script = Self::allocated();
        script.send(peer, b"first").unwrap();
        script.serve_all();
        script.send(peer, b"second").unwrap();
        let channel = script.channel_data().channel;
        (script, channel)
    }

    /// The next message to the server.
    fn transmitted(&mut self) -> Option<Bytes> {
        self.client.poll_transmit(self.now)
    }

    /// The next message to the server, which is STUN.
    fn message(&mut self) -> Message {
        Message::parse(&self.transmitted().expect("a message")).unwrap()
    }

    /// The next message to the server, which is a request with this method.
    fn request(&mut self, method: Method) -> Message {
        let message = self.message();
        assert_eq!((message.class, message.method), (Class::Request, method));
        message
    }

    /// The next message to the server, which is ChannelData.
    fn channel_data(&mut self) -> ChannelData {
        ChannelData::parse(&self.transmitted().expect("a packet")).unwrap()
    }

    fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Result<(), SendError> {
        self.client.send(self.now, peer, payload)
    }

    fn hand(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.client.handle_datagram(self.now, octets)
    }

    /// Answers with the integrity of the password.
    fn answer(&mut self, response: &Message) -> Result<(), Error> {
        let octets = response.encode_with(Some(&self.key), self.algorithms);
        self.hand(&octets)
    }

    /// Refuses with the integrity of the password.
    fn refuse(&mut self, request: &Message, code: Code) {
        self.answer(&Message::error(request, code.into())).unwrap();
    }

    /// Asks for a proof, or a newer one.
    fn challenge(&mut self, request: &Message, code: Code) -> Result<(), Error> {
        let challenge = Message::error(request, code.into())
            .with(Attribute::Realm(REALM.into()))
            .with(Attribute::Nonce(self.nonce.clone()));
        self.hand(&challenge.encode(None))
    }

    /// Agrees to a request.
    fn agree(&mut self, request: &Message) {
        let lifetime = request.lifetime().unwrap_or(seconds(600));
        let mut response = Message::success(request);
        if request.method == Method::ALLOCATE {
            response = response
                .with(Attribute::XorRelayedAddress(relayed()))
                .with(Attribute::XorMappedAddress(mapped()));
        }
        if matches!(request.method, Method::ALLOCATE | Method::REFRESH) {
            response = response.with(Attribute::Lifetime(lifetime));
        }
        self.answer(&response).unwrap();
    }

    /// Answers as a server does that likes everything.
    fn serve(&mut self, request: &Message) {
        match request.nonce() {
            None => self.challenge(request, Code::UNAUTHENTICATED).unwrap(),
            Some(nonce) if *nonce != self.nonce => {
                self.challenge(request, Code::STALE_NONCE).unwrap();
            }
            Some(_) => {
                request.verify(&self.key).unwrap();
                self.agree(request);
            }
        }
    }

    /// Serves all requests; returns the methods of those that were carried out.
    fn serve_all(&mut self) -> Vec<Method> {
        let mut served = Vec::new();
        while let Some(octets) = self.transmitted() {
            if let Ok(message) = Message::parse(&octets)
                && message.class == Class::Request
            {
                self.serve(&message);
                served.push(message.method);
            }
        }
        served
    }

    /// Lets time pass, timer by timer; `serve` gets what is transmitted. Returns when which was.
    fn pass(
        &mut self,
        time: Duration,
        mut serve: impl FnMut(&mut Self, &Message),
    ) -> Vec<(u64, Method)> {
        let (start, end) = (self.now, self.now + time);
        let mut sent = Vec::new();
        loop {
            while let Some(octets) = self.transmitted() {
                if let Ok(message) = Message::parse(&octets)
                    && message.class == Class::Request
                {
                    sent.push(((self.now - start).as_secs(), message.method));
                    serve(self, &message);
                }
            }
            match self.client.poll_timeout().filter(|timeout| *timeout <= end) {
                Some(timeout) => {
                    assert!(timeout >= self.now, "timers lie ahead");
                    self.now = timeout;
                    self.client.handle_timeout(self.now);
                }
                None => break,
            }
        }
        self.now = end;
        sent
    }

    /// Lets time pass with a server that likes everything.
    fn pass_served(&mut self, time: Duration) -> Vec<(u64, Method)> {
        self.pass(time, |script, request| script.serve(request))
    }

    /// Lets time pass with a server that is away.
    fn pass_unanswered(&mut self, time: Duration) -> Vec<(u64, Method)> {
        self.pass(time, |_, _| {})
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn received(&mut self) -> Vec<(SocketAddr, Bytes)> {
        std::iter::from_fn(|| self.client.recv()).collect()
    }

    /// Whether the client is over and silent.
    fn assert_over(&mut self) {
        assert_eq!(self.transmitted(), None);
        assert_eq!(self.client.poll_timeout(), None);
        assert_eq!(self.client.poll_event(), None);
        assert_eq!(self.send(peer(1), b"?"), Err(SendError::NotAllocated));
    }
}

fn data_indication(from: SocketAddr, data: &'static [u8]) -> Bytes {
    Message::indication(Method::DATA, TransactionId([8; 12]))
        .with(Attribute::XorPeerAddress(from))
        .with(Attribute::Data(Bytes::from_static(data)))
        .encode(None)
}

fn channel_data(channel: ChannelNumber, data: &'static [u8]) -> Bytes {
    ChannelData { channel, data: Bytes::from_static(data) }.encode()
}

fn closed(code: Code) -> Vec<Event> {
    vec![Event::Closed(CloseReason::Refused(code.into()))]
}
