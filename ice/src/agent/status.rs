//! The state of the connection, derived from everything else after every input.
//!
//! Book: chapter "Nomination and consent".

use std::time::Instant;

use tracing::{debug, info};

use super::Agent;
use super::generation::{Conclusion, Patience, Remote};
use crate::config::Mode;
use crate::event::{ConnectionState, Event};
use crate::pair::{Pair, PairState};

impl Agent {
    /// Called at the end of every input: brings the state up to date.
    pub(super) fn update(&mut self, now: Instant) {
        if self.state.is_ended() {
            return;
        }
        let mut state = self.derive_state(now);
        let gone = matches!(state, ConnectionState::Disconnected | ConnectionState::Failed);
        if gone && self.generation.selected.is_some() && self.fall_back(now) {
            state = self.derive_state(now);
        }
        self.set_state(state);
    }

    fn derive_state(&self, now: Instant) -> ConnectionState {
        let Some(selected) = self.selected() else { return self.state_of_the_search() };
        if !selected.is_valid(now) {
            return ConnectionState::Failed;
        }
        let silent =
            selected.silence(now).is_none_or(|it| it >= self.config.timing.disconnected_after);
        match self.generation.conclusion {
            _ if silent => ConnectionState::Disconnected,
            Conclusion::Concluded => ConnectionState::Completed,
            _ => ConnectionState::Connected,
        }
    }

    /// Without a valid pair: RFC 8863 §4 lets the search fail only when the PAC timer has run out and
    /// nothing is left to check, or as much time has passed again. The peer's end-of-candidates makes no difference: browsers do not
    /// always send it, and the timer covers what it would promise.
    fn state_of_the_search(&self) -> ConnectionState {
        let nothing_is_left =
            || self.config.mode == Mode::Lite || !self.generation.checklist.any_pending();
        match self.generation.remote {
            Remote::Unknown { .. } => ConnectionState::New,
            Remote::Known { patience, .. }
                if match patience {
                    Patience::Until(_) => false,
                    Patience::LastChecks(_) => nothing_is_left(),
                    Patience::Exhausted => true,
                } =>
            {
                debug!(end_of_candidates = self.generation.end_of_candidates, "no connectivity");
                ConnectionState::Failed
            }
            // It was connected, and lost what it had selected: a candidate that comes late or an ICE
            // restart may help.
            Remote::Known { .. } if self.state.is_connected() => ConnectionState::Disconnected,
            Remote::Known { .. } => ConnectionState::Checking,
        }
    }

    /// The next moment at which [`Agent::update`] or the PAC timer changes something by itself.
    pub(super) fn status_timeout(&self) -> Option<Instant> {
        let Some(way) = &self.generation.selected else {
            return match self.generation.remote {
                Remote::Known { patience, .. } => match patience {
                    Patience::Until(until) | Patience::LastChecks(until) => Some(until),
                    Patience::Exhausted => None,
                },
                _ => None,
            };
        };
        let pair = self.selected()?;
        let expiry = match pair.state() {
            PairState::Succeeded { consent, .. } => Some(consent.expires_at()),
            _ => None,
        };
        let silence = (self.state != ConnectionState::Disconnected)
            .then(|| silent_at(pair, self.config.timing.disconnected_after))
            .flatten();
        [way.consent_check_at, expiry, silence].into_iter().flatten().min()
    }

    /// The one place that writes the state. What ends is forgotten at once.
    pub(super) fn set_state(&mut self, state: ConnectionState) {
        if self.state == state {
            return;
        }
        info!(from = ?self.state, to = ?state, "ICE");
        self.state = state;
        self.push_event(Event::StateChanged(state));
        if state.is_ended() {
            self.generation.checks.clear();
            self.generation.selected = None;
            self.outbox.clear();
        }
    }
}

fn silent_at(pair: &Pair, limit: std::time::Duration) -> Option<Instant> {
    pair.last_heard.map(|last| last + limit)
}
