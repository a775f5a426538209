//! What two applications do with each other's descriptions and candidates. Book: "Testing".

use std::time::Instant;

use peer::Connection;

use super::{Host, HostEvent};
use crate::sim::Side;

/// Offer and answer, at once.
///
/// # Panics
/// If one does not like the other's.
pub fn negotiate(now: Instant, offerer: &mut Connection, answerer: &mut Connection) {
    let offer = offerer.create_offer(now).expect("an offer");
    offerer.set_local_description(now, offer.clone()).expect("its own offer");
    answerer.set_remote_description(now, offer).expect("the offer");
    let answer = answerer.create_answer(now).expect("an answer");
    answerer.set_local_description(now, answer.clone()).expect("its own answer");
    offerer.set_remote_description(now, answer).expect("the answer");
}

/// Carries candidates between the first two hosts as they are found (RFC 8838).
#[derive(Debug, Default)]
pub struct Signalling {
    seen: [usize; 2],
}

impl Signalling {
    /// Carries those that were told since the last call.
    ///
    /// # Panics
    /// If a host does not take one.
    pub fn carry(&mut self, now: Instant, hosts: &mut [Side<Host>]) {
        let [left, right, ..] = hosts else { panic!("two hosts") };
        Self::carry_one_way(now, &mut self.seen[0], left, right);
        Self::carry_one_way(now, &mut self.seen[1], right, left);
    }

    fn carry_one_way(now: Instant, seen: &mut usize, from: &Side<Host>, to: &mut Side<Host>) {
        while let Some(event) = from.events.get(*seen) {
            *seen += 1;
            if let HostEvent::Connection(peer::Event::IceCandidate(candidate)) = event {
                let candidate = candidate.clone().unwrap_or_default();
                to.connection.add_ice_candidate(now, candidate).expect("a candidate");
            }
        }
    }
}
