//! Rows 35 to 57: DTLS records in the peer's name, and peers that are not who they should be.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{CloseReason, Connection, ConnectionState, Event, SessionDescription};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp::wire::{Ppid, VerificationTag};
use tests::sim::Link;

use super::rogue::{Call, Rogue, init, offer, open, packet};
use crate::peer::{LEFT, RIGHT, address, closed, config};

fn record(content_type: u8, epoch: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 254, 253, 0, epoch, 0, 0, 0, 0, 0, number];
    record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend_from_slice(body);
    record
}

/// These change nothing, not even by an answer.
fn must_be_dropped(call: &mut Call, datagrams: impl IntoIterator<Item = Vec<u8>>) {
    let (sent, events) = (call.pair.right.sent, call.pair.right.events.len());
    for datagram in datagrams {
        call.inject(LEFT, datagram);
    }
    assert_eq!((call.pair.right.sent, call.pair.right.events.len()), (sent, events));
    call.must_echo();
}

#[test]
fn row_35_lying_lengths_and_five_thousand_empty_records() {
    let mut call = Call::established();
    let mut lies = record(23, 1, 200, &[7; 40]);
    lies[11] = 0xff;
    let empty = |epoch| record(23, epoch, 9, &[]).repeat(5_000);
    must_be_dropped(&mut call, [lies, empty(0), empty(1), record(22, 0, 9, &[]).repeat(5_000)]);
}

#[test]
fn row_36_undecryptable_records_of_any_epoch_and_type_are_dropped() {
    let mut call = Call::established();
    let every = (20..=25).flat_map(|content_type| {
        [1, 2, 255].into_iter().flat_map(move |epoch| {
            [0, 8, 24, 40, 1000].map(|length| record(content_type, epoch, 99, &vec![7; length]))
        })
    });
    must_be_dropped(&mut call, every);
}

/// An INIT in the clear, before the handshake and after it.
#[test]
fn row_37_application_data_in_epoch_0_is_never_delivered() {
    let init = packet(VerificationTag::NONE, &[&init(&[])]);
    let clear = record(23, 0, 50, &init);
    for role in [dtls::Role::Server, dtls::Role::Client] {
        let mut call = Call::new(role, config(1), &Link::default().delay(20));
        let mut given = 0;
        call.pair.run_for_with(Duration::from_millis(600), |now, _, victim| {
            let (remote, local) = (address(LEFT), address(RIGHT));
            let payload = clear.as_slice().into();
            let datagram = peer::Datagram::udp(local, remote, payload);
            given += usize::from(victim.handle_datagram(now, datagram).is_ok());
            assert!(victim.get_stats(now).sctp.is_none_or(|sctp| sctp.packets_received < 5));
        });
        call.wait_established();
        must_be_dropped(&mut call, [clear.clone()]);
    }
}

#[test]
fn row_38_alert_change_cipher_spec_and_finished_in_epoch_0_are_ignored() {
    let mut call = Call::established();
    let finished = [&[20, 0, 0, 12, 0, 4, 0, 0, 0, 0, 0, 12][..], &[7; 12]].concat();
    let every = [
        record(21, 0, 60, &[2, 40]),
        record(21, 0, 61, &[1, 0]),
        record(20, 0, 62, &[1]),
        record(22, 0, 63, &finished),
    ];
    must_be_dropped(&mut call, every);
}

/// The true ClientHello of another session, and broken ones, while ours goes on.
#[test]
fn row_39_a_strangers_client_hello_during_and_after_the_handshake() {
    let hello = {
        let now = Instant::now();
        let mut stranger =
            Rogue::alone(now, 9, dtls::Role::Client, [address(LEFT), address(RIGHT)]);
        stranger.dtls.poll_transmit(now).unwrap()
    };
    let mut no_suites = hello.to_vec();
    no_suites.truncate(60);
    for role in [dtls::Role::Server, dtls::Role::Client] {
        let mut call = Call::new(role, config(1), &Link::default().delay(20));
        // It is in time: the true hello must have come first, or nobody could tell which is true.
        call.pair.run_until(Duration::from_secs(5), |now, _, victim| {
            let handshakes = |victim: &Connection| victim.get_stats(now).transport.dtls_state;
            handshakes(victim) == "connected"
                || victim.get_stats(now).transport.traffic.packets_received > 3
        });
        for _ in 0..50 {
            call.inject(LEFT, hello.clone());
            call.inject(LEFT, no_suites.clone());
            call.pass(10);
        }
        call.wait_established();
        let sent = call.pair.right.sent;
        for _ in 0..60 {
            call.inject(LEFT, hello.clone());
        }
        assert!(call.pair.right.sent - sent <= 4, "no amplifier");
        call.must_echo();
    }
}

#[test]
fn row_45_a_replayed_record_is_delivered_once() {
    let mut call = Call::established();
    let now = call.pair.now();
    let tag = call.rogue().tag;
    let dcep = call.rogue().data(1, 0, Ppid::DCEP, open("again"));
    let text = call.rogue().data(1, 1, Ppid::STRING, "once");
    let record = call.rogue().seal(now, &packet(tag, &[&dcep, &text]));
    let before = call.victim().get_stats(now).sctp.unwrap().packets_received;
    for _ in 0..100 {
        call.inject(LEFT, record.clone());
    }
    assert_eq!(call.victim().get_stats(now).sctp.unwrap().packets_received, before + 1);
    call.must_echo();
}

/// Fingerprints that no certificate has, or that say nothing: nothing is ever told to the peer.
#[test]
fn row_47_absent_truncated_mislabelled_or_foreign_fingerprints_open_nothing() {
    let theirs = config(0).certificate.unwrap();
    let [sha256, sha512] = [dtls::HashAlgorithm::Sha256, dtls::HashAlgorithm::Sha512]
        .map(|algorithm| theirs.fingerprint(algorithm).to_string());
    let other = config(1).certificate.unwrap().fingerprint(dtls::HashAlgorithm::Sha256);
    let cases = [
        None,
        Some(sha256[..sha256.len() - 3].to_owned()),
        Some(sha256.replace("sha-256", "sha-512")),
        Some(sha512.replace("sha-512", "sha-256")),
        Some(sha256.replace("sha-256", "md5")),
        Some(String::new()),
        Some(other.to_string()),
    ];
    for fingerprint in cases {
        let now = Instant::now();
        let mut victim = Connection::new(now, config(1), StdRng::seed_from_u64(5)).unwrap();
        victim.add_local_candidate(now, address(RIGHT));
        let addresses = [address(LEFT), address(RIGHT)];
        let mut rogue = Rogue::alone(now, 5, dtls::Role::Server, addresses);
        let candidate = rogue.agent.local_candidates().next().unwrap().to_string();
        let credentials = rogue.agent.local_credentials().clone();
        let sdp = offer(&credentials, fingerprint.as_deref().unwrap_or("-"), "passive");
        let sdp = match fingerprint {
            Some(_) => sdp,
            None => sdp.replace("a=fingerprint:-\r\n", ""),
        };
        let offer = SessionDescription::offer(format!("{sdp}a={candidate}\r\n"));
        if victim.set_remote_description(now, offer).is_err() {
            assert_eq!(victim.remote_description(), None, "a refusal changes nothing");
            continue;
        }
        let Ok(answer) = victim.create_answer(now) else { continue };
        victim.set_local_description(now, answer).unwrap();
        rogue.take_answer(now, dtls::Role::Server, &victim.local_description().unwrap().sdp);
        let mut pair = tests::sim::Pair::new(now, 5, &Link::default().delay(10), rogue, victim);
        pair.run_for(Duration::from_secs(40));
        assert_eq!(pair.left.packets, 0, "not one octet of SCTP: {fingerprint:?}");
        assert!(matches!(closed(&pair.right), Some(CloseReason::Dtls(_))), "{fingerprint:?}");
        assert_eq!(pair.right.connection_state(), ConnectionState::Failed);
        let open = Event::ConnectionStateChange(ConnectionState::Connected);
        assert!(!pair.right.events.contains(&open));
    }
}

/// Row 55: whoever repeats a hello gets at most one flight per timer.
#[test]
fn row_55_the_same_client_hello_sixty_times_is_no_amplifier() {
    let link = Link::default().delay(5);
    let mut call = Call::new(dtls::Role::Client, config(1), &link);
    // The rogue begins the handshake and leaves it at that.
    let mut hello: Option<Bytes> = None;
    call.pair.run_until(Duration::from_secs(5), |_, rogue, victim| {
        let is_hello = |datagram: &&Bytes| datagram.first() == Some(&22) && datagram[13] == 1;
        hello = rogue.overheard.iter().find(is_hello).cloned();
        let path = |event: &Event| matches!(event, Event::SelectedPair { .. });
        hello.is_some() && victim.events.iter().any(path)
    });
    call.pair.leftward.set_down(true);
    call.pair.rightward.set_down(true);
    let hello = hello.unwrap();
    let start = call.pair.right.sent_octets;
    for _ in 0..60 {
        call.inject(LEFT, hello.clone());
    }
    let answered = call.pair.right.sent_octets - start;
    assert!(answered <= 4_000, "{answered} octets at once");
    let sent = call.pair.right.sent;
    call.pass(40_000);
    // A flight of two datagrams per second at most, checks and consent beside it.
    assert!(call.pair.right.sent - sent <= 250, "{}", call.pair.right.sent - sent);
}

/// The peer has a path, answers checks, and never says a word of DTLS; or it stops in the middle.
#[test]
fn row_56_a_half_open_handshake_is_given_up_although_the_path_lives() {
    for role in [dtls::Role::Server, dtls::Role::Client] {
        for silent_after in [0, 12] {
            let mut call = Call::new(role, config(1), &Link::default().delay(5));
            call.pass(silent_after);
            call.rogue().speaks_dtls = false;
            call.pass(32_000);
            assert!(closed(&call.pair.right).is_some(), "{:?}", call.pair.right.events);
            assert_eq!(call.victim().connection_state(), ConnectionState::Failed);
            let sent = call.pair.right.sent;
            call.pass(30_000);
            assert_eq!(call.pair.right.sent, sent, "silence follows");
        }
    }
}
