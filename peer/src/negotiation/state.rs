//! Where an offer/answer exchange stands, and which description may come next.
//!
//! RFC 9429 §3.2, the state machine; §4.1.10.2 and §5.7, rollback; W3C webrtc-pc
//! `RTCSignalingState`.
//!
//! ```text
//!                  setRemote(OFFER)               setLocal(PRANSWER)
//!                      /-----\                        /-----\
//!                      v     |                        v     |
//!           +-----------------+  setLocal   +-----------------+
//!           | have-           |  (PRANSWER) | have-           |
//!           | remote-offer    |------------>| local-pranswer  |
//!           +-----------------+             +-----------------+
//!   setRemote  ^   | setLocal(ANSWER)              | setLocal(ANSWER)
//!   (OFFER)    |   v   or rollback                 |
//!           +-----------------+                    |
//!           |     stable      |<-------------------+
//!           |                 |<-------------------+
//!           +-----------------+                    |
//!   setLocal   |   ^ setRemote(ANSWER)             | setRemote(ANSWER)
//!   (OFFER)    v   |   or rollback                 |
//!           +-----------------+  setRemote  +-----------------+
//!           | have-           |  (PRANSWER) | have-           |
//!           | local-offer     |------------>| remote-pranswer |
//!           +-----------------+             +-----------------+
//!                      ^     |                        ^     |
//!                      \-----/                        \-----/
//!                  setLocal(OFFER)               setRemote(PRANSWER)
//! ```
//!
//! One arrow more, from W3C: `setRemote(OFFER)` in have-local-offer first rolls our offer back. Two
//! ends whose offers cross (glare) need it: one of them gives way.
//! Book: the chapter on offer and answer.

use std::fmt;

use serde::Serialize;

use super::SdpType;
use crate::Error;

/// The signalling state of a connection, RFC 9429 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalingState {
    /// No exchange is going on.
    Stable,
    /// Our offer awaits its answer.
    HaveLocalOffer,
    /// The peer's offer awaits our answer.
    HaveRemoteOffer,
    /// We gave a provisional answer.
    HaveLocalPranswer,
    /// We got a provisional answer.
    HaveRemotePranswer,
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPranswer => "have-local-pranswer",
            Self::HaveRemotePranswer => "have-remote-pranswer",
        })
    }
}

/// Whose description is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Local,
    Remote,
}

impl SignalingState {
    // ANCHOR: after
    /// The state after a description is set; the table of the figure.
    pub(crate) fn after(self, side: Side, kind: SdpType) -> Result<Self, Error> {
        use SdpType::{Answer, Offer, PrAnswer, Rollback};
        use SignalingState::{
            HaveLocalOffer, HaveLocalPranswer, HaveRemoteOffer, HaveRemotePranswer, Stable,
        };
        Ok(match (self, side, kind) {
            (Stable | HaveLocalOffer, Side::Local, Offer) => HaveLocalOffer,
            // From have-local-offer this is the implicit rollback.
            (Stable | HaveRemoteOffer | HaveLocalOffer, Side::Remote, Offer) => HaveRemoteOffer,
            (HaveRemoteOffer | HaveLocalPranswer, Side::Local, PrAnswer) => HaveLocalPranswer,
            (HaveLocalOffer | HaveRemotePranswer, Side::Remote, PrAnswer) => HaveRemotePranswer,
            (HaveRemoteOffer | HaveLocalPranswer, Side::Local, Answer)
            | (HaveLocalOffer | HaveRemotePranswer, Side::Remote, Answer)
            | (HaveLocalOffer | HaveRemoteOffer, _, Rollback) => Stable,
            (state, ..) => return Err(Error::WrongState { kind, state }),
        })
    }
    // ANCHOR_END: after
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [SignalingState; 5] = [
        SignalingState::Stable,
        SignalingState::HaveLocalOffer,
        SignalingState::HaveRemoteOffer,
        SignalingState::HaveLocalPranswer,
        SignalingState::HaveRemotePranswer,
    ];
    const KINDS: [SdpType; 4] =
        [SdpType::Offer, SdpType::PrAnswer, SdpType::Answer, SdpType::Rollback];

    /// The figure, arrow by arrow: every other description is refused in that state.
    #[test]
    fn every_state_and_every_description() {
        let mut arrows = Vec::new();
        for state in STATES {
            for side in [Side::Local, Side::Remote] {
                for kind in KINDS {
                    if let Ok(next) = state.after(side, kind) {
                        arrows.push(format!("{state} {side:?} {kind} {next}"));
                    }
                }
            }
        }
        let expected = [
            "stable Local offer have-local-offer",
            "stable Remote offer have-remote-offer",
            "have-local-offer Local offer have-local-offer",
            "have-local-offer Local rollback stable",
            "have-local-offer Remote offer have-remote-offer",
            "have-local-offer Remote pranswer have-remote-pranswer",
            "have-local-offer Remote answer stable",
            "have-local-offer Remote rollback stable",
            "have-remote-offer Local pranswer have-local-pranswer",
            "have-remote-offer Local answer stable",
            "have-remote-offer Local rollback stable",
            "have-remote-offer Remote offer have-remote-offer",
            "have-remote-offer Remote rollback stable",
            "have-local-pranswer Local pranswer have-local-pranswer",
            "have-local-pranswer Local answer stable",
            "have-remote-pranswer Remote pranswer have-remote-pranswer",
            "have-remote-pranswer Remote answer stable",
        ];
        assert_eq!(arrows, expected);
    }
}
