//! `--record DIR`: everything that is received, in files.
//!
//! ```text
//!  session ► track ► gate ──┐                      ┌► 20260101-120000-1-audio.ogg
//!  session ► track ► gate ──┼► bounded queue ► thread ► 20260101-120000-1-video.ivf
//!  …                        │                      └► …
//! ```
//!
//! One thread writes for the whole program, so that a slow disk never holds up a connection: what
//! does not fit into the queue is lost, as on the network. Each track has a file, each layer of a
//! simulcast too, and a new one begins when the codec changes. Files begin with their own first
//! frame, at 0; how sound and picture lie to each other is not kept.
//!
//! Files are complete whenever the program ends by itself, Ctrl-C included; should it be killed,
//! all but the last second is there.
//!
//! Book: the chapter on feedback.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use peer::media::{MediaFrame, MediaKind, Rid};
use tracing::{info, warn};

use super::gate::{Gate, Verdict, is_audio};
use super::recording::{Recorded, Recording};
use crate::program::failure::{Explain, Failure};

/// Frames that wait for the disk: some seconds of a few sessions.
const MAX_QUEUE: usize = 2048;

/// Layers of a track that are recorded. Simulcast has three.
const MAX_LAYERS: usize = 8;

/// Files of one track: a peer can change its codec again and again.
const MAX_FILES_OF_TRACK: usize = 32;

/// Recordings that are remembered for the report at the end.
const MAX_REPORTED: usize = 64;

/// Takes frames of all sessions. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: SyncSender<Command>,
    sessions: Arc<AtomicU64>,
    tracks: Arc<AtomicU64>,
}

/// The thread that writes, for who starts it.
#[derive(Debug)]
pub(crate) struct Scribe {
    queue: SyncSender<Command>,
    thread: JoinHandle<Vec<Recorded>>,
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    /// A frame of a track. The name is for the first one.
    Frame { track: u64, stem: Arc<str>, frame: MediaFrame },
    /// No more of this track.
    End { track: u64 },
    /// No more at all.
    Finish,
}

impl Recorder {
    /// Records into `directory`, which is created if it is not there.
    pub(crate) fn start(directory: &Path) -> Result<(Recorder, Scribe), Failure> {
        let cannot = || format!("cannot record into {}", directory.display());
        std::fs::create_dir_all(directory).explain(cannot)?;
        // Whether files can be made there is known before anybody calls.
        tempfile_in(directory).explain(cannot)?;
        let (queue, commands) = sync_channel(MAX_QUEUE);
        let directory = directory.to_owned();
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write_all(&directory, &commands))
            .explain(cannot)?;
        let scribe = Scribe { queue: queue.clone(), thread };
        Ok((Recorder { queue, sessions: Arc::default(), tracks: Arc::default() }, scribe))
    }

    /// A new session, beginning now.
    pub(crate) fn session(&self) -> SessionRecorder {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        SessionRecorder { recorder: self.clone(), name: format!("{}-{number}", timestamp(time)) }
    }
}

/// Makes sure that a file can be created.
fn tempfile_in(directory: &Path) -> std::io::Result<()> {
    let path: PathBuf = directory.join(format!(".peer-{:08x}", rand::random::<u32>()));
    std::fs::File::create_new(&path)?;
    std::fs::remove_file(path)
}

impl Scribe {
    /// Ends all files, and tells which there are.
    pub(crate) async fn finish(self) -> Vec<Recorded> {
        let finishing = tokio::task::spawn_blocking(move || {
            // If the thread is gone already, it has nothing to end.
            let _ = self.queue.send(Command::Finish);
            self.thread.join().unwrap_or_default()
        });
        finishing.await.unwrap_or_default()
    }
}

/// Names the files of one session.
#[derive(Clone, Debug)]
pub(crate) struct SessionRecorder {
    recorder: Recorder,
    name: String,
}

impl SessionRecorder {
    /// A track of the session.
    pub(crate) fn track(&self, kind: MediaKind) -> TrackRecorder {
        let kind = match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        TrackRecorder {
            queue: self.recorder.queue.clone(),
            track: self.recorder.tracks.fetch_add(1, Ordering::Relaxed),
            stem: format!("{}-{kind}", self.name).into(),
            gates: Vec::new(),
        }
    }
}

/// Takes the frames of one track. Its files end when it is dropped.
#[derive(Debug)]
pub(crate) struct TrackRecorder {
    queue: SyncSender<Command>,
    track: u64,
    stem: Arc<str>,
    /// For each layer.
    gates: Vec<(Option<Rid>, Gate)>,
}

impl TrackRecorder {
    /// Takes a frame. Answers whether a keyframe of its layer is needed.
    pub(crate) fn take(&mut self, frame: MediaFrame) -> bool {
        let Some(gate) = self.gate(&frame.rid) else { return false };
        let waited = matches!(gate, Gate::Waiting { asked: Some(_) });
        match gate.judge(&frame) {
            Verdict::Drop => false,
            Verdict::Ask => {
                info!(name = %self.stem, "recording waits for a keyframe");
                true
            }
            Verdict::Pass => {
                if waited && !is_audio(frame.codec) {
                    info!(name = %self.stem, "recording goes on with a keyframe");
                }
                let rid = frame.rid.clone();
                let stem = Arc::clone(&self.stem);
                let command = Command::Frame { track: self.track, stem, frame };
                if self.queue.try_send(command).is_err() {
                    warn!(name = %self.stem, "the disk is too slow: a frame is not recorded");
                    if let Some(gate) = self.gate(&rid) {
                        gate.lost();
                    }
                }
                false
            }
        }
    }

    /// The gate of a layer.
    fn gate(&mut self, rid: &Option<Rid>) -> Option<&mut Gate> {
        let index = match self.gates.iter().position(|(layer, _)| layer == rid) {
            Some(index) => index,
            None if self.gates.len() < MAX_LAYERS => {
                self.gates.push((rid.clone(), Gate::new()));
                self.gates.len() - 1
            }
            None => return None,
        };
        self.gates.get_mut(index).map(|(_, gate)| gate)
    }
}

impl Drop for TrackRecorder {
    fn drop(&mut self) {
        // If the queue is full, the file ends with the program.
        let _ = self.queue.try_send(Command::End { track: self.track });
    }
}

/// The thread: writes until there is nothing more to come.
fn write_all(directory: &Path, commands: &Receiver<Command>) -> Vec<Recorded> {
    let mut reports = Vec::new();
    let mut tracks: HashMap<u64, Track> = HashMap::new();
    for command in commands {
        match command {
            Command::Frame { track, stem, frame } => {
                tracks.entry(track).or_default().write(directory, &stem, &frame, &mut reports);
            }
            Command::End { track } => {
                if let Some(track) = tracks.remove(&track) {
                    track.finish(&mut reports);
                }
            }
            Command::Finish => break,
        }
    }
    tracks.into_values().for_each(|track| track.finish(&mut reports));
    reports
}

/// The files of a track.
#[derive(Debug, Default)]
struct Track {
    /// For each layer the file it has now; bounded by the gates.
    layers: Vec<(Option<Rid>, Option<Recording>)>,
    /// Files there have been.
    files: usize,
}

impl Track {
    fn write(
        &mut self,
        directory: &Path,
        stem: &str,
        frame: &MediaFrame,
        reports: &mut Vec<Recorded>,
    ) {
        let index = match self.layers.iter().position(|(rid, _)| *rid == frame.rid) {
            Some(index) => index,
            None => {
                self.layers.push((frame.rid.clone(), None));
                self.layers.len() - 1
            }
        };
        let Some((_, slot)) = self.layers.get_mut(index) else { return };
        if let Some(other) = slot.take_if(|recording| !recording.takes(frame)) {
            finish(other, reports);
        }
        if slot.is_none() {
            if self.files >= MAX_FILES_OF_TRACK {
                return;
            }
            let stem = match &frame.rid {
                Some(rid) => format!("{stem}-{}", letters(rid)),
                None => stem.to_owned(),
            };
            match Recording::create(directory, &stem, frame) {
                Ok(recording) => *slot = recording,
                Err(error) => {
                    warn!(%error, "cannot record {stem}");
                    self.files = MAX_FILES_OF_TRACK;
                    return;
                }
            }
            if let Some(recording) = slot {
                self.files += 1;
                info!(file = %recording.path().display(), "recording");
            }
        }
        if let Some(recording) = slot
            && let Err(error) = recording.write(frame)
        {
            warn!(%error, file = %recording.path().display(), "recording ends");
            // No more of it: the disk is full, or gone.
            self.files = MAX_FILES_OF_TRACK;
            if let Some(recording) = slot.take() {
                finish(recording, reports);
            }
        }
    }

    fn finish(self, reports: &mut Vec<Recorded>) {
        for recording in self.layers.into_iter().filter_map(|(_, recording)| recording) {
            finish(recording, reports);
        }
    }
}

fn finish(recording: Recording, reports: &mut Vec<Recorded>) {
    let path = recording.path().to_owned();
    match recording.finish() {
        Ok(recorded) => {
            info!(file = %path.display(), frames = recorded.frames, "recorded");
            if reports.len() < MAX_REPORTED {
                reports.push(recorded);
            }
        }
        Err(error) => warn!(%error, file = %path.display(), "the recording is not complete"),
    }
}

/// The name of a layer as far as it may stand in the name of a file.
fn letters(rid: &Rid) -> String {
    rid.0.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}

/// Seconds since 1970 as `20260101-120000`, UTC.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is the last; eras have 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use peer::media::Codec;
    use srtp::{RtpTimestamp, Ssrc};

    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(timestamp(0), "19700101-000000");
        assert_eq!(timestamp(951_782_400), "20000229-000000");
        assert_eq!(timestamp(1_767_268_800), "20260101-120000");
        assert_eq!(timestamp(4_107_542_399), "21000228-235959");
        assert_eq!(timestamp(4_107_542_400), "21000301-000000");
    }

    fn frame(codec: Codec, rid: Option<&str>, index: u32, payload: &'static [u8]) -> MediaFrame {
        MediaFrame {
            codec,
            rid: rid.map(|rid| Rid(rid.into())),
            ssrc: Ssrc(1),
            timestamp: RtpTimestamp(index * 960),
            is_keyframe: true,
            after_loss: false,
            received_at: Instant::now(),
            payload: Bytes::from_static(payload),
        }
    }

    const VP8: &[u8] = &[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0, 0, 0];

    #[tokio::test]
    async fn each_track_layer_and_codec_has_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, scribe) = Recorder::start(&directory.path().join("new")).unwrap();
        let session = recorder.session();
        let mut audio = session.track(MediaKind::Audio);
        let mut video = session.track(MediaKind::Video);
        for index in 0..3 {
            assert!(!audio.take(frame(Codec::Opus, None, index, &[0xf8])));
        }
        assert!(!audio.take(frame(Codec::Pcmu, None, 3, &[0xff; 160])));
        for rid in ["l", "h"] {
            assert!(!video.take(frame(Codec::Vp8, Some(rid), 0, VP8)));
        }
        drop(audio);
        let mut files = scribe.finish().await;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let name =
            |name: &str| directory.path().join("new").join(format!("{}-{name}", session.name));
        let found: Vec<_> = files.iter().map(|file| (file.path.clone(), file.frames)).collect();
        assert_eq!(
            found,
            [
                (name("audio.ogg"), 3),
                (name("audio.wav"), 1),
                (name("video-h.ivf"), 1),
                (name("video-l.ivf"), 1),
            ]
        );
        assert!(session.name.ends_with("-1"));
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let failure = Recorder::start(&path.join("in")).unwrap_err().to_string();
        assert!(
            failure.starts_with("cannot record into ") && failure.contains("file"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn a_peer_that_changes_its_codec_for_ever_fills_few_files() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, scribe) = Recorder::start(directory.path()).unwrap();
        let mut track = recorder.session().track(MediaKind::Audio);
        for index in 0..200 {
            let codec = if index % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
            track.take(frame(codec, None, index, &[0xff; 160]));
        }
        assert_eq!(scribe.finish().await.len(), MAX_FILES_OF_TRACK);
    }
}
