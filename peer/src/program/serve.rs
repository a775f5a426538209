//! `peer serve`: HTTP for the page and the signalling, one UDP socket for the rest.
//!
//! Book: "Thirty seconds of a call".

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::Duration;

use peer::{Endpoint, IceServer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info};

use super::cli::{Listen, ServeArgs};
use super::failure::{Explain, Failure};
use super::ice_servers::{IceArgs, complain};
use super::media::recorder::Recorder;
use super::media::stage::{self, Studio};
use super::room::Rooms;
use super::sessions::Sessions;
use super::token::Token;
use super::{connections, http};

/// How long the farewells of all connections and the answers under way may take at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// How often another port is tried when 0 was asked for and only one IP version has it free.
const PORT_TRIES: usize = 16;

/// Serves until the user ends it.
pub(crate) async fn serve(arguments: ServeArgs) -> Result<(), Failure> {
    // Files that cannot be played or written are known before anybody calls.
    let files = stage::open(&arguments.play)?;
    let recording = arguments.record.as_deref().map(Recorder::start).transpose()?;
    let (recorder, scribe) = recording.unzip();
    let studio = Studio::new(files, recorder);
    let listeners = listen(arguments.listen).await?;
    let config = arguments.ice.config(arguments.ice_lite)?;
    let endpoint =
        Endpoint::with_options(arguments.ice.endpoint(arguments.udp_port, arguments.tcp_port))
            .await
            .map_err(|error| cannot_begin(&arguments.ice, arguments.udp_port, &error))?;
    let first =
        listeners.first().ok_or_else(|| Failure::new("there is no address to listen on"))?;
    let address = first.local_addr().explain(|| "cannot listen".into())?;
    // Before anybody can know that the program runs, and end it.
    let interrupted = interrupts()?;
    announce(arguments.listen, address)?;
    info!(udp_port = endpoint.port(), "serving");

    if config.hide_addresses {
        endpoint.announce_names();
    }
    let gathering = tokio::spawn(gather(endpoint.clone(), config.ice_servers.clone()));
    let sessions = Sessions::new(endpoint.clone(), config, arguments.max_sessions, studio);
    let rooms = Rooms::new();
    let token = arguments
        .token
        .as_deref()
        .map(|token| Token::new(token).ok_or_else(|| Failure::new("the system has no randomness")));
    let token = token.transpose()?;
    let pages = arguments.ice.for_pages()?;
    let router = http::router(sessions, rooms.clone(), token, arguments.cors, pages);
    let (stop, stopping) = watch::channel(false);
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(connections::serve(listener, router.clone(), stopping.clone()));
    }

    interrupted.await?;
    info!("closing");
    gathering.abort();
    stop.send_replace(true);
    let farewell = async {
        tokio::join!(endpoint.close(), rooms.close());
        servers.join_all().await;
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        debug!("some client keeps its HTTP connection");
    }
    if let Some(scribe) = scribe {
        scribe.finish().await;
    }
    Ok(())
}

/// Asks the servers before anybody calls, and tells which are of no use.
async fn gather(endpoint: Endpoint, servers: Vec<IceServer>) {
    match endpoint.gather(&servers).await {
        Ok(errors) => errors.iter().for_each(complain),
        Err(error) => debug!(%error, "not gathering"),
    }
}

/// Why there is no endpoint on this UDP port.
pub(super) fn cannot_begin(ice: &IceArgs, port: u16, error: &io::Error) -> Failure {
    match ice.authorities() {
        // Of a socket it could not be said.
        Some(file) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::NotFound) => {
            Failure::new(format!("cannot use the certificates in {file}: {error}"))
        }
        _ => cannot_bind("UDP port", &port.to_string(), error),
    }
}

/// Binds to every address asked for.
async fn listen(listen: Listen) -> Result<Vec<TcpListener>, Failure> {
    let mut outcome = try_listen(listen).await;
    if listen == Listen::Loopback(0) {
        for _ in 1..PORT_TRIES {
            if outcome.is_ok() {
                break;
            }
            outcome = try_listen(listen).await;
        }
    }
    outcome
}

async fn try_listen(listen: Listen) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::<TcpListener>::new();
    for mut address in listen.addresses() {
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr().explain(|| "cannot listen".into())?.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // Without IPv6, `localhost` means 127.0.0.1. But if its port is taken by somebody
            // else, browsers would find that program instead.
            Err(error) if !listeners.is_empty() && error.kind() != io::ErrorKind::AddrInUse => {
                debug!(%address, %error, "not listening there");
            }
            Err(error) => return Err(cannot_bind("address", &address.to_string(), &error)),
        }
    }
    Ok(listeners)
}

fn cannot_bind(what: &str, which: &str, error: &io::Error) -> Failure {
    let flag = if what == "address" { "--listen" } else { "--udp-port" };
    Failure::new(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the {what} {which} is in use by another program; choose another with {flag}")
        }
        _ => format!("cannot use the {what} {which}: {error}"),
    })
}

/// The one line that tells where the page is.
fn announce(listen: Listen, address: SocketAddr) -> Result<(), Failure> {
    let host = match listen {
        Listen::Loopback(_) => format!("localhost:{}", address.port()),
        Listen::Address(_) => address.to_string(),
    };
    let mut stdout = io::stdout();
    writeln!(stdout, "Open http://{host} in a browser")
        .and_then(|()| stdout.flush())
        .explain(|| "cannot write to stdout".into())
}

/// Completes when the user wants the program to end.
pub(super) async fn interrupt() -> Result<(), Failure> {
    interrupts()?.await
}

/// As [`interrupt`]; signals count from the call on, not from when it is awaited.
pub(super) fn interrupts() -> Result<impl Future<Output = Result<(), Failure>>, Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).explain(|| "cannot wait for signals".into());
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async { tokio::signal::ctrl_c().await.explain(|| "cannot wait for signals".into()) })
}
