//! Two ends of TCP on loopback, each with a router of its own.

use std::net::IpAddr;

use super::*;
use crate::driver::router::Registration;

/// An end with one connection, whose fragment is `fragment`.
struct End {
    registration: Registration,
    owner: TcpOwner,
}

impl End {
    fn new(tcp: &Tcp, fragment: &str) -> End {
        let mut registration = tcp.router.register();
        registration.set_fragments([fragment].into_iter());
        let owner = tcp.register(registration.lane());
        End { registration, owner }
    }

    async fn receive(&mut self) -> (Path, Vec<u8>) {
        let batch = timeout(Duration::from_secs(20), self.registration.inbox().receive());
        let batch = batch.await.unwrap().unwrap();
        (batch.path, batch.datagrams[0].to_vec())
    }

    /// Waits for word that a connection has ended.
    async fn end(&mut self) -> Path {
        let batch = timeout(Duration::from_secs(20), self.registration.inbox().receive());
        let batch = batch.await.unwrap().unwrap();
        assert!(batch.datagrams.is_empty());
        batch.path
    }
}

/// Our address, and the path from there to `port`.
async fn listening(tcp: &Tcp) -> SocketAddr {
    let listener = Tcp::listen(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(tcp.clone().accept(listener));
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn active(remote: SocketAddr) -> Path {
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Gathered::DISCARD);
    Path { protocol: Protocol::Tcp, local, remote }
}

fn check(username: &str) -> Vec<u8> {
    let id = stun::TransactionId([7; 12]);
    stun::Message::request(stun::Method::BINDING, id)
        .with(stun::Attribute::Username(username.into()))
        .encode(None)
        .to_vec()
}

#[tokio::test]
async fn a_check_opens_the_connection_and_packets_go_both_ways() {
    let (left, right) = (Tcp::new(Router::default()), Tcp::new(Router::default()));
    let (mut caller, mut callee) = (End::new(&left, "caller"), End::new(&right, "callee"));
    let remote = listening(&right).await;
    let there = active(remote);
    caller.owner.send(there, &check("callee:caller"));
    caller.owner.send(there, b"more");
    let (back, packet) = callee.receive().await;
    assert_eq!((back.local, packet), (remote, check("callee:caller")));
    assert_eq!(callee.receive().await, (back, b"more".to_vec()));
    callee.owner.send(back, b"answer");
    assert_eq!(caller.receive().await, (there, b"answer".to_vec()));
    // The end of one side is the end of the connection, and leaves nothing.
    drop(caller);
    assert_eq!(callee.end().await, back);
    assert_eq!(right.count(callee.owner.lane.id), 0);
    assert!(left.lock().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_refused_fails_its_path() {
    let tcp = Tcp::new(Router::default());
    let mut end = End::new(&tcp, "ours");
    let listener = Tcp::listen(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let path = active(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    end.owner.send(path, b"packet");
    assert_eq!(end.end().await, path);
    assert!(tcp.lock().is_empty());
}

#[tokio::test]
async fn who_begins_with_anything_but_a_check_of_ours_is_cut_off() {
    let tcp = Tcp::new(Router::default());
    let mut end = End::new(&tcp, "ours");
    let remote = listening(&tcp).await;
    let mut endless = BytesMut::from(&[0xff, 0xff][..]);
    endless.resize(4 * MAX_FIRST_FRAME, 0);
    let framed = |packet: &[u8]| {
        let mut stream = BytesMut::new();
        assert!(write_frame(packet, &mut stream));
        stream
    };
    for octets in [framed(&check("another:x")), framed(b"GET / HTTP/1.1"), framed(b""), endless] {
        let mut stream = TcpStream::connect(remote).await.unwrap();
        stream.write_all(&octets).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        assert!(end.is_err() || answer.is_empty());
    }
    assert!(tcp.lock().is_empty());
    assert!(end.registration.inbox().try_receive().is_none());
}

#[tokio::test]
async fn strangers_hold_a_bounded_number_of_places() {
    let tcp = Tcp::new(Router::default());
    let mut end = End::new(&tcp, "ours");
    let remote = listening(&tcp).await;
    let mut idle = Vec::new();
    for _ in 0..MAX_UNPROVEN {
        idle.push(TcpStream::connect(remote).await.unwrap());
    }
    let mut refused = TcpStream::connect(remote).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(20), refused.read_to_end(&mut answer)).await.unwrap();
    assert!(ended.is_err() || answer.is_empty());
    // A place that is given up is free again.
    idle.clear();
    let path = active(remote);
    let check = check("ours:theirs");
    let caller = tcp.router.register();
    loop {
        let owner = tcp.register(caller.lane());
        owner.send(path, &check);
        let received = timeout(Duration::from_millis(500), end.registration.inbox().receive());
        if let Ok(Some(batch)) = received.await {
            assert_eq!(batch.datagrams.first().map(|it| it.to_vec()), Some(check));
            break;
        }
    }
}

#[tokio::test]
async fn one_owner_opens_a_bounded_number_of_connections() {
    let tcp = Tcp::new(Router::default());
    let end = End::new(&tcp, "ours");
    for port in 0..100 {
        end.owner.send(active(SocketAddr::from((Ipv4Addr::LOCALHOST, 1000 + port))), b"packet");
    }
    assert!(tcp.count(end.owner.lane.id) <= MAX_CONNECTIONS);
}
