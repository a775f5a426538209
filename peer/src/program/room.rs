//! Rooms: two browsers that open the same name find each other, and this program carries their
//! descriptions and candidates to and fro. What they say to each other afterwards goes directly.
//!
//! ```text
//!   first  ── join("tea") ──► waiting
//!   second ── join("tea") ──► joined, polite     and to the first: joined, not polite
//!   either ── description, candidate ──► the other one's queue
//!   either leaves ──► left                       the other one waits again
//! ```
//!
//! Whoever was there first is impolite, whoever came is polite: that is all perfect negotiation
//! (W3C webrtc-pc §10.7) needs to know. Each pair has a number, its *call*, which is part of every
//! signal: one that was meant for somebody who has left does not reach who came after.
//!
//! Bounds: [`MAX_CONNECTIONS`] people in all rooms, [`MAX_MEMBERS`] in each, and for each of them
//! a queue of [`MAX_QUEUE`] signals and [`MAX_QUEUE_OCTETS`] octets. Who does not read loses his
//! place. An empty room does not exist, so there are never more rooms than people.
//!
//! Book: the chapters on signalling and on glare.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{debug, info};

/// The people in all rooms together. Each costs a socket and at most [`MAX_QUEUE_OCTETS`].
const MAX_CONNECTIONS: usize = 1000;

/// The people in one room: a call has two ends.
const MAX_MEMBERS: usize = 2;

/// Signals that wait for one member: a description and the candidates of a machine with many
/// addresses come at once.
const MAX_QUEUE: usize = 128;

/// Octets that wait for one member: a few descriptions of browsers, 10,000 octets each.
const MAX_QUEUE_OCTETS: usize = 128 << 10;

/// The longest name of a room.
const MAX_NAME: usize = 64;

/// What the server tells a member. Signals are passed on in the form they came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum News {
    /// Nobody else is here yet.
    Waiting,
    /// Both are here, and the call can begin.
    Joined {
        /// Its number.
        call: u64,
        /// Whether this member gives way when both offer at once.
        polite: bool,
    },
    /// The other one has left.
    Left,
}

/// What a member tells the other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Signal {
    /// An offer or an answer.
    Description {
        /// Which call it belongs to.
        call: u64,
        /// What `setLocalDescription` made.
        description: Description,
    },
    /// A candidate, or `null` when there will be no more.
    Candidate {
        /// Which call it belongs to.
        call: u64,
        /// What `onicecandidate` gave.
        candidate: Option<Candidate>,
    },
}

/// W3C `RTCSessionDescriptionInit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    #[serde(rename = "type")]
    kind: DescriptionType,
    sdp: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DescriptionType {
    Offer,
    Answer,
}

/// W3C `RTCIceCandidateInit`. What a browser adds to it is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    candidate: String,
    sdp_mid: Option<String>,
    sdp_m_line_index: Option<u16>,
    username_fragment: Option<String>,
}

/// Why somebody cannot come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Not a name.
    #[error("a room's name is 1 to 64 letters (a to z), digits, - and _")]
    Name,
    /// Two are in it.
    #[error("This room is full: two people are in it already.")]
    RoomFull,
    /// Too many people.
    #[error("The server is full: too many people are in its rooms. Try again later.")]
    ServerFull,
    /// The program is about to end.
    #[error("The server is about to end.")]
    Ending,
}

/// Whether this can be the name of a room: it stands in a URL as it is.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// All rooms. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    table: Arc<Mutex<Table>>,
    /// A permit for each person there may be.
    places: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Table {
    rooms: HashMap<String, Room>,
    /// The last number given to a member or a call.
    last: u64,
}

#[derive(Debug, Default)]
struct Room {
    /// In the order in which they came. Never empty.
    members: Vec<Member>,
    /// The number of the call, while there are two.
    call: u64,
}

#[derive(Debug)]
struct Member {
    id: u64,
    queue: mpsc::Sender<Letter>,
    /// A permit for each octet that may still wait.
    octets: Arc<Semaphore>,
}

/// A text for a member, with its share of the queue.
#[derive(Debug)]
struct Letter {
    text: String,
    _octets: OwnedSemaphorePermit,
}

/// A place in a room, left when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    rooms: Rooms,
    room: String,
    id: u64,
    queue: mpsc::Receiver<Letter>,
    closing: watch::Receiver<bool>,
    place: Arc<OwnedSemaphorePermit>,
}

/// What [`Seat::next`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To be sent to the member.
    Text(String),
    /// The member reads too slowly and has lost the place.
    Slow,
    /// The program is about to end.
    Ending,
}

impl Rooms {
    /// No rooms yet.
    pub(super) fn new() -> Rooms {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Rooms { table: Arc::default(), places, closing: watch::Sender::new(false) }
    }

    // ANCHOR: join
    /// Takes a place in a room, which is made if there is none of that name.
    pub(super) fn join(&self, name: &str) -> Result<Seat, Refusal> {
        if !is_name(name) {
            return Err(Refusal::Name);
        }
        if *self.closing.borrow() {
            return Err(Refusal::Ending);
        }
        let place =
            Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::ServerFull)?;
        let (sender, queue) = mpsc::channel(MAX_QUEUE);
        let mut table = lock(&self.table);
        if table.rooms.get(name).is_some_and(|room| room.members.len() >= MAX_MEMBERS) {
            return Err(Refusal::RoomFull);
        }
        let (id, call) = (table.last + 1, table.last + 2);
        table.last = call;
        let room = table.rooms.entry(name.to_owned()).or_default();
        let octets = Arc::new(Semaphore::new(MAX_QUEUE_OCTETS));
        room.members.push(Member { id, queue: sender, octets });
        // The queues are long enough for the news, or their owners are about to lose their places.
        if let [first, second] = room.members.as_slice() {
            room.call = call;
            first.tell(&News::Joined { call, polite: false });
            second.tell(&News::Joined { call, polite: true });
        } else if let Some(only) = room.members.first() {
            only.tell(&News::Waiting);
        }
        info!(room = name, members = room.members.len(), "joined");
        drop(table);
        let closing = self.closing.subscribe();
        let room = name.to_owned();
        Ok(Seat { rooms: self.clone(), room, id, queue, closing, place: Arc::new(place) })
    }
    // ANCHOR_END: join

    /// Shows everybody out, and waits until all have gone.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        let everybody = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.places.acquire_many(everybody).await;
    }
}

impl Table {
    /// Takes a member out, if it is still there, and tells the other one.
    fn remove(&mut self, name: &str, id: u64) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let before = room.members.len();
        room.members.retain(|member| member.id != id);
        if room.members.len() == before {
            return;
        }
        info!(room = name, members = room.members.len(), "left");
        if room.members.is_empty() {
            self.rooms.remove(name);
        } else {
            for member in &room.members {
                member.tell(&News::Left);
            }
        }
    }
}

impl Member {
    /// Queues a text. Answers false when there is no room for it.
    fn send(&self, text: String) -> bool {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let Ok(octets) = Arc::clone(&self.octets).try_acquire_many_owned(length) else {
            return false;
        };
        self.queue.try_send(Letter { text, _octets: octets }).is_ok()
    }

    fn tell(&self, news: &News) {
        // Plain data of our own: it can be written.
        let text = serde_json::to_string(news).unwrap_or_default();
        if !self.send(text) {
            debug!("a member who reads nothing misses the news");
        }
    }
}

impl Seat {
    /// What is to be sent to the member next.
    pub(super) async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Next::Ending,
            letter = self.queue.recv() => match letter {
                Some(letter) => Next::Text(letter.text),
                None => Next::Slow,
            },
        }
    }

    /// What keeps the place among all people taken, also when the seat in the room is left.
    pub(super) fn place(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.place)
    }

    /// Passes a signal on to the other one, if it belongs to the call that is on.
    pub(super) fn relay(&self, signal: &Signal) {
        let (Signal::Description { call, .. } | Signal::Candidate { call, .. }) = signal;
        let mut table = lock(&self.rooms.table);
        let Some(room) = table.rooms.get(&self.room) else { return };
        let here = room.members.iter().any(|member| member.id == self.id);
        let other = room.members.iter().find(|member| member.id != self.id);
        let (true, true, Some(other)) = (here, room.call == *call, other) else {
            debug!(room = self.room, "a signal for somebody who has left");
            return;
        };
        let text = serde_json::to_string(signal).unwrap_or_default();
        if !other.send(text) {
            debug!(room = self.room, "somebody does not read and loses the place");
            let id = other.id;
            table.remove(&self.room, id);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.rooms.table).remove(&self.room, self.id);
    }
}

/// What this mutex guards is consistent after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What waits for a member, and whether it still has its place.
    fn waiting(seat: &mut Seat) -> (Vec<String>, bool) {
        let mut texts = Vec::new();
        loop {
            match seat.queue.try_recv() {
                Ok(letter) => texts.push(letter.text),
                Err(mpsc::error::TryRecvError::Empty) => return (texts, true),
                Err(mpsc::error::TryRecvError::Disconnected) => return (texts, false),
            }
        }
    }

    fn offer(call: u64, sdp: &str) -> Signal {
        let description = Description { kind: DescriptionType::Offer, sdp: sdp.into() };
        Signal::Description { call, description }
    }

    #[test]
    fn two_find_each_other_and_the_newcomer_is_polite() {
        let rooms = Rooms::new();
        let mut first = rooms.join("tea").unwrap();
        assert_eq!(waiting(&mut first).0, [r#"{"type":"waiting"}"#]);
        let mut second = rooms.join("tea").unwrap();
        assert_eq!(waiting(&mut first).0, [r#"{"type":"joined","call":4,"polite":false}"#]);
        assert_eq!(waiting(&mut second).0, [r#"{"type":"joined","call":4,"polite":true}"#]);
        first.relay(&offer(4, "v=0"));
        assert_eq!(
            waiting(&mut second).0,
            [r#"{"type":"description","call":4,"description":{"type":"offer","sdp":"v=0"}}"#]
        );
        assert_eq!(rooms.join("tea").unwrap_err(), Refusal::RoomFull);
        drop(first);
        assert_eq!(waiting(&mut second).0, [r#"{"type":"left"}"#]);
        // Who stayed is impolite now.
        let mut third = rooms.join("tea").unwrap();
        assert_eq!(waiting(&mut second).0, [r#"{"type":"joined","call":6,"polite":false}"#]);
        assert_eq!(waiting(&mut third).0, [r#"{"type":"joined","call":6,"polite":true}"#]);
        // And what was meant for who left does not arrive.
        second.relay(&offer(4, "late"));
        assert_eq!(waiting(&mut third), (vec![], true));
        drop((second, third));
        assert!(lock(&rooms.table).rooms.is_empty());
    }

    #[test]
    fn who_does_not_read_loses_the_place() {
        let rooms = Rooms::new();
        let mut reader = rooms.join("tea").unwrap();
        let mut sleeper = rooms.join("tea").unwrap();
        let sdp = "x".repeat(30_000);
        let mut sent = 0;
        while lock(&rooms.table).rooms["tea"].members.len() == 2 {
            reader.relay(&offer(4, &sdp));
            sent += 1;
        }
        assert_eq!(sent, 5, "the queue holds 128 kB");
        let (texts, has_place) = waiting(&mut sleeper);
        assert_eq!((texts.len(), has_place), (1 + 4, false));
        assert_eq!(waiting(&mut reader).0.last().unwrap(), r#"{"type":"left"}"#);
        // Its signals go nowhere, also when somebody else has taken the place.
        let mut next = rooms.join("tea").unwrap();
        waiting(&mut next);
        sleeper.relay(&offer(6, "v=0"));
        assert_eq!(waiting(&mut reader).0.len(), 1);
        drop(sleeper);
        assert_eq!(lock(&rooms.table).rooms["tea"].members.len(), 2);
    }

    #[test]
    fn there_is_an_end_to_people() {
        let rooms = Rooms::new();
        let seats: Vec<_> =
            (0..MAX_CONNECTIONS).map(|i| rooms.join(&format!("r{i}")).unwrap()).collect();
        assert_eq!(rooms.join("one-more").unwrap_err(), Refusal::ServerFull);
        drop(seats);
        rooms.join("one-more").unwrap();
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "Tea_time-2", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "ä", "..", "a/b", "<script>", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn only_descriptions_and_candidates_are_signals() {
        let parse = |text: &str| serde_json::from_str::<Signal>(text).is_ok();
        assert!(parse(r#"{"type":"candidate","call":1,"candidate":null}"#));
        assert!(parse(
            r#"{"type":"candidate","call":1,"candidate":{"candidate":"","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x","more":1}}"#
        ));
        for text in [
            "",
            "[]",
            r#"{"type":"joined","call":1,"polite":true}"#,
            r#"{"type":"description","call":1,"description":{"type":"rollback","sdp":""}}"#,
            r#"{"type":"description","call":-1,"description":{"type":"offer","sdp":""}}"#,
            r#"{"type":"description","call":1,"description":{"type":"offer","sdp":""},"x":1}"#,
        ] {
            assert!(!parse(text), "{text}");
        }
    }
}
