//! The program with STUN and TURN servers: `--stun`, `--turn`, `--relay-only`, and what it says when a
//! server is of no use. The servers are `peer turn-server`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, Output, Stdio};

use common::{Server, program, soon};

/// `peer turn-server` on loopback, ended when dropped.
struct Relay {
    child: Child,
    url: String,
}

impl Relay {
    fn start() -> Relay {
        let mut child = program()
            .args(["turn-server", "--listen", "127.0.0.1:0", "--user", "alice:secret"])
            .arg("--allow-private")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("turn:"));
        let url = url.unwrap_or_else(|| panic!("no URL in {line:?}")).to_owned();
        Relay { child, url }
    }

    fn flags(&self) -> Vec<String> {
        flags(&self.url, "secret")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn flags(url: &str, password: &str) -> Vec<String> {
    let flags = ["--turn", url, "--turn-user", "alice", "--turn-password", password];
    flags.map(str::to_owned).to_vec()
}

fn refs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

/// Chats one line, and answers what the program said.
async fn call(url: &str, flags: &[String]) -> Output {
    let mut child = program()
        .args(["call", url])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"over there\n").unwrap();
    let run = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    soon("the program ends", run).await.unwrap()
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "over there\n", "{said}");
    said
}

fn line<'a>(said: &'a str, start: &str) -> &'a str {
    let line = said.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no {start:?} in {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_use_relays_only_meet_there() {
    let relay = Relay::start();
    let mut flags = relay.flags();
    flags.push("--relay-only".to_owned());
    let server = Server::start(&refs(&flags));
    let said = said(&call(&server.url, &flags).await);
    let open = line(&said, "peer: open after");
    assert_eq!(open.matches("(relay)").count() + open.matches("(prflx)").count(), 2, "{said}");
    assert!(open.contains("(relay) to ") && open.ends_with("over UDP"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_uses_relays_only_reaches_one_without_servers() {
    let relay = Relay::start();
    let mut flags = relay.flags();
    flags.push("--relay-only".to_owned());
    let server = Server::start(&[]);
    let said = said(&call(&server.url, &flags).await);
    assert!(line(&said, "peer: open after").contains("(relay) to "), "{said}");
}

/// A server that is of no use costs a sentence, with its name and the code; the call goes another way.
#[tokio::test(flavor = "multi_thread")]
async fn useless_servers_are_named_and_the_call_goes_on() {
    let relay = Relay::start();
    let server = Server::start(&[]);
    let said_of = async |flags: &[String]| {
        let server = &server.url;
        let mut child = program()
            .args(["call", server])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It stays until the complaint is there.
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let complaint = tokio::task::spawn_blocking(move || {
            let mut lines = stderr.lines().map_while(Result::ok);
            let mut seen = Vec::new();
            while !(seen.iter().any(|line: &String| line.contains("no help from"))
                && seen.iter().any(|line| line.contains("open after")))
            {
                seen.push(lines.next().expect("more to be said"));
            }
            seen
        });
        let seen = common::soon("a complaint", complaint).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        seen.into_iter().find(|line| line.contains("no help from")).unwrap()
    };
    let complaint = said_of(&flags(&relay.url, "wrong")).await;
    assert!(complaint.contains(&relay.url) && complaint.contains("(401)"), "{complaint}");
    assert!(complaint.contains("password"), "{complaint}");
    // Nobody answers there, over TCP at once.
    let unused = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("turn:127.0.0.1:{unused}?transport=tcp");
    let complaint = said_of(&flags(&url, "secret")).await;
    assert!(complaint.contains(&url) && complaint.contains("(701)"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_told_the_servers() {
    let server = Server::start(&refs(&flags("turn:192.0.2.1:3478", "secret")));
    let response = reqwest::get(server.at("/ice-servers")).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let json: serde_json::Value = response.json().await.unwrap();
    let relay = &json["iceServers"][0];
    assert!(relay["urls"].as_str().unwrap().starts_with("turn:192.0.2.1"), "{json}");
    assert_eq!((&relay["username"], &relay["credential"]), (&"alice".into(), &"secret".into()));
    let without = Server::start(&[]);
    let json: serde_json::Value =
        reqwest::get(without.at("/ice-servers")).await.unwrap().json().await.unwrap();
    assert_eq!(json, serde_json::json!({ "iceServers": [] }));
}
