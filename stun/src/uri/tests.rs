//! What is a URI of a server, and what is said about a text that is none.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> (Service, String, u16, ServerTransport) {
    let Uri { service, host, port, transport } = text.parse().unwrap();
    (service, host, port, transport)
}

fn refused(text: &str) -> UriError {
    text.parse::<Uri>().unwrap_err()
}

#[test]
fn rfc_7064_and_7065_section_3_examples() {
    use ServerTransport::{Tcp, Tls, Udp};
    use Service::{Stun, Turn};
    let name = || "example.org".to_owned();
    for (text, meaning) in [
        ("stun:example.org", (Stun, name(), 3478, Udp)),
        ("stuns:example.org", (Stun, name(), 5349, Tls)),
        ("stun:example.org:8000", (Stun, name(), 8000, Udp)),
        ("turn:example.org", (Turn, name(), 3478, Udp)),
        ("turns:example.org", (Turn, name(), 5349, Tls)),
        ("turn:example.org:8000", (Turn, name(), 8000, Udp)),
        ("turn:example.org?transport=udp", (Turn, name(), 3478, Udp)),
        ("turn:example.org?transport=tcp", (Turn, name(), 3478, Tcp)),
        ("turns:example.org:443?transport=tcp", (Turn, name(), 443, Tls)),
        ("TURN:example.org?transport=TCP", (Turn, name(), 3478, Tcp)),
        ("stun:192.0.2.1:19302", (Stun, "192.0.2.1".to_owned(), 19302, Udp)),
        ("turn:[2001:DB8::1]", (Turn, "2001:db8::1".to_owned(), 3478, Udp)),
        ("turns:[::1]:443", (Turn, "::1".to_owned(), 443, Tls)),
    ] {
        assert_eq!(parsed(text), meaning, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("example.org", UriError::Scheme),
        ("http:example.org", UriError::Scheme),
        ("192.0.2.1:3478", UriError::Scheme),
        ("turn://example.org", UriError::Slashes),
        ("turn:user:secret@example.org", UriError::Credentials),
        ("stun:", UriError::EmptyHost),
        ("stun::3478", UriError::EmptyHost),
        ("turn:?transport=udp", UriError::EmptyHost),
        ("turn:2001:db8::1", UriError::Brackets),
        ("turn:[2001:db8::1", UriError::Brackets),
        ("turn:[example.org]", UriError::Host),
        ("turn:exa mple.org", UriError::Host),
        ("turn:example.org/path", UriError::Host),
        ("turn:example.org:0", UriError::Port),
        ("turn:example.org:", UriError::Port),
        ("turn:example.org:+1", UriError::Port),
        ("turn:example.org:65536", UriError::Port),
        ("turn:example.org:80/path", UriError::Port),
        ("turn:[::1]443", UriError::Port),
        ("turn:example.org?", UriError::Query),
        ("turn:example.org?user=alice", UriError::Query),
        ("turn:example.org?transport=", UriError::Transport),
        ("turn:example.org?transport=sctp", UriError::Transport),
        ("turn:example.org?transport=tcp&x=y", UriError::Transport),
        ("stun:example.org?transport=tcp", UriError::TransportOfStun),
        ("turns:example.org?transport=udp", UriError::TlsOverUdp),
    ] {
        assert_eq!(refused(text), error, "{text}");
    }
}

#[test]
fn row_33_a_password_in_the_uri_is_not_repeated() {
    let error = refused("turn:user:secret@example.org");
    assert!(!error.to_string().contains("secret"));
    assert!(!format!("{error:?}").contains("secret"));
}

fn any_uri() -> impl Strategy<Value = Uri> {
    let host = prop_oneof![
        "[a-zA-Z0-9][a-zA-Z0-9.-]{0,20}",
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).to_string()),
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
    ];
    let kind = prop::sample::select(vec![
        (Service::Stun, ServerTransport::Udp),
        (Service::Stun, ServerTransport::Tls),
        (Service::Turn, ServerTransport::Udp),
        (Service::Turn, ServerTransport::Tcp),
        (Service::Turn, ServerTransport::Tls),
    ]);
    (kind, host, 1..=u16::MAX).prop_map(|((service, transport), host, port)| Uri {
        service,
        host,
        port,
        transport,
    })
}

proptest! {
    #[test]
    fn round_trip(uri in any_uri()) {
        prop_assert_eq!(uri.to_string().parse(), Ok(uri));
    }

    #[test]
    fn never_panics(text in ".*", start in "(stun|turn)s?:.{0,30}") {
        let _ = text.parse::<Uri>();
        let _ = start.parse::<Uri>();
    }
}
