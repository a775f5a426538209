//! What requests of all kinds have in common: a body that is bounded in size and time, and a refusal
//! with a reason that people can read.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

/// The content type of a description (RFC 8866 §8.1).
pub(super) const SDP: &str = "application/sdp";

/// The content type of candidates (RFC 8840 §9.2).
pub(super) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The largest body, in octets. Offers of browsers have a few thousand.
const MAX_BODY: usize = 256 << 10;

/// How much of a larger body is read and thrown away: a client that is still sending might
/// otherwise not see the answer.
const MAX_DISCARDED: usize = 16 << 20;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A refused request: the status, and the reason in plain text.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, mut reason) = self;
        reason.push('\n');
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        // Who is not let in hears how to ask (RFC 9110 §11.6.1, RFC 6750 §3).
        let ask = [(header::WWW_AUTHENTICATE, "Bearer")];
        match status {
            StatusCode::UNAUTHORIZED => (status, ask, plain, reason).into_response(),
            _ => (status, plain, reason).into_response(),
        }
    }
}

/// The body of a request as text, if it is of the type expected and not too large.
pub(super) async fn text(
    headers: &HeaderMap,
    body: Body,
    content_type: &str,
) -> Result<String, Refusal> {
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
