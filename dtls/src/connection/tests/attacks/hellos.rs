//! Rows 39, 40, 51 and 53: hellos that offer too little, choose too much, or are somebody else's.

use super::*;

/// What a server answers to a hello, alone.
fn refused(hello: ClientHello) -> Vec<AlertDescription> {
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &[forged(0, &Handshake::ClientHello(hello))]);
    assert_eq!(pair.server.poll_event(), None, "it goes on waiting");
    let answers = datagrams(pair.now, &mut pair.server);
    assert!(answers.iter().map(|datagram| datagram.len()).sum::<usize>() <= 15);
    alerts(&answers)
}

/// What a client says to a ServerHello with a lie in it.
fn server_lies(change: impl Fn(&mut ServerHello)) -> CloseReason {
    let mut pair = lied(Role::Server, |message| {
        if let Handshake::ServerHello(hello) = message {
            change(hello);
        }
    });
    assert!(pair.server.info().is_none());
    closed(&mut pair.client)
}

fn unknown(number: u16) -> Extension {
    Extension::Unknown { extension_type: ExtensionType(number), extension_data: vec![1, 2, 3] }
}

/// Hellos that cannot be served, and the alert each deserves.
fn bad_hellos() -> Vec<(ClientHello, AlertDescription)> {
    let with = |change: fn(&mut ClientHello)| {
        let mut hello = client_hello();
        change(&mut hello);
        hello
    };
    use AlertDescription as A;
    vec![
        (with(|h| h.cipher_suites = vec![CipherSuite(0x1301)]), A::HANDSHAKE_FAILURE),
        (with(|h| h.cipher_suites.retain(|s| s.0 == 0xc02f)), A::HANDSHAKE_FAILURE),
        (with(|h| h.client_version = ProtocolVersion::DTLS_1_0), A::PROTOCOL_VERSION),
        (with(|h| h.client_version = ProtocolVersion(0x0303)), A::PROTOCOL_VERSION),
        (
            with(|h| {
                use crate::wire::extension::SupportedVersions;
                let only_1_3 = SupportedVersions::Offered(vec![ProtocolVersion::DTLS_1_3]);
                h.extensions.0.push(Extension::SupportedVersions(only_1_3));
            }),
            A::PROTOCOL_VERSION,
        ),
        (with(|h| h.compression_methods = vec![CompressionMethod(1)]), A::ILLEGAL_PARAMETER),
        (with(|h| h.extensions.0.extend([unknown(99), unknown(99)])), A::ILLEGAL_PARAMETER),
        (
            with(|h| {
                h.extensions.0.push(Extension::ExtendedMasterSecret(ExtendedMasterSecret));
            }),
            A::ILLEGAL_PARAMETER,
        ),
        (
            with(|h| h.extensions.0.retain(|e| !matches!(e, Extension::ExtendedMasterSecret(_)))),
            A::HANDSHAKE_FAILURE,
        ),
        (
            with(|h| h.extensions.0.retain(|e| !matches!(e, Extension::SignatureAlgorithms(_)))),
            A::HANDSHAKE_FAILURE,
        ),
        (
            with(|h| {
                for extension in &mut h.extensions.0 {
                    match extension {
                        Extension::SupportedGroups(groups) => groups.0 = vec![NamedGroup(0x100)],
                        Extension::RenegotiationInfo(_) => *extension = unknown(98),
                        _ => {}
                    }
                }
            }),
            A::HANDSHAKE_FAILURE,
        ),
        (
            with(|h| {
                for extension in &mut h.extensions.0 {
                    if let Extension::RenegotiationInfo(info) = extension {
                        info.renegotiated_connection = vec![0; 12];
                    }
                }
            }),
            A::HANDSHAKE_FAILURE,
        ),
        (
            with(|h| {
                for extension in &mut h.extensions.0 {
                    if let Extension::EcPointFormats(formats) = extension {
                        formats.0 = vec![crate::wire::extension::EcPointFormat(1)];
                    }
                }
            }),
            A::ILLEGAL_PARAMETER,
        ),
    ]
}

#[test]
fn row_51_hellos_that_cannot_be_served_get_an_alert() {
    for (hello, alert) in bad_hellos() {
        assert_eq!(refused(hello.clone()), [alert], "{hello:?}");
    }
}

#[test]
fn row_51_a_hello_that_could_not_be_served_is_the_reason_of_the_end() {
    let mut pair = Pair::new();
    let (hello, _) = bad_hellos().remove(0);
    give(pair.now, &mut pair.server, &[forged(0, &Handshake::ClientHello(hello))]);
    let fatal = alert(AlertLevel::FATAL, AlertDescription::INTERNAL_ERROR);
    give(pair.now, &mut pair.server, &[plain(ContentType::ALERT, &fatal)]);
    // Somebody else may still come: neither the hello nor an alert shortens the time.
    pair.now += Duration::from_secs(29);
    pair.server.handle_timeout(pair.now);
    assert_eq!(pair.server.poll_event(), None);
    pair.now += Duration::from_secs(1);
    pair.server.handle_timeout(pair.now);
    assert_eq!(closed(&mut pair.server), CloseReason::Refused(Error::NoCommonCipherSuite));
}

#[test]
fn row_39_a_strangers_client_hello_before_during_and_after_changes_nothing() {
    for (hello, _) in bad_hellos() {
        let strange: Vec<BytesMut> = [0, 1, 2]
            .map(|seq| forged(seq, &Handshake::ClientHello(hello.clone())))
            .into_iter()
            .chain([plain(
                ContentType::HANDSHAKE,
                &[1, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5],
            )])
            .collect();
        let mut pair = Pair::new();
        loop {
            give(pair.now, &mut pair.server, &strange);
            give(pair.now, &mut pair.client, &strange);
            let to_server = datagrams(pair.now, &mut pair.client);
            let mut to_client = datagrams(pair.now, &mut pair.server);
            // The stranger gets its alerts.
            to_client.retain(|datagram| alerts(std::slice::from_ref(datagram)).is_empty());
            if to_server.is_empty() && to_client.is_empty() {
                break;
            }
            give(pair.now, &mut pair.server, &to_server);
            give(pair.now, &mut pair.client, &to_client);
        }
        pair.connected();
        unharmed(pair);
    }
}

#[test]
fn row_39_a_good_but_strange_client_hello_during_the_handshake_changes_nothing() {
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let strange = forged(0, &Handshake::ClientHello(client_hello()));
    give(pair.now, &mut pair.server, &[strange.clone(), strange]);
    pair.exchange();
    pair.connected();
    unharmed(pair);
}

#[test]
fn row_40_a_hello_without_cookie_is_answered_with_less_than_it_sent() {
    let mut pair = Pair::with(|config| config.hello_verify = true);
    let hello = datagrams(pair.now, &mut pair.client);
    let asked: usize = hello.iter().map(|datagram| datagram.len()).sum();
    give(pair.now, &mut pair.server, &hello);
    let answer = datagrams(pair.now, &mut pair.server);
    assert_eq!(answer.len(), 1);
    assert!(answer[0].len() <= asked);
    assert_eq!(pair.server.flights.poll_timeout(), None, "and is not repeated");
}

#[test]
fn row_51_what_was_never_offered_is_fatal() {
    use crate::wire::extension::{RenegotiationInfo, SupportedVersions, UseSrtp};
    let refused = CloseReason::Refused;
    let reason = server_lies(|hello| hello.cipher_suite = CipherSuite(0xc013));
    assert_eq!(reason, refused(Error::CipherSuiteNotOffered));
    let reason = server_lies(|hello| hello.server_version = ProtocolVersion::DTLS_1_0);
    assert_eq!(reason, refused(Error::VersionUnsupported));
    let reason = server_lies(|hello| hello.server_version = ProtocolVersion::DTLS_1_3);
    assert_eq!(reason, refused(Error::VersionUnsupported));
    let reason = server_lies(|hello| hello.compression_method = CompressionMethod(1));
    assert_eq!(reason, refused(Error::CompressionUnsupported));
    let reason = server_lies(|hello| hello.extensions.0.push(unknown(16)));
    assert_eq!(reason, refused(Error::ExtensionNotOffered));
    let reason = server_lies(|hello| {
        let selected = SupportedVersions::Selected(ProtocolVersion::DTLS_1_3);
        hello.extensions.0.push(Extension::SupportedVersions(selected));
    });
    assert_eq!(reason, refused(Error::ExtensionNotOffered));
    let reason = server_lies(|hello| {
        let info = Extension::RenegotiationInfo(RenegotiationInfo::default());
        hello.extensions.0.push(info);
    });
    assert_eq!(reason, refused(Error::ExtensionDuplicate));
    for profiles in [vec![SrtpProfile(0x0002)], vec![SrtpProfile(1), SrtpProfile(7)]] {
        let reason = server_lies(|hello| {
            hello.extensions.0.retain(|e| !matches!(e, Extension::UseSrtp(_)));
            let use_srtp = UseSrtp { profiles: profiles.clone(), srtp_mki: vec![] };
            hello.extensions.0.push(Extension::UseSrtp(use_srtp));
        });
        assert_eq!(reason, refused(Error::SrtpProfileNotOffered));
    }
}

#[test]
fn row_53_without_extended_master_secret_nothing_goes_on() {
    let reason = server_lies(|hello| {
        hello.extensions.0.retain(|e| !matches!(e, Extension::ExtendedMasterSecret(_)));
    });
    assert_eq!(reason, CloseReason::Refused(Error::ExtendedMasterSecretMissing));
    let mut hello = client_hello();
    hello.extensions.0.retain(|e| !matches!(e, Extension::ExtendedMasterSecret(_)));
    assert_eq!(refused(hello), [AlertDescription::HANDSHAKE_FAILURE]);
}

#[test]
fn row_53_a_handshake_changed_on_the_way_is_fatal() {
    let mut pair = lied(Role::Client, |message| {
        if let Handshake::ClientHello(hello) = message {
            hello.cipher_suites.push(CipherSuite(0x0a0a));
        }
    });
    // The client's CertificateVerify covers the hello it sent.
    assert_eq!(closed(&mut pair.server), CloseReason::Refused(Error::SignatureWrong));
    assert_eq!(pair.client.poll_event(), None, "an alert in the clear is not yet believed");
    let mut pair = lied(Role::Server, |message| {
        if let Handshake::CertificateRequest(request) = message {
            request.certificate_types.truncate(1);
        }
    });
    assert_eq!(closed(&mut pair.server), CloseReason::Refused(Error::SignatureWrong));
}

#[test]
fn row_53_a_wrong_finished_is_fatal() {
    use crate::flight::RecordWriter;
    use crate::wire::handshake::Finished;
    let finished = Handshake::Finished(Finished { verify_data: [0; 12] });
    let sealed = |liar: &mut Connection, seq| {
        let message = HandshakeMessage::new(MessageSeq(seq), &finished);
        let mut datagram = Vec::new();
        let octets = message.transcript();
        liar.records.write_record(Epoch(1), ContentType::HANDSHAKE, octets, &mut datagram);
        vec![BytesMut::from(&datagram[..])]
    };
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    let flight = datagrams(pair.now, &mut pair.client);
    // The client's true flight but its Finished, then another Finished under the same keys.
    give(pair.now, &mut pair.server, &rewritten(&flight, &mut |_| {})[..3]);
    let lie = sealed(&mut pair.client, 4);
    give(pair.now, &mut pair.server, &lie);
    assert_eq!(closed(&mut pair.server), CloseReason::Refused(Error::FinishedWrong));

    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let lie = sealed(&mut pair.server, 5);
    give(pair.now, &mut pair.client, &lie);
    assert_eq!(closed(&mut pair.client), CloseReason::Refused(Error::FinishedWrong));
    // What the server has sent in good faith is not delivered.
    pair.server.send(pair.now, b"data").unwrap();
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    assert_eq!(pair.client.recv(), None);
}

#[test]
fn rfc_5746_section_3_6_the_scsv_is_answered_with_the_extension() {
    let mut hello = client_hello();
    hello.extensions.0.retain(|e| !matches!(e, Extension::RenegotiationInfo(_)));
    for scsv in [false, true] {
        if scsv {
            hello.cipher_suites.push(CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
        }
        let mut pair = Pair::new();
        give(pair.now, &mut pair.server, &[forged(0, &Handshake::ClientHello(hello.clone()))]);
        let mut answered = None;
        rewritten(&datagrams(pair.now, &mut pair.server), &mut |message| {
            if let Handshake::ServerHello(hello) = message {
                answered = Some(hello.extensions.renegotiation_info().is_some());
            }
        });
        assert_eq!(answered, Some(scsv));
    }
}
