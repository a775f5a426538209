//! Who may ask (RFC 8489 §9.2): realms, nonces, algorithms, and what strangers get.

use super::*;

/// Asks without the checks that [`House::ask`] makes.
fn ask_with(house: &mut House, login: Login, change: impl Fn(Message) -> Message) -> Message {
    let challenge = change(house.challenge(client(1)));
    let request = house.allocate_request();
    let octets = login.sign(request, &challenge);
    house.ask_octets(client(1), &octets).0
}

/// The message with another attribute in the place of those with its type.
fn replaced(message: Message, by: &Attribute) -> Message {
    let kept = message.attributes().iter().filter(|a| a.attribute_type() != by.attribute_type());
    let start = Message::success(&message);
    kept.cloned().fold(start, Message::with).with(by.clone())
}

#[test]
fn rfc_8489_section_9_2_4_every_way_to_prove_oneself() {
    for sha256 in [false, true] {
        for hashed in [false, true] {
            let mut house = House::new(config());
            let login = Login { sha256, hashed, ..ALICE };
            house.allocate(client(1), login);
        }
    }
}

#[test]
fn rfc_8489_section_9_2_4_strangers_are_told_how_to_come_back() {
    let mut house = House::new(config());
    for method in
        [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND]
    {
        let request = house.request(method);
        let (answer, _) = house.ask_octets(client(1), &request.encode(None));
        assert_eq!(code(&answer), Some(401));
        assert_eq!(answer.realm(), Some(&REALM.into()));
        assert!(answer.nonce().unwrap().as_str().unwrap().starts_with("obMatJos2"));
        let offered = [PasswordAlgorithm::sha_256(), PasswordAlgorithm::md5()];
        assert_eq!(answer.password_algorithms(), Some(&offered[..]));
        assert!(!answer.has_integrity());
    }
}

#[test]
fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    for wrong in [
        Login { password: "Secret", ..ALICE },
        Login { name: "mallory", ..ALICE },
        Login { name: "mallory", hashed: false, ..ALICE },
        Login { password: "hidden", sha256: false, ..ALICE },
    ] {
        let mut house = House::new(config());
        let answer = ask_with(&mut house, wrong, |challenge| challenge);
        assert_eq!(code(&answer), Some(401));
        assert!(answer.nonce().is_some());
        house.assert_empty();
    }
}

#[test]
fn rfc_8489_section_9_2_4_integrity_alone_is_a_bad_request() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    let complete = [
        Attribute::Username("alice".into()),
        Attribute::Realm(REALM.into()),
        Attribute::Nonce(challenge.nonce().unwrap().clone()),
    ];
    for missing in 0..complete.len() {
        let mut request = house.allocate_request();
        for (at, attribute) in complete.iter().enumerate() {
            if at != missing {
                request = request.with(attribute.clone());
            }
        }
        let octets = request.encode(Some(&BOB.key()));
        let (answer, _) = house.ask_octets(client(1), &octets);
        assert_eq!(code(&answer), Some(400));
        assert_eq!(answer.nonce(), None);
    }
}

#[test]
fn a_stale_nonce_is_told_only_to_who_knows_the_password() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    house.pass(601);
    for (login, expected) in [(ALICE, 438), (Login { password: "guess", ..ALICE }, 401)] {
        let request = house.allocate_request();
        let (answer, _) = house.ask_octets(client(1), &login.sign(request, &challenge));
        assert_eq!(code(&answer), Some(expected));
        // With the nonce in it the next request succeeds.
        let request = house.allocate_request();
        let (answer, _) = house.ask_octets(client(1), &ALICE.sign(request, &answer));
        assert_eq!(code(&answer), if expected == 438 { None } else { Some(437) });
    }
}

#[test]
fn a_nonce_of_another_client_is_stale() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    let request = house.allocate_request();
    let (answer, _) = house.ask_octets(client(2), &ALICE.sign(request, &challenge));
    assert_eq!(code(&answer), Some(438));
}

#[test]
fn rfc_8489_section_9_2_1_a_bid_down_is_noticed() {
    // Somebody on the way makes the list of algorithms shorter, and the client repeats it.
    let shorter = Attribute::PasswordAlgorithms(vec![PasswordAlgorithm::md5()]);
    let mut house = House::new(config());
    let answer = ask_with(&mut house, ALICE, |challenge| replaced(challenge, &shorter));
    assert_eq!(code(&answer), Some(400));

    // Or the nonce promises fewer features: it is none of ours any more.
    let mut house = House::new(config());
    let answer = ask_with(&mut house, BOB, |challenge| {
        let nonce = challenge.nonce().unwrap().as_str().unwrap().replace("wAAA", "AAAA");
        replaced(challenge, &Attribute::Nonce(nonce.as_str().into()))
    });
    assert_eq!(code(&answer), Some(438));
}

#[test]
fn one_half_of_the_password_algorithm_is_a_bad_request() {
    let mut house = House::new(config());
    let challenge = house.challenge(client(1));
    for half in [
        Attribute::PasswordAlgorithm(PasswordAlgorithm::md5()),
        Attribute::PasswordAlgorithms(vec![PasswordAlgorithm::sha_256(), PasswordAlgorithm::md5()]),
    ] {
        let request = house.allocate_request().with(half);
        let (answer, _) = house.ask_octets(client(1), &BOB.sign(request, &challenge));
        assert_eq!(code(&answer), Some(400));
    }
}

#[test]
fn rfc_8656_section_19_another_user_may_not_touch_an_allocation() {
    let mut house = House::new(config());
    house.allocate(client(1), ALICE);
    assert_eq!(code(&house.refresh(client(1), BOB, 0)), Some(441));
    assert_eq!(house.permit(client(1), BOB, &["203.0.113.9"]), Some(441));
    assert_eq!(house.bind(client(1), BOB, 0x4000, "203.0.113.9:9"), Some(441));
    assert_eq!(code(&house.refresh(client(1), ALICE, 0)), None);
}

#[test]
fn row_16_unknown_attributes_are_told_only_after_authentication() {
    let unknown = || Attribute::Unknown { ty: AttributeType(0x7F00), value: Bytes::new() };
    let mut house = House::new(config());
    let request = house.allocate_request().with(unknown());
    let (answer, _) = house.ask_octets(client(1), &request.encode(None));
    assert_eq!(code(&answer), Some(401));
    let request = house.allocate_request().with(unknown());
    assert_eq!(code(&house.ask(client(1), ALICE, request)), Some(420));
}
