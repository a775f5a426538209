//! Whole messages against the security rows and traps, and the properties of the codec.

use proptest::prelude::*;

use super::super::attribute::tests::any_attribute;
use super::super::attribute::write_envelope;
use super::super::field::testing::{assert_tiles, hex};
use super::*;

const ID: TransactionId = TransactionId([0x5A; 12]);

fn key() -> Key {
    Key::short_term("a password of at least 22")
}

fn request() -> Message {
    Message::request(Method::BINDING, ID)
        .with(Attribute::Username("remote:local".into()))
        .with(Attribute::Priority(7))
}

/// A message of these raw attributes, without integrity and FINGERPRINT.
fn raw(attributes: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let length = u16::try_from(attributes.len()).unwrap();
    let header =
        Header { class: Class::Request, method: Method::BINDING, length, transaction_id: ID };
    header.write(&mut out);
    out.extend_from_slice(attributes);
    out.to_vec()
}

/// `octets` without its FINGERPRINT, `tail` and a right FINGERPRINT appended.
fn append(octets: &[u8], tail: &[u8]) -> BytesMut {
    let mut out = BytesMut::from(&octets[..octets.len() - fingerprint::LENGTH]);
    out.extend_from_slice(tail);
    write_length(&mut out, fingerprint::LENGTH);
    fingerprint::write(0, &mut out);
    out
}

#[test]
fn row_10_a_length_other_than_the_datagrams_is_refused() {
    let octets = request().encode(None).to_vec();
    assert!(Message::parse(&octets).is_ok());
    for cut in 0..octets.len() {
        assert!(Message::parse(&octets[..cut]).is_err());
    }
    assert!(Message::parse(&[&octets[..], &[0; 4]].concat()).is_err());
    assert!(Message::parse(&[]).is_err());
}

#[test]
fn row_12_a_fingerprint_that_is_wrong_short_or_not_last_is_refused() {
    let octets = request().encode(Some(&key())).to_vec();
    let type_of_fingerprint = octets.len() - fingerprint::LENGTH;
    for octet in (0..octets.len()).filter(|octet| octet - (octet & 1) != type_of_fingerprint) {
        let mut wrong = octets.clone();
        wrong[octet] ^= 0x20;
        assert!(Message::parse(&wrong).is_err(), "octet {octet}");
    }
    assert!(Message::parse(&raw(&hex("80280002 12340000"))).is_err());
    let mut not_last = BytesMut::from(&octets[..]);
    not_last.extend_from_slice(&hex("80220000"));
    write_length(&mut not_last, 0);
    assert!(Message::parse(&not_last).is_err());
    // Even one whose value is right, as its own length was counted when it was made.
    let mut right_but_not_last = BytesMut::from(&raw(&[])[..]);
    write_length(&mut right_but_not_last, 12);
    fingerprint::write(0, &mut right_but_not_last);
    right_but_not_last.extend_from_slice(&hex("80220000"));
    assert_eq!(Message::parse(&right_but_not_last).unwrap_err().field, "FINGERPRINT");
}

#[test]
fn row_13_a_wrong_integrity_is_refused_for_each_bit_and_key() {
    let octets = request().encode(Some(&key())).to_vec();
    let fingerprint_start = octets.len() - fingerprint::LENGTH;
    Message::parse(&octets).unwrap().verify(&key()).unwrap();
    // The header's type and length may also make it unparseable; the rest is integrity's alone.
    for octet in 8..fingerprint_start {
        let mut changed = BytesMut::from(&octets[..fingerprint_start]);
        changed[octet] ^= 1;
        write_length(&mut changed, fingerprint::LENGTH);
        fingerprint::write(0, &mut changed);
        if let Ok(message) = Message::parse(&changed) {
            assert!(message.verify(&key()).is_err(), "octet {octet}");
        }
    }
    let other = Key::short_term("a password of at least 23");
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.verify(&other), Err(IntegrityError::Mismatch));
    assert_eq!(request().verify(&key()), Err(IntegrityError::Missing));
    let unprotected = Message::parse(&request().encode(None)).unwrap();
    assert_eq!(unprotected.verify(&key()), Err(IntegrityError::Missing));
}

#[test]
fn row_13_a_sha_256_code_cut_short_is_no_proof() {
    let full = request().encode_with(Some(&key()), Algorithms::Sha256);
    Message::parse(&full).unwrap().verify(&key()).unwrap();
    let mut out = BytesMut::from(&raw(&[])[..]);
    let code = key().sign_sha256(&integrity::covered(&out, 16));
    integrity::write(AttributeType::MESSAGE_INTEGRITY_SHA256, &code.as_ref()[..16], &mut out);
    write_length(&mut out, 0);
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.verify(&key()), Err(IntegrityError::Mismatch));
}

#[test]
fn row_14_attributes_after_message_integrity_are_ignored() {
    let tail = [
        hex("00250000"),           // USE-CANDIDATE
        hex("00240004 ffffffff"),  // PRIORITY
        hex("7777 0001 ff000000"), // unknown, comprehension-required
        hex("0020 0001 ff000000"), // XOR-MAPPED-ADDRESS, malformed
        hex("0008 0002 ffff0000"), // a second MESSAGE-INTEGRITY, malformed
    ]
    .concat();
    for algorithms in [Algorithms::Sha1, Algorithms::Sha256, Algorithms::Both] {
        let octets = append(&request().encode_with(Some(&key()), algorithms), &tail);
        let message = Message::parse(&octets).unwrap();
        assert_eq!(message, request());
        assert!(!message.use_candidate());
        assert!(message.has_fingerprint());
        message.verify(&key()).unwrap();
    }
}

#[test]
fn row_15_of_repeated_attributes_the_first_counts() {
    let message = Message::parse(&request().with(Attribute::Priority(8)).encode(None)).unwrap();
    assert_eq!(message.priority(), Some(7));
    assert_eq!(message.attributes().len(), 3, "but none is lost");
}

#[test]
fn row_16_unknown_required_attributes_are_listed_once_and_bounded() {
    assert_eq!(Message::refuse_unknown(&request()), None);
    let mut many = request();
    for ty in (0x7000..0x7040).flat_map(|ty| [ty, ty]) {
        let ty = AttributeType(ty);
        many = many.with(Attribute::Unknown { ty, value: Bytes::new() });
    }
    let octets = many.encode(Some(&key()));
    let response = Message::refuse_unknown(&Message::parse(&octets).unwrap()).unwrap();
    assert_eq!(response.class, Class::Error);
    assert_eq!(response.error_code().unwrap().code, Code::UNKNOWN_ATTRIBUTE);
    let Attribute::UnknownAttributes(list) = &response.attributes()[1] else { panic!("no list") };
    assert_eq!(list.len(), MAX_UNKNOWN_ATTRIBUTES);
    assert_eq!(list[1], AttributeType(0x7001));
    assert!(response.encode(Some(&key())).len() < octets.len());
}

#[test]
fn row_17_16000_empty_attributes_are_refused_at_the_bound() {
    let attribute = hex("c0000000");
    let many = raw(&attribute.repeat(16_000));
    assert_eq!(Message::parse(&many).unwrap_err().field, "number of attributes");
    assert!(Message::parse(&raw(&attribute.repeat(MAX_ATTRIBUTES))).is_ok());
    assert!(Message::parse(&raw(&attribute.repeat(MAX_ATTRIBUTES + 1))).is_err());
}

#[test]
fn row_17_bad_utf_8_and_long_reasons_are_kept() {
    let reason = "x".repeat(2000);
    let mut attributes = BytesMut::from(&hex("0006 0002 fffe 0000")[..]);
    write_envelope(AttributeType::ERROR_CODE, &mut attributes, |out| {
        out.extend_from_slice(&[0, 0, 4, 0]);
        out.extend_from_slice(reason.as_bytes());
    });
    let message = Message::parse(&raw(&attributes)).unwrap();
    assert_eq!(message.username(), None);
    assert_eq!(message.error_code().unwrap().reason.as_str(), Some(reason.as_str()));
    assert_eq!(Message::parse(&message.encode(None)).unwrap(), message);
}

/// The header's length is rewritten before the HMAC, and only then counts FINGERPRINT.
#[test]
fn trap_length_field_is_rewritten_before_hmac_and_crc() {
    let with_fingerprint = request().encode(Some(&key()));
    let without = &with_fingerprint[..with_fingerprint.len() - fingerprint::LENGTH];
    let mut without = BytesMut::from(without);
    write_length(&mut without, 0);
    for octets in [&with_fingerprint[..], &without[..]] {
        Message::parse(octets).unwrap().verify(&key()).unwrap();
    }
}

#[test]
fn trap_padding_bytes_are_part_of_the_hmac() {
    let mut out = BytesMut::from(&raw(&hex("0006 0009 6576746a3a68367659 202020"))[..]);
    let code = key().sign_sha1(&integrity::covered(&out, integrity::SHA1_LENGTH));
    integrity::write(AttributeType::MESSAGE_INTEGRITY, code.as_ref(), &mut out);
    write_length(&mut out, 0);
    Message::parse(&out).unwrap().verify(&key()).unwrap();
    let padding = HEADER_LENGTH + 4 + 9;
    out[padding] = 0;
    assert!(Message::parse(&out).unwrap().verify(&key()).is_err());
}

#[test]
fn what_does_not_fit_a_datagram_is_left_out() {
    let ty = AttributeType(0xC000);
    let huge = request()
        .with(Attribute::Unknown { ty, value: Bytes::from(vec![1; 70_000]) })
        .with(Attribute::UseCandidate);
    let parsed = Message::parse(&huge.encode(Some(&key()))).unwrap();
    assert!(parsed.use_candidate());
    assert_eq!(parsed.attributes().len(), 3);
    let full = request().with(Attribute::Unknown { ty, value: Bytes::from(vec![1; 65_000]) });
    let octets = full.encode_with(Some(&key()), Algorithms::Both);
    let parsed = Message::parse(&octets).unwrap();
    assert_eq!(parsed, full);
    parsed.verify(&key()).unwrap();
}

#[test]
fn keys_do_not_print() {
    assert_eq!(format!("{:?}", Key::short_term("secret")), "Key(hidden)");
}

fn any_message() -> impl Strategy<Value = Message> {
    let class = prop_oneof![
        Just(Class::Request),
        Just(Class::Indication),
        Just(Class::Success),
        Just(Class::Error)
    ];
    let attributes = prop::collection::vec(any_attribute(), 0..10);
    (class, 0..0x1000u16, any::<[u8; 12]>(), attributes).prop_map(|(class, method, id, list)| {
        let message = Message::build(class, Method::new(method), TransactionId(id));
        list.into_iter().fold(message, Message::with)
    })
}

fn any_protection() -> impl Strategy<Value = (bool, Algorithms)> {
    let algorithms =
        prop_oneof![Just(Algorithms::Sha1), Just(Algorithms::Sha256), Just(Algorithms::Both)];
    (any::<bool>(), algorithms)
}

proptest! {
    #[test]
    fn round_trip(message in any_message(), (protect, algorithms) in any_protection()) {
        let key = protect.then(key);
        let octets = message.encode_with(key.as_ref(), algorithms);
        let parsed = Message::parse(&octets).unwrap();
        prop_assert_eq!(&parsed, &message);
        // RFC 7983 leaves STUN the methods below 0x100: the first octet is then at most 3.
        prop_assert_eq!(super::super::header::is_stun(&octets), message.method.bits() < 0x100);
        if let Some(key) = key {
            prop_assert_eq!(parsed.verify(&key), Ok(()));
        } else {
            prop_assert!(!parsed.has_integrity());
        }
    }

    #[test]
    fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&octets);
        let _ = Message::parse(&raw(&octets[..octets.len() & !3]));
    }

    #[test]
    fn never_panics_on_a_changed_message(
        message in any_message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut octets = message.encode(Some(&key())).to_vec();
        for (index, octet) in changes {
            let index = index.index(octets.len());
            octets[index] = octet;
        }
        // With a right FINGERPRINT the change is seen by the parsers behind it.
        if let Ok(parsed) = Message::parse(&append(&octets, &[])) {
            let _ = (parsed.verify(&key()), parsed.unknown_required());
        }
    }

    #[test]
    fn fields_tile_the_input(message in any_message(), (protect, algorithms) in any_protection()) {
        let octets = message.encode_with(protect.then(key).as_ref(), algorithms);
        assert_tiles(&octets, |input| Message::parse(input).ok().map(|_| input.len()));
    }
}
