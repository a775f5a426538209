//! The checklist and its triggered-check queue (RFC 8445 §6.1.2, §6.1.4; RFC 8838 for late candidates).
//!
//! ```text
//!                    insert (Frozen or Waiting)
//!  candidates ─────────────────────────────────►┌───────────────┐  next_ordinary
//!                                               │ pairs, highest├────────────────► a check
//!  a check arrived ──► enqueue ──► triggered ──►│ priority first│  next_triggered
//!                                               └───────────────┘
//! ```
//!
//! Invariants: pairs are sorted by priority, highest first; no two have the same path, that is base
//! and remote address (pruning, §6.1.2.4); there are never more than `max_pairs` (§6.1.2.5); the queue holds
//! each pair at most once. Book: chapter "Checks".

use std::collections::VecDeque;
use std::time::Instant;

use tracing::debug;

use crate::pair::{LocalEnd, Pair, PairFoundation, PairId, PairState, RemoteEnd};
use crate::protocol::Path;
use crate::role::Role;

/// The pairs of one data stream: there is only one, all media being bundled (RFC 9143).
#[derive(Debug)]
pub(crate) struct Checklist {
    pairs: Vec<Pair>,
    triggered: VecDeque<PairId>,
    next_id: u64,
    max_pairs: usize,
}

/// Why a pair enters the checklist, which decides what it may push out when the list is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Two candidates were signalled: a claim.
    Signalled,
    /// An authenticated check arrived: a fact.
    CheckReceived,
}

impl Checklist {
    pub(crate) fn new(max_pairs: usize) -> Self {
        Self { pairs: Vec::new(), triggered: VecDeque::new(), next_id: 0, max_pairs }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut()
    }

    pub(crate) fn get(&self, id: PairId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    pub(crate) fn find(&self, path: Path) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.path() == path)
    }

    pub(crate) fn find_mut(&mut self, path: Path) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.path() == path)
    }

    /// Adds a pair that is not there yet; `None` if there is no room for it.
    /// `removed` hears of the pair that had to go.
    pub(crate) fn insert(
        &mut self,
        local: LocalEnd,
        remote: RemoteEnd,
        foundation: PairFoundation,
        role: Role,
        origin: Origin,
        mut removed: impl FnMut(PairId),
    ) -> Option<PairId> {
        let id = PairId(self.next_id);
        self.next_id += 1;
        let mut pair = Pair::new(id, local, remote, foundation, role);
        if self.pairs.len() >= self.max_pairs {
            let Some(victim) = self.victim(&pair, origin) else {
                debug!(remote = %pair.remote.address, "the checklist is full");
                return None;
            };
            self.remove(victim);
            removed(victim);
        }
        pair.set_state(self.initial_state(foundation));
        self.pairs.push(pair);
        self.sort();
        Some(id)
    }

    /// RFC 8838 §12: a pair that arrives late waits while another of its foundation is being tried;
    /// if that one succeeded, or there is none, it may go at once.
    fn initial_state(&self, foundation: PairFoundation) -> PairState {
        let mut kin = self.pairs.iter().filter(|pair| pair.foundation == foundation).peekable();
        let succeeded = |pair: &Pair| matches!(pair.state(), PairState::Succeeded { .. });
        if kin.peek().is_none() || kin.any(succeeded) {
            PairState::Waiting
        } else {
            PairState::Frozen
        }
    }

    /// The pair that makes room for `new` (RFC 8445 §6.1.2.5: lower priorities are discarded). Pairs
    /// the peer was heard on stay, but for failed ones: the path that works may well have the lowest
    /// priority of all, and claims must not push it out.
    fn victim(&self, new: &Pair, origin: Origin) -> Option<PairId> {
        let by_rank = |rank: fn(&Pair) -> bool| {
            // The list is sorted, so the last has the lowest priority.
            self.pairs.iter().rev().find(|pair| rank(pair))
        };
        if let Some(failed) = by_rank(|pair| pair.state() == PairState::Failed) {
            return Some(failed.id);
        }
        let unheard = by_rank(|pair| {
            !pair.is_validated() && matches!(pair.state(), PairState::Frozen | PairState::Waiting)
        });
        match origin {
            Origin::Signalled => unheard.filter(|pair| pair.priority < new.priority),
            Origin::CheckReceived => unheard.or_else(|| by_rank(|pair| !pair.is_validated())),
        }
        .map(|pair| pair.id)
    }

    pub(crate) fn remove(&mut self, id: PairId) {
        self.pairs.retain(|pair| pair.id != id);
        self.dequeue(id);
    }

    /// Keeps the pairs for which `keep` answers true; `removed` hears of the others.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Pair) -> bool, mut removed: impl FnMut(PairId)) {
        self.pairs.retain(|pair| {
            let stays = keep(pair);
            if !stays {
                removed(pair.id);
            }
            stays
        });
        let pairs = &self.pairs;
        self.triggered.retain(|id| pairs.iter().any(|pair| pair.id == *id));
    }

    /// Orders the pairs after priorities changed (RFC 8445 §6.1.2.3). The sort is stable, and the
    /// order of equals arbitrary.
    pub(crate) fn sort(&mut self) {
        self.pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
    }

    /// Computes all priorities for a new role (RFC 8445 §7.3.1.1).
    pub(crate) fn recompute_priorities(&mut self, role: Role) {
        for pair in &mut self.pairs {
            pair.compute_priority(role);
        }
        self.sort();
    }

    /// Puts a pair at the end of the triggered-check queue, once (RFC 8445 §6.1.4.1).
    pub(crate) fn enqueue(&mut self, id: PairId) {
        if !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    pub(crate) fn dequeue(&mut self, id: PairId) {
        self.triggered.retain(|queued| *queued != id);
    }

    /// Whether an ordinary check could go out if Ta allowed it.
    pub(crate) fn has_ordinary(&self) -> bool {
        self.pairs.iter().any(|pair| pair.state() == PairState::Waiting)
            || self.pairs.iter().any(|pair| self.can_unfreeze(pair))
    }

    /// Puts a pair before all others: the nomination the data waits for.
    pub(crate) fn enqueue_first(&mut self, id: PairId) {
        self.dequeue(id);
        self.triggered.push_front(id);
    }

    /// The pair of step 1 of RFC 8445 §6.1.4.2; [`Checklist::dequeue`] when its check is sent.
    pub(crate) fn next_triggered(&self) -> Option<&Pair> {
        self.get(*self.triggered.front()?)
    }

    /// Steps 2 and 3 of RFC 8445 §6.1.4.2.
    pub(crate) fn next_ordinary(&mut self) -> Option<PairId> {
        let waiting = |pair: &&Pair| pair.state() == PairState::Waiting;
        if let Some(pair) = self.pairs.iter().find(waiting) {
            return Some(pair.id);
        }
        let id = self.pairs.iter().find(|pair| self.can_unfreeze(pair))?.id;
        self.get_mut(id)?.set_state(PairState::Waiting);
        Some(id)
    }

    fn can_unfreeze(&self, frozen: &Pair) -> bool {
        let busy = |pair: &Pair| {
            pair.foundation == frozen.foundation
                && matches!(pair.state(), PairState::Waiting | PairState::InProgress)
        };
        frozen.state() == PairState::Frozen && !self.pairs.iter().any(busy)
    }

    /// The network has changed, or so it seems: what failed may work now.
    pub(crate) fn retry_failed(&mut self) {
        for pair in &mut self.pairs {
            if pair.state() == PairState::Failed {
                pair.set_state(PairState::Waiting);
            }
        }
    }

    /// RFC 8445 §7.2.5.3.3: success on one pair frees the others of its foundation.
    pub(crate) fn unfreeze(&mut self, foundation: PairFoundation) {
        for pair in &mut self.pairs {
            if pair.foundation == foundation && pair.state() == PairState::Frozen {
                pair.set_state(PairState::Waiting);
            }
        }
    }

    /// The valid pair of the highest priority: the head of RFC 8445's valid list.
    pub(crate) fn best_valid(&self, now: Instant) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.is_valid(now))
    }

    /// Whether a pair that is better than `pair` may still turn out to work.
    pub(crate) fn better_is_pending(&self, pair: &Pair) -> bool {
        self.pairs.iter().take_while(|other| other.priority > pair.priority).any(Pair::is_pending)
    }

    /// Checks waiting or under way, for the RTO (RFC 8445 §14.3).
    pub(crate) fn active(&self) -> usize {
        let active =
            |pair: &&Pair| matches!(pair.state(), PairState::Waiting | PairState::InProgress);
        self.pairs.iter().filter(active).count()
    }

    pub(crate) fn any_pending(&self) -> bool {
        !self.triggered.is_empty() || self.pairs.iter().any(Pair::is_pending)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::candidate::CandidateKind;
    use crate::pair::Base;
    use crate::priority::Priority;

    fn ends(port: u16, priority: u32) -> (LocalEnd, RemoteEnd) {
        let priority = Priority::new(priority);
        let local = LocalEnd {
            base: Base::Socket,
            address: "192.0.2.1:1".parse().unwrap(),
            priority: Priority::MAX,
            reflexive_priority: Priority::MAX,
        };
        let address = SocketAddr::new("192.0.2.2".parse().unwrap(), port);
        (local, RemoteEnd { address, priority, kind: CandidateKind::Host })
    }

    fn add(list: &mut Checklist, port: u16, priority: u32, foundation: u32) -> Option<PairId> {
        let (local, remote) = ends(port, priority);
        let foundation = PairFoundation { local: 0, remote: foundation };
        list.insert(local, remote, foundation, Role::Controlling, Origin::Signalled, |_| {})
    }

    fn state(list: &Checklist, id: PairId) -> PairState {
        list.get(id).unwrap().state()
    }

    #[test]
    fn section_6_1_2_6_one_pair_of_each_foundation_waits() {
        let mut list = Checklist::new(100);
        let first = add(&mut list, 1, 30, 1).unwrap();
        let second = add(&mut list, 2, 20, 1).unwrap();
        let third = add(&mut list, 3, 10, 2).unwrap();
        assert_eq!(state(&list, first), PairState::Waiting);
        assert_eq!(state(&list, second), PairState::Frozen);
        assert_eq!(state(&list, third), PairState::Waiting);
        list.unfreeze(PairFoundation { local: 0, remote: 1 });
        assert_eq!(state(&list, second), PairState::Waiting);
    }

    #[test]
    fn section_6_1_4_2_highest_priority_first_and_frozen_after_its_kin_failed() {
        let mut list = Checklist::new(100);
        let low = add(&mut list, 1, 10, 1).unwrap();
        let high = add(&mut list, 2, 20, 2).unwrap();
        let frozen = add(&mut list, 3, 5, 1).unwrap();
        assert_eq!(list.next_ordinary(), Some(high));
        list.get_mut(high).unwrap().set_state(PairState::InProgress);
        assert_eq!(list.next_ordinary(), Some(low));
        list.get_mut(low).unwrap().set_state(PairState::InProgress);
        assert!(!list.has_ordinary());
        list.get_mut(low).unwrap().set_state(PairState::Failed);
        assert!(list.has_ordinary());
        assert_eq!(list.next_ordinary(), Some(frozen));
    }

    #[test]
    fn section_6_1_2_5_the_lowest_priority_goes_when_the_list_is_full() {
        let mut list = Checklist::new(2);
        add(&mut list, 1, 10, 1);
        add(&mut list, 2, 20, 2);
        assert!(add(&mut list, 3, 5, 3).is_none());
        assert!(add(&mut list, 4, 30, 4).is_some());
        let ports: Vec<u16> = list.iter().map(|pair| pair.remote.address.port()).collect();
        assert_eq!(ports, [4, 2]);
    }

    #[test]
    fn a_check_that_arrived_outweighs_any_claim() {
        let mut list = Checklist::new(2);
        let first = add(&mut list, 1, 10, 1).unwrap();
        let second = add(&mut list, 2, 20, 2).unwrap();
        list.get_mut(first).unwrap().set_state(PairState::InProgress);
        list.get_mut(second).unwrap().set_state(PairState::InProgress);
        let heard = |list: &mut Checklist, port| {
            let (local, remote) = ends(port, 1);
            let foundation = PairFoundation { local: 0, remote: 9 };
            let origin = Origin::CheckReceived;
            let id = list.insert(local, remote, foundation, Role::Controlled, origin, |_| {})?;
            list.get_mut(id)?.check_received = true;
            Some(id)
        };
        assert!(heard(&mut list, 3).is_some());
        assert!(heard(&mut list, 4).is_some());
        assert!(heard(&mut list, 5).is_none(), "both remaining pairs were heard on");
        assert!(add(&mut list, 6, 1000, 1).is_none());
    }

    #[test]
    fn the_triggered_queue_is_first_in_first_out_without_repetition() {
        let mut list = Checklist::new(10);
        let one = add(&mut list, 1, 10, 1).unwrap();
        let two = add(&mut list, 2, 20, 2).unwrap();
        for id in [one, two, one] {
            list.enqueue(id);
        }
        assert_eq!(list.next_triggered().unwrap().id, one);
        list.dequeue(one);
        assert_eq!(list.next_triggered().unwrap().id, two);
        list.enqueue_first(one);
        assert_eq!(list.next_triggered().unwrap().id, one);
        list.remove(one);
        list.remove(two);
        assert!(list.next_triggered().is_none());
    }
}
