//! The handle of one connection.
//!
//! Book: "The pump".

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::data_channel::DataChannel;
use super::events::PeerEvent;
use super::line::ChannelState;
use super::requests::request;
use super::shared::Shared;
use super::transceiver::Transceiver;
use crate::driver::{Endpoint, Request, Task};
use crate::media::{MediaKind, TransceiverInit};
use crate::{
    Config, ConnectionState, DataChannelInit, Error, IceCandidate, IceConnectionState,
    IceGatheringState, SessionDescription, Stats,
};

/// A connection to a peer, an `RTCPeerConnection` in the W3C's words.
///
/// All methods take `&self`, so it can be shared in an [`Arc`]. The methods of offer and answer are
/// carried out in the order in which they are called. Dropping it closes the connection, in the
/// background; [`close`](PeerConnection::close) waits until the peer has been told.
///
/// ```
/// use peer::{Config, DataChannelInit, Message, PeerConnection, PeerEvent};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ours = PeerConnection::new(Config::default()).await?;
/// let theirs = PeerConnection::new(Config::default()).await?;
/// let channel = ours.create_data_channel("chat", DataChannelInit::default()).await?;
///
/// // Offer and answer, which an application carries to and fro in its own way.
/// let offer = ours.create_offer().await?;
/// ours.set_local_description(offer.clone()).await?;
/// theirs.set_remote_description(offer).await?;
/// let answer = theirs.create_answer().await?;
/// theirs.set_local_description(answer.clone()).await?;
/// ours.set_remote_description(answer).await?;
///
/// channel.opened().await?;
/// channel.send("hello").await?;
/// while let Some(event) = theirs.next_event().await {
///     if let PeerEvent::DataChannel(channel) = event {
///         assert_eq!(channel.recv().await, Some(Message::text("hello")));
///         break;
///     }
/// }
/// ours.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PeerConnection {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
    /// The endpoint, if it is this connection's alone.
    own_endpoint: Option<Endpoint>,
}

impl PeerConnection {
    /// A connection on a UDP socket of its own. Use [`Endpoint::connection`] to share one.
    ///
    /// # Errors
    ///
    /// [`Error::Socket`] if there is no socket to be had, or what is wrong with `config`.
    pub async fn new(config: Config) -> Result<PeerConnection, Error> {
        let endpoint = Endpoint::bind(0).await.map_err(|error| Error::Socket(error.kind()))?;
        let mut connection = endpoint.connection(config)?;
        connection.own_endpoint = Some(endpoint);
        Ok(connection)
    }

    pub(crate) fn from_parts(
        requests: mpsc::Sender<Request>,
        shared: Arc<Shared>,
    ) -> PeerConnection {
        PeerConnection { requests, shared, own_endpoint: None }
    }

    /// Has the task do something with the connection.
    async fn request<T, F>(&self, action: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Task, Instant) -> T + Send + 'static,
    {
        request(&self.requests, action).await
    }

    /// An offer (RFC 9429 §4.1.8).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or why there can be none now.
    pub async fn create_offer(&self) -> Result<SessionDescription, Error> {
        self.request(|task, now| task.connection.create_offer(now)).await?
    }

    /// An answer to the remote offer (RFC 9429 §4.1.9).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or why there can be none now.
    pub async fn create_answer(&self) -> Result<SessionDescription, Error> {
        self.request(|task, now| task.connection.create_answer(now)).await?
    }

    /// Applies a description of ours (RFC 9429 §4.1.10), or takes it back with a rollback.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or why the description cannot be applied.
    pub async fn set_local_description(
        &self,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.request(|task, now| task.connection.set_local_description(now, description)).await?
    }

    /// Applies a description of the peer (RFC 9429 §4.1.11), or takes it back with a rollback.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or why the description cannot be applied.
    pub async fn set_remote_description(
        &self,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.request(|task, now| task.connection.set_remote_description(now, description)).await?
    }

    /// The local description with all candidates known by now.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn local_description(&self) -> Result<Option<SessionDescription>, Error> {
        self.request(|task, _| task.connection.local_description()).await
    }

    /// Adds a candidate of the peer (RFC 9429 §4.1.18). An empty one says that none will follow.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or what is wrong with the candidate.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), Error> {
        self.request(|task, now| task.connection.add_ice_candidate(now, candidate)).await?
    }

    /// The next offer asks for new paths (W3C `restartIce`, RFC 8445 §9); data goes on over the old
    /// one until there is a new one. Call [`create_offer`](Self::create_offer) next.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn restart_ice(&self) -> Result<(), Error> {
        self.request(|task, now| task.restart_ice(now)).await
    }

    /// Opens a data channel. The first one has to be opened before the offer is made.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or what is wrong with `init`.
    pub async fn create_data_channel(
        &self,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannel, Error> {
        let label = label.to_owned();
        self.request(move |task, now| {
            let id = task.connection.create_data_channel(now, &label, init)?;
            task.adopt(id, ChannelState::Connecting).ok_or(Error::Closed)
        })
        .await?
    }

    /// Adds a transceiver: the next offer has a section for it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn add_transceiver(
        &self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<Transceiver, Error> {
        self.request(move |task, now| {
            let id = task.connection.add_transceiver(now, kind, init)?;
            Ok(task.tracks.handle(id, kind))
        })
        .await?
    }

    /// All transceivers that are not over, those that the peer's offers made included.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn transceivers(&self) -> Result<Vec<Transceiver>, Error> {
        self.request(|task, _| {
            let Task { connection, tracks, .. } = task;
            connection.transceivers().map(|info| tracks.handle(info.id, info.kind)).collect()
        })
        .await
    }

    /// What the path carries, in bits per second for all media together, and its changes; `None`
    /// until it has been measured.
    pub fn target_bitrate(&self) -> watch::Receiver<Option<u64>> {
        self.shared.target_bitrate().subscribe()
    }

    /// What happened next; `None` when the connection is over and all was told.
    ///
    /// Events wait in a bounded queue: an application that wants channels of its peer has to ask.
    pub async fn next_event(&self) -> Option<PeerEvent> {
        self.shared.next_event().await
    }

    /// The state of the connection.
    pub fn connection_state(&self) -> ConnectionState {
        *self.shared.state().borrow()
    }

    /// The state of ICE alone.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        *self.shared.ice_state().borrow()
    }

    /// How far gathering is: it begins when the first description of ours is set.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        *self.shared.gathering_state().borrow()
    }

    /// Waits until all candidates are known, or the connection is over. Then
    /// [`local_description`](Self::local_description) has them all: for signalling that cannot carry
    /// candidates one by one. Some servers take their time, so give it a limit.
    pub async fn gathering_complete(&self) {
        let mut state = self.shared.gathering_state().subscribe();
        tokio::select! {
            _ = state.wait_for(|state| *state == IceGatheringState::Complete) => {}
            () = self.requests.closed() => {}
        }
    }

    /// Waits until the connection is connected.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if it has failed or is closed instead.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut state = self.shared.state().subscribe();
        let decided = state.wait_for(|state| {
            matches!(
                state,
                ConnectionState::Connected | ConnectionState::Failed | ConnectionState::Closed
            )
        });
        match decided.await.as_deref() {
            Ok(ConnectionState::Connected) => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    /// Numbers about the connection and its channels.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn get_stats(&self) -> Result<Stats, Error> {
        self.request(|task, now| task.connection.get_stats(now)).await
    }

    /// Closes the connection and waits until the peer has been told, as far as one can know: the
    /// end of the association and of the DTLS connection has been sent. With a socket of its own, what
    /// TURN servers have lent is given back.
    pub async fn close(&self) {
        // If the task is gone, the connection is closed.
        let _ = self.request(|task, now| task.close(now)).await;
        self.requests.closed().await;
        if let Some(endpoint) = &self.own_endpoint {
            endpoint.close().await;
        }
    }
}
