//! STUN and TURN servers on real sockets: what is gathered from them, and calls through them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails must say where"
)]

mod failures;
mod many;
mod reflexive;
mod relayed;
mod turn;

use std::future::Future;
use std::time::Duration;

use peer::{
    Config, DataChannel, Endpoint, EndpointOptions, IceServer, IceTransportPolicy, Message,
    PeerConnection, PeerEvent,
};

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn gathers(servers: &[IceServer]) -> Config {
    Config { ice_servers: servers.to_vec(), ..Config::default() }
}

fn relays(servers: &[IceServer]) -> Config {
    Config { ice_transport_policy: IceTransportPolicy::Relay, ..gathers(servers) }
}

/// An endpoint that trusts the server's certificate.
async fn endpoint(server: &turn::TurnServer) -> Endpoint {
    let tls_authorities = Some(server.certificate.path().to_owned());
    let options = EndpointOptions { tls_authorities, ..EndpointOptions::default() };
    Endpoint::with_options(options).await.unwrap()
}

/// Offer and answer by word of mouth, with all candidates in them.
async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) {
    let offer = offerer.create_offer().await.unwrap();
    offerer.set_local_description(offer).await.unwrap();
    soon("all candidates of the offer", offerer.gathering_complete()).await;
    let offer = offerer.local_description().await.unwrap().unwrap();
    answerer.set_remote_description(offer).await.unwrap();
    let answer = answerer.create_answer().await.unwrap();
    answerer.set_local_description(answer).await.unwrap();
    soon("all candidates of the answer", answerer.gathering_complete()).await;
    let answer = answerer.local_description().await.unwrap().unwrap();
    offerer.set_remote_description(answer).await.unwrap();
}

/// The candidates of an offer, once gathering is complete.
async fn candidates(connection: &PeerConnection) -> Vec<String> {
    let _channel = connection.create_data_channel("any", Default::default()).await.unwrap();
    let offer = connection.create_offer().await.unwrap();
    connection.set_local_description(offer).await.unwrap();
    soon("all candidates", connection.gathering_complete()).await;
    let description = connection.local_description().await.unwrap().unwrap();
    candidates_in(&description.sdp)
}

fn candidates_in(sdp: &str) -> Vec<String> {
    sdp.lines().filter(|line| line.starts_with("a=candidate:")).map(str::to_owned).collect()
}

/// The next channel the peer opens.
async fn incoming(connection: &PeerConnection) -> DataChannel {
    loop {
        match soon("a channel", connection.next_event()).await.expect("the connection lives") {
            PeerEvent::DataChannel(channel) => return channel,
            _ => continue,
        }
    }
}

/// The next failure of a server.
async fn failure(connection: &PeerConnection) -> ice::GatheringError {
    loop {
        match soon("a failure", connection.next_event()).await.expect("the connection lives") {
            PeerEvent::IceCandidateError(error) => return error,
            _ => continue,
        }
    }
}

/// Opens a channel from one to the other, and has a message go there and back.
async fn call(ours: &PeerConnection, theirs: &PeerConnection) -> (DataChannel, DataChannel) {
    let channel = ours.create_data_channel("call", Default::default()).await.unwrap();
    negotiate(ours, theirs).await;
    soon("open", channel.opened()).await.unwrap();
    let remote = incoming(theirs).await;
    talk(&channel, &remote).await;
    (channel, remote)
}

/// A message there and one back.
async fn talk(ours: &DataChannel, theirs: &DataChannel) {
    for (from, to) in [(ours, theirs), (theirs, ours)] {
        let message = Message::binary(vec![7; 20_000]);
        from.send(message.clone()).await.unwrap();
        assert!(soon("a message", to.recv()).await == Some(message), "it has changed");
    }
}
