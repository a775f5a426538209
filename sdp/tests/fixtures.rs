//! Every description the browsers made, byte for byte, and what the views say about them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use sdp::{Direction, Fragment, MaxMessageSize, Reason, Session, Setup};

fn fixtures() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut found = Vec::new();
    for folder in ["sdp", "pcap"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "sdp") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() >= 90, "only {} fixtures", found.len());
    found
}

fn fixture(name: &str) -> Session {
    let (_, text) = fixtures().into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
    Session::parse(&text).unwrap()
}

#[test]
fn every_browser_description_round_trips_byte_for_byte() {
    for (path, text) in fixtures() {
        let session = Session::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(session.to_string(), text, "{}", path.display());
    }
}

#[test]
fn trap_line_feeds_alone_are_tolerated_and_crlf_is_written() {
    for (path, text) in fixtures() {
        let session = Session::parse(&text.replace("\r\n", "\n")).unwrap();
        assert_eq!(session.to_string(), text, "{}", path.display());
    }
}

/// Cutting a description anywhere gives a description or an error, never anything worse.
#[test]
fn row_78_truncation_anywhere() {
    let text = fixture("sdp/firefox-data.offer.sdp").to_string();
    for cut in 0..text.len() {
        if let Err(error) = Session::parse(&text[..cut]) {
            assert!(error.line <= text[..cut].lines().count() + 1, "{cut}: {error}");
        }
    }
    assert_eq!(Session::parse("").unwrap_err().to_string(), "line 1: expected a line v=");
    assert_eq!(Session::parse("v=0\r\n").unwrap_err().to_string(), "line 2: expected a line o=");
}

#[test]
fn chromium_data_offer() {
    let session = fixture("sdp/chromium-data.offer.sdp");
    assert_eq!(session.origin.session_id, "2065635547366742505");
    assert_eq!(session.origin.version, 2);
    let group = session.bundle_groups().next().unwrap();
    assert_eq!(group.mids().collect::<Vec<_>>(), ["0"]);
    let section = session.sections().next().unwrap();
    assert!(section.is_data_channel() && !section.is_rejected() && !section.is_ice_lite());
    assert_eq!(section.mid(), Some("0"));
    assert_eq!(section.ice_ufrag(), Some("4eA5"));
    assert_eq!(section.ice_pwd(), Some("8/IKnPaywv4g9AfYFXoeoaxW"));
    assert_eq!(section.ice_options().collect::<Vec<_>>(), ["trickle"]);
    assert_eq!(section.setup(), Some(Setup::ActPass));
    assert_eq!(section.sctp_port(), Some(5000));
    assert_eq!(section.max_message_size(), MaxMessageSize::Octets(262_144));
    let fingerprint = section.fingerprints().next().unwrap();
    assert!(fingerprint.starts_with("sha-256 AF:58:11:E0:"));
    let candidates: Vec<_> = section.candidates().collect();
    assert_eq!(candidates.len(), 2);
    assert!(
        candidates[0].starts_with("candidate:3838779083 1 udp 2122260223 127.0.0.1 42547 typ host")
    );
    assert!(!section.end_of_candidates());
}

#[test]
fn firefox_writes_at_session_level_what_chromium_writes_in_each_section() {
    let session = fixture("sdp/firefox-data.offer.sdp");
    let section = session.sections().next().unwrap();
    assert_eq!(section.fingerprints().count(), 1);
    assert!(section.fingerprints().next().unwrap().starts_with("sha-256 5A:EE:"));
    assert_eq!(section.ice_options().collect::<Vec<_>>(), ["trickle"]);
    assert_eq!(section.ice_ufrag(), Some("b86e42e4"));
    assert_eq!(section.max_message_size(), MaxMessageSize::Octets(1_073_741_823));
    assert_eq!(section.direction(), Direction::SendRecv);
    assert!(section.end_of_candidates());
}

/// Two stacks write max-bundle offers with port 0 in the sections that follow the first one.
#[test]
fn trap_bundle_only_port_zero_is_no_rejection() {
    let session = fixture("sdp/firefox-max-bundle.offer.sdp");
    let sections: Vec<_> = session.sections().collect();
    assert_eq!(sections.iter().map(|s| s.media.port).collect::<Vec<_>>()[1..], [0, 0]);
    assert!(sections.iter().all(|section| !section.is_rejected()));
    let stopped = fixture("sdp/firefox-reneg-video-stopped.offer.sdp");
    assert_eq!(stopped.sections().filter(sdp::Section::is_rejected).count(), 1);
}

/// Firefox wrote `active` in a recycled section of a transport that is `passive`: each section's
/// own value can be read, so the one of the tagged section can be told apart.
#[test]
fn trap_setup_of_a_recycled_section_is_not_that_of_the_transport() {
    let session = fixture("sdp/firefox-reneg-remote-adds-reuses-mline.answer.sdp");
    let of = |mid| session.sections().find(|s| s.mid() == Some(mid)).unwrap().setup();
    let tagged = session.bundle_groups().next().unwrap().mids().next().unwrap();
    assert_eq!((of(tagged), of("4")), (Some(Setup::Passive), Some(Setup::Active)));
}

#[test]
fn directions_and_rtp_of_the_audio_and_video_offers() {
    let of = |name: &str| fixture(name).sections().map(|s| s.direction()).collect::<Vec<_>>();
    assert_eq!(of("sdp/chromium-audio-video-sendonly.offer.sdp"), [Direction::SendOnly; 2]);
    assert_eq!(of("sdp/firefox-audio-video-recvonly.offer.sdp"), [Direction::RecvOnly; 2]);
    let session = fixture("sdp/chromium-audio-video-data.offer.sdp");
    let rtp: Vec<_> = session.sections().map(|s| (s.is_dtls_srtp(), s.rtcp_mux())).collect();
    assert_eq!(rtp, [(true, true), (true, true), (false, false)]);
    assert!(session.sections().next().unwrap().media.formats().any(|format| format == "111"));
}

#[test]
fn a_body_of_a_patch_made_of_a_browsers_candidates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sdp");
    let text = fs::read_to_string(root.join("firefox-data-mdns.candidates.txt")).unwrap();
    let mut fragment = Fragment::default();
    fragment.lines.push_attribute("ice-ufrag", "abaea232");
    for line in text.lines() {
        if let Some((candidate, _)) = line.split_once('|').filter(|(text, _)| text.len() > 1) {
            fragment.lines.push('a', candidate.trim_end());
        }
    }
    let parsed = Fragment::parse(&fragment.to_string()).unwrap();
    assert_eq!(parsed, fragment);
    assert_eq!(parsed.candidates().count(), 4);
}

/// A browser's description with one line changed: the error names that line.
#[test]
fn the_error_names_the_line_an_editor_shows() {
    let text = fixture("sdp/chromium-data.offer.sdp").to_string();
    let line = text.lines().position(|line| line == "a=sctp-port:5000").unwrap() + 1;
    let error = Session::parse(&text.replace("sctp-port:5000", "sctp-port:65536")).unwrap_err();
    assert_eq!((error.line, error.reason), (line, Reason::TooLarge("sctp-port")));
    assert_eq!(error.to_string(), format!("line {line}: sctp-port is too large"));
}
