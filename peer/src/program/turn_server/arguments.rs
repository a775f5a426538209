//! The flags of `peer turn-server`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// What `peer turn-server --help` says below the flags.
pub(crate) const HELP: &str = "\
A relay is what two peers need who can't reach each other: both send to it, and it passes on what \
comes. It also answers everybody who asks what they look like from outside (STUN).

For example, on a machine that everybody can reach as 203.0.113.5:

    peer turn-server --user alice:secret

and where alice is:

    peer call --turn turn:203.0.113.5 --turn-user alice --turn-password secret URL

Behind a NAT that forwards ports 3478 and 49152 to 65535, say --external-ip with the NAT's address. \
Without --user nothing is relayed. Peers inside private networks, on this machine too, are reached \
only with --allow-private: otherwise users could look into the network that the server stands in.";

/// The flags of `peer turn-server`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TurnServerArgs {
    /// Where to listen, with UDP and TCP; 0.0.0.0 is every IPv4 address of this machine and [::]
    /// every IPv6 address. Give it twice for both. Port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT",
          default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3478)))]
    listen: SocketAddr,

    /// Listen there too, for example on [::]:3478
    #[arg(long, value_name = "ADDR:PORT")]
    also_listen: Vec<SocketAddr>,

    /// The address under which peers reach this machine, if it stands behind a NAT; one of each IP
    /// version
    #[arg(long, value_name = "IP")]
    pub(super) external_ip: Vec<IpAddr>,

    /// The realm in which the users' passwords are good
    #[arg(long, value_name = "NAME", default_value = "peer",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) realm: String,

    /// A user who may relay; give it several times for several
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(super) user: Vec<Credential>,

    /// Relay to loopback, link-local and private addresses too
    #[arg(long)]
    pub(super) allow_private: bool,

    /// How many relayed addresses one user may have at once
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) quota: usize,

    /// The lowest port of relayed addresses
    #[arg(long, value_name = "PORT", default_value_t = 49_152,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) min_port: u16,

    /// The highest port of relayed addresses
    #[arg(long, value_name = "PORT", default_value_t = 65_535,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) max_port: u16,

    /// The certificate chain to show to clients over TLS, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The private key of that certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,

    /// The port for TLS, at the addresses of --listen; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 5349, requires = "tls_cert")]
    pub(super) tls_port: u16,

    /// A second address of this machine, with another port, so that clients can learn how their NAT
    /// filters (RFC 5780)
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) alternate: Option<SocketAddr>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `stun=debug`
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub(crate) log: String,
}

impl TurnServerArgs {
    /// Where to listen, the most important first.
    pub(super) fn listen(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.listen).chain(self.also_listen.iter().copied())
    }
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) name: String,
    pub(super) password: String,
}

impl FromStr for Credential {
    type Err = String;

    fn from_str(text: &str) -> Result<Credential, String> {
        match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                Ok(Credential { name: name.into(), password: password.into() })
            }
            _ => Err("expected NAME:PASSWORD".into()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_may_have_colons_and_is_not_shown() {
        let alice: Credential = "alice:a:b".parse().unwrap();
        assert_eq!((alice.name.as_str(), alice.password.as_str()), ("alice", "a:b"));
        assert!(!format!("{alice:?}").contains("a:b"));
        for text in ["alice", "alice:", ":secret", ""] {
            assert!(text.parse::<Credential>().is_err(), "{text}");
        }
    }
}
