//! The laboratory: real NATs in network namespaces, a real TURN server, and our peers between them.
//!
//! ```text
//!   tests/lab           each kind of place with each: the matrix with STUN alone, and with TURN;
//!                       TURN over each transport; and the cable
//!   tests/lab A B       one pair
//!   tests/lab cable     a call that loses its path in the middle of a file
//! ```
//!
//! Needs root, Linux, iproute2, nftables and coturn; `tests/run lab` installs them. Everything it makes
//! is gone when it ends, however it ends.
//!
//! Book: "NATs".
#![allow(clippy::print_stdout, reason = "the matrix is for people")]

mod cable;
mod call;
mod matrix;
mod measure;
mod network;
mod peers;
mod router;
mod servers;
mod signalling;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use rand::Rng;
use tempfile::TempDir;
use tests::coturn::Coturn;
use tests::namespace;
use tokio::signal::unix::{SignalKind, signal};

use crate::matrix::{Outcome, Pair};
use crate::network::{Network, Place};
use crate::peers::Peer;
use crate::servers::{Servers, Transport};
use tests::matrix::{SITES, Site, TWINS};

/// The exit status that says: this machine does not let us make network namespaces.
const NO_NAMESPACES: u8 = 77;

/// How much is sent in each call: some packets of every size.
const PAYLOAD: usize = 200_000;

/// Lets our peers meet through every kind of NAT, and tells how they did.
#[derive(Debug, Parser)]
#[command(name = "tests/lab")]
struct Arguments {
    /// Two places, to try that pair alone; or `cable`, to pull the cable of a running call. Without:
    /// everything
    #[arg(value_name = "PLACE", num_args = 0..=2)]
    places: Vec<String>,
    /// Tell which places there are
    #[arg(long)]
    list: bool,
    /// Leave the network there at the end, for a closer look
    #[arg(long)]
    keep: bool,
    /// Write the tables into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// What the peers log, which is then shown: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

/// What all calls need.
struct Lab {
    // Dropped in this order: processes end before the network goes.
    coturn: Coturn,
    network: Network,
    peer: PathBuf,
    payload: Vec<u8>,
    log: Option<String>,
    logs: TempDir,
    logs_made: AtomicUsize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for site in SITES.iter().chain(&TWINS) {
            println!("{:<11} {}", site.name, site.about);
        }
        return ExitCode::SUCCESS;
    }
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("tests/lab: cannot wait for signals");
        return ExitCode::FAILURE;
    };
    namespace::remove_orphans();
    if let Err(reason) = namespace::possible(&[("nft", "nftables"), ("turnserver", "coturn")]) {
        eprintln!("tests/lab: network namespaces cannot be made here: {reason}");
        return ExitCode::from(NO_NAMESPACES);
    }
    let outcome = tokio::select! {
        outcome = run(&arguments) => outcome,
        _ = interrupt.recv() => Err("interrupted".to_owned()),
        _ = terminate.recv() => Err("interrupted".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tests/lab: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let lab = Lab::build(arguments)?;
    let outcome = match arguments.places.as_slice() {
        [] => lab.everything(arguments).await,
        [word] if word == "cable" => cable::pull(&lab).await,
        [one, other] => lab.pair(one, other).await,
        _ => Err("give two places, or `cable`, or nothing".to_owned()),
    };
    if arguments.keep {
        lab.leave();
    }
    outcome
}

impl Lab {
    /// The network with everything that the arguments need, measured.
    fn build(arguments: &Arguments) -> Result<Self, String> {
        let mut network = Network::new()?;
        let site = |name: &str| {
            Site::named(name).ok_or_else(|| format!("there is no {name}; see tests/lab --list"))
        };
        match arguments.places.as_slice() {
            [one, other] => {
                let (one, other) = (site(one)?, site(other)?);
                if (one.is_for_two() || other.is_for_two()) && one != other {
                    return Err(format!("{} and {} do not go together", one.name, other.name));
                }
                network.add("left", one)?;
                if !one.is_for_two() {
                    network.add("right", other)?;
                }
            }
            [_] => cable::build(&mut network)?,
            _ => {
                for side in ["left", "right"] {
                    for kind in &SITES {
                        network.add(side, kind)?;
                    }
                }
                for kind in &TWINS {
                    network.add("left", kind)?;
                }
                cable::build(&mut network)?;
            }
        }
        network.places.iter().try_for_each(|place| measure::verify(&network, place))?;
        let coturn = servers::start(&network)?;
        let logs = TempDir::with_prefix("lab-").map_err(|error| error.to_string())?;
        let mut payload = vec![0; PAYLOAD];
        rand::rng().fill_bytes(&mut payload);
        let peer = peers::program()?;
        let (log, logs_made) = (arguments.log.clone(), AtomicUsize::new(0));
        Ok(Self { coturn, network, peer, payload, log, logs, logs_made })
    }

    async fn everything(&self, arguments: &Arguments) -> Result<(), String> {
        let mut failed = 0;
        for (servers, file) in [(Servers::Stun, "stun.txt"), (Servers::Turn, "turn.txt")] {
            let outcomes = matrix::meet(self, matrix::pairs(self, servers)?).await;
            let table = matrix::of(&outcomes).to_string();
            println!("\nWith {servers}:\n\n{table}");
            if let Some(directory) = &arguments.write {
                let path = directory.join(file);
                std::fs::write(&path, table)
                    .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            }
            failed += complain(&outcomes);
        }
        failed += complain(&matrix::meet(self, self.special_pairs()?).await);
        if failed > 0 {
            return Err(format!("{failed} pairs did not meet as they must"));
        }
        cable::pull(self).await
    }

    /// Pairs that are in no table.
    fn special_pairs(&self) -> Result<Vec<Pair<'_>>, String> {
        let mut pairs = Vec::new();
        for twins in &TWINS {
            let place = self.network.place("left", twins)?;
            for servers in [Servers::Stun, Servers::Turn] {
                pairs.push(Pair { one: (place, 0), other: (place, 1), reversed: false, servers });
            }
        }
        for (one, other, servers) in [
            ("apd-apd", "apd-apd", Servers::Only(Transport::Udp)),
            ("tcp-only", "tcp-only", Servers::Only(Transport::Tcp)),
            ("tcp-only", "tcp-only", Servers::Only(Transport::Tls)),
            ("link-1280", "apd-apd", Servers::Only(Transport::Tls)),
            ("public", "public", Servers::RelayOnly),
            ("ei-ei", "ipv6", Servers::RelayOnly),
        ] {
            let one = (self.network.place_named("left", one)?, 0);
            let other = (self.network.place_named("right", other)?, 0);
            pairs.push(Pair { one, other, reversed: false, servers });
        }
        Ok(pairs)
    }

    /// One pair, with STUN and with TURN.
    async fn pair(&self, one: &str, other: &str) -> Result<(), String> {
        let one = (self.network.place_named("left", one)?, 0);
        let other = if one.0.site.is_for_two() {
            (one.0, 1)
        } else {
            (self.network.place_named("right", other)?, 0)
        };
        let pairs = [Servers::Stun, Servers::Turn].map(|servers| Pair {
            one,
            other,
            reversed: false,
            servers,
        });
        let outcomes = matrix::meet(self, pairs.into()).await;
        match complain(&outcomes) {
            0 => Ok(()),
            _ => Err("they did not meet as they must".to_owned()),
        }
    }

    /// Where a new process shall log.
    fn new_log(&self, place: &str) -> PathBuf {
        let number = self.logs_made.fetch_add(1, Ordering::Relaxed);
        self.logs.path().join(format!("{number:03}-{place}"))
    }

    /// The flags that make peers log.
    fn log_flags(&self) -> impl Iterator<Item = &str> {
        self.log.iter().flat_map(|level| ["--log", level])
    }

    /// Shows what a peer has logged, if that was asked for.
    fn show(&self, who: &str, peer: &Peer) {
        if self.log.is_some() {
            eprintln!("\n{who} says:\n{}", peer.said());
        }
    }

    /// Leaves everything there, and tells how to get at it.
    fn leave(self) {
        println!(
            "\nThe network is left there until tests/lab runs again. To do something at a place:\n"
        );
        let hosts = self.network.places.iter().flat_map(Place::namespaces);
        for namespace in hosts.chain([&self.network.internet]) {
            println!("  {} COMMAND", namespace.command().join(" "));
        }
        println!("\nThe peers were told: {}", Servers::Turn.flags(false).join(" "));
        std::mem::forget(self);
    }
}

/// Tells what is not as it must be, and how often.
fn complain(outcomes: &[Outcome<'_>]) -> usize {
    let wrong = outcomes.iter().filter(|outcome| !outcome.is_right());
    wrong.inspect(|outcome| eprintln!("wrong: {outcome}")).count()
}
