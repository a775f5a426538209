//! A TURN server: it lends relayed addresses and relays what goes through them (RFC 8656), and tells
//! everybody what they look like from outside (RFC 8489, RFC 5780).
//!
//! ```text
//!   handle_datagram ─┬ Binding ─────────────────► binding              stranger's budget
//!    (from clients)  ├ request ► authentication ─► allocate, requests  ─► Allocation
//!                    ├ Send ────────────────────► relaying ─► ToPeer        ▲
//!                    └ ChannelData ─────────────► relaying ─► ToPeer        │
//!   handle_relayed ────────────────────────────► relaying ─► ToClient ──────┘
//!    (from peers)
//! ```
//!
//! No socket: a relayed address is opened by whoever owns the server, when [`Event::OpenRelay`] says
//! so, and then answered with [`Server::relay_opened`]. Over TCP and TLS one call takes one message, as
//! [`Deframer`](super::Deframer) cuts it out.
//!
//! Invariants: strangers leave nothing behind and get no more octets than their budget allows; each
//! table and queue is bounded; nothing is relayed that no permission lets pass; when an allocation
//! ends, all that was its own is gone. Book: "Relay".

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;

use self::allocate::{Opening, Reservation};
use self::allocation::Allocation;
use self::authentication::{Authentication, Proof};
use self::budget::Budget;
use self::leases::{Leases, Owner};
use self::nonce::Nonces;
use super::User;
use crate::turn::ChannelData;
use crate::wire::ReservationToken;
use crate::{Attribute, AttributeType, Class, Code, Message, Method, ParseError, ServerTransport};

mod allocate;
mod allocation;
mod authentication;
mod binding;
mod budget;
mod leases;
mod nonce;
mod policy;
mod relaying;
mod requests;
#[cfg(test)]
mod tests;

pub use allocation::FiveTuple;
pub use binding::TwoAddresses;
pub use policy::PeerPolicy;

/// Packets that may wait for the driver; it takes them after each input, and one input makes two at
/// most.
const MAX_QUEUED: usize = 1024;

/// How a server is.
#[derive(Debug, Clone)]
pub struct Config {
    /// For what the users' passwords are good (RFC 8489 §14.9); a domain, or any word.
    pub realm: String,
    /// Who may have allocations.
    pub users: Vec<User>,
    /// The IP addresses of relayed addresses, as peers see them; of each family the first is taken,
    /// unless a client speaks with another of them.
    pub relay_ips: Vec<IpAddr>,
    /// The ports of relayed addresses.
    pub ports: RangeInclusive<u16>,
    /// To whom is relayed.
    pub peers: PeerPolicy,
    /// Where the server itself listens: there nothing is relayed to.
    pub listening: Vec<SocketAddr>,
    /// For who studies a NAT (RFC 5780); the driver listens on all four.
    pub two_addresses: Option<TwoAddresses>,
    /// Relayed addresses at once; each is a socket.
    pub max_relays: usize,
    /// Allocations of one user at once.
    pub max_per_user: usize,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
}

impl Default for Config {
    /// Nobody may relay anything; who asks is told what he looks like.
    fn default() -> Self {
        Self {
            realm: "turn".into(),
            users: Vec::new(),
            relay_ips: Vec::new(),
            // The dynamic ports (RFC 6335 §6), as RFC 8656 §7.2 recommends.
            ports: 49_152..=65_535,
            peers: PeerPolicy::Public,
            listening: Vec::new(),
            two_addresses: None,
            max_relays: 1000,
            max_per_user: 100,
            nonce_lifetime: Duration::from_secs(600),
        }
    }
}

/// What came from a client: a datagram, or one message of a stream.
#[derive(Debug, Clone, Copy)]
pub struct FromClient<'a> {
    /// Over what, to where and from where.
    pub client: FiveTuple,
    /// A STUN message or ChannelData.
    pub payload: &'a [u8],
}

// ANCHOR: outgoing
/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// To a client, from `client.local`.
    ToClient {
        /// Over what, from where and to where.
        client: FiveTuple,
        /// A datagram, or the next octets of the stream.
        payload: Bytes,
    },
    /// To a peer.
    ToPeer {
        /// The relayed address from which it is sent.
        relayed: SocketAddr,
        /// The peer.
        peer: SocketAddr,
        /// The datagram.
        payload: Bytes,
    },
}
// ANCHOR_END: outgoing

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Open a UDP socket for this relayed address; answer with [`Server::relay_opened`] or
    /// [`Server::relay_failed`].
    OpenRelay(SocketAddr),
    /// Close it.
    CloseRelay(SocketAddr),
}

/// Why something that came was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is neither STUN nor ChannelData.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It is a response, or about something a server has no part in.
    #[error("not a message for a server")]
    NotForServers,
    /// The client has no allocation, or the relayed address is nobody's.
    #[error("there is no such allocation")]
    NoAllocation,
    /// The peer has no permission.
    #[error("the peer has no permission")]
    NoPermission,
    /// The channel is bound to nobody.
    #[error("the channel is not bound")]
    NoChannel,
    /// There is no peer or no data in it.
    #[error("the indication has no peer or no data")]
    Incomplete,
    /// It has an attribute that would have to be understood.
    #[error("the indication has an attribute that is not understood")]
    UnknownAttribute,
    /// It was to go where nothing is relayed to.
    #[error("nothing is relayed to that address")]
    Forbidden,
    /// The budget of strangers from there is spent.
    #[error("too many requests of strangers from there")]
    OverBudget,
    /// It does not fit into a message to the client.
    #[error("the packet is too large to be relayed")]
    TooLarge,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    config: Config,
    rng: StdRng,
    authentication: Authentication,
    budget: Budget,
    leases: Leases,
    allocations: HashMap<FiveTuple, Allocation>,
    openings: HashMap<FiveTuple, Opening>,
    reservations: HashMap<ReservationToken, Reservation>,
    transmits: VecDeque<Outgoing>,
    events: VecDeque<Event>,
}

impl Server {
    /// A server without clients.
    #[must_use]
    pub fn new(now: Instant, mut config: Config, mut rng: StdRng) -> Self {
        let nonces = Nonces::new(now, config.nonce_lifetime, &mut rng);
        // Passwords stay behind: from here on there are only keys.
        let users = std::mem::take(&mut config.users);
        Self {
            authentication: Authentication::new(&config.realm, &users, nonces),
            budget: Budget::new(now, &mut rng),
            leases: Leases::new(config.relay_ips.clone(), config.ports.clone()),
            allocations: HashMap::new(),
            openings: HashMap::new(),
            reservations: HashMap::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            config,
            rng,
        }
    }

    /// Takes what a client sent.
    ///
    /// # Errors
    /// It was discarded, unanswered and without a trace.
    pub fn handle_datagram(&mut self, now: Instant, from: FromClient<'_>) -> Result<(), Error> {
        self.handle_timeout(now);
        let FromClient { client, payload } = from;
        if ChannelData::is_channel_data(payload) {
            return self.handle_channel_data(now, client, ChannelData::parse(payload)?);
        }
        let message = Message::parse(payload)?;
        match (message.class, message.method) {
            (Class::Request, Method::BINDING) => self.handle_binding(now, client, &message),
            (
                Class::Request,
                Method::ALLOCATE
                | Method::REFRESH
                | Method::CREATE_PERMISSION
                | Method::CHANNEL_BIND,
            ) => self.handle_request(now, client, &message),
            (Class::Indication, Method::SEND) => self.handle_send(now, client, &message),
            // Keeps a NAT's mapping alive (RFC 8489 §3).
            (Class::Indication, Method::BINDING) => Ok(()),
            _ => Err(Error::NotForServers),
        }
    }

    fn handle_binding(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
    ) -> Result<(), Error> {
        // Of a stream there is one, which can't answer from elsewhere.
        let is_udp = client.transport == ServerTransport::Udp;
        let addresses = self.config.two_addresses.filter(|_| is_udp);
        let response = binding::answer(addresses, client, request);
        self.answer_stranger(now, response.path, response.message.encode(None))
    }

    /// A request that takes credentials.
    fn handle_request(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
    ) -> Result<(), Error> {
        let proof = match self.authentication.check(now, client, request) {
            Ok(proof) => proof,
            Err(code) => {
                tracing::debug!(?client, method = ?request.method, ?code, "not authenticated");
                let refusal = self.authentication.refuse(now, client, request, code);
                return self.answer_stranger(now, client, refusal.encode(None));
            }
        };
        if let Some(answer) = self.answer(now, client, request, &proof) {
            self.send_to_client(client, answer);
        }
        Ok(())
    }

    /// The answer to a request whose sender is known; `None`: later.
    fn answer(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
    ) -> Option<Bytes> {
        if let Some(refusal) = refuse_unsupported(request) {
            return Some(proof.sign(&refusal));
        }
        let outcome = match request.method {
            Method::ALLOCATE => match self.allocate(now, client, request, proof) {
                Ok(answer) => return answer,
                Err(code) => Err(code),
            },
            Method::REFRESH => self.refresh(now, client, request, proof),
            Method::CREATE_PERMISSION => self.create_permission(now, client, request, proof),
            _ => self.channel_bind(now, client, request, proof),
        };
        let message = outcome.unwrap_or_else(|code| {
            tracing::debug!(?client, method = ?request.method, ?code, "refused");
            Message::error(request, code.into())
        });
        Some(proof.sign(&message))
    }

    /// A stream is closed: its 5-tuple does not come back, and with it goes what was borrowed.
    pub fn client_gone(&mut self, _now: Instant, client: FiveTuple) {
        let lent: Vec<SocketAddr> = match self.openings.remove(&client) {
            Some(opening) => opening.relayed().collect(),
            None => self.allocations.get(&client).map(|a| a.relayed.clone()).unwrap_or_default(),
        };
        for relayed in lent {
            self.take_back(relayed);
        }
    }

    /// Whether a client has an allocation, or is about to.
    #[must_use]
    pub fn has_allocation(&self, client: &FiveTuple) -> bool {
        self.allocations.contains_key(client) || self.openings.contains_key(client)
    }

    /// Ends a lease, and the allocation or reservation that has nothing left.
    fn take_back(&mut self, relayed: SocketAddr) {
        match self.leases.free(relayed) {
            Some(Owner::Client(client)) => {
                if let Some(allocation) = self.allocations.get_mut(&client) {
                    allocation.relayed.retain(|other| *other != relayed);
                    if allocation.relayed.is_empty() {
                        self.allocations.remove(&client);
                    }
                }
                tracing::debug!(?client, %relayed, "taken back");
            }
            Some(Owner::Reservation(token)) => {
                self.reservations.remove(&token);
            }
            None => return,
        }
        self.close_relay(relayed);
    }

    /// Has a relayed address closed, or not even opened if the driver has not heard of it yet.
    fn close_relay(&mut self, relayed: SocketAddr) {
        let before = self.events.len();
        self.events.retain(|event| *event != Event::OpenRelay(relayed));
        if self.events.len() == before {
            self.events.push_back(Event::CloseRelay(relayed));
        }
    }

    /// Ends what has expired; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(relayed) = self.leases.expired(now) {
            self.take_back(relayed);
        }
    }

    /// When to call [`Server::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.leases.next_expiry()
    }

    /// The next packet to send; call until `None`.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Outgoing> {
        self.transmits.pop_front()
    }

    /// The next thing to do; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Answers somebody who has proved nothing, if the budget allows it.
    fn answer_stranger(
        &mut self,
        now: Instant,
        client: FiveTuple,
        answer: Bytes,
    ) -> Result<(), Error> {
        let may_be_forged = client.transport == ServerTransport::Udp;
        if may_be_forged && !self.budget.spend(now, client.remote, answer.len()) {
            return Err(Error::OverBudget);
        }
        self.send_to_client(client, answer);
        Ok(())
    }

    fn send_to_client(&mut self, client: FiveTuple, payload: Bytes) {
        self.push(Outgoing::ToClient { client, payload });
    }

    fn push(&mut self, outgoing: Outgoing) {
        if self.transmits.len() < MAX_QUEUED {
            self.transmits.push_back(outgoing);
        }
    }
}

/// 420 for what has to be understood and is not (RFC 8489 §6.3.1). DONT-FRAGMENT is among it: a server
/// that can't set the DF bit of single packets has to say so (RFC 8656 §7.2).
fn refuse_unsupported(request: &Message) -> Option<Message> {
    let mut unknown = request.unknown_required();
    if request.dont_fragment() {
        unknown.push(AttributeType::DONT_FRAGMENT);
    }
    (!unknown.is_empty()).then(|| {
        Message::error(request, Code::UNKNOWN_ATTRIBUTE.into())
            .with(Attribute::UnknownAttributes(unknown))
    })
}
