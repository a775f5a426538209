//! The test vectors of the RFCs, and checks as browsers send them.
//!
//! RFC 5769 §2.1–§2.4; RFC 8489 Appendix B.1 as corrected by erratum 6268.

use super::super::field::testing::{assert_tiles, hex};
use super::super::password_algorithms::PasswordAlgorithm;
use super::*;
use crate::userhash;

/// The password of RFC 5769 §2.1 to §2.3.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

const SECTION_2_1: &str = "
    00010058 2112a442 b7e7a701bc34d686fa87dfae
    80220010 5354554e207465737420636c69656e74
    00240004 6e0001ff
    80290008 932ff9b151263b36
    00060009 6576746a3a68367659202020
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
    80280004 e57a3bcf";

const SECTION_2_2: &str = "
    0101003c 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220
    00200008 0001a147e112a643
    00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
    80280004 c07d4c96";

const SECTION_2_3: &str = "
    01010048 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220
    00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004 c8fb0b4c";

const SECTION_2_4: &str = "
    00010060 2112a442 78ad3433c6ad72c029da412e
    00060012 e3839ee38388e383aae38383e382afe382b90000
    0015001c 662f2f3439396b3935346436 4f4c33346f4c394653547679 36347341
    0014000b 6578616d706c652e6f726700
    00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";

const APPENDIX_B_1: &str = "
    00010090 2112a442 78ad3433c6ad72c029da412e
    001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
    00150029 6f624d61744a6f733241414143662f2f3439396b39353464
             364f4c33346f4c3946535476793634734 1000000
    0014000b 6578616d706c652e6f726700
    001d0004 00020000
    001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

/// Chromium 156, controlling, to Firefox 153 (its ice-pwd below).
const CHROMIUM_CHECK: &str = "
    00010054 2112a442 2b566c502b64536a62653855
    0006000d 30643733323138343a6f386334000000
    c0570004 00010032
    802a0008 53aae82a177e553b
    00250000
    00240004 6e7f1eff
    00080014 cfc4551335a1437f50651a413dff1196642a903f
    80280004 ba50cb91";
const FIREFOX_PASSWORD: &str = "28d88aa37aab77b4594ca95ea32106ce";

/// Firefox 153, controlled, to Chromium 156 (its ice-pwd below), and the answer.
const FIREFOX_CHECK: &str = "
    00010048 2112a442 f56e983e1af62c709079e640
    0006000d 6f3863343a3064373332313834000000
    00240004 6e7e00ff
    80290008 c6dfd8f38f549259
    00080014 b8da03026a917f97fcd3ab6a803e2a3bac5706e3
    80280004 2d4cc458";
const CHROMIUM_RESPONSE: &str = "
    0101002c 2112a442 f56e983e1af62c709079e640
    00200008 0001b4675e12a443
    00080014 18ceffcb0197943538eba65d5c28d581b18cbf68
    80280004 5b9f57b0";
const CHROMIUM_PASSWORD: &str = "bpd2tsPdFz84ktG4+lcEyVvl";

/// The key of RFC 5769 §2.4 and RFC 8489 App. B.1: the password as it is after its preparation.
fn long_term_key(algorithm: &PasswordAlgorithm) -> Key {
    Key::long_term("マトリックス", &"example.org".into(), "TheMatrIX", algorithm).unwrap()
}

fn verified(text: &str, key: &Key) -> Message {
    let octets = hex(text);
    let message = Message::parse(&octets).unwrap();
    message.verify(key).unwrap();
    assert_tiles(&octets, |input| Message::parse(input).ok().map(|_| input.len()));
    let mut wrong = octets.clone();
    wrong[21] ^= 1; // the first attribute's type: FINGERPRINT or integrity must notice
    assert!(!Message::parse(&wrong).is_ok_and(|message| message.verify(key).is_ok()));
    message
}

#[test]
fn rfc_5769_section_2_1_sample_request() {
    let message = verified(SECTION_2_1, &Key::short_term(PASSWORD));
    assert_eq!((message.class, message.method), (Class::Request, Method::BINDING));
    assert_eq!(message.software(), Some(&"STUN test client".into()));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert!(message.has_fingerprint());
}

#[test]
fn rfc_5769_section_2_2_sample_ipv4_response() {
    let message = verified(SECTION_2_2, &Key::short_term(PASSWORD));
    assert_eq!(message.class, Class::Success);
    assert_eq!(message.software(), Some(&"test vector".into()));
    assert_eq!(message.xor_mapped_address(), Some("192.0.2.1:32853".parse().unwrap()));
}

#[test]
fn rfc_5769_section_2_3_sample_ipv6_response() {
    let message = verified(SECTION_2_3, &Key::short_term(PASSWORD));
    let mapped = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(message.xor_mapped_address(), Some(mapped));
}

#[test]
fn rfc_5769_section_2_4_sample_request_with_long_term_authentication() {
    let message = verified(SECTION_2_4, &long_term_key(&PasswordAlgorithm::md5()));
    assert_eq!(message.username(), Some("マトリックス"));
    assert_eq!(message.nonce(), Some(&"f//499k954d6OL34oL9FSTvy64sA".into()));
    assert_eq!(message.realm(), Some(&"example.org".into()));
    assert!(!message.has_fingerprint());
}

#[test]
fn rfc_8489_appendix_b_1_sample_request_with_sha_256_and_userhash() {
    let algorithm = PasswordAlgorithm::sha_256();
    let message = verified(APPENDIX_B_1, &long_term_key(&algorithm));
    assert_eq!(message.password_algorithm(), Some(&algorithm));
    assert_eq!(message.userhash(), Some(&userhash("マトリックス", &"example.org".into())));
    assert_eq!(message.nonce(), Some(&"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA".into()));
}

#[test]
fn a_chromium_check_is_understood_but_for_its_network_info() {
    let message = verified(CHROMIUM_CHECK, &Key::short_term(FIREFOX_PASSWORD));
    assert_eq!(message.username(), Some("0d732184:o8c4"));
    assert_eq!(message.priority(), Some(0x6e7f_1eff));
    assert_eq!(message.ice_controlling(), Some(0x53aa_e82a_177e_553b));
    assert!(message.use_candidate());
    let network_info = AttributeType(0xC057);
    let value = Bytes::from_static(&[0, 1, 0, 50]);
    assert!(message.attributes().contains(&Attribute::Unknown { ty: network_info, value }));
}

/// Chromium sends 0xC057 to 0xC059 and 0xC070: comprehension-optional, so passed over.
#[test]
fn trap_comprehension_optional_attributes_of_chrome_are_not_refused() {
    let mut request = Message::request(Method::BINDING, TransactionId([1; 12]));
    for ty in [0xC057, 0xC058, 0xC059, 0xC070] {
        let value = Bytes::from_static(b"?");
        request = request.with(Attribute::Unknown { ty: AttributeType(ty), value });
    }
    assert_eq!(Message::refuse_unknown(&Message::parse(&request.encode(None)).unwrap()), None);
}

#[test]
fn a_firefox_check_and_the_answer_of_chromium_share_key_and_transaction() {
    let key = Key::short_term(CHROMIUM_PASSWORD);
    let request = verified(FIREFOX_CHECK, &key);
    let response = verified(CHROMIUM_RESPONSE, &key);
    assert_eq!(request.transaction_id, response.transaction_id);
    assert_eq!(response.xor_mapped_address(), Some("127.0.0.1:38261".parse().unwrap()));
}

/// What we would have sent in the browsers' place is the same, octet for octet.
#[test]
fn what_browsers_sent_is_written_again_octet_for_octet() {
    for (text, password) in [
        (CHROMIUM_CHECK, FIREFOX_PASSWORD),
        (FIREFOX_CHECK, CHROMIUM_PASSWORD),
        (CHROMIUM_RESPONSE, CHROMIUM_PASSWORD),
    ] {
        let octets = hex(text);
        let message = Message::parse(&octets).unwrap();
        assert_eq!(message.encode(Some(&Key::short_term(password))), octets);
    }
}
