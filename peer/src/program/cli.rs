//! The command line.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use super::ice_servers::IceArgs;
use super::nat::NatServer;
use super::turn_server::arguments::{self, TurnServerArgs};

/// A WebRTC peer: data, sound and pictures to and from browsers and other peers.
///
/// Without a command it serves, as `peer serve` does.
#[derive(Debug, Parser)]
#[command(name = "peer", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a web page that connects to this program, which echoes every message
    Serve(ServeArgs),
    /// Connect to a serving peer and chat with it, send it a file and get it back, or play and
    /// record sound and pictures
    Call(CallArgs),
    /// Find out what NAT or firewall this machine is behind, and whom it can meet without a relay
    Nat(NatArgs),
    /// Relay for peers that can't reach each other (TURN), and tell everybody what they look like
    /// from outside (STUN)
    #[command(after_long_help = arguments::HELP)]
    TurnServer(TurnServerArgs),
}

impl Cli {
    /// What to do.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl Command {
    /// The filter for the log.
    pub(crate) fn log(&self) -> &str {
        match self {
            Command::Serve(arguments) => &arguments.log,
            Command::Call(arguments) => &arguments.log,
            Command::Nat(arguments) => &arguments.log,
            Command::TurnServer(arguments) => &arguments.log,
        }
    }
}

/// The flags of `peer serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen for HTTP: an address and a port, or `localhost` and a port for loopback in
    /// both IP versions. Port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = Listen::Loopback(8080))]
    pub(crate) listen: Listen,

    /// The UDP port for everything else, on all addresses of this machine; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) udp_port: u16,

    /// Let web pages of other origins use this service (CORS)
    #[arg(long)]
    pub(crate) cors: bool,

    /// Play this file to every caller, again and again: Opus in Ogg, WAV, VP8, VP9 or AV1 in IVF,
    /// or H.264 in Annex B form. Give it twice for sound and pictures [default: a test pattern for
    /// those who watch, the echo for those who send]
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Vec<PathBuf>,

    /// Record what callers send into this directory, one file for each stream
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,

    /// Who publishes at /whip or watches at /whep has to know this token (RFC 6750)
    #[arg(long, value_name = "TOKEN",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) token: Option<String>,

    /// How many sessions there may be at once; an offer beyond is refused with status 503
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) max_sessions: usize,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `ice=debug`
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,

    #[command(flatten)]
    pub(crate) ice: IceArgs,

    /// Take calls on this TCP port too, from networks that let no UDP out (RFC 6544); 0 takes any free
    /// one
    #[arg(long, value_name = "PORT", help_heading = "The way to the peer")]
    pub(crate) tcp_port: Option<u16>,

    /// Do only the smaller half of ICE, which is enough for a machine with public addresses
    #[arg(long, conflicts_with = "relay_only", help_heading = "The way to the peer")]
    pub(crate) ice_lite: bool,
}

/// The flags of `peer call`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallArgs {
    /// The address of a serving peer, for example http://localhost:8080, or of a WHIP or WHEP
    /// endpoint, for example http://localhost:8080/whip
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Send this file, receive it back and compare checksums, instead of chatting
    #[arg(long, value_name = "FILE")]
    pub(crate) send: Option<PathBuf>,

    /// Play this file to the peer, once; formats as for `peer serve`. Give it twice for sound and
    /// pictures
    #[arg(long, value_name = "FILE", conflicts_with = "send")]
    pub(crate) play: Vec<PathBuf>,

    /// Record what the peer sends into this directory, one file for each stream; until Ctrl-C, or
    /// until what is played has ended
    #[arg(long, value_name = "DIR", conflicts_with = "send")]
    pub(crate) record: Option<PathBuf>,

    /// The bearer token that a WHIP or WHEP endpoint demands
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// The label of the data channel [default: `chat`, or `file` with --send]
    #[arg(long, value_name = "LABEL")]
    pub(crate) channel: Option<String>,

    /// How many seconds connecting may take, and how long a silence of the peer is endured
    #[arg(long, value_name = "SECONDS", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `ice=debug`
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,

    #[command(flatten)]
    pub(crate) ice: IceArgs,
}

/// The flags of `peer nat`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NatArgs {
    /// A STUN server to ask: HOST:PORT or stun:HOST:PORT. Give two with different IP addresses, or
    /// one that has two itself (RFC 5780), which can tell more
    #[arg(long, value_name = "SERVER")]
    pub(crate) stun: Vec<NatServer>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `stun=debug`
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,
}

/// Where HTTP is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// 127.0.0.1 and, where it exists, `::1`: the name `localhost` can mean either.
    Loopback(u16),
    /// One address.
    Address(SocketAddr),
}

impl Listen {
    /// The addresses to bind to, the first of which is necessary.
    pub(crate) fn addresses(self) -> Vec<SocketAddr> {
        match self {
            Listen::Loopback(port) => vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ],
            Listen::Address(address) => vec![address],
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| format!("`{port}` is not a port"))?;
            return Ok(Listen::Loopback(port));
        }
        text.parse().map(Listen::Address).map_err(|_| {
            "expected ADDR:PORT, such as 0.0.0.0:8080, [::]:8080 or localhost:8080".into()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Loopback(port) => write!(f, "localhost:{port}"),
            Listen::Address(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_flag_is_explained() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{argument}");
            }
        }
    }

    #[test]
    fn serving_needs_no_word() {
        let Command::Serve(arguments) = Cli::parse_from(["peer", "--cors"]).into_command() else {
            panic!("not serving");
        };
        assert!(arguments.cors);
        assert_eq!(arguments.listen, Listen::Loopback(8080));
        let Command::Serve(arguments) =
            Cli::parse_from(["peer", "serve", "--listen", "[::]:80"]).into_command()
        else {
            panic!("not serving");
        };
        assert_eq!(arguments.listen.to_string(), "[::]:80");
    }

    #[test]
    fn listen_is_read_as_it_is_written() {
        for text in ["localhost:0", "0.0.0.0:80", "[::1]:8080"] {
            assert_eq!(text.parse::<Listen>().map(|listen| listen.to_string()), Ok(text.into()));
        }
        for text in ["localhost", "localhost:99999", "8080", ""] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
