//! Two connections and what lies between them: handshakes of every kind.

use std::sync::Arc;

use bytes::BytesMut;
use rand::SeedableRng;

use super::*;
use crate::v12::key_exchange::GROUPS;
use crate::v12::suite::{KeyKind, Suite};
use crate::v12::testing::{p384_certificate, rsa_certificate};
use crate::wire::CipherSuite;
use crate::{Certificate, HashAlgorithm};

mod attacks;
mod captures;
mod repeats;

/// Both ends and a virtual clock; the network in between is the test.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) client: Connection,
    pub(super) server: Connection,
}

impl Pair {
    /// Two fresh P-256 certificates and the defaults, as `change` changes them.
    pub(super) fn with(change: impl Fn(&mut Config)) -> Self {
        Self::certified(Certificate::generate().unwrap(), Certificate::generate().unwrap(), change)
    }

    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn certified(
        client: Certificate,
        server: Certificate,
        change: impl Fn(&mut Config),
    ) -> Self {
        let now = Instant::now();
        let fingerprint =
            |certificate: &Certificate| vec![certificate.fingerprint(HashAlgorithm::Sha256)];
        let (to_client, to_server) = (fingerprint(&client), fingerprint(&server));
        let start = |role, certificate, fingerprints, seed| {
            let mut config = Config::new(role, Arc::new(certificate), fingerprints);
            change(&mut config);
            Connection::new(now, config, StdRng::seed_from_u64(seed))
        };
        Self {
            now,
            client: start(Role::Client, client, to_server, 1),
            server: start(Role::Server, server, to_client, 2),
        }
    }

    /// Carries datagrams until both are silent.
    pub(super) fn exchange(&mut self) {
        loop {
            let to_server = datagrams(self.now, &mut self.client);
            let to_client = datagrams(self.now, &mut self.server);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            give(self.now, &mut self.server, &to_server);
            give(self.now, &mut self.client, &to_client);
        }
    }

    /// The proofs of both ends, which must have connected and nothing else.
    pub(super) fn connected(&mut self) -> [Authenticated; 2] {
        [&mut self.client, &mut self.server].map(|end| {
            let Some(Event::Connected(proof)) = end.poll_event() else {
                panic!("{:?} is not connected", end.role())
            };
            assert_eq!(end.poll_event(), None);
            proof
        })
    }

    /// Application data passes in both directions.
    pub(super) fn talks(&mut self) {
        let say = |text: &[u8], from: &mut Connection, to: &mut Connection| {
            from.send(self.now, text).unwrap();
            give(self.now, to, &datagrams(self.now, from));
            assert_eq!(to.recv().as_deref(), Some(text));
            assert_eq!(to.recv(), None);
        };
        say(b"ping", &mut self.client, &mut self.server);
        say(b"pong", &mut self.server, &mut self.client);
    }
}

/// All datagrams that `end` has to send.
pub(super) fn datagrams(now: Instant, end: &mut Connection) -> Vec<BytesMut> {
    std::iter::from_fn(|| end.poll_transmit(now)).map(BytesMut::from).collect()
}

/// Gives datagrams to `end`, whether it likes them or not.
pub(super) fn give(now: Instant, end: &mut Connection, datagrams: &[BytesMut]) {
    for datagram in datagrams {
        let _ = end.handle_datagram(now, datagram.clone());
    }
}

/// The reason why `end` closed; it must be its only event left.
pub(super) fn closed(end: &mut Connection) -> CloseReason {
    let Some(Event::Closed(reason)) = end.poll_event() else {
        panic!("{:?} is not closed", end.role())
    };
    assert_eq!(end.poll_event(), None);
    assert_eq!(end.poll_timeout(), None);
    reason
}

#[test]
fn both_connect_and_talk() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    pair.talks();
    let info = pair.server.info().unwrap().clone();
    assert_eq!(info.cipher_suite, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(info.group, "x25519");
    assert_eq!(info.version.name(), Some("DTLS 1.2"));
    assert_eq!(info.remote_certificate, pair.client.config.certificate.der());
    assert_eq!(
        pair.client.info().unwrap().remote_certificate,
        pair.server.config.certificate.der()
    );
    assert_eq!(pair.server.stats().discarded + pair.client.stats().discarded, 0);
    assert_eq!((pair.client.poll_timeout(), pair.server.poll_timeout()), (None, None));
}

#[test]
fn every_suite_with_every_group() {
    for suite in Suite::ALL {
        for group in GROUPS {
            let server = match suite.certificate() {
                KeyKind::Ecdsa => Certificate::generate().unwrap(),
                KeyKind::Rsa => rsa_certificate(),
            };
            let client = Certificate::generate().unwrap();
            let mut pair = Pair::certified(client, server, |config| {
                config.cipher_suites = vec![CipherSuite(0x1301), suite.number()];
                config.groups = vec![crate::wire::NamedGroup(0x11ec), group];
            });
            pair.exchange();
            pair.connected();
            pair.talks();
            let info = pair.client.info().unwrap();
            assert_eq!((info.cipher_suite, Some(info.group)), (suite.name(), group.name()));
        }
    }
}

#[test]
fn every_kind_of_certificate_on_either_side() {
    type Make = fn() -> Certificate;
    let kinds: [Make; 3] = [|| Certificate::generate().unwrap(), p384_certificate, rsa_certificate];
    for client in kinds {
        for server in kinds {
            let mut pair = Pair::certified(client(), server(), |_| {});
            pair.exchange();
            pair.connected();
            pair.talks();
        }
    }
}

#[test]
fn trap_rsa_certificate_of_gstreamer_connects() {
    let client = Certificate::generate().unwrap();
    let mut pair = Pair::certified(client, rsa_certificate(), |_| {});
    pair.exchange();
    pair.connected();
    let suite = pair.client.info().unwrap().cipher_suite;
    assert_eq!(suite, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
}

#[test]
fn fingerprints_of_each_hash_connect() {
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        let now = Instant::now();
        let mut pair = Pair::new();
        let certificates =
            [&pair.client, &pair.server].map(|end| Arc::clone(&end.config.certificate));
        let config = |role, ours: &Arc<Certificate>, theirs: &Certificate| {
            Config::new(role, Arc::clone(ours), vec![theirs.fingerprint(algorithm)])
        };
        let [one, other] = &certificates;
        pair.client =
            Connection::new(now, config(Role::Client, one, other), StdRng::seed_from_u64(1));
        pair.server =
            Connection::new(now, config(Role::Server, other, one), StdRng::seed_from_u64(2));
        pair.exchange();
        pair.connected();
    }
}

#[test]
fn both_export_the_same_keys() {
    let mut pair = Pair::new();
    pair.exchange();
    let [client, server] = pair.connected();
    let export = |end: &Connection, proof| {
        end.export_keying_material(proof, b"EXTRACTOR-dtls_srtp", 56).unwrap()
    };
    let ours = export(&pair.client, &client);
    assert_eq!(ours, export(&pair.server, &server));
    let other = pair.client.export_keying_material(&client, b"EXPERIMENTAL-x", 56).unwrap();
    assert_ne!(ours, other);
    let srtp = pair.client.srtp_keying_material(&client).unwrap();
    assert_eq!(srtp.client_key(), &ours[..16]);
    assert_eq!(srtp.server_salt(), &ours[44..56]);
}

#[test]
fn use_srtp_is_the_servers_choice_in_its_own_order() {
    use SrtpProfile as P;
    let (cm, gcm) = (P::SRTP_AES128_CM_HMAC_SHA1_80, P::SRTP_AEAD_AES_128_GCM);
    for (client, server, chosen) in [
        (vec![gcm, cm], vec![cm, gcm], Some(cm)),
        (vec![cm, gcm], vec![gcm, cm], Some(gcm)),
        (vec![gcm], vec![cm], None),
        (vec![], vec![cm], None),
        (vec![cm], vec![], None),
    ] {
        let mut pair = Pair::with(|config| {
            config.srtp_profiles = match config.role {
                Role::Client => client.clone(),
                Role::Server => server.clone(),
            };
        });
        pair.exchange();
        pair.connected();
        for end in [&pair.client, &pair.server] {
            assert_eq!(end.info().unwrap().srtp_profile, chosen);
        }
        pair.talks();
    }
}

#[test]
fn hello_verify_request_costs_a_round_trip_and_nothing_else() {
    let mut pair = Pair::with(|config| config.hello_verify = true);
    pair.exchange();
    pair.connected();
    pair.talks();
}

/// RFC 6347 §4.2.1: a server that hashes them agrees with itself and with no browser.
#[test]
fn trap_the_first_hello_and_its_verify_request_are_not_in_the_transcript() {
    let mut pair = Pair::with(|config| config.hello_verify = true);
    let length = |datagrams: &[BytesMut]| -> usize {
        let records = datagrams.iter().cloned().flat_map(crate::wire::split).map(Result::unwrap);
        records.map(|record| record.fragment.len()).sum()
    };
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    // Each is whole in its record, so the records hold what is hashed.
    let second_hello = datagrams(pair.now, &mut pair.client);
    give(pair.now, &mut pair.server, &second_hello);
    let flight = datagrams(pair.now, &mut pair.server);
    let expected = format!("Transcript({} octets)", length(&second_hello) + length(&flight));
    let Phase::Handshaking(handshaking) = &pair.server.phase else { panic!() };
    let state = format!("{:?}", handshaking.machine);
    assert!(state.contains(&expected), "{state} has no {expected}");
}

#[test]
fn a_tiny_mtu_fragments_everything() {
    for mtu in [100, 256, 576] {
        let mut pair = Pair::with(|config| {
            config.mtu = mtu;
            config.hello_verify = true;
        });
        pair.exchange();
        pair.connected();
        pair.talks();
    }
}

#[test]
fn trap_close_sends_close_notify_and_is_answered() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    pair.client.send(pair.now, b"last words").unwrap();
    pair.client.close(pair.now);
    pair.client.close(pair.now);
    assert_eq!(closed(&mut pair.client), CloseReason::Local);
    assert_eq!(pair.client.send(pair.now, b"x"), Err(SendError::NotConnected));
    let goodbye = datagrams(pair.now, &mut pair.client);
    give(pair.now, &mut pair.server, &goodbye);
    assert_eq!(pair.server.recv().as_deref(), Some(&b"last words"[..]));
    assert_eq!(closed(&mut pair.server), CloseReason::Remote);
    let answer = datagrams(pair.now, &mut pair.server);
    assert_eq!(answer.len(), 1, "close_notify");
    // The end is silent.
    give(pair.now, &mut pair.client, &answer);
    give(pair.now, &mut pair.server, &goodbye);
    pair.exchange();
    assert_eq!((pair.client.poll_event(), pair.server.poll_event()), (None, None));
}

#[test]
fn close_during_the_handshake_is_one_event() {
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    pair.server.close(pair.now);
    assert_eq!(closed(&mut pair.server), CloseReason::Local);
    pair.exchange();
    // In the clear a goodbye is only a hint, which is believed after a while.
    assert_eq!(pair.client.poll_event(), None);
    pair.client.handle_timeout(pair.now + GRACE);
    assert_eq!(closed(&mut pair.client), CloseReason::Remote);
}

#[test]
fn application_data_is_a_slice_of_its_datagram() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    pair.client.send(pair.now, &[7; 1000]).unwrap();
    let datagram = datagrams(pair.now, &mut pair.client).remove(0);
    let range = datagram.as_ptr_range();
    pair.server.handle_datagram(pair.now, datagram).unwrap();
    assert!(range.contains(&pair.server.recv().unwrap().as_ptr()), "no copy");
}

#[test]
fn payloads_up_to_2_14_octets_pass_and_longer_ones_are_refused() {
    let mut pair = Pair::new();
    assert_eq!(pair.client.send(pair.now, b"early"), Err(SendError::NotConnected));
    pair.exchange();
    pair.connected();
    let long = vec![1; MAX_PLAINTEXT + 1];
    assert_eq!(pair.client.send(pair.now, &long), Err(SendError::TooLong));
    pair.client.send(pair.now, &long[1..]).unwrap();
    pair.client.send(pair.now, b"").unwrap();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    assert_eq!(pair.server.recv().unwrap().len(), MAX_PLAINTEXT);
    assert_eq!(pair.server.recv(), None, "an empty record carries nothing");
}

#[test]
fn row_3_the_queues_are_bounded() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    for _ in 0..MAX_OUTBOX {
        pair.client.send(pair.now, &[0; 1000]).unwrap();
    }
    assert_eq!(pair.client.send(pair.now, b"x"), Err(SendError::Backlog));
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let waiting: Vec<Bytes> = std::iter::from_fn(|| pair.server.recv()).collect();
    assert_eq!(waiting.len(), MAX_INBOX);
    // Those taken make room.
    pair.talks();
    for _ in 0..100 {
        pair.client.send(pair.now, &[0; MAX_PLAINTEXT]).unwrap();
    }
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let waiting: Vec<Bytes> = std::iter::from_fn(|| pair.server.recv()).collect();
    assert_eq!(waiting.len(), MAX_INBOX_OCTETS / MAX_PLAINTEXT);
    pair.talks();
}

#[test]
fn any_call_at_any_time_is_legal() {
    let mut pair = Pair::new();
    for end in [&mut pair.client, &mut pair.server] {
        for _ in 0..3 {
            end.handle_timeout(pair.now);
            assert_eq!(end.recv(), None);
            assert_eq!(end.poll_event(), None);
            assert_eq!(end.send(pair.now, b"early"), Err(SendError::NotConnected));
        }
    }
    pair.exchange();
    pair.connected();
    pair.client.handle_timeout(pair.now + Duration::from_secs(3600));
    pair.talks();
    pair.client.close(pair.now);
    pair.client.handle_timeout(pair.now);
    assert_eq!(closed(&mut pair.client), CloseReason::Local);
}

#[test]
fn row_80_a_connection_prints_neither_keys_nor_payloads() {
    let mut pair = Pair::new();
    let young = format!("{:?}", pair.client);
    assert!(young.contains("phase: \"awaiting ServerHello\", info: None"), "{young}");
    pair.exchange();
    pair.connected();
    pair.client.send(pair.now, b"payload").unwrap();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let printed = format!("{:?} {:?}", pair.client, pair.server);
    assert!(printed.contains("phase: \"connected\""));
    assert!(!printed.contains("payload") && !printed.contains("secret"));
}

#[test]
fn row_46_a_connection_ends_when_its_numbers_are_used_up() {
    let mut pair = Pair::new();
    pair.exchange();
    pair.connected();
    pair.client.records.exhaust();
    assert_eq!(pair.client.send(pair.now, b"x"), Err(SendError::SequenceExhausted));
    let reason = CloseReason::Refused(Error::SequenceExhausted);
    assert_eq!(closed(&mut pair.client), reason);
    assert_eq!(datagrams(pair.now, &mut pair.client), Vec::<BytesMut>::new());
}
