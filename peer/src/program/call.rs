//! `peer call`: the client of the same contract, for this or any other implementation of it.
//!
//! The offer goes out at once and the candidates that servers tell follow it; only WHIP and WHEP
//! endpoints, which need not take any that come later (RFC 9725 §4.3), have to wait for them.
//!
//! Book: "Thirty seconds of a call".

use std::sync::Arc;
use std::time::{Duration, Instant};

use peer::{DataChannel, Endpoint, IceGatheringState, PeerConnection, SessionDescription};

use super::cli::CallArgs;
use super::failure::{Explain, Failure};
use super::keeper::{self, End, keep, path, tell};
use super::media::show::Show;
use super::serve::{cannot_begin, interrupt};
use super::signalling::{Answered, Role, Signalling};
use super::transfer::Source;
use super::{chat, transfer};

/// How long an offer waits for candidates that cannot follow it.
const GATHERING: Duration = Duration::from_secs(3);

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

    let config = arguments.ice.config(false)?;
    let options = arguments.ice.endpoint(0, None);
    let endpoint = Endpoint::with_options(options).await;
    let endpoint = endpoint.map_err(|error| cannot_begin(&arguments.ice, 0, &error))?;
    let connection = endpoint.connection(config).explain(|| "cannot start a connection".into())?;
    let connection = Arc::new(connection);
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
            let answered = negotiate(&connection, &signalling).await?;
            session = Some(answered.session());
            let end = keep(Arc::clone(&connection), answered);
            open(&connection, channel.as_ref(), end.clone(), timeout).await?;
            let opened = path(&connection).await;
            let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
            tell(opened.as_deref(), &format!("open after {milliseconds:.1} ms"));
            let outcome = match (&show, &channel, source) {
                (_, Some(channel), Some(source)) => transfer::run(channel, source, timeout).await,
                (_, Some(channel), None) => chat::run(channel, timeout).await,
                (Some(show), None, _) => show.run(end).await,
                (None, None, _) => Ok(()),
            };
            // A better path may have been found, or a restart may have led elsewhere.
            let last = path(&connection).await;
            if last.is_some() && last != opened {
                tell(last.as_deref(), "at the end");
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

/// Offers, and applies the answer.
async fn negotiate(
    connection: &PeerConnection,
    signalling: &Signalling,
) -> Result<Answered, Failure> {
    let cannot_offer = || "cannot make an offer".to_owned();
    let mut offer = keeper::offer(connection).await.explain(cannot_offer)?;
    let is_complete = connection.ice_gathering_state() == IceGatheringState::Complete;
    if signalling.role() != Role::Call && !is_complete {
        // What is not found by then would have to follow.
        let _ = tokio::time::timeout(GATHERING, connection.gathering_complete()).await;
        let description = connection.local_description().await.explain(cannot_offer)?;
        offer = description.map_or(offer, |description| description.sdp);
    }
    let answered = signalling.offer(offer).await?;
    let answer = SessionDescription::answer(answered.sdp());
    match connection.set_remote_description(answer).await {
        Ok(()) => Ok(answered),
        Err(error) => {
            answered.session().end().await;
            Err(Failure::new(format!("the answer cannot be used: {error}")))
        }
    }
}

/// Waits until the channel is open, or, without one, the connection.
async fn open(
    connection: &PeerConnection,
    channel: Option<&DataChannel>,
    end: End,
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
        Ok(false) => Err(closed(end).await),
        Err(_) => Err(Failure::new(format!(
            "no connection within {} seconds: the peer answered, but no path to it works",
            timeout.as_secs()
        ))),
    }
}

/// Why the channel is closed, as far as the connection knows.
async fn closed(mut end: End) -> Failure {
    const NEWS_TIMEOUT: Duration = Duration::from_millis(500);
    match tokio::time::timeout(NEWS_TIMEOUT, end.reason()).await {
        Ok(Some(reason)) => Failure::new(format!("the connection failed: {reason}")),
        _ => Failure::new("the peer closed the channel before it was open"),
    }
}
