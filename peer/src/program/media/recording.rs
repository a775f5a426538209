//! One received stream in one file.
//!
//! Book: the chapter on RTP.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::media::{Codec, MediaFrame};
use srtp::payload::dimensions;

use super::file::{IvfWriter, OpusWriter, Sample, WavWriter, clock_rate};
use super::timeline::Timeline;

/// A file ends at this size; the sizes in a WAV file have 32 bits.
const MAX_FILE: u64 = 2 << 30;

/// Names that are tried before a file is given up: two sessions of one second are told apart by
/// their numbers, so few collide.
const MAX_NAMES: usize = 100;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    codec: Codec,
    writer: Writer,
    timeline: Timeline,
    /// The last time stamp written.
    last: Option<u64>,
    begin: Instant,
    frames: u64,
    octets: u64,
    duration: Duration,
}

/// What became of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Frames in it.
    pub(crate) frames: u64,
    /// From the arrival of the first to that of the last.
    pub(crate) duration: Duration,
}

#[derive(Debug)]
enum Writer {
    Opus(OpusWriter<BufWriter<File>>),
    Wav(WavWriter<BufWriter<File>>),
    Ivf(IvfWriter<BufWriter<File>>),
    /// H.264, whose frames are a file when put in a row, and G.722, which has no container.
    Plain(BufWriter<File>),
}

impl Recording {
    /// Creates a file called `stem` and what the codec adds. It has to begin with `frame`, but
    /// that is not written yet. `None`: no file can begin with it.
    pub(super) fn create(
        directory: &Path,
        stem: &str,
        frame: &MediaFrame,
    ) -> io::Result<Option<Recording>> {
        let codec = frame.codec;
        let size = match codec {
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 if frame.is_keyframe => {
                match dimensions(codec, &frame.payload) {
                    Some(size) => size,
                    None => return Ok(None),
                }
            }
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 => return Ok(None),
            Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => (0, 0),
        };
        let extension = match codec {
            Codec::Opus => "ogg",
            Codec::Pcmu | Codec::Pcma => "wav",
            Codec::G722 => "g722",
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => "ivf",
            Codec::H264 => "h264",
        };
        let (path, file) = create(directory, stem, extension)?;
        let file = BufWriter::new(file);
        let writer = match codec {
            Codec::Opus => Writer::Opus(OpusWriter::new(file, rand::random())?),
            Codec::Pcmu | Codec::Pcma => Writer::Wav(WavWriter::new(file, codec)?),
            Codec::G722 | Codec::H264 => Writer::Plain(file),
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => match IvfWriter::new(file, codec, size)? {
                Some(writer) => Writer::Ivf(writer),
                None => return Ok(None),
            },
        };
        let begin = frame.received_at;
        let timeline = Timeline::new(clock_rate(codec), frame.ssrc, frame.timestamp, begin);
        Ok(Some(Recording {
            path,
            codec,
            writer,
            timeline,
            last: None,
            begin,
            frames: 0,
            octets: 0,
            duration: Duration::ZERO,
        }))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `frame` belongs into this file.
    pub(super) fn takes(&self, frame: &MediaFrame) -> bool {
        self.codec == frame.codec && self.octets < MAX_FILE
    }

    /// Adds a frame.
    pub(super) fn write(&mut self, frame: &MediaFrame) -> io::Result<()> {
        let mut timestamp = self.timeline.place(frame.ssrc, frame.timestamp, frame.received_at);
        let payload = Bytes::clone(&frame.payload);
        let written = match &mut self.writer {
            Writer::Opus(writer) => writer.write(&Sample { payload, timestamp }),
            Writer::Wav(writer) => writer.write(&Sample { payload, timestamp }),
            Writer::Ivf(writer) => {
                // Frames are in the order of decoding; their times in the file must be too.
                timestamp = self.last.map_or(timestamp, |last| timestamp.max(last + 1));
                writer.write(&Sample { payload, timestamp })
            }
            Writer::Plain(file) => file.write_all(&payload),
        };
        self.last = Some(timestamp);
        self.frames += 1;
        // Of G.711 twice as much is written; the limit is far enough below what a header can say.
        self.octets += frame.payload.len() as u64;
        self.duration = frame.received_at.saturating_duration_since(self.begin);
        written
    }

    /// Ends the file: its header tells the truth, and everything is with the system.
    pub(super) fn finish(mut self) -> io::Result<Recorded> {
        match &mut self.writer {
            Writer::Opus(writer) => writer.finish()?,
            Writer::Wav(writer) => writer.finish()?,
            Writer::Ivf(writer) => writer.finish()?,
            Writer::Plain(file) => file.flush()?,
        }
        Ok(Recorded { path: self.path, frames: self.frames, duration: self.duration })
    }
}

/// Creates a file that was not there: `stem.extension`, `stem-2.extension` and so on.
fn create(directory: &Path, stem: &str, extension: &str) -> io::Result<(PathBuf, File)> {
    let mut outcome = Err(io::ErrorKind::AlreadyExists.into());
    for attempt in 1..=MAX_NAMES {
        let path = directory.join(match attempt {
            1 => format!("{stem}.{extension}"),
            _ => format!("{stem}-{attempt}.{extension}"),
        });
        outcome = File::create_new(&path).map(|file| (path, file));
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use srtp::{RtpTimestamp, Ssrc};

    use super::super::file::MediaFile;
    use super::*;

    fn frame(codec: Codec, timestamp: u32, payload: &'static [u8], at: Instant) -> MediaFrame {
        MediaFrame {
            codec,
            rid: None,
            ssrc: Ssrc(5),
            timestamp: RtpTimestamp(timestamp),
            is_keyframe: true,
            after_loss: false,
            received_at: at,
            payload: Bytes::from_static(payload),
        }
    }

    /// A VP8 key frame's header of 320×240, RFC 6386 §9.1.
    const VP8: &[u8] = &[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0, 0, 0];

    #[test]
    fn what_is_recorded_can_be_played() {
        let directory = tempfile::tempdir().unwrap();
        let now = Instant::now();
        for (codec, payload, step, name) in [
            (Codec::Opus, &[0xf8, 1][..], 960, "a.ogg"),
            (Codec::Pcma, &[0x55; 160], 160, "a.wav"),
            (Codec::Vp8, VP8, 3000, "a.ivf"),
        ] {
            let first = frame(codec, 77, payload, now);
            let mut recording = Recording::create(directory.path(), "a", &first).unwrap().unwrap();
            assert!(recording.path().ends_with(name));
            for index in 0..10 {
                let at = now + Duration::from_millis(u64::from(index) * 20);
                recording.write(&frame(codec, 77 + index * step, payload, at)).unwrap();
            }
            let recorded = recording.finish().unwrap();
            assert_eq!((recorded.frames, recorded.duration.as_millis()), (10, 180));
            let file = MediaFile::open(&recorded.path).unwrap();
            let mut open = file.play(*file.codecs().last().unwrap()).unwrap();
            let mut times = Vec::new();
            while let Some(sample) = open.next_sample().unwrap() {
                times.push(sample.timestamp);
            }
            let expected: Vec<u64> = (0..10).map(|index| index * u64::from(step)).collect();
            assert_eq!(times, expected, "{codec:?}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let first = frame(Codec::Opus, 0, &[0xf8], Instant::now());
        let names: Vec<PathBuf> = (0..2)
            .map(|_| Recording::create(directory.path(), "x", &first).unwrap().unwrap().path)
            .collect();
        assert!(names[0].ends_with("x.ogg") && names[1].ends_with("x-2.ogg"));
    }

    #[test]
    fn a_file_of_pictures_begins_with_a_keyframe() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = frame(Codec::Vp8, 0, VP8, Instant::now());
        first.is_keyframe = false;
        assert!(Recording::create(directory.path(), "x", &first).unwrap().is_none());
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
    }
}
