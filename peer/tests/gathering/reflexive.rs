//! What STUN servers tell.

use std::net::SocketAddr;

use peer::{Endpoint, IceServer};
use stun::{Attribute, Message};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::{call, candidates, gathers, soon};

/// A STUN server that says everybody comes from this address, and sends garbage with each answer.
pub(crate) struct StunServer {
    pub(crate) server: IceServer,
    task: AbortHandle,
}

impl Drop for StunServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StunServer {
    pub(crate) async fn start(at: &str, mapped: &str, garbage: usize) -> StunServer {
        let mapped: SocketAddr = mapped.parse().unwrap();
        let socket = UdpSocket::bind((at, 0)).await.unwrap();
        let url = format!("stun:{}", socket.local_addr().unwrap()).parse().unwrap();
        let answer = async move {
            let mut buffer = [0; 2000];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
                let request = Message::parse(&buffer[..length]).unwrap();
                for number in 0..garbage {
                    let octets = vec![u8::try_from(number % 256).unwrap(); 1 + number % 1200];
                    socket.send_to(&octets, client).await.unwrap();
                }
                let response = Message::success(&request).with(Attribute::XorMappedAddress(mapped));
                socket.send_to(&response.encode(None), client).await.unwrap();
            }
        };
        let task = tokio::spawn(answer).abort_handle();
        StunServer { server: IceServer { url, user: None }, task }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reflexive_candidate_is_found() {
    let stun = StunServer::start("127.0.0.1", "198.51.100.7:4000", 0).await;
    let endpoint = Endpoint::bind(0).await.unwrap();
    let connection = endpoint.connection(gathers(std::slice::from_ref(&stun.server))).unwrap();
    let found = candidates(&connection).await;
    let reflexive: Vec<_> = found.iter().filter(|it| it.contains(" typ srflx")).collect();
    assert!(reflexive.iter().any(|it| it.contains(" 198.51.100.7 4000 ")), "{found:?}");
    assert!(found.iter().any(|it| it.contains(" typ host")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reflexive_candidate_of_ipv6_is_found_where_there_is_ipv6() {
    let endpoint = Endpoint::bind(0).await.unwrap();
    if endpoint.local_addresses().iter().all(SocketAddr::is_ipv4) {
        return;
    }
    let stun = StunServer::start("::1", "[2001:db8::7]:4000", 0).await;
    let connection = endpoint.connection(gathers(std::slice::from_ref(&stun.server))).unwrap();
    let found = candidates(&connection).await;
    assert!(found.iter().any(|it| it.contains(" 2001:db8::7 4000 typ srflx")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_4_garbage_from_a_server_is_dropped() {
    let stun = StunServer::start("127.0.0.1", "198.51.100.7:4000", 20_000).await;
    let endpoint = Endpoint::bind(0).await.unwrap();
    let config = gathers(std::slice::from_ref(&stun.server));
    let ours = endpoint.connection(config).unwrap();
    let theirs = Endpoint::bind(0).await.unwrap().connection(Default::default()).unwrap();
    call(&ours, &theirs).await;
    soon("closing", endpoint.close()).await;
}
