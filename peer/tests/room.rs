//! The WebSocket of a room, with clients that are no browsers: what is passed on, and what is not.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use common::{Server, http, soon};
use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

async fn try_enter(server: &Server, room: &str, origin: Option<&str>) -> Result<Socket, Error> {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let url = format!("ws://localhost:{}/room/{room}/socket", server.port());
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    soon("the handshake", client_async(request, stream)).await.map(|(socket, _)| socket)
}

async fn enter(server: &Server, room: &str) -> Socket {
    try_enter(server, room, None).await.unwrap()
}

/// The next JSON object.
async fn next(socket: &mut Socket) -> Value {
    loop {
        match soon("a message", socket.next()).await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// With what the server closes the WebSocket.
async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        match soon("the end", socket.next()).await.unwrap().unwrap() {
            Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
            Message::Close(None) => panic!("no reason"),
            _ => {}
        }
    }
}

async fn send(socket: &mut Socket, value: &Value) {
    socket.send(Message::text(value.to_string())).await.unwrap();
}

/// Two in a room, and the number of their call.
async fn pair(server: &Server, room: &str) -> (Socket, Socket, Value) {
    let mut first = enter(server, room).await;
    assert_eq!(next(&mut first).await, json!({ "type": "waiting" }));
    let mut second = enter(server, room).await;
    let joined = next(&mut second).await;
    let call = joined["call"].clone();
    assert_eq!(joined, json!({ "type": "joined", "call": call, "polite": true }));
    assert_eq!(next(&mut first).await, json!({ "type": "joined", "call": call, "polite": false }));
    (first, second, call)
}

fn offer(call: &Value, sdp: &str) -> Value {
    json!({ "type": "description", "call": call, "description": { "type": "offer", "sdp": sdp } })
}

#[tokio::test]
async fn signals_reach_the_other_one_unchanged_and_in_order() {
    let server = Server::start(&[]);
    let (mut first, mut second, call) = pair(&server, "tea").await;
    let candidate = json!({ "candidate": "candidate:1 1 udp 1 ::1 9 typ host", "sdpMid": "0",
        "sdpMLineIndex": 0, "usernameFragment": "ä\"" });
    let signals = [
        offer(&call, "v=0\r\n"),
        json!({ "type": "candidate", "call": call, "candidate": candidate }),
        json!({ "type": "candidate", "call": call, "candidate": null }),
    ];
    for signal in &signals {
        send(&mut first, signal).await;
    }
    for signal in &signals {
        assert_eq!(&next(&mut second).await, signal);
    }
    drop(first);
    assert_eq!(next(&mut second).await, json!({ "type": "left" }));
}

#[tokio::test]
async fn a_third_gets_a_clear_sentence() {
    let server = Server::start(&[]);
    let _two = pair(&server, "tea").await;
    let mut third = enter(&server, "tea").await;
    let (code, reason) = closed(&mut third).await;
    assert_eq!((code, reason.as_str()), (4000, "This room is full: two people are in it already."));
    assert_eq!(next(&mut enter(&server, "coffee").await).await, json!({ "type": "waiting" }));
}

#[tokio::test]
async fn what_is_no_signal_ends_the_connection_and_only_that() {
    let server = Server::start(&[]);
    let too_long = "x".repeat(70_000);
    let cases = [
        (Message::text("hello"), Some(1008)),
        (
            Message::text(json!({ "type": "joined", "call": 1, "polite": true }).to_string()),
            Some(1008),
        ),
        (Message::binary(vec![1, 2, 3]), Some(1003)),
        (Message::text(offer(&json!(1), &too_long).to_string()), None),
    ];
    for (case, (message, code)) in cases.into_iter().enumerate() {
        let room = format!("case-{case}");
        let (mut first, mut second, _) = pair(&server, &room).await;
        let sent = second.send(message).await;
        match code {
            Some(code) => assert_eq!(closed(&mut second).await.0, code),
            None => {
                assert!(sent.is_err() || !matches!(second.next().await, Some(Ok(Message::Text(_)))))
            }
        }
        assert_eq!(next(&mut first).await, json!({ "type": "left" }));
    }
}

#[tokio::test]
async fn a_flood_ends_the_connection() {
    let server = Server::start(&[]);
    let (mut first, mut second, _) = pair(&server, "tea").await;
    // Of a call that is over: nobody is bothered with them.
    let signal = offer(&json!(0), "v=0\r\n").to_string();
    for _ in 0..300 {
        if second.send(Message::text(signal.clone())).await.is_err() {
            break;
        }
    }
    assert_eq!(closed(&mut second).await.0, 1008);
    assert_eq!(next(&mut first).await, json!({ "type": "left" }));
}

#[tokio::test]
async fn names_and_origins_are_checked() {
    let server = Server::start(&[]);
    for name in ["a%20b", "%3Cb%3E", &"x".repeat(65)] {
        let page = http().get(server.at(&format!("/room/{name}"))).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{name}");
        assert!(try_enter(&server, name, None).await.is_err(), "{name}");
    }
    let own = format!("http://localhost:{}", server.port());
    assert!(try_enter(&server, "tea", Some(&own)).await.is_ok());
    assert!(try_enter(&server, "tea", Some("http://evil.example")).await.is_err());
    let open = Server::start(&["--cors"]);
    assert!(try_enter(&open, "tea", Some("http://friend.example")).await.is_ok());
}

#[tokio::test]
async fn the_end_of_the_program_is_told() {
    let server = Server::start(&[]);
    let mut socket = enter(&server, "tea").await;
    next(&mut socket).await;
    let ended = tokio::task::spawn_blocking(move || server.end("INT"));
    assert_eq!(closed(&mut socket).await.0, 1001);
    assert!(ended.await.unwrap().0.success());
}
