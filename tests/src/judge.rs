//! ffprobe and ffmpeg as judges of what the `peer` program recorded.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What ffprobe says of a recording that ffmpeg decoded without a complaint.
#[derive(Debug)]
pub struct Verdict {
    /// Where it is.
    pub path: PathBuf,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Frames that can be read.
    pub frames: u64,
    /// Pixels; 0 for audio.
    pub width: u64,
    /// Seconds, if the container knows.
    pub duration: f64,
}

/// Every picture is decoded and passed on at its own time: without a fixed rate, which a camera behind
/// a network does not have, and to which ffmpeg would otherwise round.
const PASSED_ON: [&str; 8] =
    ["-vsync", "passthrough", "-enc_time_base", "-1", "-f", "null", "-nostats", "-"];

/// Judges every file in a directory.
///
/// # Errors
/// ffprobe does not understand a file, or ffmpeg complains while it decodes it.
pub fn judge(directory: &Path) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(|error| format!("no recordings: {error}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for path in files {
        verdicts.push(judge_file(path)?);
    }
    Ok(verdicts)
}

fn judge_file(path: PathBuf) -> Result<Verdict, String> {
    let entries = "stream=codec_name,width,nb_read_frames:format=duration";
    let said = output(
        Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries", entries, "-of", "json"])
            .arg(&path),
    )?;
    let said: Value = serde_json::from_str(&said).map_err(|error| format!("ffprobe: {error}"))?;
    let stream = &said["streams"][0];
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let complaints =
        output(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&path).args(PASSED_ON))?;
    if !complaints.is_empty() {
        return Err(format!("ffmpeg on {}: {complaints}", path.display()));
    }
    Ok(Verdict {
        codec: stream["codec_name"].as_str().unwrap_or_default().to_owned(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        frames: number(&stream["nb_read_frames"]).unwrap_or_default() as u64,
        width: stream["width"].as_u64().unwrap_or_default(),
        duration: number(&said["format"]["duration"]).unwrap_or_default(),
        path,
    })
}

/// Everything a program prints.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot start {command:?}: {error}; run tests/run"))?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?}: {}", text(&output.stderr)));
    }
    Ok(text(&output.stdout) + &text(&output.stderr))
}
