//! From fragments to messages (RFC 9260 §6.9).
//!
//! The fragments of a message have consecutive TSNs, from one with B to one with E. So it takes no
//! table per stream: fragments that touch grow into runs, in any order, and a run with both ends
//! is a message.
//!
//! ```text
//!   TSN   7     8     9    10    11    12
//!        [B]   [ ]    ?   [ ]   [E]   [B E]
//!        └─ run ─┘       └─ run ─┘    whole
//! ```
//!
//! Memory is bounded by what the receive window advertises, bookkeeping included (security
//! checklist: 1-octet chunks). Small fragments are copied together, so that a message cut into
//! single octets takes no more than twice its size; larger ones stay slices of their packets and
//! are joined once, when the message is read.
//!
//! Book: the chapter on messages.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::wire::{Data, Ppid, SkippedStream, Ssn, StreamId};

/// Fragments shorter than this are copied together.
const SMALL: usize = 256;

/// Octets charged for a run or a message, beside its payload.
pub(crate) const MESSAGE_COST: usize = 128;
/// Octets charged for each slice in it: the slice, and the rest of the packet it keeps.
const SEGMENT_COST: usize = 112;

/// A message that has arrived whole.
#[derive(Debug)]
pub(crate) struct Assembled {
    /// Position of its first TSN.
    pub(crate) first: u64,
    pub(crate) stream: StreamId,
    pub(crate) ssn: Ssn,
    pub(crate) ppid: Ppid,
    pub(crate) unordered: bool,
    pub(crate) body: Body,
    /// Octets charged to the receive window.
    pub(crate) cost: usize,
}

/// The payload of a message.
#[derive(Debug)]
pub(crate) enum Body {
    One(Bytes),
    /// Slices to be joined, and their octets.
    Many(VecDeque<Segment>, usize),
    /// It was too large and thrown away; its place in the order is kept.
    TooLarge,
}

impl Body {
    /// The payload in one piece, copied at most once and into exactly as much memory.
    pub(crate) fn join(self) -> Option<Bytes> {
        match self {
            Self::One(payload) => Some(payload),
            Self::Many(segments, octets) => {
                let mut joined = Vec::with_capacity(octets);
                for segment in &segments {
                    joined.extend_from_slice(segment.octets());
                }
                Some(Bytes::from(joined))
            }
            Self::TooLarge => None,
        }
    }
}

/// A piece of a message.
#[derive(Debug)]
pub(crate) enum Segment {
    Slice(Bytes),
    Copied(Vec<u8>),
}

impl Segment {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Slice(octets) => octets,
            Self::Copied(octets) => octets,
        }
    }
}

/// Fragments that touch.
#[derive(Debug)]
struct Run {
    last: u64,
    beginning: bool,
    ending: bool,
    unordered: bool,
    stream: StreamId,
    ssn: Ssn,
    ppid: Ppid,
    octets: usize,
    cost: usize,
    segments: VecDeque<Segment>,
    too_large: bool,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its message is not whole yet.
    Incomplete,
    /// Its message is whole.
    Whole(Assembled),
}

/// Fragments whose messages are not whole.
#[derive(Debug)]
pub(crate) struct Reassembly {
    /// By the position of the first fragment. Each fragment is paid for from the receive window.
    runs: BTreeMap<u64, Run>,
    /// Octets charged to the receive window.
    cost: usize,
    max_message_size: usize,
    /// Streams of messages found too large, to be reported.
    too_large: Option<StreamId>,
}

impl Reassembly {
    pub(crate) fn new(max_message_size: usize) -> Self {
        Self { runs: BTreeMap::new(), cost: 0, max_message_size, too_large: None }
    }

    /// Octets charged to the receive window.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// The stream of a message that was found too large.
    pub(crate) fn take_too_large(&mut self) -> Option<StreamId> {
        self.too_large.take()
    }

    /// Takes in a fragment that did not arrive before; `packet` is its packet's length.
    pub(crate) fn add(&mut self, position: u64, data: Data, packet: usize) -> Outcome {
        if data.beginning && data.ending {
            return Outcome::Whole(self.whole(position, data, packet));
        }
        let first = match self.run_before(position, &data) {
            Some(first) => {
                self.append(first, position, data, packet);
                first
            }
            None => {
                self.start(position, data, packet);
                position
            }
        };
        match self.runs.get(&first) {
            Some(run) if run.beginning && run.ending => self.complete(first),
            _ => Outcome::Incomplete,
        }
    }

    /// A message of one fragment.
    fn whole(&mut self, position: u64, data: Data, packet: usize) -> Assembled {
        let Data { stream, ssn, ppid, unordered, payload, .. } = data;
        let (body, cost) = if payload.len() > self.max_message_size {
            self.too_large = Some(stream);
            (Body::TooLarge, MESSAGE_COST)
        } else {
            let cost = payload.len().saturating_add(MESSAGE_COST);
            (Body::One(unpinned(payload, packet)), cost)
        };
        Assembled { first: position, stream, ssn, ppid, unordered, body, cost }
    }

    /// The key of the run that the fragment continues.
    fn run_before(&self, position: u64, data: &Data) -> Option<u64> {
        if data.beginning {
            return None;
        }
        let (first, run) = self.runs.range(..position).next_back()?;
        let continues = run.last.saturating_add(1) == position && !run.ending && run.accepts(data);
        continues.then_some(*first)
    }

    fn append(&mut self, first: u64, position: u64, data: Data, packet: usize) {
        let after = if data.ending { None } else { self.take_run_after(position, &data) };
        let Some(run) = self.runs.get_mut(&first) else { return };
        self.cost = self.cost.saturating_sub(run.cost);
        run.last = position;
        run.ending = data.ending;
        run.octets = run.octets.saturating_add(data.payload.len());
        run.push(data.payload, packet);
        if let Some(after) = after {
            run.join(after);
        }
        self.account(first);
    }

    fn start(&mut self, position: u64, data: Data, packet: usize) {
        let after = if data.ending { None } else { self.take_run_after(position, &data) };
        let mut run = Run {
            last: position,
            beginning: data.beginning,
            ending: data.ending,
            unordered: data.unordered,
            stream: data.stream,
            ssn: data.ssn,
            ppid: data.ppid,
            octets: data.payload.len(),
            cost: MESSAGE_COST,
            segments: VecDeque::new(),
            too_large: false,
        };
        run.push(data.payload, packet);
        if let Some(after) = after {
            run.join(after);
        }
        self.runs.insert(position, run);
        self.account(position);
    }

    /// Removes and answers the run that continues the fragment.
    fn take_run_after(&mut self, position: u64, data: &Data) -> Option<Run> {
        let key = position.saturating_add(1);
        let run = self.runs.get(&key)?;
        if run.beginning || !run.accepts(data) {
            return None;
        }
        let run = self.runs.remove(&key)?;
        self.cost = self.cost.saturating_sub(run.cost);
        Some(run)
    }

    /// Charges a run that has changed, and throws its octets away if they are too many.
    fn account(&mut self, first: u64) {
        let Some(run) = self.runs.get_mut(&first) else { return };
        if run.octets > self.max_message_size || run.too_large {
            if !run.too_large {
                self.too_large = Some(run.stream);
            }
            run.too_large = true;
            run.segments = VecDeque::new();
            run.cost = MESSAGE_COST;
        }
        self.cost = self.cost.saturating_add(run.cost);
    }

    fn complete(&mut self, first: u64) -> Outcome {
        let Some(run) = self.runs.remove(&first) else { return Outcome::Incomplete };
        self.cost = self.cost.saturating_sub(run.cost);
        let Run { stream, ssn, ppid, unordered, cost, .. } = run;
        let body = match run.too_large {
            true => Body::TooLarge,
            false => Body::Many(run.segments, run.octets),
        };
        Outcome::Whole(Assembled { first, stream, ssn, ppid, unordered, body, cost })
    }

    /// A FORWARD-TSN (RFC 3758 §3.6): drops what it gives up, and what can never become whole
    /// because a fragment that is missing will not come.
    pub(crate) fn forward(&mut self, cumulative: u64, skipped: &[SkippedStream]) {
        // Runs that the new cumulative TSN does not touch are not looked at.
        let touched: Vec<u64> =
            self.runs.range(..=cumulative.saturating_add(1)).map(|(&first, _)| first).collect();
        let given_up = |run: &Run| match run.unordered {
            true => true,
            false => skipped.iter().any(|s| s.stream == run.stream && run.ssn <= s.ssn),
        };
        for first in touched {
            let Some(run) = self.runs.get(&first) else { continue };
            let never_whole = !run.beginning || (!run.ending && run.last < cumulative);
            if never_whole || (given_up(run) && first <= cumulative) {
                self.cost = self.cost.saturating_sub(run.cost);
                self.runs.remove(&first);
            }
        }
    }
}

impl Run {
    /// Whether a fragment can be of the same message.
    fn accepts(&self, data: &Data) -> bool {
        self.stream == data.stream
            && self.unordered == data.unordered
            && (self.unordered || self.ssn == data.ssn)
    }

    fn push(&mut self, payload: Bytes, packet: usize) {
        if self.too_large {
            return;
        }
        let charged = if payload.len() >= SMALL {
            let charged = payload.len().saturating_add(SEGMENT_COST);
            self.segments.push_back(Segment::Slice(unpinned(payload, packet)));
            charged
        } else if let Some(Segment::Copied(octets)) = self.segments.back_mut() {
            // A vector that grows holds up to twice its octets.
            octets.extend_from_slice(&payload);
            payload.len().saturating_mul(2)
        } else {
            self.segments.push_back(Segment::Copied(payload.to_vec()));
            payload.len().saturating_add(SEGMENT_COST)
        };
        self.cost = self.cost.saturating_add(charged);
    }

    /// Appends the run that continues this one. The shorter list moves, so that fragments in the
    /// worst order cost n log n and not n².
    fn join(&mut self, mut after: Self) {
        if self.segments.len() < after.segments.len() {
            while let Some(segment) = self.segments.pop_back() {
                after.segments.push_front(segment);
            }
            self.segments = after.segments;
        } else {
            self.segments.append(&mut after.segments);
        }
        self.last = after.last;
        self.ending = after.ending;
        self.octets = self.octets.saturating_add(after.octets);
        self.cost = self.cost.saturating_add(after.cost).saturating_sub(MESSAGE_COST);
        self.too_large |= after.too_large;
    }
}

/// A payload that keeps no packet in memory more than twice its size.
fn unpinned(payload: Bytes, packet: usize) -> Bytes {
    match payload.len().saturating_mul(2) < packet {
        true => Bytes::copy_from_slice(&payload),
        false => payload,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Tsn;

    fn fragment(beginning: bool, ending: bool, payload: Bytes) -> Data {
        Data {
            immediate: false,
            unordered: false,
            beginning,
            ending,
            tsn: Tsn(0),
            stream: StreamId(1),
            ssn: Ssn(7),
            ppid: Ppid::BINARY,
            payload,
        }
    }

    fn octets(payload: &[u8]) -> Bytes {
        Bytes::copy_from_slice(payload)
    }

    #[test]
    fn a_whole_message_is_the_slice_of_its_packet() {
        let mut reassembly = Reassembly::new(10_000);
        let packet = octets(&[7; 1188]);
        let payload = packet.slice(28..);
        let Outcome::Whole(message) = reassembly.add(1, fragment(true, true, payload), 1188) else {
            panic!("not whole");
        };
        assert_eq!(message.body.join().unwrap().as_ptr(), packet[28..].as_ptr());
    }

    #[test]
    fn row_71_one_octet_fragments_take_twice_their_octets() {
        let mut reassembly = Reassembly::new(1 << 20);
        for position in 0..100_000u64 {
            let data = fragment(position == 0, false, octets(b"x"));
            assert!(matches!(reassembly.add(position, data, 29), Outcome::Incomplete));
        }
        assert!(reassembly.cost() <= 2 * 100_000 + 1000, "{}", reassembly.cost());
        let run = &reassembly.runs[&0];
        let held: usize = run
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Copied(octets) => octets.capacity(),
                Segment::Slice(octets) => octets.len(),
            })
            .sum();
        assert!(held <= 2 * 100_000, "{held}");
    }

    #[test]
    fn row_71_an_endless_message_is_thrown_away() {
        let mut reassembly = Reassembly::new(10_000);
        for position in 0..1000 {
            let data = fragment(position == 0, false, octets(&[0; 1000]));
            assert!(matches!(reassembly.add(position, data, 1028), Outcome::Incomplete));
            assert!(reassembly.cost() <= 11_500);
        }
        assert_eq!(reassembly.take_too_large(), Some(StreamId(1)));
        let Outcome::Whole(message) =
            reassembly.add(1000, fragment(false, true, octets(&[0; 10])), 38)
        else {
            panic!("its place in the order is kept");
        };
        assert!(matches!(message.body, Body::TooLarge));
        assert_eq!(reassembly.cost(), 0);
    }

    #[test]
    fn row_71_fragments_of_different_messages_do_not_mix() {
        let mut reassembly = Reassembly::new(10_000);
        reassembly.add(1, fragment(true, false, octets(b"a")), 29);
        let other = Data { stream: StreamId(2), ..fragment(false, true, octets(b"b")) };
        assert!(matches!(reassembly.add(2, other, 29), Outcome::Incomplete));
        let begins_again = fragment(true, false, octets(b"c"));
        assert!(matches!(reassembly.add(3, begins_again, 29), Outcome::Incomplete));
        assert_eq!(reassembly.runs.len(), 3);
    }

    #[test]
    fn trap_forward_tsn_drops_the_partial_message() {
        let mut reassembly = Reassembly::new(10_000);
        reassembly.add(1, fragment(true, false, octets(b"a")), 29);
        reassembly.add(2, fragment(false, false, octets(b"b")), 29);
        let later = Data { ssn: Ssn(8), ..fragment(true, false, octets(b"c")) };
        reassembly.add(4, later, 29);
        reassembly.forward(3, &[SkippedStream { stream: StreamId(1), ssn: Ssn(7) }]);
        assert_eq!(reassembly.runs.keys().copied().collect::<Vec<_>>(), [4]);
        assert_eq!(reassembly.cost(), reassembly.runs[&4].cost);
    }

    #[test]
    fn forward_tsn_spares_a_message_it_does_not_give_up() {
        let mut reassembly = Reassembly::new(10_000);
        reassembly.add(2, fragment(true, false, octets(b"a")), 29);
        reassembly.forward(2, &[SkippedStream { stream: StreamId(9), ssn: Ssn(7) }]);
        let Outcome::Whole(_) = reassembly.add(3, fragment(false, true, octets(b"b")), 29) else {
            panic!("lost");
        };
    }

    proptest! {
        /// Fragments of any size in any order make the messages they were cut from.
        #[test]
        fn any_order(
            messages in prop::collection::vec(prop::collection::vec(1usize..600, 1..8), 1..8),
            seed: u64,
        ) {
            use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
            let mut fragments = Vec::new();
            let mut expected = Vec::new();
            let mut position = 0u64;
            for (number, lengths) in messages.iter().enumerate() {
                let mut message = Vec::new();
                for (at, &length) in lengths.iter().enumerate() {
                    position += 1;
                    let payload = vec![position.to_be_bytes()[7]; length];
                    message.extend_from_slice(&payload);
                    let mut data = fragment(at == 0, at + 1 == lengths.len(), payload.into());
                    data.ssn = Ssn(u16::try_from(number).unwrap());
                    fragments.push((position, data));
                }
                expected.push(message);
            }
            fragments.shuffle(&mut StdRng::seed_from_u64(seed));
            let mut reassembly = Reassembly::new(1 << 20);
            let mut whole = BTreeMap::new();
            for (position, data) in fragments {
                let packet = data.payload.len() + 28;
                if let Outcome::Whole(message) = reassembly.add(position, data, packet) {
                    whole.insert(message.ssn.0, message.body.join().unwrap().to_vec());
                }
            }
            prop_assert_eq!(whole.into_values().collect::<Vec<_>>(), expected);
            prop_assert_eq!(reassembly.cost(), 0);
        }
    }
}
