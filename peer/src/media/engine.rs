//! All media of a connection, without encryption: sections, sources and streams, and their timers.
//!
//! RFC 3550, RFC 4585, RFC 8834 (what WebRTC takes of RTP).
//!
//! ```text
//!   send_frame, send_packet ─► Source ─► Pacer ──────────────► poll_transmit   (sending)
//!                                ▲ NACK, PLI, reports              ▲
//!   handle_rtcp ─────────────────┴──► CongestionControl ─► target  │           (feedback)
//!   handle_rtp ─► Router ─► Inbound ─► Delivery ─► recv            │           (receiving)
//!                              └─► NACK, PLI, reports ─────────────┘
//! ```
//!
//! - It sees packets, never datagrams: SRTP is the connection's affair.
//! - What packets teach is bounded: [`MAX_STREAMS`] sources, [`MAX_WAITING_OCTETS`] behind gaps,
//!   [`MAX_RECEIVED_OCTETS`] that the application has not taken.
//! - A source of ours keeps its numbers for as long as it sends; if its section ceases to, it never
//!   comes back under the same name, so no number of it is used twice.
//!
//! Book: the chapters on RTP and on feedback.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand::rngs::StdRng;
use srtp::{Ssrc, rtcp, rtp};

use super::clock::WallClock;
use super::congestion::{Bitrates, CongestionControl, FeedbackRecorder, Pacer};
use super::delivery::Delivery;
use super::inbound::{Circumstances, Inbound, wish_interval};
use super::outbound::Source;
use super::parameters::{Extension, SectionParameters};
use super::router::{Role, Router};
use super::sending::Queued;
use super::{MediaKind, ReceiveMode, Rid, TransceiverId};

/// Sources of the peer's at a time: three layers with their repair, five times. Beyond, a new one
/// takes the place of one that is silent, or is dropped.
pub(crate) const MAX_STREAMS: usize = 32;

/// A source that was silent for so long may lose its place.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// Octets of packets behind gaps and of unfinished frames, of all sources together: a second at
/// 8 Mbit/s.
pub(crate) const MAX_WAITING_OCTETS: usize = 1 << 20;

/// Octets that wait for the application, of all transceivers together.
pub(crate) const MAX_RECEIVED_OCTETS: usize = 1 << 20;

/// The round trip before one was measured.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// A change of the target worth telling: one in twenty.
const TELLING_SHARE: u64 = 20;

/// A packet that leaves, still in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Rtp(BytesMut),
    Rtcp(BytesMut),
}

/// News for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaEvent {
    /// A transceiver that had nothing to deliver has something.
    Readable(TransceiverId),
    /// The peer needs a keyframe.
    KeyframeRequested(TransceiverId, Option<Rid>),
    /// What the path carries, bits per second.
    TargetBitrate(u64),
}

/// A source of the peer's.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) transceiver: TransceiverId,
    pub(crate) last_heard: Instant,
    pub(crate) content: Content,
}

/// What it sends.
#[derive(Debug)]
pub(crate) enum Content {
    Media(Box<Inbound>),
    /// Retransmissions: only their numbers are kept.
    Repair {
        reception: super::reception::Reception,
        role: Role,
        rid: Option<Rid>,
    },
}

/// Packets that were dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Of no section, of a payload type the section does not have, or more than the bound.
    pub(crate) unknown: u64,
    /// Retransmissions that fit nothing.
    pub(crate) repairs: u64,
}

/// The media of one connection.
#[derive(Debug)]
pub(crate) struct Media {
    pub(super) rng: StdRng,
    pub(super) clock: WallClock,
    pub(super) cname: Bytes,
    /// Who reports, if nothing is sent.
    pub(super) reporter: Ssrc,
    pub(super) sections: BTreeMap<TransceiverId, SectionParameters>,
    pub(super) deliveries: BTreeMap<TransceiverId, Delivery>,
    pub(super) router: Router,
    pub(super) sources: BTreeMap<Ssrc, Source>,
    pub(super) streams: BTreeMap<Ssrc, Stream>,
    pub(super) pacer: Pacer<Queued>,
    pub(super) congestion: CongestionControl,
    pub(super) recorder: FeedbackRecorder,
    /// The header extension of transport-wide numbers, if packets come with it.
    pub(super) transport_number: Option<u8>,
    pub(super) audio_level: Option<u8>,
    /// Feedback that waits to be sent; bounded in `feedback`.
    pub(super) feedback: VecDeque<rtcp::Packet>,
    pub(super) outbox: VecDeque<BytesMut>,
    pub(super) next_report: Option<Instant>,
    /// The receivers' reference times to answer: whose, what, when (RFC 3611 §4.5).
    pub(super) reference_times: VecDeque<(Ssrc, u32, Instant)>,
    pub(super) round_trip: Duration,
    /// Whether RTCP has measured it.
    pub(super) is_measured: bool,
    pub(super) full_intra_requests: u8,
    told_target: u64,
    pub(crate) dropped: Dropped,
}

impl Media {
    /// Media of a connection on which nothing is agreed yet. `since_unix_epoch`: what time it is;
    /// `cname`: our name in RTCP.
    pub(crate) fn new(
        now: Instant,
        mut rng: StdRng,
        since_unix_epoch: Duration,
        cname: &str,
        bitrates: Bitrates,
    ) -> Self {
        let congestion = CongestionControl::new(now, bitrates);
        Self {
            clock: WallClock::new(now, since_unix_epoch),
            cname: Bytes::copy_from_slice(cname.as_bytes()),
            reporter: Ssrc(rng.random_range(1..=u32::MAX)),
            rng,
            sections: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            router: Router::default(),
            sources: BTreeMap::new(),
            streams: BTreeMap::new(),
            pacer: Pacer::new(now, congestion.pacing_rate()),
            congestion,
            recorder: FeedbackRecorder::new(now),
            transport_number: None,
            audio_level: None,
            feedback: VecDeque::new(),
            outbox: VecDeque::new(),
            next_report: None,
            reference_times: VecDeque::new(),
            round_trip: INITIAL_ROUND_TRIP,
            is_measured: false,
            full_intra_requests: 0,
            told_target: 0,
            dropped: Dropped::default(),
        }
    }

    /// An agreement is in force: these are the sections there are.
    pub(crate) fn configure(&mut self, now: Instant, sections: Vec<SectionParameters>) {
        self.router = Router::new(sections.iter());
        let id = |extension| {
            sections.iter().find_map(|section| section.extensions.get(&extension).copied())
        };
        self.transport_number = id(Extension::TransportSequenceNumber);
        self.audio_level = id(Extension::AudioLevel);
        let sections: BTreeMap<_, _> =
            sections.into_iter().map(|section| (section.transceiver, section)).collect();
        // What is over is not read any more, and must not take the others' room.
        for (id, delivery) in &mut self.deliveries {
            if !sections.contains_key(id) {
                delivery.clear();
            }
        }
        self.sections = sections;
        for section in self.sections.values() {
            let sources = section.send.iter().flat_map(|send| &send.sources);
            for local in sources {
                let rng = &mut self.rng;
                let new = || Source::new(section.transceiver, local.clone(), rng);
                self.sources.entry(local.ssrc).or_insert_with(new).local = local.clone();
            }
            self.deliveries.entry(section.transceiver).or_default();
        }
        let sections = &self.sections;
        let sends = |source: &Source| {
            let send = sections.get(&source.transceiver).and_then(|section| section.send.as_ref());
            send.is_some_and(|send| send.sources.contains(&source.local))
        };
        // What no longer sends never comes back under the same name.
        self.sources.retain(|_, source| sends(source));
        // A source whose section no longer receives is forgotten; it begins anew if it comes back.
        let receives = |id| {
            sections.get(&id).is_some_and(|section: &SectionParameters| section.receive.is_some())
        };
        self.streams.retain(|_, stream| receives(stream.transceiver));
        let is_media = !self.sections.is_empty();
        if is_media && self.next_report.is_none() {
            // RFC 3550 §6.2: the first interval is half of the others.
            self.next_report = Some(now + super::feedback::REPORT_INTERVAL / 2);
        } else if !is_media {
            self.next_report = None;
        }
    }

    /// Forgets transceivers that are over, with what they have not delivered.
    pub(crate) fn retain(&mut self, lives: impl Fn(TransceiverId) -> bool) {
        self.deliveries.retain(|id, _| lives(*id));
    }

    /// The round trip as ICE measures it: good until RTCP has measured its own.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        if !self.is_measured {
            self.round_trip = round_trip;
        }
    }

    /// What waits is not sent any more, but for a farewell (RFC 3550 §6.6).
    pub(crate) fn close(&mut self, now: Instant) {
        self.say_goodbye();
        self.pacer = Pacer::new(now, self.congestion.pacing_rate());
        self.sections.clear();
        self.next_report = None;
    }

    /// What a stream of a section needs to know.
    pub(super) fn circumstances(
        &self,
        now: Instant,
        id: TransceiverId,
        ssrc: Ssrc,
    ) -> Circumstances {
        let waits = |(other, stream): (&Ssrc, &Stream)| match &stream.content {
            Content::Media(inbound) if *other != ssrc => inbound.octets_held(),
            _ => 0,
        };
        let waiting: usize = self.streams.iter().map(waits).sum();
        let others = self.deliveries.iter().filter(|(other, _)| **other != id);
        let received: usize = others.map(|(_, delivery)| delivery.octets()).sum();
        Circumstances {
            now,
            kind: self.sections.get(&id).map_or(MediaKind::Audio, |section| section.kind),
            mode: self.deliveries.get(&id).map_or(ReceiveMode::Discard, |delivery| delivery.mode),
            round_trip: self.round_trip,
            room: MAX_RECEIVED_OCTETS.saturating_sub(received),
            waiting_room: MAX_WAITING_OCTETS.saturating_sub(waiting),
        }
    }

    /// The next event. Call until `None`.
    pub(crate) fn poll_event(&mut self) -> Option<MediaEvent> {
        for (id, delivery) in &mut self.deliveries {
            if delivery.take_news() {
                return Some(MediaEvent::Readable(*id));
            }
        }
        for source in self.sources.values_mut() {
            if std::mem::take(&mut source.is_asked) {
                let rid = source.local.rid.clone();
                return Some(MediaEvent::KeyframeRequested(source.transceiver, rid));
            }
        }
        let target = self.congestion.target();
        let change = target.abs_diff(self.told_target);
        let is_sent = self.sources.values().any(Source::is_sender);
        if is_sent && change > 0 && change >= self.told_target / TELLING_SHARE {
            self.told_target = target;
            return Some(MediaEvent::TargetBitrate(target));
        }
        None
    }

    /// Lets expired timers act.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.congestion.handle_timeout(now);
        self.follow_target(now);
        self.tend_streams(now);
        self.heed_wishes(now);
        self.report(now);
    }

    /// What the peer wishes is told to the application, at the pace that makes sense.
    pub(super) fn heed_wishes(&mut self, now: Instant) {
        let interval = wish_interval(self.round_trip);
        for source in self.sources.values_mut() {
            if source.wish.is_due(now, interval) {
                source.wish.fulfil();
                source.is_asked = true;
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let round_trip = self.round_trip;
        let streams = self.streams.values().filter_map(|stream| match &stream.content {
            Content::Media(inbound) => inbound.poll_timeout(round_trip),
            Content::Repair { .. } => None,
        });
        let interval = wish_interval(round_trip);
        let wishes = self.sources.values().filter_map(|source| source.wish.poll_timeout(interval));
        let own = [
            self.next_report,
            self.pacer.poll_timeout(),
            self.congestion.poll_timeout(),
            self.recorder.poll_timeout(),
        ];
        own.into_iter().flatten().chain(streams).chain(wishes).min()
    }

    /// The next packet for the network. Call until `None`.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        self.collect_feedback(now);
        if let Some(compound) = self.outbox.pop_front() {
            return Some(Outgoing::Rtcp(compound));
        }
        self.poll_rtp(now).map(Outgoing::Rtp)
    }

    /// Packets of a source that come without anybody's asking go nowhere.
    pub(super) fn write(packet: &rtp::Packet) -> BytesMut {
        // Room for the tag of SRTP, so that it is sealed where it is.
        const TAG: usize = 32;
        let capacity = 128 + packet.payload.len() + usize::from(packet.padding) + TAG;
        let mut octets = BytesMut::with_capacity(capacity);
        packet.write(&mut octets);
        octets
    }
}
