//! Chunks that were sent and not yet cumulatively acknowledged (RFC 9260 §6.1, §6.2.1, §6.3).
//!
//! ```text
//!              cumulative                        next TSN
//!    acknowledged  │ Acked InFlight Lost Acked InFlight │ not sent: SendQueue
//!   ───────────────┼────────────────────────────────────┼──────────────────────
//!                  │ chunks[0]                  last    │
//! ```
//!
//! TSNs are kept as positions: 64-bit counts since the association began, which do not wrap and
//! have an order. `chunks[i]` has position `cumulative + 1 + i`, so finding a chunk is arithmetic.
//! A SACK costs time proportional to what it newly acknowledges and to its gap blocks.
//!
//! DEVIATION RFC 9260 §6.2.1 D (iii): a chunk that a gap block acknowledged and a later SACK does
//! not mention stays acknowledged, because receivers with bounded SACKs mention not every block.
//! If a receiver really took it back, the second expiry of T3 in a row brings it out again.
//!
//! Book: the chapter on reliability.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::forward::Forward;
use super::scoreboard::{Scoreboard, Span};
use super::sent::{Fate, Sent};
use crate::wire::{Data, ForwardTsn, GapBlock, Sack, Tsn};

/// Chunks outstanding at most: gap blocks, which count in 16 bits, reach no further.
pub(crate) const MAX_OUTSTANDING: usize = 65_000;

/// What remains allocated when nothing is outstanding.
const IDLE_CAPACITY: usize = 32;

/// What a SACK told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The cumulative TSN moved.
    pub(crate) advanced: bool,
    /// Octets on the wire that no SACK acknowledged before.
    pub(crate) octets: usize,
    /// The time since a chunk that was sent only once.
    pub(crate) round_trip: Option<Duration>,
    /// Chunks had their third miss.
    pub(crate) lost: bool,
}

/// The chunks, what is known of them, and the order to retransmit them in.
#[derive(Debug)]
pub(crate) struct Outstanding {
    chunks: VecDeque<Sent>,
    /// Position of the cumulative TSN.
    cumulative: u64,
    /// The TSN at position 0.
    origin: Tsn,
    flight: Flight,
    memory: usize,
    scoreboard: Scoreboard,
    /// Spans with lost chunks, in the order to retransmit them; chunks in them may have been
    /// acknowledged since. A chunk is lost in at most one span, so there are fewer than chunks.
    lost: VecDeque<Span>,
    /// The chunk whose round trip is being measured, and when it was sent.
    probe: Option<(u64, Instant)>,
    forward: Forward,
    /// Messages given up.
    abandoned: u64,
    /// Kept to be allocated once.
    scratch: Vec<Span>,
}

/// Chunks on their way.
#[derive(Debug, Default, Clone, Copy)]
struct Flight {
    chunks: usize,
    payload: usize,
}

impl Flight {
    fn add(&mut self, sent: &Sent) {
        self.chunks = self.chunks.saturating_add(1);
        self.payload = self.payload.saturating_add(sent.payload.len());
    }

    fn remove(&mut self, sent: &Sent) {
        self.chunks = self.chunks.saturating_sub(1);
        self.payload = self.payload.saturating_sub(sent.payload.len());
    }
}

impl Outstanding {
    /// `max_skipped`: streams that a FORWARD-TSN chunk of ours has room for.
    pub(crate) fn new(initial_tsn: Tsn, max_skipped: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            cumulative: 0,
            origin: initial_tsn.previous(),
            flight: Flight::default(),
            memory: 0,
            scoreboard: Scoreboard::default(),
            lost: VecDeque::new(),
            probe: None,
            forward: Forward::new(max_skipped),
            abandoned: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_OUTSTANDING
    }

    /// Octets on their way, with chunk headers: what the congestion window limits.
    pub(crate) fn flight(&self) -> usize {
        self.flight.payload.saturating_add(self.flight.chunks.saturating_mul(Data::OVERHEAD))
    }

    /// Octets of payload on their way: what the remote window limits.
    pub(crate) fn flight_payload(&self) -> usize {
        self.flight.payload
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The last TSN that was assigned.
    pub(crate) fn last_tsn(&self) -> Tsn {
        self.tsn(self.last())
    }

    /// The last TSN that was cumulatively acknowledged.
    pub(crate) fn cumulative_tsn(&self) -> Tsn {
        self.tsn(self.cumulative)
    }

    /// Position of the cumulative TSN.
    pub(crate) fn cumulative(&self) -> u64 {
        self.cumulative
    }

    /// Position of the last chunk sent.
    pub(crate) fn last(&self) -> u64 {
        self.cumulative.saturating_add(self.chunks.len() as u64)
    }

    fn tsn(&self, position: u64) -> Tsn {
        #[expect(clippy::cast_possible_truncation, reason = "TSNs are positions modulo 2^32")]
        self.origin.advance(position as u32)
    }

    fn index(&self, position: u64) -> Option<usize> {
        let index = position.checked_sub(self.cumulative)?.checked_sub(1)?;
        usize::try_from(index).ok().filter(|&index| index < self.chunks.len())
    }

    /// Sends a chunk for the first time: gives it a TSN.
    pub(crate) fn push(&mut self, now: Instant, sent: Sent, immediate: bool) -> Data {
        let position = self.last().saturating_add(1);
        let data = sent.to_data(self.tsn(position), immediate);
        self.flight.add(&sent);
        self.memory = self.memory.saturating_add(sent.memory());
        self.chunks.push_back(sent);
        if self.probe.is_none() {
            self.probe = Some((position, now));
        }
        data
    }

    /// Takes in a SACK. `None`: it acknowledges what was never sent or is older than the last one.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack,
        in_fast_recovery: bool,
    ) -> Option<Acknowledged> {
        let advance = sack.cumulative_tsn.since(self.tsn(self.cumulative));
        if usize::try_from(advance).ok()? > self.chunks.len() {
            return None;
        }
        let mut news = Acknowledged { advanced: advance > 0, ..Acknowledged::default() };
        self.advance_cumulative(advance, &mut news);
        let mut highest = if news.advanced { self.cumulative } else { 0 };
        if !sack.gaps.is_empty() {
            highest = self.merge_gaps(&sack.gaps, &mut news).max(highest);
            let all = in_fast_recovery && news.advanced;
            if highest > 0 {
                news.lost = self.count_misses(highest, all);
            }
        }
        if let Some((position, since)) = self.probe
            && self.has_arrived(position)
        {
            news.round_trip = Some(now.saturating_duration_since(since));
            self.probe = None;
        }
        self.forward.sack_arrived(self.cumulative);
        self.shrink_if_idle();
        Some(news)
    }

    fn has_arrived(&self, position: u64) -> bool {
        match self.index(position) {
            None => position <= self.cumulative,
            Some(index) => self.chunks.get(index).is_some_and(|sent| sent.fate == Fate::Acked),
        }
    }

    fn advance_cumulative(&mut self, advance: u32, news: &mut Acknowledged) {
        for _ in 0..advance {
            let Some(sent) = self.chunks.pop_front() else { break };
            self.memory = self.memory.saturating_sub(sent.memory());
            match sent.fate {
                Fate::InFlight => {
                    self.flight.remove(&sent);
                    news.octets = news.octets.saturating_add(sent.wire_length());
                }
                Fate::Lost => news.octets = news.octets.saturating_add(sent.wire_length()),
                Fate::Acked | Fate::Abandoned => {}
            }
        }
        self.cumulative = self.cumulative.saturating_add(u64::from(advance));
        self.scoreboard.advance(self.cumulative);
    }

    /// Marks what the gap blocks newly acknowledge; answers the highest such position, or 0.
    /// Blocks that are empty, out of order or beyond what was sent are not believed.
    fn merge_gaps(&mut self, gaps: &[GapBlock], news: &mut Acknowledged) -> u64 {
        let last_sent = self.last();
        let mut blocks = std::mem::take(&mut self.scratch);
        blocks.clear();
        let mut before = self.cumulative.saturating_add(1);
        for gap in gaps {
            let first = self.cumulative.saturating_add(gap.start.into());
            let last = self.cumulative.saturating_add(gap.end.into());
            if before < first && first <= last && last <= last_sent {
                blocks.push(Span { first, last });
                before = last;
            }
        }
        let mut fresh = Vec::new();
        self.scoreboard.merge(&blocks, &mut fresh);
        self.scratch = blocks;
        let mut highest = 0;
        for position in fresh.iter().flat_map(|span| span.first..=span.last) {
            let Some(index) = self.index(position) else { continue };
            let Some(sent) = self.chunks.get_mut(index) else { continue };
            match sent.fate {
                Fate::InFlight => self.flight.remove(sent),
                Fate::Lost => {}
                Fate::Acked | Fate::Abandoned => continue,
            }
            sent.fate = Fate::Acked;
            news.octets = news.octets.saturating_add(sent.wire_length());
            highest = position;
        }
        highest
    }

    fn count_misses(&mut self, highest: u64, all: bool) -> bool {
        let mut holes = std::mem::take(&mut self.scratch);
        holes.clear();
        let last = self.last();
        self.scoreboard.count_misses(self.cumulative, highest, all, last, &mut holes);
        let mut any = false;
        for &hole in &holes {
            let mut lost = false;
            for position in hole.first..=hole.last {
                lost |= self.lose(position);
            }
            if lost {
                self.lost.push_back(hole);
            }
            any |= lost;
        }
        self.scratch = holes;
        any
    }

    /// Marks a chunk on its way as lost.
    fn lose(&mut self, position: u64) -> bool {
        let Some(index) = self.index(position) else { return false };
        let Some(sent) = self.chunks.get_mut(index) else { return false };
        if sent.fate != Fate::InFlight {
            return false;
        }
        sent.fate = Fate::Lost;
        self.flight.remove(sent);
        true
    }

    /// T3-rtx expired (RFC 9260 §6.3.3): everything on its way is lost. If it expired before
    /// without any answer since (`again`), what gap blocks acknowledged is doubted too.
    pub(crate) fn timed_out(&mut self, again: bool) {
        for sent in &mut self.chunks {
            if sent.fate == Fate::InFlight || (again && sent.fate == Fate::Acked) {
                sent.fate = Fate::Lost;
            }
        }
        self.flight = Flight::default();
        self.scoreboard.clear();
        self.lost.clear();
        if !self.chunks.is_empty() {
            let first = self.cumulative.saturating_add(1);
            self.lost.push_back(Span { first, last: self.last() });
        }
        self.probe = None;
        self.forward.timed_out(self.cumulative);
    }

    /// The next chunk to retransmit and its octets of payload. Messages beyond their limit are
    /// abandoned instead. `Err`: the message being sent was; drop its unsent rest and go on.
    pub(crate) fn next_lost(&mut self, now: Instant) -> Result<Option<usize>, Unfinished> {
        while let Some(&Span { first, last }) = self.lost.front() {
            let position = first.max(self.cumulative.saturating_add(1));
            let sent = self.index(position).and_then(|index| self.chunks.get(index));
            let Some(sent) = sent.filter(|_| position <= last) else {
                self.lost.pop_front();
                continue;
            };
            if sent.fate == Fate::Lost {
                if !sent.limit.is_exceeded(now, sent.retransmits) {
                    return Ok(Some(sent.payload.len()));
                }
                self.abandon(position)?;
            }
            self.skip_lost(position);
        }
        Ok(None)
    }

    fn skip_lost(&mut self, position: u64) {
        if let Some(span) = self.lost.front_mut() {
            span.first = position.saturating_add(1);
        }
    }

    /// Sends the chunk again that [`Self::next_lost`] found.
    pub(crate) fn retransmit(&mut self, immediate: bool) -> Option<Data> {
        let first = self.lost.front()?.first;
        let position = first.max(self.cumulative.saturating_add(1));
        let tsn = self.tsn(position);
        let index = self.index(position)?;
        let sent = self.chunks.get_mut(index)?;
        sent.fate = Fate::InFlight;
        sent.retransmits = sent.retransmits.saturating_add(1);
        self.flight.add(sent);
        let data = sent.to_data(tsn, immediate);
        self.skip_lost(position);
        // Karn's rule, RFC 9260 §6.3.1 C5.
        if self.probe.is_some_and(|(probed, _)| probed == position) {
            self.probe = None;
        }
        Some(data)
    }

    // ANCHOR: abandon
    /// Gives up the message whose fragment has this position, all fragments of it (RFC 3758
    /// §3.5 A3). `Err`: some of them were not sent yet.
    fn abandon(&mut self, position: u64) -> Result<(), Unfinished> {
        let Some(index) = self.index(position) else { return Ok(()) };
        let begins = |sent: &Sent| sent.beginning;
        let first = (0..=index).rev().find(|&i| self.chunks.get(i).is_none_or(begins)).unwrap_or(0);
        let before = self.cumulative.saturating_add(first as u64);
        let (mut finished, mut last) = (false, before);
        for sent in self.chunks.range_mut(first..) {
            last = last.saturating_add(1);
            self.memory = self.memory.saturating_sub(sent.payload.len());
            if sent.fate == Fate::InFlight {
                self.flight.remove(sent);
            }
            sent.fate = Fate::Abandoned;
            sent.payload = Bytes::new();
            if sent.ending {
                finished = true;
                break;
            }
        }
        if self.probe.is_some_and(|(probed, _)| before < probed && probed <= last) {
            self.probe = None;
        }
        self.forward.abandoned(before, last);
        if !finished {
            return Err(Unfinished);
        }
        self.abandoned = self.abandoned.saturating_add(1);
        Ok(())
    }
    // ANCHOR_END: abandon

    /// Gives up the message of which fragments were sent and fragments were not.
    ///
    /// One more TSN is spent on its unsent end. Otherwise, if all that was sent has been
    /// acknowledged, there would be nothing to forward the receiver over, and it would wait for
    /// the end for ever.
    pub(crate) fn abandon_unfinished(&mut self, end: Sent) {
        let position = self.last().saturating_add(1);
        self.memory = self.memory.saturating_add(size_of::<Sent>());
        self.chunks.push_back(Sent { payload: Bytes::new(), fate: Fate::InFlight, ..end });
        self.flight.chunks = self.flight.chunks.saturating_add(1);
        // Its own end is there now, so nothing is unfinished.
        let _ = self.abandon(position);
    }

    /// The FORWARD-TSN that is due, if one is (RFC 3758 §3.5 C).
    pub(crate) fn forward_tsn(&mut self) -> Option<ForwardTsn> {
        let (cumulative, chunks) = (self.cumulative, &self.chunks);
        self.forward.advance(cumulative, chunks);
        let point = self.forward.take_due(cumulative)?;
        let new_cumulative_tsn = self.tsn(point);
        Some(ForwardTsn { new_cumulative_tsn, streams: self.forward.streams().to_vec() })
    }

    /// The FORWARD-TSN just taken did not fit into its packet.
    pub(crate) fn forward_again(&mut self) {
        self.forward.again();
    }

    /// Whether [`Self::forward_tsn`] may answer anything.
    pub(crate) fn forward_is_due(&self) -> bool {
        self.forward.may_be_due()
    }

    /// How many messages were given up, since this was asked last.
    pub(crate) fn take_abandoned(&mut self) -> u64 {
        std::mem::take(&mut self.abandoned)
    }

    fn shrink_if_idle(&mut self) {
        if self.chunks.is_empty() {
            self.lost.clear();
            if self.chunks.capacity() > IDLE_CAPACITY {
                self.chunks.shrink_to(IDLE_CAPACITY);
                self.lost.shrink_to(IDLE_CAPACITY);
                self.scratch = Vec::new();
            }
        }
    }
}

/// A message was abandoned before all of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfinished;
