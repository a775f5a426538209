//! One source of ours: its numbers, what it sent lately, and what the peer says about it.
//!
//! RFC 3550 §6.4.1 (sender reports), RFC 4588 (retransmissions), RFC 9143 §15 and RFC 8852 (names in
//! header extensions until the peer knows the source).
//!
//! ```text
//!   frame ─► Packetizer ─┐
//!                        ├─► numbers ─► pacer ─► leaves ─► History
//!   forwarded packet ────┘                         ▲          │ NACK
//!                                                  └── RTX ◄──┘
//! ```
//!
//! - The state lives as long as the connection: numbers under a key never come again (row 62).
//! - A retransmission has its own source and numbers. Without one agreed on nothing is sent again:
//!   the same number with other header extensions would be two messages under one nonce.
//!
//! Book: the chapters on RTP and on repair.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use rand::Rng;
use srtp::payload::Packetizer;
use srtp::rtcp::{ReportBlock, SenderReport};
use srtp::{PayloadType, SequenceNumber, Ssrc, rtp};

use super::clock::{WallClock, round_trip};
use super::history::{History, Numbered};
use super::numbering::{Numbering, sequence_number};
use super::parameters::{AgreedCodec, LocalSource};
use super::wish::Wish;
use super::{Codec, EncodedFrame, MediaError, MediaPacket, TransceiverId};

/// Report intervals after which a source that sends nothing is no sender any more (RFC 3550 §6.4).
const SILENT_INTERVALS: u8 = 2;

/// Octets of the original sequence number in front of a retransmission (RFC 4588 §4).
pub(crate) const OSN: usize = 2;

/// What was counted of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SentCounters {
    pub(crate) packets: u64,
    /// Of payloads, without padding.
    pub(crate) octets: u64,
    pub(crate) header_octets: u64,
    pub(crate) frames: u64,
    pub(crate) keyframes: u64,
    pub(crate) resent_packets: u64,
    pub(crate) resent_octets: u64,
    pub(crate) nacks: u64,
    pub(crate) picture_losses: u64,
    pub(crate) full_intra_requests: u64,
    pub(crate) dropped: u64,
}

/// What the peer's last report block says (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemoteReport {
    pub(crate) block: ReportBlock,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) total_round_trip: Duration,
    pub(crate) round_trips: u64,
}

/// One source we send, with its repair.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) transceiver: TransceiverId,
    pub(crate) local: LocalSource,
    numbering: Numbering,
    repair_numbering: Numbering,
    history: History,
    packetizer: Option<(Codec, Packetizer)>,
    pub(crate) codec: Option<(Codec, u32)>,
    /// Whether a report covers it: then the peer knows whose it is.
    pub(crate) is_known: bool,
    pub(crate) is_repair_known: bool,
    silent: u8,
    /// What the peer asks for.
    pub(crate) wish: Wish,
    /// Whether the application is to be told.
    pub(crate) is_asked: bool,
    last_full_intra_request: Option<u8>,
    pub(crate) counters: SentCounters,
    pub(crate) remote: Option<RemoteReport>,
}

impl Source {
    pub(crate) fn new(transceiver: TransceiverId, local: LocalSource, rng: &mut impl Rng) -> Self {
        Self {
            transceiver,
            local,
            numbering: Numbering::new(rng),
            repair_numbering: Numbering::new(rng),
            history: History::default(),
            packetizer: None,
            codec: None,
            is_known: false,
            is_repair_known: false,
            silent: SILENT_INTERVALS,
            wish: Wish::default(),
            is_asked: false,
            last_full_intra_request: None,
            counters: SentCounters::default(),
            remote: None,
        }
    }

    /// Cuts a frame of the application's into numbered packets.
    pub(crate) fn packetize(
        &mut self,
        now: Instant,
        codec: &AgreedCodec,
        frame: &EncodedFrame,
        max_payload: usize,
    ) -> Result<Vec<Numbered>, MediaError> {
        let parameters = &codec.parameters;
        let packetizer = match &mut self.packetizer {
            Some((same, packetizer)) if *same == parameters.codec => packetizer,
            other => &mut other.insert((parameters.codec, Packetizer::new(parameters.codec))).1,
        };
        let fragments = packetizer.packetize(&frame.payload, max_payload);
        if fragments.is_empty() {
            return Err(MediaError::Size);
        }
        self.codec = Some((parameters.codec, parameters.clock_rate));
        let timestamp = self.numbering.frame(now, frame.timestamp, parameters.clock_rate);
        let numbered = |fragment: srtp::payload::Fragment| Numbered {
            number: self.numbering.next(),
            payload_type: parameters.payload_type,
            timestamp,
            marker: fragment.marker,
            audio_level: None,
            payload: fragment.payload,
        };
        Ok(fragments.into_iter().map(numbered).collect())
    }

    /// Numbers a packet that came from elsewhere; `None`: it is not to be sent.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        codec: &AgreedCodec,
        packet: &MediaPacket,
    ) -> Option<Numbered> {
        let parameters = &codec.parameters;
        self.codec = Some((parameters.codec, parameters.clock_rate));
        let MediaPacket { ssrc, sequence_number, timestamp, .. } = *packet;
        let (number, timestamp) =
            self.numbering.packet(now, ssrc, sequence_number, timestamp, parameters.clock_rate)?;
        Some(Numbered {
            number,
            payload_type: parameters.payload_type,
            timestamp,
            marker: packet.marker,
            audio_level: packet.audio_level,
            payload: packet.payload.clone(),
        })
    }

    /// A packet leaves; it is kept if it can be repaired.
    pub(crate) fn leaves(&mut self, now: Instant, packet: Numbered, has_repair: bool) {
        self.silent = 0;
        self.counters.packets += 1;
        self.counters.octets += packet.payload.len() as u64;
        if has_repair {
            self.history.insert(now, packet);
        }
    }

    /// The packet that the peer misses, if it may be sent again now.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        round_trip: Duration,
    ) -> Option<Numbered> {
        self.history.resend(now, self.numbering.extend(number), round_trip)
    }

    // ANCHOR: retransmission
    /// The retransmission of a packet (RFC 4588 §4): its own number, and the original's in front of
    /// the payload.
    pub(crate) fn retransmission(
        &mut self,
        packet: &Numbered,
        payload_type: PayloadType,
        extensions: rtp::Extensions,
    ) -> rtp::Packet {
        let mut payload = BytesMut::with_capacity(OSN + packet.payload.len());
        payload.put_u16(sequence_number(packet.number).0);
        payload.put_slice(&packet.payload);
        self.counters.resent_packets += 1;
        self.counters.resent_octets += packet.payload.len() as u64;
        let header = rtp::Header {
            marker: packet.marker,
            payload_type,
            sequence_number: sequence_number(self.repair_numbering.next()),
            timestamp: packet.timestamp,
            ssrc: self.local.rtx,
            csrcs: Vec::new(),
            extensions,
        };
        rtp::Packet { header, payload: payload.freeze(), padding: 0 }
    }
    // ANCHOR_END: retransmission

    /// Nothing but padding, in the repair's numbers, where it cannot be taken for a lost packet.
    pub(crate) fn padding(
        &mut self,
        now: Instant,
        octets: u8,
        payload_type: PayloadType,
        extensions: rtp::Extensions,
    ) -> rtp::Packet {
        let (_, clock_rate) = self.codec.unwrap_or((Codec::Vp8, 90_000));
        let header = rtp::Header {
            marker: false,
            payload_type,
            sequence_number: sequence_number(self.repair_numbering.next()),
            timestamp: self.numbering.timestamp_at(now, clock_rate).unwrap_or_default(),
            ssrc: self.local.rtx,
            csrcs: Vec::new(),
            extensions,
        };
        rtp::Packet { header, payload: Bytes::new(), padding: octets.max(1) }
    }

    /// What we say about ourselves, once in a report interval; `None` if we are silent.
    pub(crate) fn sender_report(
        &mut self,
        now: Instant,
        clock: &WallClock,
    ) -> Option<SenderReport> {
        if self.silent >= SILENT_INTERVALS {
            return None;
        }
        self.silent += 1;
        let (_, clock_rate) = self.codec?;
        Some(SenderReport {
            ssrc: self.local.ssrc,
            ntp_timestamp: clock.ntp(now),
            rtp_timestamp: self.numbering.timestamp_at(now, clock_rate)?,
            packet_count: low_half(self.counters.packets),
            octet_count: low_half(self.counters.octets),
            reports: Vec::new(),
        })
    }

    /// The peer reports on us, or on our repair. The round trip, if the block tells it.
    pub(crate) fn reported(&mut self, arrival: u32, block: &ReportBlock) -> Option<Duration> {
        if block.ssrc == self.local.rtx {
            self.is_repair_known = true;
            return None;
        }
        self.is_known = true;
        let ReportBlock { last_sender_report, delay_since_last_sender_report: delay, .. } = *block;
        let measured = round_trip(arrival, last_sender_report, delay);
        let before = self.remote.take();
        let total = before.map_or(Duration::ZERO, |before| before.total_round_trip);
        self.remote = Some(RemoteReport {
            block: *block,
            round_trip: measured.or(before.and_then(|before| before.round_trip)),
            total_round_trip: total.saturating_add(measured.unwrap_or_default()),
            round_trips: before.map_or(0, |before| before.round_trips)
                + u64::from(measured.is_some()),
        });
        measured
    }

    /// A full intra request: a repeated number is the same command (RFC 5104 §4.3.1.2).
    pub(crate) fn full_intra_request(&mut self, now: Instant, number: u8) {
        if self.last_full_intra_request.replace(number) != Some(number) {
            self.counters.full_intra_requests += 1;
            self.wish.make(now);
        }
    }

    /// Whether a source is ours, or our repair.
    pub(crate) fn has(&self, ssrc: Ssrc) -> bool {
        self.local.ssrc == ssrc || self.local.rtx == ssrc
    }

    pub(crate) fn is_sender(&self) -> bool {
        self.silent < SILENT_INTERVALS
    }
}

/// RTCP counts modulo 2^32.
fn low_half(count: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = count.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
