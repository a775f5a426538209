//! Calls through a relay.

use peer::{DataChannel, Endpoint, PeerConnection, PeerEvent};
use stun::ServerTransport;

use super::turn::TurnServer;
use super::{call, candidates, candidates_in, endpoint, incoming, relays, soon, talk};

/// Both sides are reachable through the relay only.
async fn call_over(transport: ServerTransport) {
    let server = TurnServer::start().await;
    let (here, there) = (endpoint(&server).await, endpoint(&server).await);
    let config = relays(&[server.over(transport)]);
    let ours = here.connection(config.clone()).unwrap();
    let theirs = there.connection(config).unwrap();
    let (channel, remote) = call(&ours, &theirs).await;
    let offer = ours.local_description().await.unwrap().unwrap();
    let offered = candidates_in(&offer.sdp);
    assert!(
        !offered.is_empty() && offered.iter().all(|it| it.contains(" typ relay")),
        "{offered:?}"
    );
    talk(&channel, &remote).await;
    drop((ours, theirs));
    soon("the end here", here.close()).await;
    soon("the end there", there.close()).await;
    soon("both relayed addresses are given back", server.relays(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_a_relay_over_udp() {
    call_over(ServerTransport::Udp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_a_relay_over_tcp() {
    call_over(ServerTransport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_through_a_relay_over_tls() {
    call_over(ServerTransport::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_trickle_as_they_are_found() {
    let server = TurnServer::start().await;
    let (here, there) = (endpoint(&server).await, endpoint(&server).await);
    let config = relays(&[server.over(ServerTransport::Udp)]);
    let ours = here.connection(config.clone()).unwrap();
    let theirs = there.connection(config).unwrap();
    let channel = ours.create_data_channel("trickled", Default::default()).await.unwrap();
    // Nobody waits for anything but the descriptions.
    let offer = ours.create_offer().await.unwrap();
    ours.set_local_description(offer.clone()).await.unwrap();
    theirs.set_remote_description(offer).await.unwrap();
    let answer = theirs.create_answer().await.unwrap();
    theirs.set_local_description(answer.clone()).await.unwrap();
    ours.set_remote_description(answer).await.unwrap();
    let (_, early) = tokio::join!(trickle(&ours, &theirs), trickle(&theirs, &ours));
    soon("open", channel.opened()).await.unwrap();
    let remote = match early {
        Some(remote) => remote,
        None => incoming(&theirs).await,
    };
    talk(&channel, &remote).await;
}

/// Carries one side's candidates to the other, until there will be no more. A channel may be opened
/// meanwhile.
async fn trickle(from: &PeerConnection, to: &PeerConnection) -> Option<DataChannel> {
    let mut early = None;
    loop {
        match soon("a candidate", from.next_event()).await.expect("the connection lives") {
            PeerEvent::IceCandidate(Some(candidate)) => {
                assert!(candidate.candidate.contains(" typ relay"), "{candidate:?}");
                to.add_ice_candidate(candidate).await.unwrap();
            }
            PeerEvent::IceCandidate(None) => {
                to.add_ice_candidate("".into()).await.unwrap();
                return early;
            }
            PeerEvent::DataChannel(channel) => early = Some(channel),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_relayed_address_serves_all_connections_of_an_endpoint() {
    let server = TurnServer::start().await;
    let endpoint = endpoint(&server).await;
    let servers = [server.over(ServerTransport::Udp)];
    // A server program gathers when it starts; then descriptions are complete at once.
    assert_eq!(soon("gathered", endpoint.gather(&servers)).await.unwrap(), []);
    let mut all = Vec::new();
    for _ in 0..5 {
        let connection = endpoint.connection(relays(&servers)).unwrap();
        connection.create_data_channel("any", Default::default()).await.unwrap();
        let offer = connection.create_offer().await.unwrap();
        assert!(offer.sdp.contains("a=end-of-candidates"), "{}", offer.sdp);
        let relayed = candidates_in(&offer.sdp).iter().map(|it| address(it)).collect::<Vec<_>>();
        all.push(relayed);
    }
    assert!(!all[0].is_empty());
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
}

fn address(candidate: &str) -> (String, String) {
    let mut words = candidate.split(' ').skip(4).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_with_its_own_socket_gives_its_relayed_address_back() {
    let server = TurnServer::start().await;
    let config = relays(&[server.over(ServerTransport::Udp)]);
    let connection = PeerConnection::new(config).await.unwrap();
    assert!(!candidates(&connection).await.is_empty());
    soon("the end", connection.close()).await;
    soon("it is given back", server.relays(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_dropped_gives_its_relayed_addresses_back() {
    let server = TurnServer::start().await;
    for transport in [ServerTransport::Udp, ServerTransport::Tcp] {
        let endpoint = Endpoint::bind(0).await.unwrap();
        soon("gathered", endpoint.gather(&[server.over(transport)])).await.unwrap();
        drop(endpoint);
        soon("they are given back", server.relays(0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_of_servers_that_nobody_uses_any_more_are_given_back() {
    let server = TurnServer::start().await;
    let endpoint = Endpoint::bind(0).await.unwrap();
    let mut set = vec![server.over(ServerTransport::Tcp)];
    for _ in 0..30 {
        // Another set each time, as with passwords that are good for one call.
        set.push(set[0].clone());
        let connection = endpoint.connection(relays(&set)).unwrap();
        soon("gathered", connection_gathered(&connection)).await;
        soon("the end", connection.close()).await;
    }
    let mut relays = server.relays_now();
    soon("most are gone", relays.wait_for(|relays| *relays < 15)).await.unwrap();
}

async fn connection_gathered(connection: &PeerConnection) {
    assert!(!candidates(connection).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sets_with_the_same_server_do_not_take_it_from_each_other() {
    let turn = TurnServer::start().await;
    let endpoint = Endpoint::bind(0).await.unwrap();
    let first = [turn.over(ServerTransport::Udp)];
    let second = [turn.over(ServerTransport::Tcp), turn.over(ServerTransport::Udp)];
    // Not in use, the first gives way.
    assert_eq!(soon("gathered", endpoint.gather(&first)).await.unwrap(), []);
    let connection = endpoint.connection(relays(&second)).unwrap();
    assert_eq!(soon("gathered", endpoint.gather(&second)).await.unwrap(), []);
    // In use, the second does not.
    let failures = soon("gathered", endpoint.gather(&first)).await.unwrap();
    assert_eq!(failures.iter().map(|it| it.code).collect::<Vec<_>>(), [437]);
    assert!(failures[0].to_string().contains("give all of them the same list"), "{failures:?}");
    assert!(!candidates(&connection).await.is_empty());
}
