//! The network: an Internet that is one bridge, and places around it.
//!
//! ```text
//!   ┌ left-ei-apd ┐lan      lan0┌ left-ei-apd-router ┐wan          ┌ internet ─────────────┐
//!   │ 192.168.1.2 ├─────────────┤ nftables           ├─────────────┤ bridge                │
//!   └─────────────┘             │ 203.0.113.13       │             │ 203.0.113.1, .2:      │
//!   ┌ left-public ┐wan          └────────────────────┘             │  coturn               │
//!   │ 203.0.113.11├────────────────────────────────────────────────┤ 2001:db8::1, ::2      │
//!   └─────────────┘                                                └───────────────────────┘
//! ```
//!
//! All homes have the same inner addresses, as homes do. Each box is a network namespace.
//!
//! Book: "NATs".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::router;
use tests::matrix::Site;
use tests::namespace::Namespace;

/// The servers' addresses. Two, so that RFC 5780 can be served.
pub(crate) const SERVERS: [Ipv4Addr; 2] =
    [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];
/// The same of IPv6.
pub(crate) const SERVERS_IPV6: [Ipv6Addr; 1] = [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)];
/// The port of the STUN and TURN server.
pub(crate) const PORT: u16 = 3478;
/// Its port for TLS.
pub(crate) const TLS_PORT: u16 = PORT + tests::coturn::TLS_PORT_OFFSET;

/// The number of the first place's address: `203.0.113.11` and `2001:db8::b`.
const FIRST_PLACE: u8 = 11;
/// The most places there may be: each takes ports of every address-dependent NAT.
const MAX_PLACES: u8 = 32;

/// Of two ways out, the one with the lower metric is taken.
const BETTER: u16 = 100;
const WORSE: u16 = 200;

/// The whole network.
#[derive(Debug)]
pub(crate) struct Network {
    /// Where the servers are.
    pub(crate) internet: Namespace,
    /// Who is connected to it.
    pub(crate) places: Vec<Place>,
}

/// A place: one or two hosts, and what is between them and the Internet.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its kind.
    pub(crate) site: &'static Site,
    /// Its name: there may be two of a kind.
    pub(crate) name: String,
    /// Its address on the Internet, if it has one.
    pub(crate) outer: Ipv4Addr,
    /// The router, if it has one.
    pub(crate) router: Option<Namespace>,
    /// Where the peers are.
    pub(crate) hosts: Vec<Namespace>,
}

impl Network {
    /// An Internet with nobody on it.
    pub(crate) fn new() -> Result<Self, String> {
        let internet = Namespace::add("internet")?;
        let mut lines = String::from("link add bridge type bridge\nlink set bridge up\n");
        for address in SERVERS {
            lines += &format!("address add {address}/24 dev bridge\n");
        }
        for address in SERVERS_IPV6 {
            lines += &format!("address add {address}/64 dev bridge nodad\n");
        }
        // To anywhere else packets leave and are never heard of again, as on the Internet. Without a
        // route coturn's first packet to a peer's private address would be an error, after which its
        // relayed address is deaf and dumb.
        for (all, nowhere) in [("0.0.0.0/0", "203.0.113.254"), ("::/0", "2001:db8::ffff")] {
            let link = "dev bridge lladdr 02:00:00:00:00:fe nud permanent";
            lines += &format!("neigh add {nowhere} {link}\nroute add {all} via {nowhere}\n");
        }
        internet.ip(&lines)?;
        Ok(Self { internet, places: Vec::new() })
    }

    /// The addresses of the servers, IPv4 first.
    pub(crate) fn servers() -> Vec<IpAddr> {
        let ipv4 = SERVERS.into_iter().map(IpAddr::from);
        ipv4.chain(SERVERS_IPV6.into_iter().map(IpAddr::from)).collect()
    }

    /// Adds a place, and tells its index.
    pub(crate) fn add(&mut self, side: &str, site: &'static Site) -> Result<usize, String> {
        let index = self.places.len();
        let (number, outer) = self.next_number()?;
        let mut place = Place::new(side, site, outer);
        if site.nat.is_some() {
            place.add_router(&self.internet, number)?;
            for inner in 0..if site.is_for_two() { 2 } else { 1 } {
                place.add_inner_host(inner)?;
            }
        } else {
            place.add_public_host(&self.internet, number)?;
        }
        self.places.push(place);
        Ok(index)
    }
}

impl Network {
    /// The place of that kind on that side.
    pub(crate) fn place(&self, side: &str, site: &Site) -> Result<&Place, String> {
        self.place_named(side, site.name)
    }

    /// The same by its kind's name.
    pub(crate) fn place_named(&self, side: &str, site: &str) -> Result<&Place, String> {
        let name = format!("{side}-{site}");
        let found = self.places.iter().find(|place| place.name == name);
        found.ok_or_else(|| format!("there is no place {name}"))
    }

    /// Gives the first host of a place another interface, behind a router of that kind. What it sends
    /// goes that way when there is no other.
    pub(crate) fn add_way_out(
        &mut self,
        place: usize,
        name: &str,
        site: &'static Site,
    ) -> Result<(), String> {
        let (number, outer) = self.next_number()?;
        let mut way = Place::new(name, site, outer);
        way.add_router(&self.internet, number)?;
        let router = way.router.as_ref().ok_or("there is no router that way")?;
        let host = self.places.get(place).ok_or("there is no such place")?.host(0)?;
        connect_inside(host, name, router, 1, WORSE)?;
        self.places.push(way);
        Ok(())
    }

    fn next_number(&self) -> Result<(u8, Ipv4Addr), String> {
        let number = u8::try_from(self.places.len()).ok();
        let number = number.and_then(|index| index.checked_add(FIRST_PLACE));
        let number = number.filter(|number| *number < FIRST_PLACE + MAX_PLACES);
        let number = number.ok_or("the lab has too many places")?;
        Ok((number, Ipv4Addr::new(203, 0, 113, number)))
    }
}

impl Place {
    fn new(side: &str, site: &'static Site, outer: Ipv4Addr) -> Self {
        let name = format!("{side}-{}", site.name);
        Self { site, name, outer, router: None, hosts: Vec::new() }
    }

    /// One of its hosts.
    pub(crate) fn host(&self, index: usize) -> Result<&Namespace, String> {
        self.hosts.get(index).ok_or_else(|| format!("{} has no such host", self.name))
    }

    /// All its namespaces.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.hosts.iter().chain(&self.router)
    }

    fn add_router(&mut self, internet: &Namespace, number: u8) -> Result<(), String> {
        let Some(nat) = self.site.nat else { return Ok(()) };
        let router = Namespace::add(&format!("{}-router", self.name))?;
        router.set("ipv4/ip_forward", "1")?;
        plug_in(&router, internet, number)?;
        router.ip(&format!("address add {}/24 dev wan", self.outer))?;
        let everybody: Vec<Ipv4Addr> = SERVERS.into_iter().chain(all_places()).collect();
        router.nft(&router::rules(self.site, nat, self.outer, &everybody))?;
        self.router = Some(router);
        Ok(())
    }

    fn add_public_host(&mut self, internet: &Namespace, number: u8) -> Result<(), String> {
        let host = Namespace::add(&self.name)?;
        plug_in(&host, internet, number)?;
        if self.site.ipv4 {
            host.ip(&format!("address add {}/24 dev wan", self.outer))?;
        }
        if self.site.ipv6 {
            host.ip(&format!("address add 2001:db8::{number:x}/64 dev wan nodad"))?;
        }
        self.hosts.push(host);
        Ok(())
    }

    fn add_inner_host(&mut self, inner: u8) -> Result<(), String> {
        let Some(router) = &self.router else { return Ok(()) };
        let name = if inner == 0 { self.name.clone() } else { format!("{}-{inner}", self.name) };
        let host = Namespace::add(&name)?;
        connect_inside(&host, "lan", router, inner, BETTER)?;
        self.hosts.push(host);
        Ok(())
    }
}

/// The outer addresses that places may have.
fn all_places() -> impl Iterator<Item = Ipv4Addr> {
    (FIRST_PLACE..FIRST_PLACE + MAX_PLACES).map(|number| Ipv4Addr::new(203, 0, 113, number))
}

/// A cable from a host to the inner side of a router, which the host then uses to reach everybody.
fn connect_inside(
    host: &Namespace,
    name: &str,
    router: &Namespace,
    inner: u8,
    metric: u16,
) -> Result<(), String> {
    let (network, peer) = (inner.saturating_add(1), format!("lan{inner}"));
    connect(host, name, router, &peer)?;
    router.ip(&format!("address add 192.168.{network}.1/24 dev {peer}\n"))?;
    host.ip(&format!(
        "address add 192.168.{network}.2/24 dev {name}\n\
         route add default via 192.168.{network}.1 metric {metric}\n"
    ))
}

/// A cable from a namespace's interface `wan` to the bridge.
fn plug_in(namespace: &Namespace, internet: &Namespace, number: u8) -> Result<(), String> {
    let port = format!("port{number}");
    connect(namespace, "wan", internet, &port)?;
    internet.ip(&format!("link set {port} master bridge"))
}

/// A cable between two namespaces: a pair of interfaces.
///
/// Several datagrams that a program hands over at once (UDP GSO) travel as one packet through such a
/// cable, which rules on the length of packets would misunderstand: so they are cut before.
pub(crate) fn connect(
    one: &Namespace,
    name: &str,
    other: &Namespace,
    peer: &str,
) -> Result<(), String> {
    one.ip(&format!(
        "link add {name} type veth peer name {peer} netns {}\n\
         link set {name} gso_max_segs 1\nlink set {name} up\n",
        other.name()
    ))?;
    other.ip(&format!("link set {peer} gso_max_segs 1\nlink set {peer} up\n"))
}
