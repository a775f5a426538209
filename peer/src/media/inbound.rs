//! One source of the peer's: from its packets to frames and packets for the application.
//!
//! RFC 3550 §6.4, §A; RFC 4585 §6.2.1, §6.3.1; RFC 4588.
//!
//! ```text
//!             ┌─► Reception (numbers, loss, jitter) ─► report blocks
//!   packet ───┼─► Missing ─► NACK                   repair ─► as if it had come itself
//!             ├─► MediaPacket, at once                   
//!             └─► Reorder ─► Depacketizer ─► MediaFrame
//!                    └ passed over a gap ─► PLI until a keyframe is there
//! ```
//!
//! How long a gap is waited for: where the peer repairs, four round trips and a little, between 60
//! and 500 ms; where it does not, only as long as packets overtake each other: twice the jitter,
//! between 20 and 100 ms.
//!
//! - Of a video stream nothing is delivered before its first keyframe.
//! - A number is taken once; duplicates and latecomers are counted and dropped.
//!
//! Book: the chapter on repair.

use std::sync::Arc;
use std::time::{Duration, Instant};

use srtp::payload::{Depacketizer, begins_keyframe, dimensions};
use srtp::{Ssrc, rtp};

use super::delivery::Delivery;
use super::missing::Missing;
use super::parameters::AgreedCodec;
use super::reception::{Place, Reception};
use super::reorder::{Next, Reorder};
use super::wish::Wish;
use super::{Codec, MediaFrame, MediaKind, MediaPacket, ReceiveMode, Received, Rid};

/// A keyframe is asked for again after two round trips, but not more often than this.
const MIN_WISH_INTERVAL: Duration = Duration::from_millis(300);

/// How long a keyframe that has begun may take before another is asked for.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// What was counted of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReceivedCounters {
    pub(crate) octets: u64,
    pub(crate) repaired_packets: u64,
    pub(crate) repaired_octets: u64,
    pub(crate) duplicates: u64,
    pub(crate) malformed: u64,
    pub(crate) nacks: u64,
    pub(crate) picture_losses: u64,
    pub(crate) full_intra_requests: u64,
    pub(crate) frames: u64,
    pub(crate) keyframes: u64,
    /// Frames that came before the first keyframe.
    pub(crate) frames_dropped: u64,
    /// Packets that did not come in time, and nothing repaired them.
    pub(crate) passed_over: u64,
}

/// What a stream needs to know beside the packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    pub(crate) now: Instant,
    pub(crate) kind: MediaKind,
    pub(crate) mode: ReceiveMode,
    pub(crate) round_trip: Duration,
    /// Octets that the application's queue may have.
    pub(crate) room: usize,
    /// Octets that this source may have wait: packets behind a gap, and parts of a frame.
    pub(crate) waiting_room: usize,
}

/// A stream of media.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) ssrc: Ssrc,
    pub(crate) rid: Option<Rid>,
    pub(crate) reception: Reception,
    pub(crate) missing: Missing,
    reorder: Reorder,
    assembly: Option<(Codec, Depacketizer)>,
    /// Octets of the frame under way.
    assembling: usize,
    /// What the last packet was encoded in, with its clock.
    pub(crate) codec: Option<(Codec, u32)>,
    /// Whether the peer sends missing packets again.
    pub(crate) is_repaired: bool,
    pub(crate) wish: Wish,
    has_keyframe: bool,
    after_loss: bool,
    pub(crate) dimensions: Option<(u16, u16)>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) last_packet: Option<Instant>,
    pub(crate) counters: ReceivedCounters,
}

impl Inbound {
    /// Begins with its first packet, which is still to be handled.
    pub(crate) fn new(now: Instant, first: &rtp::Packet, rid: Option<Rid>) -> Self {
        let rtp::Header { ssrc, sequence_number, .. } = first.header;
        Self {
            ssrc,
            rid,
            reception: Reception::new(now, sequence_number),
            missing: Missing::default(),
            reorder: Reorder::default(),
            assembly: None,
            assembling: 0,
            codec: None,
            is_repaired: false,
            wish: Wish::default(),
            has_keyframe: false,
            after_loss: false,
            dimensions: None,
            audio_level: None,
            last_packet: None,
            counters: ReceivedCounters::default(),
        }
    }

    /// Takes a packet: one that came itself, or whose retransmission did.
    pub(crate) fn handle(
        &mut self,
        at: Circumstances,
        codec: &AgreedCodec,
        packet: rtp::Packet,
        is_repair: bool,
        delivery: &mut Delivery,
    ) {
        let parameters = &codec.parameters;
        let number = self.reception.extend(packet.header.sequence_number);
        match self.reception.place(number) {
            Place::Ahead { missing_from } => {
                if !self.missing.noticed(at.now, missing_from..number) {
                    self.begin_anew(at);
                }
            }
            Place::Anew => self.begin_anew(at),
            Place::Behind if self.missing.found(number) => {}
            Place::Behind => {
                self.counters.duplicates += 1;
                return;
            }
        }
        self.codec = Some((parameters.codec, parameters.clock_rate));
        self.is_repaired = codec.feedback.nack;
        self.last_packet = Some(at.now);
        if is_repair {
            self.counters.repaired_packets += 1;
            self.counters.repaired_octets += packet.payload.len() as u64;
        } else {
            self.reception.received += 1;
            self.reception.timed(at.now, packet.header.timestamp, parameters.clock_rate);
        }
        self.counters.octets += packet.payload.len() as u64;
        self.deliver(at, number, packet, delivery);
    }

    fn deliver(
        &mut self,
        at: Circumstances,
        number: u64,
        packet: rtp::Packet,
        delivery: &mut Delivery,
    ) {
        let wants_keyframe = at.kind == MediaKind::Video && !self.has_keyframe;
        if wants_keyframe && at.mode != ReceiveMode::Discard {
            self.wish.make(at.now);
            let codec = self.codec.map(|(codec, _)| codec);
            if codec.is_some_and(|codec| begins_keyframe(codec, &packet.payload)) {
                self.wish.put_off(at.now + UNDER_WAY);
            }
        }
        if matches!(at.mode, ReceiveMode::Packets | ReceiveMode::Both) && !packet.payload.is_empty()
        {
            let packet = self.media_packet(at.now, number, &packet);
            if at.mode == ReceiveMode::Packets && packet.begins_keyframe {
                self.has_keyframe = true;
                self.wish.fulfil();
            }
            delivery.push(Received::Packet(Arc::new(packet)), at.room);
        }
        if matches!(at.mode, ReceiveMode::Frames | ReceiveMode::Both) {
            self.reorder.push(at.now, number, packet);
            self.assemble(at, delivery);
            if self.octets_held() > at.waiting_room {
                self.begin_anew(at);
            }
        }
    }

    fn media_packet(&self, now: Instant, number: u64, packet: &rtp::Packet) -> MediaPacket {
        let codec = self.codec.map_or(Codec::Opus, |(codec, _)| codec);
        MediaPacket {
            codec,
            rid: self.rid.clone(),
            ssrc: self.ssrc,
            sequence_number: number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            audio_level: self.audio_level,
            begins_keyframe: begins_keyframe(codec, &packet.payload),
            received_at: now,
            payload: packet.payload.clone(),
        }
    }

    /// Puts together what is in order.
    fn assemble(&mut self, at: Circumstances, delivery: &mut Delivery) {
        let wait = self.wait(at.round_trip);
        while let Some(next) = self.reorder.poll(at.now, wait) {
            match next {
                Next::Gap(count) => {
                    self.counters.passed_over += count;
                    self.lose(at);
                }
                Next::Packet(packet) => self.depacketize(at, &packet, delivery),
            }
        }
        // What is asked for as packets may come later still.
        if let Some(next) = self.reorder.next().filter(|_| at.mode == ReceiveMode::Frames) {
            self.missing.forget_before(next);
        }
    }

    fn depacketize(&mut self, at: Circumstances, packet: &rtp::Packet, delivery: &mut Delivery) {
        // Nothing but padding: it only had a number.
        if packet.payload.is_empty() {
            return;
        }
        let Some((codec, _)) = self.codec else { return };
        let depacketizer = match &mut self.assembly {
            Some((same, depacketizer)) if *same == codec => depacketizer,
            other => &mut other.insert((codec, Depacketizer::new(codec))).1,
        };
        self.assembling += packet.payload.len();
        if depacketizer.push(packet).is_err() {
            self.counters.malformed += 1;
            self.lose(at);
            return;
        }
        while let Some((_, depacketizer)) = &mut self.assembly
            && let Some(frame) = depacketizer.poll_frame()
        {
            self.assembling = 0;
            self.deliver_frame(at, codec, frame, delivery);
        }
    }

    fn deliver_frame(
        &mut self,
        at: Circumstances,
        codec: Codec,
        frame: srtp::payload::Frame,
        delivery: &mut Delivery,
    ) {
        self.counters.frames += 1;
        if frame.is_keyframe {
            self.counters.keyframes += 1;
            self.has_keyframe = true;
            self.wish.fulfil();
            self.dimensions = dimensions(codec, &frame.payload).or(self.dimensions);
        } else if !self.has_keyframe && at.kind == MediaKind::Video {
            self.counters.frames_dropped += 1;
            return;
        }
        let frame = MediaFrame {
            codec,
            rid: self.rid.clone(),
            ssrc: self.ssrc,
            timestamp: frame.timestamp,
            is_keyframe: frame.is_keyframe,
            after_loss: std::mem::take(&mut self.after_loss),
            received_at: at.now,
            payload: frame.payload,
        };
        delivery.push(Received::Frame(frame), at.room);
    }

    /// Something is lost for good: frames after it may not be decodable.
    fn lose(&mut self, at: Circumstances) {
        self.after_loss = true;
        self.assembling = 0;
        if let Some((_, depacketizer)) = &mut self.assembly {
            depacketizer.lost();
        }
        if at.kind == MediaKind::Video && at.mode != ReceiveMode::Discard {
            self.wish.make(at.now);
        }
    }

    /// The numbers jumped, or too many are missing to ask for.
    fn begin_anew(&mut self, at: Circumstances) {
        self.missing.clear();
        self.reorder.clear();
        self.lose(at);
    }

    /// Another way of delivering begins with a keyframe.
    pub(crate) fn set_mode(&mut self, now: Instant, kind: MediaKind, mode: ReceiveMode) {
        self.reorder.clear();
        self.assembly = None;
        self.assembling = 0;
        self.has_keyframe = false;
        self.after_loss = false;
        match (kind, mode) {
            (MediaKind::Video, ReceiveMode::Frames | ReceiveMode::Packets | ReceiveMode::Both) => {
                self.wish.make(now);
            }
            _ => self.wish.fulfil(),
        }
    }

    /// Lets time pass; the numbers to ask for.
    pub(crate) fn handle_timeout(
        &mut self,
        at: Circumstances,
        delivery: &mut Delivery,
    ) -> Vec<u64> {
        let asks = self.is_repaired && at.mode != ReceiveMode::Discard;
        let due = self.missing.handle_timeout(at.now, at.round_trip, asks);
        if due.given_up > 0 && at.mode == ReceiveMode::Packets {
            self.counters.passed_over += due.given_up as u64;
            self.lose(at);
        }
        self.assemble(at, delivery);
        self.counters.nacks += u64::from(!due.wanted.is_empty());
        due.wanted
    }

    pub(crate) fn poll_timeout(&self, round_trip: Duration) -> Option<Instant> {
        let timers = [
            self.missing.poll_timeout(),
            self.reorder.poll_timeout(self.wait(round_trip)),
            self.wish.poll_timeout(wish_interval(round_trip)),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether to ask for a keyframe now.
    pub(crate) fn asks_for_keyframe(&mut self, now: Instant, round_trip: Duration) -> bool {
        self.wish.is_due(now, wish_interval(round_trip))
    }

    // ANCHOR: wait
    /// How long a gap is waited for.
    fn wait(&self, round_trip: Duration) -> Duration {
        let milliseconds = Duration::from_millis;
        if self.is_repaired {
            // Two answers may be lost, and queues are longer than the round trip says.
            let tries = 4 * round_trip + milliseconds(20);
            return tries.clamp(milliseconds(60), milliseconds(500));
        }
        let (_, clock_rate) = self.codec.unwrap_or((Codec::Opus, 48_000));
        let overtaking = 2 * self.reception.jitter_time(clock_rate);
        overtaking.clamp(milliseconds(20), milliseconds(100))
    }
    // ANCHOR_END: wait

    /// Octets that wait for their turn.
    pub(crate) fn octets_held(&self) -> usize {
        self.reorder.octets() + self.assembling
    }

    /// The source says that it is over: nothing more is expected of it.
    pub(crate) fn end(&mut self) {
        self.missing.clear();
        self.wish.fulfil();
    }
}

/// How often a keyframe is asked for.
pub(crate) fn wish_interval(round_trip: Duration) -> Duration {
    (2 * round_trip).max(MIN_WISH_INTERVAL)
}
