//! `Endpoint`: the verbs that every layer has, as a trait.
//!
//! The layers share these verbs by convention, not by a trait of their own: each can be read and used
//! alone. Here the convention is put to the proof: one implementation a layer, none of them more than
//! a change of types, and the simulator runs them all.

mod answering;
mod layers;
mod responder;
mod turn_server;

use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use ice::Protocol;

pub use answering::Answering;
pub use responder::Responder;
pub use turn_server::TurnServer;

/// A datagram on the simulated network, or a piece of what a TCP connection carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Of TCP the network brings every piece, once and in order, until the link is down.
    pub protocol: Protocol,
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// The payload of UDP or TCP.
    pub payload: Bytes,
}

impl Datagram {
    /// A datagram.
    #[must_use]
    pub fn udp(source: SocketAddr, destination: SocketAddr, payload: Bytes) -> Self {
        Self { protocol: Protocol::Udp, source, destination, payload }
    }

    /// A piece of a TCP connection between two addresses.
    #[must_use]
    pub fn tcp(source: SocketAddr, destination: SocketAddr, payload: Bytes) -> Self {
        Self { protocol: Protocol::Tcp, source, destination, payload }
    }

    /// A packet of a layer that knows no addresses.
    #[must_use]
    pub fn without_addresses(payload: Bytes) -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self::udp(nowhere, nowhere, payload)
    }
}

/// One end of a protocol, told the time and handed datagrams.
///
/// Any call at any time is legal; `handle_timeout` may come early or repeatedly; after the event that
/// says the end there is silence. The simulator relies on all of it.
pub trait Endpoint {
    /// Small news for the owner.
    type Event: fmt::Debug;

    /// Takes a datagram from the network.
    ///
    /// # Errors
    /// The datagram was discarded and left no trace.
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>>;

    /// Lets expired timers act.
    fn handle_timeout(&mut self, now: Instant);

    /// The next datagram for the network; called until `None`.
    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram>;

    /// The next news; called until `None`.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`Endpoint::handle_timeout`]; `None`: nothing is pending.
    fn poll_timeout(&self) -> Option<Instant>;
}

impl<E: Endpoint + ?Sized> Endpoint for Box<E> {
    type Event = E::Event;

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        (**self).handle_datagram(now, datagram)
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        (**self).poll_transmit(now)
    }

    fn poll_event(&mut self) -> Option<E::Event> {
        (**self).poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }
}
