//! coturn lends us addresses: over UDP, TCP and TLS, with nonces that grow stale, with the wrong
//! password, when its quota is used up, and when it is restarted in the middle of a call.
//!
//! `tests/run` installs it; each test starts one of its own on loopback.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use peer::{
    Config, DataChannel, Endpoint, EndpointOptions, IceServer, IceTransportPolicy, Message,
    PeerConnection, PeerEvent,
};
use tests::coturn::{Coturn, PASSWORD, USER};

use crate::process::{Running, peer, serving_peer};

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn probe() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn coturn(arguments: &[&str]) -> Coturn {
    Coturn::on_loopback(arguments).unwrap()
}

fn url(server: &Coturn, transport: &str) -> String {
    match transport {
        "tls" => format!("turns:{}", server.address()),
        transport => format!("turn:{}?transport={transport}", server.address()),
    }
}

fn ice_server(server: &Coturn, transport: &str, password: &str) -> IceServer {
    let user = ice::User::new(USER, password);
    IceServer { url: url(server, transport).parse().unwrap(), user: Some(user) }
}

async fn endpoint(server: &Coturn) -> Endpoint {
    let tls_authorities = Some(server.authority());
    let options = EndpointOptions { tls_authorities, ..EndpointOptions::default() };
    Endpoint::with_options(options).await.unwrap()
}

fn relay_only(server: &IceServer) -> Config {
    Config {
        ice_servers: vec![server.clone()],
        ice_transport_policy: IceTransportPolicy::Relay,
        ..Config::default()
    }
}

/// A connection between two endpoints, and a channel of it.
async fn call(ours: &PeerConnection, theirs: &PeerConnection) -> (DataChannel, DataChannel) {
    let channel = ours.create_data_channel("call", Default::default()).await.unwrap();
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer).await.unwrap();
    soon("the offer's candidates", ours.gathering_complete()).await;
    theirs.set_remote_description(ours.local_description().await.unwrap().unwrap()).await.unwrap();
    let answer = theirs.create_answer().await.unwrap();
    theirs.set_local_description(answer).await.unwrap();
    soon("the answer's candidates", theirs.gathering_complete()).await;
    ours.set_remote_description(theirs.local_description().await.unwrap().unwrap()).await.unwrap();
    soon("the channel opens", channel.opened()).await.unwrap();
    loop {
        if let Some(PeerEvent::DataChannel(theirs)) = soon("a channel", theirs.next_event()).await {
            return (channel, theirs);
        }
    }
}

/// Messages there and back.
async fn talk(ours: &DataChannel, theirs: &DataChannel) {
    for length in [1, 1200, 100_000] {
        for (from, to) in [(ours, theirs), (theirs, ours)] {
            let message = Message::binary(vec![7; length]);
            from.send(message.clone()).await.unwrap();
            assert!(soon("a message", to.recv()).await == Some(message), "it has changed");
        }
    }
}

async fn is_relayed(transport: &str) {
    let server = coturn(&[]);
    let ice_server = ice_server(&server, transport, PASSWORD);
    let (one, other) = (endpoint(&server).await, endpoint(&server).await);
    let ours = one.connection(relay_only(&ice_server)).unwrap();
    let theirs = other.connection(relay_only(&ice_server)).unwrap();
    let (channel, remote) = call(&ours, &theirs).await;
    talk(&channel, &remote).await;
    for connection in [&ours, &theirs] {
        let pair = connection.get_stats().await.unwrap().selected_candidate_pair.unwrap();
        assert_eq!(pair.local_candidate_type, "relay", "{pair:?}");
    }
    tokio::join!(one.close(), other.close());
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_relays_over_udp() {
    is_relayed("udp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_relays_over_tcp() {
    is_relayed("tcp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_relays_over_tls() {
    is_relayed("tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_a_nonce_grows_stale_between_allocation_and_permission() {
    let server = coturn(&["--stale-nonce=1"]);
    let ice_server = ice_server(&server, "udp", PASSWORD);
    let (one, other) = (endpoint(&server).await, endpoint(&server).await);
    for endpoint in [&one, &other] {
        let failures = soon("gathering", endpoint.gather(std::slice::from_ref(&ice_server))).await;
        assert_eq!(failures.unwrap(), []);
    }
    // The nonces that the allocations were made with are too old after that.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ours = one.connection(relay_only(&ice_server)).unwrap();
    let theirs = other.connection(relay_only(&ice_server)).unwrap();
    let (channel, remote) = call(&ours, &theirs).await;
    talk(&channel, &remote).await;
    assert!(server.log().contains("438"), "no nonce was stale: {}", server.log());
    tokio::join!(one.close(), other.close());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told() {
    let server = coturn(&[]);
    let ice_server = ice_server(&server, "udp", "looking-glass");
    let name = ice_server.url.to_string();
    let endpoint = endpoint(&server).await;
    let failures = soon("gathering", endpoint.gather(&[ice_server])).await.unwrap();
    let Some(failure) = failures.first() else { panic!("nothing failed") };
    assert_eq!(failure.code, 401);
    assert!(failure.to_string().starts_with(&name), "{failure}");
    endpoint.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_is_told() {
    let server = coturn(&["--user-quota=1"]);
    let ice_server = ice_server(&server, "udp", PASSWORD);
    let (one, other) = (endpoint(&server).await, endpoint(&server).await);
    soon("gathering", one.gather(std::slice::from_ref(&ice_server))).await.unwrap();
    let failures = soon("gathering", other.gather(&[ice_server])).await.unwrap();
    // Each address of ours has asked for one.
    assert!(!failures.is_empty());
    assert!(failures.iter().all(|failure| failure.code == 486), "{failures:?}");
    tokio::join!(one.close(), other.close());
}

#[test]
fn a_call_goes_on_without_a_relay_that_refuses_us() {
    let server = coturn(&[]);
    let turn = url(&server, "udp");
    let (_serving, serving) = serving_peer(&[]);
    let mut calling = Running::start(
        peer()
            .args(["call", &serving, "--turn", &turn, "--turn-user", USER])
            .args(["--turn-password", "looking-glass"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    // Both are said in either order, and the call lasts until its input ends.
    let name = turn.strip_suffix("?transport=udp").unwrap();
    let (mut is_open, mut is_refused) = (false, false);
    for line in BufReader::new(calling.0.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        is_open |= line.contains("peer: open");
        is_refused |= line.contains(name) && line.contains("401");
        if is_open && is_refused {
            break;
        }
    }
    assert!(is_open && is_refused);
    let mut stdin = calling.0.stdin.take().unwrap();
    stdin.write_all(b"still here\n").unwrap();
    let mut answer = String::new();
    BufReader::new(calling.0.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer, "still here\n");
    drop(stdin);
    assert!(calling.ends_within(PATIENCE).success());
}

#[test]
fn a_call_survives_a_restart_of_coturn() {
    let mut server = coturn(&[]);
    let turn = url(&server, "udp");
    let flags = ["--turn", &turn, "--turn-user", USER, "--turn-password", PASSWORD, "--relay-only"];
    let (_serving, serving) = serving_peer(&flags);
    let mut calling = Running::start(
        peer()
            .args(["call", &serving, "--send", "/dev/stdin", "--timeout", "120"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    // One half of the file before, the other after: more than what waits in pipes and buffers.
    let mut stdin = calling.0.stdin.take().unwrap();
    let half: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
    stdin.write_all(&half).unwrap();
    server.restart(&probe()).unwrap();
    stdin.write_all(&half).unwrap();
    drop(stdin);
    let mut told = String::new();
    let mut stdout = calling.0.stdout.take().unwrap();
    std::io::Read::read_to_string(&mut stdout, &mut told).unwrap();
    assert!(told.contains("identical"), "{told}");
    assert!(calling.ends_within(PATIENCE).success());
}
