//! The matrix: every kind of place with every other, and how the peers there met.
//!
//! Book: "NATs".

use std::time::Instant;

use futures_util::stream::{self, StreamExt};

use crate::Lab;
use crate::call::Call;
use crate::network::Place;
use crate::servers::Servers;
use tests::matrix::{Matrix, Way};

/// How many calls are made at a time: most of their time is spent waiting.
const CALLS_AT_A_TIME: usize = 6;

/// Two peers at two places.
pub(crate) struct Pair<'a> {
    /// The place of the one, and which of its hosts.
    pub(crate) one: (&'a Place, usize),
    /// The other.
    pub(crate) other: (&'a Place, usize),
    /// Whether the other calls.
    pub(crate) reversed: bool,
    /// What both know of servers.
    pub(crate) servers: Servers,
}

/// What came of it.
pub(crate) struct Outcome<'a> {
    pub(crate) pair: Pair<'a>,
    pub(crate) expected: Way,
    pub(crate) way: Result<Way, String>,
}

impl<'a> Pair<'a> {
    /// Makes the call.
    async fn meet(self, lab: &Lab) -> Outcome<'a> {
        let expected = self.servers.promise(self.one.0.site, self.other.0.site);
        let first = self.try_once(lab, expected).await;
        if first.is_right() || expected == Way::None {
            return first;
        }
        // On a busy machine checks may be late, and a relay be settled on meanwhile.
        eprintln!("once more:");
        first.pair.try_once(lab, expected).await
    }

    async fn try_once(self, lab: &Lab, expected: Way) -> Outcome<'a> {
        let start = Instant::now();
        let way = self.call(lab, expected).await;
        let seconds = start.elapsed().as_secs_f64();
        let outcome = Outcome { pair: self, expected, way };
        eprintln!("{outcome} ({seconds:.1} s)");
        outcome
    }

    async fn call(&self, lab: &Lab, expected: Way) -> Result<Way, String> {
        let end = |(place, host): (&'a Place, usize)| {
            let namespace = place.host(host)?;
            Ok::<_, String>((namespace, self.servers.flags(!place.site.ipv4)))
        };
        let (mut caller, mut callee) = (end(self.one)?, end(self.other)?);
        if self.reversed {
            std::mem::swap(&mut caller, &mut callee);
        }
        Call { caller, callee, expected }.make(lab).await
    }
}

impl Outcome<'_> {
    /// Whether they met as they must.
    pub(crate) fn is_right(&self) -> bool {
        self.way.as_ref() == Ok(&self.expected)
    }
}

impl std::fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Pair { one, other, servers, reversed } = &self.pair;
        let arrow = if *reversed { "◄─" } else { "─►" };
        write!(f, "{} {arrow} {}, {servers}: ", one.0.site.name, other.0.site.name)?;
        match &self.way {
            Ok(way) if *way == self.expected => write!(f, "{way}"),
            Ok(way) => write!(f, "{way}, but must be {}", self.expected),
            Err(error) => write!(f, "must be {}, but: {error}", self.expected),
        }
    }
}

/// Every two kinds of places. Who calls alternates; but who has only TCP does, as nobody can call there.
pub(crate) fn pairs(lab: &Lab, servers: Servers) -> Result<Vec<Pair<'_>>, String> {
    let pairs = Matrix::pairs().enumerate().map(|(index, (one, other))| {
        let one = (lab.network.place("left", one)?, 0);
        let other = (lab.network.place("right", other)?, 0);
        Ok(Pair { one, other, reversed: index % 2 == 1 && one.0.site.udp, servers })
    });
    pairs.collect()
}

/// Lets all pairs meet, several at a time, and tells what came of each in their order.
pub(crate) async fn meet<'a>(lab: &'a Lab, pairs: Vec<Pair<'a>>) -> Vec<Outcome<'a>> {
    let meetings = pairs.into_iter().map(|pair| pair.meet(lab));
    stream::iter(meetings).buffered(CALLS_AT_A_TIME).collect().await
}

/// The matrix of [`pairs`].
pub(crate) fn of(outcomes: &[Outcome<'_>]) -> Matrix {
    outcomes.iter().map(|outcome| outcome.way.as_ref().ok().copied()).collect()
}
