//! Binding: what a client looks like from here; for those who study their NAT, seen from two
//! addresses (RFC 8489 §3, RFC 5780 §3, §7).
//!
//! ```text
//!                 ┌─ A1:P1 ◄── request, CHANGE-REQUEST(ip, port)
//!   the server's  ├─ A1:P2
//!   four sockets  ├─ A2:P1
//!                 └─ A2:P2 ──► response, RESPONSE-ORIGIN = A2:P2, OTHER-ADDRESS = A2:P2
//! ```
//!
//! Which of the four answers get through tells how the NAT filters (RFC 5780 §4.4). A server with one
//! address does not know these attributes and says so: 420. Binding requests need no credentials, so
//! what they cost is limited by the budget of strangers. Book: "NATs".

use std::net::SocketAddr;

use super::allocation::FiveTuple;
use crate::{Attribute, AttributeType, Code, Message};

/// A server's two addresses: each IP address listens on each port (RFC 5780 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoAddresses {
    /// The one that clients know.
    pub primary: SocketAddr,
    /// The other, different in IP address and port.
    pub alternate: SocketAddr,
}

impl TwoAddresses {
    /// The four addresses to listen on.
    #[must_use]
    pub fn all(self) -> [SocketAddr; 4] {
        let Self { primary, alternate } = self;
        [
            primary,
            SocketAddr::new(primary.ip(), alternate.port()),
            SocketAddr::new(alternate.ip(), primary.port()),
            alternate,
        ]
    }

    /// The address that differs from `local` in IP address, port or both; `None` if `local` is none
    /// of the four.
    fn other(self, local: SocketAddr, ip: bool, port: bool) -> Option<SocketAddr> {
        let Self { primary, alternate } = self;
        if !self.all().contains(&local) {
            return None;
        }
        let other_ip = if local.ip() == primary.ip() { alternate.ip() } else { primary.ip() };
        let other_port =
            if local.port() == primary.port() { alternate.port() } else { primary.port() };
        Some(SocketAddr::new(
            if ip { other_ip } else { local.ip() },
            if port { other_port } else { local.port() },
        ))
    }
}

/// A response, from where and to where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) path: FiveTuple,
    pub(super) message: Message,
}

/// Answers a Binding request.
pub(super) fn answer(
    addresses: Option<TwoAddresses>,
    client: FiveTuple,
    request: &Message,
) -> Response {
    let response = |message| Response { path: client, message };
    if let Some(refusal) = Message::refuse_unknown(request) {
        return response(refusal);
    }
    let success = Message::success(request).with(Attribute::XorMappedAddress(client.remote));
    let other = addresses.and_then(|two| two.other(client.local, true, true));
    let (Some(two), Some(other)) = (addresses, other) else {
        return response(refuse_behaviour(request).unwrap_or(success));
    };
    let padding = request.attributes().iter().find_map(|attribute| match attribute {
        Attribute::Padding(octets) => Some(octets.clone()),
        _ => None,
    });
    // Both together would send many octets to somebody else's port (RFC 5780 §7.6).
    if padding.is_some() && request.response_port().is_some() {
        return response(Message::error(request, Code::BAD_REQUEST.into()));
    }
    let mut path = client;
    if let Some(change) = request.change_request() {
        path.local = two.other(client.local, change.ip, change.port).unwrap_or(client.local);
    }
    if let Some(port) = request.response_port() {
        path.remote.set_port(port);
    }
    let success =
        success.with(Attribute::ResponseOrigin(path.local)).with(Attribute::OtherAddress(other));
    // DEVIATION RFC 5780 §7.6: as much padding as the request had, and not as much as the link
    // takes, so that nobody gets more out of us than he put in.
    let message = match padding {
        Some(octets) => success.with(Attribute::Padding(octets)),
        None => success,
    };
    Response { path, message }
}

/// 420 for the attributes of RFC 5780 that must be understood, by a server that has one address.
fn refuse_behaviour(request: &Message) -> Option<Message> {
    let asked: Vec<AttributeType> = request
        .attributes()
        .iter()
        .map(Attribute::attribute_type)
        .filter(|ty| {
            [AttributeType::CHANGE_REQUEST, AttributeType::RESPONSE_PORT, AttributeType::PADDING]
                .contains(ty)
        })
        .take(3)
        .collect();
    (!asked.is_empty()).then(|| {
        Message::error(request, Code::UNKNOWN_ATTRIBUTE.into())
            .with(Attribute::UnknownAttributes(asked))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::ChangeRequest;
    use crate::{Class, Method, ServerTransport, TransactionId};

    const TWO: [&str; 2] = ["192.0.2.1:3478", "192.0.2.2:3479"];

    fn two() -> Option<TwoAddresses> {
        let [primary, alternate] = TWO.map(|address| address.parse().unwrap());
        Some(TwoAddresses { primary, alternate })
    }

    fn client() -> FiveTuple {
        FiveTuple {
            transport: ServerTransport::Udp,
            local: TWO[0].parse().unwrap(),
            remote: "198.51.100.7:6000".parse().unwrap(),
        }
    }

    fn request() -> Message {
        Message::request(Method::BINDING, TransactionId([7; 12]))
    }

    fn received(message: &Message) -> Message {
        Message::parse(&message.encode(None)).unwrap()
    }

    #[test]
    fn a_client_hears_what_it_looks_like() {
        let Response { path, message } = answer(None, client(), &received(&request()));
        assert_eq!(path, client());
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.xor_mapped_address(), Some(client().remote));
        assert_eq!(message.other_address(), None);
    }

    #[test]
    fn rfc_5780_section_7_2_the_answer_comes_from_where_it_was_asked_to() {
        for (ip, port, origin) in [
            (false, false, "192.0.2.1:3478"),
            (false, true, "192.0.2.1:3479"),
            (true, false, "192.0.2.2:3478"),
            (true, true, "192.0.2.2:3479"),
        ] {
            let request = request().with(Attribute::ChangeRequest(ChangeRequest { ip, port }));
            let Response { path, message } = answer(two(), client(), &received(&request));
            assert_eq!(path.local, origin.parse().unwrap());
            assert_eq!(message.response_origin(), Some(path.local));
            assert_eq!(message.other_address(), Some(TWO[1].parse().unwrap()));
            assert_eq!(path.remote, client().remote);
        }
    }

    #[test]
    fn rfc_5780_section_7_4_the_other_address_differs_in_both() {
        let client = FiveTuple { local: "192.0.2.2:3478".parse().unwrap(), ..client() };
        let Response { message, .. } = answer(two(), client, &received(&request()));
        assert_eq!(message.other_address(), Some("192.0.2.1:3479".parse().unwrap()));
        // A socket that is none of the four has no other.
        let client = FiveTuple { local: "192.0.2.3:3478".parse().unwrap(), ..client };
        let Response { message, .. } = answer(two(), client, &received(&request()));
        assert_eq!(message.other_address(), None);
    }

    #[test]
    fn rfc_5780_section_7_5_the_answer_goes_to_the_port_but_to_no_other_host() {
        let request = request().with(Attribute::ResponsePort(7000));
        let Response { path, .. } = answer(two(), client(), &received(&request));
        assert_eq!(path.remote, "198.51.100.7:7000".parse().unwrap());
        let both = request.with(Attribute::Padding(Bytes::from_static(&[0; 64])));
        let Response { path, message } = answer(two(), client(), &received(&both));
        assert_eq!(path, client());
        assert_eq!(message.error_code().unwrap().code, Code::BAD_REQUEST);
    }

    #[test]
    fn row_16_a_server_with_one_address_does_not_know_these() {
        let request = request()
            .with(Attribute::ChangeRequest(ChangeRequest { ip: true, port: true }))
            .with(Attribute::Padding(Bytes::from_static(&[0; 64])));
        let Response { message, .. } = answer(None, client(), &received(&request));
        assert_eq!(message.error_code().unwrap().code, Code::UNKNOWN_ATTRIBUTE);
    }

    #[test]
    fn padding_is_no_more_than_came() {
        let request = request().with(Attribute::Padding(Bytes::from_static(&[0; 512])));
        let octets = request.encode(None);
        let Response { message, .. } = answer(two(), client(), &Message::parse(&octets).unwrap());
        assert!(message.encode(None).len() <= octets.len() + 64);
    }
}
