//! One direction of the simulated network: what it does to each datagram.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ice::Protocol;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::Datagram;

/// How one direction treats datagrams. [`Link::default`] carries all of them at once and unharmed.
#[derive(Debug, Clone, Default)]
pub struct Link {
    loss: f64,
    duplication: f64,
    corruption: f64,
    delay: Duration,
    jitter: Duration,
    mtu: Option<usize>,
    rate: Option<Rate>,
    blocked: Vec<SocketAddr>,
    down: bool,
}

/// A bottleneck with a queue in front of it that drops what does not fit.
#[derive(Debug, Clone)]
struct Rate {
    octets_per_second: u32,
    queue: Duration,
    busy_until: Option<Instant>,
}

/// Octets of the headers of IP and UDP, which count against an MTU.
fn headers(datagram: &Datagram) -> usize {
    let ip = if datagram.destination.is_ipv4() { 20 } else { 40 };
    ip + 8
}

/// How long what was lost of a TCP connection comes later: its retransmission, in the rough.
const TCP_RETRANSMISSION: Duration = Duration::from_millis(300);

impl Link {
    /// This share of datagrams (0 to 1) is lost.
    #[must_use]
    pub fn loss(self, share: f64) -> Self {
        Self { loss: share, ..self }
    }

    /// This share arrives twice.
    #[must_use]
    pub fn duplication(self, share: f64) -> Self {
        Self { duplication: share, ..self }
    }

    /// In this share one to three bits are flipped, or the end is cut off.
    #[must_use]
    pub fn corruption(self, share: f64) -> Self {
        Self { corruption: share, ..self }
    }

    /// Each takes this long.
    #[must_use]
    pub fn delay(self, milliseconds: u64) -> Self {
        Self { delay: Duration::from_millis(milliseconds), ..self }
    }

    /// And up to this much longer, each on its own: so they overtake one another.
    #[must_use]
    pub fn jitter(self, milliseconds: u64) -> Self {
        Self { jitter: Duration::from_millis(milliseconds), ..self }
    }

    /// Datagrams that with the headers of IP and UDP are longer than this vanish.
    #[must_use]
    pub fn mtu(self, octets: usize) -> Self {
        Self { mtu: Some(octets), ..self }
    }

    /// At most this many octets a second pass; what would wait longer than `queue` is lost.
    #[must_use]
    pub fn rate(self, octets_per_second: u32, queue: Duration) -> Self {
        let octets_per_second = octets_per_second.max(1);
        Self { rate: Some(Rate { octets_per_second, queue, busy_until: None }), ..self }
    }

    /// Nothing from or to this address arrives.
    #[must_use]
    pub fn blocked(mut self, address: SocketAddr) -> Self {
        self.blocked.push(address);
        self
    }

    /// From now on nothing arrives, until it is called with `false`.
    pub fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// When copies of the datagram arrive, and what is left of it; why not, if none does.
    pub(super) fn carry(
        &mut self,
        now: Instant,
        datagram: &Datagram,
        rng: &mut StdRng,
    ) -> Result<Vec<(Instant, Datagram)>, &'static str> {
        // The same numbers are drawn whatever happens, so that one change of the link does not
        // change the fate of all datagrams after it.
        let [lost, doubled, broken] =
            [self.loss, self.duplication, self.corruption].map(|share| rng.random_bool(share));
        let jitters = [0, 1].map(|_| self.jitter.mul_f64(rng.random_range(0.0..=1.0)));
        let harm = Harm::draw(rng);

        let octets = datagram.payload.len() + headers(datagram);
        if self.down {
            return Err("down");
        }
        if self.blocked.contains(&datagram.source) || self.blocked.contains(&datagram.destination) {
            return Err("blocked");
        }
        if datagram.protocol == Protocol::Tcp {
            let departure = match &mut self.rate {
                Some(rate) => rate.depart(now, octets).unwrap_or(now + rate.queue),
                None => now,
            };
            let again = if lost || broken { TCP_RETRANSMISSION } else { Duration::ZERO };
            let [jitter, _] = jitters;
            return Ok(vec![(departure + self.delay + jitter + again, datagram.clone())]);
        }
        if self.mtu.is_some_and(|mtu| octets > mtu) {
            return Err("too long");
        }
        if lost {
            return Err("lost");
        }
        let departure = match &mut self.rate {
            Some(rate) => rate.depart(now, octets)?,
            None => now,
        };
        let payload = if broken { harm.apply(&datagram.payload) } else { datagram.payload.clone() };
        let arrive = |jitter| {
            (departure + self.delay + jitter, Datagram { payload: payload.clone(), ..*datagram })
        };
        let [first, second] = jitters;
        let mut copies = vec![arrive(first)];
        if doubled {
            copies.push(arrive(second));
        }
        Ok(copies)
    }
}

impl Rate {
    fn depart(&mut self, now: Instant, octets: usize) -> Result<Instant, &'static str> {
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        if start - now > self.queue {
            return Err("queue full");
        }
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let end = start
            + Duration::from_secs(1).mul_f64(f64::from(octets) / f64::from(self.octets_per_second));
        self.busy_until = Some(end);
        Ok(end)
    }
}

/// What corruption does to a datagram.
struct Harm {
    cut: bool,
    places: [f64; 3],
    flips: usize,
}

impl Harm {
    fn draw(rng: &mut StdRng) -> Self {
        Self {
            cut: rng.random_bool(0.2),
            places: [0, 1, 2].map(|_| rng.random_range(0.0..1.0)),
            flips: rng.random_range(1..=3),
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn apply(&self, payload: &Bytes) -> Bytes {
        let mut octets = payload.to_vec();
        let bits = octets.len() * 8;
        for place in self.places.iter().take(self.flips) {
            let bit = (place * bits as f64) as usize;
            if let Some(octet) = octets.get_mut(bit / 8) {
                *octet ^= 1 << (bit % 8);
            }
        }
        if self.cut {
            octets.truncate(bits / 16);
        }
        octets.into()
    }
}
