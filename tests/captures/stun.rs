//! Every STUN message of every capture: parses, tiles, proves itself with the password in the SDP,
//! and is written again octet for octet.

use std::collections::BTreeMap;
use std::time::Instant;

use ice::{Agent, Config, Role};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stun::{Class, Key, Message};
use tap::capture::Datagram;

use super::files::{self, Capture};

/// ufrag to password, from both descriptions.
fn passwords(capture: &Capture) -> BTreeMap<String, String> {
    ["offer", "answer"]
        .iter()
        .filter_map(|kind| files::description(&capture.name, kind))
        .flat_map(|session| {
            let section = session.sections().next().unwrap();
            let ufrag = section.ice_ufrag().unwrap().to_owned();
            Some((ufrag, section.ice_pwd().unwrap().to_owned()))
        })
        .collect()
}

#[test]
fn every_message_parses_and_its_fields_tile_it() {
    let mut count = 0;
    for capture in files::udp() {
        for datagram in files::by_first_octet(&capture, 0..=3) {
            let payload = &datagram.payload;
            assert!(stun::is_stun(payload));
            let (message, fields) = tap::explain(payload, || Message::parse(payload).unwrap());
            tap::tile(&fields, payload.len()).unwrap();
            assert!(message.has_fingerprint() && message.has_integrity());
            assert_eq!(message.unknown_required(), []);
            count += 1;
        }
    }
    assert!(count > 150, "{count} messages");
}

#[test]
fn every_integrity_verifies_with_the_password_of_the_sdp() {
    let mut count = 0;
    for capture in files::udp() {
        let passwords = passwords(&capture);
        if passwords.is_empty() {
            continue; // no SDP was kept
        }
        // A response is signed with the password of the request's receiver, as the request is.
        let mut keys = BTreeMap::new();
        for datagram in files::by_first_octet(&capture, 0..=3) {
            let message = Message::parse(&datagram.payload).unwrap();
            let key = match message.class {
                Class::Request => {
                    let (receiver, sender) = message.username().unwrap().split_once(':').unwrap();
                    assert!(passwords.contains_key(sender), "{}: {sender}", capture.name);
                    let key = Key::short_term(&passwords[receiver]);
                    keys.insert(message.transaction_id, key.clone());
                    key
                }
                Class::Success => keys[&message.transaction_id].clone(),
                other => panic!("{}: {other:?}", capture.name),
            };
            message.verify(&key).unwrap();
            assert_eq!(message.encode(Some(&key)), datagram.payload, "written again");
            count += 1;
        }
    }
    assert!(count > 100, "{count} messages");
}

#[test]
fn responses_mirror_the_address_of_their_request() {
    for capture in files::udp() {
        let mut sources = BTreeMap::new();
        for datagram in files::by_first_octet(&capture, 0..=3) {
            let message = Message::parse(&datagram.payload).unwrap();
            match message.class {
                Class::Request => {
                    assert!(message.priority().is_some());
                    assert_ne!(
                        message.ice_controlling().is_some(),
                        message.ice_controlled().is_some()
                    );
                    sources.insert(message.transaction_id, datagram.source);
                }
                _ => {
                    assert_eq!(message.xor_mapped_address(), Some(sources[&message.transaction_id]))
                }
            }
        }
    }
}

/// Checks meant for others: an agent of ours discards them all and sends nothing.
#[test]
fn row_18_an_agent_answers_no_check_meant_for_others() {
    let now = Instant::now();
    let mut agent = Agent::new(Config::new(Role::Controlled), StdRng::seed_from_u64(1));
    let local = "127.0.0.1:5000".parse().unwrap();
    agent.add_local_candidate(now, local).unwrap();
    for capture in files::udp() {
        for Datagram { source, payload, .. } in files::by_first_octet(&capture, 0..=3) {
            let datagram = ice::Datagram::udp(local, *source, payload);
            assert!(agent.handle_datagram(now, datagram).is_err());
            assert_eq!(agent.poll_transmit(now), None);
            assert!(!agent.is_validated(ice::Path::udp(local, *source)));
        }
    }
    assert_eq!(agent.pair_stats().count(), 0);
}
