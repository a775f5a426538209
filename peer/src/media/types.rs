//! The words of media at the application's edge: transceivers, codecs, frames and packets.
//!
//! W3C webrtc-pc §5 (`RTCRtpTransceiver`, `RTCRtpCodec`); RFC 9429 §4.2.
//! Book: the chapter on RTP.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
pub use srtp::payload::Codec;
use srtp::{PayloadType, RtpTimestamp, Ssrc};

/// Audio or video: the kind of a section and of its transceiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
}

/// A transceiver of a connection, from its creation on, whatever becomes of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TransceiverId(pub(crate) u32);

/// The name of one encoding of a simulcast, `a=rid` (RFC 8851): 1 to 16 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Rid(pub Arc<str>);

/// How a transceiver begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransceiverInit {
    /// What we want; what comes of it, the peer's answer decides.
    pub direction: sdp::Direction,
    /// The codecs to offer or accept, the preferred one first. Empty: all we know of the kind.
    pub codecs: Vec<Codec>,
    /// The stream our track belongs to (RFC 8830): tracks of one stream are played in step.
    pub stream_id: Option<String>,
    /// The layers we send, for simulcast (RFC 8853). Empty: one encoding without a name.
    pub send_encodings: Vec<Rid>,
}

/// A codec as both sides agreed on it, W3C `RTCRtpCodecParameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpCodecParameters {
    /// Which codec.
    pub codec: Codec,
    /// Its number in this section and direction.
    pub payload_type: PayloadType,
    /// Ticks a second of its timestamps.
    pub clock_rate: u32,
    /// Channels, for audio.
    pub channels: Option<u8>,
    /// The value of `a=fmtp` without the payload type; may be empty.
    pub fmtp: String,
}

/// A transceiver as it is now, W3C `RTCRtpTransceiver`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransceiverInfo {
    /// Which.
    pub id: TransceiverId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The `a=mid` of its section, once it has one.
    pub mid: Option<String>,
    /// What we want.
    pub direction: sdp::Direction,
    /// What was agreed on, seen from us; `None` before the first answer and once stopped.
    pub current_direction: Option<sdp::Direction>,
    /// Whether it is over.
    pub stopped: bool,
    /// The codec we send, as agreed.
    pub send_codec: Option<RtpCodecParameters>,
    /// The codecs the peer may send.
    pub receive_codecs: Vec<RtpCodecParameters>,
    /// The layers the peer sends (simulcast), the ones not paused first.
    pub receive_rids: Vec<Rid>,
    /// The peer's streams that its track is in (RFC 8830): what is played in step has one in common.
    pub remote_streams: Vec<String>,
}

/// A frame for the peer, encoded in the transceiver's send codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The encoded frame; see [`Codec`] for the form.
    pub payload: Bytes,
    /// When it was sampled, in ticks of the codec's clock, from any origin. Wraps.
    pub timestamp: RtpTimestamp,
    /// Which layer of a simulcast it is.
    pub rid: Option<Rid>,
}

/// A frame of the peer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFrame {
    /// What it is encoded in.
    pub codec: Codec,
    /// Which layer, with simulcast.
    pub rid: Option<Rid>,
    /// Which stream it came on.
    pub ssrc: Ssrc,
    /// When it was sampled, in ticks of the codec's clock.
    pub timestamp: RtpTimestamp,
    /// Whether it can be decoded without any other. Always so for audio.
    pub is_keyframe: bool,
    /// Whether frames before it were lost since the last one delivered.
    pub after_loss: bool,
    /// When its last packet came.
    pub received_at: Instant,
    /// The encoded frame; see [`Codec`] for the form.
    pub payload: Bytes,
}

/// An RTP packet of the peer (repaired ones included, retransmission undone) for forwarding, or one
/// to be sent: its numbers are those of the stream it came from, and are mapped when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPacket {
    /// What it is encoded in.
    pub codec: Codec,
    /// Which layer, with simulcast.
    pub rid: Option<Rid>,
    /// Which stream it came on.
    pub ssrc: Ssrc,
    /// Sequence number with the wraps counted, so that it can be compared.
    pub sequence_number: u64,
    /// When its payload was sampled.
    pub timestamp: RtpTimestamp,
    /// The marker bit.
    pub marker: bool,
    /// The audio level of RFC 6464, -dBov (0 loudest, 127 silent), if it was sent.
    pub audio_level: Option<u8>,
    /// Whether a frame that can be decoded alone begins here (always so for audio).
    pub begins_keyframe: bool,
    /// When it came.
    pub received_at: Instant,
    /// The payload, descriptor included.
    pub payload: Bytes,
}

/// What a transceiver received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole frame: [`ReceiveMode::Frames`], [`ReceiveMode::Both`].
    Frame(MediaFrame),
    /// A packet, as soon as it came: [`ReceiveMode::Packets`], [`ReceiveMode::Both`].
    Packet(Arc<MediaPacket>),
}

/// In what form a transceiver delivers what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiveMode {
    /// Not at all: it is received, reported on and forgotten.
    #[default]
    Discard,
    /// As frames, in order, once they are whole.
    Frames,
    /// As packets, at once, in whatever order they come.
    Packets,
    /// Both.
    Both,
}
