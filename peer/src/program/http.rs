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
//! Refusals, each with a reason in plain text: 400 what was sent makes no sense, 404 no such
//! session, 413 larger than [`MAX_BODY`], 415 another content type, 503 too many sessions.
//!
//! A page of another origin can use this only if the program was started with `--cors`: the
//! content types above make browsers ask first, and without CORS the answer is no.
//!
//! Book: "Thirty seconds of a call".

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use peer::{Error, IceCandidate};
use tower_http::cors::{Any, CorsLayer};

use super::page;
use super::report::Report;
use super::sessions::{Refusal as SessionRefusal, Session, Sessions};

/// The largest body, in octets. Offers of browsers have a few thousand.
const MAX_BODY: usize = 256 << 10;

/// How much of a larger body is read and thrown away: a client that is still sending might
/// otherwise not see the answer.
const MAX_DISCARDED: usize = 16 << 20;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The whole service, page included.
pub(super) fn router(sessions: Sessions, cors: bool) -> Router {
    let router = Router::new()
        .route("/offer", post(offer))
        .route("/session/{id}", get(describe).post(renegotiate).patch(trickle).delete(end))
        .with_state(sessions)
        .merge(page::routes());
    if !cors {
        return router;
    }
    router.layer(
        CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([header::CONTENT_TYPE])
            .expose_headers([header::LOCATION])
            // A page from the internet asks for leave to reach a local address.
            .allow_private_network(true),
    )
}

/// A refused request: the status, and the reason in plain text.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, mut reason) = self;
        reason.push('\n');
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], reason).into_response()
    }
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
    add_candidates(&session, &fragment).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the candidates of a fragment: those of each section, and those that stand above the first,
/// as a client with only one section may write them.
async fn add_candidates(session: &Session, fragment: &sdp::Fragment) -> Result<(), Refusal> {
    let mut candidates = Vec::new();
    let mut add = |candidate: &str, mid: Option<&str>, index: usize, fragment: Option<&str>| {
        candidates.push(IceCandidate {
            candidate: candidate.to_owned(),
            sdp_mid: mid.map(str::to_owned),
            sdp_m_line_index: u16::try_from(index).ok(),
            username_fragment: fragment.map(str::to_owned),
        });
    };
    for candidate in fragment.candidates() {
        add(candidate, None, 0, fragment.ice_ufrag());
    }
    for (index, section) in fragment.sections().enumerate() {
        for candidate in section.candidates() {
            add(candidate, section.mid(), index, section.ice_ufrag());
        }
        if section.end_of_candidates() {
            // The empty candidate means the end (W3C WebRTC §4.8.1.1).
            add("", section.mid(), index, section.ice_ufrag());
        }
    }
    if fragment.media.is_empty() && fragment.end_of_candidates() {
        add("", None, 0, fragment.ice_ufrag());
    }
    for candidate in candidates {
        session.connection().add_ice_candidate(candidate).await?;
    }
    Ok(())
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

/// The body of a request as text, if it is of the type expected and not too large.
async fn text(headers: &HeaderMap, body: Body, content_type: &str) -> Result<String, Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Parameters may follow: `application/sdp; charset=utf-8`.
    let essence = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(content_type) {
        let reason = format!("the content type must be {content_type}");
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, read(body)).await.map_err(|_| {
        Refusal(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".into())
    })??;
    String::from_utf8(body)
        .map_err(|_| Refusal(StatusCode::BAD_REQUEST, "the body is not UTF-8".into()))
}

async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut octets = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|error| {
            Refusal(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
        })?;
        length += chunk.len();
        if length > MAX_DISCARDED {
            break;
        }
        if length <= MAX_BODY {
            octets.extend_from_slice(&chunk);
        }
    }
    if length > MAX_BODY {
        let reason = format!("the body has more than {MAX_BODY} octets");
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, reason));
    }
    Ok(octets)
}
