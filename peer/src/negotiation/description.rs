//! What is handed to signalling: a type and a text.
//!
//! RFC 9429 §4.1.10 (`SessionDescriptionType`); W3C webrtc-pc `RTCSessionDescriptionInit`, whose JSON
//! form `{"type": "offer", "sdp": "…"}` this serialises to.
//! Book: the chapter on offer and answer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a description, RFC 9429 §4.1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// Proposes a session, or a change of it.
    Offer,
    /// A provisional answer: it takes effect, and another answer follows (RFC 9429 §4.1.10.1).
    PrAnswer,
    /// Accepts an offer and ends the exchange.
    Answer,
    /// Takes an offer back; its text is empty (RFC 9429 §4.1.10.2).
    Rollback,
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        })
    }
}

/// A description as signalling carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// Offer, answer, …
    #[serde(rename = "type")]
    pub kind: SdpType,
    /// The text, RFC 8866.
    pub sdp: String,
}

impl SessionDescription {
    /// An offer with this text.
    #[must_use]
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Offer, sdp: sdp.into() }
    }

    /// An answer with this text.
    #[must_use]
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Answer, sdp: sdp.into() }
    }

    /// Takes the pending offer back.
    #[must_use]
    pub fn rollback() -> Self {
        Self { kind: SdpType::Rollback, sdp: String::new() }
    }
}
