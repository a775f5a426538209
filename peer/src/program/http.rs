//! The signalling: a few HTTP requests in the shape of WHIP (RFC 9725).
//!
//! ```text
//!  POST   /offer        application/sdp              201 answer, Location: /session/ID
//!  PATCH  /session/ID   application/trickle-ice-sdpfrag (RFC 8840)   204
//!  POST   /session/ID   application/sdp              200 answer to the new offer
//!  GET    /session/ID                                200 JSON: state, channels, statistics
//!  DELETE /session/ID                                204
//! ```
//!
//!  GET    /ice-servers                               200 JSON: RTCConfiguration of the pages
//!  GET    /room/NAME, /room/NAME/socket              two browsers in a room; see [`socket`]
//!  /whip, /whep                                      one publisher, many viewers; see [`whip`](super::whip)
//!
//! Refusals, each with a reason in plain text: 400 what was sent makes no sense, 404 no such
//! session, 413 too large, 415 another content type, 503 too many sessions.
//!
//! A page of another origin can use this only if the program was started with `--cors`: the
//! content types above make browsers ask first, and without CORS the answer is no.
//!
//! Book: "Thirty seconds of a call".

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use peer::Error;
use tower_http::cors::{Any, CorsLayer};

use super::ice_servers::PageConfiguration;
use super::report::Report;
use super::request::{Refusal, SDP, SDP_FRAGMENT, text};
use super::room::{self, Rooms};
use super::sessions::{Refusal as SessionRefusal, Sessions};
use super::token::Token;
use super::trickle::add_candidates;
use super::whip::Broadcast;
use super::{page, socket};

/// The whole service, pages included.
pub(super) fn router(
    sessions: Sessions,
    rooms: Rooms,
    token: Option<Token>,
    cors: bool,
    pages: PageConfiguration,
) -> Router {
    let broadcast = Broadcast::new(sessions.clone(), token).routes(cors);
    let router = Router::new()
        .route("/offer", post(offer))
        .route("/session/{id}", get(describe).post(renegotiate).patch(trickle).delete(end))
        .with_state(sessions)
        .route("/room/{name}", get(room))
        .route(
            "/room/{name}/socket",
            get(move |headers, name, rooms, upgrade| enter(headers, name, rooms, upgrade, cors)),
        )
        .with_state(rooms);
    // For our own pages alone: it has the password of the TURN servers.
    let pages = page::routes()
        .route("/ice-servers", get(move || async move { page::configuration(&pages) }));
    let own = broadcast.merge(pages);
    if !cors {
        return router.merge(own);
    }
    let router = router.layer(
        CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([header::CONTENT_TYPE])
            .expose_headers([header::LOCATION])
            // A page from the internet asks for leave to reach a local address.
            .allow_private_network(true),
    );
    router.merge(own)
}

impl From<SessionRefusal> for Refusal {
    fn from(refusal: SessionRefusal) -> Refusal {
        match refusal {
            SessionRefusal::Full => Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "there are too many sessions; try again later".into(),
            ),
            SessionRefusal::Ending => {
                Refusal(StatusCode::SERVICE_UNAVAILABLE, "the program is about to end".into())
            }
            SessionRefusal::Offer(error) => error.into(),
            SessionRefusal::Internal(reason) => Refusal(StatusCode::INTERNAL_SERVER_ERROR, reason),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            // The connection has ended, and the session is about to.
            Error::Closed => no_session(),
            error => Refusal(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

fn no_session() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is no such session (any more)".into())
}

async fn room(Path(name): Path<String>) -> Result<Response, Refusal> {
    valid(&name)?;
    Ok(page::room())
}

async fn enter(
    headers: HeaderMap,
    Path(name): Path<String>,
    State(rooms): State<Rooms>,
    upgrade: WebSocketUpgrade,
    any_origin: bool,
) -> Result<Response, Refusal> {
    valid(&name)?;
    if !any_origin && !socket::is_same_origin(&headers) {
        let reason = "pages of other origins may not enter rooms";
        return Err(Refusal(StatusCode::FORBIDDEN, reason.into()));
    }
    Ok(socket::enter(upgrade, &rooms, &name))
}

fn valid(name: &str) -> Result<(), Refusal> {
    if room::is_name(name) {
        return Ok(());
    }
    Err(Refusal(StatusCode::NOT_FOUND, room::Refusal::Name.to_string()))
}

async fn offer(
    State(sessions): State<Sessions>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let offer = text(&headers, body, SDP).await?;
    let (id, answer) = sessions.open(&offer).await?;
    let headers =
        [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, format!("/session/{id}"))];
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

async fn renegotiate(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let session = sessions.get(&id).ok_or_else(no_session)?;
    let offer = text(&headers, body, SDP).await?;
    let answer = session.answer(&offer).await?;
    Ok(([(header::CONTENT_TYPE, SDP)], answer).into_response())
}

async fn trickle(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let session = sessions.get(&id).ok_or_else(no_session)?;
    let fragment = text(&headers, body, SDP_FRAGMENT).await?;
    let fragment = sdp::Fragment::parse(&fragment)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
    add_candidates(session.connection(), &fragment).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn describe(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
) -> Result<Json<Report>, Refusal> {
    let session = sessions.get(&id).ok_or_else(no_session)?;
    let statistics = session.connection().get_stats().await?;
    let state = session.connection().connection_state();
    Ok(Json(Report::new(state, session.channels(), statistics)))
}

async fn end(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let session = sessions.remove(&id).ok_or_else(no_session)?;
    session.connection().close().await;
    Ok(StatusCode::NO_CONTENT)
}
