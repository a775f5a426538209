//! Files against ffmpeg: what it encodes we read, what we write it decodes, picture by picture the
//! same; and the same once more through a call to our own echo.
//!
//! `tests/run` installs ffmpeg.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::srtp::payload::{Codec, dimensions};
use tests::judge::{Verdict, judge};

use crate::process::{Running, peer, serving_peer};

/// The containers of the `peer` program, which is no library: compiled in here.
#[path = "../../peer/src/program/media/file/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the program uses all of it")]
mod file;

use file::{IvfWriter, MediaFile, OpusWriter, Sample, WavWriter};

/// Two seconds of ffmpeg's test pattern at 30 pictures a second, or of its sine.
const PICTURES: [&str; 4] = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=30:duration=2"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2"];

/// A file's name, and how ffmpeg is told to make it.
type Made = (&'static str, [&'static str; 4], &'static [&'static str]);

const FILES: [Made; 9] = [
    ("opus.ogg", SOUND, &["-c:a", "libopus"]),
    ("opus60.ogg", SOUND, &["-c:a", "libopus", "-frame_duration", "60", "-ac", "2"]),
    ("pcm.wav", SOUND, &["-ac", "2", "-c:a", "pcm_s16le"]),
    ("pcm24.wav", SOUND, &["-ar", "44100", "-c:a", "pcm_s24le"]),
    ("float.wav", SOUND, &["-ar", "16000", "-c:a", "pcm_f32le"]),
    ("vp8.ivf", PICTURES, &["-c:v", "libvpx", "-deadline", "realtime", "-auto-alt-ref", "0"]),
    ("vp9.ivf", PICTURES, &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-auto-alt-ref", "0"]),
    ("av1.ivf", PICTURES, &["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"]),
    // `ultrafast` has no B pictures; a keyframe every second.
    (
        "h264.h264",
        PICTURES,
        &["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p"],
    ),
];

/// Has ffmpeg make a file.
fn make(directory: &Path, (name, source, options): &Made) -> PathBuf {
    let path = directory.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).args(source).args(*options).arg(&path);
    let status = command.status().unwrap_or_else(|error| panic!("ffmpeg: {error}; run tests/run"));
    assert!(status.success(), "{command:?}");
    path
}

/// All frames of a file, as we read them.
fn read(path: &Path) -> (Codec, Vec<Sample>) {
    let media = MediaFile::open(path).unwrap();
    let codec = media.codecs()[0];
    let mut open = media.play(codec).unwrap();
    let samples = std::iter::from_fn(|| open.next_sample().unwrap()).collect();
    (codec, samples)
}

/// Writes them again, as the recorder does.
fn write(path: &Path, codec: Codec, samples: &[Sample]) {
    let out = BufWriter::new(File::create(path).unwrap());
    match codec {
        Codec::Opus => {
            let mut writer = OpusWriter::new(out, 1).unwrap();
            samples.iter().for_each(|sample| writer.write(sample).unwrap());
            writer.finish().unwrap();
        }
        Codec::Pcmu | Codec::Pcma => {
            let mut writer = WavWriter::new(out, codec).unwrap();
            samples.iter().for_each(|sample| writer.write(sample).unwrap());
            writer.finish().unwrap();
        }
        Codec::H264 => {
            let frames: Vec<u8> =
                samples.iter().flat_map(|sample| sample.payload.to_vec()).collect();
            std::fs::write(path, frames).unwrap();
        }
        _ => {
            let size = dimensions(codec, &samples[0].payload).unwrap();
            let mut writer = IvfWriter::new(out, codec, size).unwrap().unwrap();
            samples.iter().for_each(|sample| writer.write(sample).unwrap());
            writer.finish().unwrap();
        }
    }
}

/// Checksums of the decoded pictures or samples.
fn decoded(path: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "framemd5", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

fn of<'a>(verdicts: &'a [Verdict], name: &str) -> &'a Verdict {
    let found = verdicts.iter().find(|verdict| verdict.path.ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {verdicts:?}"))
}

#[test]
fn what_ffmpeg_encodes_is_read_and_what_is_written_it_decodes() {
    let directory = tempfile::tempdir().unwrap();
    let copies = directory.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    for made in &FILES {
        let original = make(directory.path(), made);
        let (codec, samples) = read(&original);
        let copy = copies.join(made.0);
        write(&copy, codec, &samples);
        let video = made.1 == PICTURES;
        if video {
            assert_eq!(samples.len(), 60, "{}", made.0);
            let times: Vec<u64> = samples.iter().map(|sample| sample.timestamp).collect();
            let expected: Vec<u64> = (0..60).map(|index| index * 3000).collect();
            assert_eq!(times, expected, "{}", made.0);
            assert_eq!(decoded(&original), decoded(&copy), "{}", made.0);
        }
    }
    let verdicts = judge(&copies).unwrap();
    assert_eq!(verdicts.len(), FILES.len());
    for verdict in &verdicts {
        let name = verdict.path.file_name().unwrap().to_string_lossy();
        if verdict.width > 0 {
            assert_eq!((verdict.frames, verdict.width), (60, 320), "{verdict:?}");
        }
        // A stream of H.264 has no times, and ffprobe guesses none.
        if verdict.width == 0 || name.ends_with(".ivf") {
            assert!((1.85..=2.1).contains(&verdict.duration), "{verdict:?}");
        }
    }
    assert_eq!(of(&verdicts, "opus.ogg").codec, "opus");
    assert_eq!(of(&verdicts, "pcm24.wav").codec, "pcm_s16le");
    assert_eq!(of(&verdicts, "vp8.ivf").codec, "vp8");
    assert_eq!(of(&verdicts, "vp9.ivf").codec, "vp9");
    assert_eq!(of(&verdicts, "av1.ivf").codec, "av1");
    assert_eq!(of(&verdicts, "h264.h264").codec, "h264");
}

#[test]
fn losses_are_concealed_in_a_file_that_ffmpeg_decodes() {
    let directory = tempfile::tempdir().unwrap();
    let copies = directory.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    for made in &FILES[..3] {
        let (codec, samples) = read(&make(directory.path(), made));
        let third: Vec<Sample> = samples.into_iter().step_by(3).collect();
        write(&copies.join(made.0), codec, &third);
    }
    for verdict in judge(&copies).unwrap() {
        assert!((1.75..=2.1).contains(&verdict.duration), "{verdict:?}");
    }
}

/// Plays a file to a serving peer, which echoes it, and records what comes back.
fn call(file: &Path, recordings: &Path) -> Vec<Verdict> {
    let (_serving, url) = serving_peer(&[]);
    let calling = Running::start(
        peer()
            .args(["call", &url, "--play"])
            .arg(file)
            .arg("--record")
            .arg(recordings)
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
    );
    let status = calling.ends_within(std::time::Duration::from_secs(30));
    assert!(status.success(), "{}: {status}", file.display());
    judge(recordings).unwrap()
}

#[test]
fn a_file_that_is_played_comes_back_from_the_echo() {
    let directory = tempfile::tempdir().unwrap();
    for made in &FILES {
        let file = make(directory.path(), made);
        let (codec, samples) = read(&file);
        let recordings = directory.path().join("recordings").join(made.0);
        let verdicts = call(&file, &recordings);
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        let verdict = &verdicts[0];
        if verdict.width > 0 {
            // Loopback loses nothing; the first frames may go before the way back is open.
            let least = samples.len() as u64 - 3;
            assert!((least..=60).contains(&verdict.frames), "{codec:?}: {verdict:?}");
        } else {
            assert!((1.7..=2.2).contains(&verdict.duration), "{codec:?}: {verdict:?}");
        }
    }
}

#[test]
fn the_built_in_pattern_is_watched_and_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let (_serving, url) = serving_peer(&[]);
    let watching = Running::start(
        peer()
            .args(["call", &url, "--record"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
    );
    // Long enough to have something to judge; nothing else waits here.
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(watching.interrupt().success());
    let verdicts = judge(directory.path()).unwrap();
    let codec = |codec: &str| verdicts.iter().find(|verdict| verdict.codec == codec);
    let video = codec("vp8").unwrap_or_else(|| panic!("no VP8 in {verdicts:?}"));
    assert!(video.frames >= 30 && video.width == 320, "{video:?}");
    let audio = codec("pcm_s16le").unwrap_or_else(|| panic!("no sound in {verdicts:?}"));
    assert!(audio.duration >= 2.0, "{audio:?}");
}
