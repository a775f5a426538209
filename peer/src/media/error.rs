//! Why media was not sent.

/// A frame or packet was refused, and nothing changed.
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
}
