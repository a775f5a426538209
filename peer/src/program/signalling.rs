//! The client's side of the signalling, for any server that keeps the contract of
//! [`http`](super::http), and for any WHIP or WHEP endpoint: what they have in common is an offer
//! that is posted, an answer with status 201, and a Location to delete in the end (RFC 9725 §4.2).
//!
//! Book: "Thirty seconds of a call".

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use peer::IceCandidate;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tracing::debug;

use super::failure::{Explain, Failure};
use super::request::{SDP, SDP_FRAGMENT};
use super::{restart, trickle};

/// How long the server may take for what belongs to a restart: the network that carried the request
/// may be gone, and then the next attempt takes another.
const RESTART: Duration = Duration::from_secs(5);

/// How long the server may take to end a session.
const FAREWELL: Duration = Duration::from_secs(2);

/// The most octets of an answer, or of a reason for refusal.
const MAX_ANSWER: usize = 256 << 10;

/// A serving peer, as HTTP sees it.
#[derive(Debug)]
pub(super) struct Signalling {
    client: Client,
    base: Url,
    role: Role,
    token: Option<String>,
}

/// What a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A serving peer: both may send.
    Call,
    /// A WHIP endpoint, which receives (RFC 9725).
    Publish,
    /// A WHEP endpoint, which sends.
    Watch,
}

impl Role {
    /// By convention, these endpoints have their protocol's name in their path.
    fn of(url: &Url) -> Role {
        let mut segments = url.path_segments().into_iter().flatten();
        segments
            .find_map(|segment| match segment {
                "whip" => Some(Role::Publish),
                "whep" => Some(Role::Watch),
                _ => None,
            })
            .unwrap_or(Role::Call)
    }
}

/// A session at a serving peer.
#[derive(Debug)]
pub(super) struct RemoteSession {
    client: Client,
    url: Url,
    token: Option<String>,
}

/// What came of an offer: a session, and an answer, whose ICE part restarts replace.
#[derive(Debug)]
pub(super) struct Answered {
    role: Role,
    session: Arc<RemoteSession>,
    /// The answer, with the credentials of now.
    answer: String,
    /// Which ICE session that is, if the server names them (RFC 9725 §4.3.1).
    tag: Option<String>,
    /// The server knows the session no more.
    gone: bool,
}

impl Signalling {
    /// For the server at `url`; each request may take as long as `timeout`.
    pub(super) fn new(
        url: &str,
        token: Option<String>,
        timeout: Duration,
    ) -> Result<Signalling, Failure> {
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
        let role = Role::of(&base);
        if role == Role::Call {
            if !base.path().ends_with('/') {
                base.set_path(&format!("{}/", base.path()));
            }
            base.set_query(None);
        }
        base.set_fragment(None);
        let client = Client::builder()
            .timeout(timeout)
            // The call itself would not go through a proxy either.
            .no_proxy()
            // After a change of networks a connection that was kept would be a dead one.
            .pool_max_idle_per_host(0)
            .build()
            .explain(|| "cannot make an HTTP client".into())?;
        Ok(Signalling { client, base, role, token })
    }

    /// What the URL is for.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Sends an offer; returns what came of it.
    pub(super) async fn offer(&self, offer: String) -> Result<Answered, Failure> {
        let url = match self.role {
            Role::Call => {
                self.base.join("offer").explain(|| format!("`{}` has no paths", self.base))?
            }
            Role::Publish | Role::Watch => self.base.clone(),
        };
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, SDP);
        let request = with_token(request, self.token.as_deref());
        let response =
            request.body(offer).send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let session = location.and_then(|location| response.url().join(location).ok());
        let tag = tag(&response);
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
        let (client, token) = (self.client.clone(), self.token.clone());
        let session = Arc::new(RemoteSession { client, url, token });
        Ok(Answered { role: self.role, session, answer: body, tag, gone: false })
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

impl Answered {
    /// The answer.
    pub(super) fn sdp(&self) -> &str {
        &self.answer
    }

    /// The session.
    pub(super) fn session(&self) -> Arc<RemoteSession> {
        Arc::clone(&self.session)
    }

    /// Whether the server has ended the session, as far as is known.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Tells a candidate of ours that is not in the offer, or that there will be no more.
    pub(super) async fn trickle(
        &mut self,
        description: &str,
        candidate: Option<&IceCandidate>,
    ) -> Result<(), Failure> {
        let fragment = trickle::fragment(description, candidate);
        self.send(Method::PATCH, SDP_FRAGMENT, fragment).await.map(|_| ())
    }

    /// Offers new credentials; returns the answer. A serving peer takes a new offer, WHIP and WHEP take
    /// a fragment of it (RFC 9725 §4.3.3).
    pub(super) async fn restart(&mut self, offer: &str) -> Result<String, Failure> {
        match self.role {
            Role::Call => {
                let response = self.send(Method::POST, SDP, offer.to_owned()).await?;
                self.answer = body(response).await?;
            }
            Role::Publish | Role::Watch => {
                let fragment = restart::fragment(offer);
                let response = self.send(Method::PATCH, SDP_FRAGMENT, fragment).await?;
                let tag = tag(&response);
                let fragment = body(response).await?;
                let not_understood = || Failure::new("the server's answer is no ICE restart");
                let fragment = sdp::Fragment::parse(&fragment).map_err(|_| not_understood())?;
                self.answer =
                    restart::answer(&self.answer, &fragment).ok_or_else(not_understood)?;
                self.tag = tag.or(self.tag.take());
            }
        }
        Ok(self.answer.clone())
    }

    async fn send(
        &mut self,
        method: Method,
        content_type: &str,
        content: String,
    ) -> Result<Response, Failure> {
        let RemoteSession { client, url, token } = &*self.session;
        let is_patch = method == Method::PATCH;
        let mut request = client.request(method, url.clone()).timeout(RESTART);
        request = with_token(request, token.as_deref()).header(CONTENT_TYPE, content_type);
        if let Some(tag) = self.tag.as_ref().filter(|_| is_patch) {
            request = request.header(IF_MATCH, tag);
        }
        let response =
            request.body(content).send().await.explain(|| format!("cannot reach {url}"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        self.gone |= matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        Err(Failure::new(format!("{url} answered {status}")))
    }
}

/// The name of an ICE session.
fn tag(response: &Response) -> Option<String> {
    let tag = response.headers().get(ETAG)?.to_str().ok()?;
    Some(tag.to_owned())
}

impl RemoteSession {
    /// Asks the server to end the session. That it has ended already is fine.
    pub(super) async fn end(&self) {
        let request = self.client.delete(self.url.clone()).timeout(FAREWELL);
        let request = with_token(request, self.token.as_deref());
        if let Err(error) = request.send().await {
            debug!(%error, "the session was not ended");
        }
    }
}

/// With the bearer token, if there is one (RFC 6750 §2.1).
fn with_token(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_what_an_endpoint_is_for() {
        let role = |url| {
            Signalling::new(url, None, Duration::from_secs(1))
                .map(|signalling| signalling.role())
                .ok()
        };
        assert_eq!(role("http://localhost:8080"), Some(Role::Call));
        assert_eq!(role("http://localhost:8080/whip"), Some(Role::Publish));
        assert_eq!(role("http://localhost:8080/whep/stage?quality=low"), Some(Role::Watch));
        assert_eq!(role("http://localhost:8080/live/whip"), Some(Role::Publish));
        assert_eq!(role("http://localhost:8080/whiplash"), Some(Role::Call));
        assert_eq!(role("ftp://localhost"), None);
    }
}
