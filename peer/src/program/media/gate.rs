//! Which frames of a stream are recorded: from a keyframe on, and after a loss from the next one,
//! so that a file can always be decoded.
//!
//! ```text
//!            keyframe
//!  Waiting ───────────► Passing
//!     ▲                    │
//!     └────── a loss ──────┘
//! ```
//!
//! While it waits it says when to ask the sender for a keyframe. Sound always passes.
//!
//! Book: the chapter on feedback.

use std::time::{Duration, Instant};

use peer::media::{Codec, MediaFrame};
use srtp::payload::dimensions;

/// How often a keyframe is asked for while none comes.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// The gate before one file.
#[derive(Debug)]
pub(super) enum Gate {
    /// For a keyframe.
    Waiting {
        /// When one was asked for.
        asked: Option<Instant>,
    },
    /// Everything up to now can be decoded.
    Passing,
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write it.
    Pass,
    /// It cannot be decoded.
    Drop,
    /// The same, and a keyframe has to be asked for.
    Ask,
}

impl Gate {
    /// Waits for the first keyframe.
    pub(super) fn new() -> Gate {
        Gate::Waiting { asked: None }
    }

    /// Frames are missing before the next one.
    pub(super) fn lost(&mut self) {
        if matches!(self, Gate::Passing) {
            *self = Gate::new();
        }
    }

    /// Decides on the next frame.
    pub(super) fn judge(&mut self, frame: &MediaFrame) -> Verdict {
        if is_audio(frame.codec) {
            return Verdict::Pass;
        }
        if frame.after_loss {
            self.lost();
        }
        let Gate::Waiting { asked } = self else { return Verdict::Pass };
        // A keyframe that does not say how large it is cannot begin a file: of H.264 it stands
        // without its parameter sets.
        if frame.is_keyframe && dimensions(frame.codec, &frame.payload).is_some() {
            *self = Gate::Passing;
            return Verdict::Pass;
        }
        let now = frame.received_at;
        if asked.is_some_and(|asked| now.saturating_duration_since(asked) < REQUEST_INTERVAL) {
            return Verdict::Drop;
        }
        *asked = Some(now);
        Verdict::Ask
    }
}

/// Whether frames of the codec are sound.
pub(super) fn is_audio(codec: Codec) -> bool {
    matches!(codec, Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use srtp::{RtpTimestamp, Ssrc};

    use super::*;

    fn frame(codec: Codec, key: bool, after_loss: bool, at: Instant) -> MediaFrame {
        // The header of a VP8 key frame of 320×240, RFC 6386 §9.1.
        let payload = Bytes::from_static(&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0, 0, 0]);
        let (rid, ssrc, timestamp) = (None, Ssrc(1), RtpTimestamp(0));
        MediaFrame {
            codec,
            rid,
            ssrc,
            timestamp,
            is_keyframe: key,
            after_loss,
            received_at: at,
            payload,
        }
    }

    #[test]
    fn a_file_begins_with_a_keyframe_and_goes_on_with_one_after_a_loss() {
        let (mut gate, now) = (Gate::new(), Instant::now());
        let mut judge = |key, lost, milliseconds| {
            gate.judge(&frame(Codec::Vp8, key, lost, now + Duration::from_millis(milliseconds)))
        };
        assert_eq!(judge(false, false, 0), Verdict::Ask);
        assert_eq!(judge(false, false, 33), Verdict::Drop);
        assert_eq!(judge(false, false, 1033), Verdict::Ask);
        assert_eq!(judge(true, false, 1066), Verdict::Pass);
        assert_eq!(judge(false, false, 1100), Verdict::Pass);
        assert_eq!(judge(false, true, 1133), Verdict::Ask);
        assert_eq!(judge(false, false, 1166), Verdict::Drop);
        assert_eq!(judge(true, true, 1200), Verdict::Pass);
        assert_eq!(judge(false, false, 1233), Verdict::Pass);
    }

    #[test]
    fn sound_passes() {
        let mut gate = Gate::new();
        assert_eq!(gate.judge(&frame(Codec::Opus, true, true, Instant::now())), Verdict::Pass);
    }
}
