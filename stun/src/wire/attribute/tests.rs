//! Attributes: sizes, padding, and the three properties of every codec (RFC 8489 §14).

use proptest::prelude::*;

use super::super::address::any_address;
use super::super::address_error_code::tests::any_address_error;
use super::super::change_request::tests::any_change;
use super::super::field::testing::{assert_tiles, hex};
use super::super::icmp::tests::any_icmp;
use super::super::password_algorithms::any_algorithm;
use super::*;

const ID: TransactionId = TransactionId([0x5A; 12]);

fn written(attribute: &Attribute) -> BytesMut {
    let mut out = BytesMut::new();
    attribute.write(&ID, &mut out);
    out
}

fn parse(input: &[u8]) -> Result<(usize, Attribute), ParseError> {
    let (rest, attribute) = Attribute::parse(input, &ID, &Bytes::copy_from_slice)?;
    Ok((input.len() - rest.len(), attribute))
}

fn any_text() -> impl Strategy<Value = Text> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(|octets| Text::parse(Bytes::from(octets)))
}

/// Any attribute, the unknown ones with types that are unknown indeed.
pub(crate) fn any_attribute() -> impl Strategy<Value = Attribute> {
    let octets = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let family = || any::<u8>().prop_map(Family);
    let of_turn = prop_oneof![
        any::<u16>().prop_map(|number| Attribute::ChannelNumber(ChannelNumber(number))),
        any::<u32>().prop_map(|secs| Attribute::Lifetime(Duration::from_secs(secs.into()))),
        any_address().prop_map(Attribute::XorPeerAddress),
        octets().prop_map(Attribute::Data),
        any_address().prop_map(Attribute::XorRelayedAddress),
        family().prop_map(Attribute::RequestedAddressFamily),
        any::<bool>().prop_map(|reserve_next| Attribute::EvenPort(EvenPort { reserve_next })),
        any::<u8>().prop_map(|number| Attribute::RequestedTransport(RequestedTransport(number))),
        Just(Attribute::DontFragment),
        any::<[u8; 8]>().prop_map(|token| Attribute::ReservationToken(ReservationToken(token))),
        family().prop_map(Attribute::AdditionalAddressFamily),
        any_address_error().prop_map(Attribute::AddressErrorCode),
        any_icmp().prop_map(Attribute::Icmp),
    ];
    let of_behaviour_discovery = prop_oneof![
        any_change().prop_map(Attribute::ChangeRequest),
        any_address().prop_map(Attribute::ResponseOrigin),
        any_address().prop_map(Attribute::OtherAddress),
        any::<u16>().prop_map(Attribute::ResponsePort),
        octets().prop_map(Attribute::Padding),
    ];
    prop_oneof![
        20 => of_stun_and_ice(),
        13 => of_turn,
        5 => of_behaviour_discovery,
    ]
}

/// Those of RFC 8489 and RFC 8445, and unknown ones.
fn of_stun_and_ice() -> impl Strategy<Value = Attribute> {
    let error = (300..700u16, any_text())
        .prop_map(|(code, reason)| ErrorCode { code: crate::Code::new(code).unwrap(), reason });
    let unknown = any::<u16>()
        .prop_map(AttributeType)
        .prop_filter("is known", |ty| ty.name() == "unknown attribute");
    prop_oneof![
        any_address().prop_map(Attribute::MappedAddress),
        any_address().prop_map(Attribute::XorMappedAddress),
        any_text().prop_map(Attribute::Username),
        any::<[u8; 32]>().prop_map(Attribute::Userhash),
        error.prop_map(Attribute::ErrorCode),
        any_text().prop_map(Attribute::Realm),
        any_text().prop_map(Attribute::Nonce),
        prop::collection::vec(any_algorithm(), 0..4).prop_map(Attribute::PasswordAlgorithms),
        any_algorithm().prop_map(Attribute::PasswordAlgorithm),
        prop::collection::vec(any::<u16>().prop_map(AttributeType), 0..20)
            .prop_map(Attribute::UnknownAttributes),
        any_text().prop_map(Attribute::Software),
        any_address().prop_map(Attribute::AlternateServer),
        any_text().prop_map(Attribute::AlternateDomain),
        any::<u32>().prop_map(Attribute::Priority),
        Just(Attribute::UseCandidate),
        any::<u64>().prop_map(Attribute::IceControlled),
        any::<u64>().prop_map(Attribute::IceControlling),
        any::<u32>().prop_map(Attribute::Nomination),
        (unknown, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(ty, value)| Attribute::Unknown { ty, value: Bytes::from(value) }),
    ]
}

#[test]
fn rfc_8489_section_14_length_excludes_padding() {
    let octets = written(&Attribute::Username("evtj:h6vY".into()));
    assert_eq!(octets, hex("0006 0009 6576746a3a68367659 000000"));
}

#[test]
fn rfc_8489_section_14_padding_may_have_any_value() {
    let (used, attribute) = parse(&hex("0006 0009 6576746a3a68367659 202020")).unwrap();
    assert_eq!((used, attribute), (16, Attribute::Username("evtj:h6vY".into())));
}

#[test]
fn row_11_an_attribute_longer_than_the_message_is_refused() {
    let error = parse(&hex("0006 0009 6576746a3a683676")).unwrap_err();
    assert_eq!(error.field, "length");
    let missing_padding = parse(&hex("0006 0009 6576746a3a68367659 2020")).unwrap_err();
    assert_eq!(missing_padding.field, "padding");
}

#[test]
fn row_11_fixed_size_attributes_of_another_size_are_refused() {
    let fixed = [
        (AttributeType::PRIORITY, 4),
        (AttributeType::USE_CANDIDATE, 0),
        (AttributeType::ICE_CONTROLLED, 8),
        (AttributeType::ICE_CONTROLLING, 8),
        (AttributeType::USERHASH, 32),
    ];
    for (ty, size) in fixed {
        for length in 0..40 {
            let mut octets = BytesMut::new();
            write_envelope(ty, &mut octets, |out| out.put_bytes(0, length));
            assert_eq!(parse(&octets).is_ok(), length == size, "{ty:?} of {length} octets");
        }
    }
}

#[test]
fn row_11_addresses_of_another_length_than_their_family_are_refused() {
    for ty in [
        AttributeType::MAPPED_ADDRESS,
        AttributeType::XOR_MAPPED_ADDRESS,
        AttributeType::ALTERNATE_SERVER,
    ] {
        for family in 0..4 {
            for length in 0..24 {
                let mut octets = BytesMut::new();
                write_envelope(ty, &mut octets, |out| {
                    let value = [&[0, family][..], &[1; 22]].concat();
                    out.put_slice(&value[..length]);
                });
                let fits = (family, length) == (1, 8) || (family, length) == (2, 20);
                assert_eq!(parse(&octets).is_ok(), fits, "{ty:?} {family} {length}");
            }
        }
    }
}

proptest! {
    #[test]
    fn round_trip(attribute in any_attribute()) {
        let octets = written(&attribute);
        prop_assert_eq!(octets.len() % 4, 0);
        prop_assert_eq!(parse(&octets).unwrap(), (octets.len(), attribute));
    }

    #[test]
    fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&octets);
    }

    #[test]
    fn never_panics_on_a_known_type(
        attribute in any_attribute(),
        octets in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut out = BytesMut::new();
        write_envelope(attribute.attribute_type(), &mut out, |out| out.put_slice(&octets));
        let _ = parse(&out);
    }

    #[test]
    fn fields_tile_the_input(attribute in any_attribute()) {
        assert_tiles(&written(&attribute), |input| parse(input).ok().map(|(used, _)| used));
    }
}
