//! The page: a few files, part of the program, so that there is nothing to install and nothing to
//! fetch from elsewhere.

use axum::Router;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The page may load what this program serves and nothing else, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src data: blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The paths of the page, for any router.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", get(|| async { file(HTML, include_str!("../../page/index.html")) }))
        .route("/style.css", get(|| async { file(CSS, include_str!("../../page/style.css")) }))
        .route("/page.js", get(|| async { file(JAVASCRIPT, include_str!("../../page/page.js")) }))
        .route(
            "/connection.js",
            get(|| async { file(JAVASCRIPT, include_str!("../../page/connection.js")) }),
        )
        .route(
            "/transfer.js",
            get(|| async { file(JAVASCRIPT, include_str!("../../page/transfer.js")) }),
        )
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another version of the program may serve the same address tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
