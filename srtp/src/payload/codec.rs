//! The codecs that can be carried, with what SDP says of each.
//!
//! The names and clocks are those of the payload formats' media types: RFC 7587 §7, RFC 3551 §4.5,
//! RFC 7741 §6, RFC 9628 §7, RFC 6184 §8, AV1 RTP payload specification §7.
//! Book: the chapter on RTP.

/// A codec with the clock of its RTP timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// RFC 7587; 48,000 Hz, always said to be stereo.
    Opus,
    /// G.711 µ-law, RFC 3551 §4.5.14; 8,000 Hz.
    Pcmu,
    /// G.711 A-law, RFC 3551 §4.5.14; 8,000 Hz.
    Pcma,
    /// RFC 3551 §4.5.2; 8,000 Hz on the wire although it samples at 16,000.
    G722,
    /// RFC 7741.
    Vp8,
    /// RFC 9628. Frames are whole pictures; one of several spatial layers is a superframe.
    Vp9,
    /// RFC 6184. Frames are in Annex B form: start codes between NAL units.
    H264,
    /// AV1 RTP payload specification 1.0. Frames are temporal units in the low-overhead format,
    /// every OBU with its size, without temporal delimiters.
    Av1,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Opus,
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::Vp8,
        Self::Vp9,
        Self::H264,
        Self::Av1,
    ];

    /// The media type, `audio/…` or `video/…`; the second half is the name in `a=rtpmap`.
    #[must_use]
    pub const fn mime_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Pcmu => "audio/PCMU",
            Self::Pcma => "audio/PCMA",
            Self::G722 => "audio/G722",
            Self::Vp8 => "video/VP8",
            Self::Vp9 => "video/VP9",
            Self::H264 => "video/H264",
            Self::Av1 => "video/AV1",
        }
    }

    /// The name in `a=rtpmap`, to be compared without regard to case (RFC 8866 §6.6).
    #[must_use]
    pub fn encoding_name(self) -> &'static str {
        self.mime_type().split_once('/').map_or("", |(_, name)| name)
    }

    /// Ticks a second of the RTP timestamps. G.722's is 8,000 by an old mistake that was kept
    /// (RFC 3551 §4.5.2).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => 90_000,
        }
    }

    /// Channels as `a=rtpmap` says them; `None` for video. Opus always says 2 (RFC 7587 §7).
    #[must_use]
    pub const fn channels(self) -> Option<u8> {
        match self {
            Self::Opus => Some(2),
            Self::Pcmu | Self::Pcma | Self::G722 => Some(1),
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => None,
        }
    }

    /// Whether it is an audio codec: each packet is a frame, and each can be decoded alone.
    #[must_use]
    pub const fn is_audio(self) -> bool {
        self.channels().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_agrees_with_the_kind() {
        for codec in Codec::ALL {
            assert_eq!(codec.mime_type().starts_with("audio/"), codec.is_audio());
            assert!(codec.mime_type().ends_with(codec.encoding_name()));
        }
    }

    #[test]
    fn trap_g722_ticks_at_8000() {
        assert_eq!(Codec::G722.clock_rate(), 8_000);
    }
}
