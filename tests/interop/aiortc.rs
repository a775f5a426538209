//! The `peer` program against aiortc, which has an SCTP and an ICE of its own and OpenSSL's DTLS.
//!
//! `tests/run` installs aiortc in a virtual environment below the target directory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::process::{Running, peer, serving_peer, target};

fn aiortc(arguments: &[&str]) -> Command {
    let mut command = Command::new(target().join("aiortc/bin/python"));
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/aiortc_peer.py"))
        .args(arguments)
        .stdout(Stdio::piped());
    command
}

#[test]
fn aiortc_offers_and_we_answer() {
    let (_serving, url) = serving_peer(&[]);
    let output = aiortc(&["call", &url]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
}

#[test]
fn we_offer_and_aiortc_answers() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut serving = Running::start(&mut aiortc(&["serve", &port.to_string()]));
    assert_eq!(serving.first_line().trim(), "ready");
    let url = format!("http://127.0.0.1:{port}");
    let mut calling =
        Running::start(peer().args(["call", &url]).stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut input = calling.0.stdin.take().unwrap();
    let mut lines = BufReader::new(calling.0.stdout.take().unwrap()).lines();
    writeln!(input, "hello aiortc").unwrap();
    assert!(lines.any(|line| line.unwrap().contains("hello aiortc")), "the echo came back");
    drop(input);
    assert!(calling.0.wait().unwrap().success());
}
