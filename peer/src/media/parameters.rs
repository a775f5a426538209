//! What the negotiation tells the media engine: for each media section what may be sent and
//! received, and under which numbers.
//!
//! RFC 9429 §5.10, §5.11 (applying descriptions); RFC 9143 §9.2 (whose packet is this?).
//! Book: the chapter on offer and answer.

use std::collections::BTreeMap;

use srtp::{PayloadType, Ssrc};

use super::{MediaKind, Rid, RtpCodecParameters, TransceiverId};

/// A header extension we know (RFC 8285; the URIs are in `a=extmap`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Extension {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`, RFC 9143 §15.
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`, RFC 8852.
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`, RFC 8852.
    RepairedRid,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`, RFC 6464.
    AudioLevel,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    AbsoluteSendTime,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    TransportSequenceNumber,
}

/// What may be told about a codec's packets: `a=rtcp-fb` (RFC 4585 §4.2), as both sides have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Feedback {
    pub(crate) nack: bool,
    pub(crate) pli: bool,
    pub(crate) fir: bool,
    pub(crate) transport_cc: bool,
    pub(crate) remb: bool,
}

/// A codec of one direction, with its companion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgreedCodec {
    pub(crate) parameters: RtpCodecParameters,
    /// The payload type of its retransmissions (RFC 4588), if agreed on.
    pub(crate) rtx: Option<PayloadType>,
    pub(crate) feedback: Feedback,
}

/// What we may send in a section; its numbers are those of the peer's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendParameters {
    /// In the peer's order of preference. Frames are of the first one; a forwarded packet goes under
    /// the number of its codec.
    pub(crate) codecs: Vec<AgreedCodec>,
    /// Our sources in this section: one, or one for each layer the peer accepts.
    pub(crate) sources: Vec<LocalSource>,
}

/// What the peer may send in a section; its numbers are those of our description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiveParameters {
    pub(crate) codecs: Vec<AgreedCodec>,
    /// The sources the peer announced in `a=ssrc`. Bounded by the negotiation.
    pub(crate) ssrcs: Vec<Ssrc>,
    /// Media source and its retransmissions, from `a=ssrc-group:FID`.
    pub(crate) rtx_of: Vec<(Ssrc, Ssrc)>,
    /// The layers the peer announced, for simulcast.
    pub(crate) rids: Vec<Rid>,
}

/// One media section both sides accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SectionParameters {
    pub(crate) transceiver: TransceiverId,
    pub(crate) kind: MediaKind,
    pub(crate) mid: String,
    /// `None` unless the current direction says that we send.
    pub(crate) send: Option<SendParameters>,
    /// `None` unless it says that the peer sends.
    pub(crate) receive: Option<ReceiveParameters>,
    /// Ids of header extensions, the same in both directions and all sections of a bundle
    /// (RFC 8285 §6, RFC 9143 §10).
    pub(crate) extensions: BTreeMap<Extension, u8>,
    /// RTCP may leave as single packets (RFC 5506).
    pub(crate) reduced_size: bool,
}

/// What names one stream of ours to the peer: chosen when its transceiver is made, written into
/// every description (RFC 8830, RFC 5576, RFC 4588 §8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalSource {
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Ssrc,
    pub(crate) rtx: Ssrc,
}
