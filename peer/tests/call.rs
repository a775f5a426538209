//! `peer call` against `peer serve`, and against servers that fail it in every way.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::io::Write;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use common::{Server, program, soon};
use peer::{Message, PeerConnection, PeerEvent, SessionDescription};

/// Runs `peer call` with these arguments, typing `input`.
async fn call(arguments: &[&str], input: &str) -> Output {
    let mut command = program();
    command.arg("call").args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        // The program may end before it has read everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    soon("the program ends", run).await.unwrap()
}

/// The one sentence of a failure, which must hold `expected`.
fn assert_fails(output: &Output, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "succeeded: {stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("peer: ") && last.contains(expected), "{expected}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A file of `length` octets that no compression would make shorter.
fn file(length: usize) -> tempfile::NamedTempFile {
    let mut state = 1_u32;
    let octets: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        state.to_be_bytes()[1]
    })
    .take(length)
    .collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&octets).unwrap();
    file
}

fn sha256(file: &tempfile::NamedTempFile) -> String {
    let octets = std::fs::read(file.path()).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[tokio::test]
async fn lines_come_back_and_the_end_of_input_ends_it() {
    let server = Server::start(&[]);
    let output = call(&[&server.url], "hello\n\nzwei größere\nlast, without a newline").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout(&output), "hello\n\nzwei größere\nlast, without a newline\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("open after"));
}

#[tokio::test]
async fn no_input_at_all_is_fine_too() {
    let server = Server::start(&[]);
    let output = call(&[&server.url, "--channel", "any label"], "").await;
    assert!(output.status.success());
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_file_goes_there_and_back() {
    let server = Server::start(&[]);
    for length in [0, 1, 61_440, 3_000_001] {
        let file = file(length);
        let output = call(&[&server.url, "--send", file.path().to_str().unwrap()], "").await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stdout = stdout(&output);
        assert!(stdout.contains(&format!("{length} octets")), "{stdout}");
        assert!(stdout.contains("MB/s"), "{stdout}");
        assert!(stdout.contains(&format!("SHA-256 {}: identical", sha256(&file))), "{stdout}");
    }
}

#[tokio::test]
async fn two_calls_at_once() {
    let server = Server::start(&[]);
    let file = file(500_000);
    let path = file.path().to_str().unwrap();
    let (sending, chatting) = ([&server.url, "--send", path], [server.url.as_str()]);
    let (one, two) = tokio::join!(call(&sending, ""), call(&chatting, "hello\n"));
    assert!(one.status.success() && two.status.success());
    assert_eq!(stdout(&two), "hello\n");
}

#[tokio::test]
async fn what_cannot_be_called_is_one_clear_sentence() {
    // Bound and not accepting datagrams of TCP: nobody listens here.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, expected) in [
        (format!("http://{nobody}"), "is a peer serving there?"),
        ("https://localhost:8080".to_owned(), "https is not supported"),
        ("ftp://localhost".to_owned(), "not supported"),
        ("localhost".to_owned(), "is not a URL"),
        ("http://".to_owned(), "is not a URL"),
    ] {
        assert_fails(&call(&[&url], "").await, expected);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_known_before_anybody_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let url = "http://127.0.0.1:9";
    let output = call(&[url, "--send", missing.to_str().unwrap()], "").await;
    assert_fails(&output, "cannot read");
    let output = call(&[url, "--send", directory.path().to_str().unwrap()], "").await;
    assert_fails(&output, "is a directory");
}

/// A server whose `/offer` does what `handler` does; its address.
async fn impostor<H, T>(handler: H) -> String
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/offer", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn wrong_answers_are_one_clear_sentence() {
    let refusing = impostor(|| async { (StatusCode::SERVICE_UNAVAILABLE, "come back later") });
    assert_fails(&call(&[&refusing.await], "").await, "503 Service Unavailable");
    let other_status = impostor(|| async { "v=0" });
    assert_fails(&call(&[&other_status.await], "").await, "instead of 201 Created");
    let no_location = impostor(|| async { (StatusCode::CREATED, "v=0") });
    assert_fails(&call(&[&no_location.await], "").await, "without a Location");
    let no_sdp =
        impostor(|| async { (StatusCode::CREATED, [("location", "/session/1")], "nonsense") });
    assert_fails(&call(&[&no_sdp.await], "").await, "the answer cannot be used");
    let endless = impostor(|| async {
        (StatusCode::CREATED, [("location", "/session/1")], "a".repeat(1 << 20))
    });
    assert_fails(&call(&[&endless.await], "").await, "too long");
    let elsewhere = impostor(|| async { StatusCode::NOT_FOUND });
    let url = elsewhere.await;
    assert_fails(&call(&[&url], "").await, "404 Not Found");
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let silent = impostor(|| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        StatusCode::CREATED
    });
    assert_fails(&call(&[&silent.await, "--timeout", "1"], "").await, "does not answer in time");
}

/// Answers an offer with a connection of ours, whose channels `serve` gets.
async fn answer<F, R>(offer: Bytes, serve: F) -> impl IntoResponse
where
    F: Fn(peer::DataChannel) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let connection = PeerConnection::new(Default::default()).await.unwrap();
    let offer = SessionDescription::offer(String::from_utf8(offer.to_vec()).unwrap());
    connection.set_remote_description(offer).await.unwrap();
    let answer = connection.create_answer().await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    let answer = connection.local_description().await.unwrap().unwrap();
    tokio::spawn(async move {
        while let Some(event) = connection.next_event().await {
            if let PeerEvent::DataChannel(channel) = event {
                serve(channel).await;
            }
        }
    });
    (StatusCode::CREATED, [("location", "/session/1")], answer.sdp)
}

#[tokio::test]
async fn an_answer_that_leads_nowhere_is_a_timeout() {
    // The answer of a connection that is gone.
    let vanished = impostor(|offer: Bytes| async move {
        let connection = PeerConnection::new(Default::default()).await.unwrap();
        let offer = SessionDescription::offer(String::from_utf8(offer.to_vec()).unwrap());
        connection.set_remote_description(offer).await.unwrap();
        let answer = connection.create_answer().await.unwrap();
        connection.set_local_description(answer).await.unwrap();
        let answer = connection.local_description().await.unwrap().unwrap();
        connection.close().await;
        (StatusCode::CREATED, [("location", "/session/1")], answer.sdp)
    });
    assert_fails(&call(&[&vanished.await, "--timeout", "1"], "").await, "no connection within");
}

#[tokio::test]
async fn a_copy_that_differs_is_a_failure() {
    let forger = impostor(|offer: Bytes| {
        answer(offer, |channel| async move {
            while let Some(message) = channel.recv().await {
                let mut octets = message.octets().to_vec();
                if let Some(first) = octets.first_mut() {
                    *first ^= 1;
                }
                channel.send(octets).await.unwrap();
            }
        })
    });
    let file = file(100_000);
    let output = call(&[&forger.await, "--send", file.path().to_str().unwrap()], "").await;
    assert_fails(&output, "differs");
}

#[tokio::test]
async fn binary_that_comes_back_as_text_is_a_failure() {
    let confused = impostor(|offer: Bytes| {
        answer(offer, |channel| async move {
            while channel.recv().await.is_some() {
                channel.send(Message::text("text")).await.unwrap();
            }
        })
    });
    let file = file(100);
    let output = call(&[&confused.await, "--send", file.path().to_str().unwrap()], "").await;
    assert_fails(&output, "came back as text");
}

#[tokio::test]
async fn a_peer_that_keeps_everything_is_a_timeout() {
    let keeper = impostor(|offer: Bytes| {
        answer(offer, |channel| async move { while channel.recv().await.is_some() {} })
    });
    let url = keeper.await;
    let file = file(100_000);
    let output = call(&[&url, "--timeout", "1", "--send", file.path().to_str().unwrap()], "").await;
    assert_fails(&output, "nothing moved");
    let output = call(&[&url, "--timeout", "1"], "hello\nworld\n").await;
    assert_fails(&output, "2 of the lines did not come back");
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_a_failure() {
    let channels = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&channels);
    let impatient = impostor(move |offer: Bytes| {
        let channels = Arc::clone(&count);
        answer(offer, move |channel| {
            channels.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                channel.recv().await;
                channel.close();
            }
        })
    });
    let url = impatient.await;
    assert_fails(&call(&[&url], "hello\n").await, "closed");
    let file = file(2_000_000);
    let output = call(&[&url, "--send", file.path().to_str().unwrap()], "").await;
    assert_fails(&output, "closed");
    assert_eq!(channels.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[tokio::test]
async fn ctrl_c_ends_the_session_at_the_server() {
    let server = Server::start(&["--max-sessions", "1"]);
    let mut child = program()
        .args(["call", &server.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "hello\n");
    // Its stdin stays open: it must end all the same.
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = soon("the program ends", output).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_fails(&output, "interrupted");
    // The only place is free again.
    let output = call(&[&server.url], "hello\n").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
