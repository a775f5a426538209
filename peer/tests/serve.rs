//! `peer serve` as a program: its one line, its ports, its page, its end, and what it costs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{Client, Server, http, offerer, post_sdp, program, soon, wait_for_status};
use peer::Message;
use reqwest::StatusCode;

#[tokio::test]
async fn the_pages_are_whole_and_need_nothing_from_elsewhere() {
    let server = Server::start(&[]);
    let mut pending = Vec::new();
    for path in ["/", "/room/tea", "/live"] {
        let page = http().get(server.at(path)).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("'none'"));
        pending.push(page.text().await.unwrap());
    }
    let mut seen = Vec::new();
    while let Some(text) = pending.pop() {
        assert!(!text.contains("https://"), "the page refers to another server");
        for quote in ['"', '\''] {
            for path in text.split(quote).filter(|word| {
                word.starts_with('/') && (word.ends_with(".js") || word.ends_with(".css"))
            }) {
                if seen.contains(&path.to_owned()) {
                    continue;
                }
                seen.push(path.to_owned());
                let response = http().get(server.at(path)).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{path}");
                let content_type = response.headers()["content-type"].to_str().unwrap();
                let expected = if path.ends_with(".js") { "text/javascript" } else { "text/css" };
                assert!(content_type.starts_with(expected));
                pending.push(response.text().await.unwrap());
            }
        }
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[tokio::test]
async fn localhost_is_both_ip_versions() {
    let server = Server::start(&[]);
    for host in ["127.0.0.1", "[::1]"] {
        let url = format!("http://{host}:{}/", server.port());
        assert_eq!(http().get(url).send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn serving_needs_no_word_and_prints_exactly_one_line() {
    let server = Server::start_with(program().args(["--listen", "127.0.0.1:0"]));
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    assert_eq!(http().get(&server.url).send().await.unwrap().status(), StatusCode::OK);
    let (status, _, rest) = server.end("INT");
    assert!(status.success());
    assert_eq!(rest, "");
}

#[tokio::test]
async fn ctrl_c_closes_every_connection() {
    for signal in ["INT", "TERM"] {
        let server = Server::start(&[]);
        let url = server.url.clone();
        let clients = [Client::call(&url).await, Client::call(&url).await];
        let ended = tokio::task::spawn_blocking(move || server.end(signal));
        for client in clients {
            let start = std::time::Instant::now();
            assert_eq!(soon("the end", client.channel.recv()).await, None);
            assert!(start.elapsed() < Duration::from_secs(3));
        }
        let (status, elapsed, _) = soon("the program ends", ended).await.unwrap();
        assert!(status.success(), "{status}");
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_clear_sentence() {
    let taken_http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let http_port = taken_http.local_addr().unwrap().port().to_string();
    let udp_port = taken_udp.local_addr().unwrap().port().to_string();
    for flags in [
        ["--listen".to_owned(), format!("localhost:{http_port}")],
        ["--listen".to_owned(), format!("127.0.0.1:{http_port}")],
        ["--udp-port".to_owned(), udp_port.clone()],
    ] {
        let mut command = program();
        if flags[0] != "--listen" {
            command.args(["--listen", "localhost:0"]);
        }
        let output = command.args(&flags).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("in use"), "{stderr}");
    }
}

#[tokio::test]
async fn udp_port_fixes_the_media_port() {
    let free = std::net::UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let server = Server::start(&["--udp-port", &free.to_string()]);
    let (_connection, _channel, offer) = offerer("any", Default::default()).await;
    let answer = post_sdp(&server.at("/offer"), offer).await.text().await.unwrap();
    // Of TCP there are those that only call, and have no port (RFC 6544 §4.5).
    let is_udp = |line: &&str| line.starts_with("a=candidate:") && line.contains(" udp ");
    let candidates: Vec<_> = answer.lines().filter(is_udp).collect();
    assert!(!candidates.is_empty());
    for candidate in candidates {
        assert_eq!(candidate.split(' ').nth(5), Some(free.to_string().as_str()), "{candidate}");
    }
}

/// Resident memory of the program, in octets.
#[cfg(target_os = "linux")]
fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_3_a_client_that_never_reads_costs_its_window_and_2_mb() {
    const WINDOW: usize = 2 << 20;
    let server = Server::start(&[]);
    // What the program needs anyway: its receive buffers, which a first transfer fills.
    let client = Client::call(&server.url).await;
    for _ in 0..100 {
        client.channel.send(Message::binary(vec![7; 60_000])).await.unwrap();
        soon("the echo", client.channel.recv()).await.unwrap();
    }
    client.connection.close().await;
    let before = resident(&server);
    let client = Client::call(&server.url).await;
    let mut channels = vec![client.channel.clone()];
    for _ in 0..100 {
        let channel =
            client.connection.create_data_channel("never read", Default::default()).await.unwrap();
        soon("open", channel.opened()).await.unwrap();
        channels.push(channel);
    }
    // As much as goes, on all of them.
    let mut sent = 0;
    let message = Message::binary(vec![7; 200_000]);
    'full: for channel in channels.iter().cycle() {
        tokio::select! {
            outcome = channel.send(message.clone()) => outcome.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(1)) => break 'full,
        }
        sent += message.len();
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(sent > WINDOW, "only {sent} octets were taken");
    assert!(grown < WINDOW + 2_000_000, "{grown} octets for one client");
    // It lives, and once read it is whole.
    drop(client);
    Client::call(&server.url).await;
}

#[tokio::test]
async fn ten_sessions_at_once_do_not_disturb_each_other() {
    let server = Server::start(&[]);
    let calls = (0..10).map(|i| {
        let url = server.url.clone();
        tokio::spawn(async move {
            let client = Client::call(&url).await;
            for round in 0..20 {
                let text = Message::text(format!("{i}: {round}"));
                client.channel.send(text.clone()).await.unwrap();
                assert_eq!(soon("the echo", client.channel.recv()).await, Some(text));
            }
            client.connection.close().await;
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn row_56_a_session_that_never_connects_is_freed_within_30_s() {
    let server = Server::start(&["--max-sessions", "1"]);
    let (_connection, _channel, offer) = offerer("silent", Default::default()).await;
    let response = post_sdp(&server.at("/offer"), offer).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let session = server.at(response.headers()["location"].to_str().unwrap());
    // The answer is thrown away.
    wait_for_status(&session, StatusCode::NOT_FOUND, Duration::from_secs(30)).await;
    Client::call(&server.url).await;
}

#[tokio::test]
async fn row_27_a_client_that_vanishes_is_forgotten_by_consent() {
    let server = Server::start(&[]);
    let url = server.url.clone();
    let client = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let session = runtime.block_on(async {
            let client = Client::call(&url).await;
            let session = client.session.clone();
            std::mem::forget(client);
            session
        });
        // Its tasks and its socket are gone, without a farewell.
        runtime.shutdown_background();
        session
    });
    let session = client.await.unwrap();
    // Consent expires 30 s after the last answer (RFC 7675 §5.1).
    wait_for_status(&session, StatusCode::NOT_FOUND, Duration::from_secs(33)).await;
}
