//! Many connections on one port, and through one relayed address.

use peer::{Config, Endpoint, PeerConnection};
use stun::ServerTransport;
use tokio::task::JoinSet;

use super::turn::TurnServer;
use super::{call, endpoint, relays, soon, talk};

const CONNECTIONS: usize = 200;

/// How many set up at a time: as many as come within a second to a busy server.
const AT_ONCE: usize = 20;

/// Everybody calls one endpoint, and all are there at the same time.
async fn everybody_calls(endpoint: Endpoint, config: Config) {
    let mut calls = Vec::new();
    for _ in 0..CONNECTIONS / AT_ONCE {
        let mut setups = JoinSet::new();
        for _ in 0..AT_ONCE {
            let theirs = endpoint.connection(config.clone()).unwrap();
            setups.spawn(async move {
                let ours = PeerConnection::new(Config::default()).await.unwrap();
                let channels = call(&ours, &theirs).await;
                (ours, theirs, channels)
            });
        }
        calls.extend(setups.join_all().await);
    }
    assert_eq!(calls.len(), CONNECTIONS);
    // Each still reaches its own.
    for (number, (_, _, (channel, remote))) in calls.iter().enumerate() {
        channel.send(number.to_string()).await.unwrap();
        let message = soon("a message", remote.recv()).await;
        assert_eq!(message, Some(peer::Message::text(number.to_string())));
        talk(channel, remote).await;
    }
    soon("closing", endpoint.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_on_one_port() {
    everybody_calls(Endpoint::bind(0).await.unwrap(), Config::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_through_one_relayed_address() {
    let server = TurnServer::start().await;
    let endpoint = endpoint(&server).await;
    let servers = [server.over(ServerTransport::Udp)];
    soon("gathered", endpoint.gather(&servers)).await.unwrap();
    everybody_calls(endpoint, relays(&servers)).await;
}
