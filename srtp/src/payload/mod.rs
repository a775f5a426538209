//! How the frames of each codec travel in RTP packets: one short file per payload format, the
//! packetizer beside the depacketizer.
//!
//! ```text
//!            frame ─► Packetizer ─► payloads ─► … ─► payloads ─► Depacketizer ─► frame
//!
//!  whole     RFC 7587, 3551   Opus, G.711, G.722: a packet is a frame
//!  vp8       RFC 7741    ┐ a descriptor in front of each piece says where a frame begins
//!  vp9       RFC 9628    ┘
//!  h264      RFC 6184    NAL units: one, several (STAP-A) or a part of one (FU-A) in a packet
//!  av1       AOM 1.0     OBUs: several and parts of them in a packet
//! ```
//!
//! What stands in front of a frame's octets (descriptors, lengths) is read by the same `field`
//! parsers as RTP itself. What stands inside of a frame is looked at for two questions only: can it
//! be decoded alone, and how large is its picture?
//!
//! Book: the chapter on RTP.

mod av1;
mod bits;
mod codec;
mod depacketizer;
mod descriptor;
pub mod g711;
mod h264;
mod packetizer;
#[cfg(test)]
mod testing;
mod vp8;
mod vp9;
mod whole;

pub use codec::Codec;
pub use depacketizer::{Depacketizer, Frame};
pub use packetizer::{Fragment, Packetizer};

/// The largest frame that is cut or put together, in octets. A 4K keyframe at the best quality is
/// about half as large; whatever claims to be larger is made to fill memory.
pub const MAX_FRAME: usize = 4 << 20;

/// Whether a frame that can be decoded alone begins in this payload: where a forwarder may begin.
/// Always so for audio. A payload that makes no sense begins nothing.
#[must_use]
pub fn begins_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => !payload.is_empty(),
        Codec::Vp8 => vp8::begins_keyframe(payload),
        Codec::Vp9 => vp9::begins_keyframe(payload),
        Codec::H264 => h264::begins_keyframe(payload),
        Codec::Av1 => av1::begins_keyframe(payload),
    }
}

/// Width and height of a keyframe, in pixels, as its bitstream says. Of a VP9 superframe those of
/// the first (smallest) spatial layer; `None` for audio, for frames that are no keyframes and for
/// what cannot be understood.
#[must_use]
pub fn dimensions(codec: Codec, keyframe: &[u8]) -> Option<(u16, u16)> {
    match codec {
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => None,
        Codec::Vp8 => vp8::dimensions(keyframe),
        Codec::Vp9 => vp9::dimensions(keyframe),
        Codec::H264 => h264::dimensions(keyframe),
        Codec::Av1 => av1::dimensions(keyframe),
    }
}
