//! Why media was not sent.
//!
//! Book: the chapter on RTP.

/// A frame or packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The transceiver does not send: not agreed on yet, receiving only, or over.
    #[error("the transceiver does not send")]
    NotSending,
    /// The peer did not agree to this codec here.
    #[error("the peer did not agree to this codec")]
    Codec,
    /// No layer of this name is sent.
    #[error("there is no such layer")]
    Layer,
    /// The payload is empty, or a packet's does not fit into a datagram.
    #[error("the payload is empty or too large")]
    Size,
    /// More waits than the path carries: it was dropped. The stream has a hole there, and a keyframe
    /// will be asked for.
    #[error("the path is too slow, it was dropped")]
    Congested,
}
