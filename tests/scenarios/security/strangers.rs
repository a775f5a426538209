//! Rows 1 to 9: who has no credentials at all, from another address or pretending to be the peer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use peer::ConnectionState;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tests::sim::{Link, seeds};
use tests::{Datagram, Endpoint};

use super::rogue::Call;
use crate::peer::{LEFT, RIGHT, address, closed, config};

const STRANGER: &str = "203.0.113.66:666";

/// A datagram with bits flipped, cut, longer, with a length that lies, or with another behind it.
fn mutated(rng: &mut StdRng, payload: &Bytes, other: &Bytes) -> Bytes {
    let mut octets = BytesMut::from(&payload[..]);
    let at = rng.random_range(0..octets.len().max(1));
    match rng.random_range(0..7) {
        0 => octets.truncate(at),
        1 => octets.extend_from_slice(&rng.random::<[u8; 32]>()),
        2 => octets.extend_from_slice(other),
        3 => octets[at..].fill([0, 255][rng.random_range(0..2)]),
        4 => rng.fill_bytes(&mut octets[at..]),
        5 => {
            let lie = [0, 1, 0x3fff, 0x4000, 0xffff][rng.random_range(0..5)];
            let end = (at + 2).min(octets.len());
            octets[at..end].copy_from_slice(&u16::to_be_bytes(lie)[..end - at]);
        }
        _ => (0..rng.random_range(1..9)).for_each(|_| {
            let at = rng.random_range(0..octets.len());
            octets[at] ^= 1 << rng.random_range(0..8);
        }),
    }
    octets.freeze()
}

/// A call of three seconds during which `source` sends what was overheard, mutated, at every step.
fn disturbed(role: dtls::Role, seed: u64, source: &str) -> Call {
    let link = Link::default().delay(15).jitter(10);
    let mut call = Call::new(role, config(1), &link);
    let mut rng = StdRng::seed_from_u64(seed);
    call.pair.run_for_with(Duration::from_secs(3), |now, rogue, victim| {
        for _ in 0..4 {
            let overheard = &rogue.overheard;
            if overheard.is_empty() {
                return;
            }
            let [one, other] = [0, 1].map(|_| &overheard[rng.random_range(0..overheard.len())]);
            let payload = mutated(&mut rng, one, other);
            let (source, destination) = (address(source), address(RIGHT));
            let datagram = Datagram::udp(source, destination, payload);
            let _ = Endpoint::handle_datagram(&mut **victim, now, datagram);
        }
    });
    call
}

#[test]
fn row_01_mutated_datagrams_of_a_stranger_at_every_phase_change_nothing() {
    for role in [dtls::Role::Server, dtls::Role::Client] {
        seeds(5, |seed| {
            let mut call = disturbed(role, seed, STRANGER);
            assert_eq!(call.victim().connection_state(), ConnectionState::Connected);
            call.wait_established();
        });
    }
}

/// In the peer's name they may spoil a handshake, whose messages nothing protects before Finished;
/// but not more than that.
#[test]
fn row_01_mutated_datagrams_in_the_peers_name_at_every_phase_are_survived() {
    let mut opened = 0;
    for role in [dtls::Role::Server, dtls::Role::Client] {
        seeds(12, |seed| {
            let call = disturbed(role, seed, LEFT);
            let is_open = call.pair.right.connection_state() == ConnectionState::Connected;
            opened += usize::from(is_open);
            let ended = closed(&call.pair.right).is_some();
            assert!(
                is_open
                    || ended
                    || call.pair.right.connection_state() == ConnectionState::Connecting
            );
        });
    }
    assert!(opened > 0, "not one of 24 handshakes got through");
}

#[test]
fn row_01_mutated_datagrams_in_the_peers_name_do_not_harm_an_open_connection() {
    let mut call = Call::established();
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..20 {
        call.must_echo();
        for _ in 0..300 {
            let overheard = &call.pair.left.overheard;
            let [one, other] =
                [0, 1].map(|_| overheard[rng.random_range(0..overheard.len())].clone());
            call.inject(LEFT, mutated(&mut rng, &one, &other));
        }
    }
    assert_eq!(closed(&call.pair.right), None);
}

/// Nothing is answered, nothing is told and nothing waits; the counters say so.
#[test]
fn row_04_a_hundred_thousand_datagrams_of_garbage() {
    let mut call = Call::established();
    let mut rng = StdRng::seed_from_u64(5);
    let now = call.pair.now();
    let discarded =
        |call: &mut Call| call.victim().get_stats(now).transport.traffic.packets_discarded;
    let (before, timeout) = (discarded(&mut call), call.victim().poll_timeout());
    let (sent, events) = (call.pair.right.sent, call.pair.right.events.len());
    let destination = address(RIGHT);
    for index in 0..100_000 {
        let mut octets = [0; 60];
        rng.fill_bytes(&mut octets);
        octets[0] = [0, 1, 19, 20, 21, 22, 23, 25, 64, 128, 192, 255][index % 12];
        // From the peer's own address only what cannot be a record.
        let peers = index % 2 == 0 && !(20..64).contains(&octets[0]);
        let source = address(if peers { LEFT } else { STRANGER });
        let payload = Bytes::copy_from_slice(&octets);
        let datagram = Datagram::udp(source, destination, payload);
        let victim = call.victim();
        assert!(Endpoint::handle_datagram(victim, now, datagram).is_err());
        assert!(victim.poll_transmit(now).is_none());
    }
    assert_eq!(discarded(&mut call) - before, 100_000);
    assert_eq!(call.victim().poll_timeout(), timeout);
    call.pass_unread(0);
    assert_eq!((call.pair.right.sent, call.pair.right.events.len()), (sent, events));
    call.must_echo();
}

/// Undecryptable records, from the peer's address: DTLS sees them, and that is all.
#[test]
fn row_04_a_storm_of_undecryptable_records() {
    let mut call = Call::established();
    let mut rng = StdRng::seed_from_u64(6);
    let (sent, events) = (call.pair.right.sent, call.pair.right.events.len());
    for number in 0..20_000_u64 {
        let mut record = vec![23, 254, 253, 0, 1];
        record.extend_from_slice(&number.to_be_bytes()[2..]);
        record.extend_from_slice(&[0, 40]);
        record.extend_from_slice(&rng.random::<[u8; 40]>());
        call.inject(LEFT, record);
    }
    assert_eq!((call.pair.right.sent, call.pair.right.events.len()), (sent, events));
    call.must_echo();
}
