//! Inward: a packet finds its source, and the source its application.
//!
//! RFC 9143 §9.2, RFC 4588 §8.
//!
//! ```text
//!   packet ─► transport-wide number noted ─► source known? ──yes──► media  ─► Inbound ─► Delivery
//!                                              │ no        └──────► repair ─► undone ──┘
//!                                              └─► Router ─► a new source, if there is room
//! ```
//!
//! - A packet of no section, of a foreign payload type, or of one source too many is dropped, counted,
//!   and changes nothing else.
//! - Packets that are only padding (browsers probe with them, before any media, on the repair's
//!   source or on source 0) are numbers that came, and nothing more.
//!
//! Book: the chapters on RTP and on repair.

use std::time::Instant;

use srtp::wire::extension::{AudioLevel, TransportSequenceNumber};
use srtp::{PayloadType, SequenceNumber, Ssrc, rtcp, rtp};

use super::engine::{Content, IDLE, MAX_STREAMS, Media, Stream};
use super::inbound::Inbound;
use super::missing::nack_entries;
use super::outbound::OSN;
use super::parameters::{AgreedCodec, Feedback};
use super::reception::Reception;
use super::router::{Role, codec_of};
use super::{MediaKind, ReceiveMode, Received, Rid, TransceiverId};

impl Media {
    /// Takes a packet. False if it was dropped.
    pub(crate) fn handle_rtp(&mut self, now: Instant, packet: rtp::Packet) -> bool {
        if let Some(number) = self.transport_number
            && let Some(value) = packet.header.extensions.get(number)
            && let Ok(TransportSequenceNumber(number)) = TransportSequenceNumber::parse(value)
        {
            self.recorder.received(now, number);
        }
        let is_known = self.streams.contains_key(&packet.header.ssrc);
        let has_place = is_known && self.is_of_its_section(&packet);
        if !has_place && !self.begin(now, &packet) {
            self.dropped.unknown += 1;
            return false;
        }
        self.take(now, packet).is_some()
    }

    /// Whether a packet names the section that its source was found in, or none (RFC 9143 §9.2: the
    /// last one named holds).
    fn is_of_its_section(&self, packet: &rtp::Packet) -> bool {
        let Some(mid) = self.router.named(&packet.header.extensions) else { return true };
        let Some(stream) = self.streams.get(&packet.header.ssrc) else { return true };
        let section = self.sections.get(&stream.transceiver);
        section.is_some_and(|section| section.mid.as_bytes() == mid)
    }

    /// Finds the place of a source that is new, or new in its section. False if there is none.
    fn begin(&mut self, now: Instant, packet: &rtp::Packet) -> bool {
        let header = &packet.header;
        let Some(id) = self.router.section(header) else { return false };
        let receive = self.sections.get(&id).and_then(|section| section.receive.as_ref());
        let route = receive.and_then(|receive| self.router.route(receive, header));
        let Some((role, rid)) = route else { return false };
        if !self.streams.contains_key(&header.ssrc) && !self.make_room(now) {
            return false;
        }
        let content = match role {
            Role::Media => Content::Media(Box::new(Inbound::new(now, packet, rid))),
            Role::Repair(_) => {
                let reception = Reception::new(now, header.sequence_number);
                Content::Repair { reception, role, rid }
            }
        };
        self.streams.insert(header.ssrc, Stream { transceiver: id, last_heard: now, content });
        true
    }

    /// Sources are bounded: the one that was silent longest goes, if it was silent for long.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.streams.len() < MAX_STREAMS {
            return true;
        }
        let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.last_heard);
        let idle = oldest.filter(|(_, stream)| now >= stream.last_heard + IDLE);
        let Some(ssrc) = idle.map(|(ssrc, _)| *ssrc) else { return false };
        self.streams.remove(&ssrc);
        true
    }

    /// Hands a packet to its source; `None` if it was dropped.
    fn take(&mut self, now: Instant, packet: rtp::Packet) -> Option<()> {
        let stream = self.streams.get_mut(&packet.header.ssrc)?;
        let id = stream.transceiver;
        let receive = self.sections.get(&id)?.receive.as_ref()?;
        let Some((codec, is_repair)) = codec_of(receive, packet.header.payload_type) else {
            self.dropped.unknown += 1;
            return None;
        };
        let codec = codec.clone();
        stream.last_heard = now;
        match &mut stream.content {
            Content::Media(_) if !is_repair => self.take_media(now, packet, &codec, false),
            Content::Repair { reception, role, rid } if is_repair => {
                let number = reception.extend(packet.header.sequence_number);
                reception.place(number);
                reception.received += 1;
                // Nothing but padding.
                if packet.payload.len() <= OSN {
                    return Some(());
                }
                let (role, rid) = (*role, rid.clone());
                self.take_repair(now, packet, &codec, id, role, rid.as_ref())
            }
            _ => {
                self.dropped.unknown += 1;
                None
            }
        }
    }

    fn take_media(
        &mut self,
        now: Instant,
        mut packet: rtp::Packet,
        codec: &AgreedCodec,
        is_repair: bool,
    ) -> Option<()> {
        let ssrc = packet.header.ssrc;
        let id = self.streams.get(&ssrc)?.transceiver;
        let at = self.circumstances(now, id, ssrc);
        let Stream { content: Content::Media(inbound), .. } = self.streams.get_mut(&ssrc)? else {
            return None;
        };
        let level = self.audio_level.and_then(|level| packet.header.extensions.get(level));
        inbound.audio_level =
            level.and_then(|value| AudioLevel::parse(value).ok()).map(|audio| audio.level);
        // All of the header that is wanted has been read; the rest is not to be kept.
        packet.header.extensions = rtp::Extensions::default();
        packet.header.csrcs = Vec::new();
        let delivery = self.deliveries.entry(id).or_default();
        inbound.handle(at, codec, packet, is_repair, delivery);
        self.ask_for_keyframe(now, ssrc, codec.feedback);
        Some(())
    }

    /// Undoes a retransmission (RFC 4588 §4): the packet as it was, as far as it is known.
    fn take_repair(
        &mut self,
        now: Instant,
        packet: rtp::Packet,
        codec: &AgreedCodec,
        id: TransceiverId,
        role: Role,
        rid: Option<&Rid>,
    ) -> Option<()> {
        let Some(ssrc) = self.repaired_source(id, role, rid) else {
            self.dropped.repairs += 1;
            return None;
        };
        let (number, _) = packet.payload.split_first_chunk::<OSN>()?;
        let number = SequenceNumber(u16::from_be_bytes(*number));
        let payload_type = PayloadType(codec.parameters.payload_type.0);
        let header = rtp::Header { sequence_number: number, ssrc, payload_type, ..packet.header };
        let payload = packet.payload.slice(OSN..);
        self.take_media(now, rtp::Packet { header, payload, padding: 0 }, codec, true)
    }

    /// Whose packets a repair source sends again: as announced, else the section's source of that
    /// layer that was heard last.
    fn repaired_source(&self, id: TransceiverId, role: Role, rid: Option<&Rid>) -> Option<Ssrc> {
        if let Role::Repair(Some(ssrc)) = role
            && self.streams.contains_key(&ssrc)
        {
            return Some(ssrc);
        }
        let of_layer = |stream: &Stream| match &stream.content {
            Content::Media(inbound) => stream.transceiver == id && inbound.rid.as_ref() == rid,
            Content::Repair { .. } => false,
        };
        let candidates = self.streams.iter().filter(|(_, stream)| of_layer(stream));
        candidates.max_by_key(|(_, stream)| stream.last_heard).map(|(ssrc, _)| *ssrc)
    }

    /// Timers of all streams.
    pub(super) fn tend_streams(&mut self, now: Instant) {
        let due = |stream: &Stream| match &stream.content {
            Content::Media(inbound) => {
                inbound.poll_timeout(self.round_trip).is_some_and(|timer| timer <= now)
            }
            Content::Repair { .. } => false,
        };
        let streams = self.streams.iter().filter(|(_, stream)| due(stream));
        let due: Vec<_> = streams.map(|(ssrc, stream)| (*ssrc, stream.transceiver)).collect();
        for (ssrc, id) in due {
            let at = self.circumstances(now, id, ssrc);
            let Some(Stream { content: Content::Media(inbound), .. }) = self.streams.get_mut(&ssrc)
            else {
                continue;
            };
            let wanted = inbound.handle_timeout(at, self.deliveries.entry(id).or_default());
            if !wanted.is_empty() {
                let entries = nack_entries(&wanted);
                let nack = rtcp::Nack { sender: self.sender(), media: ssrc, entries };
                self.push_feedback(rtcp::Packet::Nack(nack));
            }
            let feedback = self.feedback_of(id);
            self.ask_for_keyframe(now, ssrc, feedback);
        }
    }

    /// What may be told about a section's streams: what any of its codecs has.
    fn feedback_of(&self, id: TransceiverId) -> Feedback {
        let receive = self.sections.get(&id).and_then(|section| section.receive.as_ref());
        let codecs = receive.iter().flat_map(|receive| &receive.codecs);
        codecs.fold(Feedback::default(), |all, codec| Feedback {
            pli: all.pli || codec.feedback.pli,
            fir: all.fir || codec.feedback.fir,
            ..all
        })
    }

    /// Asks for a keyframe if one is wanted: PLI, else FIR (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
    fn ask_for_keyframe(&mut self, now: Instant, ssrc: Ssrc, feedback: Feedback) {
        let (sender, round_trip) = (self.sender(), self.round_trip);
        let Some(Stream { content: Content::Media(inbound), .. }) = self.streams.get_mut(&ssrc)
        else {
            return;
        };
        if !inbound.asks_for_keyframe(now, round_trip) {
            return;
        }
        let request = if feedback.pli || !feedback.fir {
            inbound.counters.picture_losses += 1;
            rtcp::Packet::PictureLoss(rtcp::PictureLoss { sender, media: ssrc })
        } else {
            inbound.counters.full_intra_requests += 1;
            self.full_intra_requests = self.full_intra_requests.wrapping_add(1);
            let entries = vec![(ssrc, self.full_intra_requests)];
            rtcp::Packet::FullIntraRequest(rtcp::FullIntraRequest { sender, entries })
        };
        self.push_feedback(request);
    }

    /// The next frame or packet of a transceiver.
    pub(crate) fn recv(&mut self, id: TransceiverId) -> Option<Received> {
        self.deliveries.get_mut(&id)?.pop()
    }

    /// In what form a transceiver delivers; another form begins with a keyframe.
    pub(crate) fn set_receive_mode(&mut self, now: Instant, id: TransceiverId, mode: ReceiveMode) {
        let delivery = self.deliveries.entry(id).or_default();
        if delivery.mode == mode {
            return;
        }
        delivery.mode = mode;
        delivery.clear();
        let kind = self.sections.get(&id).map_or(MediaKind::Audio, |section| section.kind);
        for stream in self.streams.values_mut().filter(|stream| stream.transceiver == id) {
            if let Content::Media(inbound) = &mut stream.content {
                inbound.set_mode(now, kind, mode);
            }
        }
        self.tend_streams(now);
    }

    /// Asks the peer for a keyframe of a transceiver's video, or of one layer.
    pub(crate) fn request_keyframe(&mut self, now: Instant, id: TransceiverId, rid: Option<&Rid>) {
        if self.sections.get(&id).is_none_or(|section| section.kind != MediaKind::Video) {
            return;
        }
        for stream in self.streams.values_mut().filter(|stream| stream.transceiver == id) {
            if let Content::Media(inbound) = &mut stream.content
                && rid.is_none_or(|rid| inbound.rid.as_ref() == Some(rid))
            {
                inbound.wish.make(now);
            }
        }
        self.tend_streams(now);
    }
}
