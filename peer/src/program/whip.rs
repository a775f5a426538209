//! A broadcast over HTTP: WHIP (RFC 9725) to publish, WHEP (draft-ietf-wish-whep) to watch.
//!
//! ```text
//!  POST    /whip, /whep        application/sdp            201 answer, Location, ETag
//!  PATCH   /whip/ID, /whep/ID  …trickle-ice-sdpfrag       204 candidates added
//!                              … with other credentials   200 ICE restarted: ours, new ETag
//!  DELETE  /whip/ID, /whep/ID                             200
//!  OPTIONS everywhere                                     200
//!  GET     everywhere                                     204: there is nothing to see (§4.1)
//!  all other methods                                      405
//! ```
//!
//! Refusals besides those of [`http`](super::http): 401 without the token of `--token`, 409 while
//! somebody else publishes, 412 and 428 if a PATCH does not say which ICE session it means
//! (`If-Match`, RFC 9725 §4.3.1).
//!
//! The token guards both endpoints and their sessions, and nothing else of this program. With a
//! token, pages of all origins may use both (CORS); without, only with `--cors`.
//!
//! Book: the chapter on signalling and WHIP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use peer::media::MediaKind;
use peer::{Error, PeerConnection, SessionDescription, Transceiver};
use sdp::Direction;
use tokio::sync::OwnedSemaphorePermit;
use tower_http::cors::{Any, CorsLayer};
use tracing::debug;

use super::hub::{Hub, Publication, Watching};
use super::request::{Refusal, SDP, SDP_FRAGMENT, text};
use super::restart;
use super::sessions::{Sessions, described, follow};
use super::token::Token;
use super::trickle::add_candidates;

/// How long a farewell to the other end may take when a session is deleted.
const FAREWELL: Duration = Duration::from_secs(2);

/// The publisher, the viewers, and who may be one. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Broadcast {
    hub: Hub,
    /// Who gives connections, as many as there may be of all kinds.
    sessions: Sessions,
    token: Option<Token>,
    table: Arc<Mutex<HashMap<String, Arc<Client>>>>,
}

/// A publisher or a viewer.
#[derive(Debug)]
struct Client {
    connection: PeerConnection,
    /// Given back at once when the session is deleted, so that the next publisher need not wait.
    role: Mutex<Option<Role>>,
    /// Held while candidates or credentials change.
    ice: tokio::sync::Mutex<Ice>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for what happens when they are dropped")]
enum Role {
    Publisher(Publication),
    Viewer(Watching),
}

/// The ICE session (RFC 8445 §2.4), which a restart replaces.
#[derive(Debug)]
struct Ice {
    /// The client's description, with its present credentials.
    offer: String,
    generation: u64,
}

impl Ice {
    /// The entity tag that names this ICE session (RFC 9725 §4.3.1): strong, and never used again.
    fn tag(&self) -> String {
        format!("\"{}\"", self.generation)
    }
}

/// What to do with an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Whip,
    Whep,
}

impl Broadcast {
    /// Nobody publishes and nobody watches yet.
    pub(super) fn new(sessions: Sessions, token: Option<Token>) -> Broadcast {
        Broadcast { hub: Hub::default(), sessions, token, table: Arc::default() }
    }

    /// The endpoints and their sessions.
    pub(super) fn routes(self, cors: bool) -> Router {
        let cors = cors || self.token.is_some();
        let session = || patch(change).delete(end).get(nothing).options(options);
        let router = Router::new()
            .route(
                "/whip",
                get(nothing)
                    .options(options)
                    .post(|state, headers, body| begin(Endpoint::Whip, state, headers, body)),
            )
            .route(
                "/whep",
                get(nothing)
                    .options(options)
                    .post(|state, headers, body| begin(Endpoint::Whep, state, headers, body)),
            )
            .route("/whip/{id}", session())
            .route("/whep/{id}", session())
            .with_state(self);
        if !cors {
            return router;
        }
        router.layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods([Method::POST, Method::PATCH, Method::DELETE])
                .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH])
                .expose_headers([header::LOCATION, header::ETAG, header::LINK])
                .allow_private_network(true),
        )
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.token {
            Some(token) if !token.admits(headers) => {
                Err(Refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong".into()))
            }
            _ => Ok(()),
        }
    }

    fn client(&self, id: &str) -> Result<Arc<Client>, Refusal> {
        lock(&self.table).get(id).cloned().ok_or_else(gone)
    }

    /// Answers an offer.
    async fn open(&self, endpoint: Endpoint, offer: String) -> Result<Response, Refusal> {
        // Taken first, so that of two publishers at once only one is answered.
        let publication = match endpoint {
            Endpoint::Whip => Some(self.hub.publish().ok_or_else(|| {
                Refusal(StatusCode::CONFLICT, "somebody else is publishing".into())
            })?),
            Endpoint::Whep => None,
        };
        let seat = self.sessions.reserve()?;
        let (id, room, connection) = (seat.id, seat.room, seat.connection);
        connection.set_remote_description(SessionDescription::offer(offer.as_str())).await?;
        let direction = match endpoint {
            Endpoint::Whip => Direction::RecvOnly,
            Endpoint::Whep => Direction::SendOnly,
        };
        let (audio, video) = self.choose(&connection, direction).await?;
        if audio.is_none() && video.is_none() {
            let reason = "there is neither sound nor a picture in the offer";
            return Err(Refusal(StatusCode::BAD_REQUEST, reason.into()));
        }
        let answer = answer(&connection).await?;
        let role = match publication {
            Some(mut publication) => {
                publication.forward(audio, video, self.sessions.recording()).await?;
                Role::Publisher(publication)
            }
            None => Role::Viewer(self.hub.watch(audio, video)),
        };
        let ice = tokio::sync::Mutex::new(Ice { offer, generation: 1 });
        let client =
            Arc::new(Client { connection, role: Mutex::new(Some(role)), ice, _room: room });
        let headers = [
            (header::CONTENT_TYPE, SDP.to_owned()),
            (
                header::LOCATION,
                match endpoint {
                    Endpoint::Whip => format!("/whip/{id}"),
                    Endpoint::Whep => format!("/whep/{id}"),
                },
            ),
            (header::ETAG, client.ice.lock().await.tag()),
        ];
        lock(&self.table).insert(id.clone(), Arc::clone(&client));
        let table = Arc::clone(&self.table);
        tokio::spawn(async move {
            client.run().await;
            lock(&table).remove(&id);
        });
        Ok((StatusCode::CREATED, headers, answer).into_response())
    }

    /// One transceiver of each kind goes this way; the others are not used.
    async fn choose(
        &self,
        connection: &PeerConnection,
        direction: Direction,
    ) -> Result<(Option<Transceiver>, Option<Transceiver>), Error> {
        let (mut audio, mut video) = (None, None);
        for transceiver in connection.transceivers().await? {
            let chosen = match transceiver.kind() {
                MediaKind::Audio => &mut audio,
                MediaKind::Video => &mut video,
            };
            if chosen.is_some() {
                transceiver.set_direction(Direction::Inactive).await?;
                continue;
            }
            if direction == Direction::SendOnly {
                let codecs = self.hub.codecs(transceiver.kind()).await;
                transceiver.set_codec_preferences(codecs).await?;
            }
            transceiver.set_direction(direction).await?;
            *chosen = Some(transceiver);
        }
        Ok((audio, video))
    }
}

impl Client {
    /// Lives until the connection ends.
    async fn run(&self) {
        follow(&self.connection, |_| {}).await;
        lock(&self.role).take();
    }
}

async fn answer(connection: &PeerConnection) -> Result<String, Error> {
    let answer = connection.create_answer().await?;
    connection.set_local_description(answer).await?;
    described(connection).await
}

async fn begin(
    endpoint: Endpoint,
    State(broadcast): State<Broadcast>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    broadcast.authorize(&headers)?;
    let offer = text(&headers, body, SDP).await?;
    broadcast.open(endpoint, offer).await
}

async fn change(
    State(broadcast): State<Broadcast>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    broadcast.authorize(&headers)?;
    let client = broadcast.client(&id)?;
    let fragment = text(&headers, body, SDP_FRAGMENT).await?;
    change_ice(&client, &headers, &fragment).await
}

// ANCHOR: change_ice
async fn change_ice(
    client: &Client,
    headers: &HeaderMap,
    fragment: &str,
) -> Result<Response, Refusal> {
    let fragment = sdp::Fragment::parse(fragment)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut ice = client.ice.lock().await;
    let Some(expected) = headers.get(header::IF_MATCH) else {
        let reason = "If-Match has to say which ICE session is meant";
        return Err(Refusal(StatusCode::PRECONDITION_REQUIRED, reason.into()));
    };
    if !matches(expected, &ice.tag()) {
        let reason = "the ICE session has been replaced by another one";
        return Err(Refusal(StatusCode::PRECONDITION_FAILED, reason.into()));
    }
    let Some(offer) = restart::offer(&ice.offer, &fragment) else {
        add_candidates(&client.connection, &fragment).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let connection = &client.connection;
    connection.set_remote_description(SessionDescription::offer(offer.as_str())).await?;
    let answer = answer(connection).await?;
    add_candidates(connection, &fragment).await?;
    ice.offer = offer;
    ice.generation += 1;
    let headers = [(header::CONTENT_TYPE, SDP_FRAGMENT.to_owned()), (header::ETAG, ice.tag())];
    Ok((headers, restart::fragment(&answer)).into_response())
}
// ANCHOR_END: change_ice

/// Whether `If-Match` names the present ICE session (RFC 9110 §13.1.1).
fn matches(expected: &HeaderValue, tag: &str) -> bool {
    let expected = expected.to_str().unwrap_or_default();
    expected.split(',').map(str::trim).any(|one| one == "*" || one == tag)
}

async fn end(
    State(broadcast): State<Broadcast>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    broadcast.authorize(&headers)?;
    let client = broadcast.client(&id)?;
    lock(&broadcast.table).remove(&id);
    lock(&client.role).take();
    if tokio::time::timeout(FAREWELL, client.connection.close()).await.is_err() {
        debug!("a connection takes its time to end");
    }
    Ok(StatusCode::OK)
}

async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn options() -> impl IntoResponse {
    [("accept-post", SDP), ("accept-patch", SDP_FRAGMENT)]
}

fn gone() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is no such session (any more)".into())
}

/// What this mutex guards is consistent after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
