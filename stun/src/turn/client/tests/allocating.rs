//! From nothing to an allocation, or to the reason why there is none (RFC 8656 §7).

use super::*;

#[test]
fn rfc_8656_section_7_an_allocation() {
    let mut script = Script::new(config());
    let first = script.request(Method::ALLOCATE);
    assert_eq!(first.requested_transport(), Some(RequestedTransport::UDP));
    assert_eq!((first.username(), first.has_integrity()), (None, false), "nobody has asked yet");
    script.serve(&first);
    let second = script.request(Method::ALLOCATE);
    assert_ne!(first.transaction_id, second.transaction_id, "a new transaction");
    assert_eq!(second.username(), Some("alice"));
    assert_eq!(second.realm(), Some(&REALM.into()));
    assert_eq!(second.requested_transport(), Some(RequestedTransport::UDP));
    script.serve(&second);
    let allocated =
        Event::Allocated { relayed: vec![relayed()], mapped: mapped(), lifetime: seconds(600) };
    assert_eq!(script.events(), [allocated]);
    assert_eq!(script.transmitted(), None);
}

#[test]
fn row_33_the_password_is_never_on_the_wire() {
    let mut script = Script::new(config());
    while let Some(octets) = script.transmitted() {
        assert!(!octets.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
        let request = Message::parse(&octets).unwrap();
        script.serve(&request);
    }
    assert!(!format!("{:?}", script.client).contains(PASSWORD));
}

#[test]
fn rfc_8656_section_7_1_what_can_be_asked_for() {
    let asked = |config| Script::new(config).request(Method::ALLOCATE);
    let plain = asked(config());
    assert_eq!((plain.lifetime(), plain.even_port()), (None, None));
    assert_eq!(plain.requested_address_family(), None);
    let everything = asked(Config {
        family: Some(Family::IPV6),
        additional_family: true,
        even_port: true,
        lifetime: Some(seconds(1200)),
        ..config()
    });
    assert_eq!(everything.requested_address_family(), Some(Family::IPV6));
    assert_eq!(everything.additional_address_family(), None, "not both (§7.1)");
    assert_eq!(everything.even_port(), Some(EvenPort { reserve_next: false }));
    assert_eq!(everything.lifetime(), Some(seconds(1200)));
    let dual = asked(Config { additional_family: true, ..config() });
    assert_eq!(dual.additional_address_family(), Some(Family::IPV6));
}

#[test]
fn rfc_8656_section_7_3_a_dual_allocation_reaches_both_families() {
    let mut script = Script::new(Config { additional_family: true, ..config() });
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let request = script.request(Method::ALLOCATE);
    let response = Message::success(&request)
        .with(Attribute::XorRelayedAddress(relayed()))
        .with(Attribute::XorRelayedAddress(relayed_v6()))
        .with(Attribute::XorMappedAddress(mapped()))
        .with(Attribute::Lifetime(seconds(600)));
    script.answer(&response).unwrap();
    let events = script.events();
    assert!(matches!(&events[..], [Event::Allocated { relayed: both, .. }]
        if *both == [relayed(), relayed_v6()]));
    script.send("[2001:db8::9]:1".parse().unwrap(), b"six").unwrap();
    script.send(peer(1), b"four").unwrap();
}

#[test]
fn rfc_8656_section_7_3_one_family_of_two_is_better_than_none() {
    let mut script = Script::new(Config { additional_family: true, ..config() });
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let request = script.request(Method::ALLOCATE);
    let error = Code::ADDRESS_FAMILY_NOT_SUPPORTED.into();
    let response = Message::success(&request)
        .with(Attribute::XorRelayedAddress(relayed()))
        .with(Attribute::XorMappedAddress(mapped()))
        .with(Attribute::AddressErrorCode(AddressErrorCode { family: Family::IPV6, error }));
    script.answer(&response).unwrap();
    assert!(
        matches!(&script.events()[..], [Event::Allocated { relayed, .. }] if relayed.len() == 1)
    );
    let unreachable = script.send("[2001:db8::9]:1".parse().unwrap(), b"six");
    assert_eq!(unreachable, Err(SendError::NoSuchFamily));
}

#[test]
fn a_server_that_does_not_ask_who_we_are_gets_no_name() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    let response = Message::success(&request)
        .with(Attribute::XorRelayedAddress(relayed()))
        .with(Attribute::XorMappedAddress(mapped()));
    script.hand(&response.encode(None)).unwrap();
    assert!(matches!(script.events()[..], [Event::Allocated { .. }]));
    script.client.permit(script.now, peer(1).ip());
    assert_eq!(script.request(Method::CREATE_PERMISSION).username(), None);
}

#[test]
fn a_success_without_addresses_is_none() {
    for addresses in [
        vec![],
        vec![Attribute::XorRelayedAddress(relayed())],
        vec![Attribute::XorMappedAddress(mapped())],
        vec![
            Attribute::XorRelayedAddress("0.0.0.0:5".parse().unwrap()),
            Attribute::XorRelayedAddress("192.0.2.1:0".parse().unwrap()),
            Attribute::XorMappedAddress(mapped()),
        ],
    ] {
        let mut script = Script::new(config());
        let request = script.request(Method::ALLOCATE);
        script.serve(&request);
        let request = script.request(Method::ALLOCATE);
        let response = addresses.into_iter().fold(Message::success(&request), Message::with);
        script.answer(&response).unwrap();
        assert_eq!(script.events(), [Event::Closed(CloseReason::Unintelligible)]);
        script.assert_over();
    }
}

#[test]
fn an_unreachable_server_is_given_up_after_the_timetable() {
    let mut script = Script::new(config());
    let sent = script.pass_unanswered(seconds(40));
    assert_eq!(sent.len(), 7);
    assert_eq!(script.events(), [Event::Closed(CloseReason::TimedOut)]);
    script.assert_over();
}

#[test]
fn rfc_8489_section_6_2_2_over_a_stream_nothing_is_sent_twice() {
    let mut script = Script::new(Config { transport: ServerTransport::Tls, ..config() });
    let sent = script.pass_unanswered(seconds(40));
    assert_eq!(sent, [(0, Method::ALLOCATE)]);
    assert_eq!(script.events(), [Event::Closed(CloseReason::TimedOut)]);
}

/// Whoever starts again on the same port within ten minutes finds his old allocation there.
#[test]
fn trap_437_after_5_tuple_reuse_is_cleared_away() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    // coturn answers so even before it asks who we are, and without integrity.
    let mismatch = Message::error(&request, Code::ALLOCATION_MISMATCH.into());
    script.hand(&mismatch.encode(None)).unwrap();
    let clear = script.request(Method::REFRESH);
    assert_eq!(clear.lifetime(), Some(Duration::ZERO));
    script.serve(&clear);
    assert_eq!(script.serve_all(), [Method::REFRESH]);
    // coturn needs a second until it has cleared it away.
    assert_eq!(script.pass_served(seconds(1)), []);
    assert_eq!(script.pass_served(seconds(1)), [(0, Method::ALLOCATE)]);
    assert!(matches!(script.events()[..], [Event::Allocated { .. }]));
}

#[test]
fn row_32_clearing_away_is_not_repeated_for_ever() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let sent = script.pass(seconds(60), |script, request| match request.method {
        Method::ALLOCATE => script.refuse(request, Code::ALLOCATION_MISMATCH),
        _ => script.agree(request),
    });
    let methods: Vec<_> = sent.into_iter().map(|(_, method)| method).collect();
    let round = [Method::ALLOCATE, Method::REFRESH];
    assert_eq!(methods, [&round[..], &round, &[Method::ALLOCATE]].concat());
    assert_eq!(script.events(), closed(Code::ALLOCATION_MISMATCH));
    script.assert_over();
}

#[test]
fn closing_while_the_server_clears_away() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let request = script.request(Method::ALLOCATE);
    script.refuse(&request, Code::ALLOCATION_MISMATCH);
    script.serve_all();
    script.client.close(script.now);
    assert_eq!(script.pass_served(seconds(60)), [(0, Method::REFRESH)]);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Requested)]);
    script.assert_over();
}

#[test]
fn another_users_allocation_cannot_be_cleared_away() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let request = script.request(Method::ALLOCATE);
    script.refuse(&request, Code::ALLOCATION_MISMATCH);
    let clear = script.request(Method::REFRESH);
    script.refuse(&clear, Code::WRONG_CREDENTIALS);
    assert_eq!(script.events(), closed(Code::WRONG_CREDENTIALS));
}

#[test]
fn the_reason_for_a_refusal_is_told_with_its_code() {
    for code in [
        Code::BAD_REQUEST,
        Code::FORBIDDEN,
        Code::UNKNOWN_ATTRIBUTE,
        Code::ADDRESS_FAMILY_NOT_SUPPORTED,
        Code::WRONG_CREDENTIALS,
        Code::UNSUPPORTED_TRANSPORT_PROTOCOL,
        Code::ALLOCATION_QUOTA_REACHED,
        Code::INSUFFICIENT_CAPACITY,
    ] {
        for (asked_who_we_are, with_integrity) in [(false, false), (true, false), (true, true)] {
            let mut script = Script::new(config());
            let mut request = script.request(Method::ALLOCATE);
            if asked_who_we_are {
                script.serve(&request);
                request = script.request(Method::ALLOCATE);
            }
            let refusal = Message::error(&request, code.into());
            if with_integrity {
                script.answer(&refusal).unwrap();
            } else {
                script.hand(&refusal.encode(None)).unwrap();
            }
            assert_eq!(script.events(), closed(code));
            script.assert_over();
        }
    }
    let quota = CloseReason::Refused(ErrorCode::from(Code::ALLOCATION_QUOTA_REACHED));
    assert_eq!(quota.to_string(), "the server refused: 486 Allocation Quota Reached");
}

#[test]
fn closing_before_anything_was_answered_is_silent() {
    let mut script = Script::new(config());
    script.client.close(script.now);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Requested)]);
    script.assert_over();
}

#[test]
fn closing_gives_the_allocation_back() {
    let mut script = Script::allocated();
    script.client.close(script.now);
    let request = script.request(Method::REFRESH);
    assert_eq!(request.lifetime(), Some(Duration::ZERO));
    assert_eq!(script.events(), []);
    script.nonce = "nonce 2".into();
    script.serve(&request);
    assert_eq!(script.serve_all(), [Method::REFRESH]);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Requested)]);
    script.assert_over();
}

#[test]
fn closing_while_the_allocation_is_asked_for_gives_it_back_too() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    script.serve(&request);
    let request = script.request(Method::ALLOCATE);
    script.client.close(script.now);
    let release = script.request(Method::REFRESH);
    let late = script.answer(&Message::success(&request));
    assert_eq!(late, Err(Error::UnknownTransaction));
    script.refuse(&release, Code::ALLOCATION_MISMATCH);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Requested)]);
}

#[test]
fn a_server_that_is_gone_does_not_keep_us_from_closing() {
    let mut script = Script::allocated();
    script.client.close(script.now);
    script.client.close(script.now);
    let sent = script.pass_unanswered(seconds(40));
    assert_eq!(sent.len(), 7);
    assert_eq!(script.events(), [Event::Closed(CloseReason::Requested)]);
    script.assert_over();
}
