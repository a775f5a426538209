//! The contract of `peer serve`, over real HTTP on loopback, with our own peer as the client.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Client, Server, http, offerer, post_sdp, soon};
use peer::{DataChannelInit, Message, SessionDescription};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// The body of a refusal: a reason in plain text, never empty.
async fn reason(response: reqwest::Response) -> String {
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = response.text().await.unwrap();
    assert!(text.trim().len() > 10, "no reason: {text:?}");
    text
}

#[tokio::test]
async fn an_offer_is_answered_with_all_candidates() {
    let server = Server::start(&[]);
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let response = post_sdp(&server.at("/offer"), offer).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let id = location.strip_prefix("/session/").expect("a path of ours");
    assert!(id.len() >= 22, "an id that can be guessed: {id}");
    let answer = response.text().await.unwrap();
    assert!(answer.lines().any(|line| line.contains(" 127.0.0.1 ") && line.contains("typ host")));
    // Browsers without special settings reach only an address of an interface.
    let others = answer.lines().filter(|line| line.starts_with("a=candidate:"));
    let interfaces = if_addrs::get_if_addrs().unwrap();
    let reachable = interfaces.iter().filter(|i| !i.is_loopback() && !i.is_link_local()).count();
    assert!(others.count() > reachable, "an address is missing");
}

#[tokio::test]
async fn every_message_comes_back_unchanged() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    let messages = [
        Message::text("hello"),
        Message::text("größer 🎈"),
        Message::text(""),
        Message::binary(Bytes::new()),
        Message::binary(vec![0]),
        Message::binary((0..=255).collect::<Vec<u8>>().repeat(256)),
        Message::binary(vec![9; 262_144]),
        Message::text("x".repeat(65_536)),
    ];
    for message in &messages {
        client.channel.send(message.clone()).await.unwrap();
    }
    for message in &messages {
        let returned = soon("the echo", client.channel.recv()).await;
        assert!(returned.as_ref() == Some(message), "{} octets changed", message.len());
    }
}

#[tokio::test]
async fn every_channel_echoes_whatever_its_options() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    let unordered = DataChannelInit {
        ordered: false,
        max_retransmits: Some(0),
        protocol: "dice".into(),
        ..DataChannelInit::default()
    };
    let timed = DataChannelInit { max_packet_life_time: Some(500), ..DataChannelInit::default() };
    for (label, init) in [("", unordered), ("zeit", timed)] {
        let channel = client.connection.create_data_channel(label, init).await.unwrap();
        soon("open", channel.opened()).await.unwrap();
        channel.send("to and fro").await.unwrap();
        assert_eq!(soon("the echo", channel.recv()).await, Some(Message::text("to and fro")));
        channel.close();
        soon("closed", channel.closed()).await;
    }
    // The peer may learn of the end a moment later.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = client.report().await;
    assert_eq!(report["state"], "connected");
    assert_eq!((&report["opened"], &report["open"]), (&json!(3), &json!(1)));
    let options = |i: usize| {
        let channel = &report["channels"][i];
        ["label", "protocol", "ordered", "maxRetransmits", "maxPacketLifeTime"]
            .map(|name| channel.get(name).expect(name).clone())
    };
    assert_eq!(options(0), [json!("first"), json!(""), json!(true), json!(null), json!(null)]);
    assert_eq!(options(1), [json!(""), json!("dice"), json!(false), json!(0), json!(null)]);
    assert_eq!(options(2), [json!("zeit"), json!(""), json!(true), json!(null), json!(500)]);
    assert!(report["statistics"]["transport"]["bytesReceived"].as_u64().unwrap() > 0);
    assert!(report["statistics"]["selectedCandidatePair"]["remote"].is_string());
}

#[tokio::test]
async fn unknown_sessions_are_404_for_every_method() {
    let server = Server::start(&[]);
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        let request = http()
            .request(method.clone(), server.at("/session/00112233445566778899aabbccddeeff"))
            .header("Content-Type", "application/sdp");
        let response = soon("a response", request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method}");
        reason(response).await;
    }
    let response = http().get(server.at("/no-such-page")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn other_content_types_are_415() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    for (method, url, content_type) in [
        (Method::POST, server.at("/offer"), "text/plain"),
        (Method::POST, server.at("/offer"), "application/sdpx"),
        (Method::POST, server.at("/offer"), ""),
        (Method::POST, client.session.clone(), "application/json"),
        (Method::PATCH, client.session.clone(), "application/sdp"),
    ] {
        let request = http().request(method, url).header("Content-Type", content_type).body("v=0");
        let response = soon("a response", request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        reason(response).await;
    }
    // With parameters, or in capitals, it is the same type.
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let request = http()
        .post(server.at("/offer"))
        .header("Content-Type", "Application/SDP; charset=utf-8")
        .body(offer);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn bad_descriptions_are_400_with_the_reason() {
    let server = Server::start(&[]);
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let without_fingerprint: String =
        offer.lines().filter(|l| !l.contains("fingerprint")).map(|l| format!("{l}\r\n")).collect();
    for body in ["", "hello", "v=0\r\no=x\r\n", &without_fingerprint, &"a=b\r\n".repeat(40_000)] {
        let response = post_sdp(&server.at("/offer"), body.to_owned()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{:.40}", body);
        reason(response).await;
    }
    let response = post_sdp(&server.at("/offer"), vec![0xff, 0xfe]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    // An answer is no offer; and the session that exists is unharmed by nonsense.
    let client = Client::call(&server.url).await;
    let response = post_sdp(&client.session, "nonsense").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    reason(response).await;
    client.channel.send("still here").await.unwrap();
    assert!(soon("the echo", client.channel.recv()).await.is_some());
}

#[tokio::test]
async fn row_77_bodies_over_256_kib_are_413() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    for length in [256 * 1024 + 1, 1 << 20, 4 << 20] {
        let response = post_sdp(&server.at("/offer"), vec![b'a'; length]).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{length}");
        reason(response).await;
    }
    let patch = http()
        .patch(&client.session)
        .header("Content-Type", "application/trickle-ice-sdpfrag")
        .body(vec![b'a'; 256 * 1024 + 1]);
    assert_eq!(patch.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = post_sdp(&server.at("/offer"), vec![b'a'; 256 * 1024]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "not too large, but nonsense");
}

#[tokio::test]
async fn too_many_sessions_are_503_until_one_ends() {
    let server = Server::start(&["--max-sessions", "1"]);
    let client = Client::call(&server.url).await;
    let (_connection, _channel, offer) = offerer("second", Default::default()).await;
    let response = post_sdp(&server.at("/offer"), offer).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    reason(response).await;
    client.connection.close().await;
    client.wait_for_status(StatusCode::NOT_FOUND, Duration::from_secs(5)).await;
    Client::call(&server.url).await;
}

#[tokio::test]
async fn an_offer_that_is_refused_takes_no_place() {
    let server = Server::start(&["--max-sessions", "1"]);
    for _ in 0..3 {
        let response = post_sdp(&server.at("/offer"), "nonsense").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    Client::call(&server.url).await;
}

#[tokio::test]
async fn delete_closes_the_connection() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    let response = soon("a response", http().delete(&client.session).send()).await.unwrap();
    assert!(matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT));
    assert_eq!(soon("the end", client.channel.recv()).await, None);
    client.wait_for_status(StatusCode::NOT_FOUND, Duration::ZERO).await;
    let response = soon("a response", http().delete(&client.session).send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_that_closes_is_forgotten_within_two_seconds() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    client.connection.close().await;
    client.wait_for_status(StatusCode::NOT_FOUND, Duration::from_secs(2)).await;
}

/// The candidate lines of a description, and the description without them.
fn split_candidates(offer: &str) -> (String, String) {
    let is_candidate =
        |line: &&str| line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates");
    let join = |lines: Vec<&str>| lines.iter().map(|line| format!("{line}\r\n")).collect();
    let (candidates, rest) = offer.lines().partition(is_candidate);
    (join(candidates), join(rest))
}

#[tokio::test]
async fn candidates_trickle_in_by_patch() {
    let server = Server::start(&[]);
    let (connection, channel, offer) = offerer("trickle", Default::default()).await;
    let (candidates, offer) = split_candidates(&offer);
    let response = post_sdp(&server.at("/offer"), offer.clone()).await;
    let session = server.at(response.headers()["location"].to_str().unwrap());
    // The answer's candidates are held back, so that only the server can begin.
    let (_, answer) = split_candidates(&response.text().await.unwrap());
    connection.set_remote_description(SessionDescription::answer(answer)).await.unwrap();
    let of_transport: String = offer
        .lines()
        .filter(|line| ["a=ice-", "a=mid", "m="].iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let patch = http()
        .patch(&session)
        .header("Content-Type", "application/trickle-ice-sdpfrag")
        .body(of_transport + &candidates);
    let response = soon("a response", patch.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    soon("open", channel.opened()).await.unwrap();
}

#[tokio::test]
async fn a_bad_fragment_is_400_and_harms_nothing() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    for body in ["v=0\r\n", "a=candidate:nonsense\r\n", "\0"] {
        let patch = http()
            .patch(&client.session)
            .header("Content-Type", "application/trickle-ice-sdpfrag")
            .body(body);
        let response = soon("a response", patch.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body:?}");
        reason(response).await;
    }
    client.channel.send("still here").await.unwrap();
    assert!(soon("the echo", client.channel.recv()).await.is_some());
}

#[tokio::test]
async fn a_new_offer_renegotiates() {
    let server = Server::start(&[]);
    let client = Client::call(&server.url).await;
    for round in 0..3 {
        let offer = client.connection.create_offer().await.unwrap();
        client.connection.set_local_description(offer.clone()).await.unwrap();
        let response = post_sdp(&client.session, offer.sdp).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/sdp");
        let answer = SessionDescription::answer(response.text().await.unwrap());
        client.connection.set_remote_description(answer).await.unwrap();
        let text = Message::text(format!("round {round}"));
        client.channel.send(text.clone()).await.unwrap();
        assert_eq!(soon("the echo", client.channel.recv()).await, Some(text));
    }
}

#[tokio::test]
async fn cors_is_off_unless_asked_for() {
    let server = Server::start(&[]);
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let request = http()
        .post(server.at("/offer"))
        .header("Origin", "https://example.com")
        .header("Content-Type", "application/sdp")
        .body(offer);
    let response = request.send().await.unwrap();
    assert!(response.headers().get("access-control-allow-origin").is_none());
    let preflight = preflight(&server, "/offer", "POST").await;
    assert!(preflight.headers().get("access-control-allow-origin").is_none());
    assert!(preflight.headers().get("access-control-allow-methods").is_none());
}

#[tokio::test]
async fn with_cors_other_origins_may_do_everything() {
    let server = Server::start(&["--cors"]);
    for (path, method) in [
        ("/offer", "POST"),
        ("/session/x", "PATCH"),
        ("/session/x", "POST"),
        ("/session/x", "DELETE"),
        ("/session/x", "GET"),
    ] {
        let response = preflight(&server, path, method).await;
        assert!(response.status().is_success());
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_lowercase();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert!(header("access-control-allow-methods").contains(&method.to_lowercase()));
        assert!(header("access-control-allow-headers").contains("content-type"));
    }
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let request = http()
        .post(server.at("/offer"))
        .header("Origin", "https://example.com")
        .header("Content-Type", "application/sdp")
        .body(offer);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.to_lowercase().contains("location"));
}

async fn preflight(server: &Server, path: &str, method: &str) -> reqwest::Response {
    let request = http()
        .request(Method::OPTIONS, server.at(path))
        .header("Origin", "https://example.com")
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "content-type");
    soon("a response", request.send()).await.unwrap()
}
