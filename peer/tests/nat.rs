//! `peer nat` on loopback: against a server of RFC 5780 with four sockets, against one that has TCP
//! only, and against nothing.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use common::program;
use stun::{Attribute, Message};

/// It waits for answers that do not come, some seconds for each.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `peer nat` with these servers.
async fn nat(servers: &[SocketAddr]) -> Output {
    let mut command = program();
    command.arg("nat");
    for server in servers {
        command.args(["--stun", &server.to_string()]);
    }
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    tokio::time::timeout(PATIENCE, run).await.expect("the program ends").unwrap()
}

/// What it tells, having succeeded.
fn told(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The one sentence of a failure.
fn sentence(output: &Output) -> String {
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

/// A server with two addresses and two ports each, which tells `claim` of whoever asks which socket,
/// and answers from another socket only with `open`.
///
/// Its threads end with the test program.
fn server(claim: fn(usize, SocketAddr) -> SocketAddr, open: bool) -> SocketAddr {
    let sockets = loop {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let second = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let others = [port(&first), port(&second)].map(|port| UdpSocket::bind(("127.0.0.2", port)));
        // Another program may have one of these ports.
        if let [Ok(third), Ok(fourth)] = others {
            break Arc::new([first, second, third, fourth]);
        }
    };
    let address = sockets[0].local_addr().unwrap();
    let other = sockets[3].local_addr().unwrap();
    for index in 0..4 {
        let sockets = Arc::clone(&sockets);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, client)) = sockets[index].recv_from(&mut buffer) {
                let request = Message::parse(&buffer[..length]).unwrap();
                let change = request.attributes().iter().find_map(|attribute| match attribute {
                    Attribute::ChangeRequest(change) => Some(*change),
                    _ => None,
                });
                let answering = change.map_or(index, |change| {
                    index ^ usize::from(change.port) ^ (usize::from(change.ip) << 1)
                });
                if answering != index && !open {
                    continue;
                }
                let response = Message::success(&request)
                    .with(Attribute::XorMappedAddress(claim(index, client)))
                    .with(Attribute::OtherAddress(other));
                sockets[answering].send_to(&response.encode(None), client).unwrap();
            }
        });
    }
    address
}

#[tokio::test]
async fn without_servers_it_says_what_it_needs() {
    assert!(sentence(&nat(&[]).await).contains("give two STUN servers with --stun HOST:PORT"));
}

#[tokio::test]
async fn without_a_nat_everything_is_direct() {
    let text = told(&nat(&[server(|_, client| client, true)]).await);
    assert!(text.contains("IPv4: you are not behind a NAT."), "{text}");
    assert!(text.contains("Filtering: endpoint-independent."), "{text}");
    assert!(text.contains("IPv6: not tested"), "{text}");
    assert_eq!(text.matches("directly").count(), 5, "{text}");
}

/// Where nobody answers from elsewhere, that is a filter.
#[tokio::test]
async fn a_home_router_is_told_in_words() {
    let text = told(&nat(&[server(|_, _| "203.0.113.9:40001".parse().unwrap(), false)]).await);
    assert!(text.contains("you are behind a NAT."), "{text}");
    assert!(text.contains("203.0.113.9:40001 is what others see of 127.0.0.1:"), "{text}");
    assert!(text.contains("Mapping:   endpoint-independent."), "{text}");
    assert!(text.contains("Filtering: address- and port-dependent."), "{text}");
    assert!(text.contains("Hairpin:   no."), "{text}");
    assert_eq!(text.matches("directly").count(), 4, "{text}");
}

#[tokio::test]
async fn a_port_for_each_peer_is_told_in_words() {
    let claim =
        |index: usize, _| SocketAddr::from(([203, 0, 113, 9], [1001, 1002, 1003, 1004][index]));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let text = told(&nat(&[silent, server(claim, false)]).await);
    assert!(text.contains("Mapping:   address- and port-dependent."), "{text}");
    assert!(text.contains(&format!("{silent} did not answer.")), "{text}");
    assert_eq!(text.matches("directly").count(), 3, "{text}");
}

#[tokio::test]
async fn where_udp_is_blocked_tcp_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, client)) = listener.accept() {
            // A Binding request without attributes but FINGERPRINT.
            let mut request = [0; 28];
            stream.read_exact(&mut request).unwrap();
            let response = Message::success(&Message::parse(&request).unwrap())
                .with(Attribute::XorMappedAddress(client));
            stream.write_all(&response.encode(None)).unwrap();
        }
    });
    let text = told(&nat(&[address]).await);
    let advice = "IPv4: UDP is blocked, TCP works: use a TURN server over TCP or TLS.";
    assert!(text.contains(advice), "{text}");
}

#[tokio::test]
async fn servers_that_are_not_there_take_one_sentence() {
    // Whoever held a port of loopback a moment ago does not answer there now.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(sentence(&nat(&[nobody]).await).contains("no server answered"));
}
