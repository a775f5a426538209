//! Servers that are of no use: each is told in a sentence, and the others do.

use peer::{Endpoint, IceServer, PeerEvent};
use stun::ServerTransport;
use tokio::net::{TcpListener, UdpSocket};

use super::turn::TurnServer;
use super::{call, endpoint, failure, gathers, relays, soon, talk};

fn server(url: &str) -> IceServer {
    IceServer { url: url.parse().unwrap(), user: Some(stun::turn::User::new("U", "P")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_with_the_servers_name_and_code() {
    let turn = TurnServer::start().await;
    let endpoint = endpoint(&turn).await;
    for transport in [ServerTransport::Udp, ServerTransport::Tcp, ServerTransport::Tls] {
        let server = turn.with_password(transport, "guessed");
        let url = server.url.to_string();
        let connection = endpoint.connection(gathers(&[server])).unwrap();
        let error = failure(&connection).await;
        assert_eq!((error.code, &error.url), (401, &url));
        let text = error.to_string();
        assert!(text.contains("password") && text.contains("401") && text.contains(&url), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_not_there_are_told() {
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // Two that never answer.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silent_at, mute_at) = (silent.local_addr().unwrap(), mute.local_addr().unwrap());
    let endpoint = Endpoint::bind(0).await.unwrap();
    for (url, words) in [
        (format!("turn:{closed}?transport=tcp"), "it refuses"),
        (format!("turns:{closed}"), "it refuses"),
        (format!("turn:{silent_at}"), "no answer"),
        (format!("stun:{silent_at}"), "no answer"),
        (format!("turn:{mute_at}?transport=tcp"), "no answer"),
        ("turn:no-such-host.invalid".to_owned(), "is not found"),
    ] {
        let connection = endpoint.connection(gathers(&[server(&url)])).unwrap();
        let error = failure(&connection).await;
        assert_eq!(error.code, ice::GatheringError::UNREACHABLE);
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("701"), "{text}");
        assert!(text.starts_with(&url.replace("?transport=tcp", "")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_prove_its_name_is_not_trusted() {
    let turn = TurnServer::start().await;
    // It trusts nobody whom the system does not trust.
    let wary = Endpoint::bind(0).await.unwrap();
    let connection = wary.connection(gathers(&[turn.over(ServerTransport::Tls)])).unwrap();
    let text = failure(&connection).await.to_string();
    assert!(text.contains("nobody whom this machine trusts"), "{text}");
    // It trusts the certificate, which is for others than this address.
    let endpoint = endpoint(&turn).await;
    let mut elsewhere = turn.over(ServerTransport::Tls);
    elsewhere.url.host = "127.0.0.2".into();
    let connection = endpoint.connection(gathers(&[elsewhere])).unwrap();
    let text = failure(&connection).await.to_string();
    assert!(text.contains("127.0.0.2"), "{text}");
    // It speaks TLS to whom does not.
    let mut plain = turn.over(ServerTransport::Tls);
    plain.url.port = turn.over(ServerTransport::Tcp).url.port;
    let connection = endpoint.connection(gathers(&[plain])).unwrap();
    let text = failure(&connection).await.to_string();
    assert!(text.contains("701"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_certificates_is_refused() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let options = peer::EndpointOptions {
        tls_authorities: Some(empty.path().to_owned()),
        ..Default::default()
    };
    let error = Endpoint::with_options(options).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("no certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_good_server_of_three_the_call_comes_about() {
    let turn = TurnServer::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let servers = [
        turn.with_password(ServerTransport::Tcp, "guessed"),
        server(&format!("turns:{closed}")),
        turn.over(ServerTransport::Udp),
    ];
    let (here, there) = (endpoint(&turn).await, endpoint(&turn).await);
    let ours = here.connection(relays(&servers)).unwrap();
    let theirs = there.connection(relays(&servers)).unwrap();
    call(&ours, &theirs).await;
    let mut failures = soon("gathered", here.gather(&servers)).await.unwrap();
    failures.sort_by_key(|failure| failure.code);
    assert_eq!(failures.iter().map(|failure| failure.code).collect::<Vec<_>>(), [401, 701]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_is_told_and_the_call_goes_on_another_way() {
    let turn = TurnServer::start().await;
    let (here, there) = (endpoint(&turn).await, endpoint(&turn).await);
    let servers = [turn.over(ServerTransport::Tcp), turn.over(ServerTransport::Udp)];
    let ours = here.connection(relays(&servers)).unwrap();
    let theirs = there.connection(relays(&servers)).unwrap();
    let (channel, remote) = call(&ours, &theirs).await;
    // Of each side one over TCP, and one over UDP for each address of this machine.
    let relays = *turn.relays_now().borrow();
    turn.cut_streams().await;
    let error = failure(&ours).await;
    assert!(error.url.contains("tcp"), "{error}");
    assert!(error.reason.contains("the server has"), "{error}");
    talk(&channel, &remote).await;
    // Both come back in a new stream.
    soon("two new streams", turn.streams(4)).await;
    soon("all relayed addresses", turn.relays(relays)).await;
    talk(&channel, &remote).await;
    soon("closing", ours.close()).await;
    while let Some(event) = soon("the end", theirs.next_event()).await {
        if let PeerEvent::Closed(reason) = event {
            assert!(!reason.is_failure(), "{reason}");
        }
    }
}
