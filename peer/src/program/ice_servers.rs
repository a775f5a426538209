//! The flags for STUN and TURN servers, and what they mean for connections and pages.
//!
//! ```text
//!   --stun URL …   --turn URL …   --turn-user U …   --turn-password P …
//!        └──────────────┴── one user for all servers, or the nth for the nth ──┘
//!        ├─► Config of each connection: gathered once for all, by the endpoint
//!        └─► GET /ice-servers: the RTCConfiguration of the pages
//! ```
//!
//! Book: "Relay".

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use peer::{Config, EndpointOptions, IceServer, IceTransportPolicy};
use serde::Serialize;
use stun::{Service, Uri};

use super::failure::Failure;

/// The flags of `peer serve` and `peer call` about the way to the peer.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The way to the peer")]
pub(crate) struct IceArgs {
    /// A STUN server, which tells how this machine looks from outside: stun:HOST[:PORT]. May be
    /// given several times
    #[arg(long, value_name = "URL", value_parser = stun)]
    stun: Vec<Uri>,

    /// A TURN server, which relays where nothing else works: turn:HOST[:PORT][?transport=udp|tcp],
    /// or turns:HOST[:PORT] over TLS. May be given several times
    #[arg(long, value_name = "URL", value_parser = turn)]
    turn: Vec<Uri>,

    /// The user name for the TURN servers: one for all, or the nth for the nth
    #[arg(long, value_name = "NAME")]
    turn_user: Vec<String>,

    /// The password that goes with it
    #[arg(long, value_name = "PASSWORD")]
    turn_password: Vec<String>,

    /// Trust the certificates in this file (PEM) too when a TURN server is reached over TLS
    #[arg(long, value_name = "FILE")]
    turn_ca: Option<PathBuf>,

    /// Use relays only, so that the peer learns no address of this machine
    #[arg(long)]
    relay_only: bool,

    /// Tell the peer names in place of this machine's addresses, which only its own network can look
    /// up
    #[arg(long)]
    hide_addresses: bool,
}

fn stun(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error: stun::UriError| error.to_string())?;
    match uri.service {
        Service::Stun => Ok(uri),
        Service::Turn => Err("that is a TURN server: give it with --turn".into()),
    }
}

fn turn(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error: stun::UriError| error.to_string())?;
    match uri.service {
        Service::Turn => Ok(uri),
        Service::Stun => Err("that is a STUN server: give it with --stun".into()),
    }
}

impl IceArgs {
    /// What connections are to be like.
    pub(super) fn config(&self, is_lite: bool) -> Result<Config, Failure> {
        let stun = self.stun.iter().map(|url| IceServer { url: url.clone(), user: None });
        let turn = self.relays()?.into_iter().map(|(url, name, password)| IceServer {
            url: url.clone(),
            user: Some(ice::User::new(name, password)),
        });
        let ice_servers: Vec<IceServer> = stun.chain(turn).collect();
        if self.relay_only && self.turn.is_empty() {
            return Err(Failure::new("--relay-only needs a TURN server: give one with --turn"));
        }
        if is_lite && !ice_servers.is_empty() {
            let reason = "--ice-lite is for machines that everybody can reach: it goes without \
                          --stun and --turn";
            return Err(Failure::new(reason));
        }
        let policy =
            if self.relay_only { IceTransportPolicy::Relay } else { IceTransportPolicy::All };
        Ok(Config {
            ice_servers,
            ice_transport_policy: policy,
            ice_lite: is_lite,
            hide_addresses: self.hide_addresses,
            ..super::config()
        })
    }

    /// Each TURN server with its user and password.
    fn relays(&self) -> Result<Vec<(&Uri, &str, &str)>, Failure> {
        let all = self.turn.len();
        let fits = |given: &[String]| all == 0 || given.len() == 1 || given.len() == all;
        if !fits(&self.turn_user) || !fits(&self.turn_password) {
            return Err(Failure::new(format!(
                "--turn needs --turn-user and --turn-password, each once for all servers or once \
                 for each: there are {all} servers, {} users and {} passwords",
                self.turn_user.len(),
                self.turn_password.len()
            )));
        }
        let nth = |given: &'_ [String], index: usize| -> Option<usize> {
            (!given.is_empty()).then(|| index.min(given.len() - 1))
        };
        let relay = |(index, url)| {
            let name = self.turn_user.get(nth(&self.turn_user, index)?)?;
            let password = self.turn_password.get(nth(&self.turn_password, index)?)?;
            Some((url, name.as_str(), password.as_str()))
        };
        Ok(self.turn.iter().enumerate().filter_map(relay).collect())
    }

    /// What the endpoint is to be like, on these ports.
    pub(super) fn endpoint(&self, port: u16, tcp_port: Option<u16>) -> EndpointOptions {
        EndpointOptions { port, tcp_port, tls_authorities: self.turn_ca.clone() }
    }

    /// The file of `--turn-ca`, for messages.
    pub(super) fn authorities(&self) -> Option<String> {
        self.turn_ca.as_ref().map(|file| file.display().to_string())
    }

    /// What the pages use.
    pub(super) fn for_pages(&self) -> Result<PageConfiguration, Failure> {
        let stun = self.stun.iter().map(|url| PageServer {
            urls: url.to_string(),
            username: None,
            credential: None,
        });
        let turn = self.relays()?.into_iter().map(|(url, name, password)| PageServer {
            urls: url.to_string(),
            username: Some(name.to_owned()),
            credential: Some(password.to_owned()),
        });
        Ok(PageConfiguration { ice_servers: stun.chain(turn).collect() })
    }
}

/// What a page makes its connection of: W3C `RTCConfiguration`. It has passwords, and every visitor of
/// the page gets it: so it is with relays for browsers.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageConfiguration {
    ice_servers: Vec<PageServer>,
}

/// W3C `RTCIceServer`.
#[derive(Clone, Serialize)]
struct PageServer {
    urls: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

/// Tells that a server was of no use: its name, why, and the code.
pub(super) fn complain(error: &ice::GatheringError) {
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "peer: no help from {error}");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        ice: IceArgs,
    }

    fn config(flags: &str) -> Result<Config, String> {
        let flags = std::iter::once("peer").chain(flags.split(' ').filter(|flag| !flag.is_empty()));
        let flags = Flags::try_parse_from(flags).map_err(|error| error.to_string())?;
        flags.ice.config(false).map_err(|failure| failure.to_string())
    }

    fn servers(flags: &str) -> Vec<(String, Option<String>)> {
        let servers = config(flags).unwrap().ice_servers.into_iter();
        servers.map(|server| (server.url.to_string(), server.user.map(|user| user.name))).collect()
    }

    #[test]
    fn servers_and_their_users() {
        assert!(servers("").is_empty());
        let all = servers(
            "--stun stun:a --turn turn:b --turn turns:c:443 --turn-user u --turn-password p",
        );
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].1, None);
        assert!(all[1..].iter().all(|(_, user)| user.as_deref() == Some("u")));
        let each =
            servers("--turn turn:b --turn turn:c --turn-user u --turn-user v --turn-password p");
        let users: Vec<_> = each.iter().filter_map(|(_, user)| user.as_deref()).collect();
        assert_eq!(users, ["u", "v"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |flags: &str| config(flags).unwrap_err();
        assert!(refused("--turn turn:b").contains("--turn-user"));
        assert!(refused("--relay-only").contains("--turn"));
        assert!(refused("--stun turn:b").contains("--turn"));
        assert!(refused("--turn stun:b").contains("--stun"));
        assert!(refused("--stun http://b").contains("stun:"));
        let two = "--turn turn:b --turn turn:c --turn turn:d --turn-user u --turn-user v \
                   --turn-password p";
        assert!(refused(two).contains("3 servers, 2 users"));
    }

    #[test]
    fn pages_get_what_browsers_understand() {
        let flags =
            "peer --stun stun:a --turn turn:b?transport=tcp --turn-user u --turn-password p";
        let flags = Flags::try_parse_from(flags.split(' ')).unwrap();
        let json = serde_json::to_value(flags.ice.for_pages().unwrap()).unwrap();
        let servers = json["iceServers"].as_array().unwrap();
        assert!(servers[0]["urls"].as_str().unwrap().starts_with("stun:a"));
        assert!(servers[0]["username"].is_null());
        assert!(servers[1]["urls"].as_str().unwrap().ends_with("?transport=tcp"));
        assert_eq!(
            (&servers[1]["username"], &servers[1]["credential"]),
            (&"u".into(), &"p".into())
        );
    }
}
