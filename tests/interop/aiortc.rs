//! The `peer` program against aiortc, which has an SCTP and an ICE of its own and OpenSSL's DTLS.
//!
//! `tests/run` installs aiortc in a virtual environment below the target directory.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A process, ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/run")))
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

/// `target/`, where this test program lies in `target/PROFILE/deps/`.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf()
}

fn peer() -> Command {
    let profile = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
    let binary = profile.join("peer");
    assert!(binary.is_file(), "{} is missing; run: cargo build -p peer", binary.display());
    Command::new(binary)
}

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
    let mut serving =
        Running::start(peer().args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()));
    let line = serving.first_line();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let output = aiortc(&["call", url.trim_end_matches('/')]).output().unwrap();
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
