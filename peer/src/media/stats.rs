//! Figures of media, as `getStats` of a browser reports them.
//!
//! W3C webrtc-stats §8.1 to §8.8: the members have its names when serialised. Times are in seconds.
//! Book: the chapter on feedback.

use serde::Serialize;
use srtp::payload::Codec;

use super::engine::{Content, Media};
use super::parameters::{AgreedCodec, SectionParameters};
use super::{MediaKind, TransceiverId};

/// A stream we receive, `RTCInboundRtpStreamStats`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundRtpStats {
    /// Whose.
    pub transceiver: TransceiverId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The source.
    pub ssrc: u32,
    /// `a=mid` of its section.
    pub mid: String,
    /// Its layer, with simulcast.
    pub rid: Option<String>,
    /// Points to a [`CodecStats`].
    pub codec_id: Option<String>,
    /// Packets, retransmitted ones included.
    pub packets_received: u64,
    /// Octets of their payloads.
    pub bytes_received: u64,
    /// Packets lost on the way, whether repaired or not (RFC 3550 §6.4.1).
    pub packets_lost: i64,
    /// Interarrival jitter, seconds.
    pub jitter: f64,
    /// Packets that came as retransmissions (RFC 4588).
    pub retransmitted_packets_received: u64,
    /// Octets of them.
    pub retransmitted_bytes_received: u64,
    /// Packets that came too late or twice, or made no sense.
    pub packets_discarded: u64,
    /// NACK packets sent.
    pub nack_count: u64,
    /// Picture loss indications sent.
    pub pli_count: u64,
    /// Full intra requests sent.
    pub fir_count: u64,
    /// Frames put together; zero unless frames are asked for.
    pub frames_received: u64,
    /// Of these: keyframes.
    pub key_frames_received: u64,
    /// Frames dropped: before the first keyframe.
    pub frames_dropped: u64,
    /// Of the last keyframe.
    pub frame_width: Option<u16>,
    /// Of the last keyframe.
    pub frame_height: Option<u16>,
    /// As the packets say, 0 to 1 (RFC 6464), for audio.
    pub audio_level: Option<f64>,
}

/// A stream we send, `RTCOutboundRtpStreamStats`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundRtpStats {
    /// Whose.
    pub transceiver: TransceiverId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The source.
    pub ssrc: u32,
    /// The source of its retransmissions.
    pub rtx_ssrc: u32,
    /// `a=mid` of its section.
    pub mid: String,
    /// Its layer, with simulcast.
    pub rid: Option<String>,
    /// Points to a [`CodecStats`].
    pub codec_id: Option<String>,
    /// Packets, without retransmissions.
    pub packets_sent: u64,
    /// Octets of their payloads.
    pub bytes_sent: u64,
    /// Octets of all headers and padding.
    pub header_bytes_sent: u64,
    /// Retransmissions.
    pub retransmitted_packets_sent: u64,
    /// Octets of them.
    pub retransmitted_bytes_sent: u64,
    /// Frames given to `send_frame`.
    pub frames_sent: u64,
    /// Of these: keyframes.
    pub key_frames_sent: u64,
    /// Frames and packets refused because too much waited.
    pub frames_dropped: u64,
    /// NACK packets received.
    pub nack_count: u64,
    /// Picture loss indications received.
    pub pli_count: u64,
    /// Full intra requests received.
    pub fir_count: u64,
    /// Bits per second, for all streams of the connection together.
    pub target_bitrate: u64,
}

/// How the peer receives a stream of ours, `RTCRemoteInboundRtpStreamStats`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteInboundRtpStats {
    /// The source.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: MediaKind,
    /// Packets lost since the beginning.
    pub packets_lost: i32,
    /// Share of packets lost between the peer's last two reports.
    pub fraction_lost: f64,
    /// Interarrival jitter, seconds.
    pub jitter: f64,
    /// The last round trip, seconds.
    pub round_trip_time: Option<f64>,
    /// All of them, seconds.
    pub total_round_trip_time: f64,
    /// How many there were.
    pub round_trip_time_measurements: u64,
}

/// A codec in use, `RTCCodecStats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecStats {
    /// What streams call it.
    pub id: String,
    /// Its number.
    pub payload_type: u8,
    /// `audio/opus`, `video/VP8`, …
    pub mime_type: String,
    /// Ticks per second.
    pub clock_rate: u32,
    /// Channels, for audio.
    pub channels: Option<u8>,
    /// The value of `a=fmtp`.
    pub sdp_fmtp_line: String,
}

/// Everything about media.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaStats {
    /// Streams we receive.
    pub inbound_rtp: Vec<InboundRtpStats>,
    /// Streams we send.
    pub outbound_rtp: Vec<OutboundRtpStats>,
    /// What the peer says of them.
    pub remote_inbound_rtp: Vec<RemoteInboundRtpStats>,
    /// Codecs of both.
    pub codecs: Vec<CodecStats>,
    /// Authentic packets of no stream: of unknown sections or payload types, of too many sources.
    pub packets_of_no_stream: u64,
    /// Frames and packets the application did not take in time.
    pub deliveries_dropped: u64,
}

impl Media {
    /// The figures of this moment.
    pub(crate) fn stats(&self) -> MediaStats {
        let mut stats = MediaStats {
            packets_of_no_stream: self.dropped.unknown + self.dropped.repairs,
            deliveries_dropped: self.deliveries.values().map(|delivery| delivery.dropped).sum(),
            ..MediaStats::default()
        };
        self.inbound_stats(&mut stats);
        self.outbound_stats(&mut stats);
        stats
    }

    fn inbound_stats(&self, stats: &mut MediaStats) {
        for (ssrc, stream) in &self.streams {
            let Content::Media(inbound) = &stream.content else { continue };
            let Some(section) = self.sections.get(&stream.transceiver) else { continue };
            let codecs = section.receive.iter().flat_map(|receive| &receive.codecs);
            let (codec_id, clock_rate) = stats.codec(codecs, "in", section, inbound.codec);
            let counters = inbound.counters;
            let (frame_width, frame_height) = inbound.dimensions.unzip();
            stats.inbound_rtp.push(InboundRtpStats {
                transceiver: stream.transceiver,
                kind: section.kind,
                ssrc: ssrc.0,
                mid: section.mid.clone(),
                rid: inbound.rid.as_ref().map(|rid| rid.0.to_string()),
                codec_id,
                packets_received: inbound.reception.received + counters.repaired_packets,
                bytes_received: counters.octets,
                packets_lost: inbound.reception.lost(),
                jitter: f64::from(inbound.reception.jitter()) / f64::from(clock_rate),
                retransmitted_packets_received: counters.repaired_packets,
                retransmitted_bytes_received: counters.repaired_octets,
                packets_discarded: counters.duplicates + counters.malformed,
                nack_count: counters.nacks,
                pli_count: counters.picture_losses,
                fir_count: counters.full_intra_requests,
                frames_received: counters.frames,
                key_frames_received: counters.keyframes,
                frames_dropped: counters.frames_dropped,
                frame_width,
                frame_height,
                audio_level: inbound.audio_level.map(linear),
            });
        }
    }

    fn outbound_stats(&self, stats: &mut MediaStats) {
        for source in self.sources.values() {
            let Some(section) = self.sections.get(&source.transceiver) else { continue };
            if source.counters.packets == 0 && section.send.is_none() {
                continue;
            }
            let codecs = section.send.iter().flat_map(|send| &send.codecs);
            let (codec_id, clock_rate) = stats.codec(codecs, "out", section, source.codec);
            let counters = source.counters;
            stats.outbound_rtp.push(OutboundRtpStats {
                transceiver: source.transceiver,
                kind: section.kind,
                ssrc: source.local.ssrc.0,
                rtx_ssrc: source.local.rtx.0,
                mid: section.mid.clone(),
                rid: source.local.rid.as_ref().map(|rid| rid.0.to_string()),
                codec_id,
                packets_sent: counters.packets,
                bytes_sent: counters.octets,
                header_bytes_sent: counters.header_octets,
                retransmitted_packets_sent: counters.resent_packets,
                retransmitted_bytes_sent: counters.resent_octets,
                frames_sent: counters.frames,
                key_frames_sent: counters.keyframes,
                frames_dropped: counters.dropped,
                nack_count: counters.nacks,
                pli_count: counters.picture_losses,
                fir_count: counters.full_intra_requests,
                target_bitrate: self.congestion.target(),
            });
            let Some(remote) = source.remote else { continue };
            stats.remote_inbound_rtp.push(RemoteInboundRtpStats {
                ssrc: source.local.ssrc.0,
                kind: section.kind,
                packets_lost: remote.block.cumulative_lost,
                fraction_lost: f64::from(remote.block.fraction_lost) / 256.0,
                jitter: f64::from(remote.block.jitter) / f64::from(clock_rate),
                round_trip_time: remote.round_trip.map(|time| time.as_secs_f64()),
                total_round_trip_time: remote.total_round_trip.as_secs_f64(),
                round_trip_time_measurements: remote.round_trips,
            });
        }
    }
}

impl MediaStats {
    /// The id of a stream's codec, which is then in the list; and the clock, at least 1.
    fn codec<'a>(
        &mut self,
        mut codecs: impl Iterator<Item = &'a AgreedCodec>,
        direction: &str,
        section: &SectionParameters,
        used: Option<(Codec, u32)>,
    ) -> (Option<String>, u32) {
        let Some((used, clock_rate)) = used else { return (None, 1) };
        let agreed = codecs.find(|codec| codec.parameters.codec == used);
        let Some(parameters) = agreed.map(|agreed| &agreed.parameters) else {
            return (None, clock_rate.max(1));
        };
        let payload_type = parameters.payload_type.0;
        let id = format!("{direction}-{}-{payload_type}", section.mid);
        if !self.codecs.iter().any(|codec| codec.id == id) {
            self.codecs.push(CodecStats {
                id: id.clone(),
                payload_type,
                mime_type: mime_type(used).to_owned(),
                clock_rate,
                channels: parameters.channels,
                sdp_fmtp_line: parameters.fmtp.clone(),
            });
        }
        (Some(id), clock_rate.max(1))
    }
}

fn mime_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Pcmu => "audio/PCMU",
        Codec::Pcma => "audio/PCMA",
        Codec::G722 => "audio/G722",
        Codec::Vp8 => "video/VP8",
        Codec::Vp9 => "video/VP9",
        Codec::H264 => "video/H264",
        Codec::Av1 => "video/AV1",
    }
}

/// -dBov as the linear measure of W3C: 0 is silence, 1 the loudest (§8.1, `audioLevel`).
fn linear(level: u8) -> f64 {
    if level >= 127 { 0.0 } else { 10_f64.powf(-f64::from(level) / 20.0) }
}
