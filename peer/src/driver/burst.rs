//! Consecutive datagrams of one path, put together for one system call.
//!
//! Segmentation offload (GSO) takes one buffer and cuts it into datagrams of equal length, of
//! which only the last may be shorter. A connection that sends bulk data produces just that: many
//! full packets to the same address. The [`Outbox`] recognises such runs in what
//! `Connection::poll_transmit` gives, in order, and never reorders.
//!
//! ```text
//! poll_transmit   A 1188 │ A 1188 │ A 1188 │ A 240 │ A 1188 │ B 100
//! bursts          [────────────────────────────────]  [─────]  [────]
//! ```
//!
//! Book: "The pump".

use bytes::Bytes;
use ice::Path;

use crate::Transmit;

/// The most octets of one burst: what an IPv4 or IPv6 packet can carry, less some headers. The
/// kernel refuses more.
const MAX_BURST_OCTETS: usize = 65_000;

/// One or several datagrams of one path.
#[derive(Debug)]
pub(crate) struct Burst {
    /// The way they go.
    pub(crate) path: Path,
    contents: Contents,
    segment_size: usize,
    datagrams: usize,
}

#[derive(Debug)]
enum Contents {
    /// A single datagram, as the connection made it: nothing is copied.
    One(Bytes),
    /// Several, one after the other.
    Many(Vec<u8>),
}

impl Burst {
    fn one(first: Transmit) -> Burst {
        Burst {
            path: path(&first),
            segment_size: first.payload.len(),
            contents: Contents::One(first.payload),
            datagrams: 1,
        }
    }

    /// The datagrams, each by itself.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.contents().chunks(self.segment_size())
    }

    /// The datagrams, one after the other.
    pub(crate) fn contents(&self) -> &[u8] {
        match &self.contents {
            Contents::One(datagram) => datagram,
            Contents::Many(datagrams) => datagrams,
        }
    }

    /// How many datagrams this is.
    pub(crate) fn datagrams(&self) -> usize {
        self.datagrams
    }

    /// The length of each datagram but the last, in octets; never 0.
    pub(crate) fn segment_size(&self) -> usize {
        self.segment_size.max(1)
    }

    /// Whether `next` can follow in this burst.
    fn takes(&self, next: &Transmit, limit: usize) -> bool {
        let length = self.contents().len();
        self.datagrams < limit
            && self.path == path(next)
            && !next.payload.is_empty()
            && next.payload.len() <= self.segment_size
            // A shorter datagram ends the burst.
            && length == self.segment_size * self.datagrams
            && length + next.payload.len() <= MAX_BURST_OCTETS
    }

    fn push(&mut self, next: &Bytes, limit: usize) {
        if let Contents::One(first) = &self.contents {
            let most = self.segment_size.saturating_mul(limit).min(MAX_BURST_OCTETS);
            let mut datagrams = Vec::with_capacity(most);
            datagrams.extend_from_slice(first);
            self.contents = Contents::Many(datagrams);
        }
        if let Contents::Many(datagrams) = &mut self.contents {
            datagrams.extend_from_slice(next);
            self.datagrams += 1;
        }
    }
}

fn path(transmit: &Transmit) -> Path {
    Path { protocol: transmit.protocol, local: transmit.local, remote: transmit.remote }
}

/// Turns a connection's datagrams into bursts.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The datagram that was polled and did not fit the burst before it.
    next: Option<Transmit>,
}

impl Outbox {
    /// The next burst of at most `limit` datagrams, out of what `poll` gives; `None` when there
    /// is nothing to send.
    pub(crate) fn next_burst(
        &mut self,
        limit: usize,
        mut poll: impl FnMut() -> Option<Transmit>,
    ) -> Option<Burst> {
        let mut burst = Burst::one(self.next.take().or_else(&mut poll)?);
        while burst.datagrams < limit {
            match poll() {
                Some(next) if burst.takes(&next, limit) => burst.push(&next.payload, limit),
                next => {
                    self.next = next;
                    break;
                }
            }
        }
        Some(burst)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn transmit(host: u8, length: usize, fill: u8) -> Transmit {
        Transmit {
            protocol: ice::Protocol::Udp,
            local: SocketAddr::from(([127, 0, 0, 1], 1)),
            remote: SocketAddr::from(([127, 0, 0, host], 2)),
            payload: vec![fill; length].into(),
        }
    }

    fn shapes(transmits: Vec<Transmit>, limit: usize) -> Vec<(usize, usize)> {
        let mut transmits = transmits.into_iter();
        let mut outbox = Outbox::default();
        std::iter::from_fn(|| outbox.next_burst(limit, || transmits.next()))
            .map(|burst| (burst.datagrams(), burst.contents().len()))
            .collect()
    }

    #[test]
    fn the_picture_above() {
        let run = [(1, 1188), (1, 1188), (1, 1188), (1, 240), (1, 1188), (2, 100)];
        let transmits = run.map(|(host, length)| transmit(host, length, 0)).to_vec();
        assert_eq!(shapes(transmits, 64), [(4, 3804), (1, 1188), (1, 100)]);
    }

    #[test]
    fn a_longer_datagram_begins_a_new_burst() {
        assert_eq!(
            shapes(vec![transmit(1, 100, 0), transmit(1, 1200, 0)], 64),
            [(1, 100), (1, 1200)]
        );
    }

    #[test]
    fn bursts_are_bounded_in_number_and_in_octets() {
        assert_eq!(shapes(vec![transmit(1, 10, 0); 5], 2), [(2, 20), (2, 20), (1, 10)]);
        let sizes = shapes(vec![transmit(1, 1400, 0); 64], 64);
        assert_eq!(sizes, [(46, 64_400), (18, 25_200)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_reordered_or_changed(
            run in proptest::collection::vec((1u8..3, 0usize..5, any::<u8>()), 0..60),
            limit in 1usize..8,
        ) {
            let sent: Vec<_> = run.iter().map(|&(h, l, f)| transmit(h, l * 40, f)).collect();
            let mut source = sent.clone().into_iter();
            let mut outbox = Outbox::default();
            let mut arrived = Vec::new();
            while let Some(burst) = outbox.next_burst(limit, || source.next()) {
                prop_assert!(burst.datagrams() <= limit);
                let cut: Vec<_> = if burst.contents().is_empty() {
                    vec![&[][..]]
                } else {
                    burst.contents().chunks(burst.segment_size()).collect()
                };
                prop_assert_eq!(cut.len(), burst.datagrams());
                arrived.extend(cut.into_iter().map(|d| (burst.path.remote, d.to_vec())));
            }
            let sent: Vec<_> = sent.iter().map(|t| (t.remote, t.payload.to_vec())).collect();
            prop_assert_eq!(arrived, sent);
        }
    }
}
