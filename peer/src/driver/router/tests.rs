//! The router: whose a datagram is, and what of a connection is left when it has gone.

use std::net::SocketAddr;

use super::*;

const LOCAL: &str = "127.0.0.1:1000";
const REMOTE: &str = "127.0.0.1:2000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn path(remote: &str) -> Path {
    Path::udp(address(LOCAL), address(remote))
}

/// The numbers of fragments and paths known.
fn size(router: &Router) -> (usize, usize) {
    let tables = router.lock();
    (tables.fragments.len(), tables.paths.len() + tables.servers.len())
}

fn route(router: &Router, remote: &str, contents: &[u8], stride: usize) {
    router.route(path(remote), contents.chunks(stride));
}

fn check(username: &str) -> Vec<u8> {
    let id = stun::TransactionId([7; 12]);
    stun::Message::request(stun::Method::BINDING, id)
        .with(stun::Attribute::Username(username.into()))
        .encode(None)
        .to_vec()
}

#[test]
fn a_check_finds_its_connection_by_our_fragment() {
    let router = Router::default();
    let (mut one, mut two) = (router.register(), router.register());
    one.set_fragments(["aaaa"].into_iter());
    two.set_fragments(["bbbb"].into_iter());
    route(&router, REMOTE, &check("bbbb:xxxx"), 1500);
    assert!(one.inbox().try_receive().is_none());
    let batch = two.inbox().try_receive().unwrap();
    assert_eq!(batch.path, path(REMOTE));
}

#[test]
fn other_datagrams_find_it_by_a_path_it_sent_on() {
    let router = Router::default();
    let mut one = router.register();
    one.add_path(path(REMOTE));
    route(&router, REMOTE, &[22; 250], 100);
    let lengths: Vec<_> =
        one.inbox().try_receive().unwrap().datagrams.iter().map(BytesMut::len).collect();
    assert_eq!(lengths, [100, 100, 50]);
    route(&router, "127.0.0.1:2001", &[22; 10], 10);
    assert!(one.inbox().try_receive().is_none());
}

#[test]
fn row_9_datagrams_of_strangers_leave_nothing_behind() {
    let router = Router::default();
    let mut one = router.register();
    one.set_fragments(["aaaa"].into_iter());
    for port in 1..1000 {
        let stranger = format!("127.0.0.1:{port}");
        route(&router, &stranger, &[22; 100], 100);
        route(&router, &stranger, &check("zzzz:aaaa"), 1500);
        route(&router, &stranger, &check("aaaa"), 1500);
    }
    assert!(one.inbox().try_receive().is_none());
    // A check with the right fragment is for ICE to judge; the table does not learn from it.
    route(&router, REMOTE, &check("aaaa:zzzz"), 1500);
    assert!(one.inbox().try_receive().is_some());
    assert_eq!(size(&router), (1, 0));
}

#[test]
fn row_3_a_lane_is_bounded_and_tighter_before_authentication() {
    let router = Router::default();
    let mut one = router.register();
    one.add_path(path(REMOTE));
    let fill = |one: &mut Registration| {
        for _ in 0..5000 {
            route(&router, REMOTE, &[22; 1000], 1000);
        }
        std::iter::from_fn(|| one.inbox().try_receive()).map(|batch| batch.octets()).sum::<usize>()
    };
    assert!(fill(&mut one) <= MAX_QUEUED_BEFORE_CONNECTED);
    one.peer_is_authenticated();
    let octets = fill(&mut one);
    assert!((MAX_QUEUED_BEFORE_CONNECTED..=MAX_QUEUED).contains(&octets), "{octets}");
    assert!(fill(&mut one) > 0, "draining makes room");
}

#[test]
fn row_56_a_connection_that_ends_takes_its_entries_along() {
    let router = Router::default();
    let mut one = router.register();
    one.set_fragments(["aaaa", "bbbb"].into_iter());
    for port in 1..1000 {
        one.add_path(path(&format!("127.0.0.1:{port}")));
    }
    assert_eq!(size(&router), (2, MAX_PATHS));
    one.set_fragments(["cccc"].into_iter());
    assert_eq!(size(&router), (1, MAX_PATHS));
    drop(one);
    assert_eq!(size(&router), (0, 0));
}

#[test]
fn the_newest_connection_owns_a_path() {
    let router = Router::default();
    let (mut former, mut newest) = (router.register(), router.register());
    former.add_path(path(REMOTE));
    newest.add_path(path(REMOTE));
    former.add_path(path(REMOTE));
    route(&router, REMOTE, &[22; 10], 10);
    assert!(former.inbox().try_receive().is_none());
    assert!(newest.inbox().try_receive().is_some());
    drop(former);
    route(&router, REMOTE, &[22; 10], 10);
    assert!(newest.inbox().try_receive().is_some());
}

#[test]
fn what_servers_say_is_for_gathering_whatever_connections_send_there() {
    let router = Router::default();
    let mut servers = router.register_gathering();
    servers.add_path(path(REMOTE));
    // The peer names our server's address as its candidate.
    let mut connection = router.register();
    connection.add_path(path(REMOTE));
    route(&router, REMOTE, &[0x40; 10], 10);
    assert!(connection.inbox().try_receive().is_none());
    assert_eq!(servers.inbox().try_receive().unwrap().path, path(REMOTE));
    // A check stays one wherever it comes from.
    connection.set_fragments(["aaaa"].into_iter());
    route(&router, REMOTE, &check("aaaa:xxxx"), 1500);
    assert!(servers.inbox().try_receive().is_none());
    assert!(connection.inbox().try_receive().is_some());
    drop(servers);
    route(&router, REMOTE, &[0x40; 10], 10);
    assert!(connection.inbox().try_receive().is_some());
}

#[test]
fn a_server_of_two_sets_is_heard_by_both() {
    let router = Router::default();
    let (mut one, mut two) = (router.register_gathering(), router.register_gathering());
    for servers in [&mut one, &mut two] {
        servers.add_path(path(REMOTE));
        servers.add_path(path(REMOTE));
    }
    route(&router, REMOTE, &[0x40; 10], 10);
    for servers in [&mut one, &mut two] {
        assert!(servers.inbox().try_receive().is_some());
        assert!(servers.inbox().try_receive().is_none());
    }
    drop(one);
    assert_eq!(size(&router), (0, 1));
    drop(two);
    assert_eq!(size(&router), (0, 0));
}

#[test]
fn tcp_and_udp_between_the_same_addresses_are_two_paths() {
    let router = Router::default();
    let mut one = router.register();
    one.add_path(Path { protocol: ice::Protocol::Tcp, ..path(REMOTE) });
    route(&router, REMOTE, &[22; 10], 10);
    assert!(one.inbox().try_receive().is_none());
}

#[test]
fn row_4_a_flood_into_the_lane_of_the_servers_is_bounded() {
    let router = Router::default();
    let mut servers = router.register_gathering();
    servers.add_path(path(REMOTE));
    for _ in 0..5000 {
        route(&router, REMOTE, &[0x40; 10_000], 1000);
    }
    let waiting = std::iter::from_fn(|| servers.inbox().try_receive());
    let octets: usize = waiting.map(|batch| batch.octets()).sum();
    assert!((1..=MAX_QUEUED_FROM_SERVERS).contains(&octets), "{octets}");
}

#[test]
fn row_32_redirects_without_end_leave_a_bounded_number_of_paths() {
    let router = Router::default();
    let mut servers = router.register_gathering();
    for port in 1..2000 {
        servers.add_path(path(&format!("127.0.0.1:{port}")));
    }
    assert_eq!(size(&router), (0, MAX_SERVER_PATHS));
    route(&router, "127.0.0.1:1999", &[0x40; 10], 10);
    assert!(servers.inbox().try_receive().is_some());
    drop(servers);
    assert_eq!(size(&router), (0, 0));
}
