//! What is remembered of each source: a table that only authentic packets can grow. RFC 3711 §3.2.3.
//!
//! ```text
//!   packet of a known source ─► its state ─► attempt ┬ Ok   the state as the attempt left it
//!                                                    └ Err  unchanged, by the attempt's own care
//!   packet of a new source ───► new state ─► attempt ┬ Ok   kept, if there is room
//!                               (on the stack)       └ Err  gone with the packet
//! ```
//!
//! Nobody announces sources: an SSRC first becomes known by a packet that carries it, and anybody can
//! write any SSRC into a packet. So a new source's state lives on the stack until the packet has proved
//! to be authentic. Book: the chapter on SRTP.

use std::collections::BTreeMap;

use crate::Error;
use crate::wire::identifier::Ssrc;

/// Sources in one direction under one key, of RTP and of RTCP each. A conference of hundreds, with
/// simulcast and retransmission streams, needs fewer; a malicious but authentic peer gets no more
/// than 200 kB of tables by inventing sources.
pub const MAX_SOURCES: usize = 1024;

/// The state `S` of each source.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(crate) struct Sources<S> {
    known: BTreeMap<Ssrc, S>,
}

impl<S: Default> Sources<S> {
    /// No source yet.
    pub(crate) fn new() -> Self {
        Self { known: BTreeMap::new() }
    }

    /// Lets `attempt` work on the state of `ssrc`. A new source is remembered if it succeeds.
    ///
    /// # Errors
    /// [`Error::SourcesTooMany`] before anything was attempted, or the attempt's.
    // ANCHOR: attempt
    pub(crate) fn attempt(
        &mut self,
        ssrc: Ssrc,
        attempt: impl FnOnce(&mut S) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if let Some(state) = self.known.get_mut(&ssrc) {
            return attempt(state);
        }
        if self.known.len() >= MAX_SOURCES {
            return Err(Error::SourcesTooMany);
        }
        let mut state = S::default();
        attempt(&mut state)?;
        self.known.insert(ssrc, state);
        Ok(())
    }
    // ANCHOR_END: attempt

    /// How many sources are known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_60_only_a_successful_attempt_is_remembered() {
        let mut sources = Sources::<u32>::new();
        let fail = |_: &mut u32| Err(Error::Unauthentic);
        assert_eq!(sources.attempt(Ssrc(1), fail), Err(Error::Unauthentic));
        assert_eq!(sources.len(), 0);
        for expected in 0..3 {
            let count = |state: &mut u32| {
                assert_eq!(*state, expected);
                *state += 1;
                Ok(())
            };
            assert_eq!(sources.attempt(Ssrc(1), count), Ok(()));
        }
        assert_eq!(sources.len(), 1);
    }

    #[test]
    fn row_60_the_table_is_bounded() {
        let mut sources = Sources::<u32>::new();
        for ssrc in 0..5_000 {
            let expected =
                if (ssrc as usize) < MAX_SOURCES { Ok(()) } else { Err(Error::SourcesTooMany) };
            assert_eq!(sources.attempt(Ssrc(ssrc), |_| Ok(())), expected);
        }
        assert_eq!(sources.len(), MAX_SOURCES);
        assert_eq!(sources.attempt(Ssrc(7), |_| Ok(())), Ok(()), "a known one goes on");
    }
}
