//! `peer call`: the client of the same contract, for this or any other implementation of it.
//!
//! Book: "Thirty seconds of a call".

use std::io::Write;
use std::time::{Duration, Instant};

use peer::{DataChannel, Error, PeerConnection, PeerEvent, SessionDescription};

use super::cli::CallArgs;
use super::failure::{Explain, Failure};
use super::media::show::Show;
use super::serve::interrupt;
use super::signalling::{RemoteSession, Signalling};
use super::transfer::Source;
use super::{chat, transfer};

/// Calls, and does what was asked for until it is done, fails or is interrupted.
pub(crate) async fn call(arguments: CallArgs) -> Result<(), Failure> {
    let timeout = Duration::from_secs(arguments.timeout);
    let signalling = Signalling::new(&arguments.url, arguments.token.clone(), timeout)?;
    // A file that cannot be read is known before anybody is called.
    let source = match &arguments.send {
        Some(path) => Some(Source::open(path).await?),
        None => None,
    };
    let mut show = Show::open(&arguments, signalling.role())?;
    let default = if source.is_some() { "file" } else { "chat" };
    let label = arguments.channel.as_deref().unwrap_or(default);

    let connection = PeerConnection::new(super::config())
        .await
        .explain(|| "cannot start a connection".into())?;
    let start = Instant::now();
    let channel = match &mut show {
        Some(show) => {
            show.set_up(&connection).await?;
            None
        }
        None => {
            let init = peer::DataChannelInit::default();
            let channel = connection.create_data_channel(label, init).await;
            Some(channel.explain(|| "cannot make a channel".into())?)
        }
    };
    let mut session = None;
    let outcome = tokio::select! {
        outcome = async {
            session = Some(negotiate(&connection, &signalling).await?);
            open(&connection, channel.as_ref(), timeout).await?;
            let opened = path(&connection).await;
            tell(&opened, &format!("open after {:.1} ms", start.elapsed().as_secs_f64() * 1000.0));
            let outcome = match (&show, &channel, source) {
                (_, Some(channel), Some(source)) => transfer::run(channel, source, timeout).await,
                (_, Some(channel), None) => chat::run(channel, timeout).await,
                (Some(show), None, _) => show.run(&connection).await,
                (None, None, _) => Ok(()),
            };
            // A better path may have been found, or a restart may have led elsewhere.
            let last = path(&connection).await;
            if last.is_some() && last != opened {
                tell(&last, "at the end");
            }
            outcome
        } => outcome,
        outcome = interrupt() => outcome.and_then(|()| match &show {
            // There was no other way to end it.
            Some(show) if show.is_endless() && session.is_some() => Ok(()),
            _ => Err(Failure::interrupted()),
        }),
    };
    connection.close().await;
    if let Some(session) = session {
        session.end().await;
    }
    match show {
        // What was recorded is there, whatever happened.
        Some(show) => {
            let recorded = show.finish().await;
            outcome.and(recorded)
        }
        None => outcome,
    }
}

/// Offers, with all candidates, and applies the answer.
async fn negotiate(
    connection: &PeerConnection,
    signalling: &Signalling,
) -> Result<RemoteSession, Failure> {
    let cannot_offer = || "cannot make an offer".to_owned();
    let offer = connection.create_offer().await.explain(cannot_offer)?;
    connection.set_local_description(offer).await.explain(cannot_offer)?;
    let offer = connection.local_description().await.explain(cannot_offer)?;
    let offer = offer.ok_or(Error::Closed).explain(cannot_offer)?;
    let (answer, session) = signalling.offer(offer.sdp).await?;
    let answer = SessionDescription::answer(&answer);
    match connection.set_remote_description(answer).await {
        Ok(()) => Ok(session),
        Err(error) => {
            session.end().await;
            Err(Failure::new(format!("the answer cannot be used: {error}")))
        }
    }
}

/// Waits until the channel is open, or, without one, the connection.
async fn open(
    connection: &PeerConnection,
    channel: Option<&DataChannel>,
    timeout: Duration,
) -> Result<(), Failure> {
    let opened = async {
        match channel {
            Some(channel) => channel.opened().await.is_ok(),
            None => connection.connected().await.is_ok(),
        }
    };
    match tokio::time::timeout(timeout, opened).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(closed(connection).await),
        Err(_) => Err(Failure::new(format!(
            "no connection within {} seconds: the peer answered, but no path to it works",
            timeout.as_secs()
        ))),
    }
}

/// Why the channel is closed, as far as the connection knows.
async fn closed(connection: &PeerConnection) -> Failure {
    const NEWS_TIMEOUT: Duration = Duration::from_millis(500);
    let reason = async {
        while let Some(event) = connection.next_event().await {
            if let PeerEvent::Closed(reason) = event {
                return Some(reason);
            }
        }
        None
    };
    match tokio::time::timeout(NEWS_TIMEOUT, reason).await {
        Ok(Some(reason)) => Failure::new(format!("the connection failed: {reason}")),
        _ => Failure::new("the peer closed the channel before it was open"),
    }
}

/// The path that data goes on, for people.
async fn path(connection: &PeerConnection) -> Option<String> {
    let pair = connection.get_stats().await.ok()?.selected_candidate_pair?;
    Some(format!(
        "{} ({}) to {} ({}) over {}",
        pair.local,
        pair.local_candidate_type,
        pair.remote,
        pair.remote_candidate_type,
        pair.protocol.to_uppercase()
    ))
}

/// Tells the user how the peers have met.
fn tell(path: &Option<String>, when: &str) {
    let path = path.as_deref().unwrap_or("no path");
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "peer: {when}, {path}");
}
