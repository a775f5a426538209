//! What keeps a call of `peer call` going: candidates that are found late are told, and a lost path is
//! replaced.
//!
//! ```text
//!   IceCandidate ────────────► PATCH to the session (trickle ICE, RFC 8838)
//!   IceCandidateError ───────► a sentence for the user
//!   disconnected, for 1 s ┐
//!   failed ───────────────┴──► ICE restart: new offer, or a fragment ─► answer   (again after 2, 4, 8 s)
//!   Closed ──────────────────► End
//! ```
//!
//! It alone takes the connection's events.
//! Book: "Restart".

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use peer::{
    CloseReason, Error, IceCandidate, IceConnectionState, PeerConnection, PeerEvent,
    SessionDescription,
};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::failure::{Explain, Failure};
use super::ice_servers::complain;
use super::signalling::Answered;

/// How long a peer may be silent, beyond the seconds after which ICE notices, before another path is
/// looked for. Most silences end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// How long an attempt is given before the next one, at first. Each time it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How a connection ends.
#[derive(Clone, Debug)]
pub(super) struct End(watch::Receiver<Option<CloseReason>>);

impl End {
    /// Waits for the end; `None` if there is no reason to be had.
    pub(super) async fn reason(&mut self) -> Option<CloseReason> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|reason| *reason)
    }
}

/// Keeps the connection of an answered offer, until it is closed.
pub(super) fn keep(connection: Arc<PeerConnection>, answered: Answered) -> End {
    let (told, end) = watch::channel(None);
    let keeper = Keeper { connection, answered, restart_at: None, pause: FIRST_PAUSE, lost: false };
    tokio::spawn(async move {
        if let Some(reason) = keeper.run().await {
            told.send_replace(Some(reason));
        }
    });
    End(end)
}

struct Keeper {
    connection: Arc<PeerConnection>,
    answered: Answered,
    /// When to look for another path.
    restart_at: Option<Instant>,
    pause: Duration,
    /// The user knows that the path is lost.
    lost: bool,
}

impl Keeper {
    async fn run(mut self) -> Option<CloseReason> {
        let connection = Arc::clone(&self.connection);
        loop {
            tokio::select! {
                event = connection.next_event() => match event? {
                    PeerEvent::Closed(reason) => return Some(reason),
                    PeerEvent::IceCandidate(candidate) => self.trickle(candidate).await,
                    PeerEvent::IceCandidateError(error) => complain(&error),
                    PeerEvent::IceConnectionState(state) => self.follow(state).await,
                    _ => {}
                },
                () = at(self.restart_at) => self.restart().await,
            }
        }
    }

    async fn follow(&mut self, state: IceConnectionState) {
        match state {
            IceConnectionState::Disconnected => self.restart_at = Some(Instant::now() + GRACE),
            IceConnectionState::Failed if self.restart_at.is_none() => {
                self.restart_at = Some(Instant::now());
            }
            IceConnectionState::Connected | IceConnectionState::Completed => {
                self.restart_at = None;
                self.pause = FIRST_PAUSE;
                if std::mem::take(&mut self.lost) {
                    tell(path(&self.connection).await.as_deref(), "connected again");
                }
            }
            _ => {}
        }
    }

    /// Tells the peer a candidate. If it cannot be told, others may do.
    async fn trickle(&mut self, candidate: Option<IceCandidate>) {
        let description = self.connection.local_description().await;
        let Ok(Some(description)) = description else { return };
        if let Err(error) = self.answered.trickle(&description.sdp, candidate.as_ref()).await {
            debug!(%error, "a candidate was not told");
        }
    }

    /// Looks for another path: new credentials on both sides, the same DTLS and SCTP.
    async fn restart(&mut self) {
        if !std::mem::replace(&mut self.lost, true) {
            say("the path to the peer is lost, looking for another one");
        }
        if let Err(failure) = restart(&self.connection, &mut self.answered).await {
            debug!(%failure, "no restart");
            if self.answered.is_gone() {
                say("the peer has ended the session meanwhile");
                self.restart_at = None;
                return self.connection.close().await;
            }
        }
        self.restart_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

// ANCHOR: restart
async fn restart(connection: &PeerConnection, answered: &mut Answered) -> Result<(), Failure> {
    let cannot = || "cannot restart ICE".to_owned();
    connection.restart_ice().await.explain(cannot)?;
    let offer = offer(connection).await.explain(cannot)?;
    let applied = match answered.restart(&offer).await {
        Ok(answer) => {
            let answer = SessionDescription::answer(answer);
            connection.set_remote_description(answer).await.explain(cannot)
        }
        Err(failure) => Err(failure),
    };
    if applied.is_err() {
        connection.set_local_description(SessionDescription::rollback()).await.explain(cannot)?;
    }
    applied
}
// ANCHOR_END: restart

/// Makes an offer with all candidates known by now, and applies it.
pub(super) async fn offer(connection: &PeerConnection) -> Result<String, Error> {
    let offer = connection.create_offer().await?;
    connection.set_local_description(offer).await?;
    Ok(connection.local_description().await?.ok_or(Error::Closed)?.sdp)
}

/// The path that data goes on, for people.
pub(super) async fn path(connection: &PeerConnection) -> Option<String> {
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
pub(super) fn tell(path: Option<&str>, when: &str) {
    say(&format!("{when}, {}", path.unwrap_or("no path")));
}

fn say(sentence: &str) {
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "peer: {sentence}");
}

/// Completes at this time; never, without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
