//! The codes that every method can get: 300, 401, 437, 438, 441, 442, 486, 500, 508
//! (RFC 8489 §9.2.5, §10, RFC 8656 §19).

use super::*;

const ALLOCATE: Method = Method::ALLOCATE;
const REFRESH: Method = Method::REFRESH;
const CREATE_PERMISSION: Method = Method::CREATE_PERMISSION;
const CHANNEL_BIND: Method = Method::CHANNEL_BIND;

const METHODS: [Method; 4] = [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND];

/// A client that has just sent a sealed request of this method, for the first time.
fn asking(method: Method) -> (Script, Message) {
    let mut script = Script::new(config());
    if method != ALLOCATE {
        script = Script::allocated();
    }
    match method {
        ALLOCATE => {
            let request = script.request(ALLOCATE);
            script.serve(&request);
        }
        REFRESH => {
            script.now += seconds(540);
            script.client.handle_timeout(script.now);
        }
        CREATE_PERMISSION => script.client.permit(script.now, peer(1).ip()),
        _ => {
            script.client.permit(script.now, peer(1).ip());
            script.serve_all();
            script.send(peer(1), b"packet").unwrap();
        }
    }
    let request = script.request(method);
    while script.transmitted().is_some() {}
    (script, request)
}

/// Whether the client still has what it had, or still may get it.
fn assert_alive(script: &mut Script, method: Method) {
    if method == ALLOCATE {
        script.serve_all();
        assert!(matches!(script.events()[..], [Event::Allocated { .. }]));
    }
    script.send(peer(2), b"alive").unwrap();
}

/// pion/turn#481, webrtc-rs#542: ChannelBind was not tried again after 438, and every packet to that
/// peer went in a Send indication for ever.
#[test]
fn trap_438_is_answered_on_every_method() {
    for method in METHODS {
        let (mut script, request) = asking(method);
        script.nonce = "nonce 2".into();
        script.challenge(&request, Code::STALE_NONCE).unwrap();
        let again = script.request(method);
        assert_ne!(again.transaction_id, request.transaction_id);
        assert_eq!(again.nonce(), Some(&"nonce 2".into()));
        assert_eq!(again.channel_number(), request.channel_number());
        assert_eq!(again.xor_peer_address(), request.xor_peer_address());
        script.serve(&again);
        if method == CHANNEL_BIND {
            script.send(peer(1), b"on the channel").unwrap();
            assert_eq!(Some(script.channel_data().channel), request.channel_number());
        }
        if method != ALLOCATE {
            assert_eq!(script.events(), []);
        } else {
            assert!(matches!(script.events()[..], [Event::Allocated { .. }]));
        }
    }
}

#[test]
fn row_32_438_401_and_500_are_tried_three_times_on_every_method() {
    for method in METHODS {
        for code in [Code::STALE_NONCE, Code::SERVER_ERROR, Code::UNAUTHENTICATED] {
            let (mut script, request) = asking(method);
            // The unsealed Allocate was the first of its three.
            let mut tries = if method == ALLOCATE { 2 } else { 1 };
            let mut request = Some(request);
            while let Some(refused) = request {
                script.nonce = format!("nonce after {tries} tries").as_str().into();
                if code == Code::SERVER_ERROR {
                    script.refuse(&refused, code);
                } else {
                    script.challenge(&refused, code).unwrap();
                }
                request = script.transmitted().map(|octets| Message::parse(&octets).unwrap());
                tries += u32::from(request.is_some());
            }
            match (method, code) {
                // A password that was never right is not tried twice.
                (ALLOCATE, Code::UNAUTHENTICATED) => assert_eq!(tries, 2),
                _ => assert_eq!(tries, 3, "{method:?} {code:?}"),
            }
            match method {
                ALLOCATE => assert_eq!(script.events(), closed(code)),
                CREATE_PERMISSION => {
                    let refused = Event::PeerRefused { peer: peer(1).ip(), code };
                    assert_eq!(script.events(), [refused]);
                }
                _ => assert_eq!(script.events(), []),
            }
            if method != ALLOCATE {
                assert_alive(&mut script, method);
            }
        }
    }
}

#[test]
fn trap_437_ends_an_allocation_on_every_method() {
    for method in [REFRESH, CREATE_PERMISSION, CHANNEL_BIND] {
        let (mut script, request) = asking(method);
        script.refuse(&request, Code::ALLOCATION_MISMATCH);
        assert_eq!(script.events(), [Event::Closed(CloseReason::Lost)]);
        script.assert_over();
    }
}

/// RFC 8656 §5 wants 437; coturn 4.6 says 400 to these two when the allocation is gone.
#[test]
fn trap_coturn_says_400_where_the_allocation_is_gone() {
    for method in [CREATE_PERMISSION, CHANNEL_BIND] {
        let (mut script, request) = asking(method);
        script.refuse(&request, Code::BAD_REQUEST);
        script.client.handle_timeout(script.now);
        let refresh = script.request(REFRESH);
        script.refuse(&refresh, Code::ALLOCATION_MISMATCH);
        assert!(script.events().contains(&Event::Closed(CloseReason::Lost)));
        script.assert_over();
    }
}

#[test]
fn refusals_of_one_request_leave_the_allocation() {
    for method in [REFRESH, CREATE_PERMISSION, CHANNEL_BIND] {
        for code in [
            Code::TRY_ALTERNATE,
            Code::BAD_REQUEST,
            Code::FORBIDDEN,
            Code::UNKNOWN_ATTRIBUTE,
            Code::ADDRESS_FAMILY_NOT_SUPPORTED,
            Code::WRONG_CREDENTIALS,
            Code::UNSUPPORTED_TRANSPORT_PROTOCOL,
            Code::PEER_ADDRESS_FAMILY_MISMATCH,
            Code::ALLOCATION_QUOTA_REACHED,
            Code::INSUFFICIENT_CAPACITY,
            Code::new(699).unwrap(),
        ] {
            let (mut script, request) = asking(method);
            script.refuse(&request, code);
            if method == CREATE_PERMISSION {
                assert_eq!(script.events(), [Event::PeerRefused { peer: peer(1).ip(), code }]);
                assert_eq!(script.send(peer(1), b"shut"), Err(SendError::Refused(code)));
            } else {
                assert_eq!(script.events(), []);
            }
            if method == CHANNEL_BIND {
                script.send(peer(1), b"without a channel").unwrap();
                assert_eq!(script.message().method, Method::SEND);
            }
            assert_alive(&mut script, method);
        }
    }
}

#[test]
fn a_refused_peer_may_be_asked_for_again_after_a_while() {
    let (mut script, request) = asking(CREATE_PERMISSION);
    script.refuse(&request, Code::FORBIDDEN);
    script.pass_served(seconds(299));
    script.client.permit(script.now, peer(1).ip());
    assert_eq!(script.transmitted(), None);
    script.pass_served(seconds(2));
    script.client.permit(script.now, peer(1).ip());
    assert_eq!(script.serve_all(), [CREATE_PERMISSION]);
    script.send(peer(1), b"let in").unwrap();
}

#[test]
fn row_32_300_is_followed_on_allocate_and_refresh() {
    let server: SocketAddr = "192.0.2.99:3478".parse().unwrap();
    for method in [ALLOCATE, REFRESH] {
        let (mut script, request) = asking(method);
        let elsewhere = Message::error(&request, Code::TRY_ALTERNATE.into())
            .with(Attribute::AlternateServer(server));
        script.answer(&elsewhere).unwrap();
        assert_eq!(script.events(), [Event::Redirected(server)]);
        script.assert_over();
    }
}

#[test]
fn row_32_300_is_not_followed_to_loopback_and_the_like() {
    for address in [
        "127.0.0.1:3478",
        "0.0.0.0:3478",
        "224.0.0.1:3478",
        "255.255.255.255:3478",
        "169.254.1.1:3478",
        "192.0.2.1:0",
        "[::1]:3478",
        "[::]:3478",
        "[::ffff:127.0.0.1]:3478",
        "[fe80::1]:3478",
        "[ff02::1]:3478",
    ] {
        let (mut script, request) = asking(ALLOCATE);
        let elsewhere = Message::error(&request, Code::TRY_ALTERNATE.into())
            .with(Attribute::AlternateServer(address.parse().unwrap()));
        script.answer(&elsewhere).unwrap();
        assert_eq!(script.events(), closed(Code::TRY_ALTERNATE), "{address}");
        script.assert_over();
    }
}

#[test]
fn what_must_be_understood_and_is_not_fails_the_request_only() {
    for method in METHODS {
        let (mut script, request) = asking(method);
        let unknown = Attribute::Unknown { ty: crate::AttributeType(0x7777), value: Bytes::new() };
        script.answer(&Message::success(&request).with(unknown)).unwrap();
        if method == ALLOCATE {
            assert_eq!(script.events(), [Event::Closed(CloseReason::Unintelligible)]);
        } else {
            assert_eq!(script.events(), []);
            assert_alive(&mut script, method);
        }
    }
}

#[test]
fn over_a_stream_an_unproven_error_ends_the_request_only() {
    let stream = Config { transport: ServerTransport::Tcp, ..config() };
    let mut script = Script::allocated_with(stream);
    script.client.permit(script.now, peer(1).ip());
    let request = script.request(CREATE_PERMISSION);
    let bare = Message::error(&request, Code::ALLOCATION_MISMATCH.into());
    assert!(matches!(script.hand(&bare.encode(None)), Err(Error::Integrity(_))));
    assert_eq!(script.answer(&Message::success(&request)), Err(Error::UnknownTransaction));
    assert_eq!(script.events(), []);
    script.send(peer(1), b"asks again").unwrap();
    assert_eq!(script.serve_all(), [CREATE_PERMISSION, CHANNEL_BIND]);
}
