//! WHIP and WHEP over real HTTP on loopback: what RFC 9725 says of requests and answers.

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
use common::{Server, http, post_sdp, soon};
use peer::media::{EncodedFrame, MediaKind, ReceiveMode, TransceiverInit};
use peer::{PeerConnection, SessionDescription};
use reqwest::{Method, Response, StatusCode};
use sdp::Direction;
use srtp::RtpTimestamp;

/// A frame of silence, and a keyframe of 320 by 240.
const OPUS: &[u8] = &[0xf8, 0xff, 0xfe];
const VP8: &[u8] = &[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0, 7, 7, 7];

const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A client's connection, and its offer, set.
async fn offer(direction: Direction) -> (PeerConnection, String) {
    let connection = PeerConnection::new(Default::default()).await.unwrap();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let init = TransceiverInit { direction, ..TransceiverInit::default() };
        connection.add_transceiver(kind, init).await.unwrap();
    }
    let offer = connection.create_offer().await.unwrap();
    connection.set_local_description(offer).await.unwrap();
    let offer = connection.local_description().await.unwrap().unwrap();
    (connection, offer.sdp)
}

/// A client whose offer was answered.
struct Call {
    connection: PeerConnection,
    session: String,
    tag: String,
    answer: String,
}

async fn call(server: &Server, path: &str, direction: Direction) -> Call {
    let (connection, offer) = offer(direction).await;
    let response = post_sdp(&server.at(path), offer).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["content-type"], "application/sdp");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{path}/")), "{location}");
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong entity tag: {tag}");
    let answer = response.text().await.unwrap();
    connection.set_remote_description(SessionDescription::answer(answer.as_str())).await.unwrap();
    Call { connection, session: server.at(&location), tag, answer }
}

impl Call {
    async fn patch(&self, if_match: Option<&str>, body: impl Into<String>) -> Response {
        let mut request = http().patch(&self.session).header("Content-Type", FRAGMENT);
        if let Some(tag) = if_match {
            request = request.header("If-Match", tag);
        }
        soon("a response", request.body(body.into()).send()).await.unwrap()
    }

    async fn delete(&self) -> StatusCode {
        soon("a response", http().delete(&self.session).send()).await.unwrap().status()
    }
}

#[tokio::test]
async fn a_publisher_connects_and_ends_its_session() {
    let server = Server::start(&[]);
    let call = call(&server, "/whip", Direction::SendOnly).await;
    assert!(call.answer.contains("a=recvonly"), "{}", call.answer);
    assert!(!call.answer.contains("a=sendrecv"), "{}", call.answer);
    soon("connected", call.connection.connected()).await.unwrap();
    assert_eq!(call.delete().await, StatusCode::OK);
    assert_eq!(call.delete().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_publishes_and_many_watch() {
    let server = Server::start(&[]);
    let publisher = call(&server, "/whip", Direction::SendOnly).await;
    let (_second, offer) = offer(Direction::SendOnly).await;
    let refused = post_sdp(&server.at("/whip"), offer.clone()).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    for _ in 0..3 {
        let viewer = call(&server, "/whep", Direction::RecvOnly).await;
        assert!(viewer.answer.contains("a=sendonly"), "{}", viewer.answer);
        soon("connected", viewer.connection.connected()).await.unwrap();
    }
    // The place is free as soon as the publisher has left.
    assert_eq!(publisher.delete().await, StatusCode::OK);
    assert_eq!(post_sdp(&server.at("/whip"), offer).await.status(), StatusCode::CREATED);
}

/// With `--record` there is a file of the sound and one of the picture, whoever watches.
#[tokio::test]
async fn what_is_published_is_recorded_and_forwarded() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&["--record", directory.path().to_str().unwrap()]);
    let publisher = call(&server, "/whip", Direction::SendOnly).await;
    let viewer = call(&server, "/whep", Direction::RecvOnly).await;
    let watched = viewer.connection.transceivers().await.unwrap();
    for transceiver in &watched {
        transceiver.set_receive_mode(ReceiveMode::Frames).await.unwrap();
    }
    soon("connected", viewer.connection.connected()).await.unwrap();
    soon("connected", publisher.connection.connected()).await.unwrap();
    let published = publisher.connection.transceivers().await.unwrap();
    let publishing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for index in 0_u32.. {
            ticks.tick().await;
            for transceiver in &published {
                let (payload, ticks) = match transceiver.kind() {
                    MediaKind::Audio => (OPUS, 960),
                    MediaKind::Video => (VP8, 1800),
                };
                let payload = Bytes::from_static(payload);
                let timestamp = RtpTimestamp(index.wrapping_mul(ticks));
                let frame = EncodedFrame { payload, timestamp, rid: None };
                transceiver.send_frame(frame).unwrap();
            }
        }
    });
    for transceiver in &watched {
        for _ in 0..30 {
            soon("a frame", transceiver.recv()).await.unwrap();
        }
    }
    publishing.abort();
    assert_eq!(publisher.delete().await, StatusCode::OK);
    let (status, ..) = server.end("INT");
    assert!(status.success());
    let files = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let [audio, video] = &files[..] else { panic!("{files:?}") };
    assert!(audio.to_str().unwrap().ends_with("-audio.ogg"), "{audio:?}");
    assert!(video.to_str().unwrap().ends_with("-video.ivf"), "{video:?}");
    let count = |path, frame: &[u8]| {
        let file = std::fs::read(path).unwrap();
        file.windows(frame.len()).filter(|octets| *octets == frame).count()
    };
    assert!(count(audio, OPUS) >= 20 && count(video, VP8) >= 20);
}

#[tokio::test]
async fn an_offer_without_media_is_refused_and_occupies_nothing() {
    let server = Server::start(&[]);
    let (_connection, _channel, offer) = common::offerer("data", Default::default()).await;
    for path in ["/whip", "/whep"] {
        let response = post_sdp(&server.at(path), offer.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(post_sdp(&server.at(path), "v=0\r\n").await.status(), StatusCode::BAD_REQUEST);
    }
    call(&server, "/whip", Direction::SendOnly).await;
}

#[tokio::test]
async fn candidates_need_the_tag_of_their_ice_session() {
    let server = Server::start(&[]);
    let call = call(&server, "/whip", Direction::SendOnly).await;
    let body = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n";
    let status = async |tag: Option<&str>| call.patch(tag, body).await.status();
    assert_eq!(status(None).await, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(status(Some("\"other\"")).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(status(Some(&format!("W/{}", call.tag))).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(status(Some(&call.tag)).await, StatusCode::NO_CONTENT);
    assert_eq!(status(Some(&format!("\"x\", {}", call.tag))).await, StatusCode::NO_CONTENT);
    let malformed = call.patch(Some(&call.tag), "no fragment").await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    let other = http().patch(&call.session).header("If-Match", &call.tag).body(body);
    assert_eq!(other.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn ice_restarts_with_a_new_tag() {
    let server = Server::start(&[]);
    let call = call(&server, "/whep", Direction::RecvOnly).await;
    soon("connected", call.connection.connected()).await.unwrap();
    let body = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";
    let response = call.patch(Some("*"), body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], FRAGMENT);
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(tag, call.tag);
    let fragment = sdp::Fragment::parse(&response.text().await.unwrap()).unwrap();
    let ufrag = fragment.ice_ufrag().expect("our new credentials");
    assert!(!call.answer.contains(&format!("a=ice-ufrag:{ufrag}\r\n")), "the old ones");
    assert!(fragment.sections().next().unwrap().candidates().next().is_some());
    // Whoever still means the old session is told.
    let end = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n";
    assert_eq!(call.patch(Some(&call.tag), end).await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(call.patch(Some(&tag), end).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_token_guards_publishing_and_watching_and_nothing_else() {
    let server = Server::start(&["--token", "open sesame"]);
    let (_connection, sdp) = offer(Direction::SendOnly).await;
    for path in ["/whip", "/whep", "/whip/unknown"] {
        let method = if path == "/whip/unknown" { Method::DELETE } else { Method::POST };
        for authorization in [None, Some("Bearer wrong"), Some("Basic open sesame")] {
            let mut request = http().request(method.clone(), server.at(path)).body(sdp.clone());
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            let response = request.header("Content-Type", "application/sdp").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {authorization:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    let request = http().post(server.at("/whip")).header("Content-Type", "application/sdp");
    let response = request.bearer_auth("open sesame").body(sdp).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    common::Client::call(&server.url).await;
}

#[tokio::test]
async fn other_methods_are_refused_and_options_say_what_is_taken() {
    let server = Server::start(&[]);
    for path in ["/whip", "/whep"] {
        let ask =
            async |method: Method| http().request(method, server.at(path)).send().await.unwrap();
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let response = ask(method).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert!(response.headers()["allow"].to_str().unwrap().contains("POST"));
        }
        assert_eq!(ask(Method::GET).await.status(), StatusCode::NO_CONTENT);
        let options = ask(Method::OPTIONS).await;
        assert_eq!(options.status(), StatusCode::OK);
        assert_eq!(options.headers()["accept-post"], "application/sdp");
        assert!(!options.headers().contains_key("access-control-allow-origin"));
        let session = server.at(&format!("{path}/unknown"));
        for method in [Method::PUT, Method::POST] {
            let response = http().request(method, &session).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_come_with_a_token_or_with_cors() {
    for flags in [["--token", "x"].as_slice(), &["--cors"]] {
        let server = Server::start(flags);
        let request = http().request(Method::OPTIONS, server.at("/whip/unknown"));
        let request = request.header("Origin", "https://studio.example");
        let request = request.header("Access-Control-Request-Method", "PATCH");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_lowercase();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert!(header("access-control-allow-methods").contains("patch"));
        for name in ["authorization", "if-match", "content-type"] {
            assert!(header("access-control-allow-headers").contains(name), "{name}");
        }
    }
}
