//! Candidates: ours, as addresses become known, and the peer's, as they trickle in.
//!
//! RFC 8838 (trickle ICE), RFC 8839 §5.1, RFC 9429 §3.5.2; W3C webrtc-pc `addIceCandidate`.
//! Book: the chapter on candidates.

use std::net::IpAddr;
use std::time::Instant;

use ice::{Candidate, Gathered};
use tracing::debug;

use super::{Connection, Event, IceCandidate, IceConnectionState, IceGatheringState, Life};
use crate::Error;
use crate::negotiation::MAX_CANDIDATES;

impl Connection {
    /// Adds a way to reach us: the address of a socket, or what a server told or lent. Add those known
    /// at once before the first description, and its candidates are in it; later ones are told by
    /// [`Event::IceCandidate`].
    pub fn add_local_candidate(&mut self, now: Instant, way: impl Into<Gathered>) {
        if self.must_run().is_err() {
            return;
        }
        if let Some(candidate) = self.paths.add_local(now, way.into())
            && self.negotiation.has_local_description()
        {
            self.announce(candidate);
        }
        self.pump(now);
    }

    /// Removes a way that is no more (`ice::GatheringEvent::Lost`, an interface that vanished).
    pub fn remove_local_candidate(&mut self, now: Instant, way: &Gathered) {
        self.paths.remove_local(now, way);
        self.pump(now);
    }

    /// Says that nothing can be carried this way any more: its TCP connection could not be opened, or
    /// has ended.
    pub fn path_failed(&mut self, now: Instant, path: ice::Path) {
        self.paths.path_failed(now, path);
        self.pump(now);
    }

    /// Says that no more will be added for now (RFC 8838 §13): gathering is complete.
    pub fn end_of_local_candidates(&mut self, _now: Instant) {
        if !self.local_candidates_complete {
            self.local_candidates_complete = true;
            if self.negotiation.has_local_description() {
                self.local_candidates.push_back(None);
            }
        }
    }

    /// Adds a candidate of the peer, with or without `a=` and `candidate:`. An empty one says that
    /// there will be no more. One that came before the description it belongs to is held.
    ///
    /// # Errors
    /// It is no candidate, there are too many, or the connection has ended. A candidate that merely
    /// cannot be used, such as one for RTCP or a name that nobody answers for, is no error.
    pub fn add_ice_candidate(
        &mut self,
        now: Instant,
        candidate: impl Into<IceCandidate>,
    ) -> Result<(), Error> {
        self.must_run()?;
        let candidate = candidate.into();
        let text = body(&candidate.candidate);
        if !text.is_empty() {
            Candidate::parse(text)?;
        }
        // A browser gathers for each section until it knows that they share a transport.
        if candidate.sdp_mid.as_deref().is_some_and(|mid| self.negotiation.is_other_transport(mid))
        {
            return Ok(());
        }
        let ufrag = ufrag(&candidate);
        let fits = |known: &str| ufrag.is_none_or(|ufrag| ufrag == known);
        // The newest description first: a candidate of an ICE restart names its new fragment, and
        // one that names nothing belongs to what was said last.
        if let Some(pending) = self.negotiation.pending_remote()
            && fits(&pending.ice_ufrag)
        {
            if text.is_empty() {
                pending.end_of_candidates = true;
            } else if pending.candidates.len() >= MAX_CANDIDATES {
                return Err(Error::Ice(ice::Error::TooManyCandidates));
            } else {
                pending.candidates.push(text.to_owned());
            }
            return Ok(());
        }
        match self.paths.remote_ufrag() {
            Some(known) if fits(known) => {
                if text.is_empty() {
                    self.paths.end_of_remote_candidates(now);
                } else {
                    self.paths.add_remote(now, text)?;
                }
            }
            // It names a fragment that no description has told us. Perhaps the next one does.
            _ if self.early_candidates.len() >= MAX_CANDIDATES => {
                return Err(Error::Ice(ice::Error::TooManyCandidates));
            }
            _ => {
                debug!("a candidate before its description is held");
                self.early_candidates.push(candidate);
            }
        }
        self.pump(now);
        Ok(())
    }

    /// A description of the peer has come: the candidates that were before it belong to it.
    pub(super) fn release_early_candidates(&mut self, now: Instant) {
        for candidate in std::mem::take(&mut self.early_candidates) {
            if let Err(error) = self.add_ice_candidate(now, candidate) {
                debug!(%error, "held candidate ignored");
            }
        }
    }

    /// Answers [`Event::ResolveName`]: the address behind a name, or `None` if there is none.
    pub fn name_resolved(&mut self, now: Instant, name: &str, address: Option<IpAddr>) {
        if self.must_run().is_ok() {
            self.paths.name_resolved(now, name, address);
            self.pump(now);
        }
    }

    /// How far gathering is (W3C webrtc-pc `iceGatheringState`): it counts from our first description.
    #[must_use]
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        let is_new = self.reported.gathering_state == IceGatheringState::New;
        match self.local_candidates_complete {
            _ if is_new && !self.negotiation.has_local_description() => IceGatheringState::New,
            true => IceGatheringState::Complete,
            false => IceGatheringState::Gathering,
        }
    }

    /// The next event of ICE, but for the path.
    pub(super) fn poll_ice_event(&mut self) -> Option<Event> {
        if let Some((relayed, peer)) = self.paths.poll_permission() {
            return Some(Event::RelayPermission { relayed, peer });
        }
        if let Some(name) = self.paths.poll_name() {
            return Some(Event::ResolveName(name));
        }
        if let Some(event) = self.poll_gathering_event() {
            return Some(event);
        }
        let state = self.ice_connection_state();
        if self.life == Life::Running { self.report_ice_state(state) } else { None }
    }

    /// The state of ICE, if it is news.
    pub(super) fn report_ice_state(&mut self, state: IceConnectionState) -> Option<Event> {
        let previous = std::mem::replace(&mut self.reported.ice_state, state);
        (previous != state).then_some(Event::IceConnectionStateChange(state))
    }

    /// As the W3C orders them: gathering begins, the candidates, it is complete, the last one is null.
    fn poll_gathering_event(&mut self) -> Option<Event> {
        use IceGatheringState::{Gathering, New};
        let state = self.ice_gathering_state();
        let told = self.reported.gathering_state;
        let next = match self.local_candidates.front() {
            _ if told == New && state != New => Gathering,
            Some(Some(_)) => told,
            Some(None) | None => state,
        };
        if next != told {
            self.reported.gathering_state = next;
            return Some(Event::IceGatheringStateChange(next));
        }
        self.local_candidates.pop_front().map(Event::IceCandidate)
    }

    /// Tells a candidate of ours that is in no description.
    pub(super) fn announce(&mut self, candidate: String) {
        self.local_candidates.push_back(Some(IceCandidate {
            candidate,
            sdp_mid: self.negotiation.transport_mid(),
            sdp_m_line_index: None,
            username_fragment: Some(self.paths.credentials().ufrag.clone()),
        }));
    }

    /// Tells those of our candidates that a description of ours does not have, and the end.
    pub(super) fn announce_missing(&mut self, description: &str) {
        for candidate in self.paths.candidates() {
            if !description.contains(&candidate) {
                self.announce(candidate);
            }
        }
        if self.local_candidates_complete && !description.contains("a=end-of-candidates") {
            self.local_candidates.push_back(None);
        }
    }

    /// The user name fragments by which checks for this connection can be told from others', for an
    /// owner whose connections share a socket (RFC 8445 §7.2.2).
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.paths.local_ufrags()
    }
}

/// The candidate without `a=`; empty for an end-of-candidates in any of its forms.
fn body(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    match text {
        "candidate:" | "end-of-candidates" => "",
        text => text,
    }
}

/// Whose candidate it is: said beside it, or in its `ufrag` extension as Chromium does.
fn ufrag(candidate: &IceCandidate) -> Option<&str> {
    let in_text = || {
        let mut words = candidate.candidate.split(' ');
        words.find(|word| *word == "ufrag")?;
        words.next()
    };
    candidate.username_fragment.as_deref().or_else(in_text)
}
