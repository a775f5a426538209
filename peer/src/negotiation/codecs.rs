//! The codecs we know, how SDP names them, and when two descriptions mean the same one.
//!
//! RFC 3264 §6.1 and §8.3.2 (payload types); RFC 6184 §8.1, §8.2.2 (H.264); RFC 9628 §6 (VP9); AV1 RTP
//! payload specification §7; RFC 4588 §8 (retransmissions); RFC 9429 §5.2.1, §5.3.1.
//!
//! ```text
//!   a=rtpmap:96 VP8/90000 ┐
//!   a=rtcp-fb:96 nack     ├─► Format { payload_type: 96, config: VP8, rtx: Some(97), feedback, … }
//!   a=rtpmap:97 rtx/90000 │
//!   a=fmtp:97 apt=96      ┘      offered ∩ known = answered          ours ∩ theirs = agreed
//! ```
//!
//! - What is not in the table is neither offered nor accepted: no red, no ulpfec, no flexfec, no
//!   telephone-event, no comfort noise. Who accepts a codec must be able to receive it.
//! - An answer keeps the numbers of the offer; but the two directions have a number each, and a peer
//!   may answer with others.
//!
//! Book: the chapter on offer and answer.

use std::collections::BTreeMap;

use sdp::{FormatParameters, Lines, RtcpFeedback, RtpMap, Section};
use srtp::PayloadType;

use super::h264;
use crate::media::parameters::{AgreedCodec, Feedback};
use crate::media::{Codec, MediaKind, RtpCodecParameters};

/// A codec with what both sides must have in common beyond its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) codec: Codec,
    profile: Profile,
}

/// What must be equal for a decoder to understand an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    /// The codec has but one.
    Only,
    /// `profile-level-id` without its level, and `packetization-mode` (RFC 6184 §8.2.2).
    H264 { profile: h264::Profile, packetization_mode: u8 },
    /// `profile-id` of VP9 (RFC 9628 §6), `profile` of AV1.
    Number(u8),
}

/// A codec in a section, under the number it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    pub(crate) config: Config,
    /// The value of `a=fmtp`.
    pub(crate) fmtp: String,
    pub(crate) rtx: Option<u8>,
    pub(crate) feedback: Feedback,
}

/// One line of the table: what we offer, under which number if it is free.
struct Known {
    codec: Codec,
    payload_type: u8,
    rtx: Option<u8>,
    fmtp: &'static str,
}

/// What we offer, the preferred one first. Numbers as browsers have them; those below 96 that are
/// not static are free in WebRTC, but for 64 to 95, which RTCP would be taken for (RFC 5761 §4).
const AUDIO: [Known; 4] = [
    Known { codec: Codec::Opus, payload_type: 111, rtx: None, fmtp: OPUS },
    Known { codec: Codec::Pcmu, payload_type: 0, rtx: None, fmtp: "" },
    Known { codec: Codec::Pcma, payload_type: 8, rtx: None, fmtp: "" },
    Known { codec: Codec::G722, payload_type: 9, rtx: None, fmtp: "" },
];
const VIDEO: [Known; 6] = [
    Known { codec: Codec::Vp8, payload_type: 96, rtx: Some(97), fmtp: "" },
    Known { codec: Codec::Vp9, payload_type: 98, rtx: Some(99), fmtp: "profile-id=0" },
    Known { codec: Codec::H264, payload_type: 102, rtx: Some(103), fmtp: CONSTRAINED_1 },
    Known { codec: Codec::H264, payload_type: 104, rtx: Some(105), fmtp: BASELINE_1 },
    Known { codec: Codec::H264, payload_type: 106, rtx: Some(107), fmtp: CONSTRAINED_0 },
    Known {
        codec: Codec::Av1,
        payload_type: 45,
        rtx: Some(46),
        fmtp: "level-idx=5;profile=0;tier=0",
    },
];
const OPUS: &str = "minptime=10;useinbandfec=1";
const CONSTRAINED_1: &str =
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
const BASELINE_1: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f";
const CONSTRAINED_0: &str =
    "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f";

/// Numbers free for whatever has none of its own (RFC 3551 §6, RFC 5761 §4).
const DYNAMIC: [std::ops::RangeInclusive<u8>; 2] = [96..=127, 35..=63];

/// What we can make use of (RFC 4585 §4.2), by kind.
const AUDIO_FEEDBACK: Feedback =
    Feedback { nack: false, pli: false, fir: false, transport_cc: true, remb: false };
const VIDEO_FEEDBACK: Feedback =
    Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true };

/// A number's meaning, for the life of the connection: it never stands for something else later
/// (RFC 3264 §8.3.2), nor in another section of the bundle (RFC 9143 §9.1). As bounded as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    Codec(Config),
    /// Retransmissions of another number.
    Rtx(u8),
    /// Something of the peer's that we do not know.
    Unknown,
}

pub(crate) type PayloadTypes = BTreeMap<u8, Meaning>;

/// The kind of media a codec is of.
pub(crate) fn kind_of(codec: Codec) -> MediaKind {
    match codec {
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => MediaKind::Audio,
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => MediaKind::Video,
    }
}

/// Name, clock rate and channels, as `a=rtpmap` says them.
fn encoding(codec: Codec) -> (&'static str, u32, Option<u8>) {
    match codec {
        Codec::Opus => ("opus", 48_000, Some(2)),
        Codec::Pcmu => ("PCMU", 8_000, None),
        Codec::Pcma => ("PCMA", 8_000, None),
        Codec::G722 => ("G722", 8_000, None),
        Codec::Vp8 => ("VP8", 90_000, None),
        Codec::Vp9 => ("VP9", 90_000, None),
        Codec::H264 => ("H264", 90_000, None),
        Codec::Av1 => ("AV1", 90_000, None),
    }
}

const ALL: [Codec; 8] = [
    Codec::Opus,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::G722,
    Codec::Vp8,
    Codec::Vp9,
    Codec::H264,
    Codec::Av1,
];

/// The codec an `a=rtpmap` names.
fn codec_of(map: &RtpMap<'_>) -> Option<Codec> {
    ALL.into_iter().find(|codec| {
        let (name, clock_rate, channels) = encoding(*codec);
        map.encoding.eq_ignore_ascii_case(name)
            && map.clock_rate == clock_rate
            && map.channels.unwrap_or(1) == channels.unwrap_or(1)
    })
}

/// Numbers that need no `a=rtpmap` (RFC 3551 §6).
fn static_codec(payload_type: u8) -> Option<Codec> {
    match payload_type {
        0 => Some(Codec::Pcmu),
        8 => Some(Codec::Pcma),
        9 => Some(Codec::G722),
        _ => None,
    }
}

impl Config {
    /// `None`: it cannot be carried.
    fn new(codec: Codec, fmtp: &str) -> Option<Self> {
        let get = |key: &str| sdp::views::codec::parameter(fmtp, key);
        let number = |key: &str| get(key).map_or(Some(0), |value| value.parse::<u8>().ok());
        let profile = match codec {
            Codec::H264 => {
                // Mode 2, interleaved, needs buffers that nobody has (RFC 6184 §8.1).
                let packetization_mode = number("packetization-mode").filter(|mode| *mode <= 1)?;
                let profile = h264::Profile::of(get("profile-level-id"))?;
                Profile::H264 { profile, packetization_mode }
            }
            Codec::Vp9 => Profile::Number(number("profile-id")?),
            Codec::Av1 => Profile::Number(number("profile")?),
            _ => Profile::Only,
        };
        Some(Self { codec, profile })
    }

    /// The same codec, and packets cut in the same way: what an answer may be taken for under the
    /// same number although its profile differs.
    fn resembles(&self, other: &Self) -> bool {
        let mode = |config: &Self| match config.profile {
            Profile::H264 { packetization_mode, .. } => packetization_mode,
            _ => 0,
        };
        self.codec == other.codec && mode(self) == mode(other)
    }

    /// What we write for it where the peer has `fmtp`: our own words, with the values that must be
    /// the same (RFC 6184 §8.2.2: profile and mode; RFC 9628 §6; AV1 §7.2.3).
    fn answer(&self, fmtp: &str) -> String {
        let get = |key: &str| sdp::views::codec::parameter(fmtp, key);
        match (self.codec, self.profile) {
            (Codec::Opus, _) => OPUS.to_owned(),
            (Codec::H264, Profile::H264 { packetization_mode, .. }) => {
                let asymmetry = get("level-asymmetry-allowed") == Some("1");
                let asymmetry = if asymmetry { "level-asymmetry-allowed=1;" } else { "" };
                let level = h264::canonical(get("profile-level-id"));
                format!(
                    "{asymmetry}packetization-mode={packetization_mode};profile-level-id={level}"
                )
            }
            (Codec::Vp9, Profile::Number(profile)) => format!("profile-id={profile}"),
            (Codec::Av1, Profile::Number(profile)) => {
                let number = |key: &str| get(key)?.parse::<u8>().ok();
                let level = number("level-idx").map(|level| format!("level-idx={level};"));
                let tier = number("tier").map(|tier| format!(";tier={tier}"));
                format!(
                    "{}profile={profile}{}",
                    level.unwrap_or_default(),
                    tier.unwrap_or_default()
                )
            }
            _ => String::new(),
        }
    }
}

/// The codecs of a section that we know, in its order, as it says them.
pub(crate) fn read(section: &Section<'_>) -> Vec<Format> {
    let lines = Described::read(section);
    let format = |payload_type: u8| {
        let codec = match lines.maps.get(&payload_type) {
            Some(map) => codec_of(map),
            None => static_codec(payload_type),
        }?;
        let fmtp = lines.parameters.get(&payload_type).copied().unwrap_or_default();
        let (_, clock_rate, _) = encoding(codec);
        Some(Format {
            payload_type,
            config: Config::new(codec, fmtp)?,
            fmtp: fmtp.to_owned(),
            rtx: lines.rtx.get(&(payload_type, clock_rate)).copied(),
            feedback: lines.feedback_of(payload_type),
        })
    };
    section.payload_types().into_iter().filter_map(format).collect()
}

/// The lines of a section by payload type, read once.
struct Described<'a> {
    maps: BTreeMap<u8, RtpMap<'a>>,
    parameters: BTreeMap<u8, &'a str>,
    /// Number and clock rate of a codec ─► number of its retransmissions (RFC 4588 §8.6).
    rtx: BTreeMap<(u8, u32), u8>,
    feedback: BTreeMap<Option<u8>, Feedback>,
}

impl<'a> Described<'a> {
    fn read(section: &Section<'a>) -> Self {
        let formats = section.payload_types();
        // What is said twice holds as it was said first.
        let mut maps = BTreeMap::new();
        for map in section.rtp_maps() {
            maps.entry(map.payload_type).or_insert(map);
        }
        let mut parameters = BTreeMap::new();
        for FormatParameters { payload_type, text } in section.format_parameters() {
            parameters.entry(payload_type).or_insert(text);
        }
        let apt = |payload_type: &u8| {
            let map: &RtpMap<'_> = maps.get(payload_type)?;
            let is_rtx = map.encoding.eq_ignore_ascii_case("rtx");
            let text = parameters.get(payload_type).filter(|_| is_rtx)?;
            let apt = sdp::views::codec::parameter(text, "apt")?.parse().ok()?;
            Some(((apt, map.clock_rate), *payload_type))
        };
        // Two for one codec: the first in the m= line.
        let rtx = formats.iter().rev().filter_map(apt).collect();
        let mut feedback: BTreeMap<Option<u8>, Feedback> = BTreeMap::new();
        for RtcpFeedback { payload_type, kind } in section.rtcp_feedback() {
            let known = feedback.entry(payload_type).or_default();
            match kind {
                "nack" => known.nack = true,
                "nack pli" => known.pli = true,
                "ccm fir" => known.fir = true,
                "transport-cc" => known.transport_cc = true,
                "goog-remb" => known.remb = true,
                _ => {}
            }
        }
        Self { maps, parameters, rtx, feedback }
    }

    fn feedback_of(&self, payload_type: u8) -> Feedback {
        let of = |key| self.feedback.get(&key).copied().unwrap_or_default();
        let (own, all) = (of(Some(payload_type)), of(None));
        Feedback {
            nack: own.nack || all.nack,
            pli: own.pli || all.pli,
            fir: own.fir || all.fir,
            transport_cc: own.transport_cc || all.transport_cc,
            remb: own.remb || all.remb,
        }
    }
}

fn both(a: Feedback, b: Feedback) -> Feedback {
    Feedback {
        nack: a.nack && b.nack,
        pli: a.pli && b.pli,
        fir: a.fir && b.fir,
        transport_cc: a.transport_cc && b.transport_cc,
        remb: a.remb && b.remb,
    }
}

fn our_feedback(codec: Codec) -> Feedback {
    match kind_of(codec) {
        MediaKind::Audio => AUDIO_FEEDBACK,
        MediaKind::Video => VIDEO_FEEDBACK,
    }
}

/// Those of `preferences`, in that order; all, if there are none (RFC 9429 §4.2.6).
fn prefer(mut formats: Vec<Format>, preferences: &[Codec]) -> Vec<Format> {
    if !preferences.is_empty() {
        let rank = |format: &Format| preferences.iter().position(|c| *c == format.config.codec);
        formats.retain(|format| rank(format).is_some());
        formats.sort_by_key(rank);
    }
    formats
}

/// What we answer to a section: what of it we know, under its numbers (RFC 9429 §5.3.1).
pub(crate) fn answer(section: &Section<'_>, kind: MediaKind, preferences: &[Codec]) -> Vec<Format> {
    let offered = read(section).into_iter().filter(|format| kind_of(format.config.codec) == kind);
    let answered = offered.map(|format| Format {
        fmtp: format.config.answer(&format.fmtp),
        feedback: both(format.feedback, our_feedback(format.config.codec)),
        ..format
    });
    prefer(answered.collect(), preferences)
}

/// What we offer in a section: what was agreed on there, then the rest of the table. New numbers are
/// entered in `taken` (RFC 9429 §5.2.1, §5.2.2).
pub(crate) fn offer(
    kind: MediaKind,
    preferences: &[Codec],
    agreed: Vec<Format>,
    taken: &mut PayloadTypes,
) -> Vec<Format> {
    let table: &[Known] = match kind {
        MediaKind::Audio => &AUDIO,
        MediaKind::Video => &VIDEO,
    };
    let mut formats = agreed;
    for format in &mut formats {
        format.feedback = our_feedback(format.config.codec);
    }
    for known in table {
        let Some(config) = Config::new(known.codec, known.fmtp) else { continue };
        if formats.iter().any(|format| format.config == config) {
            continue;
        }
        let payload_type = number(taken, &Meaning::Codec(config), known.payload_type);
        let Some(payload_type) = payload_type else { continue };
        let rtx = known.rtx.and_then(|rtx| number(taken, &Meaning::Rtx(payload_type), rtx));
        let feedback = our_feedback(known.codec);
        let fmtp = known.fmtp.to_owned();
        formats.push(Format { payload_type, config, fmtp, rtx, feedback });
    }
    prefer(formats, preferences)
}

/// The number a meaning has, or else gets: the wanted one if it is free, or else any.
fn number(taken: &mut PayloadTypes, meaning: &Meaning, wanted: u8) -> Option<u8> {
    if let Some((known, _)) = taken.iter().find(|(_, taken)| *taken == meaning) {
        return Some(*known);
    }
    let mut candidates = std::iter::once(wanted).chain(DYNAMIC.into_iter().flatten());
    let free = candidates.find(|candidate| !taken.contains_key(candidate))?;
    taken.insert(free, meaning.clone());
    Some(free)
}

/// Notes what the numbers of a section mean, ours or the peer's. The first meaning stays.
pub(crate) fn register(taken: &mut PayloadTypes, section: &Section<'_>) {
    for format in read(section) {
        taken.entry(format.payload_type).or_insert(Meaning::Codec(format.config));
        if let Some(rtx) = format.rtx {
            taken.entry(rtx).or_insert(Meaning::Rtx(format.payload_type));
        }
    }
    for payload_type in section.payload_types() {
        taken.entry(payload_type).or_insert(Meaning::Unknown);
    }
}

/// The codecs of `receiver`'s section that `sender` has, too: what `sender` may send, under the numbers
/// and in the order of `receiver` (RFC 3264 §6.1).
pub(crate) fn agreed(sender: &[Format], receiver: &[Format]) -> Vec<AgreedCodec> {
    let agreed = |format: &Format| {
        let same = sender.iter().find(|other| other.config == format.config);
        // DEVIATION RFC 6184 §8.2.2: an answer with another profile under the number of the offer is
        // taken for what it resembles. Some stacks answer with the one profile they know.
        let other = same.or_else(|| {
            sender.iter().find(|other| {
                other.payload_type == format.payload_type && other.config.resembles(&format.config)
            })
        })?;
        Some(AgreedCodec {
            parameters: format.parameters(),
            rtx: format.rtx.filter(|_| other.rtx.is_some()).map(PayloadType),
            feedback: both(format.feedback, other.feedback),
        })
    };
    receiver.iter().filter_map(agreed).collect()
}

impl Format {
    fn parameters(&self) -> RtpCodecParameters {
        let (_, clock_rate, channels) = encoding(self.config.codec);
        RtpCodecParameters {
            codec: self.config.codec,
            payload_type: PayloadType(self.payload_type),
            clock_rate,
            channels,
            fmtp: self.fmtp.clone(),
        }
    }

    /// The numbers of this codec, as the m= line has them.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        [Some(self.payload_type), self.rtx].into_iter().flatten()
    }

    /// The attributes of this codec.
    pub(crate) fn write(&self, lines: &mut Lines) {
        let (encoding, clock_rate, channels) = encoding(self.config.codec);
        let payload_type = self.payload_type;
        lines.push_attribute("rtpmap", RtpMap { payload_type, encoding, clock_rate, channels });
        let Feedback { nack, pli, fir, transport_cc, remb } = self.feedback;
        let kinds = [
            (remb, "goog-remb"),
            (transport_cc, "transport-cc"),
            (fir, "ccm fir"),
            (nack, "nack"),
            (pli, "nack pli"),
        ];
        for (_, kind) in kinds.into_iter().filter(|(has, _)| *has) {
            lines
                .push_attribute("rtcp-fb", RtcpFeedback { payload_type: Some(payload_type), kind });
        }
        if !self.fmtp.is_empty() {
            lines.push_attribute("fmtp", FormatParameters { payload_type, text: &self.fmtp });
        }
        if let Some(payload_type) = self.rtx {
            let map = RtpMap { payload_type, encoding: "rtx", clock_rate, channels: None };
            lines.push_attribute("rtpmap", map);
            let text = format!("apt={}", self.payload_type);
            lines.push_attribute("fmtp", FormatParameters { payload_type, text: &text });
        }
    }
}
