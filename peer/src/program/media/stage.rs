//! What a connection of this program sends and receives: who plays which part.
//!
//! ```text
//!  the peer of `peer serve` offers   we send                             we receive
//!  recvonly: it watches              the file of --play, or the pattern  -
//!  sendrecv                          the file of --play, or the echo     recorded with --record
//!  sendonly: it publishes            -                                   recorded with --record
//! ```
//!
//! [`Stage::prepare`] sets this between a remote offer and our answer, [`Stage::begin`] starts what
//! came of it: for each transceiver one task that sends and one that receives.
//!
//! Book: the chapter on offer and answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use peer::media::{Codec, MediaKind, ReceiveMode, Received, Rid, TransceiverId};
use peer::{Error, PeerConnection, Transceiver};
use sdp::Direction;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::file::MediaFile;
use super::mirror::{self, Mirror};
use super::pattern::Pattern;
use super::player::{self, Repeat};
use super::recorder::{Recorder, SessionRecorder, TrackRecorder};
use super::tone;

/// The sections of an offer that are looked at; the rest stay as the connection makes them.
const MAX_SECTIONS: usize = 64;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Studio {
    audio: Option<MediaFile>,
    video: Option<MediaFile>,
    recorder: Option<Recorder>,
    pattern: Arc<Pattern>,
}

impl Studio {
    /// With the files of `--play` and the recorder of `--record`.
    pub(crate) fn new(files: Vec<MediaFile>, recorder: Option<Recorder>) -> Arc<Studio> {
        let (audio, video): (Vec<_>, Vec<_>) = files.into_iter().partition(MediaFile::is_audio);
        let (audio, video) = (audio.into_iter().next(), video.into_iter().next());
        Arc::new(Studio { audio, video, recorder, pattern: Pattern::new() })
    }

    /// The recording of a new session, if there is `--record`.
    pub(crate) fn recording(&self) -> Option<SessionRecorder> {
        self.recorder.as_ref().map(Recorder::session)
    }

    fn file(&self, kind: MediaKind) -> Option<&MediaFile> {
        match kind {
            MediaKind::Audio => self.audio.as_ref(),
            MediaKind::Video => self.video.as_ref(),
        }
    }

    /// What is shown to who only watches: codecs to choose from, none if there is nothing.
    fn programme(&self, kind: MediaKind) -> &[Codec] {
        match (self.file(kind), kind) {
            (Some(file), _) => file.codecs(),
            // With a file of the other kind alone, that is the whole programme.
            (None, _) if self.audio.is_some() || self.video.is_some() => &[],
            (None, MediaKind::Audio) => &tone::CODECS,
            (None, MediaKind::Video) => &[Codec::Vp8],
        }
    }
}

/// What a transceiver does, after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    sends: Sends,
    receives: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    Nothing,
    Programme,
    Echo,
}

/// The media of one session.
#[derive(Debug)]
pub(crate) struct Stage {
    studio: Arc<Studio>,
    recording: Option<SessionRecorder>,
    /// What each transceiver does, and the tasks that do it.
    players: Mutex<HashMap<TransceiverId, (Part, JoinSet<()>)>>,
}

impl Stage {
    /// Nothing happens yet.
    pub(crate) fn new(studio: &Arc<Studio>) -> Stage {
        let recording = studio.recording();
        Stage { studio: Arc::clone(studio), recording, players: Mutex::default() }
    }

    /// Says what we want in each section of `offer`, which has just been applied.
    pub(crate) async fn prepare(
        &self,
        connection: &PeerConnection,
        offer: &str,
    ) -> Result<(), Error> {
        let Ok(offer) = sdp::Session::parse(offer) else { return Ok(()) };
        let offered: HashMap<&str, Direction> = offer
            .sections()
            .take(MAX_SECTIONS)
            .filter_map(|section| Some((section.mid()?, section.direction())))
            .collect();
        for transceiver in connection.transceivers().await? {
            let info = transceiver.info().await?;
            let offered = info.mid.as_deref().and_then(|mid| offered.get(mid));
            let kind = transceiver.kind();
            let programme = self.studio.programme(kind);
            let direction = match offered {
                Some(Direction::RecvOnly) if programme.is_empty() => Direction::Inactive,
                Some(Direction::RecvOnly) => Direction::SendOnly,
                Some(Direction::SendOnly) => Direction::RecvOnly,
                Some(Direction::SendRecv) => Direction::SendRecv,
                Some(Direction::Inactive) | None => continue,
            };
            let watches = direction == Direction::SendOnly;
            if watches || (direction == Direction::SendRecv && self.studio.file(kind).is_some()) {
                transceiver.set_codec_preferences(programme.to_vec()).await?;
            }
            transceiver.set_direction(direction).await?;
        }
        Ok(())
    }

    /// Begins what the descriptions now say; what went on before and still shall, goes on.
    pub(crate) async fn begin(&self, connection: &Arc<PeerConnection>) -> Result<(), Error> {
        let mut present = Vec::new();
        for transceiver in connection.transceivers().await? {
            let direction = transceiver.info().await?.current_direction;
            let has_file = self.studio.file(transceiver.kind()).is_some();
            let part = match direction {
                Some(Direction::SendRecv) if has_file => {
                    Part { sends: Sends::Programme, receives: true }
                }
                Some(Direction::SendRecv) => Part { sends: Sends::Echo, receives: true },
                Some(Direction::SendOnly) => Part { sends: Sends::Programme, receives: false },
                Some(Direction::RecvOnly) => Part { sends: Sends::Nothing, receives: true },
                Some(Direction::Inactive) | None => Part { sends: Sends::Nothing, receives: false },
            };
            present.push((transceiver, part));
        }
        let mut players = self.players.lock().unwrap_or_else(PoisonError::into_inner);
        players.retain(|id, _| present.iter().any(|(transceiver, _)| transceiver.id() == *id));
        for (transceiver, part) in present {
            let id = transceiver.id();
            if players.get(&id).is_some_and(|(before, _)| *before == part) {
                continue;
            }
            // The tasks of the part before end with their set.
            players.insert(id, (part, self.play(connection, &transceiver, part)));
        }
        Ok(())
    }

    /// The tasks of a part.
    fn play(
        &self,
        connection: &Arc<PeerConnection>,
        transceiver: &Transceiver,
        part: Part,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if part.sends == Sends::Programme {
            tasks.spawn(perform(
                Arc::clone(connection),
                transceiver.clone(),
                Arc::clone(&self.studio),
            ));
        }
        let echo = part.sends == Sends::Echo;
        if part.receives {
            let track = self.recording.as_ref().map(|session| session.track(transceiver.kind()));
            tasks.spawn(receive(transceiver.clone(), echo, track));
        }
        tasks
    }

    /// Ends everything: files are complete soon after.
    pub(crate) fn end(&self) {
        self.players.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Sends the programme, as soon as there is a connection.
async fn perform(connection: Arc<PeerConnection>, transceiver: Transceiver, studio: Arc<Studio>) {
    if connection.connected().await.is_err() {
        return;
    }
    match studio.file(transceiver.kind()) {
        Some(file) => {
            let outcome = player::play(&transceiver, file, Instant::now(), Repeat::Forever).await;
            if let Err(failure) = outcome {
                warn!("not played any further: {failure}");
            }
        }
        None => match player::sent_codec(&transceiver).await {
            Some(Codec::Vp8) => {
                studio.pattern.show(&transceiver, connection.target_bitrate()).await;
            }
            Some(codec) if tone::CODECS.contains(&codec) => tone::sound(&transceiver, codec).await,
            codec => debug!(?codec, "the peer takes nothing that is there"),
        },
    }
}

/// Receives until the transceiver is over: gives packets back with `echo`, and frames to `track`.
pub(crate) async fn receive(
    transceiver: Transceiver,
    echo: bool,
    mut track: Option<TrackRecorder>,
) {
    let mode = match (echo, track.is_some()) {
        (true, true) => ReceiveMode::Both,
        (true, false) => ReceiveMode::Packets,
        (false, true) => ReceiveMode::Frames,
        (false, false) => ReceiveMode::Discard,
    };
    if transceiver.set_receive_mode(mode).await.is_err() {
        return;
    }
    let layers: Vec<Rid> =
        transceiver.info().await.map(|info| info.receive_rids).unwrap_or_default();
    let mut mirror = Mirror::default();
    loop {
        let received = tokio::select! {
            received = transceiver.recv() => received,
            wanted = transceiver.keyframe_requested(), if echo => {
                // Whoever made the picture has to make the keyframe.
                match wanted {
                    Some(_) => transceiver.request_keyframe(mirror.layer()),
                    None => return,
                }
                continue;
            }
        };
        match received {
            None => return,
            Some(Received::Packet(packet)) => match mirror.judge(&packet, &layers) {
                mirror::Verdict::Return => {
                    if transceiver.send_packet(packet).is_err() {
                        return;
                    }
                }
                mirror::Verdict::Ask => transceiver.request_keyframe(packet.rid.clone()),
                mirror::Verdict::Drop => {}
            },
            Some(Received::Frame(frame)) => {
                let rid = frame.rid.clone();
                if track.as_mut().is_some_and(|track| track.take(frame)) {
                    transceiver.request_keyframe(rid);
                }
            }
        }
    }
}

/// Opens the files of `--play`: one of sound and one of pictures at most.
pub(crate) fn open(paths: &[std::path::PathBuf]) -> Result<Vec<MediaFile>, super::Failure> {
    let mut files: Vec<MediaFile> = Vec::new();
    for path in paths {
        let file = MediaFile::open(path).map_err(|error| super::Failure::new(error.to_string()))?;
        if let Some(other) = files.iter().find(|other| other.is_audio() == file.is_audio()) {
            return Err(super::Failure::new(format!(
                "{} and {} are both {}; only one can be played",
                other.path().display(),
                file.path().display(),
                if file.is_audio() { "sound" } else { "pictures" }
            )));
        }
        info!(file = %path.display(), codecs = ?file.codecs(), "to be played");
        files.push(file);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use peer::media::TransceiverInit;

    use super::*;

    /// Answers an offer of these, and tells what the answer says and what is done.
    async fn answered(
        studio: &Arc<Studio>,
        offered: &[(MediaKind, Direction)],
    ) -> (String, Vec<Part>) {
        let theirs = PeerConnection::new(crate::program::config()).await.unwrap();
        let ours = Arc::new(PeerConnection::new(crate::program::config()).await.unwrap());
        for &(kind, direction) in offered {
            let init = TransceiverInit { direction, ..TransceiverInit::default() };
            theirs.add_transceiver(kind, init).await.unwrap();
        }
        let offer = theirs.create_offer().await.unwrap();
        let stage = Stage::new(studio);
        ours.set_remote_description(offer.clone()).await.unwrap();
        stage.prepare(&ours, &offer.sdp).await.unwrap();
        let answer = ours.create_answer().await.unwrap();
        ours.set_local_description(answer.clone()).await.unwrap();
        stage.begin(&ours).await.unwrap();
        let players = stage.players.lock().unwrap();
        let mut parts: Vec<_> = players.iter().map(|(id, (part, _))| (*id, *part)).collect();
        parts.sort_by_key(|(id, _)| *id);
        (answer.sdp, parts.into_iter().map(|(_, part)| part).collect())
    }

    fn directions(sdp: &str) -> Vec<Direction> {
        let session = sdp::Session::parse(sdp).unwrap();
        session.sections().map(|section| section.direction()).collect()
    }

    #[tokio::test]
    async fn everybody_gets_the_part_that_the_offer_leaves() {
        use Direction::{RecvOnly, SendOnly, SendRecv};
        use MediaKind::{Audio, Video};
        let studio = Studio::new(Vec::new(), None);
        let offered = [(Audio, RecvOnly), (Video, RecvOnly), (Audio, SendRecv), (Video, SendOnly)];
        let (answer, parts) = answered(&studio, &offered).await;
        assert_eq!(directions(&answer), [SendOnly, SendOnly, SendRecv, RecvOnly]);
        let part = |sends, receives| Part { sends, receives };
        assert_eq!(
            parts,
            [
                part(Sends::Programme, false),
                part(Sends::Programme, false),
                part(Sends::Echo, true),
                part(Sends::Nothing, true),
            ]
        );
        // The pattern is there in one codec; the echo takes any.
        let sections: Vec<&str> = answer.split("m=").skip(1).collect();
        assert!(sections[0].contains("PCMU/8000") && !sections[0].contains("opus/48000"));
        assert!(sections[1].contains("VP8/90000") && !sections[1].contains("VP9/90000"));
        assert!(sections[2].contains("opus/48000"));
    }

    #[tokio::test]
    async fn a_file_is_played_to_everybody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.h264");
        std::fs::write(&path, [0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88])
            .unwrap();
        let studio = Studio::new(open(std::slice::from_ref(&path)).unwrap(), None);
        let offered = [
            (MediaKind::Video, Direction::SendRecv),
            (MediaKind::Video, Direction::RecvOnly),
            (MediaKind::Audio, Direction::RecvOnly),
        ];
        let (answer, parts) = answered(&studio, &offered).await;
        let sections: Vec<&str> = answer.split("m=").skip(1).collect();
        assert!(sections[0].contains("H264/90000") && !sections[0].contains("VP8/90000"));
        assert!(sections[1].contains("H264/90000") && !sections[1].contains("VP8/90000"));
        assert_eq!(
            directions(&answer),
            [Direction::SendRecv, Direction::SendOnly, Direction::Inactive]
        );
        assert_eq!(parts[0], Part { sends: Sends::Programme, receives: true });
        let twice = open(&[path.clone(), path]).unwrap_err().to_string();
        assert!(twice.contains("are both pictures"), "{twice}");
    }
}
