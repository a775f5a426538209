//! Where the server listens: a UDP socket and a TCP listener for each address of this machine.
//!
//! One for each, and not one for all, so that an answer leaves from the address its request came to:
//! the NATs on the way let nothing else in.
//!
//! Book: "Relay".

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Type};
use stun::turn::server::TwoAddresses;
use tokio::net::{TcpListener, UdpSocket};
use tracing::debug;

use super::arguments::TurnServerArgs;
use crate::program::failure::Failure;

/// How often another port is tried when 0 was asked for and is not free everywhere.
const PORT_TRIES: usize = 16;

/// What we ask the kernel to buffer in each direction: the relay is one task, which may be busy.
const SOCKET_BUFFER: usize = 1 << 20;

/// TCP connections that may wait to be taken.
const BACKLOG: i32 = 128;

/// Everything that listens.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) udp: Vec<(SocketAddr, UdpSocket)>,
    pub(super) tcp: Vec<(SocketAddr, TcpListener)>,
    pub(super) tls: Vec<(SocketAddr, TcpListener)>,
    pub(super) two_addresses: Option<TwoAddresses>,
}

impl Listeners {
    /// Binds to all that was asked for.
    pub(super) fn bind(arguments: &TurnServerArgs) -> Result<Listeners, Failure> {
        let wants_any = arguments.listen().any(|address| address.port() == 0);
        for _ in 1..PORT_TRIES {
            match Listeners::try_bind(arguments) {
                Err((_, error)) if wants_any && error.kind() == io::ErrorKind::AddrInUse => {}
                outcome => return outcome.map_err(|(address, error)| cannot_bind(address, &error)),
            }
        }
        Listeners::try_bind(arguments).map_err(|(address, error)| cannot_bind(address, &error))
    }

    fn try_bind(arguments: &TurnServerArgs) -> Result<Listeners, (SocketAddr, io::Error)> {
        let mut listeners = Listeners::default();
        for asked in arguments.listen() {
            let mut port = asked.port();
            let ips = expand(asked.ip(), &own_addresses());
            if ips.is_empty() {
                let problem = "this machine has no address of that IP version";
                return Err((asked, io::Error::other(problem)));
            }
            for ip in ips {
                if listeners
                    .udp
                    .iter()
                    .any(|(address, _)| (address.ip(), asked.port()) == (ip, port))
                {
                    continue;
                }
                let address = listeners.bind_udp(SocketAddr::new(ip, port))?;
                port = address.port();
                listeners.tcp.push(bind_tcp(address)?);
            }
        }
        if arguments.tls_cert.is_some() {
            let mut port = arguments.tls_port;
            for (address, _) in &listeners.udp {
                let (address, listener) = bind_tcp(SocketAddr::new(address.ip(), port))?;
                port = address.port();
                listeners.tls.push((address, listener));
            }
        }
        if let Some(alternate) = arguments.alternate {
            listeners.bind_two_addresses(alternate)?;
        }
        Ok(listeners)
    }

    fn bind_udp(&mut self, address: SocketAddr) -> Result<SocketAddr, (SocketAddr, io::Error)> {
        let bound = bind_udp(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|error| (address, error))?;
        self.udp.push((address, socket));
        Ok(address)
    }

    /// Listens on the second address, and on each address with the other's port (RFC 5780 §6).
    fn bind_two_addresses(&mut self, alternate: SocketAddr) -> Result<(), (SocketAddr, io::Error)> {
        let is_primary = |address: &SocketAddr| {
            address.ip() != alternate.ip()
                && address.port() != alternate.port()
                && address.is_ipv4() == alternate.is_ipv4()
                && (!address.ip().is_loopback() || alternate.ip().is_loopback())
        };
        let Some(primary) = self.udp.iter().map(|(address, _)| *address).find(is_primary) else {
            let problem =
                "there is no --listen address that differs from it in IP address and port";
            return Err((alternate, io::Error::other(problem)));
        };
        let alternate = self.bind_udp(alternate)?;
        let two = TwoAddresses { primary, alternate };
        for address in two.all() {
            if !self.udp.iter().any(|(bound, _)| *bound == address) {
                self.bind_udp(address)?;
            }
        }
        self.two_addresses = Some(two);
        Ok(())
    }

    /// Each address something listens on.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let udp = self.udp.iter().map(|(address, _)| *address);
        let tcp = self.tcp.iter().chain(&self.tls).map(|(address, _)| *address);
        udp.chain(tcp)
    }
}

/// A UDP socket with room for bursts. An IPv6 socket takes nothing of IPv4.
pub(super) fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Less than asked for is slower, not wrong.
    for outcome in
        [socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER)]
    {
        if let Err(error) = outcome {
            debug!(%error, "the socket keeps its default buffer");
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn bind_tcp(address: SocketAddr) -> Result<(SocketAddr, TcpListener), (SocketAddr, io::Error)> {
    let bind = || {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of a server that ran before may linger.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        Ok((listener.local_addr()?, listener))
    };
    bind().map_err(|error| (address, error))
}

/// The addresses that are meant: of an unspecified one all of its IP version.
fn expand(asked: IpAddr, own: &[IpAddr]) -> Vec<IpAddr> {
    if !asked.is_unspecified() {
        return vec![asked];
    }
    let of_version = own.iter().copied().filter(|ip| ip.is_ipv4() == asked.is_ipv4());
    // What is told to peers first is what they can reach.
    let (mut addresses, loopback): (Vec<_>, Vec<_>) = of_version.partition(|ip| !ip.is_loopback());
    addresses.extend(loopback);
    addresses.dedup();
    addresses
}

/// The addresses of this machine; IPv6 link-local ones mean nothing without their interface.
fn own_addresses() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        debug!(%error, "the interfaces cannot be listed");
        Vec::new()
    });
    let is_usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    found.into_iter().map(|interface| interface.ip()).filter(is_usable).collect()
}

fn cannot_bind(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::new(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "the address {address} is in use by another program; choose another with --listen, \
             --tls-port or --alternate"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_all_of_its_version_and_loopback_last() {
        let own = ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "192.0.2.2"]
            .map(|ip| ip.parse().unwrap());
        let expanded = |asked: &str| -> Vec<String> {
            let asked = asked.parse().unwrap();
            expand(asked, &own).iter().map(IpAddr::to_string).collect()
        };
        assert_eq!(expanded("0.0.0.0"), ["192.0.2.1", "192.0.2.2", "127.0.0.1"]);
        assert_eq!(expanded("::"), ["2001:db8::1", "::1"]);
        assert_eq!(expanded("203.0.113.5"), ["203.0.113.5"]);
    }
}
