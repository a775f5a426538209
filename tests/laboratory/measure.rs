//! Measures what a place really does, from both its sides, before anybody trusts it.
//!
//! The lab holds both ends, so it needs no protocol: plain datagrams from a host to four sockets of the
//! servers (two addresses, two ports), and back. What `peer nat` finds with STUN alone (RFC 5780) must
//! be the same.
//!
//! Book: "NATs".

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use stun::behaviour::Dependence;

use crate::network::{Network, Place, SERVERS, SERVERS_IPV6};
use tests::matrix::{Nat, Site};
use tests::namespace::Namespace;

/// How long something may take that must arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for what must not. Everything here is one machine, which takes microseconds.
const SILENCE: Duration = Duration::from_millis(300);

/// Fails with a sentence if the place is not what its site says.
pub(crate) fn verify(network: &Network, place: &Place) -> Result<(), String> {
    let measured = measure(network, place)
        .map_err(|error| format!("{} cannot be measured: {error}", place.name))?;
    if measured == Measured::wanted(place.site) {
        return Ok(());
    }
    Err(format!(
        "the kernel does not make {} what it should be ({}): measured {measured:?}",
        place.name, place.site.about
    ))
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
enum Measured {
    /// UDP does not get through, TCP does.
    NoUdp,
    /// No NAT.
    Public,
    /// A NAT.
    Behind(Nat),
}

impl Measured {
    fn wanted(site: &Site) -> Self {
        match site.nat {
            None => Self::Public,
            Some(_) if !site.udp => Self::NoUdp,
            Some(nat) => Self::Behind(nat),
        }
    }
}

/// The four sockets of the servers: of the first address, then of the second.
struct Servers([UdpSocket; 4]);

fn measure(network: &Network, place: &Place) -> Result<Measured, String> {
    // A router alone is measured from nowhere.
    let Some(host) = place.hosts.first() else { return Ok(Measured::wanted(place.site)) };
    if !place.site.ipv4 {
        return measure_ipv6(&network.internet, host);
    }
    let [one, two] = SERVERS;
    let bind = |ip: Ipv4Addr| socket(&network.internet, SocketAddr::from((ip, 0)));
    let servers = Servers([bind(one)?, bind(one)?, bind(two)?, bind(two)?]);
    if !udp_passes(&network.internet, host, &servers)? {
        return Ok(Measured::NoUdp);
    }
    let mapping = mapping(host, &servers)?;
    let filtering = filtering(host, &servers)?;
    let client = any_socket(host)?;
    let [first, ..] = &servers.0;
    if ask(&client, first)?.ip() == place.outer && place.site.nat.is_none() {
        let open = (Dependence::EndpointIndependent, Dependence::EndpointIndependent);
        return if (mapping, filtering) == open {
            Ok(Measured::Public)
        } else {
            Err("it is filtered".into())
        };
    }
    let last = place.hosts.last().ok_or("it has no host")?;
    let hairpin = hairpin(host, last, &servers)?;
    Ok(Measured::Behind(Nat { mapping, filtering, hairpin }))
}

/// There is no NAT of IPv6 here: what is asked is whether packets get through at all.
fn measure_ipv6(internet: &Namespace, host: &Namespace) -> Result<Measured, String> {
    let [server] = SERVERS_IPV6;
    let server = socket(internet, SocketAddr::from((server, 0)))?;
    let client = socket(host, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))?;
    ask(&client, &server).map(|_| Measured::Public)
}

/// Sends a datagram, then opens a TCP connection: when that is there, the datagram should be, too.
fn udp_passes(internet: &Namespace, host: &Namespace, servers: &Servers) -> Result<bool, String> {
    let [server, ..] = &servers.0;
    let to = server.local_addr().map_err(text)?;
    let listener = internet.enter(|| TcpListener::bind(to))?;
    let client = any_socket(host)?;
    client.send_to(b"udp?", to).map_err(text)?;
    host.enter(|| TcpStream::connect_timeout(&to, PATIENCE))?;
    drop(listener);
    Ok(receive(server, SILENCE)?.is_some())
}

/// What the mapping depends on: how the servers see one socket.
fn mapping(host: &Namespace, servers: &Servers) -> Result<Dependence, String> {
    let client = any_socket(host)?;
    let mut seen = Vec::new();
    for server in &servers.0 {
        seen.push(ask(&client, server)?);
    }
    let [first, port, address, both] = seen.as_slice() else { return Err("no servers".into()) };
    Ok(if [port, address, both] == [first; 3] {
        Dependence::EndpointIndependent
    } else if first == port && address == both {
        Dependence::AddressDependent
    } else {
        Dependence::AddressAndPortDependent
    })
}

/// Who is let in to a socket that has sent to the first server only.
fn filtering(host: &Namespace, servers: &Servers) -> Result<Dependence, String> {
    let client = any_socket(host)?;
    let [first, other_port, other_address, _] = &servers.0;
    let mapped = ask(&client, first)?;
    for (server, word) in [(other_address, b"a"), (other_port, b"p")] {
        server.send_to(word, mapped).map_err(text)?;
    }
    let mut heard = Vec::new();
    while let Some((word, _)) = receive(&client, SILENCE)? {
        heard.extend(word);
    }
    Ok(if heard.contains(&b'a') {
        Dependence::EndpointIndependent
    } else if heard.contains(&b'p') {
        Dependence::AddressDependent
    } else {
        Dependence::AddressAndPortDependent
    })
}

/// Whether a packet to an outer address comes back in: from one host to the other's.
fn hairpin(one: &Namespace, other: &Namespace, servers: &Servers) -> Result<bool, String> {
    let [one, other] = [any_socket(one)?, any_socket(other)?];
    let [server, ..] = &servers.0;
    let [from, to] = [ask(&one, server)?, ask(&other, server)?];
    // Both, as ICE does: each opens its own door for the other.
    other.send_to(b"hairpin", from).map_err(text)?;
    one.send_to(b"hairpin", to).map_err(text)?;
    Ok(receive(&other, SILENCE)?.is_some_and(|(_, seen)| seen == from))
}

/// Sends something to a server, and tells from where it came to there.
fn ask(client: &UdpSocket, server: &UdpSocket) -> Result<SocketAddr, String> {
    client.send_to(b"where am I?", server.local_addr().map_err(text)?).map_err(text)?;
    let asked = receive(server, PATIENCE)?;
    asked.map(|(_, from)| from).ok_or_else(|| "nothing arrives at the servers".into())
}

/// The next datagram, and where it is from; `None` if there is none for so long.
fn receive(
    socket: &UdpSocket,
    patience: Duration,
) -> Result<Option<(Vec<u8>, SocketAddr)>, String> {
    socket.set_read_timeout(Some(patience)).map_err(text)?;
    let mut buffer = [0; 64];
    match socket.recv_from(&mut buffer) {
        Ok((length, from)) => Ok(Some((buffer.into_iter().take(length).collect(), from))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(text(error)),
    }
}

fn any_socket(host: &Namespace) -> Result<UdpSocket, String> {
    socket(host, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
}

fn socket(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket, String> {
    namespace.enter(|| UdpSocket::bind(address))
}

fn text(error: io::Error) -> String {
    error.to_string()
}
