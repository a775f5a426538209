//! Allocate: a client asks for a relayed address (RFC 8656 §7.2).
//!
//! ```text
//!   request ─► Wish ─► Opening ── OpenRelay ──► driver ── relay_opened ──► Allocation, success
//!                        ▲                        │
//!                        └── another port ◄───────┴─ relay_failed      (at most MAX_TRIES, then 508)
//! ```
//!
//! Whether a port is really free is only known once the driver has bound it, so the answer waits for
//! that. Invariants: what an [`Opening`] holds is lent to its client and counts in the quotas; it ends
//! in an allocation or in everything given back. Book: "Relay".

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt;

use super::allocation::{Allocation, FiveTuple, granted};
use super::authentication::{Proof, UserId};
use super::leases::{Owner, Parity};
use super::{Event, Server};
use crate::wire::{AddressErrorCode, RequestedTransport, ReservationToken};
use crate::{Attribute, Code, Family, Message};

/// Ports that are tried before we say that there is none: more than a few are taken only if the range
/// belongs to somebody else.
const MAX_TRIES: u8 = 8;

/// How long the port after an even one is kept for who has the token (RFC 8656 §7.2).
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// News that may wait for the driver before we take no more work.
const MAX_EVENTS: usize = 1024;

/// What a request asks for.
#[derive(Debug)]
enum Wish {
    /// New ports: of one family, or of both.
    New { families: Vec<Family>, parity: Parity },
    /// The port that was kept under this token.
    Reserved(ReservationToken),
}

/// An allocation that waits for its sockets.
#[derive(Debug)]
pub(super) struct Opening {
    /// The method and transaction ID, which the answer repeats.
    request: Message,
    lifetime: Option<Duration>,
    proof: Proof,
    slots: Vec<Slot>,
}

/// One relayed address, with the reserved one beside it.
#[derive(Debug)]
struct Slot {
    family: Family,
    parity: Parity,
    tries: u8,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Lent, and whether the driver has the socket.
    Opening(Vec<(SocketAddr, bool)>),
    Failed(Code),
}

/// The port that was reserved beside an even one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    pub(super) user: UserId,
    relayed: SocketAddr,
}

impl Opening {
    pub(super) fn user(&self) -> UserId {
        self.proof.user
    }

    /// The addresses that are lent for it.
    pub(super) fn relayed(&self) -> impl Iterator<Item = SocketAddr> {
        self.slots.iter().flat_map(Slot::relayed)
    }
}

impl Slot {
    fn relayed(&self) -> impl Iterator<Item = SocketAddr> {
        let relays = match &self.progress {
            Progress::Opening(relays) => relays.as_slice(),
            Progress::Failed(_) => &[],
        };
        relays.iter().map(|(relayed, _)| *relayed)
    }

    fn is_settled(&self) -> bool {
        match &self.progress {
            Progress::Opening(relays) => relays.iter().all(|(_, open)| *open),
            Progress::Failed(_) => true,
        }
    }
}

impl Server {
    /// Answers an Allocate request; `None`: later, when the sockets are there.
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
    ) -> Result<Option<Bytes>, Code> {
        if let Some(allocation) = self.allocations.get(&client) {
            let (id, answer) = &allocation.answer;
            // Our answer was lost, and this is the same request again.
            let is_again = *id == request.transaction_id && allocation.user == proof.user;
            return if is_again {
                Ok(Some(answer.clone()))
            } else {
                Err(Code::ALLOCATION_MISMATCH)
            };
        }
        if let Some(opening) = self.openings.get(&client) {
            let is_again = opening.request.transaction_id == request.transaction_id;
            return if is_again { Ok(None) } else { Err(Code::ALLOCATION_MISMATCH) };
        }
        match wish(request)? {
            Wish::Reserved(token) => self.redeem(now, client, request, proof, token).map(Some),
            Wish::New { families, parity } => {
                let pair = if parity == Parity::EvenAndNext { 2 } else { 1 };
                self.check_quotas(proof, families.len() * pair)?;
                self.open(client, request, proof, &families, parity)?;
                Ok(None)
            }
        }
    }

    fn check_quotas(&self, proof: &Proof, wanted: usize) -> Result<(), Code> {
        let allocations = self.allocations.values().map(|allocation| allocation.user);
        let openings = self.openings.values().map(Opening::user);
        let reservations = self.reservations.values().map(|reservation| reservation.user);
        let all = allocations.chain(openings).chain(reservations);
        if all.filter(|user| *user == proof.user).count() >= self.config.max_per_user {
            return Err(Code::ALLOCATION_QUOTA_REACHED);
        }
        let is_full = self.leases.len() + wanted > self.config.max_relays;
        if is_full || self.events.len() >= MAX_EVENTS {
            return Err(Code::INSUFFICIENT_CAPACITY);
        }
        Ok(())
    }

    /// Lends ports and has the driver open them.
    fn open(
        &mut self,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
        families: &[Family],
        parity: Parity,
    ) -> Result<(), Code> {
        let mut slots = Vec::with_capacity(families.len());
        let mut refusal = Ok(());
        for family in families.iter().copied() {
            let progress = self.lend(client, family, parity);
            if let Progress::Failed(code) = progress {
                refusal = Err(code);
            }
            slots.push(Slot { family, parity, tries: 1, progress });
        }
        if slots.iter().all(Slot::is_settled) {
            return refusal; // nothing was lent, and there is nothing to wait for
        }
        let opening = Opening {
            request: Message::request(request.method, request.transaction_id),
            lifetime: request.lifetime(),
            proof: proof.clone(),
            slots,
        };
        self.openings.insert(client, opening);
        Ok(())
    }

    fn lend(&mut self, client: FiveTuple, family: Family, parity: Parity) -> Progress {
        if !self.leases.has(family) {
            return Progress::Failed(Code::ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let Some(lent) = self.leases.lend(&mut self.rng, client, family, parity) else {
            return Progress::Failed(Code::INSUFFICIENT_CAPACITY);
        };
        self.events.extend(lent.iter().copied().map(Event::OpenRelay));
        Progress::Opening(lent.into_iter().map(|relayed| (relayed, false)).collect())
    }

    /// The driver has a socket for this relayed address and receives there.
    pub fn relay_opened(&mut self, now: Instant, relayed: SocketAddr) {
        let Some(Owner::Client(client)) = self.leases.owner(relayed) else { return };
        let Some(opening) = self.openings.get_mut(&client) else { return };
        for slot in &mut opening.slots {
            if let Progress::Opening(relays) = &mut slot.progress {
                relays
                    .iter_mut()
                    .filter(|(of, _)| *of == relayed)
                    .for_each(|(_, open)| *open = true);
            }
        }
        self.settle(now, client);
    }

    /// The driver can't have a socket for this relayed address, or has lost it.
    pub fn relay_failed(&mut self, now: Instant, relayed: SocketAddr) {
        let Some(owner) = self.leases.owner(relayed) else { return };
        let opening = match owner {
            Owner::Client(client) => self.openings.remove(&client).map(|opening| (client, opening)),
            Owner::Reservation(_) => None,
        };
        let Some((client, mut opening)) = opening else {
            self.take_back(relayed);
            return;
        };
        for slot in &mut opening.slots {
            if slot.relayed().any(|of| of == relayed) {
                for other in slot.relayed().filter(|other| *other != relayed) {
                    self.leases.free(other);
                    self.close_relay(other);
                }
                self.leases.free(relayed);
                slot.progress = if slot.tries < MAX_TRIES {
                    self.lend(client, slot.family, slot.parity)
                } else {
                    Progress::Failed(Code::INSUFFICIENT_CAPACITY)
                };
                slot.tries = slot.tries.saturating_add(1);
            }
        }
        self.openings.insert(client, opening);
        self.settle(now, client);
    }

    /// Answers, once nothing is open any more.
    fn settle(&mut self, now: Instant, client: FiveTuple) {
        let is_settled =
            self.openings.get(&client).is_some_and(|o| o.slots.iter().all(Slot::is_settled));
        if !is_settled {
            return;
        }
        let Some(Opening { request, lifetime, proof, slots }) = self.openings.remove(&client)
        else {
            return;
        };
        let mut relayed = Vec::new();
        let mut notes = Vec::new();
        let mut refusal = None;
        for slot in slots {
            match slot.progress {
                Progress::Opening(relays) => {
                    let mut relays = relays.into_iter().map(|(relayed, _)| relayed);
                    relayed.extend(relays.next());
                    if let Some(next) = relays.next() {
                        let token = self.reserve(now, proof.user, next);
                        notes.push(Attribute::ReservationToken(token));
                    }
                }
                Progress::Failed(code) => {
                    refusal = refusal.or(Some(code));
                    let error = AddressErrorCode { family: slot.family, error: code.into() };
                    notes.push(Attribute::AddressErrorCode(error));
                }
            }
        }
        let answer = match refusal {
            Some(code) if relayed.is_empty() => proof.sign(&Message::error(&request, code.into())),
            _ => self.establish(now, client, &request, &proof, lifetime, relayed, notes),
        };
        self.send_to_client(client, answer);
    }

    /// Makes the allocation; answers the success response (RFC 8656 §7.2, §7.3).
    #[allow(clippy::too_many_arguments, reason = "all that an allocation is made of")]
    fn establish(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
        lifetime: Option<Duration>,
        relayed: Vec<SocketAddr>,
        notes: Vec<Attribute>,
    ) -> Bytes {
        let lifetime = granted(lifetime);
        let mut success = Message::success(request);
        for address in &relayed {
            self.leases.hand_over(*address, Owner::Client(client), now + lifetime);
            success = success.with(Attribute::XorRelayedAddress(*address));
        }
        success = success
            .with(Attribute::Lifetime(lifetime))
            .with(Attribute::XorMappedAddress(client.remote));
        let success = notes.into_iter().fold(success, Message::with);
        let answer = proof.sign(&success);
        tracing::debug!(?client, ?relayed, ?lifetime, "allocated");
        let remembered = (request.transaction_id, answer.clone());
        self.allocations.insert(client, Allocation::new(proof.user, relayed, remembered));
        answer
    }

    /// Keeps a port for who comes with the token.
    fn reserve(&mut self, now: Instant, user: UserId, relayed: SocketAddr) -> ReservationToken {
        let token = ReservationToken(self.rng.random());
        let owner = Owner::Reservation(token);
        self.leases.hand_over(relayed, owner, now + RESERVATION_LIFETIME);
        self.reservations.insert(token, Reservation { user, relayed });
        token
    }

    /// An Allocate request with a token.
    fn redeem(
        &mut self,
        now: Instant,
        client: FiveTuple,
        request: &Message,
        proof: &Proof,
        token: ReservationToken,
    ) -> Result<Bytes, Code> {
        let of_user = |reservation: &Reservation| reservation.user == proof.user;
        if !self.reservations.get(&token).is_some_and(of_user) {
            return Err(Code::INSUFFICIENT_CAPACITY);
        }
        let reservation = self.reservations.remove(&token).ok_or(Code::INSUFFICIENT_CAPACITY)?;
        let (relayed, lifetime) = (vec![reservation.relayed], request.lifetime());
        Ok(self.establish(now, client, request, proof, lifetime, relayed, Vec::new()))
    }
}

/// What the request asks for, or why that makes no sense (RFC 8656 §7.2).
fn wish(request: &Message) -> Result<Wish, Code> {
    match request.requested_transport() {
        None => return Err(Code::BAD_REQUEST),
        Some(RequestedTransport::UDP) => {}
        Some(_) => return Err(Code::UNSUPPORTED_TRANSPORT_PROTOCOL),
    }
    let even = request.even_port();
    let requested = request.requested_address_family();
    let additional = request.additional_address_family();
    if let Some(token) = request.reservation_token() {
        if even.is_some() || requested.is_some() || additional.is_some() {
            return Err(Code::BAD_REQUEST);
        }
        return Ok(Wish::Reserved(token));
    }
    let parity = match even {
        None => Parity::Any,
        Some(even) if even.reserve_next => Parity::EvenAndNext,
        Some(_) => Parity::Even,
    };
    let families = match (requested, additional) {
        (requested, None) => vec![requested.unwrap_or(Family::IPV4)],
        (None, Some(Family::IPV6)) if parity != Parity::EvenAndNext => {
            vec![Family::IPV4, Family::IPV6]
        }
        // Both attributes; a second IPv4 address; a pair of ports in both families.
        (_, Some(_)) => return Err(Code::BAD_REQUEST),
    };
    Ok(Wish::New { families, parity })
}
