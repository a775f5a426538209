//! The pages: a few files, part of the program, so that there is nothing to install and nothing to
//! fetch from elsewhere.
//!
//! ```text
//!  /             index.html   a call to this program
//!  /room/NAME    room.html    a call between two browsers
//!  /live         live.html    one publishes, many watch (WHIP and WHEP)
//! ```

use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::ice_servers::PageConfiguration;

/// A page may load what this program serves and nothing else, and nobody may frame it. `'self'`
/// includes the WebSocket of this origin (Content Security Policy Level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src data: blob:; media-src blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Camera and microphone are for these pages, not for what they might embed.
const PERMISSIONS: &str = "camera=(self), microphone=(self), geolocation=(), display-capture=()";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, content type and content of what the pages consist of.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../../page/index.html")),
    ("/live", HTML, include_str!("../../page/live.html")),
    ("/style.css", CSS, include_str!("../../page/style.css")),
    ("/page.js", JAVASCRIPT, include_str!("../../page/page.js")),
    ("/room.js", JAVASCRIPT, include_str!("../../page/room.js")),
    ("/live.js", JAVASCRIPT, include_str!("../../page/live.js")),
    ("/connection.js", JAVASCRIPT, include_str!("../../page/connection.js")),
    ("/ice.js", JAVASCRIPT, include_str!("../../page/ice.js")),
    ("/negotiation.js", JAVASCRIPT, include_str!("../../page/negotiation.js")),
    ("/signalling.js", JAVASCRIPT, include_str!("../../page/signalling.js")),
    ("/capture.js", JAVASCRIPT, include_str!("../../page/capture.js")),
    ("/statistics.js", JAVASCRIPT, include_str!("../../page/statistics.js")),
    ("/transfer.js", JAVASCRIPT, include_str!("../../page/transfer.js")),
    ("/view.js", JAVASCRIPT, include_str!("../../page/view.js")),
];

/// The paths that are the same for everybody, for any router.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, &(path, content_type, content)| {
        router.route(path, get(move || async move { file(content_type, content) }))
    })
}

/// The page of a room, whatever its name: the page finds it in its own address.
pub(crate) fn room() -> Response {
    file(HTML, include_str!("../../page/room.html"))
}

/// What the pages make their connections of. No page of another origin can read it, unless `--cors`
/// says so; nobody keeps it.
pub(super) fn configuration(configuration: &PageConfiguration) -> Response {
    let headers =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Json(configuration)).into_response()
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The name of a room is what admits to it.
        (header::REFERRER_POLICY, "same-origin"),
        // Another version of the program may serve the same address tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
