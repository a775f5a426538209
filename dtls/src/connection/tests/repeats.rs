//! A network that loses, repeats and reorders: timers, last flights, early records.

use super::*;
use crate::wire::{HandshakeType, RecordHeader, split};

/// The header of a datagram's first record.
fn header(datagram: &[u8]) -> RecordHeader {
    RecordHeader::parse(datagram).unwrap().1
}

/// Lets time pass until the next timer of either end.
fn wait(pair: &mut Pair) {
    let timeouts = [pair.client.poll_timeout(), pair.server.poll_timeout()];
    pair.now = timeouts.into_iter().flatten().min().unwrap();
    pair.client.handle_timeout(pair.now);
    pair.server.handle_timeout(pair.now);
}

#[test]
fn row_57_the_timer_doubles_from_its_first_interval_to_its_cap() {
    let mut pair = Pair::with(|config| {
        config.retransmit_initial = Duration::from_millis(50);
        config.retransmit_max = Duration::from_secs(2);
    });
    let start = pair.now;
    let mut sent = Vec::new();
    while pair.client.poll_event().is_none() {
        if !datagrams(pair.now, &mut pair.client).is_empty() {
            sent.push((pair.now - start).as_millis());
        }
        pair.now = pair.client.poll_timeout().unwrap_or(pair.now);
        pair.client.handle_timeout(pair.now);
    }
    assert_eq!(sent[..9], [0, 50, 150, 350, 750, 1550, 3150, 5150, 7150]);
    assert_eq!(pair.client.stats().retransmissions, u64::try_from(sent.len()).unwrap() - 1);
}

#[test]
fn row_56_a_handshake_that_never_ends_is_over_after_30_seconds() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new();
        let start = pair.now;
        let end = match role {
            Role::Client => &mut pair.client,
            Role::Server => &mut pair.server,
        };
        let mut now = start;
        while let Some(timeout) = end.poll_timeout() {
            assert!(datagrams(now, end).len() <= 1);
            now = timeout.max(now);
            end.handle_timeout(now);
        }
        assert_eq!(now - start, Duration::from_secs(30));
        assert_eq!(closed(end), CloseReason::Timeout);
        assert_eq!(end.poll_transmit(now), None, "a closed connection is silent");
    }
}

#[test]
fn any_single_datagram_may_be_lost() {
    // Small datagrams, so that each flight has several.
    for lost in 0..40 {
        let mut pair = Pair::with(|config| config.mtu = 200);
        let (mut count, mut rounds) = (0, 0);
        let mut carry = |from: &mut Connection, to: &mut Connection, now| {
            for datagram in datagrams(now, from) {
                if count != lost {
                    give(now, to, &[datagram]);
                }
                count += 1;
            }
        };
        while pair.client.info().is_none() || pair.server.info().is_none() {
            for _ in 0..3 {
                carry(&mut pair.client, &mut pair.server, pair.now);
                carry(&mut pair.server, &mut pair.client, pair.now);
            }
            if pair.client.info().is_none() || pair.server.info().is_none() {
                wait(&mut pair);
            }
            rounds += 1;
            assert!(rounds < 20, "{lost}");
        }
        pair.connected();
        pair.talks();
    }
}

#[test]
fn row_57_forty_percent_loss_in_both_directions_completes() {
    use rand::RngExt;
    for seed in 0..50 {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new();
        let start = pair.now;
        while pair.client.info().is_none() || pair.server.info().is_none() {
            for _ in 0..4 {
                for datagram in datagrams(pair.now, &mut pair.client) {
                    if !dice.random_bool(0.4) {
                        give(pair.now, &mut pair.server, &[datagram]);
                    }
                }
                for datagram in datagrams(pair.now, &mut pair.server) {
                    if !dice.random_bool(0.4) {
                        give(pair.now, &mut pair.client, &[datagram]);
                    }
                }
            }
            if pair.client.info().is_none() || pair.server.info().is_none() {
                wait(&mut pair);
            }
        }
        assert!(pair.now - start < Duration::from_secs(15), "seed {seed}: {:?}", pair.now - start);
        pair.connected();
    }
}

#[test]
fn trap_the_last_flight_is_answered_again_after_connected() {
    let mut pair = Pair::new();
    // Until the client's last flight.
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    assert!(pair.server.info().is_some());
    assert!(!datagrams(pair.now, &mut pair.server).is_empty(), "and its answer is lost");
    assert_eq!(pair.server.poll_timeout(), None, "the server waits");
    for _ in 0..3 {
        wait(&mut pair);
        give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
        assert!(!datagrams(pair.now, &mut pair.server).is_empty(), "lost again");
    }
    wait(&mut pair);
    pair.exchange();
    pair.connected();
    pair.talks();
    // Nothing of this counts as an attack by the client.
    assert_eq!(pair.server.stats().undecryptable, 0);
}

#[test]
fn a_finished_that_overtakes_its_flight_is_kept() {
    let mut pair = Pair::with(|config| config.mtu = 150);
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    let mut flight = datagrams(pair.now, &mut pair.client);
    flight.reverse();
    assert_eq!(header(&flight[0]).epoch, Epoch(1), "Finished comes first");
    give(pair.now, &mut pair.server, &flight);
    assert!(pair.server.info().is_some(), "without any retransmission");
    pair.exchange();
    pair.connected();
}

#[test]
fn application_data_that_overtakes_finished_is_delivered_after_it() {
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    give(pair.now, &mut pair.client, &datagrams(pair.now, &mut pair.server));
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    pair.server.send(pair.now, b"first").unwrap();
    pair.server.send(pair.now, b"second").unwrap();
    let mut late = datagrams(pair.now, &mut pair.server);
    let finished = late.remove(0);
    give(pair.now, &mut pair.client, &late);
    assert_eq!(pair.client.recv(), None, "the server is not yet authenticated");
    assert_eq!(pair.client.poll_event(), None);
    give(pair.now, &mut pair.client, &[finished]);
    pair.connected();
    assert_eq!(pair.client.recv().as_deref(), Some(&b"first"[..]));
    assert_eq!(pair.client.recv().as_deref(), Some(&b"second"[..]));
    // The copy of a record kept early is a replay like any other.
    give(pair.now, &mut pair.client, &late);
    assert_eq!((pair.client.recv(), pair.client.stats().replayed), (None, 2));
}

#[test]
fn every_datagram_twice_changes_nothing() {
    let mut pair = Pair::with(|config| config.mtu = 200);
    loop {
        let to_server = datagrams(pair.now, &mut pair.client);
        let to_client = datagrams(pair.now, &mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        give(pair.now, &mut pair.server, &[&to_server[..], &to_server[..]].concat());
        give(pair.now, &mut pair.client, &[&to_client[..], &to_client[..]].concat());
    }
    pair.connected();
    pair.talks();
}

#[test]
fn every_flight_reversed_connects_without_a_timer() {
    let mut pair = Pair::with(|config| config.mtu = 150);
    loop {
        let mut to_server = datagrams(pair.now, &mut pair.client);
        let mut to_client = datagrams(pair.now, &mut pair.server);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        to_server.reverse();
        to_client.reverse();
        give(pair.now, &mut pair.server, &to_server);
        give(pair.now, &mut pair.client, &to_client);
    }
    pair.connected();
    pair.talks();
}

#[test]
fn trap_several_records_and_several_fragments_share_a_datagram() {
    let mut pair = Pair::with(|config| config.mtu = 100);
    loop {
        let to_server = datagrams(pair.now, &mut pair.client).concat();
        let to_client = datagrams(pair.now, &mut pair.server).concat();
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        give(pair.now, &mut pair.server, &[BytesMut::from(&to_server[..])]);
        give(pair.now, &mut pair.client, &[BytesMut::from(&to_client[..])]);
    }
    pair.connected();
    pair.talks();
}

/// The other way round: all messages of a flight in one record, as BoringSSL sends them in 1.3.
#[test]
fn trap_several_messages_share_a_record() {
    let mut pair = Pair::new();
    give(pair.now, &mut pair.server, &datagrams(pair.now, &mut pair.client));
    let flight = datagrams(pair.now, &mut pair.server);
    let mut header = header(&flight[0]);
    let records: Vec<_> = flight.into_iter().flat_map(split).map(Result::unwrap).collect();
    let messages: Vec<u8> = records.iter().flat_map(|record| record.fragment.to_vec()).collect();
    assert!(records.len() > 1);
    header.length = u16::try_from(messages.len()).unwrap();
    let mut datagram = Vec::new();
    header.write(&mut datagram);
    datagram.extend_from_slice(&messages);
    give(pair.now, &mut pair.client, &[BytesMut::from(&datagram[..])]);
    pair.exchange();
    pair.connected();
    pair.talks();
}

#[test]
fn row_55_the_same_client_hello_60_times_is_answered_once_per_timer() {
    let mut pair = Pair::new();
    let hello = datagrams(pair.now, &mut pair.client);
    for _ in 0..60 {
        give(pair.now, &mut pair.server, &hello);
    }
    assert_eq!(datagrams(pair.now, &mut pair.server).len(), 1);
    // Over 100 ms, its first interval, the flight goes out twice at the most.
    let mut flights = 0;
    for _ in 0..60 {
        pair.now += Duration::from_micros(1666);
        give(pair.now, &mut pair.server, &hello);
        pair.server.handle_timeout(pair.now);
        flights += datagrams(pair.now, &mut pair.server).len();
    }
    assert!(flights <= 2, "{flights}");
}

#[test]
fn row_55_a_flood_of_hello_verify_requests_gets_three_answers() {
    use crate::flight::FlightItem;
    use crate::wire::handshake::{Cookie, HelloVerifyRequest};
    use crate::wire::{Handshake, HandshakeMessage};
    let mut pair = Pair::new();
    datagrams(pair.now, &mut pair.client);
    let mut answers = 0;
    for number in 0..60 {
        let request = Handshake::HelloVerifyRequest(HelloVerifyRequest {
            server_version: ProtocolVersion::DTLS_1_0,
            cookie: Cookie(vec![number; 20]),
        });
        for seq in 0..4 {
            let mut records = Records::new();
            let message = HandshakeMessage::new(MessageSeq(seq), &request);
            let timer = RetransmitTimer { initial: GRACE, max: GRACE };
            let mut forger = Flights::new(1200, timer);
            forger.send(vec![FlightItem::Message { epoch: Epoch(0), message }]);
            while let Some(datagram) = forger.poll_transmit(pair.now, &mut records) {
                give(pair.now, &mut pair.client, &[datagram.into()]);
            }
            answers += datagrams(pair.now, &mut pair.client).len();
        }
    }
    assert_eq!(answers, 3);
    assert_eq!(pair.client.poll_event(), None, "and the handshake lives");
    let Phase::Handshaking(handshaking) = &pair.client.phase else { panic!() };
    assert!(handshaking.machine.expects(HandshakeType::SERVER_HELLO));
}
