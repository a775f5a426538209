//! Where the servers are: their names, looked up by the operating system.
//!
//! Of each name one address of each family is used (RFC 8445 §5.1.1.2 lets both be gathered from):
//! more would cost an allocation each. A server whose name is not found fails; the others go on.
//!
//! Book: chapter "Candidates".

use std::net::SocketAddr;
use std::time::Duration;

use ice::{GatheringError, Server};
use stun::Service;
use tokio::task::JoinSet;

use crate::IceServer;

/// How long a name may take. The system's resolver tries its servers one after the other, 5 s each.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most servers of one set: more than anybody configures. W3C says that a user agent may limit it.
const MAX_SERVERS: usize = 16;

/// What came of one server's name.
pub(super) type Lookup = Result<Vec<Server>, GatheringError>;

/// Begins to look up all names.
pub(super) fn look_up(servers: Vec<IceServer>) -> JoinSet<Lookup> {
    let mut lookups = JoinSet::new();
    for (index, server) in servers.into_iter().enumerate() {
        if index < MAX_SERVERS {
            lookups.spawn(find(server));
        } else {
            lookups.spawn(
                async move { Err(failure(&server, "there are too many servers before it")) },
            );
        }
    }
    lookups
}

async fn find(server: IceServer) -> Lookup {
    let host = server.url.host.clone();
    let user = match (server.url.service, &server.user) {
        (Service::Turn, None) => {
            return Err(failure(&server, "a TURN server needs a user name and a password"));
        }
        // It is asked what it sees, no more.
        (Service::Stun, _) => None,
        (Service::Turn, Some(user)) => Some(user.clone()),
    };
    let asked = tokio::net::lookup_host((host.as_str(), server.url.port));
    let found = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(found)) => one_of_each_family(found),
        Ok(Err(error)) => {
            let reason = format!("the name {host} is not found ({error}): check it, and the DNS");
            return Err(failure(&server, &reason));
        }
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            let reason = format!("the DNS says nothing about {host} within {seconds} s");
            return Err(failure(&server, &reason));
        }
    };
    if found.is_empty() {
        return Err(failure(&server, &format!("the name {host} has no address")));
    }
    let (url, transport) = (server.url.to_string(), server.url.transport);
    let at = |address| Server { url: url.clone(), address, transport, user: user.clone() };
    Ok(found.into_iter().map(at).collect())
}

fn one_of_each_family(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut chosen: Vec<SocketAddr> = Vec::new();
    for address in found {
        if chosen.iter().all(|known| known.is_ipv4() != address.is_ipv4()) {
            chosen.push(address);
        }
    }
    chosen
}

fn failure(server: &IceServer, reason: &str) -> GatheringError {
    GatheringError {
        url: server.url.to_string(),
        local: None,
        code: GatheringError::UNREACHABLE,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use stun::{ServerTransport, Uri};

    use super::*;

    fn server(service: Service, host: &str) -> IceServer {
        let url = Uri { service, host: host.into(), port: 3478, transport: ServerTransport::Udp };
        IceServer { url, user: Some(stun::turn::User::new("U", "P")) }
    }

    #[test]
    fn one_address_of_each_family_in_the_order_of_the_answer() {
        let found = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1"];
        let found = found.map(|address| address.parse().unwrap());
        assert_eq!(one_of_each_family(found.into_iter()), [found[0], found[2]]);
    }

    #[tokio::test]
    async fn addresses_are_names_of_themselves() {
        let found = find(server(Service::Turn, "::1")).await.unwrap();
        assert_eq!(found[0].address, "[::1]:3478".parse().unwrap());
        assert!(found[0].user.is_some());
        let found = find(server(Service::Stun, "127.0.0.1")).await.unwrap();
        assert_eq!((found.len(), &found[0].user), (1, &None));
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_said() {
        let nameless = find(server(Service::Stun, "no such name")).await.unwrap_err();
        assert_eq!(nameless.code, 701);
        assert!(nameless.to_string().contains("no such name is not found"), "{nameless}");
        let userless = IceServer { user: None, ..server(Service::Turn, "127.0.0.1") };
        let userless = find(userless).await.unwrap_err();
        assert!(userless.to_string().contains("needs a user name"), "{userless}");
    }

    #[tokio::test]
    async fn the_number_of_servers_is_bounded() {
        let outcomes = look_up(vec![server(Service::Stun, "127.0.0.1"); 100]).join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), MAX_SERVERS);
    }
}
