//! Outward: frames and forwarded packets to the pacer, and out of it.
//!
//! RFC 3550 §5.1; RFC 4588; transport-wide numbers for all that leaves.
//!
//! ```text
//!   audio ──────────┐
//!   retransmission ─┼─► Pacer, at the rate of the congestion control ─► stamp ─► leaves
//!   video ──────────┤                                                     └─► its number and
//!   padding ────────┘                                                         time for feedback
//! ```
//!
//! - A number is taken when a packet goes to the pacer. One that finds no room there leaves a hole,
//!   so the peer sees that something is missing; of a frame nothing more is queued then.
//!
//! Book: the chapters on RTP and on congestion.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::BytesMut;
use srtp::wire::extension::AbsoluteSendTime;
use srtp::{PayloadType, SequenceNumber, Ssrc, rtp};

use super::congestion::Class;
use super::engine::Media;
use super::history::Numbered;
use super::numbering::sequence_number;
use super::outbound::{OSN, Source};
use super::parameters::{AgreedCodec, SectionParameters, SendParameters};
use super::stamp::{Stamp, space};
use super::{EncodedFrame, MediaError, MediaKind, MediaPacket, TransceiverId};

/// Octets of the largest datagram we make ourselves: what every path carries, and browsers do.
const MAX_DATAGRAM: usize = 1200;

/// Octets of the largest datagram with a forwarded payload, which cannot be cut: an Ethernet frame
/// less the headers of IPv6 and UDP. GStreamer makes packets of 1,400 octets, to which tag and header
/// extensions are added.
const MAX_FORWARDED: usize = 1500 - 40 - 8;

/// The longest tag of a profile (RFC 7714 §13.2).
const TAG: usize = 16;

/// Octets of a packet that is only padding: the most that its count can say, in whole words.
const PADDING: u8 = 252;

/// What waits in the pacer.
#[derive(Debug)]
pub(crate) enum Queued {
    Media(Ssrc, Numbered),
    Repair(Ssrc, Numbered),
    /// Octets of nothing, to see whether the path carries them.
    Padding,
}

impl Media {
    /// Sends a frame.
    pub(crate) fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        frame: &EncodedFrame,
    ) -> Result<(), MediaError> {
        let (section, send) = sends(&self.sections, id)?;
        let codec = send.codecs.first().ok_or(MediaError::NotSending)?;
        let local = send.sources.iter().find(|source| source.rid == frame.rid);
        let ssrc = local.ok_or(MediaError::Layer)?.ssrc;
        let room = MAX_DATAGRAM - rtp::Header::FIXED_LENGTH - TAG - OSN;
        let max_payload = room.saturating_sub(space(section));
        let class = class(section.kind);
        let source = self.sources.get_mut(&ssrc).ok_or(MediaError::NotSending)?;
        let packets = source.packetize(now, codec, frame, max_payload)?;
        source.counters.frames += 1;
        let begins = packets.first().map(|packet| &packet.payload);
        let is_keyframe =
            begins.is_some_and(|p| srtp::payload::begins_keyframe(codec.parameters.codec, p));
        source.counters.keyframes += u64::from(is_keyframe);
        for packet in packets {
            let octets = packet.payload.len();
            if self.pacer.push(now, class, octets, Queued::Media(ssrc, packet)).is_err() {
                return Err(self.congested(now, ssrc));
            }
        }
        Ok(())
    }

    /// Forwards a packet.
    pub(crate) fn send_packet(
        &mut self,
        now: Instant,
        id: TransceiverId,
        packet: &MediaPacket,
    ) -> Result<(), MediaError> {
        let (section, send) = sends(&self.sections, id)?;
        let mut codecs = send.codecs.iter();
        let codec = codecs.find(|codec| codec.parameters.codec == packet.codec);
        let codec = codec.ok_or(MediaError::Codec)?;
        let same = send.sources.iter().find(|source| source.rid == packet.rid);
        let ssrc = same.or(send.sources.first()).ok_or(MediaError::NotSending)?.ssrc;
        let overhead = rtp::Header::FIXED_LENGTH + TAG + OSN + space(section);
        if packet.payload.is_empty() || packet.payload.len() + overhead > MAX_FORWARDED {
            return Err(MediaError::Size);
        }
        let class = class(section.kind);
        let source = self.sources.get_mut(&ssrc).ok_or(MediaError::NotSending)?;
        // A latecomer from before a switch, or a duplicate: silently, for nobody can do better.
        let Some(numbered) = source.forward(now, codec, packet) else { return Ok(()) };
        let octets = numbered.payload.len();
        match self.pacer.push(now, class, octets, Queued::Media(ssrc, numbered)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.congested(now, ssrc)),
        }
    }

    /// Something could not be queued: what follows cannot be decoded without a keyframe.
    fn congested(&mut self, now: Instant, ssrc: Ssrc) -> MediaError {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.counters.dropped += 1;
            let section = self.sections.get(&source.transceiver);
            if section.is_some_and(|section| section.kind == MediaKind::Video) {
                source.wish.make(now);
            }
        }
        self.heed_wishes(now);
        MediaError::Congested
    }

    /// The peer misses packets of a source (RFC 4585 §6.2.1).
    pub(super) fn resend(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        missing: impl Iterator<Item = SequenceNumber>,
    ) {
        let Some(source) = self.sources.get_mut(&ssrc) else { return };
        source.counters.nacks += 1;
        // The peer asks again after the round trip it knows. If queues have filled since, the answer
        // is still in them, and another would only fill them more.
        let round_trip = self.round_trip.max(self.congestion.round_trip().unwrap_or_default());
        for number in missing {
            if let Some(packet) = source.resend(now, number, round_trip) {
                let octets = packet.payload.len() + OSN;
                // No room: the peer asks again.
                let queued = Queued::Repair(ssrc, packet);
                let _ = self.pacer.push(now, Class::Retransmission, octets, queued);
            }
        }
    }

    /// The next packet that the pacer lets go.
    pub(super) fn poll_rtp(&mut self, now: Instant) -> Option<BytesMut> {
        self.follow_target(now);
        while let Some(paced) = self.pacer.poll(now) {
            if let Some(packet) = self.leave(now, paced.packet, paced.is_probe) {
                return Some(packet);
            }
        }
        while self.pacer.poll_padding(now, usize::from(PADDING)) {
            match self.leave(now, Queued::Padding, true) {
                Some(packet) => return Some(packet),
                None => self.pacer.end_probe(),
            }
        }
        None
    }

    /// The pacer goes at the congestion control's pace.
    pub(super) fn follow_target(&mut self, now: Instant) {
        self.pacer.set_rate(self.congestion.pacing_rate());
        if let Some(probe) = self.congestion.poll_probe(now) {
            self.pacer.begin_probe(now, probe);
        }
    }

    /// Writes a packet, unless its section has ceased to send.
    fn leave(&mut self, now: Instant, queued: Queued, is_probe: bool) -> Option<BytesMut> {
        let (ssrc, is_repair) = match &queued {
            Queued::Media(ssrc, _) => (*ssrc, false),
            Queued::Repair(ssrc, _) => (*ssrc, true),
            Queued::Padding => (self.source_with_repair()?, true),
        };
        let source = self.sources.get_mut(&ssrc)?;
        let section = self.sections.get(&source.transceiver)?;
        let send = section.send.as_ref()?;
        let codec = codec_of(send, source);
        let has_number = codec.is_some_and(|codec| codec.feedback.transport_cc)
            && section
                .extensions
                .contains_key(&super::parameters::Extension::TransportSequenceNumber);
        let number = self.congestion.next_sequence_number();
        let is_known = if is_repair { source.is_repair_known } else { source.is_known };
        let local = source.local.clone();
        let stamp = Stamp {
            name: (!is_known).then_some(local.rid.as_ref()),
            is_repair,
            audio_level: match &queued {
                Queued::Media(_, packet) | Queued::Repair(_, packet) => packet.audio_level,
                Queued::Padding => None,
            },
            send_time: AbsoluteSendTime::after(self.clock.since_1900(now)),
            transport_number: has_number.then_some(number),
        };
        let extensions = stamp.extensions(section);
        let rtx = codec.and_then(|codec| codec.rtx);
        let packet = match queued {
            Queued::Media(_, numbered) => {
                let packet = rtp_packet(ssrc, &numbered, extensions);
                source.leaves(now, numbered, rtx.is_some());
                packet
            }
            Queued::Repair(_, numbered) => source.retransmission(&numbered, rtx?, extensions),
            Queued::Padding => source.padding(now, PADDING, rtx?, extensions),
        };
        let octets = Self::write(&packet);
        let payload = packet.payload.len() + usize::from(packet.padding);
        source.counters.header_octets += octets.len().saturating_sub(payload) as u64;
        self.congestion.packet_sent(now, number, octets.len() + TAG, is_probe);
        Some(octets)
    }

    /// A source that may carry padding: one that sends and has repair agreed on.
    fn source_with_repair(&self) -> Option<Ssrc> {
        let has_repair = |source: &&Source| {
            let send = self.sections.get(&source.transceiver)?.send.as_ref()?;
            codec_of(send, source)?.rtx
        };
        let mut senders = self.sources.values().filter(|source| source.is_sender());
        senders.find(|source| has_repair(source).is_some()).map(|source| source.local.ssrc)
    }
}

/// A section that sends.
fn sends(
    sections: &BTreeMap<TransceiverId, SectionParameters>,
    id: TransceiverId,
) -> Result<(&SectionParameters, &SendParameters), MediaError> {
    let section = sections.get(&id).ok_or(MediaError::NotSending)?;
    Ok((section, section.send.as_ref().ok_or(MediaError::NotSending)?))
}

/// The codec a source sends; before it has sent, the first one.
fn codec_of<'a>(send: &'a SendParameters, source: &Source) -> Option<&'a AgreedCodec> {
    let mut codecs = send.codecs.iter();
    let current = source.codec.map(|(codec, _)| codec);
    codecs.find(|codec| current.is_none_or(|current| codec.parameters.codec == current))
}

fn class(kind: MediaKind) -> Class {
    match kind {
        MediaKind::Audio => Class::Audio,
        MediaKind::Video => Class::Video,
    }
}

fn rtp_packet(ssrc: Ssrc, packet: &Numbered, extensions: rtp::Extensions) -> rtp::Packet {
    let header = rtp::Header {
        marker: packet.marker,
        payload_type: PayloadType(packet.payload_type.0),
        sequence_number: sequence_number(packet.number),
        timestamp: packet.timestamp,
        ssrc,
        csrcs: Vec::new(),
        extensions,
    };
    rtp::Packet { header, payload: packet.payload.clone(), padding: 0 }
}
