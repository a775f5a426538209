//! [`Endpoint`] for each layer: what differs is how a datagram is handed over.

use std::error::Error;
use std::time::Instant;

use bytes::BytesMut;
use sctp::channel::DataChannels;
use stun::behaviour::{self, Discovery};

use super::{Datagram, Endpoint};

/// The verbs that are the same in every layer, word for word.
macro_rules! one_shape {
    ($event:ty) => {
        type Event = $event;

        fn handle_timeout(&mut self, now: Instant) {
            self.handle_timeout(now);
        }

        fn poll_event(&mut self) -> Option<$event> {
            self.poll_event()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.poll_timeout()
        }
    };
}

impl Endpoint for stun::ClientTransaction {
    one_shape!(stun::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Ok(self.handle_datagram(now, &datagram.payload)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.poll_transmit(now).map(Datagram::without_addresses)
    }
}

impl Endpoint for Discovery {
    one_shape!(behaviour::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let Datagram { source, destination, payload, .. } = &datagram;
        let datagram = behaviour::Datagram { local: *destination, remote: *source, payload };
        Ok(self.handle_datagram(now, datagram)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        let behaviour::Transmit { local, remote, payload } = self.poll_transmit(now)?;
        Some(Datagram::udp(local, remote, payload))
    }
}

impl Endpoint for stun::turn::Client {
    one_shape!(stun::turn::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Ok(self.handle_datagram(now, &datagram.payload)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.poll_transmit(now).map(Datagram::without_addresses)
    }
}

impl Endpoint for ice::Agent {
    one_shape!(ice::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let Datagram { protocol, source, destination, payload } = &datagram;
        let datagram =
            ice::Datagram { protocol: *protocol, local: *destination, remote: *source, payload };
        Ok(self.handle_datagram(now, datagram)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        let ice::Transmit { protocol, local, remote, payload } = self.poll_transmit(now)?;
        Some(Datagram { protocol, source: local, destination: remote, payload })
    }
}

impl Endpoint for dtls::Connection {
    one_shape!(dtls::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Ok(self.handle_datagram(now, BytesMut::from(datagram.payload))?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.poll_transmit(now).map(Datagram::without_addresses)
    }
}

impl Endpoint for sctp::Association {
    one_shape!(sctp::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Ok(self.handle_datagram(now, datagram.payload)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.poll_transmit(now).map(Datagram::without_addresses)
    }
}

impl Endpoint for DataChannels {
    one_shape!(sctp::channel::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        Ok(self.handle_datagram(now, datagram.payload)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.poll_transmit(now).map(Datagram::without_addresses)
    }
}

impl Endpoint for peer::Connection {
    one_shape!(peer::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Box<dyn Error>> {
        let Datagram { protocol, source, destination, payload } = datagram;
        let payload = BytesMut::from(payload);
        let datagram = peer::Datagram { protocol, local: destination, remote: source, payload };
        Ok(self.handle_datagram(now, datagram)?)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        let peer::Transmit { protocol, local, remote, payload } = self.poll_transmit(now)?;
        Some(Datagram { protocol, source: local, destination: remote, payload })
    }
}
