//! The client's side of the signalling, for any server that keeps the contract of
//! [`http`](super::http).
//!
//! Book: "Thirty seconds of a call".

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};
use tracing::debug;

use super::failure::{Explain, Failure};

/// How long the server may take to end a session.
const FAREWELL: Duration = Duration::from_secs(2);

/// The most octets of an answer, or of a reason for refusal.
const MAX_ANSWER: usize = 256 << 10;

/// A serving peer, as HTTP sees it.
#[derive(Debug)]
pub(super) struct Signalling {
    client: Client,
    base: Url,
}

/// A session at a serving peer.
#[derive(Debug)]
pub(super) struct RemoteSession {
    client: Client,
    url: Url,
}

impl Signalling {
    /// For the server at `url`; each request may take as long as `timeout`.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Signalling, Failure> {
        let mut base = Url::parse(url).explain(|| format!("`{url}` is not a URL"))?;
        match base.scheme() {
            "http" => {}
            "https" => {
                return Err(Failure::new(
                    "https is not supported; give an http URL (what the channel carries is \
                     encrypted in any case)",
                ));
            }
            scheme => {
                return Err(Failure::new(format!("`{scheme}:` URLs are not supported, only http")));
            }
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        base.set_query(None);
        base.set_fragment(None);
        let client = Client::builder()
            .timeout(timeout)
            // The call itself would not go through a proxy either.
            .no_proxy()
            .build()
            .explain(|| "cannot make an HTTP client".into())?;
        Ok(Signalling { client, base })
    }

    /// Sends an offer; returns the answer and the session it made.
    pub(super) async fn offer(&self, offer: String) -> Result<(String, RemoteSession), Failure> {
        let url = self.base.join("offer").explain(|| format!("`{}` has no paths", self.base))?;
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/sdp");
        let response =
            request.body(offer).send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let session = location.and_then(|location| response.url().join(location).ok());
        let body = body(response).await?;
        if status != StatusCode::CREATED {
            let reason = body.lines().next().unwrap_or_default();
            return Err(Failure::new(format!(
                "{url} answered {status} instead of 201 Created{}{reason}",
                if reason.is_empty() { "" } else { ": " }
            )));
        }
        let url = session.ok_or_else(|| {
            Failure::new(format!("{url} answered without a Location for the session"))
        })?;
        Ok((body, RemoteSession { client: self.client.clone(), url }))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let base = &self.base;
        Failure::new(if error.is_timeout() {
            format!("{base} does not answer in time")
        } else {
            format!("cannot reach {base}: {}; is a peer serving there?", root_cause(error))
        })
    }
}

impl RemoteSession {
    /// Asks the server to end the session. That it has ended already is fine.
    pub(super) async fn end(&self) {
        let request = self.client.delete(self.url.clone()).timeout(FAREWELL);
        if let Err(error) = request.send().await {
            debug!(%error, "the session was not ended");
        }
    }
}

/// The body as text, if it is not too large.
async fn body(mut response: Response) -> Result<String, Failure> {
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.explain(|| "the answer is cut off".into())? {
        octets.extend_from_slice(&chunk);
        if octets.len() > MAX_ANSWER {
            return Err(Failure::new("the answer is far too long"));
        }
    }
    String::from_utf8(octets).explain(|| "the answer is not text".into())
}

/// The innermost error, which says what happened: "Connection refused".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
