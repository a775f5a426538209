//! The captures by name, and what belongs to each.

use std::path::PathBuf;

use tap::capture::{self, Datagram};
use tap::keylog::KeyLog;

/// A capture of one connection.
pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) datagrams: Vec<Datagram>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/pcap")
}

/// All captures whose file name ends with `suffix`, such as `.sctp.pcap`.
fn with_suffix(suffix: &str, other: Option<&str>) -> Vec<Capture> {
    let mut captures: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let file = entry.unwrap().file_name().into_string().unwrap();
            if other.is_some_and(|other| file.ends_with(other)) {
                return None;
            }
            let name = file.strip_suffix(suffix)?.to_owned();
            Some(Capture { name, datagrams: capture::read(&folder().join(&file)).unwrap() })
        })
        .collect();
    captures.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(captures.len() >= 9, "the captures are missing");
    captures
}

/// The captures in which an end is the `peer` program of this workspace.
const OURS: [&str; 4] =
    [WATCH, "peer-coturn-relay", "caller-server-restart", "caller-callee-punch"];

/// The one with media.
const WATCH: &str = "firefox-peer-watch";

/// The captures of UDP between browsers: STUN, DTLS, SRTP.
pub(crate) fn udp() -> Vec<Capture> {
    let mut captures = with_suffix(".pcap", Some(".sctp.pcap"));
    captures.retain(|capture| !OURS.contains(&capture.name.as_str()));
    captures
}

/// Firefox, watching what the `peer` program shows.
pub(crate) fn ours() -> Capture {
    let datagrams = capture::read(&folder().join(format!("{WATCH}.pcap"))).unwrap();
    Capture { name: WATCH.to_owned(), datagrams }
}

/// The captures of decrypted SCTP.
pub(crate) fn sctp() -> Vec<Capture> {
    with_suffix(".sctp.pcap", None)
}

/// `offer` or `answer` of a capture, where it was kept.
pub(crate) fn description(name: &str, kind: &str) -> Option<sdp::Session> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.{kind}.sdp"))).ok()?;
    Some(sdp::Session::parse(&text).unwrap())
}

/// The datagrams whose first octet lies in this range (RFC 7983 §7).
pub(crate) fn by_first_octet(
    capture: &Capture,
    range: std::ops::RangeInclusive<u8>,
) -> impl Iterator<Item = &Datagram> {
    capture
        .datagrams
        .iter()
        .filter(move |datagram| datagram.payload.first().is_some_and(|first| range.contains(first)))
}

/// The key log of a capture, if there is one: Chromium writes none.
pub(crate) fn key_log(name: &str) -> Option<KeyLog> {
    KeyLog::read(&folder().join(format!("{name}.keylog"))).ok()
}
