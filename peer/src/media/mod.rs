//! Media between SRTP and the application: what a connection sends and receives on its transceivers.
//!
//! Book: the chapters on RTP and on feedback.

#[allow(dead_code, unused_imports)]
pub(crate) mod congestion;
mod error;
#[allow(dead_code)]
pub(crate) mod parameters;
mod types;

pub use error::MediaError;
pub use types::{
    Codec, EncodedFrame, MediaFrame, MediaKind, MediaPacket, ReceiveMode, Received, Rid,
    RtpCodecParameters, TransceiverId, TransceiverInfo, TransceiverInit,
};
