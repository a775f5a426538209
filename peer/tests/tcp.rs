//! Connections over TCP alone, between real sockets on loopback (RFC 6544): what is left where UDP is
//! blocked and the peer has an address of its own.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

use std::future::Future;
use std::time::Duration;

use peer::{
    Config, DataChannel, Endpoint, IceProtocol, Message, PeerConnection, PeerEvent,
    SessionDescription,
};

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// The description as a network lets it through that carries no UDP.
fn without_udp(mut description: SessionDescription) -> SessionDescription {
    let is_udp = |line: &str| line.starts_with("a=candidate:") && line.contains(" udp ");
    description.sdp = description.sdp.split_inclusive('\n').filter(|line| !is_udp(line)).collect();
    assert!(description.sdp.contains(" tcp "), "{}", description.sdp);
    description
}

async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) {
    let offer = offerer.create_offer().await.unwrap();
    offerer.set_local_description(offer).await.unwrap();
    let offer = offerer.local_description().await.unwrap().unwrap();
    answerer.set_remote_description(without_udp(offer)).await.unwrap();
    let answer = answerer.create_answer().await.unwrap();
    answerer.set_local_description(answer).await.unwrap();
    let answer = answerer.local_description().await.unwrap().unwrap();
    offerer.set_remote_description(without_udp(answer)).await.unwrap();
}

async fn listening() -> Endpoint {
    let options = peer::EndpointOptions { tcp_port: Some(0), ..Default::default() };
    Endpoint::with_options(options).await.unwrap()
}

async fn incoming(connection: &PeerConnection) -> DataChannel {
    loop {
        if let PeerEvent::DataChannel(channel) =
            soon("a channel", connection.next_event()).await.unwrap()
        {
            return channel;
        }
    }
}

/// A channel from `ours` to `theirs` carries messages of all sizes there and back.
async fn talk(ours: &PeerConnection, theirs: &PeerConnection) {
    let channel = ours.create_data_channel("tcp", Default::default()).await.unwrap();
    negotiate(ours, theirs).await;
    soon("open", channel.opened()).await.unwrap();
    let remote = incoming(theirs).await;
    for length in [1, 1_000, 65_536, 262_144] {
        channel.send(Message::binary(vec![7; length])).await.unwrap();
        let message = soon("a message there", remote.recv()).await.unwrap();
        remote.send(message).await.unwrap();
        let message = soon("a message back", channel.recv()).await.unwrap();
        assert_eq!(message.len(), length);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answerer_listens() {
    let endpoint = listening().await;
    let ours = PeerConnection::new(Config::default()).await.unwrap();
    let theirs = endpoint.connection(Config::default()).unwrap();
    talk(&ours, &theirs).await;
    let protocol = loop {
        if let PeerEvent::SelectedPair { protocol, .. } =
            soon("a path", ours.next_event()).await.unwrap()
        {
            break protocol;
        }
    };
    assert_eq!(protocol, IceProtocol::Tcp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_offerer_listens() {
    let endpoint = listening().await;
    let ours = endpoint.connection(Config::default()).unwrap();
    let theirs = PeerConnection::new(Config::default()).await.unwrap();
    talk(&ours, &theirs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_from_one_endpoint_to_one_port() {
    let (callers, server) = (Endpoint::bind(0).await.unwrap(), listening().await);
    for _ in 0..20 {
        let ours = callers.connection(Config::default()).unwrap();
        let theirs = server.connection(Config::default()).unwrap();
        talk(&ours, &theirs).await;
    }
}
