//! What one connectivity check costs: the work a stranger can make us do with one datagram.
//!
//! `cargo bench -p stun`. Book: "Speed".
#![allow(missing_docs, clippy::unwrap_used)] // a benchmark

use divan::{Bencher, black_box};
use stun::{Attribute, Key, Message, Method, TransactionId};

/// A check as Chromium 156 sends it (0xC057 is its network-info), here with a key of ours.
fn chrome_check(key: &Key) -> bytes::Bytes {
    let network_info = Attribute::Unknown {
        ty: stun::AttributeType(0xC057),
        value: bytes::Bytes::from_static(&[0, 1, 0, 50]),
    };
    Message::request(Method::BINDING, TransactionId(*b"+VlP+dSjbe8U"))
        .with(Attribute::Username("0d732184:o8c4".into()))
        .with(network_info)
        .with(Attribute::IceControlling(0x53aa_e82a_177e_553b))
        .with(Attribute::UseCandidate)
        .with(Attribute::Priority(0x6e7f_1eff))
        .encode(Some(key))
}

fn key() -> Key {
    Key::short_term("28d88aa37aab77b4594ca95ea32106ce")
}

#[divan::bench]
fn parse_and_verify_a_chrome_check(bencher: Bencher) {
    let key = key();
    let check = chrome_check(&key);
    bencher.bench(|| {
        let message = Message::parse(black_box(&check)).unwrap();
        message.verify(&key).unwrap();
        message
    });
}

#[divan::bench]
fn parse_only(bencher: Bencher) {
    let check = chrome_check(&key());
    bencher.bench(|| Message::parse(black_box(&check)).unwrap());
}

#[divan::bench]
fn write_the_response(bencher: Bencher) {
    let key = key();
    let request = Message::parse(&chrome_check(&key)).unwrap();
    let mapped = "192.0.2.1:50000".parse().unwrap();
    bencher.bench(|| {
        Message::success(&request).with(Attribute::XorMappedAddress(mapped)).encode(Some(&key))
    });
}

/// The dearest datagram a stranger can send: 64 kB that parse, with a wrong key.
#[divan::bench]
fn refuse_64_kb_from_a_stranger(bencher: Bencher) {
    let padding = Attribute::Unknown {
        ty: stun::AttributeType(0xC000),
        value: bytes::Bytes::from(vec![0; 65_000]),
    };
    let check = Message::request(Method::BINDING, TransactionId([7; 12]))
        .with(padding)
        .encode(Some(&Key::short_term("another")));
    let key = key();
    bencher.bench(|| Message::parse(black_box(&check)).unwrap().verify(&key).is_err());
}

fn main() {
    divan::main();
}
