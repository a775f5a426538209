//! The WebSocket of somebody in a room (RFC 6455), from joining to leaving.
//!
//! ```text
//!  GET /room/NAME           the page
//!  GET /room/NAME/socket    101, then one JSON object in each text message:
//!        server ► {"type":"waiting"}
//!        server ► {"type":"joined","call":7,"polite":true}
//!        server ► {"type":"left"}
//!      both ways  {"type":"description","call":7,"description":{"type":"offer","sdp":"…"}}
//!      both ways  {"type":"candidate","call":7,"candidate":{"candidate":"…","sdpMid":"0",…}}
//! ```
//!
//! A browser does not show its page why a WebSocket was refused, but it shows why one was closed:
//! who cannot come in is let in, told and shown out, with close code [`REFUSED`].
//!
//! WebSockets are not bound to one origin as other requests are. So that no other page enters
//! rooms in a visitor's name, the `Origin` has to be this server's own, unless `--cors` says that
//! all origins are welcome.
//!
//! Book: the chapter on signalling.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::room::{Next, Refusal, Rooms, Seat, Signal};

/// The largest message, in octets. Offers of browsers have a few thousand, as JSON a few more.
const MAX_MESSAGE: usize = 64 << 10;

/// Messages that may come at once: the candidates of a machine with many addresses, several times.
const BURST: f64 = 200.0;

/// Messages a second in the long run. People who press buttons send a few.
const RATE: f64 = 10.0;

/// How often the other end has to show that it lives. Also keeps NATs and proxies from forgetting.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long it may be silent: two pings lost, and some time.
const MAX_SILENCE: Duration = Duration::from_secs(40);

/// How long a message may take to find room in TCP's buffers.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other end may take to agree that a WebSocket is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The close code of a refusal: trying again at once makes no sense. Private use (RFC 6455 §7.4.2).
const REFUSED: u16 = 4000;

/// Whether a request comes from a page of this server, or not from a page at all.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // The scheme may differ: a proxy before this program may speak TLS.
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((authority, host), (Some((_, authority)), Some(host)) if authority == host)
}

/// Lets a browser into a room.
pub(super) fn enter(upgrade: WebSocketUpgrade, rooms: &Rooms, name: &str) -> Response {
    let seat = rooms.join(name);
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(
        async move |mut socket| {
            // Taken until the farewell is over.
            let _place = seat.as_ref().ok().map(Seat::place);
            let close = match seat {
                Ok(seat) => attend(&mut socket, seat).await,
                Err(refusal) => Some(Close::Refused(refusal)),
            };
            if let Some(close) = close {
                farewell(socket, close).await;
            }
        },
    )
}

/// Why the server closes a WebSocket.
#[derive(Debug)]
enum Close {
    Refused(Refusal),
    Text,
    Binary,
    TooMany,
    Slow,
    Ending,
}

impl Close {
    /// The code (RFC 6455 §7.4.1) and a reason, which has at most 123 octets (§5.5.1).
    fn frame(&self) -> CloseFrame {
        let (code, reason) = match self {
            Close::Refused(Refusal::Ending) | Close::Ending => {
                (close_code::AWAY, "The server is about to end.".to_owned())
            }
            Close::Refused(refusal) => (REFUSED, refusal.to_string()),
            Close::Text => (close_code::POLICY, "That is not a signal.".to_owned()),
            Close::Binary => (close_code::UNSUPPORTED, "Signals are text.".to_owned()),
            Close::TooMany => (close_code::POLICY, "Too many signals at once.".to_owned()),
            Close::Slow => (close_code::POLICY, "Signals were not read in time.".to_owned()),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

/// Carries signals until one side has enough. `None`: the other end has gone already.
async fn attend(socket: &mut WebSocket, mut seat: Seat) -> Option<Close> {
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut allowance = Allowance::new(heard);
    loop {
        let message = tokio::select! {
            next = seat.next() => match next {
                Next::Text(text) => Message::Text(text.into()),
                Next::Slow => return Some(Close::Slow),
                Next::Ending => return Some(Close::Ending),
            },
            received = socket.recv() => {
                let Some(Ok(received)) = received else { return None };
                heard = Instant::now();
                if !allowance.take(heard) {
                    return Some(Close::TooMany);
                }
                match received {
                    Message::Text(text) => match serde_json::from_str::<Signal>(&text) {
                        Ok(signal) => seat.relay(&signal),
                        Err(error) => {
                            debug!(%error, "not a signal");
                            return Some(Close::Text);
                        }
                    },
                    Message::Binary(_) => return Some(Close::Binary),
                    Message::Close(_) => return None,
                    Message::Ping(_) | Message::Pong(_) => {}
                }
                continue;
            }
            _ = pings.tick() => {
                if heard.elapsed() > MAX_SILENCE {
                    debug!("somebody has vanished");
                    return None;
                }
                Message::Ping(Vec::new().into())
            }
        };
        if !matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(()))) {
            return None;
        }
    }
}

/// Says why, and waits for the other end to close as well.
async fn farewell(mut socket: WebSocket, close: Close) {
    debug!(?close, "closing a WebSocket");
    let both_closed = async {
        if socket.send(Message::Close(Some(close.frame()))).await.is_ok() {
            // What still comes does not matter.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    if timeout(CLOSE_TIMEOUT, both_closed).await.is_err() {
        debug!("the other end does not close");
    }
}

/// How many messages may still come: a bucket that fills at [`RATE`] up to [`BURST`].
#[derive(Debug)]
struct Allowance {
    messages: f64,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Allowance {
        Allowance { messages: BURST, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let refill = now.saturating_duration_since(self.since).as_secs_f64() * RATE;
        self.messages = (self.messages + refill).min(BURST);
        self.since = now;
        if self.messages < 1.0 {
            return false;
        }
        self.messages -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_ends_the_allowance_and_patience_refills_it() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let taken = (0..1000).filter(|_| allowance.take(start)).count();
        assert_eq!(taken, 200);
        assert!(allowance.take(start + Duration::from_millis(101)));
        assert!(!allowance.take(start + Duration::from_millis(102)));
    }

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        for close in [
            Close::Refused(Refusal::RoomFull),
            Close::Refused(Refusal::ServerFull),
            Close::Refused(Refusal::Ending),
            Close::Text,
            Close::Binary,
            Close::TooMany,
            Close::Slow,
            Close::Ending,
        ] {
            assert!(close.frame().reason.len() <= 123, "{close:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_told_apart() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers
        };
        for origin in [None, Some("http://localhost:8080"), Some("https://localhost:8080")] {
            assert!(is_same_origin(&headers(origin)), "{origin:?}");
        }
        for origin in ["null", "http://localhost:8081", "https://evil.example", "localhost:8080"] {
            assert!(!is_same_origin(&headers(Some(origin))), "{origin}");
        }
    }
}
