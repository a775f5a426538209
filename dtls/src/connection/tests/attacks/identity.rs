//! Rows 47 to 50: certificates that are not the right one, keys that are not there, points off the curve.

use super::*;
use crate::Fingerprint;
use crate::v12::handshake::signed_params;
use crate::v12::schedule::Randoms;
use crate::wire::handshake::{DigitallySigned, ServerEcdhParams};

/// A pair whose `victim` expects other fingerprints.
fn expecting(victim: Role, fingerprints: Vec<Fingerprint>) -> Pair {
    Pair::with(|config| {
        if config.role == victim {
            config.remote_fingerprints.clone_from(&fingerprints);
        }
    })
}

/// The victim refuses its peer, with this alert, and never connects.
fn refuses(mut pair: Pair, victim: Role, error: Error) {
    let (victim, other) = match victim {
        Role::Client => (&mut pair.client, &mut pair.server),
        Role::Server => (&mut pair.server, &mut pair.client),
    };
    assert_eq!(closed(victim), CloseReason::Refused(error));
    assert_eq!(victim.recv(), None);
    assert!(victim.info().is_none());
    assert!(other.info().is_none());
}

#[test]
fn row_47_another_fingerprint_or_none_is_refused_with_bad_certificate() {
    let wrong = Fingerprint::of(HashAlgorithm::Sha256, b"another");
    for victim in [Role::Client, Role::Server] {
        for fingerprints in [vec![], vec![wrong.clone()]] {
            let mut pair = expecting(victim, fingerprints);
            let mut said = Vec::new();
            for _ in 0..4 {
                let to_server = datagrams(pair.now, &mut pair.client);
                let to_client = datagrams(pair.now, &mut pair.server);
                said.extend(alerts(&to_server));
                said.extend(alerts(&to_client));
                give(pair.now, &mut pair.server, &to_server);
                give(pair.now, &mut pair.client, &to_client);
            }
            assert!(said.contains(&AlertDescription::BAD_CERTIFICATE));
            refuses(pair, victim, Error::FingerprintMismatch);
        }
    }
}

#[test]
fn row_47_no_keys_and_no_data_before_the_fingerprint_is_known() {
    let mut pair = expecting(Role::Server, vec![]);
    let proof = {
        let mut honest = Pair::new();
        honest.exchange();
        honest.connected()[0]
    };
    pair.exchange();
    let export = pair.server.export_keying_material(&proof, b"EXPERIMENTAL-x", 16);
    assert_eq!(export.unwrap_err(), Error::NotConnected);
    assert!(pair.server.srtp_keying_material(&proof).is_none());
    assert_eq!(pair.server.send(pair.now, b"x"), Err(SendError::NotConnected));
}

#[test]
fn row_48_a_certificate_without_its_key_is_refused() {
    // The client shows the certificate that the server expects, and signs with its own key.
    let victim = Certificate::generate().unwrap();
    let stolen = victim.der().to_vec();
    let expected = vec![victim.fingerprint(HashAlgorithm::Sha256)];
    for liar in [Role::Client, Role::Server] {
        let pair = expecting(liar.peer(), expected.clone());
        let pair = lied_in(pair, liar, |message| {
            if let Handshake::Certificate(chain) = message {
                chain.certificate_list = vec![stolen.clone()];
            }
        });
        refuses(pair, liar.peer(), Error::SignatureWrong);
    }
}

#[test]
fn row_48_a_bad_signature_is_refused() {
    for liar in [Role::Client, Role::Server] {
        let pair = lied(liar, |message| match message {
            Handshake::CertificateVerify(verify) => {
                *verify.signed.signature.last_mut().unwrap() ^= 1;
            }
            Handshake::ServerKeyExchange(exchange) => {
                *exchange.signed_params.signature.last_mut().unwrap() ^= 1;
            }
            _ => {}
        });
        refuses(pair, liar.peer(), Error::SignatureWrong);
    }
}

#[test]
fn row_48_row_49_no_certificate_at_all_is_refused() {
    for liar in [Role::Client, Role::Server] {
        let pair = lied(liar, |message| {
            if let Handshake::Certificate(chain) = message {
                *chain = Chain::default();
            }
        });
        refuses(pair, liar.peer(), Error::CertificateMissing);
    }
}

#[test]
fn row_49_der_bombs_and_long_chains_are_bounded() {
    let bomb = [0x30, 0x80].repeat(8000);
    for liar in [Role::Client, Role::Server] {
        // A stranger's DER is not even parsed: its fingerprint is wrong.
        let pair = lied(liar, |message| {
            if let Handshake::Certificate(chain) = message {
                chain.certificate_list = vec![bomb.clone()];
            }
        });
        refuses(pair, liar.peer(), Error::FingerprintMismatch);
        // The right fingerprint of a bomb: bounded all the same.
        let pair = expecting(liar.peer(), vec![Fingerprint::of(HashAlgorithm::Sha256, &bomb)]);
        let pair = lied_in(pair, liar, |message| {
            if let Handshake::Certificate(chain) = message {
                chain.certificate_list = vec![bomb.clone()];
            }
        });
        refuses(pair, liar.peer(), Error::CertificateMalformed);
        // A thousand small ones behind the right one: only the first counts, the transcript differs.
        let pair = lied(liar, |message| {
            if let Handshake::Certificate(chain) = message {
                chain.certificate_list.resize(1000, vec![0x30, 0]);
            }
        });
        assert!(pair.client.info().is_none() && pair.server.info().is_none());
    }
}

#[test]
fn row_50_a_clients_bad_point_is_an_illegal_parameter() {
    for group in GROUPS {
        let pair = Pair::with(|config| config.groups = vec![group]);
        let pair = lied_in(pair, Role::Client, |message| {
            if let Handshake::ClientKeyExchange(exchange) = message {
                exchange.public = bad_point(group);
            }
        });
        refuses(pair, Role::Server, Error::PublicValueInvalid);
    }
    assert_eq!(Error::PublicValueInvalid.alert(), AlertDescription::ILLEGAL_PARAMETER);
}

/// A value of the right length that is no point, or a low-order one.
fn bad_point(group: NamedGroup) -> Vec<u8> {
    let mut point = KeyShare::generate(group).unwrap().public().to_vec();
    match group {
        NamedGroup::X25519 => point.fill(0),
        _ => *point.last_mut().unwrap() ^= 1,
    }
    point
}

/// A server that signs whatever it likes.
fn evil_server(change: impl Fn(&mut ServerEcdhParams, &mut SignatureScheme)) -> Pair {
    let pair = Pair::with(|config| config.groups = GROUPS.to_vec());
    let certificate = Arc::clone(&pair.server.config.certificate);
    let mut randoms = Randoms { client: [0; 32], server: [0; 32] };
    let client = pair.client.config.clone();
    let Phase::Handshaking(_) = &pair.client.phase else { panic!() };
    // The client's random is what its seed makes of it.
    {
        use rand::Rng;
        assert_eq!(client.role, Role::Client);
        StdRng::seed_from_u64(1).fill_bytes(&mut randoms.client);
    }
    lied_in(pair, Role::Server, move |message| match message {
        Handshake::ServerHello(hello) => randoms.server = hello.random.0,
        Handshake::ServerKeyExchange(exchange) => {
            let mut scheme = exchange.signed_params.algorithm;
            change(&mut exchange.params, &mut scheme);
            let signed = signed_params(&randoms, &exchange.params);
            let ours = SignatureScheme::ECDSA_SECP256R1_SHA256;
            let signature = certificate.sign(ours, &signed).unwrap();
            exchange.signed_params = DigitallySigned { algorithm: scheme, signature };
        }
        _ => {}
    })
}

#[test]
fn row_50_a_servers_bad_point_is_an_illegal_parameter() {
    for group in GROUPS {
        let pair = evil_server(|params, _| {
            params.named_curve = group;
            params.public = bad_point(group);
        });
        refuses(pair, Role::Client, Error::PublicValueInvalid);
    }
}

#[test]
fn row_50_a_group_or_scheme_that_was_not_offered_is_an_illegal_parameter() {
    for group in [NamedGroup::SECP521R1, NamedGroup(0x11ec), NamedGroup(0)] {
        let pair = evil_server(|params, _| params.named_curve = group);
        refuses(pair, Role::Client, Error::GroupNotOffered);
    }
    for number in [0x0203, 0x0201, 0x0603, 0x0807, 0] {
        let offered = SCHEMES.iter().any(|scheme| scheme.0 == number);
        assert!(!offered);
        let pair = evil_server(|_, scheme| *scheme = SignatureScheme(number));
        refuses(pair, Role::Client, Error::SignatureSchemeNotOffered);
    }
    let pair = evil_server(|_, scheme| *scheme = SignatureScheme::RSA_PKCS1_SHA256);
    refuses(pair, Role::Client, Error::CertificateMismatch);
}

#[test]
fn row_51_a_certificate_that_does_not_fit_the_suite_is_an_illegal_parameter() {
    // An RSA certificate under an ECDSA suite, with the right fingerprint.
    let rsa = rsa_certificate();
    let pair = expecting(Role::Client, vec![rsa.fingerprint(HashAlgorithm::Sha256)]);
    let pair = lied_in(pair, Role::Server, |message| {
        if let Handshake::Certificate(chain) = message {
            chain.certificate_list = vec![rsa.der().to_vec()];
        }
    });
    refuses(pair, Role::Client, Error::CertificateMismatch);
}

#[test]
fn a_server_that_asks_for_no_certificate_is_still_authenticated() {
    // Only possible between our client and another server; ours then misses the certificate.
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let flight = without(&datagrams(pair.now, &mut pair.server), 3, true);
    give(pair.now, &mut pair.client, &flight);
    let mut types = Vec::new();
    rewritten(&datagrams(pair.now, &mut pair.client), &mut |m| types.push(m.msg_type()));
    assert_eq!(types, [HandshakeType::CLIENT_KEY_EXCHANGE]);
}
