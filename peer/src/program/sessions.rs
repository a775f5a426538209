//! The sessions of `peer serve`: from an offer until its connection ends.
//!
//! ```text
//!   offer ► Sessions::open ─► Session ── PeerConnection
//!                   │            ├ task: events; one echo task for each channel
//!                   │            └ stage: sound and pictures
//!                   └ table by id ── removed when the connection ends, for whatever reason:
//!                                    DELETE, closed by the client, never connected, or consent
//!                                    lost (RFC 7675): 30 s in which an ICE restart may save it
//! ```
//!
//! Book: "Thirty seconds of a call".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer::{
    ChannelInfo, Config, ConnectionState, DataChannel, Endpoint, Error, PeerConnection, PeerEvent,
    SessionDescription,
};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info};

use super::echo::echo;
use super::media::recorder::SessionRecorder;
use super::media::stage::{Stage, Studio};

/// How long a session may take to connect: what is half-open after that is freed, so that offers
/// alone cannot fill the table for long.
const CONNECT_DEADLINE: Duration = Duration::from_secs(25);

/// How long an answer waits for candidates: there is no way to tell the client any later.
const GATHERING: Duration = Duration::from_secs(3);

/// The channels a session remembers for its report. A client may open and close them for ever.
const MAX_CHANNELS_REPORTED: usize = 2048;

/// The octets of all labels and protocols in a report: each may have 65,535 (RFC 8832 §5.1).
const MAX_OCTETS_REPORTED: usize = 128 << 10;

/// Random octets in an id, which is all that protects a session from other users of the service.
const ID_LENGTH: usize = 16;

/// All sessions. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    endpoint: Endpoint,
    /// What each connection is like.
    config: Arc<Config>,
    /// A permit for each session there may be.
    room: Arc<Semaphore>,
    table: Arc<Mutex<HashMap<String, Arc<Session>>>>,
    studio: Arc<Studio>,
}

/// What a new client gets: an id nobody can guess, one of the places there are, a connection.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) id: String,
    pub(super) room: OwnedSemaphorePermit,
    pub(super) connection: PeerConnection,
}

/// Why an offer was not answered.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There are as many sessions as there may be.
    Full,
    /// The program is about to end.
    Ending,
    /// The offer cannot be used, and why.
    Offer(Error),
    /// No randomness, or some such thing that is nobody's fault.
    Internal(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Offer(error)
    }
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Session {
    connection: Arc<PeerConnection>,
    stage: Stage,
    channels: Mutex<Channels>,
    /// Held from a remote offer until it is answered, so that two offers do not mix.
    negotiating: tokio::sync::Mutex<()>,
    _room: OwnedSemaphorePermit,
}

/// The channels the client opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Channels {
    /// How many there have been.
    pub(super) opened: u64,
    /// How many of them are open.
    pub(super) open: u64,
    /// The first of them, in order.
    pub(super) reported: Vec<ChannelInfo>,
    octets_reported: usize,
}

impl Sessions {
    /// No sessions yet, on `endpoint`, and never more than `limit`.
    pub(super) fn new(
        endpoint: Endpoint,
        config: Config,
        limit: usize,
        studio: Arc<Studio>,
    ) -> Sessions {
        let room = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        let config = Arc::new(config);
        Sessions { endpoint, config, room, table: Arc::default(), studio }
    }

    /// A place and a connection for a new client.
    pub(super) fn reserve(&self) -> Result<Reserved, Refusal> {
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Refusal::Full)?;
        let id = new_id()?;
        match self.endpoint.connection((*self.config).clone()) {
            Ok(connection) => Ok(Reserved { id, room, connection }),
            Err(Error::Closed) => Err(Refusal::Ending),
            Err(error) => Err(Refusal::Internal(error.to_string())),
        }
    }

    /// The recording of a client that is no session of this table, if there is to be one.
    pub(super) fn recording(&self) -> Option<SessionRecorder> {
        self.studio.recording()
    }

    /// Answers an offer with a new session; returns its id and the answer.
    pub(super) async fn open(&self, offer: &str) -> Result<(String, String), Refusal> {
        let Reserved { id, room, connection } = self.reserve()?;
        let session = Arc::new(Session {
            connection: Arc::new(connection),
            stage: Stage::new(&self.studio),
            channels: Mutex::default(),
            negotiating: tokio::sync::Mutex::default(),
            _room: room,
        });
        let answer = session.answer(offer).await?;
        lock(&self.table).insert(id.clone(), Arc::clone(&session));
        info!(session = id, "opened");
        let (sessions, key) = (self.clone(), id.clone());
        tokio::spawn(async move {
            session.run().await;
            lock(&sessions.table).remove(&key);
            info!(session = key, "ended");
        });
        Ok((id, answer))
    }

    /// The session with this id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.table).get(id).cloned()
    }

    /// Takes the session with this id out of the table.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.table).remove(id)
    }
}

impl Session {
    /// Applies a remote offer and returns the answer, with all candidates.
    pub(super) async fn answer(&self, offer: &str) -> Result<String, Error> {
        let _one_at_a_time = self.negotiating.lock().await;
        let connection = &self.connection;
        connection.set_remote_description(SessionDescription::offer(offer)).await?;
        self.stage.prepare(connection, offer).await?;
        let answer = connection.create_answer().await?;
        connection.set_local_description(answer).await?;
        self.stage.begin(connection).await?;
        described(connection).await
    }

    /// The connection.
    pub(super) fn connection(&self) -> &PeerConnection {
        &self.connection
    }

    /// The channels as of now.
    pub(super) fn channels(&self) -> Channels {
        lock(&self.channels).clone()
    }

    /// Lives until the connection ends.
    async fn run(self: &Arc<Session>) {
        let turn = Arc::new(Semaphore::new(1));
        follow(&self.connection, |event| {
            if let PeerEvent::DataChannel(channel) = event {
                self.report(&channel);
                tokio::spawn(Arc::clone(self).serve(channel, Arc::clone(&turn)));
            }
        })
        .await;
        self.stage.end();
    }

    /// Notes a new channel.
    fn report(&self, channel: &DataChannel) {
        let mut channels = lock(&self.channels);
        channels.opened += 1;
        channels.open += 1;
        let octets = channels.octets_reported + channel.label().len() + channel.protocol().len();
        if channels.reported.len() < MAX_CHANNELS_REPORTED && octets <= MAX_OCTETS_REPORTED {
            channels.reported.push(channel.info().clone());
            channels.octets_reported = octets;
        }
    }

    /// Echoes on one channel for as long as it is open.
    async fn serve(self: Arc<Session>, channel: DataChannel, turn: Arc<Semaphore>) {
        echo(&channel, &turn).await;
        channel.close();
        lock(&self.channels).open -= 1;
    }
}

/// Our description, with all candidates if they are found soon.
pub(super) async fn described(connection: &PeerConnection) -> Result<String, Error> {
    if tokio::time::timeout(GATHERING, connection.gathering_complete()).await.is_err() {
        debug!("some server takes its time: the answer goes without its candidates");
    }
    Ok(connection.local_description().await?.ok_or(Error::Closed)?.sdp)
}

/// Lives until the connection ends, and ends it if nobody is there (any more).
pub(super) async fn follow(connection: &PeerConnection, mut take: impl FnMut(PeerEvent)) {
    let connected = tokio::time::timeout(CONNECT_DEADLINE, connection.connected()).await;
    if !matches!(connected, Ok(Ok(()))) {
        debug!("the client did not connect");
        connection.close().await;
    }
    while let Some(event) = connection.next_event().await {
        match event {
            PeerEvent::ConnectionState(ConnectionState::Failed) => connection.close().await,
            PeerEvent::Closed(reason) => debug!(%reason, "closed"),
            event => take(event),
        }
    }
}

/// An id that nobody can guess.
fn new_id() -> Result<String, Refusal> {
    let mut octets = [0; ID_LENGTH];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| Refusal::Internal("the system has no randomness".into()))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// What these mutexes guard is consistent after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_and_never_the_same() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| new_id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
