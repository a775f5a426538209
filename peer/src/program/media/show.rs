//! `peer call` with `--play` or `--record`: one call, from one end.
//!
//! ```text
//!  URL          --play                    --record
//!  a peer       sent, and echoed there    what comes back; without --play, what is shown there
//!  …/whip       published (RFC 9725)      -
//!  …/whep       -                         watched
//! ```
//!
//! It lasts as long as the files, or until Ctrl-C if there are none.
//!
//! Book: the chapter on signalling.

use std::io::Write;
use std::time::Duration;

use peer::media::{MediaKind, TransceiverInit};
use peer::{CloseReason, PeerConnection, Transceiver};
use sdp::Direction;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::file::MediaFile;
use super::player::{self, Repeat};
use super::recorder::{Recorder, Scribe, SessionRecorder};
use super::stage;
use crate::program::cli::CallArgs;
use crate::program::failure::{Explain, Failure};
use crate::program::keeper::End;
use crate::program::signalling::Role;

/// How long to wait at the end for what is still on its way back.
const LINGER: Duration = Duration::from_secs(1);

/// What is played and recorded in a call.
#[derive(Debug)]
pub(crate) struct Show {
    files: Vec<MediaFile>,
    recording: Option<(SessionRecorder, Scribe)>,
    sending: Vec<(Transceiver, MediaFile)>,
    receiving: JoinSet<()>,
}

impl Show {
    /// Opens the files, so that it is known before anybody is called if that is not possible.
    /// `None`: the call is not about media.
    pub(crate) fn open(arguments: &CallArgs, role: Role) -> Result<Option<Show>, Failure> {
        let (plays, records) = (!arguments.play.is_empty(), arguments.record.is_some());
        match role {
            Role::Publish if !plays => {
                return Err(Failure::new("to publish, say what: --play FILE"));
            }
            Role::Publish if records => {
                return Err(Failure::new("nothing comes back from a WHIP endpoint to record"));
            }
            Role::Watch if !records => {
                return Err(Failure::new("to watch, say where to record: --record DIR"));
            }
            Role::Watch if plays => {
                return Err(Failure::new("a WHEP endpoint takes nothing that is played"));
            }
            Role::Call if !plays && !records => return Ok(None),
            _ => {}
        }
        let files = stage::open(&arguments.play)?;
        let recording = match &arguments.record {
            Some(directory) => {
                let (recorder, scribe) = Recorder::start(directory)?;
                Some((recorder.session(), scribe))
            }
            None => None,
        };
        Ok(Some(Show { files, recording, sending: Vec::new(), receiving: JoinSet::new() }))
    }

    /// Whether the user has to end it.
    pub(crate) fn is_endless(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds the transceivers, for the offer.
    pub(crate) async fn set_up(&mut self, connection: &PeerConnection) -> Result<(), Failure> {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let file = self.files.iter().find(|file| file.is_audio() == (kind == MediaKind::Audio));
            let direction = match (file, &self.recording) {
                (Some(_), Some(_)) => Direction::SendRecv,
                (Some(_), None) => Direction::SendOnly,
                (None, _) if !self.files.is_empty() => continue,
                (None, _) => Direction::RecvOnly,
            };
            let codecs = file.map(|file| file.codecs().to_vec()).unwrap_or_default();
            let init = TransceiverInit { direction, codecs, ..TransceiverInit::default() };
            let transceiver = connection
                .add_transceiver(kind, init)
                .await
                .explain(|| "cannot send or receive media".into())?;
            if let Some(file) = file {
                self.sending.push((transceiver.clone(), file.clone()));
            }
            if let Some((session, _)) = &self.recording {
                let track = session.track(kind);
                self.receiving.spawn(stage::receive(transceiver, false, Some(track)));
            }
        }
        Ok(())
    }

    /// Plays, on a connection that is there; completes when all is over.
    pub(crate) async fn run(&self, end: End) -> Result<(), Failure> {
        let start = Instant::now();
        let plays = self
            .sending
            .iter()
            .map(|(transceiver, file)| player::play(transceiver, file, start, Repeat::Never));
        let playing = async {
            futures_util::future::try_join_all(plays).await?;
            if self.is_endless() {
                return std::future::pending().await;
            }
            if self.recording.is_some() {
                tokio::time::sleep(LINGER).await;
            }
            Ok(())
        };
        tokio::select! {
            outcome = playing => outcome,
            outcome = over(end) => match outcome {
                // Who only listens has heard everything.
                Ok(()) if self.is_endless() => Ok(()),
                Ok(()) => Err(Failure::new("the peer ended the call before the file was played")),
                Err(failure) => Err(failure),
            },
        }
    }

    /// Ends the recordings and tells what there is.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        // Each task gives up its track, and with it the file.
        self.receiving.shutdown().await;
        let Some((_, scribe)) = self.recording.take() else { return Ok(()) };
        let files = scribe.finish().await;
        let mut stdout = std::io::stdout();
        for file in &files {
            let (path, frames) = (file.path.display(), file.frames);
            let seconds = file.duration.as_secs_f64();
            writeln!(stdout, "recorded {path}: {frames} frames in {seconds:.1} s")
                .explain(|| "cannot write to stdout".into())?;
        }
        if files.is_empty() {
            return Err(Failure::new("nothing came that could be recorded"));
        }
        Ok(())
    }
}

/// Completes when the connection is over.
async fn over(mut end: End) -> Result<(), Failure> {
    match end.reason().await {
        None | Some(CloseReason::Remote) => Ok(()),
        Some(reason) => Err(Failure::new(format!("the connection failed: {reason}"))),
    }
}
