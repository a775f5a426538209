//! Outbound flights: messages into fragments, records and datagrams, again until they are answered
//! (RFC 6347 §4.2.3–4.2.4).
//!
//! ```text
//!   client                              server
//!   ClientHello             ────────►                        flight 1
//!                           ◄────────   HelloVerifyRequest   flight 2   (servers that ask for a cookie)
//!   ClientHello + cookie    ────────►                        flight 3
//!                           ◄────────   ServerHello … Done   flight 4
//!   Certificate … Finished  ────────►                        flight 5
//!                           ◄────────   CCS, Finished        flight 6   the last: nobody answers it
//!
//!                ┌───────────┐ send, send_last
//!           ┌───►│ Preparing ├────────────┐
//!           │    └───────────┘            ▼
//!           │ answered               ┌─────────┐   expired, peer_repeats
//!           │                        │ Sending │◄───────────────┐
//!           │                        └────┬────┘                │
//!           │                all is out   ▼                     │
//!           │         ┌───────────────────────────────┐         │
//!           └─────────┤ Waiting (Finished after       ├─────────┘
//!                     │ send_last: without a timer)   │
//!                     └───────────────────────────────┘
//! ```
//!
//! A flight is repeated whole. Its messages keep their message_seq and octets; the records around them are
//! made anew each time, with new sequence numbers, and may be cut elsewhere.
//!
//! Invariants: only the newest flight is kept; the timer runs only while everything is out, from the moment the last
//! datagram was taken; each datagram makes progress, however small the limit.
//! Book: "DTLS records and flights".

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::{
    ChangeCipherSpec, ContentType, Epoch, HandshakeFragment, HandshakeHeader, HandshakeMessage,
};

/// Fewest octets of a message worth a record of their own: rather than less, a new datagram begins.
const MIN_FRAGMENT: usize = 32;

/// After so many repetitions without an answer, every second one is cut to [`SMALL_DATAGRAM`]: the
/// path may swallow larger ones in silence (RFC 6347 §4.1.1.1). Not all of them: where the path merely
/// loses much, a flight in one datagram arrives more often than one in two. Firefox begins to cut
/// smaller at the same point.
const REPEATS_AT_FULL_SIZE: u32 = 2;

/// UDP payload that every IPv4 path carries: 576 octets less the headers (RFC 791 §3.1, RFC 768).
const SMALL_DATAGRAM: usize = 548;

/// What a flight is made of, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlightItem {
    /// A handshake message, in as many records of `epoch` as the datagrams need.
    Message {
        /// Epoch of its records: 1 for Finished.
        epoch: Epoch,
        /// The message.
        message: HandshakeMessage,
    },
    /// ChangeCipherSpec, in a record of this epoch.
    ChangeCipherSpec(Epoch),
}

/// Whoever numbers and seals records. Each call takes a new sequence number of the epoch, in a
/// repetition too (RFC 6347 §4.2.4).
pub trait RecordWriter {
    /// Appends one record to `datagram`; nothing if the epoch's numbers are used up.
    fn write_record(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        datagram: &mut Vec<u8>,
    );

    /// Octets of a record of `epoch` beyond its plaintext: header, explicit nonce, tag.
    fn overhead(&self, epoch: Epoch) -> usize;
}

/// When to repeat a flight (RFC 6347 §4.2.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetransmitTimer {
    /// The first interval; each expiry doubles it.
    pub initial: Duration,
    /// The longest interval.
    pub max: Duration,
}

/// The newest flight, and when it goes out again.
#[derive(Debug)]
pub struct Flights {
    mtu: usize,
    timer: RetransmitTimer,
    state: State,
    retransmissions: u64,
}

/// The figure above.
#[derive(Debug)]
enum State {
    /// There is no flight: the peer's is awaited or being handled.
    Preparing,
    /// Datagrams of the flight wait to be taken.
    Sending { flight: Flight, next: Position },
    /// Everything is out.
    Waiting { flight: Flight, sent: Instant },
}

#[derive(Debug)]
struct Flight {
    items: Vec<FlightItem>,
    /// Until the next repetition; `None` for the last flight, which is repeated on demand only.
    interval: Option<Duration>,
    repeats: u32,
}

/// What of a flight goes out next.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    /// Index of the item.
    item: usize,
    /// Octets of its body that are out.
    offset: usize,
}

impl Flights {
    /// No flight yet. `mtu`: octets of the largest datagram.
    #[must_use]
    pub fn new(mtu: usize, timer: RetransmitTimer) -> Self {
        Self { mtu, timer, state: State::Preparing, retransmissions: 0 }
    }

    /// Queues a new flight in place of the one before it, which the peer has answered. It is
    /// repeated with doubling intervals until the next call.
    pub fn send(&mut self, items: Vec<FlightItem>) {
        self.queue(items, Some(self.timer.initial));
    }

    /// Queues the last flight of the handshake, which nobody answers: it is repeated only when the
    /// peer repeats its own (RFC 6347 §4.2.4).
    pub fn send_last(&mut self, items: Vec<FlightItem>) {
        self.queue(items, None);
    }

    fn queue(&mut self, items: Vec<FlightItem>, interval: Option<Duration>) {
        let flight = Flight { items, interval, repeats: 0 };
        self.state = State::Sending { flight, next: Position::default() };
    }

    /// The flight has been answered, or the connection is over: it is forgotten.
    pub fn answered(&mut self) {
        self.state = State::Preparing;
    }

    // ANCHOR: repeats
    /// The peer repeated the flight that this one answers, so it misses this one: it goes out again.
    ///
    /// Not sooner than half the timer's first interval after the last time, or anybody who repeats a
    /// ClientHello could make us repeat a flight ten times its size as fast.
    pub fn peer_repeats(&mut self, now: Instant) {
        if let State::Waiting { sent, .. } = &self.state
            && now.saturating_duration_since(*sent) >= self.timer.initial / 2
        {
            self.repeat();
        }
    }
    // ANCHOR_END: repeats

    // ANCHOR: timeout
    /// The flight goes out again if its timer has expired; the next interval is twice as long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|expires| now < expires) {
            return;
        }
        if let State::Waiting { flight: Flight { interval: Some(interval), .. }, .. } =
            &mut self.state
        {
            *interval = interval.saturating_mul(2).min(self.timer.max);
        }
        self.repeat();
    }
    // ANCHOR_END: timeout

    /// WAITING → SENDING.
    fn repeat(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Preparing) {
            State::Waiting { mut flight, .. } => {
                flight.repeats = flight.repeats.saturating_add(1);
                self.retransmissions = self.retransmissions.saturating_add(1);
                tracing::debug!(repeats = flight.repeats, "flight goes out again");
                State::Sending { flight, next: Position::default() }
            }
            other => other,
        };
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { flight: Flight { interval: Some(interval), .. }, sent } => {
                sent.checked_add(*interval)
            }
            _ => None,
        }
    }

    /// The next datagram, its records written by `records`. Call until `None`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        records: &mut impl RecordWriter,
    ) -> Option<Bytes> {
        let State::Sending { flight, next } = &mut self.state else { return None };
        let small = flight.repeats > REPEATS_AT_FULL_SIZE && flight.repeats % 2 == 1;
        let limit = if small { self.mtu.min(SMALL_DATAGRAM) } else { self.mtu };
        let mut datagram = Vec::with_capacity(limit);
        *next = flight.fill(&mut datagram, *next, limit, records);
        if next.item >= flight.items.len() {
            self.state = match std::mem::replace(&mut self.state, State::Preparing) {
                State::Sending { flight, .. } => State::Waiting { flight, sent: now },
                other => other,
            };
        }
        // Empty: the epoch's numbers are used up, or the flight had no items.
        (!datagram.is_empty()).then(|| datagram.into())
    }

    /// How many times a flight went out again, over the whole handshake.
    #[must_use]
    pub fn retransmissions(&self) -> u64 {
        self.retransmissions
    }
}

impl Flight {
    /// Writes records from `next` on until the datagram is full or the flight ends; returns what is
    /// next. Always goes on by at least one record.
    fn fill(
        &self,
        datagram: &mut Vec<u8>,
        mut next: Position,
        limit: usize,
        records: &mut impl RecordWriter,
    ) -> Position {
        let mut plaintext = Vec::new();
        let mut first = true;
        while let Some(item) = self.items.get(next.item) {
            plaintext.clear();
            let epoch = match item {
                FlightItem::Message { epoch, .. } | FlightItem::ChangeCipherSpec(epoch) => *epoch,
            };
            let room = limit.saturating_sub(datagram.len() + records.overhead(epoch));
            match item {
                FlightItem::ChangeCipherSpec(_) => {
                    if room < 1 && !first {
                        break;
                    }
                    ChangeCipherSpec.write(&mut plaintext);
                    let ty = ContentType::CHANGE_CIPHER_SPEC;
                    records.write_record(epoch, ty, &plaintext, datagram);
                    next = Position { item: next.item + 1, offset: 0 };
                }
                FlightItem::Message { message, .. } => {
                    let left = message.body().get(next.offset..).unwrap_or_default();
                    let room = room.saturating_sub(HandshakeHeader::LENGTH);
                    if room < left.len().min(MIN_FRAGMENT) && !first {
                        break;
                    }
                    let size = left.len().min(room.max(MIN_FRAGMENT));
                    fragment(message, next.offset, size, &mut plaintext);
                    records.write_record(epoch, ContentType::HANDSHAKE, &plaintext, datagram);
                    next = match size == left.len() {
                        true => Position { item: next.item + 1, offset: 0 },
                        false => Position { offset: next.offset + size, ..next },
                    };
                }
            }
            first = false;
        }
        next
    }
}

/// Appends `size` octets of the message's body from `offset` on, with their header.
fn fragment(message: &HandshakeMessage, offset: usize, size: usize, out: &mut Vec<u8>) {
    // Bodies are shorter than 2^24 octets, so each of the three numbers fits.
    let u24 = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let header = HandshakeHeader {
        msg_type: message.msg_type(),
        length: u24(message.body().len()),
        message_seq: message.message_seq(),
        fragment_offset: u24(offset),
        fragment_length: u24(size),
    };
    let body = message.body().get(offset..).and_then(|rest| rest.get(..size));
    HandshakeFragment { header, body: body.unwrap_or_default() }.write(out);
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::reassembly::Reassembly;
    use crate::wire::{
        HandshakeType, MessageSeq, ProtocolVersion, RecordHeader, SequenceNumber, split,
    };

    /// Numbers records, seals nothing.
    #[derive(Default)]
    struct Plain {
        next: [u64; 2],
    }

    impl RecordWriter for Plain {
        fn write_record(
            &mut self,
            epoch: Epoch,
            content_type: ContentType,
            plaintext: &[u8],
            datagram: &mut Vec<u8>,
        ) {
            let next = &mut self.next[usize::from(epoch.0)];
            RecordHeader {
                content_type,
                version: ProtocolVersion::DTLS_1_2,
                epoch,
                sequence_number: SequenceNumber::new(*next).unwrap(),
                length: u16::try_from(plaintext.len()).unwrap(),
            }
            .write(datagram);
            *next += 1;
            datagram.extend_from_slice(plaintext);
        }

        fn overhead(&self, _: Epoch) -> usize {
            RecordHeader::LENGTH
        }
    }

    const TIMER: RetransmitTimer =
        RetransmitTimer { initial: Duration::from_millis(100), max: Duration::from_secs(2) };

    fn message(seq: u16, length: usize) -> HandshakeMessage {
        let body: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        HandshakeMessage::from_body(HandshakeType::CERTIFICATE, MessageSeq(seq), &body)
    }

    fn flight(lengths: &[usize]) -> Vec<FlightItem> {
        let message = |(seq, length): (usize, &usize)| FlightItem::Message {
            epoch: Epoch(0),
            message: message(u16::try_from(seq).unwrap(), *length),
        };
        lengths.iter().enumerate().map(message).collect()
    }

    fn drain(flights: &mut Flights, now: Instant, records: &mut Plain) -> Vec<Bytes> {
        std::iter::from_fn(|| flights.poll_transmit(now, records)).collect()
    }

    /// What a peer makes of the datagrams.
    fn received(datagrams: &[Bytes]) -> Vec<HandshakeMessage> {
        let mut reassembly = Reassembly::new();
        let mut messages = Vec::new();
        for datagram in datagrams {
            for record in split(BytesMut::from(&datagram[..])) {
                let record = record.unwrap();
                if record.header.content_type == ContentType::HANDSHAKE {
                    for fragment in HandshakeFragment::parse_all(&record.fragment).unwrap() {
                        reassembly.insert(record.header.epoch, &fragment).unwrap();
                    }
                }
                messages.extend(std::iter::from_fn(|| reassembly.pop()).map(|r| r.message));
            }
        }
        messages
    }

    fn sequence_numbers(datagrams: &[Bytes]) -> Vec<u64> {
        let records = datagrams.iter().flat_map(|d| split(BytesMut::from(&d[..])));
        records.map(|record| record.unwrap().header.sequence_number.get()).collect()
    }

    #[test]
    fn several_messages_share_a_datagram_and_a_long_one_spans_two() {
        let (mut flights, mut records, now) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[70, 1500, 0, 30]));
        let datagrams = drain(&mut flights, now, &mut records);
        assert_eq!(datagrams.iter().map(Bytes::len).collect::<Vec<_>>(), [1200, 525]);
        assert_eq!(received(&datagrams).len(), 4);
    }

    #[test]
    fn trap_a_repetition_has_the_same_messages_and_new_record_numbers() {
        let (mut flights, mut records, now) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[70, 300]));
        let first = drain(&mut flights, now, &mut records);
        flights.handle_timeout(now + TIMER.initial);
        let second = drain(&mut flights, now + TIMER.initial, &mut records);
        assert_eq!(received(&first), received(&second));
        assert_eq!((sequence_numbers(&first), sequence_numbers(&second)), (vec![0, 1], vec![2, 3]));
        assert_eq!(flights.retransmissions(), 1);
    }

    #[test]
    fn the_timer_doubles_up_to_its_limit() {
        let (mut flights, mut records, start) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[70]));
        drain(&mut flights, start, &mut records);
        let mut now = start;
        let mut intervals = Vec::new();
        for _ in 0..7 {
            let expires = flights.poll_timeout().unwrap();
            intervals.push((expires - now).as_millis());
            now = expires;
            flights.handle_timeout(now);
            flights.handle_timeout(now); // a second call is harmless
            assert_eq!(drain(&mut flights, now, &mut records).len(), 1);
        }
        assert_eq!(intervals, [100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn the_timer_starts_when_the_last_datagram_is_taken() {
        let (mut flights, mut records, start) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[1500]));
        let late = start + Duration::from_secs(5);
        flights.handle_timeout(late);
        assert_eq!(flights.poll_timeout(), None);
        drain(&mut flights, late, &mut records);
        assert_eq!(flights.poll_timeout(), Some(late + TIMER.initial));
        flights.answered();
        assert_eq!(flights.poll_timeout(), None);
    }

    #[test]
    fn the_last_flight_has_no_timer_but_answers_the_peers_repetition() {
        let (mut flights, mut records, now) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        let mut items = vec![FlightItem::ChangeCipherSpec(Epoch(0))];
        items.push(FlightItem::Message { epoch: Epoch(1), message: message(5, 12) });
        flights.send_last(items);
        let first = drain(&mut flights, now, &mut records);
        assert_eq!((first.len(), flights.poll_timeout()), (1, None));
        let later = now + Duration::from_secs(60);
        flights.peer_repeats(later);
        assert_eq!(drain(&mut flights, later, &mut records).len(), 1);
        assert_eq!(records.next, [2, 2]);
    }

    #[test]
    fn row_55_the_same_flight_sixty_times_is_answered_once_per_timer() {
        let (mut flights, mut records, start) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[600]));
        let mut sent = drain(&mut flights, start, &mut records).len();
        for millisecond in 0..60 {
            let now = start + Duration::from_millis(millisecond);
            flights.peer_repeats(now);
            sent += drain(&mut flights, now, &mut records).len();
        }
        assert_eq!(sent, 2);
    }

    #[test]
    fn datagrams_shrink_after_repetitions_without_answer() {
        let (mut flights, mut records, mut now) =
            (Flights::new(1200, TIMER), Plain::default(), Instant::now());
        flights.send(flight(&[1400]));
        let mut largest = Vec::new();
        for _ in 0..6 {
            let datagrams = drain(&mut flights, now, &mut records);
            assert_eq!(received(&datagrams), [message(0, 1400)]);
            largest.push(datagrams.iter().map(Bytes::len).max().unwrap());
            now = flights.poll_timeout().unwrap();
            flights.handle_timeout(now);
        }
        assert_eq!(largest, [1200, 1200, 1200, 548, 1200, 548]);
    }

    proptest! {
        #[test]
        fn any_flight_arrives_whole_at_any_mtu(
            lengths in prop::collection::vec(0..2000_usize, 0..8),
            mtu in 0..1500_usize,
        ) {
            let (mut flights, mut records) = (Flights::new(mtu, TIMER), Plain::default());
            flights.send(flight(&lengths));
            let datagrams = drain(&mut flights, Instant::now(), &mut records);
            let smallest = RecordHeader::LENGTH + HandshakeHeader::LENGTH + MIN_FRAGMENT;
            prop_assert!(datagrams.iter().all(|d| d.len() <= mtu.max(smallest)));
            let expected: Vec<_> =
                (0..).zip(&lengths).map(|(seq, length)| message(seq, *length)).collect();
            prop_assert_eq!(received(&datagrams), expected);
        }
    }
}
