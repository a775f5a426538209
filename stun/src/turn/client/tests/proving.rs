//! The long-term credential mechanism, with servers of all ages and with liars (RFC 8489 §9.2).

use super::*;
use crate::{IntegrityError, SecurityFeatures, userhash};

/// A challenge as servers of RFC 8489 write it.
fn modern_challenge(
    request: &Message,
    code: Code,
    features: SecurityFeatures,
    algorithms: Option<&[u16]>,
) -> Message {
    let mut challenge = Message::error(request, code.into())
        .with(Attribute::Realm(REALM.into()))
        .with(Attribute::Nonce(features.to_nonce("token")));
    if let Some(algorithms) = algorithms {
        let list = algorithms.iter().map(|number| PasswordAlgorithm::new(*number)).collect();
        challenge = challenge.with(Attribute::PasswordAlgorithms(list));
    }
    challenge
}

fn features(password_algorithms: bool, username_anonymity: bool) -> SecurityFeatures {
    SecurityFeatures { password_algorithms, username_anonymity }
}

/// The request that answers such a challenge.
fn answered(features: SecurityFeatures, algorithms: Option<&[u16]>) -> (Script, Message) {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    let challenge = modern_challenge(&request, Code::UNAUTHENTICATED, features, algorithms);
    script.hand(&challenge.encode(None)).unwrap();
    let request = script.request(Method::ALLOCATE);
    (script, request)
}

fn key(algorithm: u16) -> Key {
    let algorithm = PasswordAlgorithm::new(algorithm);
    Key::long_term("alice", &REALM.into(), PASSWORD, &algorithm).unwrap()
}

const MD5: u16 = PasswordAlgorithm::MD5;
const SHA_256: u16 = PasswordAlgorithm::SHA_256;

#[test]
fn rfc_8489_section_9_2_5_the_first_algorithm_known_is_chosen() {
    for (offered, chosen) in
        [(&[SHA_256, MD5][..], SHA_256), (&[MD5, SHA_256], MD5), (&[0x7777, SHA_256], SHA_256)]
    {
        let (_, request) = answered(features(true, false), Some(offered));
        let chosen_algorithm = PasswordAlgorithm::new(chosen);
        assert_eq!(request.password_algorithm(), Some(&chosen_algorithm));
        let sent_back: Vec<_> =
            request.password_algorithms().unwrap().iter().map(|a| a.algorithm).collect();
        assert_eq!(sent_back, offered, "the same list, for the server to compare");
        assert!(request.has_sha256_integrity());
        assert_eq!(request.verify(&key(chosen)), Ok(()));
        let octets = request.encode(None);
        assert!(!octets.is_empty());
    }
}

#[test]
fn rfc_8489_section_9_2_5_no_algorithm_known_is_no_retry() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    let challenge =
        modern_challenge(&request, Code::UNAUTHENTICATED, features(true, false), Some(&[0x7777]));
    script.hand(&challenge.encode(None)).unwrap();
    assert_eq!(script.events(), closed(Code::UNAUTHENTICATED));
    script.assert_over();
}

#[test]
fn rfc_8489_section_9_2_5_userhash_hides_the_name() {
    let (_, request) = answered(features(true, true), Some(&[SHA_256]));
    assert_eq!(request.username(), None);
    assert_eq!(request.userhash(), Some(&userhash("alice", &REALM.into())));
    let (_, request) = answered(features(true, false), Some(&[SHA_256]));
    assert_eq!((request.username(), request.userhash()), (Some("alice"), None));
}

#[test]
fn rfc_8489_section_9_2_1_a_bid_down_is_noticed() {
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    // The nonce promises algorithms, and somebody has struck them out.
    let struck = modern_challenge(&request, Code::UNAUTHENTICATED, features(true, false), None);
    script.hand(&struck.encode(None)).unwrap();
    assert_eq!(script.events(), closed(Code::UNAUTHENTICATED), "no retry");
    assert_eq!(script.transmitted(), None);
}

#[test]
fn rfc_8489_section_9_2_5_other_responses_that_bid_down_are_ignored() {
    let (mut script, request) = answered(features(true, false), Some(&[SHA_256]));
    let response = Message::error(&request, Code::SERVER_ERROR.into())
        .with(Attribute::Nonce(features(true, false).to_nonce("token")));
    assert_eq!(script.hand(&response.encode(None)), Err(Error::BidDown));
    assert_eq!((script.events(), script.transmitted()), (vec![], None));
}

#[test]
fn a_response_to_sha_256_with_sha_1_is_no_proof() {
    let (mut script, request) = answered(features(true, false), Some(&[SHA_256]));
    let response = Message::success(&request)
        .with(Attribute::XorRelayedAddress(relayed()))
        .with(Attribute::XorMappedAddress(mapped()));
    let weak = response.encode_with(Some(&key(SHA_256)), Algorithms::Sha1);
    assert_eq!(script.hand(&weak), Err(IntegrityError::Mismatch.into()));
    let strong = response.encode_with(Some(&key(SHA_256)), Algorithms::Sha256);
    script.hand(&strong).unwrap();
    assert!(matches!(script.events()[..], [Event::Allocated { .. }]));
    // And what was agreed on stays: a challenge of the old kind does not bring MD5 back.
    script.client.permit(script.now, peer(1).ip());
    let request = script.request(Method::CREATE_PERMISSION);
    script.challenge(&request, Code::STALE_NONCE).unwrap();
    assert_eq!(script.transmitted(), None);
}

#[test]
fn a_wrong_password_is_told_after_one_try() {
    let mut script = Script::new(config());
    let first = script.request(Method::ALLOCATE);
    script.challenge(&first, Code::UNAUTHENTICATED).unwrap();
    let second = script.request(Method::ALLOCATE);
    script.nonce = "another nonce".into();
    script.challenge(&second, Code::UNAUTHENTICATED).unwrap();
    assert_eq!(script.events(), closed(Code::UNAUTHENTICATED));
    script.assert_over();
}

#[test]
fn row_32_a_change_of_realm_is_a_new_attempt_and_there_are_three() {
    let mut script = Script::new(config());
    let mut realms = Vec::new();
    while let Some(octets) = script.transmitted() {
        let request = Message::parse(&octets).unwrap();
        realms.push(request.realm().map(ToString::to_string));
        let realm = format!("realm {}", realms.len());
        let challenge = Message::error(&request, Code::UNAUTHENTICATED.into())
            .with(Attribute::Realm(realm.as_str().into()))
            .with(Attribute::Nonce("nonce".into()));
        script.hand(&challenge.encode(None)).unwrap();
    }
    assert_eq!(realms, [None, Some("realm 1".to_owned()), Some("realm 2".to_owned())]);
    assert_eq!(script.events(), closed(Code::UNAUTHENTICATED));
}

#[test]
fn row_33_a_nonce_or_realm_beyond_763_octets_is_discarded() {
    let long = |octet| Attribute::Unknown { ty: octet, value: Bytes::from(vec![b'x'; 764]) };
    let realm = crate::AttributeType::REALM;
    let nonce = crate::AttributeType::NONCE;
    let mut script = Script::new(config());
    let request = script.request(Method::ALLOCATE);
    for challenge in [
        [Attribute::Realm(REALM.into()), long(nonce)],
        [long(realm), Attribute::Nonce("nonce".into())],
    ] {
        let challenge = challenge
            .into_iter()
            .fold(Message::error(&request, Code::UNAUTHENTICATED.into()), Message::with);
        assert_eq!(script.hand(&challenge.encode(None)), Err(Error::TooLong));
    }
    assert_eq!((script.events(), script.transmitted()), (vec![], None));
    script.serve(&request);
    assert_eq!(script.serve_all(), [Method::ALLOCATE], "the true server's challenge still counts");
}

#[test]
fn a_challenge_without_nonce_or_realm_cannot_be_answered() {
    for attributes in [vec![], vec![Attribute::Realm(REALM.into())]] {
        let mut script = Script::new(config());
        let request = script.request(Method::ALLOCATE);
        let challenge = attributes
            .into_iter()
            .fold(Message::error(&request, Code::UNAUTHENTICATED.into()), Message::with);
        script.hand(&challenge.encode(None)).unwrap();
        assert_eq!(script.events(), closed(Code::UNAUTHENTICATED));
    }
}

/// Some servers say 401 where 438 is meant.
#[test]
fn trap_401_for_a_nonce_that_is_too_old() {
    let mut script = Script::allocated();
    script.client.permit(script.now, peer(1).ip());
    let request = script.request(Method::CREATE_PERMISSION);
    script.nonce = "nonce 2".into();
    script.challenge(&request, Code::UNAUTHENTICATED).unwrap();
    assert_eq!(script.serve_all(), [Method::CREATE_PERMISSION]);
    assert_eq!(script.events(), []);
}

#[test]
fn row_19_responses_that_answer_nothing_leave_no_trace() {
    let mut script = Script::allocated();
    script.client.permit(script.now, peer(1).ip());
    let request = script.request(Method::CREATE_PERMISSION);
    let timer = script.client.poll_timeout();
    let other_id = Message::request(Method::CREATE_PERMISSION, TransactionId([9; 12]));
    let other_method = Message::request(Method::REFRESH, request.transaction_id);
    for forged in [&other_id, &other_method] {
        for code in [
            Code::TRY_ALTERNATE,
            Code::UNAUTHENTICATED,
            Code::ALLOCATION_MISMATCH,
            Code::STALE_NONCE,
            Code::SERVER_ERROR,
        ] {
            let result = script.challenge(forged, code);
            assert_eq!(result, Err(Error::UnknownTransaction));
        }
        let success = Message::success(forged).encode(Some(&script.key));
        assert_eq!(script.hand(&success), Err(Error::UnknownTransaction));
    }
    assert_eq!(script.hand(&request.encode(None)), Err(Error::Unexpected));
    assert_eq!((script.events(), script.transmitted()), (vec![], None));
    assert_eq!(script.client.poll_timeout(), timer);
    script.serve(&request);
    script.send(peer(1), b"let in").unwrap();
    assert_eq!(script.request(Method::CHANNEL_BIND).xor_peer_address(), Some(peer(1)));
}

/// Whoever sees our requests can answer them, but does not know the password.
#[test]
fn row_19_errors_without_integrity_do_not_kill_an_allocation() {
    let stranger = Key::short_term("not the password");
    let mut script = Script::allocated();
    let sent = script.pass(seconds(590), |script, request| {
        for code in [
            Code::TRY_ALTERNATE,
            Code::BAD_REQUEST,
            Code::FORBIDDEN,
            Code::ALLOCATION_MISMATCH,
            Code::WRONG_CREDENTIALS,
            Code::SERVER_ERROR,
        ] {
            let server = Attribute::AlternateServer("192.0.2.66:3478".parse().unwrap());
            let forged = Message::error(request, code.into()).with(server);
            let bare = script.hand(&forged.encode(None));
            assert_eq!(bare, Err(IntegrityError::Missing.into()));
            let signed = script.hand(&forged.encode(Some(&stranger)));
            assert_eq!(signed, Err(IntegrityError::Mismatch.into()));
        }
        let bare = script.hand(&Message::success(request).encode(None));
        assert_eq!(bare, Err(IntegrityError::Missing.into()));
        script.serve(request);
    });
    assert_eq!(sent, [(540, Method::REFRESH)]);
    assert_eq!(script.events(), []);
}

#[test]
fn row_19_a_forged_challenge_costs_a_round_trip_at_most() {
    let mut script = Script::allocated();
    script.client.permit(script.now, peer(1).ip());
    let request = script.request(Method::CREATE_PERMISSION);
    let forged = Message::error(&request, Code::UNAUTHENTICATED.into())
        .with(Attribute::Realm("evil.example".into()))
        .with(Attribute::Nonce("forged".into()));
    script.hand(&forged.encode(None)).unwrap();
    // The true server does not know that nonce and says so.
    let request = script.request(Method::CREATE_PERMISSION);
    assert_eq!(request.nonce(), Some(&"forged".into()));
    script.challenge(&request, Code::STALE_NONCE).unwrap();
    assert_eq!(script.serve_all(), [Method::CREATE_PERMISSION]);
    assert_eq!(script.events(), []);
}

#[test]
fn a_server_that_does_not_know_the_password_is_told_from_one_that_is_silent() {
    let liar = Key::short_term("not the password");
    for (transport, transmissions) in [(ServerTransport::Udp, 1 + 7), (ServerTransport::Tcp, 2)] {
        let mut script = Script::new(Config { transport, ..config() });
        let sent = script.pass(seconds(60), |script, request| {
            if request.has_integrity() {
                let response = Message::success(request)
                    .with(Attribute::XorRelayedAddress(relayed()))
                    .with(Attribute::XorMappedAddress(mapped()));
                assert!(script.hand(&response.encode(Some(&liar))).is_err());
            } else {
                script.serve(request);
            }
        });
        assert_eq!(sent.len(), transmissions);
        assert_eq!(script.events(), [Event::Closed(CloseReason::Unproven)]);
    }
}
