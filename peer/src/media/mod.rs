//! Media between SRTP and the application: what a connection sends and receives on its transceivers.
//!
//! Book: the chapters on RTP and on feedback.

pub(crate) mod clock;
#[allow(dead_code, unused_imports)]
pub(crate) mod congestion;
mod delivery;
pub(crate) mod engine;
mod error;
mod feedback;
mod history;
mod inbound;
mod missing;
mod numbering;
mod outbound;
pub(crate) mod parameters;
mod receiving;
mod reception;
mod reorder;
mod router;
mod sending;
mod stamp;
pub(crate) mod stats;
mod types;
mod wish;

pub use error::MediaError;
pub use types::{
    Codec, EncodedFrame, MediaFrame, MediaKind, MediaPacket, ReceiveMode, Received, Rid,
    RtpCodecParameters, TransceiverId, TransceiverInfo, TransceiverInit,
};

#[cfg(test)]
mod tests;
