//! The one shape: what holds for every layer alike, whatever it says on the wire.
//!
//! Each layer runs undisturbed and again with an owner or a network that misbehaves as the
//! convention allows; both runs must be the same, datagram for datagram and event for event.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tests::sim::{Link, Pair, Side, seeds};
use tests::{Datagram, Endpoint};

use crate::{channel, dtls, ice, peer, sctp, stun};

/// What can be seen of a run from outside.
type Trace = (usize, usize, String);

/// Ten seconds of a pair; `meddle` is called after every step.
fn trace<L: Endpoint, R: Endpoint>(
    mut pair: Pair<L, R>,
    meddle: impl FnMut(Instant, &mut Side<L>, &mut Side<R>),
) -> Trace {
    pair.run_for_with(Duration::from_secs(10), meddle);
    let news = format!("{:?} {:?}", pair.left.events, pair.right.events);
    (pair.left.sent, pair.right.sent, news)
}

/// Runs `same` for each layer.
macro_rules! every_layer {
    ($seed:ident, $same:ident) => {{
        let link = Link::default().delay(20).jitter(30).loss(0.1).duplication(0.1);
        $same("stun", $seed, || stun::pair($seed, &link));
        $same("turn", $seed, || stun::turn_pair($seed, &link));
        $same("ice", $seed, || ice::pair($seed, &link));
        $same("dtls", $seed, || dtls::pair($seed, &link));
        $same("sctp", $seed, || sctp::pair($seed, &link));
        $same("channels", $seed, || channel::pair($seed, &link));
        $same("peer", $seed, || peer::pair($seed, &link).0);
    }};
}

fn timeouts_at_every_step<L: Endpoint, R: Endpoint>(
    layer: &str,
    _: u64,
    pair: impl Fn() -> Pair<L, R>,
) {
    let nagged = trace(pair(), |now, left, right| {
        for _ in 0..2 {
            Endpoint::handle_timeout(&mut **left, now);
            Endpoint::handle_timeout(&mut **right, now);
        }
    });
    assert_eq!(nagged, trace(pair(), |_, _, _| {}), "{layer}");
}

#[test]
fn early_and_repeated_timeouts_change_nothing() {
    seeds(10, |seed| every_layer!(seed, timeouts_at_every_step));
}

/// Nothing, one octet, noise of all lengths; the first octet is often one that the layer listens to.
fn noise(rng: &mut StdRng) -> Bytes {
    let mut octets = vec![0; rng.random_range(0..200)];
    rng.fill_bytes(&mut octets);
    if let Some(first) = octets.first_mut()
        && rng.random_bool(0.5)
    {
        *first = [0, 1, 19, 20, 21, 22, 23, 128][rng.random_range(0..8)];
    }
    octets.into()
}

fn noise_at_every_step<L: Endpoint, R: Endpoint>(
    layer: &str,
    seed: u64,
    pair: impl Fn() -> Pair<L, R>,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    // The addresses of the peers in these scenarios: noise from the right place is noise too.
    let [left_host, right_host] =
        ["192.0.2.1:1000", "198.51.100.2:2000"].map(|host| host.parse().unwrap());
    let disturbed = trace(pair(), |now, left, right| {
        for _ in 0..3 {
            let payload = noise(&mut rng);
            let datagram = Datagram::udp(right_host, left_host, payload);
            let _ = Endpoint::handle_datagram(&mut **left, now, datagram.clone());
            let Datagram { source, destination, payload, .. } = datagram;
            let datagram = Datagram::udp(destination, source, payload);
            let _ = Endpoint::handle_datagram(&mut **right, now, datagram);
        }
    });
    assert_eq!(disturbed, trace(pair(), |_, _, _| {}), "{layer}");
}

#[test]
fn row_1_noise_at_every_step_changes_nothing() {
    seeds(20, |seed| every_layer!(seed, noise_at_every_step));
}
