//! GStreamer's webrtcbin publishes by WHIP, another peer of ours watches by WHEP and records.
//!
//! `tests/run` installs GStreamer and its Python bindings, which belong to Debian's own Python.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tests::judge::judge;

use crate::process::{Running, peer, serving_peer};

/// How long the recorder watches.
const WATCHED: Duration = Duration::from_secs(4);

/// How long GStreamer publishes: longer than that.
const PUBLISHED: &str = "8";

#[test]
fn gstreamer_publishes_and_we_watch_and_record() {
    let directory = tempfile::tempdir().unwrap();
    let recordings = directory.path().join("recordings");
    let (_serving, url) = serving_peer(&["--token", "secret"]);
    let mut publisher = Running::start(
        Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/gstreamer.py"))
            .args([&format!("{url}/whip"), PUBLISHED, "secret"])
            .stdout(Stdio::piped()),
    );
    assert_eq!(publisher.first_line().trim(), "connected");
    let watching = Running::start(
        peer()
            .args(["call", &format!("{url}/whep"), "--token", "secret", "--record"])
            .arg(&recordings)
            .stdin(Stdio::null()),
    );
    // It is watched for as long as it takes to have something to judge; nothing else waits here.
    sleep(WATCHED);
    watching.interrupt();
    let verdicts = judge(&recordings).unwrap();
    let of = |codec: &str| verdicts.iter().find(|verdict| verdict.codec == codec);
    let video = of("vp8").unwrap_or_else(|| panic!("no VP8 in {verdicts:?}"));
    assert!(video.frames >= 30 && video.width == 320, "{video:?}");
    let audio = of("opus").unwrap_or_else(|| panic!("no Opus in {verdicts:?}"));
    assert!(audio.duration >= 2.0, "{audio:?}");
    assert!(publisher.ends_within(Duration::from_secs(20)).success());
}
